//! What a connection asks of the thing that carries it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Outbox;
use crate::hub::Sink;
use crate::protocol::{CloseCode, Malformed, Wire};

/// What came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// One whole message; the frame that it should be is not decoded yet.
    Message(Bytes),
    /// A sign of life that the transport has answered itself, such as a WebSocket ping.
    Alive,
    /// Something that the framing refuses: too long, or of a kind that the wire does not use.
    Malformed(Malformed),
}

/// A message transport to one peer: a WebSocket, a QUIC connection, two queues in a test.
///
/// # Contract
/// - All methods are polled by one task. Each registers its waker when it returns `Pending`, and may
///   be polled again at any time.
/// - [`poll_receive`](Self::poll_receive) is not called while the connection cannot take more;
///   that, and nothing else, is how a peer is slowed down. The transport reads no further ahead
///   than one message, or a few kilobytes.
/// - What the transport itself has to say (a WebSocket pong) is written by
///   [`poll_write`](Self::poll_write), between frames: never while [`Outbox::mid_piece`].
///   [`wants_write`](Self::wants_write) tells that there is such a thing; it gets one chance more
///   after the peer has gone, for the answer to a goodbye.
/// - Nothing is written outside `poll_write` and [`poll_close`](Self::poll_close), so that the hub
///   may use the [`sink`](Self::sink) meanwhile.
/// - Dropping it ends the connection without a goodbye.
pub trait Transport: Send + 'static {
    /// How frames are to be written for it.
    fn wire(&self) -> Wire;

    /// The way to the peer for bytes that are the same for many, if there is one: it spares waking
    /// the connection's task.
    fn sink(&self) -> Option<Arc<dyn Sink>> {
        None
    }

    /// Whether it has a way of its own to the peer for each room. Then the entries of a room are on
    /// the [`ways`](Outbox::ways) of the outbox, and signals beside them; `poll_write` writes those
    /// too, and is ready only when all is written.
    fn has_ways(&self) -> bool {
        false
    }

    /// Whether [`poll_write`](Self::poll_write) has something to write beside the outbox.
    fn wants_write(&self) -> bool {
        false
    }

    /// Whether its handshake is not done when it is handed over, so that what it brings may be a copy of
    /// what was said to somebody else. Then the connection takes only what does no harm when it is
    /// said twice, until [`poll_proven`](Self::poll_proven).
    fn is_early(&self) -> bool {
        false
    }

    /// Ready once the handshake is done. Polled only if it began [early](Self::is_early), and after each
    /// message until it is ready; never again then. What was handed over before it is ready counts as
    /// early, even if the handshake was done by then.
    fn poll_proven(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// The next message; `None` once the peer is gone, for whatever reason.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>>;

    /// Writes as much as the peer takes now, with as few calls as possible, and takes it away from
    /// `outbox`. Ready when all of it is written.
    ///
    /// # Errors
    /// When nothing can be written any more; the connection ends.
    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>>;

    /// Writes what is left in `outbox`, then tells the peer that the connection ends, and why.
    /// Ready when that is done or cannot be done.
    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<()>;
}
