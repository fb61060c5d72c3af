//! Requests on their way, and their answers.

use std::time::{Duration, Instant};

use chatcore::Code;
use chatcore::id::RoomId;
use chatcore::protocol::frame::{Answer, Failure, Request, RequestId};
use chatcore::room::RoomKind;

use super::{CallId, Core, Output, Unsent};
use crate::client::error::Error;

/// How long to wait where the server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// A request of the application.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) request: Request,
    /// It was found too early once.
    pub(super) put_off: bool,
}

impl Call {
    /// Whether it may be asked again after it may have been done: it then changes nothing, or sets
    /// what is set already.
    fn repeats(&self) -> bool {
        match &self.request {
            Request::Rooms(_)
            | Request::History { .. }
            | Request::Search(_)
            | Request::Members { .. }
            | Request::Pins { .. }
            | Request::Readers { .. }
            | Request::InviteLinks { .. }
            | Request::Invitation(_)
            | Request::AcceptInvite(_)
            | Request::Block { .. }
            | Request::Unblock { .. }
            | Request::Blocks(_)
            | Request::Notify { .. }
            | Request::Enter { .. }
            | Request::MarkRead { .. }
            | Request::React { .. }
            | Request::Unreact { .. }
            | Request::Pin { .. }
            | Request::Unpin { .. } => true,
            Request::CreateRoom(create) => create.kind == RoomKind::Direct,
            _ => false,
        }
    }
}

/// What awaits an answer.
#[derive(Debug)]
pub(super) enum InFlight {
    Call(Call),
    /// The first of the outbox's of this room that was sent under the id.
    Write(RoomId),
    Subscribe(RoomId),
    /// Nobody asks what came of it.
    Unsubscribe,
    Auth,
}

impl Core {
    /// Sends what may be sent.
    pub(super) fn pump(&mut self, now: Instant) {
        self.outbox.release(now);
        let early = self.is_ready_early();
        if !early && !self.is_ready() {
            return;
        }
        let most = (self.limits.in_flight as usize).clamp(1, self.config.requests.max(1));
        self.subscribe_wanted(now, most);
        while self.in_flight.len() < most {
            let may_go = |call: &Call| !early || call.request.may_come_early();
            let next = self.waiting.iter().position(may_go);
            let Some(call) = next.and_then(|at| self.waiting.remove(at)) else { break };
            let id = self.next_request();
            self.request(now, id, call.request.clone());
            self.in_flight.insert(id, InFlight::Call(call));
        }
        while self.in_flight.len() < most {
            let id = RequestId(self.next_id + 1);
            let may_go = |unsent: &Unsent| !early || unsent.may_come_early();
            let Some(unsent) = self.outbox.pop(self.config.pipeline, id, may_go) else { break };
            self.next_id += 1;
            self.request(now, id, unsent.request());
            self.in_flight.insert(id, InFlight::Write(unsent.room));
        }
    }

    /// A request is answered; `None` if nobody can read how.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        id: RequestId,
        result: Option<Result<Answer, Failure>>,
    ) {
        let Some(what) = self.in_flight.remove(&id) else { return };
        let draining = !self.is_ready();
        match (what, result) {
            (InFlight::Unsubscribe | InFlight::Auth, _) => {}
            (InFlight::Subscribe(room), result) => self.subscribed(now, id, &room, result),
            // Refused is not done: the next connection does it.
            (InFlight::Call(call), Some(Err(failure)))
                if draining && failure.code == Code::Unavailable =>
            {
                self.waiting.push_back(call);
            }
            // Refused is not done. It crossed with the end of the handshake.
            (InFlight::Call(mut call), Some(Err(failure)))
                if failure.code == Code::TooEarly && !call.put_off =>
            {
                call.put_off = true;
                self.waiting.push_back(call);
            }
            (InFlight::Call(call), result) => self.tell(call.id, result),
            (InFlight::Write(room), Some(Err(failure))) if is_for_now(failure.code) => {
                let pause = failure.retry_after_ms.map_or(PAUSE, Duration::from_millis);
                self.outbox.again(&room, id, now + pause);
            }
            (InFlight::Write(room), result) => {
                if let Some(call) = self.outbox.answered(&room, id) {
                    self.tell(call, result);
                }
            }
        }
        self.pump(now);
    }

    fn tell(&mut self, call: CallId, result: Option<Result<Answer, Failure>>) {
        let result = result.map_or(Err(Error::Unreadable), |result| result.map_err(Error::from));
        self.outputs.push_back(Output::Answer(call, result));
    }

    /// The connection is lost: what can be repeated waits for the next.
    pub(super) fn recall(&mut self) {
        self.outbox.rewind();
        let mut again = Vec::new();
        for what in std::mem::take(&mut self.in_flight).into_values() {
            match what {
                InFlight::Call(call) if call.repeats() => again.push(call),
                InFlight::Call(call) => {
                    self.outputs.push_back(Output::Answer(call.id, Err(Error::Interrupted)));
                }
                _ => {}
            }
        }
        for call in again.into_iter().rev() {
            self.waiting.push_front(call);
        }
    }

    /// Takes out every request of the application that is not answered.
    pub(super) fn take_calls(&mut self) -> Vec<CallId> {
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|call| call.id);
        let mut calls: Vec<_> = waiting.collect();
        self.in_flight.retain(|_, what| match what {
            InFlight::Call(call) => {
                calls.push(call.id);
                false
            }
            _ => true,
        });
        calls
    }
}

/// Whether the same write is worth another try a little later.
fn is_for_now(code: Code) -> bool {
    matches!(code, Code::RateLimited | Code::Unavailable | Code::TooEarly)
}
