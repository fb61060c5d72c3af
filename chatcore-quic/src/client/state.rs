//! What an application can see of its connection.

use std::time::Instant;

use chatcore::log::Cursor;
use chatcore::protocol::CloseCode;
use chatcore::protocol::frame::{
    BlockFrame, Event, MarkFrame, MembershipFrame, NotifyFrame, OnlineFrame, SignalFrame,
    Subscribed,
};

/// How the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Offline(Offline),
    /// One is being opened.
    Connecting,
    /// It is open; who the client is and what it has missed is being settled.
    Resuming,
    /// It serves.
    Connected,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offline {
    /// It was lost, or could not be had; another is opened at `until`, which a
    /// [`nudge`](crate::Client::nudge) brings forward.
    Waiting {
        /// When, by the runtime's clock.
        until: Instant,
    },
    /// There is no token to say hello with: [`set_token`](crate::Client::set_token) goes on.
    NoToken,
    /// The server closed it so that coming back as before is of no use. After 2 and 3, a new token
    /// may be; 1 and 7 ask for another version of the client or the server.
    Closed(CloseCode),
    /// The client was shut down.
    ShutDown,
}

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The room's next entry.
    Event(Box<Event>),
    /// The subscription stands: at first, and again after each reconnect. Who is there and the
    /// caller's own mark are told anew. If it is not `recovered`, entries were missed that cannot be
    /// had any more one by one: read the room anew with `history`; what follows is after `head_seq`.
    Began(Box<Subscribed>),
}

impl Update {
    /// Where to subscribe from to get what comes after this.
    ///
    /// None for a [`Began`](Self::Began) that moves nothing: one that goes on from where it was.
    pub fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::Event(event) => {
                Some(Cursor { epoch: Some(event.epoch().clone()), seq: event.seq() })
            }
            Self::Began(began) if !began.recovered => {
                Some(Cursor { epoch: Some(began.epoch.clone()), seq: began.head_seq })
            }
            Self::Began(_) => None,
        }
    }
}

/// What is told beside the log, and not stored: it may be lost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// Someone in a room signals: typing, comes, goes.
    Signal(SignalFrame),
    /// Someone has come further.
    Mark(MarkFrame),
    /// How many are in a room in which many listen.
    Online(OnlineFrame),
    /// What the user wants to be told of, in a room.
    Notify(NotifyFrame),
    /// The user has blocked someone, or does so no more.
    Block(BlockFrame),
    /// The caller's own standing in a room changed.
    Membership(MembershipFrame),
    /// So many were dropped because they were not read in time. `rooms` tells the standing again.
    Missed(u64),
}
