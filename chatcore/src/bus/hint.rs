//! What nodes say to each other, as bytes.
//!
//! A hint is one JSON object: `v`, who says it (`node`), of which life of the store (`epoch`), what it
//! is (`op`), and the fields of that. Within a version fields and kinds are only added: what is not
//! known is passed over, and entries that this build cannot read are read from the log, which says the
//! same. A hint of another version says nothing here. So nodes of neighbouring releases work together.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hub::{Said, Signal};
use crate::id::{Epoch, RoomId, Seq, SessionId, UserId};
use crate::log::Entry;
use crate::room::Marks;

/// The version that is spoken here.
const VERSION: u32 = 1;

/// Something that happened on another node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Hint {
    /// A room's log has got entries, the last of them this one.
    Entries {
        room: RoomId,
        last: Seq,
        /// Some up to the last one, in order and dense, where they are short.
        entries: Vec<Entry>,
    },
    /// A room has come to its end.
    Deleted { room: RoomId },
    /// Something of the moment.
    Signal(Signal),
    /// How far a member is.
    Mark { room: RoomId, user: UserId, marks: Marks },
    /// How someone stands to a room has changed; the store says how they do.
    Membership { room: RoomId, user: UserId },
    /// What someone wants to be told of in a room has changed; the store says what it is.
    Notify { room: RoomId, user: UserId },
    /// Someone blocks another, or does so no more. The room is that of the two.
    Block { room: RoomId, user: UserId, other: UserId, on: bool },
    /// A session has ended.
    Ended { user: UserId, session: SessionId },
    /// Who is there, or how many, and how many listen, on the node that says it: all of it, each time.
    Present { room: RoomId, said: Said },
    /// The node that says it is there.
    Alive,
    /// Somebody who begins to listen asks who is there.
    WhoIsThere { room: RoomId },
}

/// What a hint begins with, and what there may be of fields.
#[derive(Debug, Serialize, Deserialize)]
struct Frame<'a> {
    v: u32,
    node: String,
    epoch: Epoch,
    op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Seq>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    entries: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    marks: Option<Marks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<UserId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    online: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<UserId>,
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) node: String,
    pub(crate) epoch: Epoch,
}

impl Hint {
    /// The hint as bytes, at most `most` of them: entries that are too long are left out. None if it is
    /// too long even so.
    pub(crate) fn encode(&self, from: &From, most: usize) -> Option<Bytes> {
        let mut entries = match self {
            Self::Entries { entries, .. } if !entries.is_empty() => {
                serde_json::value::to_raw_value(entries).ok()
            }
            _ => None,
        };
        // What stands around them is a few hundred bytes.
        if entries.as_ref().is_some_and(|raw| raw.get().len() + 512 > most) {
            entries = None;
        }
        let frame = self.frame(from, entries.as_deref());
        let bytes = serde_json::to_vec(&frame).ok()?;
        (bytes.len() <= most).then(|| bytes.into())
    }

    fn frame<'a>(&self, from: &From, entries: Option<&'a RawValue>) -> Frame<'a> {
        let op = match self {
            Self::Entries { .. } => "entries",
            Self::Deleted { .. } => "deleted",
            Self::Signal(_) => "signal",
            Self::Mark { .. } => "mark",
            Self::Membership { .. } => "membership",
            Self::Block { .. } => "block",
            Self::Notify { .. } => "notify",
            Self::Ended { .. } => "ended",
            Self::Present { .. } => "present",
            Self::WhoIsThere { .. } => "who",
            Self::Alive => "alive",
        };
        let mut frame = Frame {
            v: VERSION,
            node: from.node.clone(),
            epoch: from.epoch.clone(),
            op: op.to_owned(),
            room: None,
            user: None,
            session: None,
            last: None,
            entries,
            marks: None,
            kind: None,
            on: None,
            ttl_ms: None,
            users: None,
            audience: None,
            online: None,
            other: None,
        };
        match self {
            Self::Entries { room, last, .. } => {
                (frame.room, frame.last) = (Some(room.clone()), Some(*last));
            }
            Self::Deleted { room } | Self::WhoIsThere { room } => frame.room = Some(room.clone()),
            Self::Signal(Signal { room, user, kind, on, ttl_ms }) => {
                (frame.room, frame.user) = (Some(room.clone()), Some(user.clone()));
                (frame.kind, frame.on) = (Some(kind.clone()), Some(*on));
                frame.ttl_ms = Some(*ttl_ms);
            }
            Self::Mark { room, user, marks } => {
                (frame.room, frame.user) = (Some(room.clone()), Some(user.clone()));
                frame.marks = Some(*marks);
            }
            Self::Membership { room, user } | Self::Notify { room, user } => {
                (frame.room, frame.user) = (Some(room.clone()), Some(user.clone()));
            }
            Self::Block { room, user, other, on } => {
                (frame.room, frame.user) = (Some(room.clone()), Some(user.clone()));
                (frame.other, frame.on) = (Some(other.clone()), Some(*on));
            }
            Self::Ended { user, session } => {
                (frame.user, frame.session) = (Some(user.clone()), Some(session.clone()));
            }
            Self::Present { room, said } => {
                (frame.room, frame.users) = (Some(room.clone()), Some(said.users.clone()));
                (frame.audience, frame.online) = (Some(said.audience), Some(said.online));
            }
            Self::Alive => {}
        }
        frame
    }

    /// Who says what. The latter is none for what is of a later version of this, or incomplete.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(From, Option<Self>)> {
        let frame: Frame<'_> = serde_json::from_slice(bytes).ok()?;
        let from = From { node: frame.node.clone(), epoch: frame.epoch.clone() };
        Some((from, if frame.v == VERSION { Self::of(frame) } else { None }))
    }

    fn of(frame: Frame<'_>) -> Option<Self> {
        let Frame { room, user, .. } = frame;
        Some(match frame.op.as_str() {
            "entries" => {
                let (room, last) = (room?, frame.last?);
                let read = |raw: &RawValue| serde_json::from_str::<Vec<Entry>>(raw.get()).ok();
                let entries = frame.entries.and_then(read).unwrap_or_default();
                let sound = entries.iter().all(|e| e.room == room && e.epoch == frame.epoch)
                    && entries.is_sorted_by(|a, b| a.seq.next() == b.seq)
                    && entries.last().is_none_or(|entry| entry.seq == last);
                Self::Entries { room, last, entries: if sound { entries } else { Vec::new() } }
            }
            "deleted" => Self::Deleted { room: room? },
            "signal" => {
                let (room, user, kind) = (room?, user?, frame.kind?);
                Self::Signal(Signal { room, user, kind, on: frame.on?, ttl_ms: frame.ttl_ms? })
            }
            "mark" => Self::Mark { room: room?, user: user?, marks: frame.marks? },
            "membership" => Self::Membership { room: room?, user: user? },
            "block" => Self::Block { room: room?, user: user?, other: frame.other?, on: frame.on? },
            "notify" => Self::Notify { room: room?, user: user? },
            "ended" => Self::Ended { user: user?, session: frame.session? },
            "present" => {
                let (users, audience) = (frame.users?, frame.audience?);
                // The release before this one names those who are there, and no number.
                let online = frame.online.unwrap_or(users.len() as u64);
                Self::Present { room: room?, said: Said { users, online, audience } }
            }
            "alive" => Self::Alive,
            "who" => Self::WhoIsThere { room: room? },
            _ => return None,
        })
    }
}
