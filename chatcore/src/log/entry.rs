//! One entry of a room's log.

use crate::clock::Timestamp;
use crate::id::{AttachmentId, ClientMsgId, Epoch, InviteLinkId, MessageId, RoomId, Seq, UserId};
use crate::room::{Role, RoomKind};

/// Something that happened in a room, at its place in the room's order.
///
/// It serialises to the fields of an `event` frame: the kind's own fields stand beside these.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// The room.
    pub room: RoomId,
    /// Which life of the log `seq` counts in.
    pub epoch: Epoch,
    /// The place in the room's order.
    pub seq: Seq,
    /// Who did it. For what is done to someone, see the kind's `target`.
    pub user: UserId,
    /// When the server decided it. Not what orders entries; that is `seq`.
    pub ts: Timestamp,
    /// For messages: their own dense count, from 1, of which unread counts are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The sender's own name for it, if it came with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What an entry says, by kind.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Body {
    /// A message. It carries its current form: an edit changes it in place, a deletion empties it.
    Message {
        /// Its name, for ever.
        message_id: MessageId,
        /// The text; empty once deleted.
        text: String,
        /// The message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
        /// Its files.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<AttachmentRef>,
        /// Members whom it calls: each counts it as unread of their own. Kept when it is deleted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
        /// The host's own data, any JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meta: Option<serde_json::Value>,
        /// When the text was last changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edited_at: Option<Timestamp>,
        /// When it was deleted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted_at: Option<Timestamp>,
    },
    /// A message's text was changed by its author.
    Edit {
        /// Which message.
        message_id: MessageId,
        /// The new text; empty if the message was deleted since.
        text: String,
    },
    /// A message was deleted.
    Delete {
        /// Which message.
        message_id: MessageId,
    },
    /// A reaction was added.
    React {
        /// To which message.
        message_id: MessageId,
        /// Which one.
        emoji: String,
    },
    /// A reaction was taken back.
    Unreact {
        /// From which message.
        message_id: MessageId,
        /// Which one.
        emoji: String,
    },
    /// A message was pinned.
    Pin {
        /// Which message.
        message_id: MessageId,
    },
    /// A message was unpinned.
    Unpin {
        /// Which message.
        message_id: MessageId,
    },
    /// The user came in.
    Enter {
        /// The invite link that they came by, if they did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<InviteLinkId>,
    },
    /// The user went.
    Leave {},
    /// Someone was asked in.
    Invite {
        /// Whom.
        target: UserId,
    },
    /// Someone was sent out, and may come back.
    Kick {
        /// Whom.
        target: UserId,
        /// Why, in the moderator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Someone was shut out.
    Ban {
        /// Whom.
        target: UserId,
        /// Until when; without one, until unbanned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Why, in the moderator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A ban was lifted.
    Unban {
        /// Whose.
        target: UserId,
    },
    /// Someone may read but not write.
    Mute {
        /// Whom.
        target: UserId,
        /// Until when; without one, until unmuted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Why, in the moderator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A mute was lifted.
    Unmute {
        /// Whose.
        target: UserId,
    },
    /// A member's role changed.
    Role {
        /// Whose.
        target: UserId,
        /// What it is now.
        role: Role,
    },
    /// A link was made by which people come in. Its code is not told.
    Link {
        /// Which.
        link: InviteLinkId,
        /// From when on it opens nothing.
        expires_at: Timestamp,
        /// How many may come by it; without a number, as many as the room holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uses: Option<u32>,
    },
    /// A link by which people come in was revoked.
    Unlink {
        /// Which.
        link: InviteLinkId,
    },
    /// The room's description, as it is from here on. Always the first entry of a room.
    Room {
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// Who may find and enter it.
        visibility: RoomKind,
        /// Seconds between one message of a member and the next.
        #[serde(default, skip_serializing_if = "is_zero")]
        slow_mode: u32,
        /// Seconds after which messages are removed; 0: as the server has it.
        #[serde(default, skip_serializing_if = "is_zero")]
        retention: u32,
    },
    /// Messages were too old for the room, and are removed with all that hung on them.
    Expire {
        /// All up to this place.
        upto: Seq,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A file of a message, as readers of the message see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachmentRef {
    /// Its name for downloads.
    pub id: AttachmentId,
    /// What its sender calls it; for display only.
    pub name: String,
    /// Its media type, found from its content.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Width in pixels, for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// A small picture of it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Thumbnail>,
}

/// A small picture of an image, turned as it is to be shown and without what the file tells beside it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Thumbnail {
    /// Its media type: `image/jpeg`, or `image/png` where the picture is see-through.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its width in pixels; the image itself is as wide for its height once it is turned.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

macro_rules! kinds {
    ($($variant:ident = $number:literal $name:literal),*) => {
        /// The kinds of entries, with the numbers that stores keep for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant = $number,)*
        }

        impl Kind {
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl Body {
            /// Which kind it is.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$variant { .. } => Kind::$variant,)* }
            }
        }
    };
}

kinds! {
    Message = 1 "message", Edit = 2 "edit", Delete = 3 "delete", React = 4 "react",
    Unreact = 5 "unreact", Pin = 6 "pin", Unpin = 7 "unpin", Enter = 8 "enter", Leave = 9 "leave",
    Invite = 10 "invite", Kick = 11 "kick", Ban = 12 "ban", Unban = 13 "unban", Mute = 14 "mute",
    Unmute = 15 "unmute", Role = 16 "role", Room = 17 "room", Link = 18 "link",
    Unlink = 19 "unlink", Expire = 24 "expire"
}

impl Body {
    /// The message that it is or that it is about.
    pub fn message_id(&self) -> Option<&MessageId> {
        match self {
            Self::Message { message_id, .. }
            | Self::Edit { message_id, .. }
            | Self::Delete { message_id }
            | Self::React { message_id, .. }
            | Self::Unreact { message_id, .. }
            | Self::Pin { message_id }
            | Self::Unpin { message_id } => Some(message_id),
            _ => None,
        }
    }
}
