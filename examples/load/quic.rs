//! QUIC: a control stream, and a stream from the server for each room. Frames are MessagePack.
//!
//! Every connection has a socket of its own, as it would in the world outside.

use std::cell::Cell;
use std::future::Future as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use chatcore_quic::client::Trust;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use quinn::{TransportConfig, VarInt};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::fault::Fault;
use crate::link::{Ended, Frame, Link, Receiver, Sender};

/// What one read takes at most.
const READ: usize = 256 << 10;
/// A connection that says nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(45);
const STREAM_WINDOW: u32 = 256 << 10;
const STREAMS: u32 = 1_100;

/// Where the server is, and how to know it.
pub(crate) struct Quic {
    address: SocketAddr,
    config: ClientConfig,
}

impl Quic {
    /// # Errors
    /// If TLS cannot be set up.
    pub(crate) fn new(address: SocketAddr, trust: Trust) -> Result<Self, Fault> {
        let fault = |e: &dyn std::error::Error| Fault::new(format!("TLS cannot be set up: {e}"));
        let mut tls = trust.client_config().map_err(|e| fault(&e))?;
        tls.alpn_protocols = vec![chatcore_quic::ALPN.to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(|e| fault(&e))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_uni_streams(STREAMS.into())
            .stream_receive_window(STREAM_WINDOW.into())
            .receive_window((4 * STREAM_WINDOW).into())
            .max_idle_timeout(IDLE.try_into().ok());
        config.transport_config(Arc::new(transport));
        Ok(Self { address, config })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the server does not take it.
    pub(crate) async fn open(&self) -> Result<Link, Fault> {
        let fault = |e: &dyn std::error::Error| {
            Fault::new(format!("cannot connect to {} over QUIC: {e}", self.address))
        };
        let endpoint =
            Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into()).map_err(|e| fault(&e))?;
        let connecting = endpoint.connect_with(self.config.clone(), self.address, "localhost");
        let connection = connecting.map_err(|e| fault(&e))?.await.map_err(|e| fault(&e))?;
        let (control, answers) = connection.open_bi().await.map_err(|e| fault(&e))?;
        let (frames, waiting) = mpsc::unbounded_channel();
        tokio::task::spawn_local(write(control, waiting));
        let receiver = Incoming {
            accepting: next_stream(connection.clone()),
            connection,
            streams: vec![Reader::new(answers)],
            turn: Cell::new(0),
            most: READ,
            _endpoint: endpoint,
        };
        Ok(Link { sender: Rc::new(Outgoing(frames)), receiver: Box::new(receiver) })
    }
}

struct Outgoing(mpsc::UnboundedSender<Bytes>);

impl Sender for Outgoing {
    fn send(&self, frame: &str) {
        let value: serde_json::Value =
            serde_json::from_str(frame).expect("a frame of ours is JSON");
        let mut bytes = vec![0; 4];
        rmp_serde::encode::write_named(&mut bytes, &value).expect("JSON goes into MessagePack");
        let length = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        // Once the connection has ended, the receiving half tells of it.
        let _ = self.0.send(bytes.into());
    }
}

async fn write(mut control: SendStream, mut frames: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if control.write_chunk(frame).await.is_err() {
            return;
        }
    }
}

type NextStream = LocalBoxFuture<'static, Result<RecvStream, ConnectionError>>;

fn next_stream(connection: Connection) -> NextStream {
    async move { connection.accept_uni().await }.boxed_local()
}

struct Incoming {
    connection: Connection,
    /// The control stream, and those of rooms.
    streams: Vec<Reader>,
    accepting: NextStream,
    /// Whose turn it is to be read.
    turn: Cell<usize>,
    most: usize,
    /// What it runs on.
    _endpoint: Endpoint,
}

struct Reader {
    stream: RecvStream,
    /// The beginning of a frame whose end has not come yet.
    rest: BytesMut,
    over: bool,
}

impl Receiver for Incoming {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        each: &mut dyn FnMut(Frame<'_>),
    ) -> Poll<Result<(), Ended>> {
        while let Poll::Ready(opened) = self.accepting.as_mut().poll(cx) {
            match opened {
                Ok(stream) => {
                    self.streams.push(Reader::new(stream));
                    self.accepting = next_stream(self.connection.clone());
                }
                Err(error) => return Poll::Ready(Err(ended(&error))),
            }
        }
        let (count, first) = (self.streams.len(), self.turn.get());
        for step in 0..count {
            let at = (first + step) % count;
            if let Poll::Ready(read) = self.streams[at].poll_read(cx, self.most, each) {
                self.turn.set((at + 1) % count);
                self.streams.retain(|reader| !reader.over);
                return Poll::Ready(read);
            }
        }
        Poll::Pending
    }

    fn read_at_most(&mut self, bytes: usize) {
        self.most = bytes.clamp(1, READ);
    }
}

impl Reader {
    fn new(stream: RecvStream) -> Self {
        Self { stream, rest: BytesMut::new(), over: false }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        each: &mut dyn FnMut(Frame<'_>),
    ) -> Poll<Result<(), Ended>> {
        let read = ready!(pin!(self.stream.read_chunk(most, true)).poll(cx));
        let mut bytes = match read {
            Ok(Some(chunk)) if self.rest.is_empty() => chunk.bytes,
            Ok(Some(chunk)) => {
                self.rest.extend_from_slice(&chunk.bytes);
                self.rest.split().freeze()
            }
            // What the whole connection came to is seen where streams are accepted.
            Ok(None) | Err(_) => {
                self.over = true;
                return Poll::Ready(Ok(()));
            }
        };
        while let Some(header) = bytes.first_chunk() {
            let length = u32::from_be_bytes(*header) as usize;
            if bytes.len() - 4 < length {
                break;
            }
            bytes.advance(4);
            let frame = bytes.split_to(length);
            if let Err(error) = hand_over(&frame, each) {
                let said = format!("a frame cannot be read: {error}");
                return Poll::Ready(Err(Ended::Lost(said)));
            }
        }
        self.rest.extend_from_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

/// What the checks need of a frame; the rest is passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    op: &'a str,
    #[serde(borrow, default)]
    room: Option<&'a str>,
    #[serde(borrow, default)]
    text: Option<&'a str>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    id: Option<u64>,
}

fn hand_over(
    frame: &[u8],
    each: &mut dyn FnMut(Frame<'_>),
) -> Result<(), rmp_serde::decode::Error> {
    let fields: Fields<'_> = rmp_serde::from_slice(frame)?;
    if let ("event", Some(room), Some(seq), Some(text)) =
        (fields.op, fields.room, fields.seq, fields.text)
    {
        each(Frame::Message { room: room.as_bytes(), seq, text: text.as_bytes() });
        return Ok(());
    }
    let value: serde_json::Value = rmp_serde::from_slice(frame)?;
    let whole = value.to_string();
    let whole = whole.as_bytes();
    each(match (fields.op, fields.id) {
        ("result", Some(id)) => Frame::Done { id, seq: fields.seq, whole },
        ("error", id) => Frame::Refused { id, whole },
        ("gap", _) => Frame::Gap { whole },
        _ => Frame::Other { whole },
    });
    Ok(())
}

fn ended(error: &ConnectionError) -> Ended {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            let code = close.error_code;
            let code = if code > VarInt::from_u32(999) { 999 } else { code.into_inner() as u16 };
            Ended::Closed(4000 + code, String::from_utf8_lossy(&close.reason).into_owned())
        }
        other => Ended::Lost(other.to_string()),
    }
}
