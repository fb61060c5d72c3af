//! What a client can ask for. The parts that are not in REST's paths are types of their own, which
//! REST's bodies share.

use serde::{Deserialize, Serialize};

use super::Token;
use crate::chat::SearchQuery;
use crate::clock::Timestamp;
use crate::error::Invalid;
use crate::id::{AttachmentId, ClientMsgId, InviteLinkId, MessageId, RoomId, Seq, UserId};
use crate::log::{Cursor, Draft, HistoryQuery};
use crate::room::{
    InviteCode, MemberAction, NewInviteLink, NewRoom, NotifyLevel, NotifySetting, Role, RoomKind,
    RoomUpdate,
};

/// What a frame with an `id` asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Goes on with a newer token of the same session.
    Auth {
        /// The new access token.
        token: Token,
    },
    /// Lists the rooms that the caller is in.
    Rooms(Rooms),
    /// Makes a room and enters it.
    CreateRoom(CreateRoom),
    /// Enters a room; no effect for one who is in.
    Enter {
        /// Which.
        room: RoomId,
    },
    /// Leaves a room.
    Leave {
        /// Which.
        room: RoomId,
    },
    /// Describes a room anew.
    UpdateRoom {
        /// Which.
        room: RoomId,
        /// What changes.
        #[serde(flatten)]
        body: UpdateRoom,
    },
    /// Asks for a room's entries as they come; again: moves the cursor.
    Subscribe {
        /// Which.
        room: RoomId,
        /// From where; without one, from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Cursor>,
    },
    /// Asks for no more of them.
    Unsubscribe {
        /// Which.
        room: RoomId,
    },
    /// Sends a message.
    Send {
        /// Where to.
        room: RoomId,
        /// The message.
        #[serde(flatten)]
        body: Send,
    },
    /// Changes the text of the caller's own message.
    Edit {
        /// Where.
        room: RoomId,
        /// Which.
        message_id: MessageId,
        /// How.
        #[serde(flatten)]
        body: Edit,
    },
    /// Deletes a message.
    Delete {
        /// Where.
        room: RoomId,
        /// Which.
        message_id: MessageId,
        /// The caller's name for it.
        #[serde(flatten)]
        body: Delete,
    },
    /// Adds a reaction.
    React {
        /// Where.
        room: RoomId,
        /// To which message.
        message_id: MessageId,
        /// Which reaction.
        emoji: String,
    },
    /// Takes a reaction back.
    Unreact {
        /// Where.
        room: RoomId,
        /// From which message.
        message_id: MessageId,
        /// Which reaction.
        emoji: String,
    },
    /// Pins a message.
    Pin {
        /// Where.
        room: RoomId,
        /// Which.
        message_id: MessageId,
    },
    /// Unpins a message.
    Unpin {
        /// Where.
        room: RoomId,
        /// Which.
        message_id: MessageId,
    },
    /// Reads a page of messages.
    History {
        /// Of which room.
        room: RoomId,
        /// Which page.
        #[serde(flatten)]
        body: History,
    },
    /// Searches messages that the caller may read.
    Search(Search),
    /// Lists who is in a room, and how far each has come.
    Members {
        /// Of which room.
        room: RoomId,
        /// Which of them.
        #[serde(flatten)]
        body: Members,
    },
    /// Lists the pinned messages of a room.
    Pins {
        /// Of which room.
        room: RoomId,
        /// Which of them.
        #[serde(flatten)]
        body: Pins,
    },
    /// Lists who has read a message.
    Readers {
        /// In which room.
        room: RoomId,
        /// Which message.
        message_id: MessageId,
        /// Which of them.
        #[serde(flatten)]
        body: Members,
    },
    /// Makes a link by which people come into a room.
    CreateInviteLink {
        /// Which room.
        room: RoomId,
        /// For how long, and for how many.
        #[serde(flatten)]
        body: CreateInviteLink,
    },
    /// Lists the links by which people come into a room.
    InviteLinks {
        /// Which room.
        room: RoomId,
    },
    /// Revokes such a link.
    RevokeInviteLink {
        /// Of which room.
        room: RoomId,
        /// Which.
        link: InviteLinkId,
    },
    /// Asks where such a link leads.
    Invitation(UseInvite),
    /// Comes into a room by such a link.
    AcceptInvite(UseInvite),
    /// Says what of a room the caller wants to be told of.
    Notify {
        /// Of which room.
        room: RoomId,
        /// What.
        #[serde(flatten)]
        body: SetNotify,
    },
    /// Blocks someone.
    Block {
        /// Whom.
        user: UserId,
    },
    /// Blocks someone no more.
    Unblock {
        /// Whom.
        user: UserId,
    },
    /// Lists whom the caller blocks.
    Blocks(Blocks),
    /// Moves the caller's read mark forward.
    MarkRead {
        /// Of which room.
        room: RoomId,
        /// How far.
        #[serde(flatten)]
        body: MarkRead,
    },
    /// Does something to a member.
    Member {
        /// Of which room.
        room: RoomId,
        /// To whom.
        user: UserId,
        /// What.
        #[serde(flatten)]
        body: MemberChange,
    },
}

impl Request {
    /// Whether it may be asked for in early data, which whoever records it can repeat: it changes
    /// nothing, or nothing more when it comes twice.
    pub const fn may_come_early(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::History { .. }
                | Self::MarkRead { .. }
                | Self::Subscribe { .. }
        )
    }
}

/// Which of the caller's rooms to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// Those whose ids come after this one; without one, from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RoomId>,
    /// At most how many; without one, as many as a page holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

/// A room to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateRoom {
    /// What people call it; not unique. A direct room has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may find it.
    pub kind: RoomKind,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Whom to ask in; for a direct room, the other one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<UserId>,
}

/// What changes about a room; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateRoom {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The new topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Who may find it from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RoomKind>,
    /// Seconds between one message of a member and the next, from now on; 0 ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode: Option<u32>,
    /// Seconds after which messages are removed, from 3,600 to 315,360,000; 0: as the server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<u32>,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The sender's own name for it: under one name it takes effect once, for ever.
    pub client_msg_id: ClientMsgId,
    /// The text; may be empty if there are attachments.
    #[serde(default)]
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Files that the sender has uploaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentId>,
    /// Whom it calls, beside those that the text names by `@handle`; who is no member is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// The application's own data, any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
}

impl From<Send> for Draft {
    fn from(send: Send) -> Self {
        Self {
            text: send.text,
            client_msg_id: Some(send.client_msg_id),
            reply_to: send.reply_to,
            attachments: send.attachments,
            mentions: send.mentions,
            meta: send.meta,
        }
    }
}

/// The new text of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The caller's own name for this edit.
    pub client_msg_id: ClientMsgId,
    /// The new text.
    pub text: String,
}

/// The deletion of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The caller's own name for this deletion.
    pub client_msg_id: ClientMsgId,
}

/// Which page of messages; at most one of `before`, `after` and `around`, without any the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Just before this place, itself left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Just after this place, itself left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Around this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// At most how many; without one, 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

/// Which members of a room to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Those with an id above this one: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// At most how many; without one, 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

/// A link by which people come into a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInviteLink {
    /// From when on it lets nobody in; without one, a day from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many may come by it; without a number, as many as the room holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub uses: Option<u32>,
}

impl From<CreateInviteLink> for NewInviteLink {
    fn from(create: CreateInviteLink) -> Self {
        let CreateInviteLink { expires_at, uses } = create;
        Self { expires_at, uses }
    }
}

/// What shows that one is invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UseInvite {
    /// The code of an invite link.
    pub code: InviteCode,
}

/// What of a room the caller wants to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetNotify {
    /// What.
    pub level: NotifyLevel,
    /// Until then nothing, whatever the level says; then what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snooze_until: Option<Timestamp>,
}

impl From<SetNotify> for NotifySetting {
    fn from(SetNotify { level, snooze_until }: SetNotify) -> Self {
        Self { level, snooze_until }
    }
}

/// Which of those whom the caller blocks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// Those with an id above this one: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// At most how many; without one, 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

/// Which pinned messages of a room to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Those that stand after this place: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// At most how many; without one, 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

/// What to search for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Words, all of which are wanted; `"phrases"`; `beginnings*` of words; `from:HANDLE`; `in:ROOM`.
    /// May be left out beside `from`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// A room to search alone; without one, and without `in:`, all that the caller is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Who must have written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// Those that follow: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most how many; without one, 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Option<u32>,
}

impl From<Search> for SearchQuery {
    fn from(search: Search) -> Self {
        let Search { query, room, from, after, limit } = search;
        Self { query, room, from, after, limit }
    }
}

/// How far the caller has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MarkRead {
    /// All up to this place is read.
    pub seq: Seq,
}

/// Something to be done to someone in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// What.
    pub action: MemberVerb,
    /// With `role`: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// With `ban` and `mute`: until when; without one, until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// With `kick`, `ban` and `mute`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What can be done to someone in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemberVerb {
    /// Ask in.
    Invite,
    /// Send out.
    Kick,
    /// Shut out.
    Ban,
    /// Lift a ban.
    Unban,
    /// Let read but not write.
    Mute,
    /// Lift a mute.
    Unmute,
    /// Give a role.
    Role,
}

impl From<CreateRoom> for NewRoom {
    fn from(create: CreateRoom) -> Self {
        Self {
            kind: create.kind,
            name: create.name,
            topic: create.topic,
            members: create.members,
            keep: false,
        }
    }
}

impl From<UpdateRoom> for RoomUpdate {
    fn from(update: UpdateRoom) -> Self {
        let UpdateRoom { name, topic, kind, slow_mode, retention } = update;
        Self { name, topic, kind, slow_mode, retention }
    }
}

impl History {
    /// The query that it stands for, with pages of at most `max`.
    ///
    /// # Errors
    /// More than one anchor, or a limit of 0 or above `max`.
    pub fn query(&self, max: u32) -> Result<HistoryQuery, Invalid> {
        HistoryQuery::new(self.before, self.after, self.around, self.limit, max)
    }
}

impl TryFrom<MemberChange> for MemberAction {
    type Error = Invalid;

    /// # Errors
    /// A field that the action does not take, or `role` without saying which.
    fn try_from(change: MemberChange) -> Result<Self, Invalid> {
        let MemberChange { action, role, until, reason } = change;
        let sanction = matches!(action, MemberVerb::Ban | MemberVerb::Mute);
        let stray = [
            ("role", role.is_some() && action != MemberVerb::Role),
            ("until", until.is_some() && !sanction),
            ("reason", reason.is_some() && !sanction && action != MemberVerb::Kick),
        ];
        if let Some((field, _)) = stray.into_iter().find(|(_, stray)| *stray) {
            return Err(Invalid::new(field, "does not go with this action; leave it out"));
        }
        Ok(match action {
            MemberVerb::Invite => Self::Invite,
            MemberVerb::Kick => Self::Kick { reason },
            MemberVerb::Ban => Self::Ban { until, reason },
            MemberVerb::Unban => Self::Unban,
            MemberVerb::Mute => Self::Mute { until, reason },
            MemberVerb::Unmute => Self::Unmute,
            MemberVerb::Role => Self::Role(role.ok_or_else(|| Invalid::new("role", "is missing"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: MemberVerb) -> MemberChange {
        MemberChange { action, role: None, until: None, reason: None }
    }

    #[test]
    fn a_field_of_another_action_is_refused_by_name() {
        let field = |change: MemberChange| {
            MemberAction::try_from(change).expect_err("a stray field").field.into_owned()
        };
        let until = Some(Timestamp(5));
        let reason = Some("spam".to_owned());
        assert_eq!(field(MemberChange { until, ..change(MemberVerb::Kick) }), "until");
        assert_eq!(field(MemberChange { reason, ..change(MemberVerb::Unban) }), "reason");
        let role = Some(Role::Owner);
        assert_eq!(field(MemberChange { role, ..change(MemberVerb::Invite) }), "role");
        assert_eq!(field(change(MemberVerb::Role)), "role");
    }

    #[test]
    fn a_ban_takes_an_end_and_a_reason() {
        let (until, reason) = (Some(Timestamp(5)), Some("spam".to_owned()));
        let ban = MemberChange { until, reason: reason.clone(), ..change(MemberVerb::Ban) };
        assert_eq!(MemberAction::try_from(ban), Ok(MemberAction::Ban { until, reason }));
    }
}
