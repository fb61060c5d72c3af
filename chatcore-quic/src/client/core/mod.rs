//! The client's side of the protocol, without I/O: what to send, what to tell the application, when.
//!
//! ```text
//!  commands ─┐                                   ┌─► frames to send, links to open and close
//!  frames   ─┼─► handle_* ─► Core ─► poll_output ┼─► answers, updates, notices, states
//!  time     ─┘                 └──► poll_timeout └─► a new token is wanted
//! ```
//!
//! ```text
//!            Connect           linked           welcome
//!  OFFLINE ──────────► OPENING ───────► GREETING ───────► OPEN ── goaway ──► OPEN, draining
//!     ▲                   │ failed         │ lost          │ lost               │
//!     └───────────────────┴────────────────┴───────────────┴────────────────────┘
//! ```

mod calls;
pub(crate) mod config;
mod frames;
mod outbox;
mod reconnect;
mod room;
mod rooms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use chatcore::clock::{Random, Timestamp};
use chatcore::id::RoomId;
use chatcore::protocol::frame::{
    Answer, ClientFrame, Failure, Ping, Request, RequestId, Signal, Token,
};
use chatcore::protocol::limits::Announced;

use super::error::Error;
use super::state::{Notice, Offline, State, Update};
use calls::{Call, InFlight};
pub(crate) use config::Config;
use config::{PONG, SIGNALS};
use outbox::Outbox;
pub use outbox::{Unsent, Write};
use reconnect::{Credentials, Phase};
use room::Room;

/// What the driver calls a request, to know the answer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// What the driver is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// Open a link, and say how that went; if `early`, one that takes something before its handshake is
    /// done, if there can be one.
    Connect { early: bool },
    /// Write this.
    Send(Box<ClientFrame>),
    /// Close the link, or give up opening it; nothing more is to be heard of it.
    Hangup,
    /// A request is answered.
    Answer(CallId, Result<Answer, Error>),
    /// A subscription has something new.
    Update(RoomId, Update),
    /// A subscription has ended, because the server refuses it.
    Ended(RoomId, Failure),
    /// Something to be told that is not stored.
    Notice(Notice),
    /// The connection stands otherwise than before.
    State(State),
    /// A token is wanted, newer than the one there is.
    WantToken,
}

/// The state machine of one client, over all its connections.
#[derive(Debug)]
pub(crate) struct Core {
    config: Config,
    random: Arc<dyn Random>,
    started: Instant,
    phase: Phase,
    state: State,
    credentials: Credentials,
    /// The link's handshake is not done: only what may be said twice is said.
    early: bool,
    /// Rooms to be let go of when it is.
    leaving: Vec<RoomId>,
    outputs: VecDeque<Output>,
    /// Bounds that the server announced last.
    limits: Announced,
    heartbeat: std::time::Duration,
    last_sent: Instant,
    last_heard: Instant,
    /// By when something must be heard, once a ping is out.
    pong_by: Option<Instant>,
    next_id: u64,
    in_flight: BTreeMap<RequestId, InFlight>,
    waiting: VecDeque<Call>,
    outbox: Outbox,
    rooms: BTreeMap<RoomId, Room>,
    /// Signals that were handed out and not yet written.
    signals: usize,
    /// Failed attempts in a row.
    attempt: u32,
    /// The server asked not to come back before.
    not_before: Option<Instant>,
}

/// Takes what the application asks for.
impl Core {
    pub(crate) fn new(config: Config, random: Arc<dyn Random>, now: Instant) -> Self {
        Self {
            limits: Announced::default(),
            config,
            random,
            started: now,
            phase: Phase::Offline { until: Some(now) },
            state: State::Offline(Offline::Waiting { until: now }),
            credentials: Credentials::default(),
            early: false,
            leaving: Vec::new(),
            outputs: VecDeque::new(),
            heartbeat: std::time::Duration::from_secs(25),
            last_sent: now,
            last_heard: now,
            pong_by: None,
            next_id: 0,
            in_flight: BTreeMap::new(),
            waiting: VecDeque::new(),
            outbox: Outbox::default(),
            rooms: BTreeMap::new(),
            signals: 0,
            attempt: 0,
            not_before: None,
        }
    }

    /// Asks for something; it is answered once.
    pub(crate) fn handle_call(&mut self, now: Instant, id: CallId, request: Request) {
        if let Some(error) = self.refuses() {
            return self.outputs.push_back(Output::Answer(id, Err(error)));
        }
        if self.waiting.len() + self.in_flight.len() >= self.config.requests {
            let full = Error::Full { what: "requests" };
            return self.outputs.push_back(Output::Answer(id, Err(full)));
        }
        self.waiting.push_back(Call { id, request, put_off: false });
        self.pump(now);
    }

    /// Why nothing can be asked for now, nor waited for.
    fn refuses(&self) -> Option<Error> {
        match self.state {
            State::Offline(Offline::Closed(code)) => Some(Error::Closed(code)),
            State::Offline(Offline::ShutDown) => Some(Error::ShutDown),
            _ => None,
        }
    }

    /// Puts a write into the outbox; it is answered once. Says whether there was room for it.
    pub(crate) fn handle_write(&mut self, now: Instant, id: CallId, unsent: Unsent) -> bool {
        let bounds = (self.config.outbox, self.config.outbox_bytes);
        let taken = self.outbox.push(id, unsent, bounds);
        self.pump(now);
        taken
    }

    /// What is in the outbox.
    pub(crate) fn unsent(&self) -> Vec<Unsent> {
        self.outbox.list()
    }

    /// Takes everything out of the outbox.
    pub(crate) fn take_unsent(&mut self) -> Vec<Unsent> {
        let taken = self.outbox.take();
        self.in_flight.retain(|_, what| !matches!(what, InFlight::Write(_)));
        let withdrawn = taken.iter().map(|(id, _)| Output::Answer(*id, Err(Error::Withdrawn)));
        self.outputs.extend(withdrawn);
        taken.into_iter().map(|(_, unsent)| unsent).collect()
    }

    /// Signals, if there is a connection that takes it now.
    pub(crate) fn handle_signal(&mut self, now: Instant, signal: Signal) {
        if self.is_ready() && self.signals < SIGNALS {
            self.signals += 1;
            self.send(now, ClientFrame::Signal(signal));
        }
    }

    /// A signal has been written.
    pub(crate) fn signal_written(&mut self) {
        self.signals = self.signals.saturating_sub(1);
    }

    /// There is a token, newer than before; or, asked for one, there is none.
    pub(crate) fn handle_token(&mut self, now: Instant, token: Option<Token>) {
        let Some(token) = token else { return };
        self.credentials.token = Some(token.clone());
        match self.phase {
            Phase::Open { .. } => {
                let id = self.next_request();
                self.in_flight.insert(id, InFlight::Auth);
                self.request(now, id, Request::Auth { token });
            }
            Phase::Offline { until: None } => self.reconnect(now),
            _ => {}
        }
    }

    /// The network may be back: tries at once, and finds out soon whether a connection still lives.
    pub(crate) fn handle_nudge(&mut self, now: Instant) {
        match self.phase {
            Phase::Offline { until: Some(_) } => {
                self.phase =
                    Phase::Offline { until: Some(now.max(self.not_before.unwrap_or(now))) };
                self.handle_timeout(now);
            }
            Phase::Open { .. } => self.ping(now),
            _ => {}
        }
    }

    /// Ends for good. What is in the outbox is handed back.
    pub(crate) fn shut_down(&mut self) -> Vec<Unsent> {
        let unsent = self.take_unsent();
        let calls = self.take_calls();
        self.outputs.extend(calls.into_iter().map(|id| Output::Answer(id, Err(Error::ShutDown))));
        self.rooms.clear();
        self.in_flight.clear();
        if !matches!(self.phase, Phase::Offline { .. }) {
            self.outputs.push_back(Output::Hangup);
        }
        self.phase = Phase::Offline { until: None };
        self.set_state(State::Offline(Offline::ShutDown));
        unsent
    }
}

/// Time, and what comes out.
impl Core {
    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Offline { until } if due(until) => self.connect(now),
            Phase::Opening { until } | Phase::Greeting { until, .. } if until <= now => {
                self.hang_up(now);
            }
            Phase::Open { draining: Some(until), .. } if until <= now => self.hang_up(now),
            Phase::Open { .. } => {
                if due(self.pong_by) {
                    return self.hang_up(now);
                }
                if self.pong_by.is_none() && self.last_sent + self.heartbeat <= now {
                    self.ping(now);
                }
                self.acks(now);
                self.park(now);
                self.pump(now);
            }
            _ => {}
        }
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing else happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Offline { until } => until,
            Phase::Opening { until } | Phase::Greeting { until, .. } => Some(until),
            Phase::Open { draining, .. } => {
                let beat = self.pong_by.unwrap_or(self.last_sent + self.heartbeat);
                if let Some(until) = draining {
                    return Some(until.min(beat));
                }
                if self.early {
                    return Some(beat);
                }
                let rooms = self.rooms.values().filter_map(Room::timeout).min();
                let held = self.outbox.held_until();
                [Some(beat), rooms, held].into_iter().flatten().min()
            }
        }
    }

    /// The next thing to be done.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn ping(&mut self, now: Instant) {
        let ts = now.duration_since(self.started).as_millis();
        let ts = Timestamp(i64::try_from(ts).unwrap_or(i64::MAX));
        self.send(now, ClientFrame::Ping(Ping { ts }));
        self.pong_by.get_or_insert(now + PONG.min(self.heartbeat));
    }

    fn send(&mut self, now: Instant, frame: ClientFrame) {
        self.last_sent = now;
        self.outputs.push_back(Output::Send(Box::new(frame)));
    }

    fn request(&mut self, now: Instant, id: RequestId, request: Request) {
        self.send(now, ClientFrame::Request { id, request });
    }

    fn next_request(&mut self) -> RequestId {
        self.next_id += 1;
        RequestId(self.next_id)
    }

    fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.outputs.push_back(Output::State(state));
        }
    }

    /// Whether the server takes requests now, of whatever kind.
    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Open { draining: None, .. }) && !self.early
    }

    /// Whether it takes those that [may come early](Request::may_come_early).
    fn is_ready_early(&self) -> bool {
        let open =
            matches!(self.phase, Phase::Greeting { .. } | Phase::Open { draining: None, .. });
        self.early && open
    }
}
