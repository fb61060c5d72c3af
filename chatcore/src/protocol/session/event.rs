//! What goes into a session and comes out of it, besides frames.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::hub::Membership;
use crate::id::{DeviceId, Epoch, RoomId, Seq, SessionId, UserId};
use crate::log::Cursor;
use crate::protocol::CloseCode;
use crate::protocol::frame::{
    Answer, BlockFrame, GapReason, MarkFrame, MarkState, NotifyFrame, OnlineFrame, Request,
    ServerFrame, Signal, SignalFrame, Token,
};

/// What is to be done next.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Write this frame, after those before it.
    Send(ServerFrame),
    /// Find out who this is, then call [`Session::handle_authenticated`](super::Session).
    Authenticate {
        /// What they show.
        credential: Credential,
        /// The device that they are on.
        device: DeviceId,
        /// Whether they can use a ticket for their next connection.
        ticket: bool,
    },
    /// Spend this ticket, which was found [`Unspent`](Credential::Unspent), then call
    /// [`Session::handle_spent`](super::Session).
    Spend {
        /// Which.
        ticket: Token,
        /// The device that showed it.
        device: DeviceId,
        /// Whether the client is to be given another one.
        another: bool,
    },
    /// Take up these rooms, then call [`Session::handle_resumed`](super::Session), in this order.
    Resume(Vec<(RoomId, Cursor)>),
    /// Have this answered, then call [`Session::handle_answer`](super::Session), or, for
    /// [`Request::Subscribe`], [`Session::handle_subscribed`](super::Session).
    Call {
        /// By what the answer is known.
        call: CallId,
        /// What is asked. Never `unsubscribe`, which the session answers by itself.
        request: Request,
    },
    /// Let this be known; nobody waits for it.
    Tell(Tell),
    /// There may be entries due, and room for them now.
    Wake(Slot),
    /// Let go of this subscription. Nothing of it may be written from now on.
    Unsubscribed(Slot),
    /// Write what was sent before this, and close. Nothing comes after it.
    Close {
        /// What the peer is told.
        code: CloseCode,
        /// For people.
        reason: &'static str,
    },
}

/// What a client is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// An access token.
    Token(Token),
    /// A ticket of an earlier connection.
    Ticket(Token),
    /// The same, to be looked at and not spent: what is shown may be a copy, and a copy must not use up
    /// what it was made of. If it is good, [`Output::Spend`] follows with the proof that it is none.
    Unspent(Token),
    /// What came with the connection itself: the cookie of a WebSocket's upgrade.
    Ambient,
}

/// Something that a client lets be known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tell {
    /// A signal to a room.
    Signal(Signal),
    /// All up to `seq` has reached this device.
    Delivered {
        /// In which room.
        room: RoomId,
        /// How far.
        seq: Seq,
    },
}

/// A request that awaits its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub(super) u32);

/// A subscription's place in tables beside the session: small numbers, used again once free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// The index that it stands for.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Who a client turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// Who.
    pub user: UserId,
    /// Under which login; none where the host keeps no sessions.
    pub session: Option<SessionId>,
    /// Until when; none for no end.
    pub expires_at: Option<Timestamp>,
    /// A ticket for the next connection, if there is one.
    pub ticket: Option<Token>,
}

/// What answers a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// To every request but these two.
    Answer(Answer),
    /// To `auth`.
    Authenticated(Authenticated),
}

/// A room, at the moment when a subscription to it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// Whether the cursor that was asked for is good, or none was.
    pub recovered: bool,
    /// The entries after this one follow.
    pub from: Seq,
    /// The life of its log.
    pub epoch: Epoch,
    /// The last entry.
    pub head_seq: Seq,
    /// The oldest entry that is kept is the one after this.
    pub floor_seq: Seq,
    /// How far the client is.
    pub marks: Vec<MarkState>,
    /// Who is there.
    pub presence: Vec<UserId>,
    /// How many are.
    pub online: u64,
}

/// Something happened outside that the client is to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The client's own standing in a room changed.
    Membership {
        /// Which room.
        room: RoomId,
        /// What it is now.
        state: Membership,
        /// Whether the client may still read the room. If not, its subscription ends here.
        readable: bool,
    },
    /// Someone came further.
    Mark(MarkFrame),
    /// Someone signals.
    Signal(SignalFrame),
    /// The client has blocked someone, or does so no more.
    Block(BlockFrame),
    /// How many are in a room.
    Online(OnlineFrame),
    /// What the client's user wants to be told of.
    Notify(NotifyFrame),
    /// A subscription cannot go on where it was.
    Lost {
        /// Which.
        slot: Slot,
        /// The life of the log now.
        epoch: Epoch,
        /// Its last entry.
        head_seq: Seq,
        /// Why.
        reason: GapReason,
    },
    /// The client may not read a room any more, for a reason other than its own membership: the
    /// room was deleted, or hidden from outsiders.
    Ended(Slot),
    /// What is due cannot be had now; the client may find it elsewhere or later.
    Unavailable,
    /// More happened than the client takes in.
    Overrun,
    /// The login was ended.
    Revoked,
    /// The server is stopping.
    Draining {
        /// How long clients should wait before they connect again.
        retry_after: Duration,
        /// For the next connection, if there is one.
        ticket: Option<Token>,
    },
}
