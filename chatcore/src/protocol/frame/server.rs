//! Frames from the server.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::answer::{Answer, MarkState, Subscribed};
use super::{RequestId, Token};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Invalid};
use crate::hub::Membership;
use crate::id::{Epoch, RoomId, Seq, SessionId, UserId};
use crate::log::Entry;
use crate::protocol::limits::Announced;
use crate::room::NotifyLevel;

/// One frame from the server, other than an `event`: see [`EventFrame`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerFrame {
    /// The conversation is open.
    Welcome(Box<Welcome>),
    /// A request was done.
    Result {
        /// Which.
        id: RequestId,
        /// What came of it.
        #[serde(flatten)]
        answer: Answer,
    },
    /// A request was refused, or a frame without an id was wrong.
    Error {
        /// Which request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Why.
        #[serde(flatten)]
        failure: Failure,
    },
    /// Someone in a room signals.
    Signal(SignalFrame),
    /// Someone in a room has come further.
    Mark(MarkFrame),
    /// The caller's own standing in a room changed.
    Membership(MembershipFrame),
    /// The caller has blocked someone, or does so no more.
    Block(BlockFrame),
    /// What the caller wants to be told of, in a room.
    Notify(NotifyFrame),
    /// How many are in a room in which many listen.
    Online(OnlineFrame),
    /// Entries of a room are not coming; subscribe again to catch up.
    Gap(Gap),
    /// Over QUIC: the first frame of a room's stream.
    Stream(StreamFrame),
    /// The token expires soon; send `auth`.
    AuthExpiring(AuthExpiring),
    /// The server is about to close; connect again.
    Goaway(Goaway),
    /// A ticket that the welcome could not bring.
    Ticket(TicketFrame),
    /// The answer to `ping`.
    Pong(Pong),
}

/// An entry of a room's log, as it travels.
///
/// ```text
/// {"op":"event","room":…,"epoch":…,"seq":…,"user":…,"ts":…,"n":…,"kind":"message","text":…}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventFrame<'a> {
    op: EventOp,
    #[serde(flatten)]
    entry: &'a Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum EventOp {
    /// An entry of a room's log.
    Event,
}

impl<'a> EventFrame<'a> {
    /// The frame that carries `entry`.
    pub const fn new(entry: &'a Entry) -> Self {
        Self { op: EventOp::Event, entry }
    }
}

/// What a client must know to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Welcome {
    /// The version of the protocol from here on.
    pub version: u32,
    /// The login that this connection belongs to; none where the host keeps no sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Who the client is.
    pub user: UserId,
    /// A ping is due after so many milliseconds without another frame.
    pub heartbeat_ms: u64,
    /// The bounds of this connection.
    pub limits: Announced,
    /// The extensions that are on, of those that the `hello` named.
    #[serde(default)]
    pub caps: Vec<String>,
    /// When the token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
    /// For the next `hello` of this device, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
    /// What became of each room that the `hello` named.
    #[serde(default)]
    pub rooms: BTreeMap<RoomId, Resumed>,
}

/// What became of a room that a `hello` named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Resumed {
    /// It is subscribed to, as if by `subscribe`.
    Subscribed(Subscribed),
    /// It is not.
    Refused(Failure),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The stable code. A client reads one that it does not know as [`Code::Internal`].
    #[serde(deserialize_with = "known_code")]
    pub code: Code,
    /// For people.
    pub message: Cow<'static, str>,
    /// The field at fault, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'static, str>>,
    /// When trying again makes sense, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure of no field, with nothing to wait for.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), field: None, retry_after_ms: None }
    }

    /// A request of which `field` is at fault.
    pub fn bad_request(
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::BadRequest, message) }
    }
}

/// A later server may have codes that this build has not. What such a one says in its message is
/// kept, and nothing is made of the code.
fn known_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
    let name = String::deserialize(deserializer)?;
    let name: StrDeserializer<'_, ValueError> = name.as_str().into_deserializer();
    Ok(Code::deserialize(name).unwrap_or(Code::Internal))
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::bad_request(invalid.field, invalid.problem)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let retry = error.retry_after().map(|t| t.as_millis());
        Self {
            code: error.code(),
            message: error.public_message().into(),
            field: error.field().map(|f| Cow::Owned(f.to_owned())),
            retry_after_ms: retry.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        }
    }
}

/// Someone signals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignalFrame {
    /// Where.
    pub room: RoomId,
    /// What it is about: `typing`, `presence`, or a word of the application's own.
    pub kind: String,
    /// Who.
    pub user: UserId,
    /// Whether it starts or stops.
    pub on: bool,
    /// After how many milliseconds to take it for stopped.
    pub ttl_ms: u32,
}

/// Someone has come further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MarkFrame {
    /// Where.
    pub room: RoomId,
    /// Who, and how far.
    #[serde(flatten)]
    pub mark: MarkState,
}

/// The caller's own standing in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MembershipFrame {
    /// Which room.
    pub room: RoomId,
    /// What it is now.
    pub state: Membership,
}

/// Someone whom the caller has blocked, or blocks no more; to all of their own connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockFrame {
    /// Who.
    pub user: UserId,
    /// Whether they are blocked.
    pub on: bool,
}

/// What the caller wants to be told of, in a room; to all of their own connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotifyFrame {
    /// Which room.
    pub room: RoomId,
    /// What.
    pub level: NotifyLevel,
    /// Until then nothing, whatever the level says; then what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snooze_until: Option<Timestamp>,
}

/// How many members are in a room in which so many listen that nobody is named; when that has changed by a
/// hundredth, every 5 s at most, and when it has changed at all, every minute. Who was named before in that room is not
/// kept up any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnlineFrame {
    /// Which room.
    pub room: RoomId,
    /// How many.
    pub count: u64,
}

/// A subscription has lost its place and sends nothing more until it is made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// Where.
    pub room: RoomId,
    /// The life of the log.
    pub epoch: Epoch,
    /// The last entry of the log now.
    pub head_seq: Seq,
    /// Why.
    pub reason: GapReason,
}

/// Why a subscription lost its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The client acked too slowly.
    Slow,
    /// The entries that were next are no longer kept.
    Retention,
    /// The log has begun another life.
    Epoch,
}

impl<'de> Deserialize<'de> for GapReason {
    /// A reason that is not known here is read as [`Slow`](Self::Slow): what a client does about a
    /// gap is the same for all of them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "retention" => Self::Retention,
            "epoch" => Self::Epoch,
            _ => Self::Slow,
        })
    }
}

/// The token expires soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuthExpiring {
    /// When; the connection is closed then.
    pub expires_at: Timestamp,
}

/// The server is about to close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Goaway {
    /// Wait at least so long before connecting again.
    pub retry_after_ms: u64,
    /// For the next `hello` of this device, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
}

/// For the next `hello` of this device, once. Comes when the client was let in by early data: its
/// welcome was written before the ticket that it showed was spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TicketFrame {
    /// The ticket.
    pub ticket: Token,
}

/// The answer to `ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pong {
    /// The client's clock, as its ping gave it.
    pub ts: Timestamp,
}

/// What a room's stream begins with, over QUIC: whose entries it carries, and from where.
///
/// A stream belongs to one subscription. The newest of a room is the one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamFrame {
    /// Which room.
    pub room: RoomId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The entries after this one follow.
    pub after: Seq,
}
