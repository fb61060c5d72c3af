//! What the server says.

use std::time::{Duration, Instant};

use chatcore::protocol::frame::{Received, RequestId, ServerFrame};

use super::reconnect::Phase;
use super::{Core, Output};
use crate::client::state::Notice;

/// How long a server that is going away may take to answer what was asked.
const DRAIN: Duration = Duration::from_secs(15);

impl Core {
    /// A frame has come.
    pub(crate) fn handle_received(&mut self, now: Instant, received: Received) {
        if !matches!(self.phase, Phase::Greeting { .. } | Phase::Open { .. }) {
            return;
        }
        self.heard(now);
        match received {
            Received::Event(event) => self.event(now, *event),
            Received::Frame(frame) => self.frame(now, *frame),
            // Of a later protocol.
            _ => {}
        }
    }

    /// A frame has come whose fields cannot be read; if it is an answer, to this request.
    pub(crate) fn handle_unreadable(&mut self, now: Instant, id: Option<RequestId>) {
        self.heard(now);
        if let Some(id) = id {
            self.answered(now, id, None);
        }
    }

    fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.pong_by = None;
    }

    fn frame(&mut self, now: Instant, frame: ServerFrame) {
        match frame {
            ServerFrame::Welcome(welcome) => self.welcomed(now, *welcome),
            ServerFrame::Result { id, answer } => self.answered(now, id, Some(Ok(answer))),
            ServerFrame::Error { id: Some(id), failure } => {
                self.answered(now, id, Some(Err(failure)));
            }
            ServerFrame::Error { id: None, failure } => {
                // What a server says before it closes; the close says the rest.
                if let Some(ms) = failure.retry_after_ms {
                    self.not_before = Some(now + Duration::from_millis(ms));
                }
                tracing::debug!(code = %failure.code, "the server refuses: {}", failure.message);
            }
            ServerFrame::Signal(signal) => self.tell_of(Notice::Signal(signal)),
            ServerFrame::Mark(mark) => self.tell_of(Notice::Mark(mark)),
            ServerFrame::Online(online) => self.tell_of(Notice::Online(online)),
            ServerFrame::Notify(notify) => self.tell_of(Notice::Notify(notify)),
            ServerFrame::Block(block) => self.tell_of(Notice::Block(block)),
            ServerFrame::Membership(membership) => {
                self.standing(now, &membership);
                self.tell_of(Notice::Membership(membership));
                self.pump(now);
            }
            ServerFrame::Gap(gap) => {
                self.lose(now, &gap.room);
                self.pump(now);
            }
            ServerFrame::AuthExpiring(_) => self.outputs.push_back(Output::WantToken),
            ServerFrame::Goaway(goaway) => {
                if goaway.ticket.is_some() {
                    self.credentials.renew(goaway.ticket);
                }
                self.not_before = Some(now + Duration::from_millis(goaway.retry_after_ms));
                if let Phase::Open { draining, .. } = &mut self.phase {
                    *draining = Some(now + DRAIN);
                }
            }
            ServerFrame::Ticket(ticket) => self.credentials.renew(Some(ticket.ticket)),
            // A pong, which was heard.
            _ => {}
        }
    }

    fn tell_of(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}
