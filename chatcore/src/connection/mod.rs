//! One client's connection, whatever carries it.
//!
//! ```text
//!              ┌──────────────── Connection: one task ────────────────┐
//!   Transport ─┤ receive ─► decode ─► Session ─► calls ─► Chat        │
//!      ▲       │                        │   ▲                         │
//!      │       │          frames ◄──────┘   └── answers, notices      │
//!      └───────┤ write ◄─ Outbox ◄── entries ◄── Hub's rings, or log  │
//!              └──────────────────────────────────────────────────────┘
//! ```
//!
//! A [`Connection`] holds a cursor for each room, and takes entries from the hub's rings when its
//! outbox has room for them. While it has nothing to write, it lends its cursors to the hub, which
//! then writes to the transport's [`Sink`] without it (see [`hub`](crate::hub)). What it holds for a client is bounded,
//! whatever the client does: an outbox, a number of requests, one page of a log.
//!
//! Over a transport that has a way of its own to the peer for each room ([`Ways`]), the rooms do not
//! share the outbox: each waits for its own reader alone.

mod answer;
mod entries;
mod files;
mod identify;
mod outbox;
mod page;
mod pieces;
mod pump;
mod routes;
#[cfg(test)]
mod tests;
mod transport;
mod ways;
mod work;

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::chat::Chat;
use crate::hub::Closing;
pub use crate::hub::Sink;
use crate::protocol::CloseCode;
use crate::protocol::frame::Token;
use crate::protocol::session::Config;
use files::{Desk, Standing};
pub use files::{Files, Transfer};
pub use outbox::Outbox;
pub use pieces::Pieces;
use pump::{Event, OUTBOX_BYTES, Pump};
pub use transport::{Incoming, Transport};
pub use ways::{Ending, Way, Ways};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer went, or could not be written to.
    Gone,
    /// The server closed.
    Closed(CloseCode),
}

/// One client's connection: a [`Session`](crate::protocol::session::Session), pumped between a [`Transport`] and a [`Chat`].
///
/// [`run`](Self::run) is to be spawned as a task. Dropping that future ends the connection; what its
/// client had asked for and was on its way into the log is carried out all the same.
#[derive(Debug)]
pub struct Connection<T> {
    transport: T,
    pump: Pump,
}

impl<T: Transport> Connection<T> {
    /// A connection that has just come in over `transport`, within the bounds of `config`.
    pub fn new(chat: Chat, transport: T, config: Arc<Config>) -> Self {
        let mut pump = Pump::new(chat, config, transport.sink(), transport.has_ways());
        if transport.is_early() {
            pump.session = pump.session.early();
        }
        Self { transport, pump }
    }

    /// Lets a client in that shows no credential in its `hello`, by this token: the cookie that its
    /// upgrade came with. The caller has checked where the upgrade came from.
    #[must_use]
    pub fn with_ambient(mut self, token: Option<Token>) -> Self {
        self.pump.ambient = token;
        self
    }

    /// The files of its client, for a transport that has streams for them.
    pub fn files(&mut self) -> Files {
        let early = self.pump.session.is_early();
        let standing = if early { Standing::Early } else { Standing::Unknown };
        self.pump.desk.get_or_insert_with(|| Desk::new(standing)).files()
    }

    /// Serves the client until one side ends it.
    #[expect(clippy::manual_async_fn, reason = "an async fn keeps what it takes twice")]
    pub fn run(mut self) -> impl Future<Output = Ended> + Send {
        async move { self.serve().await }
    }

    async fn serve(&mut self) -> Ended {
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            self.pump.work_off(self.transport.wire());
            if let Some((code, reason)) = self.pump.closing {
                return self.close(code, reason).await;
            }
            self.pump.arm(timer.as_mut());
            match self.next(timer.as_mut()).await {
                Event::Received(None) | Event::Broken => {
                    self.pump.submit_marks();
                    // What the transport has to answer to a goodbye, and nothing after it.
                    let Self { transport, pump } = self;
                    pump.places.clear();
                    pump.caught_up.clear();
                    poll_fn(|cx| {
                        let _ = pump.poll_write(cx, transport);
                        Poll::Ready(())
                    })
                    .await;
                    return Ended::Gone;
                }
                event => self.pump.handle(event, self.transport.wire()),
            }
            // A client that always has something more to say leaves room for the others.
            tokio::task::consume_budget().await;
        }
    }

    /// Waits for the next thing to happen, writing meanwhile.
    async fn next(&mut self, timer: Pin<&mut Sleep>) -> Event {
        let Self { transport, pump } = self;
        let listener = pump.client.as_ref().map(|client| Arc::clone(&client.listener));
        let ring = async {
            match &listener {
                Some(listener) => listener.ring().await,
                None => pending().await,
            }
        };
        let (mut ring, mut timer) = (pin!(ring), timer);
        // What ends the connection is looked at first, and new work last.
        poll_fn(|cx| {
            if ring.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Rang);
            }
            if let Some(event) = pump.poll_write(cx, transport) {
                return Poll::Ready(event);
            }
            if pump.outbox.work() > 0 && !timer.is_elapsed() {
                // From now on it counts for how long it stays.
                pump.arm(timer.as_mut());
            }
            if let Poll::Ready(Some(done)) = pump.work.poll_next_unpin(cx) {
                return Poll::Ready(Event::Done(done));
            }
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Time);
            }
            if pump.draining && pump.files_moved(cx) {
                return Poll::Ready(Event::Files);
            }
            if pump.look_for_proof(cx, transport) {
                return Poll::Ready(Event::Proven);
            }
            if pump.session.wants_frames() && pump.outbox.len() < OUTBOX_BYTES {
                if let Some(kept) = pump.kept.take() {
                    return Poll::Ready(Event::Received(Some(*kept)));
                }
                if let Poll::Ready(incoming) = transport.poll_receive(cx) {
                    // It may have come with the proof: then it is not early, and waits for the ticket
                    // to be spent as all does that comes after it.
                    if incoming.is_some()
                        && pump.look_for_proof(cx, transport)
                        && !pump.session.wants_frames()
                    {
                        pump.kept = incoming.map(Box::new);
                        return Poll::Ready(Event::Proven);
                    }
                    return Poll::Ready(Event::Received(incoming));
                }
            }
            Poll::Pending
        })
        .await
    }

    async fn close(&mut self, code: CloseCode, reason: &'static str) -> Ended {
        self.pump.submit_marks();
        // Rooms and requests are let go of before the goodbye, which may take a while.
        self.pump.places.clear();
        self.pump.caught_up.clear();
        self.pump.work.clear();
        self.pump.desk = None;
        self.pump.reclaim();
        let client = self.pump.client.take();
        if matches!(code, CloseCode::Revoked | CloseCode::SlowConsumer) {
            self.pump.outbox.abandon(self.transport.wire());
        } else if let Some(ways) = self.pump.outbox.ways_mut() {
            ways.finish();
        }
        let (transport, outbox) = (&mut self.transport, &mut self.pump.outbox);
        let goodbye = poll_fn(|cx| {
            let why = client.as_ref().and_then(|client| client.listener.closing());
            if why == Some(Closing::Revoked) {
                outbox.abandon(transport.wire());
            }
            transport.poll_close(cx, outbox, code, reason)
        });
        // A peer that does not take it is left without one.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        Ended::Closed(code)
    }
}
