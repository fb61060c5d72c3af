//! What a client makes of a frame from a server, which may be newer than itself.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ServerFrame;
use crate::clock::Timestamp;
use crate::id::{Epoch, RoomId, Seq, UserId};
use crate::log::Entry;

/// One frame from a server, as its client reads it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Received {
    /// An entry of a room's log.
    Event(Box<Event>),
    /// Any other frame.
    Frame(Box<ServerFrame>),
    /// One of a later protocol: to be passed over.
    Unknown {
        /// What it calls itself.
        op: String,
    },
}

/// An entry of a room's log, of a kind that is known here or not.
///
/// It has its place in the order of the room either way: whoever left one out would take what
/// follows for a gap.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Of a known kind.
    Entry(Entry),
    /// Of a later protocol.
    Unknown(UnknownEntry),
}

/// An entry of which only those fields are understood that all entries have.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct UnknownEntry {
    /// The room.
    pub room: RoomId,
    /// Which life of the log `seq` counts in.
    pub epoch: Epoch,
    /// The place in the room's order.
    pub seq: Seq,
    /// What happened, in a word.
    pub kind: String,
    /// Who did it.
    pub user: UserId,
    /// When.
    pub ts: Timestamp,
    /// The rest, as it came.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Event {
    /// The room.
    pub const fn room(&self) -> &RoomId {
        match self {
            Self::Entry(entry) => &entry.room,
            Self::Unknown(entry) => &entry.room,
        }
    }

    /// Which life of the log [`seq`](Self::seq) counts in.
    pub const fn epoch(&self) -> &Epoch {
        match self {
            Self::Entry(entry) => &entry.epoch,
            Self::Unknown(entry) => &entry.epoch,
        }
    }

    /// The place in the room's order.
    pub const fn seq(&self) -> Seq {
        match self {
            Self::Entry(entry) => entry.seq,
            Self::Unknown(entry) => entry.seq,
        }
    }

    /// The entry, if its kind is known.
    pub const fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Unknown(_) => None,
        }
    }
}

impl Received {
    /// Reads the fields of a frame.
    ///
    /// # Errors
    /// In words, if it is of a known `op` and its fields are not what they should be.
    pub fn read(mut frame: Map<String, Value>) -> Result<Self, String> {
        let Some(Value::String(op)) = frame.get("op").cloned() else {
            return Err("a frame has an op, which is text".into());
        };
        if op == "event" {
            frame.remove("op");
            return Event::read(frame).map(|event| Self::Event(Box::new(event)));
        }
        if !OPS.contains(&op.as_str()) {
            return Ok(Self::Unknown { op });
        }
        match ServerFrame::deserialize(Value::Object(frame)) {
            Ok(frame) => Ok(Self::Frame(Box::new(frame))),
            Err(problem) => Err(format!("a {op} cannot be read: {problem}")),
        }
    }
}

/// The ops of [`ServerFrame`].
const OPS: [&str; 14] = [
    "online",
    "notify",
    "block",
    "welcome",
    "result",
    "error",
    "signal",
    "mark",
    "membership",
    "gap",
    "auth_expiring",
    "goaway",
    "ticket",
    "pong",
];

impl Event {
    fn read(frame: Map<String, Value>) -> Result<Self, String> {
        // An entry of a known kind that cannot be read is one of a later protocol too: a role that
        // is new, a field that has become more.
        match Entry::deserialize(Value::Object(frame.clone())) {
            Ok(entry) => Ok(Self::Entry(entry)),
            Err(_) => UnknownEntry::deserialize(Value::Object(frame))
                .map(Self::Unknown)
                .map_err(|problem| format!("an event cannot be read: {problem}")),
        }
    }
}

#[cfg(test)]
mod tests;
