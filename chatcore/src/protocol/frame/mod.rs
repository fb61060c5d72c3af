//! What travels: one map per frame, named by its `op`.

mod answer;
mod client;
mod file;
mod received;
mod request;
mod server;

use std::fmt;

pub use answer::{
    Answer, BlockList, Changed, InviteLinkList, MarkState, MemberList, PinList, RoomList,
    Subscribed, TokenRenewed,
};
pub use client::{Ack, ClientFrame, Hello, Ping, Signal, Token};
pub use file::{DownloadRequest, FileAnswer, FileRequest, UploadRequest};
pub use received::{Event, Received, UnknownEntry};
pub use request::{
    Blocks, CreateInviteLink, CreateRoom, Delete, Edit, History, MarkRead, MemberChange,
    MemberVerb, Members, Pins, Request, Rooms, Search, Send, SetNotify, UpdateRoom, UseInvite,
};
pub use server::{
    AuthExpiring, BlockFrame, EventFrame, Failure, Gap, GapReason, Goaway, MarkFrame,
    MembershipFrame, NotifyFrame, OnlineFrame, Pong, Resumed, ServerFrame, SignalFrame,
    StreamFrame, TicketFrame, Welcome,
};

use crate::id::Seq;

/// What the client calls one of its requests, to know the answer by: 0 to 2^53 − 1.
///
/// The server answers each request once, under its id. It does not ask that ids differ; a client
/// that uses one twice cannot tell the answers apart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The largest that every reader of JSON holds exactly.
    pub const MAX: Self = Self(Seq::MAX.0);
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
