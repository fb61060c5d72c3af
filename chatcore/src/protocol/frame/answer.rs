//! What a `result` holds.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::chat::{
    Created, Invitation, InviteLinkSummary, Left, MadeInviteLink, MemberSummary, Readers,
    RoomSummary, SearchResult, Sent,
};
use crate::clock::Timestamp;
use crate::id::{Epoch, RoomId, Seq, UserId};
use crate::log::{HistoryPage, Message};

/// The fields of a `result`, beside its `id`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// To `send`, `edit` and `delete`.
    Sent(Sent),
    /// To `react`, `unreact`, `pin`, `unpin`, `update_room`, `member` and `revoke_invite_link`.
    Changed(Changed),
    /// To `create_room`, `enter` and `accept_invite`.
    Room(Created),
    /// To `leave`.
    Left(Left),
    /// To `rooms`.
    Rooms(RoomList),
    /// To `history`.
    History(HistoryPage),
    /// To `members`.
    Members(MemberList),
    /// To `pins`.
    Pins(PinList),
    /// To `readers`.
    Readers(Readers),
    /// To `create_invite_link`.
    InviteLink(MadeInviteLink),
    /// To `invite_links`.
    InviteLinks(InviteLinkList),
    /// To `invitation`.
    Invitation(Invitation),
    /// To `blocks`.
    Blocks(BlockList),
    /// To `search`.
    Found(SearchResult),
    /// To `subscribe`.
    Subscribed(Subscribed),
    /// To `auth`.
    Renewed(TokenRenewed),
    /// To `unsubscribe`, `mark_read`, `notify`, `block` and `unblock`: nothing more to say.
    Done {},
}

impl<'de> Deserialize<'de> for Answer {
    /// Tells the answers apart by a field that is one's own. Serde's own way, the first that fits,
    /// would take an answer that has another's fields and more for that other.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn read<T: serde::de::DeserializeOwned, E: serde::de::Error>(
            fields: Map<String, Value>,
            answer: impl FnOnce(T) -> Answer,
        ) -> Result<Answer, E> {
            T::deserialize(Value::Object(fields)).map(answer).map_err(E::custom)
        }
        let fields = Map::deserialize(deserializer)?;
        let has = |name: &str| fields.contains_key(name);
        if has("message_id") {
            read(fields, Self::Sent)
        } else if has("recovered") {
            read(fields, Self::Subscribed)
        } else if has("hits") {
            read(fields, Self::Found)
        } else if has("code") {
            read(fields, Self::InviteLink)
        } else if has("blocks") {
            read(fields, Self::Blocks)
        } else if has("links") {
            read(fields, Self::InviteLinks)
        } else if has("name") {
            read(fields, Self::Invitation)
        } else if has("pinned") {
            read(fields, Self::Pins)
        } else if has("readers") {
            read(fields, Self::Readers)
        } else if has("messages") {
            read(fields, Self::History)
        } else if has("members") {
            read(fields, Self::Members)
        } else if has("rooms") {
            read(fields, Self::Rooms)
        } else if has("room") {
            read(fields, Self::Room)
        } else if has("deleted") {
            read(fields, Self::Left)
        } else if has("token_expires_at") {
            read(fields, Self::Renewed)
        } else if has("head_seq") {
            read(fields, Self::Changed)
        } else {
            Ok(Self::Done {})
        }
    }
}

/// The room is as was asked for, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Changed {
    /// The end of the room's log, at which the change can be seen.
    pub head_seq: Seq,
}

/// Rooms that the caller is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomList {
    /// The rooms, in the order of their ids.
    pub rooms: Vec<RoomSummary>,
    /// On the first page: everyone whom the caller blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<UserId>,
    /// There may be more: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomId>,
}

/// Members of a room, and how far each has come: who has read what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemberList {
    /// In the order of their ids.
    pub members: Vec<MemberSummary>,
    /// There may be more: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

impl MemberList {
    /// A page of at most `limit`: one that is not full is the last.
    pub fn page(members: Vec<MemberSummary>, limit: u32) -> Self {
        let full = members.len() >= limit as usize;
        let next = members.last().filter(|_| full).map(|member| member.user.clone());
        Self { members, next }
    }
}

/// Links by which people come into a room, and that are good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteLinkList {
    /// In the order of their ids.
    pub links: Vec<InviteLinkSummary>,
}

/// People whom the caller blocks. Their messages in rooms of several come all the same: it is for a
/// client to hide them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockList {
    /// In the order of their ids.
    pub blocks: Vec<UserId>,
    /// There may be more: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

impl BlockList {
    /// A page of at most `limit`: one that is not full is the last.
    pub fn page(blocks: Vec<UserId>, limit: u32) -> Self {
        let next = blocks.last().filter(|_| blocks.len() >= limit as usize).cloned();
        Self { blocks, next }
    }
}

/// Pinned messages of a room, as they stand now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PinList {
    /// In the order of the log, the oldest first.
    pub pinned: Vec<Message>,
    /// There may be more: ask again with this as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Seq>,
}

impl PinList {
    /// A page of at most `limit`: one that is not full is the last.
    pub fn page(pinned: Vec<Message>, limit: u32) -> Self {
        let full = pinned.len() >= limit as usize;
        let next = pinned.last().filter(|_| full).map(|message| message.seq);
        Self { pinned, next }
    }
}

/// A subscription stands; its entries follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribed {
    /// Whether every entry after `since` follows; without `since`, true. If not (a cursor of
    /// another epoch, above the head, or older than what is kept), entries after `head_seq` follow,
    /// and what came before is to be read anew with `history`.
    pub recovered: bool,
    /// The life of the log.
    pub epoch: Epoch,
    /// The last entry when the subscription was made.
    pub head_seq: Seq,
    /// The oldest entry that is kept is the one after this.
    pub floor_seq: Seq,
    /// How far the caller is, if they are a member; others' marks come as they move.
    pub marks: Vec<MarkState>,
    /// Members who are there now, the caller included; signals of the kind `presence` tell of those
    /// who come and go. In a room in which many listen: nobody.
    pub presence: Vec<UserId>,
    /// How many members are there now; where nobody is named, `online` frames tell how that changes.
    #[serde(default)]
    pub online: u64,
}

/// How far one member has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MarkState {
    /// Who.
    pub user: UserId,
    /// The last entry that they have read.
    pub read_seq: Seq,
    /// The last entry that reached one of their devices.
    pub delivered_seq: Seq,
}

/// The connection goes on under a newer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRenewed {
    /// When that one expires.
    pub token_expires_at: Option<Timestamp>,
}
