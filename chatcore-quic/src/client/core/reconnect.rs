//! From one connection to the next.

use std::time::{Duration, Instant};

use chatcore::protocol::CloseCode;
use chatcore::protocol::frame::{ClientFrame, Hello, Token, Welcome};

use super::config::STEADY;
use super::{Core, Output};
use crate::client::error::Error;
use crate::client::state::{Offline, State};

/// The extension by which a client is given tickets.
const TICKET: &str = "ticket";

/// Where the connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none before then; without a time, until something is done about it.
    Offline { until: Option<Instant> },
    /// The driver opens a link.
    Opening { until: Instant },
    /// The hello is out.
    Greeting { until: Instant },
    /// The server has welcomed the client.
    Open {
        since: Instant,
        /// It is about to close, at the latest then.
        draining: Option<Instant>,
    },
}

/// What the client can show.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) token: Option<Token>,
    /// Good once. It stays until there is another one or it is refused: whether it is spent, a cut
    /// connection does not tell.
    pub(super) ticket: Option<Token>,
    /// The ticket was shown, and there is no other yet.
    pub(super) shown: bool,
}

impl Credentials {
    /// The ticket that was shown is spent, and this is the next.
    pub(super) fn renew(&mut self, ticket: Option<Token>) {
        self.ticket = ticket;
        self.shown = false;
    }
}

/// What the driver says of its link.
impl Core {
    /// The link is open, and its handshake is done.
    pub(crate) fn handle_linked(&mut self, now: Instant) {
        self.greet(now);
    }

    /// The link is open, and its handshake is not done: [`handle_proven`](Self::handle_proven) or
    /// [`handle_rejected`](Self::handle_rejected) follows.
    pub(crate) fn handle_linked_early(&mut self, now: Instant) {
        if let Phase::Opening { .. } = self.phase {
            // Nobody else may be asked to take a token that would let them in again and again.
            self.early = self.credentials.ticket.is_some();
        }
        self.greet(now);
    }

    fn greet(&mut self, now: Instant) {
        let Phase::Opening { .. } = self.phase else { return };
        let ticket = self.credentials.ticket.clone();
        self.credentials.shown = ticket.is_some();
        let token = self.credentials.token.clone().filter(|_| ticket.is_none());
        let hello = Hello {
            versions: vec![1],
            token,
            ticket,
            device: self.config.device.clone(),
            caps: vec![TICKET.to_owned()],
            window: Some(self.config.window),
            rooms: self.hello_rooms(),
        };
        self.last_heard = now;
        self.phase = Phase::Greeting { until: now + self.config.patience };
        self.send(now, ClientFrame::Hello(hello));
        self.set_state(State::Resuming);
        self.pump(now);
    }

    /// The handshake is done, and what was said before it has arrived.
    pub(crate) fn handle_proven(&mut self, now: Instant) {
        self.early = false;
        self.leave_waiting(now);
        self.pump(now);
    }

    /// The handshake is done, and nothing of what was said before it has arrived, or will: all is said
    /// again, over a link that takes the place of the one there was.
    pub(crate) fn handle_rejected(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            return;
        }
        self.unlink();
        self.phase = Phase::Opening { until: now + self.config.patience };
        self.handle_linked(now);
    }

    /// The link could not be opened, or has ended: with this code, if the server gave one.
    pub(crate) fn handle_lost(&mut self, now: Instant, code: Option<CloseCode>) {
        let was = self.phase;
        if let Phase::Offline { .. } = was {
            return;
        }
        self.unlink();
        if let Phase::Open { since, .. } = was
            && now.duration_since(since) >= STEADY
        {
            self.attempt = 0;
        }
        match code.filter(|code| !code.reconnect_unchanged()) {
            None => self.wait(now),
            // A ticket is good once and not for long; the token may still be.
            Some(CloseCode::Unauthenticated)
                if self.credentials.shown && self.credentials.token.is_some() =>
            {
                self.credentials.renew(None);
                self.connect(now);
            }
            Some(CloseCode::Unauthenticated) => {
                self.credentials = Credentials::default();
                self.stop(Offline::Closed(CloseCode::Unauthenticated));
                self.outputs.push_back(Output::WantToken);
            }
            Some(code) => {
                self.credentials.renew(None);
                self.stop(Offline::Closed(code));
            }
        }
    }
}

impl Core {
    /// The time has come for another connection.
    pub(super) fn connect(&mut self, now: Instant) {
        self.not_before = None;
        if self.credentials.token.is_none() && self.credentials.ticket.is_none() {
            self.stop(Offline::NoToken);
            return self.outputs.push_back(Output::WantToken);
        }
        self.attempt = self.attempt.saturating_add(1);
        self.phase = Phase::Opening { until: now + self.config.patience };
        let early = self.credentials.ticket.is_some();
        self.outputs.push_back(Output::Connect { early });
        self.set_state(State::Connecting);
    }

    /// Something has changed for the better: goes on, as after a cut.
    pub(super) fn reconnect(&mut self, now: Instant) {
        if self.state == State::Offline(Offline::ShutDown) {
            return;
        }
        if self.state == State::Offline(Offline::NoToken) && self.attempt == 0 {
            return self.connect(now);
        }
        self.wait(now);
    }

    /// The server has welcomed the client.
    pub(super) fn welcomed(&mut self, now: Instant, welcome: Welcome) {
        let Phase::Greeting { .. } = self.phase else { return };
        self.phase = Phase::Open { since: now, draining: None };
        self.limits = welcome.limits;
        let asked = Duration::from_millis(welcome.heartbeat_ms.max(1_000));
        self.heartbeat = asked.min(self.config.heartbeat);
        if welcome.ticket.is_some() || !self.early {
            self.credentials.renew(welcome.ticket);
        }
        self.resumed(now, welcome.rooms);
        self.set_state(State::Connected);
        self.pump(now);
    }

    /// Gives the link up from this side.
    pub(super) fn hang_up(&mut self, now: Instant) {
        self.outputs.push_back(Output::Hangup);
        self.handle_lost(now, None);
    }

    /// Nothing that was under way on the link goes on.
    fn unlink(&mut self) {
        self.early = false;
        self.leaving.clear();
        self.recall();
        self.rooms.values_mut().for_each(super::Room::unlink);
        self.pong_by = None;
        self.signals = 0;
    }

    fn wait(&mut self, now: Instant) {
        let earliest = self.not_before.unwrap_or(now);
        let until = (now + self.jitter()).max(earliest);
        self.phase = Phase::Offline { until: Some(until) };
        self.set_state(State::Offline(Offline::Waiting { until }));
    }

    fn stop(&mut self, why: Offline) {
        self.phase = Phase::Offline { until: None };
        self.set_state(State::Offline(why));
        if let Offline::Closed(code) = why {
            let calls = self.take_calls();
            let answers = calls.into_iter().map(|id| Output::Answer(id, Err(Error::Closed(code))));
            self.outputs.extend(answers);
        }
    }

    /// A random wait between the shortest and a longest that doubles with each attempt, so that many
    /// who were cut off at once do not come back at once.
    fn jitter(&mut self) -> Duration {
        let (shortest, longest) = self.config.backoff;
        let doubled = shortest.saturating_mul(2_u32.saturating_pow(self.attempt.clamp(1, 16)));
        let span = doubled.min(longest).saturating_sub(shortest);
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        let fraction = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        shortest + span.mul_f64(fraction)
    }
}
