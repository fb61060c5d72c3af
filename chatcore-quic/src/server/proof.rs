//! The end of a handshake, for a connection that has said something before.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use chatcore::protocol::CloseCode;
use quinn::{Connection, ZeroRttAccepted};
use tokio::time::{Instant, Sleep, sleep_until};

use super::accept::{Counted, code};

/// Comes when the peer has shown that it is there, and not somebody who repeats what it once said.
///
/// A handshake that takes too long ends the connection.
pub(super) struct Proof {
    connection: Connection,
    done: ZeroRttAccepted,
    deadline: Pin<Box<Sleep>>,
    over: bool,
    _count: Counted,
}

impl Proof {
    pub(super) fn new(
        connection: Connection,
        done: ZeroRttAccepted,
        deadline: Instant,
        count: Counted,
    ) -> Self {
        let deadline = Box::pin(sleep_until(deadline));
        Self { connection, done, deadline, over: false, _count: count }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.over {
            return Poll::Pending;
        }
        if Pin::new(&mut self.done).poll(cx).is_ready() {
            // It comes as well when there will be no end of the handshake, for there is no connection.
            self.over = self.connection.close_reason().is_some();
            return if self.over { Poll::Pending } else { Poll::Ready(()) };
        }
        if self.deadline.as_mut().poll(cx).is_ready() {
            self.over = true;
            self.connection.close(code(CloseCode::GoingAway), b"the handshake took too long");
        }
        Poll::Pending
    }
}
