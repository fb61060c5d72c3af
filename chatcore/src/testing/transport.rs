//! A transport without a network: what a client sends goes in as messages, what it gets comes out
//! of a pipe of bytes that fills up like a socket's.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWrite, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::connection::{Incoming, Outbox, Sink, Transport};
use crate::protocol::{CloseCode, Encoding, Wire};

/// How a connection was closed, for both ends to see.
type Closed = Arc<Mutex<Option<(CloseCode, &'static str)>>>;

/// A pair of ends: one for a [`Connection`](crate::connection::Connection), one for a test. At most
/// `buffer` bytes wait for the test to read them.
pub fn memory_transport(wire: Wire, buffer: usize) -> (MemoryTransport, MemoryPeer) {
    let (to_server, messages) = mpsc::channel(16);
    let (pipe, from_server) = duplex(buffer);
    let closed = Closed::default();
    let pipe = Pipe(Arc::new(Mutex::new(pipe)));
    let closed_by = Arc::clone(&closed);
    let transport = MemoryTransport { wire, messages, pipe, proof: None, closed: closed_by };
    (transport, MemoryPeer { wire, messages: to_server, pipe: from_server, closed })
}

/// The server's end.
#[derive(Debug)]
pub struct MemoryTransport {
    wire: Wire,
    messages: mpsc::Receiver<Incoming>,
    pipe: Pipe,
    /// Comes when its handshake is done, if it began before.
    proof: Option<oneshot::Receiver<()>>,
    closed: Closed,
}

impl MemoryTransport {
    /// The same, with a handshake that is done when something comes by the sender.
    #[must_use]
    pub fn early(mut self) -> (Self, oneshot::Sender<()>) {
        let (prove, proof) = oneshot::channel();
        self.proof = Some(proof);
        (self, prove)
    }
}

/// A pipe's end for two who write in turn: the connection's task, and the hub.
#[derive(Clone, Debug)]
struct Pipe(Arc<Mutex<DuplexStream>>);

impl Pipe {
    fn poll<T>(
        &self,
        poll: impl FnOnce(Pin<&mut DuplexStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        poll(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Sink for Pipe {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll(|pipe| pipe.poll_write_vectored(&mut cx, slices)) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Transport for MemoryTransport {
    fn wire(&self) -> Wire {
        self.wire
    }

    fn sink(&self) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(self.pipe.clone()))
    }

    fn is_early(&self) -> bool {
        self.proof.is_some()
    }

    fn poll_proven(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.proof.as_mut().map(|proof| Pin::new(proof).poll(cx)) {
            // It was not done, and never will be.
            Some(Poll::Pending | Poll::Ready(Err(_))) => Poll::Pending,
            Some(Poll::Ready(Ok(()))) | None => Poll::Ready(()),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.messages.poll_recv(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = outbox.slices(&mut slices);
            let slices = &slices[..count];
            let written = ready!(self.pipe.poll(|pipe| pipe.poll_write_vectored(cx, slices)))?;
            outbox.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<()> {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason));
        // Whether or not it could be written: there is nothing more to do.
        let _ = ready!(self.poll_write(cx, outbox));
        let _ = ready!(self.pipe.poll(|pipe| pipe.poll_shutdown(cx)));
        Poll::Ready(())
    }
}

/// The client's end.
#[derive(Debug)]
pub struct MemoryPeer {
    wire: Wire,
    messages: mpsc::Sender<Incoming>,
    pipe: DuplexStream,
    closed: Closed,
}

/// The way to the server alone, to be used while something waits for the way back.
#[derive(Clone, Debug)]
pub struct MemorySender {
    wire: Wire,
    messages: mpsc::Sender<Incoming>,
}

impl MemorySender {
    /// Sends one frame. Says whether the server is still there.
    pub async fn send(&self, frame: &impl Serialize) -> bool {
        let mut bytes = Vec::new();
        self.wire.encoding().encode(frame, &mut bytes);
        self.send_bytes(bytes).await
    }

    /// Sends one message of any bytes. Says whether the server is still there.
    pub async fn send_bytes(&self, bytes: impl Into<Bytes>) -> bool {
        self.messages.send(Incoming::Message(bytes.into())).await.is_ok()
    }
}

impl MemoryPeer {
    /// Another way to the server. The connection ends when all of them, and this peer, are gone.
    pub fn sender(&self) -> MemorySender {
        MemorySender { wire: self.wire, messages: self.messages.clone() }
    }

    /// Sends one frame; once the server has gone it goes nowhere.
    pub async fn send(&self, frame: &impl Serialize) {
        let mut bytes = Vec::new();
        self.wire.encoding().encode(frame, &mut bytes);
        self.send_bytes(bytes).await;
    }

    /// Sends one message of any bytes.
    pub async fn send_bytes(&self, bytes: impl Into<Bytes>) {
        let _ = self.messages.send(Incoming::Message(bytes.into())).await;
    }

    /// The next frame from the server; none once it has closed.
    ///
    /// # Panics
    /// If what comes is no frame.
    pub async fn next(&mut self) -> Option<Value> {
        let length = self.length().await?;
        let mut payload = vec![0; length];
        self.pipe.read_exact(&mut payload).await.expect("a header is followed by its payload");
        Some(match self.wire.encoding() {
            Encoding::Json => serde_json::from_slice(&payload).expect("JSON"),
            #[cfg(feature = "msgpack")]
            Encoding::MessagePack => rmp_serde::from_slice(&payload).expect("MessagePack"),
        })
    }

    /// Takes the next frame without looking at it, and says how long it is; none once the server has
    /// closed.
    ///
    /// # Panics
    /// If what comes is no frame.
    pub async fn pass_over(&mut self) -> Option<usize> {
        let length = self.length().await?;
        let mut payload = (&mut self.pipe).take(length as u64);
        let passed = tokio::io::copy(&mut payload, &mut tokio::io::sink()).await;
        assert_eq!(passed.ok(), Some(length as u64), "a header is followed by its payload");
        Some(length)
    }

    /// The next frame with this `op`; those before it are passed over.
    ///
    /// # Panics
    /// If the server closes instead.
    pub async fn next_op(&mut self, op: &str) -> Value {
        loop {
            match self.next().await {
                Some(frame) if frame["op"] == op => return frame,
                Some(_) => {}
                None => panic!("closed with {:?} before {op} came", self.closed()),
            }
        }
    }

    /// What the server closed with, if it has.
    pub fn closed(&self) -> Option<CloseCode> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).map(|(code, _)| code)
    }

    /// Waits for the server to close, whatever comes before.
    ///
    /// # Panics
    /// If the connection ends without a goodbye.
    pub async fn closing(&mut self) -> CloseCode {
        while self.next().await.is_some() {}
        self.closed().expect("the server says why it closes")
    }

    /// The length of the next payload, after its header.
    async fn length(&mut self) -> Option<usize> {
        if self.wire.subprotocol().is_none() {
            return self.pipe.read_u32().await.ok().map(|length| length as usize);
        }
        let _opcode = self.pipe.read_u8().await.ok()?;
        Some(match self.pipe.read_u8().await.ok()? {
            126 => usize::from(self.pipe.read_u16().await.ok()?),
            127 => usize::try_from(self.pipe.read_u64().await.ok()?).ok()?,
            short => usize::from(short),
        })
    }
}
