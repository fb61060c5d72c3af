//! Who a session serves, and how it begins.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Authenticated, Credential, Output, RoomState, Slot};
use super::{Phase, Resuming, Session, VERSION, no_such_room};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::id::{RoomId, SessionId, UserId};
use crate::protocol::CloseCode;
use crate::protocol::frame::{Failure, Hello, Resumed, ServerFrame, Subscribed, Welcome};

/// The extension by which a client is given tickets.
const TICKET: &str = "ticket";

/// Who a session serves.
#[derive(Debug)]
pub(super) struct Identity {
    user: UserId,
    session: Option<SessionId>,
    expires_at: Option<Timestamp>,
    warned: bool,
}

impl Identity {
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    fn warn_at(&self, notice: Duration) -> Option<Timestamp> {
        let ms = i64::try_from(notice.as_millis()).unwrap_or(i64::MAX);
        self.expires_at.filter(|_| !self.warned).map(|at| Timestamp(at.0.saturating_sub(ms)))
    }

    /// The expiry, if the client is to be warned of it now. It is warned once per token.
    pub(super) fn warn(&mut self, now: Timestamp, notice: Duration) -> Option<Timestamp> {
        self.warn_at(notice).filter(|at| *at <= now)?;
        self.warned = true;
        self.expires_at
    }

    pub(super) fn next_timeout(&self, notice: Duration) -> Option<Timestamp> {
        self.warn_at(notice).or(self.expires_at)
    }

    /// Goes on under a newer token.
    ///
    /// # Errors
    /// If it is another's.
    pub(super) fn renew(&mut self, who: &Authenticated) -> Result<(), Failure> {
        if who.user != self.user || who.session != self.session {
            let what = "this token is of another session; connect again to use it";
            return Err(Failure::new(Code::Forbidden, what));
        }
        self.expires_at = who.expires_at;
        self.warned = false;
        Ok(())
    }
}

impl Session {
    pub(super) fn hello(&mut self, now: Timestamp, mut hello: Hello) {
        if !hello.versions.contains(&VERSION) {
            return self
                .close(CloseCode::UnsupportedVersion, "this server speaks version 1 of chatcore");
        }
        if self.is_early() && hello.ticket.is_none() {
            return self.hold(hello);
        }
        let ticket = hello.caps.iter().any(|cap| cap == TICKET);
        let credential = match (hello.token.take(), hello.ticket.take()) {
            (Some(_), Some(_)) => {
                self.refuse_frame(Failure::bad_request("ticket", "give a token or a ticket"));
                return self.close(CloseCode::ProtocolError, "hello was wrong");
            }
            (Some(token), None) => Credential::Token(token),
            (None, Some(shown)) if self.is_early() => {
                self.owe(shown.clone(), hello.device.clone(), ticket);
                Credential::Unspent(shown)
            }
            (None, Some(ticket)) => Credential::Ticket(ticket),
            (None, None) => Credential::Ambient,
        };
        let asked = hello.window.unwrap_or(self.config.limits.window);
        self.window = asked.clamp(1, self.config.limits.window.max(1));
        let device = hello.device;
        self.outputs.push_back(Output::Authenticate { credential, device, ticket });
        // From here on it is the server that the client waits for.
        let until = now.after(self.config.hello);
        self.phase = Phase::Authenticating { until, rooms: hello.rooms };
    }

    /// It is known who the client is, or why not.
    pub fn handle_authenticated(&mut self, now: Timestamp, result: Result<Authenticated, Failure>) {
        let Phase::Authenticating { rooms, .. } = &mut self.phase else { return };
        let rooms = std::mem::take(rooms);
        let who = match result {
            Ok(who) if who.expires_at.is_some_and(|at| at <= now) => {
                self.refuse_frame(Failure::new(Code::Unauthenticated, "the token has expired"));
                return self.close(CloseCode::Unauthenticated, "the token has expired");
            }
            Ok(who) => who,
            Err(failure) => return self.turn_away(failure),
        };
        let cap = self.config.limits.subscriptions as usize;
        let mut resume: Vec<_> = rooms.into_iter().collect();
        let beyond = resume.drain(cap.min(resume.len())..).map(|(room, _)| room).collect();
        let rooms = resume.iter().map(|(room, _)| room.clone()).collect();
        let resuming = Resuming { who, rooms, lost: Vec::new(), beyond };
        if resume.is_empty() {
            self.welcome(now, resuming, BTreeMap::new());
        } else {
            let until = now.after(self.config.hello);
            self.phase = Phase::Resuming { until, resuming: Box::new(resuming) };
            self.outputs.push_back(Output::Resume(resume));
        }
        // The handshake may have been done meanwhile.
        self.spend();
    }

    /// The rooms of [`Output::Resume`] are taken up: for each, in that order, what it is at, or why
    /// not. Returns, again for each, its subscription, if there is one.
    pub fn handle_resumed(
        &mut self,
        now: Timestamp,
        results: Vec<Result<RoomState, Failure>>,
    ) -> Vec<Option<Slot>> {
        let resuming = match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Resuming { resuming, .. } => *resuming,
            other => {
                self.phase = other;
                return results.iter().map(|_| None).collect();
            }
        };
        let mut rooms = BTreeMap::new();
        let mut slots = Vec::with_capacity(results.len());
        for (room, result) in resuming.rooms.iter().zip(results) {
            let lost = resuming.lost.contains(room);
            let outcome = match result.and_then(|s| if lost { Err(no_such_room()) } else { Ok(s) })
            {
                Ok(state) => {
                    let (slot, subscribed) = self.start(room, state);
                    slots.push(Some(slot));
                    Resumed::Subscribed(subscribed)
                }
                Err(failure) => {
                    slots.push(None);
                    Resumed::Refused(failure)
                }
            };
            rooms.insert(room.clone(), outcome);
        }
        self.welcome(now, resuming, rooms);
        slots
    }

    fn welcome(
        &mut self,
        now: Timestamp,
        resuming: Resuming,
        mut rooms: BTreeMap<RoomId, Resumed>,
    ) {
        let Resuming { who, beyond, .. } = resuming;
        let most = self.config.limits.subscriptions;
        for room in beyond {
            rooms.insert(room, Resumed::Refused(super::requests::too_many_subscriptions(most)));
        }
        let mut limits = self.config.limits;
        limits.window = self.window;
        let identity = Identity {
            user: who.user.clone(),
            session: who.session.clone(),
            expires_at: who.expires_at,
            warned: false,
        };
        let tickets = who.ticket.is_some() || self.gives_ticket();
        let caps = tickets.then(|| TICKET.to_owned()).into_iter().collect();
        self.send(ServerFrame::Welcome(Box::new(Welcome {
            version: VERSION,
            session: who.session,
            user: who.user,
            heartbeat_ms: u64::try_from(self.config.heartbeat.as_millis()).unwrap_or(u64::MAX),
            limits,
            caps,
            token_expires_at: who.expires_at,
            ticket: who.ticket,
            rooms,
        })));
        self.heard_at = now;
        self.phase = Phase::Ready(Box::new(identity));
    }

    /// Begins a subscription, and says how it stands.
    pub(super) fn start(&mut self, room: &RoomId, state: RoomState) -> (Slot, Subscribed) {
        let RoomState { recovered, from, epoch, head_seq, floor_seq, marks, presence, online } =
            state;
        let slot = self.deliveries.start(room, from, head_seq);
        (slot, Subscribed { recovered, epoch, head_seq, floor_seq, marks, presence, online })
    }
}
