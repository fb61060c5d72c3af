//! What a `result` holds.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::{Epoch, MessageId, RoomId, Seq, UserId};
use crate::log::HistoryPage;
use crate::room::{Role, RoomKind};

/// The fields of a `result`, beside its `id`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// To `send`.
    Sent(Sent),
    /// To `edit` and `delete`.
    Applied(Applied),
    /// To `react`, `unreact`, `pin`, `unpin`, `mark_read`, `update_room` and `member`.
    Changed(Changed),
    /// To `create_room` and `enter`.
    Room(RoomCreated),
    /// To `leave`.
    Left(RoomLeft),
    /// To `rooms`.
    Rooms(RoomList),
    /// To `history`.
    History(HistoryPage),
    /// To `subscribe`.
    Subscribed(Subscribed),
    /// To `auth`.
    Renewed(TokenRenewed),
    /// To `unsubscribe`: nothing more to say.
    Done {},
}

/// A message is in the log, and on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sent {
    /// Its place in the room's order.
    pub seq: Seq,
    /// Its count among the room's messages, from 1.
    pub n: u64,
    /// Its name, for ever.
    pub message_id: MessageId,
    /// When it was sent.
    pub ts: Timestamp,
    /// It had been sent before under this `client_msg_id`; these are the numbers of then.
    pub duplicate: bool,
}

/// A message was changed, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Applied {
    /// The change's place in the room's order.
    pub seq: Seq,
    /// When it was made.
    pub ts: Timestamp,
    /// It had been made before under this `client_msg_id`; these are the numbers of then.
    pub duplicate: bool,
}

/// The room is as was asked for, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Changed {
    /// The end of the room's log, at which the change can be seen.
    pub head_seq: Seq,
}

/// A room that the caller is in now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomCreated {
    /// Which.
    pub room: RoomId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The last entry of its log.
    pub head_seq: Seq,
}

/// A room that the caller is out of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomLeft {
    /// The caller was its last member, and it is gone.
    pub deleted: bool,
}

/// The caller's rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomList {
    /// Those that the caller is in.
    pub rooms: Vec<RoomBrief>,
}

/// A room, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomBrief {
    /// Which.
    pub room: RoomId,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who may find it.
    pub kind: RoomKind,
    /// What the caller may do there.
    pub role: Role,
    /// The life of its log.
    pub epoch: Epoch,
    /// The last entry of its log.
    pub head_seq: Seq,
    /// The count of its messages: unread = `head_n` − `read_n`.
    pub head_n: u64,
    /// How far the caller has read.
    pub read_seq: Seq,
    /// How many messages that is.
    pub read_n: u64,
}

/// A subscription stands; its entries follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subscribed {
    /// Whether every entry after `since` follows. If not (no `since`, a cursor of another epoch,
    /// above the head, or older than what is kept), entries after `head_seq` follow, and what came
    /// before is to be read with `history`.
    pub recovered: bool,
    /// The life of the log.
    pub epoch: Epoch,
    /// The last entry when the subscription was made.
    pub head_seq: Seq,
    /// The oldest entry that is kept is the one after this.
    pub floor_seq: Seq,
    /// How far members have come; in big rooms the caller alone.
    pub marks: Vec<MarkState>,
    /// Who is there now; in big rooms nobody is named.
    pub presence: Vec<UserId>,
}

/// How far one member has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenRenewed {
    /// When that one expires.
    pub token_expires_at: Option<Timestamp>,
}
