//! What carries frames between a peer and a chat.

use std::sync::Arc;

use chatcore::connection::Connection;
use chatcore::protocol::session::Config as SessionConfig;
use chatcore::protocol::{self, CloseCode};
use chatcore::testing::{MemorySender, memory_transport};
use chatcore_quic::ALPN;
use chatcore_tests::Local;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint, RecvStream, SendStream};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Every way there is to a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Memory,
    WebSocketJson,
    WebSocketMsgpack,
    Quic,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] =
        [Self::Memory, Self::WebSocketJson, Self::WebSocketMsgpack, Self::Quic];

    /// How frames are written on it.
    pub(crate) fn encode(self, frame: &Value) -> Vec<u8> {
        match self {
            Self::WebSocketJson => frame.to_string().into_bytes(),
            _ => rmp_serde::to_vec_named(frame).expect("any value can be written"),
        }
    }

    fn decode(self, bytes: &[u8]) -> Value {
        match self {
            Self::WebSocketJson => serde_json::from_slice(bytes).expect("JSON"),
            _ => rmp_serde::from_slice(bytes).expect("MessagePack"),
        }
    }
}

/// The way to the server.
pub(crate) enum Out {
    Memory(MemorySender),
    WebSocket(SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>),
    Quic(SendStream, quinn::Connection),
}

/// A peer's end: what comes is read at once, whichever way it comes.
pub(crate) struct Line {
    pub(crate) wire: Wire,
    out: Out,
    frames: mpsc::Receiver<Value>,
    closed: oneshot::Receiver<Option<CloseCode>>,
}

/// Frames that a peer may leave unread. Above any window, so that what is held back is the server's
/// doing.
const UNREAD: usize = 8_192;

impl Line {
    /// Connects, and says nothing.
    pub(crate) async fn open(wire: Wire, local: &Local) -> Self {
        let (forward, frames) = mpsc::channel(UNREAD);
        let (close, closed) = oneshot::channel();
        let out = match wire {
            Wire::Memory => memory(local, forward, close),
            Wire::WebSocketJson | Wire::WebSocketMsgpack => {
                websocket(wire, local, forward, close).await
            }
            Wire::Quic => quic(local, forward, close).await,
        };
        Self { wire, out, frames, closed }
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        let bytes = self.wire.encode(frame);
        self.send_bytes(bytes).await;
    }

    /// Sends one message of any bytes. Once the server has gone it goes nowhere.
    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) {
        match &mut self.out {
            Out::Memory(sender) => drop(sender.send_bytes(bytes).await),
            Out::WebSocket(sink) => {
                let message = match (self.wire, String::from_utf8(bytes)) {
                    (Wire::WebSocketJson, Ok(text)) => Message::text(text),
                    (_, Ok(text)) => Message::binary(text.into_bytes()),
                    (_, Err(binary)) => Message::binary(binary.into_bytes()),
                };
                let _ = sink.send(message).await;
            }
            Out::Quic(stream, _) => {
                let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
                let _ = stream.write_all(&[&length[..], &bytes].concat()).await;
            }
        }
    }

    /// The next frame, from whichever stream; none once the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.frames.recv().await
    }

    /// What the server closed with, whatever came before. Waits for it.
    pub(crate) async fn closed(&mut self) -> Option<CloseCode> {
        while self.frames.recv().await.is_some() {}
        (&mut self.closed).await.expect("the reader tells before it ends")
    }

    /// Goes without a word.
    pub(crate) fn hang_up(self) {
        if let Out::Quic(_, connection) = &self.out {
            connection.close(0u32.into(), b"");
        }
    }
}

type Forward = mpsc::Sender<Value>;
type Close = oneshot::Sender<Option<CloseCode>>;

fn coded(number: u64) -> Option<CloseCode> {
    CloseCode::ALL.into_iter().find(|code| u64::from(code.number()) == number)
}

fn memory(local: &Local, forward: Forward, close: Close) -> Out {
    let (transport, mut peer) = memory_transport(protocol::Wire::Quic, 1 << 16);
    let config = Arc::new(SessionConfig::default());
    tokio::spawn(Connection::new(local.chat.clone(), transport, config).run());
    let sender = peer.sender();
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = peer.next() => frame,
                () = forward.closed() => return,
            };
            match frame {
                Some(frame) => drop(forward.send(frame).await),
                None => break,
            }
        }
        let _ = close.send(peer.closed());
    });
    Out::Memory(sender)
}

async fn websocket(wire: Wire, local: &Local, forward: Forward, close: Close) -> Out {
    let url = format!("ws://{}/ws", local.address());
    let mut request = url.into_client_request().expect("a sound URL");
    let protocol = match wire {
        Wire::WebSocketJson => protocol::Wire::WebSocketJson,
        _ => protocol::Wire::WebSocketMsgpack,
    };
    let protocol = protocol.subprotocol().expect("a WebSocket has one");
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol.parse().expect("a sound header"));
    let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("upgraded");
    let (sink, mut stream) = socket.split();
    tokio::spawn(async move {
        let mut code = None;
        loop {
            let message = tokio::select! {
                message = stream.next() => message,
                () = forward.closed() => return,
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    let _ = forward.send(wire.decode(text.as_bytes())).await;
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let _ = forward.send(wire.decode(&bytes)).await;
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    code = u64::from(u16::from(frame.code)).checked_sub(4000).and_then(coded);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        let _ = close.send(code);
    });
    Out::WebSocket(sink)
}

async fn quic(local: &Local, forward: Forward, close: Close) -> Out {
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(local.identity().chain.as_bytes()).expect("PEM");
    roots.add(root).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).expect("what QUIC needs");
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a port is free");
    let connecting = endpoint.connect_with(config, local.quic(), "localhost");
    let connection = connecting.expect("a sound address").await.expect("connected");
    let (requests, answers) = connection.open_bi().await.expect("the control stream");
    tokio::spawn(hear(connection.clone(), answers, forward, close));
    Out::Quic(requests, connection)
}

/// Reads the control stream, the rooms' streams and datagrams.
async fn hear(connection: quinn::Connection, answers: RecvStream, forward: Forward, close: Close) {
    tokio::spawn(frames(answers, forward.clone()));
    let reason = loop {
        tokio::select! {
            stream = connection.accept_uni() => match stream {
                Ok(stream) => drop(tokio::spawn(frames(stream, forward.clone()))),
                Err(reason) => break reason,
            },
            datagram = connection.read_datagram() => match datagram {
                Ok(bytes) => drop(forward.send(Wire::Quic.decode(&bytes)).await),
                Err(reason) => break reason,
            },
            () = forward.closed() => return,
        }
    };
    let code = match reason {
        ConnectionError::ApplicationClosed(closed) => coded(closed.error_code.into_inner()),
        _ => None,
    };
    let _ = close.send(code);
}

async fn frames(mut stream: RecvStream, forward: Forward) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).await.is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let frame = Wire::Quic.decode(&frame);
        // What a room's stream begins with says only which room it is.
        if frame["op"] != "stream" && forward.send(frame).await.is_err() {
            return;
        }
    }
}
