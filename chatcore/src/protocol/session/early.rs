//! What a client says before it is proven who listens.
//!
//! A transport may hand over what was said in its very first packets, before its handshake is done.
//! Whoever recorded them can send them again. So until the handshake is done
//!
//! - a ticket is looked at, and not spent: that comes with the proof, and who shows one that was spent
//!   in between is closed with code 2;
//! - what would hurt if it were done twice is refused as `too_early`;
//! - what has no answer to be refused by (signals, acks) is passed over;
//! - a `hello` without a ticket waits, and all that follows it.

use super::event::{Authenticated, Output};
use super::{Phase, Session};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::id::DeviceId;
use crate::protocol::CloseCode;
use crate::protocol::frame::{Failure, Hello, Request, ServerFrame, TicketFrame, Token};

/// What has to wait for the transport's handshake.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// The handshake is not done.
    unproven: bool,
    /// A `hello` that is not answered before.
    held: Option<Box<Hello>>,
    /// A ticket that was looked at, and the device that showed it.
    unspent: Option<(Token, DeviceId)>,
    /// It is being spent; the answer decides whether the client is listened to any more.
    spending: bool,
    /// The client is given another one when it is.
    gives: bool,
}

impl Session {
    /// The same, over a transport whose handshake is not done: what comes may have been said before,
    /// to somebody else. Holds until [`handle_proven`](Self::handle_proven).
    #[must_use]
    pub fn early(mut self) -> Self {
        self.early.unproven = true;
        self
    }

    /// Whether the transport's handshake is not done yet.
    pub fn is_early(&self) -> bool {
        self.early.unproven
    }

    /// The transport's handshake is done: the peer is who it was from the beginning, and hears us.
    pub fn handle_proven(&mut self, now: Timestamp) {
        self.early.unproven = false;
        match self.early.held.take() {
            Some(hello) if matches!(self.phase, Phase::Hello { .. }) => self.hello(now, *hello),
            _ => self.spend(),
        }
    }

    /// The ticket of [`Output::Spend`] is spent, or why not.
    pub fn handle_spent(&mut self, result: Result<Authenticated, Failure>) {
        self.early.spending = false;
        let who = match (result, &mut self.phase) {
            (_, Phase::Closed) => return,
            (Ok(who), _) => who,
            (Err(failure), _) => return self.turn_away(failure),
        };
        let ticket = match &mut self.phase {
            Phase::Resuming { resuming, .. } => {
                resuming.who = who;
                None
            }
            Phase::Ready(identity) | Phase::Draining { identity, .. } => {
                match identity.renew(&who) {
                    Ok(()) => who.ticket,
                    Err(failure) => return self.turn_away(failure),
                }
            }
            _ => None,
        };
        if let Some(ticket) = ticket {
            self.send(ServerFrame::Ticket(TicketFrame { ticket }));
        }
    }

    /// Whether what the client says next has to wait.
    pub(super) fn holds_back(&self) -> bool {
        self.early.held.is_some() || self.early.spending
    }

    /// Keeps a `hello` that is not to be answered yet.
    pub(super) fn hold(&mut self, hello: Hello) {
        self.early.held = Some(Box::new(hello));
    }

    /// Notes a ticket that is looked at now and to be spent later.
    pub(super) fn owe(&mut self, ticket: Token, device: DeviceId, gives: bool) {
        self.early.unspent = Some((ticket, device));
        self.early.gives = gives;
    }

    /// Has the ticket spent that was looked at, if it is time.
    pub(super) fn spend(&mut self) {
        let known =
            matches!(self.phase, Phase::Resuming { .. } | Phase::Ready(_) | Phase::Draining { .. });
        if self.early.unproven || !known {
            return;
        }
        if let Some((ticket, device)) = self.early.unspent.take() {
            self.early.spending = true;
            self.outputs.push_back(Output::Spend { ticket, device, another: self.early.gives });
        }
    }

    /// Whether the client is given a ticket after its welcome.
    pub(super) fn gives_ticket(&self) -> bool {
        self.early.gives
    }

    /// Why a request is not for now, if it is not.
    pub(super) fn too_early(&self, request: &Request) -> Option<Failure> {
        let what = "ask again once the handshake is done";
        (self.early.unproven && !request.may_come_early())
            .then(|| Failure::new(Code::TooEarly, what))
    }

    /// Nobody is let in by what was shown.
    pub(super) fn turn_away(&mut self, failure: Failure) {
        let (code, reason) = match failure.code {
            Code::RateLimited => (CloseCode::RateLimited, "too many attempts"),
            Code::Internal | Code::Unavailable | Code::StorageFull => {
                (CloseCode::GoingAway, "the server cannot serve now")
            }
            _ => (CloseCode::Unauthenticated, "no good credential"),
        };
        self.refuse_frame(failure);
        self.close(code, reason);
    }
}
