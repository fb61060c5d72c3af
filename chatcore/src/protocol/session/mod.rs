//! One connection's side of the protocol: what may come, what follows from it, and when time is up.
//!
//! A [`Session`] does no I/O, knows no clock and never waits. Whoever drives it (see
//! [`connection`](crate::connection)) hands in what happened and carries out what comes of it:
//!
//! ```text
//!   frames, answers, notices, time ─► handle_* ─┐
//!                                               ├─► poll_output ─► write, call, close
//!   allowance ─► entries written ─► delivered ──┘   poll_timeout ─► handle_timeout then
//! ```
//!
//! The methods are of four kinds, called in this order, over and over:
//!
//! 1. `handle_*`: something happened. Nothing is returned but through `poll_output`.
//! 2. [`poll_output`](Session::poll_output), until it returns `None`.
//! 3. [`allowance`](Session::allowance) and [`delivered`](Session::delivered), for each subscription
//!    with entries due: how many may be written, and how far that went. They never allocate.
//! 4. [`poll_timeout`](Session::poll_timeout): when to call `handle_timeout` at the latest.
//!
//! Over a transport that hands over what was said before its handshake was done, a session begins
//! [`early`](Session::early), and takes only what does no harm when it is said twice, until
//! [`handle_proven`](Session::handle_proven). Then it has the ticket spent that it had only looked at.
//!
//! ```text
//!   HELLO ── hello, authenticated, rooms resumed ──► READY ── drain ──► DRAINING
//!     │                                                │                   │
//!     └────────────────────► CLOSED ◄──────────────────┴───────────────────┘
//! ```

mod calls;
mod config;
mod delivery;
mod early;
mod event;
mod identity;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use calls::Calls;
pub use config::Config;
use delivery::Deliveries;
pub use delivery::DeliveryState;
use early::Early;
pub use event::{Authenticated, CallId, Credential, Notice, Output, Reply, RoomState, Slot, Tell};
use identity::Identity;

use super::frame::{
    AuthExpiring, ClientFrame, Failure, Gap, GapReason, Goaway, MembershipFrame, Pong, ServerFrame,
};
use super::{CloseCode, DecodeError};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::hub::Membership;
use crate::id::{Epoch, RoomId, Seq};
use crate::log::Cursor;

/// The version of the protocol that is spoken here.
pub const VERSION: u32 = 1;

/// The state machine of one connection.
///
/// Made when the transport stands; done when [`Output::Close`] has come out.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    phase: Phase,
    outputs: VecDeque<Output>,
    calls: Calls,
    deliveries: Deliveries,
    /// Unacked entries that the client takes per room.
    window: u32,
    early: Early,
    /// Files that are on their way beside the frames.
    files: usize,
    /// When the last frame came.
    heard_at: Timestamp,
    /// Since when bytes are due that the transport does not take.
    unwritten_since: Option<Timestamp>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for the first frame until then.
    Hello { until: Timestamp },
    /// The first frame has come; finds out who it is from.
    Authenticating { until: Timestamp, rooms: BTreeMap<RoomId, Cursor> },
    /// Takes up the rooms that the first frame named.
    Resuming { until: Timestamp, resuming: Box<Resuming> },
    /// Serves.
    Ready(Box<Identity>),
    /// Answers what was asked, lets files that are on their way arrive, and takes nothing new.
    Draining { until: Timestamp, identity: Box<Identity> },
    /// Is over.
    Closed,
}

#[derive(Debug)]
struct Resuming {
    who: Authenticated,
    /// Rooms that are being taken up, in the order of [`Output::Resume`].
    rooms: Vec<RoomId>,
    /// Rooms that the client lost while they were taken up.
    lost: Vec<RoomId>,
    /// Rooms above the cap.
    beyond: Vec<RoomId>,
}

/// Reads.
impl Session {
    /// Whether it can take a frame now. If not, the transport is to be left alone: the client has
    /// said `hello`, and what it sends next is judged by the answer to that.
    pub fn wants_frames(&self) -> bool {
        match self.phase {
            Phase::Hello { .. } | Phase::Ready(_) | Phase::Draining { .. } => !self.holds_back(),
            Phase::Authenticating { .. } | Phase::Resuming { .. } | Phase::Closed => false,
        }
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether the client has been welcomed, and is proven to be there.
    pub fn is_settled(&self) -> bool {
        self.is_open() && !self.is_early() && !self.holds_back()
    }

    /// The bounds that it works within.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Requests that await their answers.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// What a subscription is at; none if there is none.
    pub fn delivery(&self, slot: Slot) -> Option<DeliveryState> {
        self.deliveries.state(slot)
    }

    /// Which room a subscription is to.
    pub fn room(&self, slot: Slot) -> Option<&RoomId> {
        self.deliveries.room(slot)
    }

    /// Which subscription is to `room`.
    pub fn slot(&self, room: &RoomId) -> Option<Slot> {
        self.deliveries.slot(room)
    }

    /// The entry that is next for a subscription.
    pub fn next(&self, slot: Slot) -> Option<Seq> {
        self.deliveries.next(slot)
    }

    /// How many entries may be written for a subscription now, from [`Self::next`] on.
    pub fn allowance(&self, slot: Slot) -> u32 {
        match self.phase {
            Phase::Ready(_) | Phase::Draining { .. } => {
                self.deliveries.allowance(slot, self.window)
            }
            _ => 0,
        }
    }

    /// The last entry that may be written for a subscription that is live, before the client acks
    /// more; none if it is not live, or has no entry left.
    pub fn limit(&self, slot: Slot) -> Option<Seq> {
        let live = self.delivery(slot) == Some(DeliveryState::Live);
        let allowance = self.allowance(slot);
        let next = self.next(slot).filter(|_| live && allowance > 0)?;
        Some(Seq(next.0 + u64::from(allowance) - 1))
    }
}

/// Takes what happened.
impl Session {
    /// A session whose transport stands since `now`.
    pub fn new(config: Arc<Config>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Hello { until: now.after(config.hello) },
            outputs: VecDeque::new(),
            calls: Calls::default(),
            deliveries: Deliveries::default(),
            window: config.limits.window,
            early: Early::default(),
            files: 0,
            heard_at: now,
            unwritten_since: None,
            config,
        }
    }

    /// The peer showed, beneath the protocol, that it is there.
    pub fn handle_alive(&mut self, now: Timestamp) {
        self.heard_at = now;
    }

    /// A message came, and this is what decoding made of it.
    pub fn handle_frame(&mut self, now: Timestamp, frame: Result<ClientFrame, DecodeError>) {
        self.heard_at = now;
        match (&self.phase, frame) {
            (Phase::Closed, _) => {}
            (_, Err(error @ DecodeError::Malformed(_))) => {
                self.refuse_frame(error.into_failure());
                self.close(CloseCode::ProtocolError, "not a frame of this protocol");
            }
            (Phase::Hello { .. }, Ok(ClientFrame::Hello(hello))) => self.hello(now, hello),
            (Phase::Hello { .. }, Ok(_)) => {
                self.close(CloseCode::ProtocolError, "the first frame must be hello");
            }
            (Phase::Hello { .. }, Err(error)) => {
                self.refuse_frame(error.into_failure());
                self.close(CloseCode::ProtocolError, "the first frame must be hello");
            }
            (_, Ok(ClientFrame::Hello(_))) => {
                self.close(CloseCode::ProtocolError, "hello was said before");
            }
            (_, Err(DecodeError::Refused { id, failure })) => {
                self.send(ServerFrame::Error { id, failure: *failure });
            }
            (_, Ok(ClientFrame::Request { id, request })) => self.request(id, request),
            // Perhaps said before; whoever says it now will say it again.
            (_, Ok(ClientFrame::Signal(_) | ClientFrame::Ack(_))) if self.is_early() => {}
            (_, Ok(ClientFrame::Signal(signal))) => self.signal(signal),
            (_, Ok(ClientFrame::Ack(ack))) => {
                for (room, seq) in ack.rooms {
                    self.ack(room, seq);
                }
            }
            (_, Ok(ClientFrame::Ping(ping))) => {
                self.send(ServerFrame::Pong(Pong { ts: ping.ts }));
            }
        }
    }

    /// Something happened outside.
    pub fn handle_notice(&mut self, now: Timestamp, notice: Notice) {
        if self.is_closed() {
            return;
        }
        match notice {
            Notice::Membership { room, state, readable } => {
                if !readable {
                    self.evict(&room);
                }
                if self.is_open() {
                    self.send(ServerFrame::Membership(MembershipFrame { room, state }));
                }
            }
            Notice::Mark(mark) if self.follows(&mark.room) => self.send(ServerFrame::Mark(mark)),
            Notice::Signal(signal) if self.follows(&signal.room) => {
                self.send(ServerFrame::Signal(signal));
            }
            Notice::Block(block) if self.is_open() => self.send(ServerFrame::Block(block)),
            Notice::Online(online) if self.deliveries.slot(&online.room).is_some() => {
                self.send(ServerFrame::Online(online));
            }
            Notice::Notify(notify) if self.is_open() => self.send(ServerFrame::Notify(notify)),
            Notice::Mark(_)
            | Notice::Signal(_)
            | Notice::Block(_)
            | Notice::Notify(_)
            | Notice::Online(_) => {}
            Notice::Lost { slot, epoch, head_seq, reason } => {
                self.gap(slot, epoch, head_seq, reason);
            }
            Notice::Ended(slot) => {
                if let Some(room) = self.deliveries.room(slot).cloned() {
                    self.evict(&room);
                    let state = Membership::Left;
                    self.send(ServerFrame::Membership(MembershipFrame { room, state }));
                }
            }
            Notice::Unavailable => {
                self.close(CloseCode::GoingAway, "the log cannot be read now");
            }
            Notice::Overrun => self.close(CloseCode::SlowConsumer, "too much is waiting"),
            Notice::Revoked => {
                // Nothing that waits to be written may leave any more.
                self.outputs.clear();
                self.close(CloseCode::Revoked, "the session was ended");
            }
            Notice::Draining { retry_after, ticket } => {
                let retry_after_ms = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                match std::mem::replace(&mut self.phase, Phase::Closed) {
                    Phase::Ready(identity) => {
                        let until = now.after(self.config.drain);
                        self.phase = Phase::Draining { until, identity };
                        self.send(ServerFrame::Goaway(Goaway { retry_after_ms, ticket }));
                        self.close_if_drained();
                    }
                    draining @ Phase::Draining { .. } => self.phase = draining,
                    _ => self.close(CloseCode::GoingAway, "the server is stopping"),
                }
            }
        }
    }

    /// So many files are on their way now, beside the frames. A server that stops waits for them as for
    /// answers. Returns whether that is news.
    pub fn handle_files(&mut self, moving: usize) -> bool {
        let news = std::mem::replace(&mut self.files, moving) != moving;
        self.close_if_drained();
        news
    }

    /// Entries of a subscription up to `up_to` were written.
    pub fn delivered(&mut self, slot: Slot, up_to: Seq) {
        self.deliveries.delivered(slot, up_to);
    }

    /// Entries of a subscription are due, and its allowance is used up.
    pub fn handle_blocked(&mut self, now: Timestamp, slot: Slot) {
        self.deliveries.block(slot, now);
    }

    /// The transport was written to: `progress` if it took anything, `rest` if something is left.
    pub fn handle_written(&mut self, now: Timestamp, progress: bool, rest: bool) {
        match (rest, progress, self.unwritten_since) {
            (false, _, None) => {}
            (false, ..) => {
                self.unwritten_since = None;
                // Whoever took all of that is there, and was perhaps not listened to meanwhile.
                self.heard_at = now;
            }
            (true, false, Some(_)) => {}
            (true, ..) => self.unwritten_since = Some(now),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        match &mut self.phase {
            Phase::Closed => return,
            Phase::Hello { until } if *until <= now => {
                return self.close(CloseCode::ProtocolError, "no hello came");
            }
            Phase::Authenticating { until, .. } | Phase::Resuming { until, .. }
                if *until <= now =>
            {
                return self.close(CloseCode::GoingAway, "the server could not answer in time");
            }
            Phase::Draining { until, .. } if *until <= now => {
                return self.close(CloseCode::GoingAway, "the server is stopping");
            }
            Phase::Ready(identity) | Phase::Draining { identity, .. } => {
                if due(identity.expires_at()) {
                    return self.close(CloseCode::Unauthenticated, "the token has expired");
                }
                if let Some(expires_at) = identity.warn(now, self.config.expiry_notice) {
                    self.send(ServerFrame::AuthExpiring(AuthExpiring { expires_at }));
                }
            }
            _ => {}
        }
        if due(self.heartbeat_by()) {
            self.close(CloseCode::HeartbeatTimeout, "nothing was heard for two heartbeats");
        } else if due(self.stalled_at()) {
            self.close(CloseCode::SlowConsumer, "no progress for too long");
        }
    }
}

/// Hands out what follows.
impl Session {
    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        if let Output::Unsubscribed(slot) = output {
            self.deliveries.release(slot);
        }
        if self.outputs.is_empty() {
            // Most sessions are idle, and hold nothing then.
            self.outputs = VecDeque::new();
        }
        Some(output)
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let phase = match &self.phase {
            Phase::Closed => return None,
            Phase::Hello { until }
            | Phase::Authenticating { until, .. }
            | Phase::Resuming { until, .. } => Some(*until),
            Phase::Ready(identity) => identity.next_timeout(self.config.expiry_notice),
            Phase::Draining { until, identity } => {
                let expiry = identity.next_timeout(self.config.expiry_notice);
                Some(expiry.map_or(*until, |at| at.min(*until)))
            }
        };
        [phase, self.heartbeat_by(), self.stalled_at()].into_iter().flatten().min()
    }
}

/// What several inputs share.
impl Session {
    /// Whether the client has been welcomed.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Ready(_) | Phase::Draining { .. })
    }

    fn follows(&self, room: &RoomId) -> bool {
        self.is_open() && self.deliveries.slot(room).is_some()
    }

    /// When the client is given up for being silent. Not while it does not take what is written:
    /// then it is not listened to either, and [`Self::stalled_at`] counts.
    fn heartbeat_by(&self) -> Option<Timestamp> {
        let counts = self.is_open() && self.unwritten_since.is_none();
        counts.then(|| self.heard_at.after(self.config.heartbeat.saturating_mul(2)))
    }

    /// When the client is given up for not keeping up.
    fn stalled_at(&self) -> Option<Timestamp> {
        let unwritten = self.unwritten_since.map(|since| since.after(self.config.stall));
        let blocked = self.deliveries.stalled_at(self.config.stall);
        [unwritten, blocked].into_iter().flatten().min()
    }

    fn send(&mut self, frame: ServerFrame) {
        self.outputs.push_back(Output::Send(frame));
    }

    fn refuse_frame(&mut self, failure: Failure) {
        self.send(ServerFrame::Error { id: None, failure });
    }

    fn close(&mut self, code: CloseCode, reason: &'static str) {
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Close { code, reason });
    }

    fn close_if_drained(&mut self) {
        let done = self.calls.len() == 0 && self.files == 0;
        if matches!(self.phase, Phase::Draining { .. }) && done {
            self.close(CloseCode::GoingAway, "the server is stopping");
        }
    }

    /// The client may not read `room` any more.
    fn evict(&mut self, room: &RoomId) {
        self.calls.refuse(room, &no_such_room());
        if let Phase::Resuming { resuming, .. } = &mut self.phase {
            resuming.lost.push(room.clone());
        }
        self.end(room);
    }

    /// Ends the subscription to `room`, if there is one.
    fn end(&mut self, room: &RoomId) {
        if let Some(slot) = self.deliveries.end(room) {
            self.outputs.push_back(Output::Unsubscribed(slot));
        }
    }

    /// A subscription has lost its place: says so once, and falls silent.
    fn gap(&mut self, slot: Slot, epoch: Epoch, head_seq: Seq, reason: GapReason) {
        let live = matches!(
            self.deliveries.state(slot),
            Some(DeliveryState::Replay | DeliveryState::Live)
        );
        let Some(room) = self.deliveries.room(slot).filter(|_| live).cloned() else { return };
        self.deliveries.set_state(slot, DeliveryState::Gap);
        self.send(ServerFrame::Gap(Gap { room, epoch, head_seq, reason }));
    }
}

/// What a room that is not there and a room that must not be known of have in common.
fn no_such_room() -> Failure {
    Failure::new(Code::NotFound, "there is no such room")
}
