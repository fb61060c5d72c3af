//! A link over WebSocket.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chatcore::protocol::frame::ClientFrame;
use chatcore::protocol::{CloseCode, Encoding, Wire};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::link::{Ended, Incoming, Link, LinkError, LinkReceiver, LinkSender, MAX_FRAME};
use super::places::{Place, Server, open_any};
use super::quic::Trust;

/// Bytes that are read at once, and that are gathered before they are written.
const BUFFER: usize = 16 * 1024;
/// TLS sessions that are kept to come back with.
const SESSIONS: usize = 8;
/// How long a server may take to take a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// The way to a server over TCP, TLS 1.3 and WebSocket, for networks that let no UDP through.
///
/// All frames share one stream here: one that is lost holds up those of every room, and another address
/// is another connection. There are no streams for files, which go over HTTP.
#[derive(Clone)]
pub struct WsLink {
    server: Server,
    request: Request,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for WsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WsLink").field("url", self.request.uri()).finish_non_exhaustive()
    }
}

/// Why there is no way over WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// The URL is not of the form `wss://host/path`.
    #[error("the URL of a server is such as wss://chat.example/ws")]
    Url,
    /// It would show the token to everybody on the way.
    #[error("ws:// is for this machine alone, as all would travel in the clear; use wss://")]
    Clear,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(Box<dyn std::error::Error + Send + Sync>),
}

impl WsLink {
    /// The way to the server at `url`, which shows a certificate that `trust` accepts. The example
    /// server's ends in `/ws`. The name is looked up whenever a connection is opened. `ws://` does
    /// without TLS, and is taken for this machine only.
    ///
    /// # Errors
    /// [`WsError`].
    pub fn new(url: &str, trust: Trust) -> Result<Self, WsError> {
        let mut request = url.into_client_request().map_err(|_| WsError::Url)?;
        let host = request.uri().host().ok_or(WsError::Url)?;
        let (port, secure) = match request.uri().scheme_str() {
            Some("wss") => (443, true),
            Some("ws") if is_local(host) => (80, false),
            Some("ws") => return Err(WsError::Clear),
            _ => return Err(WsError::Url),
        };
        let port = request.uri().port_u16().unwrap_or(port);
        let server = Server::new(host, port).ok_or(WsError::Url)?;
        let protocol = Wire::WebSocketMsgpack.subprotocol().and_then(|name| name.parse().ok());
        let protocol = protocol.ok_or(WsError::Url)?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let tls = if secure {
            let mut tls = trust.client_config().map_err(|e| WsError::Tls(Box::new(e)))?;
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            tls.resumption = Resumption::in_memory_sessions(SESSIONS);
            Some(Arc::new(tls).into())
        } else {
            None
        };
        Ok(Self { server, request, tls })
    }

    /// As far as the upgrade, which is the same whoever answers.
    async fn connect(&self, place: Place) -> Result<Box<dyn Stream>, LinkError> {
        let tcp = TcpStream::connect(place.address).await.map_err(LinkError::new)?;
        tcp.set_nodelay(true).map_err(LinkError::new)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(place.name.to_string()).map_err(LinkError::new)?;
        Ok(Box::new(tls.connect(name, tcp).await.map_err(refused)?))
    }
}

/// Whether nothing leaves this machine on the way to `host`.
fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why there was no connection; in words of its own where it was the certificate, as over QUIC.
fn refused(error: io::Error) -> LinkError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => LinkError::untrusted(),
        _ => LinkError::new(error),
    }
}

impl Link for WsLink {
    type Sender = WsSender;
    type Receiver = WsReceiver;

    async fn open(&self) -> Result<(WsSender, WsReceiver), LinkError> {
        let places = self.server.places().await?.collect();
        let (_, stream) = open_any(places, |place| self.connect(place)).await?;
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = BUFFER;
        config.write_buffer_size = BUFFER;
        // Each frame is flushed before the next: there is never more than one.
        config.max_write_buffer_size = MAX_FRAME + 2 * BUFFER;
        config.max_message_size = Some(MAX_FRAME);
        config.max_frame_size = Some(MAX_FRAME);
        let request = self.request.clone();
        let upgraded =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (sink, stream) = upgraded.map_err(LinkError::new)?.0.split();
        Ok((WsSender(sink), WsReceiver(stream)))
    }
}

/// The way to a server over WebSocket.
#[derive(Debug)]
pub struct WsSender(SplitSink<Socket, Message>);

impl LinkSender for WsSender {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        Encoding::MessagePack.encode(frame, &mut bytes);
        self.0.send(Message::binary(bytes)).await.map_err(LinkError::new)
    }

    async fn close(mut self) {
        // A server that takes no goodbye finds out when the socket goes.
        let _ = tokio::time::timeout(GOODBYE, self.0.close()).await;
    }
}

/// The way from a server over WebSocket.
#[derive(Debug)]
pub struct WsReceiver(SplitStream<Socket>);

impl LinkReceiver for WsReceiver {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return Incoming::decode(Encoding::MessagePack, &bytes);
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err(Ended { code: code(close.code.into()) });
                }
                // Pings are answered by the socket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    tracing::warn!("the server does not speak the protocol: text, not MessagePack");
                    return Err(Ended::CUT);
                }
                Some(Err(problem)) => {
                    if !matches!(problem, SocketError::ConnectionClosed) {
                        tracing::debug!("{problem}");
                    }
                    return Err(Ended::CUT);
                }
                Some(Ok(Message::Close(None))) | None => return Err(Ended::CUT),
            }
        }
    }
}

/// What the server closed with, if it is one of the protocol's.
fn code(number: u16) -> Option<CloseCode> {
    let number = number.checked_sub(4000)?;
    CloseCode::ALL.into_iter().find(|code| code.number() == number)
}

/// What a WebSocket runs over: TCP, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl Stream for TcpStream {}
impl Stream for TlsStream<TcpStream> {}

type Socket = WebSocketStream<Box<dyn Stream>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_leaves_this_machine_in_the_clear() {
        let link = |url: &str| WsLink::new(url, Trust::Pinned([7; 32]));
        for url in ["wss://chat.example/ws", "ws://127.0.0.1:3030/ws", "ws://[::1]/ws"] {
            assert!(link(url).is_ok(), "{url}");
        }
        for url in ["ws://chat.example/ws", "ws://10.0.0.1/ws", "ws://127.0.0.1.evil/ws"] {
            assert!(matches!(link(url), Err(WsError::Clear)), "{url}");
        }
        for url in ["chat.example", "https://chat.example/ws", "wss://", "/ws", ""] {
            assert!(matches!(link(url), Err(WsError::Url)), "{url}");
        }
    }

    #[test]
    fn only_codes_of_the_protocol_are_taken_for_such() {
        assert_eq!(code(4008), Some(CloseCode::GoingAway));
        assert_eq!([1000, 1006, 3999, 4000, 4999].map(code), [None; 5]);
    }
}
