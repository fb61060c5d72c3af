//! What a welcomed client asks for.

use super::calls::Pending;
use super::event::{CallId, Output, Reply, RoomState, Slot, Tell};
use super::{Phase, Session};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::id::{RoomId, Seq};
use crate::limits::SIGNAL_TTL_MS;
use crate::protocol::frame::{
    Answer, Failure, Request, RequestId, ServerFrame, Signal, TokenRenewed,
};
use crate::protocol::session::DeliveryState;

/// The longest name of a kind of signal, in bytes.
const SIGNAL_KIND: usize = 32;

pub(super) fn too_many_subscriptions(most: u32) -> Failure {
    Failure::new(Code::LimitReached, format!("at most {most} rooms can be subscribed to at once"))
}

impl Session {
    pub(super) fn request(&mut self, id: RequestId, request: Request) {
        if matches!(self.phase, Phase::Draining { .. }) {
            let failure = Failure::new(Code::Unavailable, "the server is stopping; connect again");
            return self.send(ServerFrame::Error { id: Some(id), failure });
        }
        if let Some(failure) = self.too_early(&request) {
            return self.send(ServerFrame::Error { id: Some(id), failure });
        }
        let pending = match &request {
            // Nothing outside has a part in it, so it takes effect at once.
            Request::Unsubscribe { room } => {
                let gone = Failure::new(Code::Conflict, "unsubscribed before it was subscribed to");
                self.calls.refuse(room, &gone);
                self.end(room);
                return self.send(ServerFrame::Result { id, answer: Answer::Done {} });
            }
            Request::Subscribe { room, .. } => {
                let most = self.config.limits.subscriptions;
                let taken = self.deliveries.len() + self.calls.subscribing();
                if self.deliveries.slot(room).is_none() && taken >= most as usize {
                    let failure = too_many_subscriptions(most);
                    return self.send(ServerFrame::Error { id: Some(id), failure });
                }
                Pending::Subscribe { id, room: room.clone(), refused: None }
            }
            Request::Auth { .. } => Pending::Auth(id),
            _ => Pending::Plain(id),
        };
        let most = self.config.limits.in_flight;
        if self.calls.len() >= most as usize {
            let what = format!("at most {most} requests can await their answers at once");
            let failure = Failure::new(Code::LimitReached, what);
            return self.send(ServerFrame::Error { id: Some(id), failure });
        }
        if let Pending::Subscribe { room, .. } = &pending
            && let Some(slot) = self.deliveries.slot(room)
        {
            // What comes before the answer would be taken for what comes after it.
            self.deliveries.set_state(slot, DeliveryState::Idle);
        }
        let call = self.calls.insert(pending);
        self.outputs.push_back(Output::Call { call, request });
    }

    /// A call is answered. Each is, once; more are ignored.
    pub fn handle_answer(&mut self, now: Timestamp, call: CallId, result: Result<Reply, Failure>) {
        if self.is_closed() {
            return;
        }
        let Some(pending) = self.calls.take(call) else { return };
        let (id, answer) = match (pending, result) {
            (Pending::Plain(id), Ok(Reply::Answer(answer))) => (id, Ok(answer)),
            (Pending::Auth(id), Ok(Reply::Authenticated(who))) => (id, self.renew(now, &who)),
            (Pending::Subscribe { id, room, .. }, Err(failure)) => {
                // One that was there has been silent since the request came, and ends with it.
                self.end(&room);
                (id, Err(failure))
            }
            (Pending::Plain(id) | Pending::Auth(id), Err(failure)) => (id, Err(failure)),
            (
                Pending::Plain(id) | Pending::Auth(id) | Pending::Subscribe { id, .. },
                Ok(Reply::Answer(_) | Reply::Authenticated(_)),
            ) => (id, Err(Failure::new(Code::Internal, "internal"))),
        };
        self.reply(id, answer);
    }

    fn renew(
        &mut self,
        now: Timestamp,
        who: &super::event::Authenticated,
    ) -> Result<Answer, Failure> {
        let (Phase::Ready(identity) | Phase::Draining { identity, .. }) = &mut self.phase else {
            return Err(Failure::new(Code::Unavailable, "the connection is closing"));
        };
        if who.expires_at.is_some_and(|at| at <= now) {
            return Err(Failure::new(Code::Unauthenticated, "the token has expired"));
        }
        identity.renew(who)?;
        Ok(Answer::Renewed(TokenRenewed { token_expires_at: who.expires_at }))
    }

    /// A `subscribe` is answered: what the room is at, or why not. Returns the subscription, if
    /// there is one now; its entries may be written once the outputs are.
    pub fn handle_subscribed(
        &mut self,
        now: Timestamp,
        call: CallId,
        result: Result<RoomState, Failure>,
    ) -> Option<Slot> {
        let state = match result {
            Ok(state) if !self.is_closed() => state,
            Ok(_) => return None,
            Err(failure) => {
                self.handle_answer(now, call, Err(failure));
                return None;
            }
        };
        match self.calls.take(call)? {
            Pending::Subscribe { id, refused: Some(failure), .. } => {
                self.reply(id, Err(*failure));
                None
            }
            Pending::Subscribe { id, room, refused: None } => {
                let (slot, subscribed) = self.start(&room, state);
                self.reply(id, Ok(Answer::Subscribed(subscribed)));
                Some(slot)
            }
            Pending::Plain(id) | Pending::Auth(id) => {
                self.reply(id, Err(Failure::new(Code::Internal, "internal")));
                None
            }
        }
    }

    fn reply(&mut self, id: RequestId, answer: Result<Answer, Failure>) {
        self.send(match answer {
            Ok(answer) => ServerFrame::Result { id, answer },
            Err(failure) => ServerFrame::Error { id: Some(id), failure },
        });
        self.close_if_drained();
    }

    pub(super) fn signal(&mut self, mut signal: Signal) {
        let kind = &signal.kind;
        let word = (1..=SIGNAL_KIND).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !word || kind == "presence" {
            let what = "must be 1 to 32 of A-Z a-z 0-9 - _ . and not presence";
            return self.refuse_frame(Failure::bad_request("kind", what));
        }
        signal.ttl_ms = signal.ttl_ms.min(SIGNAL_TTL_MS);
        self.outputs.push_back(Output::Tell(Tell::Signal(signal)));
    }

    pub(super) fn ack(&mut self, room: RoomId, seq: Seq) {
        // Acks of a room that was just unsubscribed from are late, not wrong.
        let Some(slot) = self.deliveries.slot(&room) else { return };
        let Some((seq, waiting)) = self.deliveries.acked(slot, seq) else { return };
        self.outputs.push_back(Output::Tell(Tell::Delivered { room, seq }));
        if waiting {
            self.outputs.push_back(Output::Wake(slot));
        }
    }
}
