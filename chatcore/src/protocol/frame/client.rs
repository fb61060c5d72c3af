//! Frames from the client.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Request, RequestId};
use crate::clock::Timestamp;
use crate::id::{DeviceId, RoomId, Seq};
use crate::log::Cursor;

/// One frame from a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Opens the conversation; must be the first, and the only one of its kind.
    Hello(Hello),
    /// Tells a room something that is not stored. No reply.
    Signal(Signal),
    /// Tells what has arrived. No reply.
    Ack(Ack),
    /// Says that the client is there; answered by `pong`.
    Ping(Ping),
    /// Asks for something, and gets one `result` or one `error`.
    #[serde(untagged)]
    Request {
        /// The client's name for it.
        id: RequestId,
        /// What it asks for.
        #[serde(flatten)]
        request: Request,
    },
}

/// The first frame: who is there, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Versions of the protocol that the client speaks.
    pub versions: Vec<u32>,
    /// An access token. Without one and without a ticket, the cookie of the upgrade serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// A resume ticket of an earlier `welcome` or `goaway`: good once, for the same device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
    /// What the client calls the device that it runs on.
    pub device: DeviceId,
    /// Extensions that the client knows; the `welcome` names those that are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
    /// How many unacked events the client is ready to hold per room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// Rooms to subscribe to at once, from where the client stands; answered in the `welcome`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rooms: BTreeMap<RoomId, Cursor>,
}

/// A signal to the others in a room who are connected now, such as "is typing".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// To whom.
    pub room: RoomId,
    /// What it is about: `typing`, or a word of the application's own.
    pub kind: String,
    /// Whether it starts or stops.
    pub on: bool,
    /// After how many milliseconds receivers take it for stopped.
    pub ttl_ms: u32,
}

/// What has arrived, per room: cumulative, so that only the last matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// All up to this place in the log has arrived.
    pub rooms: BTreeMap<RoomId, Seq>,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The client's clock, given back as it is.
    pub ts: Timestamp,
}

/// A credential on its way. Its text appears on the wire and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps the text of a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever verifies it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
