//! A WebSocket as a transport of frames.
//!
//! tungstenite reads: masks, fragments, UTF-8, pings and the closing handshake. It does not write
//! what the chat sends: those bytes are framed already and shared by many connections, so they go
//! from the [`Outbox`] to the kernel as they are, many at once; or from the hub, which is why
//! nothing is written here but when [`Transport::poll_write`] is called.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chatcore::connection::{Incoming, Outbox, Sink, Transport};
use chatcore::protocol::{CloseCode, Encoding, Malformed, Wire};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as RawCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What one read from the peer takes at most. It is read into the stack, so that a connection at rest
/// holds no buffer.
const READ: usize = 2 << 10;
/// What tungstenite keeps ready for the next frame; it grows with the message that is being read.
const FRAME_BUFFER: usize = 64;
/// Frames that one write takes.
const SLICES: usize = 32;
/// What is kept of pongs that the peer does not take; those above it are left out.
const OWN: usize = 1 << 10;
/// How long the peer has to take what is left and to answer our goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// A WebSocket over any stream.
pub(crate) struct Socket<S> {
    io: S,
    sink: Option<Arc<dyn Sink>>,
    context: WebSocketContext,
    wire: Wire,
    most: usize,
    /// Read from the peer, and not looked at yet.
    ahead: Ahead,
    /// Pongs and our part of the closing handshake, framed.
    own: Vec<u8>,
    /// How much of `own` is written.
    own_written: usize,
    /// All is written, but not through what buffers it on the way (TLS).
    flushing: bool,
    /// The peer broke the framing or is gone; nothing more is read.
    ended: bool,
    farewell: Option<Farewell>,
}

/// The closing handshake, from our side.
struct Farewell {
    deadline: Pin<Box<Sleep>>,
    said: bool,
}

/// The stream as tungstenite is to see it: reads come from the socket, writes are kept for later.
struct Face<'a, 'b, S> {
    io: &'a mut S,
    cx: &'a mut Context<'b>,
    ahead: &'a mut Ahead,
    own: &'a mut Vec<u8>,
}

/// Bytes that came together with those of a message that was handed on: less than one read.
#[derive(Default)]
struct Ahead {
    bytes: Vec<u8>,
    seen: usize,
}

impl Ahead {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves what there is, and as much as there is space for, into `buf`.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.bytes[self.seen..];
        let taken = rest.len().min(buf.len());
        buf[..taken].copy_from_slice(&rest[..taken]);
        self.seen += taken;
        if self.seen == self.bytes.len() {
            *self = Self::default();
        }
        taken
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A socket whose handshake is done. `early` is what the peer sent right after it; `most` is the
    /// longest message that is taken, in bytes.
    pub(crate) fn new(io: S, early: Bytes, wire: Wire, most: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(FRAME_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(OWN)
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let context = WebSocketContext::new(Role::Server, Some(config));
        Self {
            io,
            sink: None,
            context,
            wire,
            most,
            // Copied: what came early is a part of the buffer that the request was read into, which
            // would otherwise stay for the life of the connection.
            ahead: Ahead { bytes: early.to_vec(), seen: 0 },
            own: Vec::new(),
            own_written: 0,
            flushing: false,
            ended: false,
            farewell: None,
        }
    }

    /// Lets the hub write to the peer by `sink`.
    pub(crate) fn with_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Bytes of our own that wait to be written.
    #[cfg(test)]
    pub(in crate::ws) fn kept(&self) -> usize {
        self.own.capacity()
    }

    #[cfg(test)]
    pub(in crate::ws) fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut alive = false;
        loop {
            let mut face =
                Face { io: &mut self.io, cx, ahead: &mut self.ahead, own: &mut self.own };
            let broken = match self.context.read(&mut face) {
                Ok(Message::Text(text)) if self.wire.encoding() == Encoding::Json => {
                    return Poll::Ready(Some(Incoming::Message(text.into())));
                }
                Ok(Message::Binary(bytes)) if self.wire.encoding() != Encoding::Json => {
                    return Poll::Ready(Some(Incoming::Message(bytes)));
                }
                // A kind of message that the subprotocol does not have.
                Ok(Message::Text(_) | Message::Binary(_)) => Malformed::Syntax,
                // Read on, so that the answer to it is on its way before it is told of.
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    alive = true;
                    continue;
                }
                Ok(Message::Close(_) | Message::Frame(_)) => continue,
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => {
                    return if alive { Poll::Ready(Some(Incoming::Alive)) } else { Poll::Pending };
                }
                Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                    Malformed::TooLong { most: self.most }
                }
                Err(Error::Utf8(_)) => Malformed::NotUtf8,
                Err(Error::Protocol(fault)) if !is_hang_up(&fault) => Malformed::Syntax,
                Err(_) => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
            };
            self.ended = true;
            return Poll::Ready(Some(Incoming::Malformed(broken)));
        }
    }

    /// Writes the pongs and closing frames that are due.
    fn write_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.own_written < self.own.len() {
            let rest = &self.own[self.own_written..];
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own_written += n;
        }
        // Freed, not kept: most connections ping rarely.
        self.own = Vec::new();
        self.own_written = 0;
        Poll::Ready(Ok(()))
    }

    fn write_all(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        loop {
            let own_is_due = self.own_written < self.own.len();
            if own_is_due && !outbox.mid_piece() {
                ready!(self.write_own(cx))?;
            }
            if outbox.is_empty() {
                let flushed = Pin::new(&mut self.io).poll_flush(cx);
                self.flushing = flushed.is_pending();
                return flushed;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            // With something of our own to say, only to the end of the piece that was begun.
            let room = if own_is_due && outbox.mid_piece() { 1 } else { SLICES };
            let filled = outbox.slices(&mut slices[..room]);
            let io = Pin::new(&mut self.io);
            let n = if io.is_write_vectored() || filled == 1 {
                ready!(io.poll_write_vectored(cx, &slices[..filled]))?
            } else {
                ready!(self.write_joined(cx, &slices[..filled]))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outbox.advance(n);
        }
    }

    /// For a stream that cannot take several pieces (TLS): joins them, so that each does not become
    /// a record of its own.
    fn write_joined(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        const JOINED: usize = 16 << 10;
        let mut joined = Vec::with_capacity(JOINED);
        for slice in slices {
            let room = JOINED - joined.len();
            joined.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Pin::new(&mut self.io).poll_write(cx, &joined)
    }

    /// The closing handshake, once everything before it is written.
    fn say_goodbye(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<io::Result<()>> {
        ready!(self.write_all(cx, outbox))?;
        if self.farewell.as_mut().is_some_and(|f| !std::mem::replace(&mut f.said, true)) {
            let frame = CloseFrame { code: RawCode::from(code.websocket()), reason: reason.into() };
            let mut face =
                Face { io: &mut self.io, cx, ahead: &mut self.ahead, own: &mut self.own };
            // Fails only if the peer closed first; then there is nothing to say.
            let _ = self.context.close(&mut face, Some(frame));
        }
        ready!(self.write_own(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        // Closing with bytes of the peer's unread would reset the connection and could take our
        // goodbye with it, so what it still sends is read and dropped, until it hangs up.
        let mut scrap = [0; 512];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Socket<S> {
    fn wire(&self) -> Wire {
        self.wire
    }

    fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.clone()
    }

    fn wants_write(&self) -> bool {
        self.own_written < self.own.len() || self.flushing
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        // It may leave a pong, or the answer to the peer's goodbye, for `poll_write`.
        self.read(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        self.write_all(cx, outbox)
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<()> {
        let farewell = self.farewell.get_or_insert_with(|| Farewell {
            deadline: Box::pin(tokio::time::sleep(FAREWELL)),
            said: false,
        });
        let late = farewell.deadline.as_mut().poll(cx).is_ready();
        if late || self.say_goodbye(cx, outbox, code, reason).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> Read for Face<'_, '_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            return Ok(self.ahead.take(buf));
        }
        // What is asked for is often the next few bytes only: as much as is there is read at once.
        let mut scratch = [0; READ];
        let long = buf.len() >= READ;
        let mut into = ReadBuf::new(if long { buf } else { &mut scratch });
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut into) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
        }
        let read = into.filled().len();
        if long {
            return Ok(read);
        }
        let taken = read.min(buf.len());
        buf[..taken].copy_from_slice(&scratch[..taken]);
        if taken < read {
            *self.ahead = Ahead { bytes: scratch[taken..read].to_vec(), seen: 0 };
        }
        Ok(taken)
    }
}

impl<S> Write for Face<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.own.len() > OWN {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.own.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the peer is simply gone, as opposed to speaking wrongly.
fn is_hang_up(fault: &ProtocolError) -> bool {
    matches!(fault, ProtocolError::ResetWithoutClosingHandshake)
}
