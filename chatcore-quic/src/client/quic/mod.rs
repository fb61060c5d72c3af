//! A link over QUIC.

mod files;
mod opening;
mod streams;
mod trust;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chatcore::protocol::frame::ClientFrame;
use chatcore::protocol::{CloseCode, Encoding};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connecting, Connection, ConnectionError, Endpoint, IdleTimeout,
    SendDatagramError, TransportConfig, TransportErrorCode, VarInt,
};
use rustls::client::Resumption;
use tokio::sync::mpsc;

use super::link::{
    Ended, FileStreams, Incoming, Link, LinkError, LinkReceiver, LinkSender, Opened,
};
use super::places::{Place, Server, open_any};
use crate::ALPN;
use crate::congestion::Discerning;
use opening::{Halves, begin, begin_early};
pub use trust::{InvalidFingerprint, Trust};

/// Longer than a heartbeat and the wait for its answer.
const IDLE: Duration = Duration::from_secs(45);
/// Streams that the server may have open: one for each room.
const STREAMS: u32 = 1_100;
/// Bytes on their way: on one stream, and on all.
const STREAM_WINDOW: u32 = 256 * 1024;
const WINDOW: u32 = 4 << 20;
/// Bytes of signals that wait.
const DATAGRAMS: usize = 64 * 1024;
/// Frames that are read ahead.
const AHEAD: usize = 64;
/// TLS sessions that are kept to come back with; each is good once.
const SESSIONS: usize = 8;
/// How long the server that served last is waited for alone, where there are others.
const EARLY: Duration = Duration::from_secs(2);
/// How long a server that has ended its control stream may take to say why.
const REASON: Duration = Duration::from_secs(3);

/// The way to a server over QUIC: requests and answers on one stream, each room's entries on a stream
/// of its own, signals in datagrams.
///
/// A handle: clones share one socket. Keep one to [`rebind`](Self::rebind).
#[derive(Clone, Debug)]
pub struct QuicLink {
    endpoint: Endpoint,
    servers: Arc<[Server]>,
    config: ClientConfig,
    last: Arc<Last>,
}

/// Where the server was found last.
#[derive(Debug, Default)]
struct Last(Mutex<Option<SocketAddr>>);

impl Last {
    fn take(&self) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// Why there is no way over QUIC.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuicError {
    /// No UDP socket.
    #[error("no UDP socket can be opened: {0}")]
    Socket(#[from] io::Error),
    /// The address is not of the form `host:port`.
    #[error("the address of a server is its host, a colon and its port, such as chat.example:4433")]
    Address,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(Box<dyn std::error::Error + Send + Sync>),
}

impl QuicLink {
    /// The way to the server at `host:port`, which shows a certificate that `trust` accepts. The name
    /// is looked up whenever a connection is opened. To be called in a tokio runtime.
    ///
    /// # Errors
    /// [`QuicError`].
    pub fn new(address: &str, trust: Trust) -> Result<Self, QuicError> {
        Self::to_any(&[address], trust)
    }

    /// The way to one chat by any of its servers, all of which show a certificate that `trust` accepts. A
    /// connection is opened to the first; where that does not answer within a quarter of a second, to
    /// the next beside it, and the first to answer serves. To spread clients, give each the servers in
    /// another order.
    ///
    /// # Errors
    /// [`QuicError`], of the first address that is none; none at all is none too.
    pub fn to_any(addresses: &[&str], trust: Trust) -> Result<Self, QuicError> {
        let servers = addresses.iter().map(|address| Server::parse(address));
        let servers = servers.collect::<Option<Arc<[_]>>>().filter(|servers| !servers.is_empty());
        let servers = servers.ok_or(QuicError::Address)?;
        let mut tls = trust.client_config().map_err(|e| QuicError::Tls(Box::new(e)))?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // What the server needs to know the client by, the next time. It is kept here and nowhere else.
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        tls.enable_early_data = true;
        let crypto = QuicClientConfig::try_from(tls).map_err(|e| QuicError::Tls(Box::new(e)))?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        // Both families from one socket, where the system has both.
        let endpoint = Endpoint::client(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
            .or_else(|_| Endpoint::client(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))?;
        Ok(Self { endpoint, servers, config, last: Arc::default() })
    }

    /// Goes on from a new socket, after the network has changed: connections stay, and their servers
    /// see them come from elsewhere.
    ///
    /// # Errors
    /// If there is no such socket.
    pub fn rebind(&self) -> io::Result<()> {
        let any: SocketAddr = match self.endpoint.local_addr()? {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        self.endpoint.rebind(UdpSocket::bind(any)?)
    }

    /// The address that packets leave from now.
    ///
    /// # Errors
    /// If the socket does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(WINDOW.into())
        .datagram_receive_buffer_size(Some(DATAGRAMS))
        .datagram_send_buffer_size(DATAGRAMS)
        // The protocol's pings keep it up.
        .keep_alive_interval(None)
        .max_idle_timeout(Some(
            IdleTimeout::try_from(IDLE).unwrap_or_else(|_| VarInt::from_u32(45_000).into()),
        ))
        .congestion_controller_factory(Arc::new(Discerning));
    transport
}

impl Link for QuicLink {
    type Sender = QuicSender;
    type Receiver = QuicReceiver;

    async fn open(&self) -> Result<(QuicSender, QuicReceiver), LinkError> {
        self.open_any(self.places().await?).await
    }

    async fn open_early(&self) -> Result<Opened<QuicSender, QuicReceiver>, LinkError> {
        // Whether anybody is there, only the handshake shows: so only where somebody was before, and
        // not a second time if nobody is.
        let last = self.last.take();
        let places = self.places().await?;
        let known = places.iter().find(|place| Some(place.address) == last);
        let Some(place) = known else { return done(self.open_any(places).await?) };
        let patience = if places.len() > 1 { EARLY } else { IDLE };
        let address = place.address;
        match self.connect(place)?.into_0rtt() {
            Ok((connection, handshake)) => {
                let last = Arc::clone(&self.last);
                let found = move || last.set(address);
                begin_early(connection, handshake, patience, found).await
            }
            Err(connecting) => match connecting.await {
                Ok(connection) => {
                    self.last.set(address);
                    done(begin(connection, Halves::default()).await?)
                }
                Err(_) => done(self.open().await?),
            },
        }
    }
}

impl QuicLink {
    /// Where the servers are now: of each in its turn. One whose name leads nowhere is passed over if
    /// another's leads somewhere.
    async fn places(&self) -> Result<Vec<Place>, LinkError> {
        let mut places = Vec::new();
        let mut problem = None;
        for server in self.servers.iter() {
            match server.places().await {
                Ok(found) => places.extend(found),
                Err(error) => problem = Some(error),
            }
        }
        match problem {
            Some(problem) if places.is_empty() => Err(problem),
            _ => Ok(places),
        }
    }

    fn connect(&self, place: &Place) -> Result<Connecting, LinkError> {
        let config = self.config.clone();
        let connecting = self.endpoint.connect_with(config, place.address, &place.name);
        connecting.map_err(LinkError::new)
    }

    /// Opens a link to one of these.
    async fn open_any(&self, places: Vec<Place>) -> Result<(QuicSender, QuicReceiver), LinkError> {
        let connect = |place: Place| async move { self.connect(&place)?.await.map_err(refused) };
        let (address, connection) = open_any(places, connect).await?;
        self.last.set(address);
        begin(connection, Halves::default()).await
    }
}

fn done(
    (sender, receiver): (QuicSender, QuicReceiver),
) -> Result<Opened<QuicSender, QuicReceiver>, LinkError> {
    Ok(Opened { sender, receiver, handshake: None })
}

/// Why there was no connection; in words of its own where it was the certificate.
fn refused(error: ConnectionError) -> LinkError {
    /// What TLS calls a certificate: bad, unsupported, revoked, expired, unknown, of an unknown
    /// issuer, not the pinned one.
    const CERTIFICATE: [u8; 7] = [42, 43, 44, 45, 46, 48, 49];
    match &error {
        ConnectionError::TransportError(problem)
            if CERTIFICATE.map(TransportErrorCode::crypto).contains(&problem.code) =>
        {
            LinkError::untrusted()
        }
        _ => LinkError::new(error),
    }
}

/// The way to a server over QUIC.
#[derive(Debug)]
pub struct QuicSender {
    connection: Connection,
    halves: Halves,
}

impl LinkSender for QuicSender {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        let mut bytes = vec![0; 4];
        Encoding::MessagePack.encode(frame, &mut bytes);
        let length = u32::try_from(bytes.len() - 4).map_err(LinkError::new)?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        let bytes = Bytes::from(bytes);
        if matches!(frame, ClientFrame::Signal(_)) {
            match self.connection.send_datagram(bytes.slice(4..)) {
                Ok(()) => return Ok(()),
                Err(SendDatagramError::ConnectionLost(error)) => return Err(LinkError::new(error)),
                // Too long for one, or not taken there: it goes where nothing is lost.
                Err(_) => {}
            }
        }
        match &mut *self.halves.control.lock().await {
            Some(control) => control.write_chunk(bytes).await.map_err(LinkError::new),
            None => Err(LinkError::new("what is said early is not taken")),
        }
    }

    fn files(&self) -> Option<Arc<dyn FileStreams>> {
        Some(Arc::new(files::Streams(self.connection.clone())))
    }

    async fn close(self) {
        self.halves.close(&self.connection);
    }
}

/// The way from a server over QUIC.
#[derive(Debug)]
pub struct QuicReceiver {
    connection: Connection,
    incoming: mpsc::Receiver<streams::Parcel>,
    halves: Halves,
}

impl LinkReceiver for QuicReceiver {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        match self.incoming.recv().await {
            Some(parcel) => Ok(parcel.incoming),
            None => Err(Ended { code: code(&self.connection.closed().await) }),
        }
    }
}

impl Drop for QuicReceiver {
    /// One that nobody reads is of no use.
    fn drop(&mut self) {
        self.halves.close(&self.connection);
    }
}

/// Closes a connection that is open. On one that the server has closed, it would take the place of
/// what the server closed with.
fn close(connection: &Connection, code: u32) {
    if connection.close_reason().is_none() {
        connection.close(VarInt::from_u32(code), b"");
    }
}

/// What the server closed with.
fn code(error: &ConnectionError) -> Option<CloseCode> {
    let ConnectionError::ApplicationClosed(close) = error else { return None };
    let number = close.error_code.into_inner();
    CloseCode::ALL.into_iter().find(|code| u64::from(code.number()) == number)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::link::MAX_FRAME;
    use super::*;
    use crate::server::Certificate;

    fn local(address: SocketAddr) -> Place {
        Place { address, name: "localhost".into() }
    }

    /// One that says nothing by itself, and how to trust it.
    fn server(transport: TransportConfig) -> (Endpoint, Trust) {
        let certificate = Certificate::self_signed().expect("made");
        let pin: Trust = certificate.fingerprint().parse().expect("a fingerprint");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificate));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).expect("it serves");
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport));
        let server = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        (server, pin)
    }

    /// What a server can have a client hold that begins frames on many streams and ends none.
    #[tokio::test]
    async fn frames_that_are_never_whole_take_no_more_than_a_bounded_part_of_memory() {
        const OFFERED: usize = 128 << 20;
        const STREAMS: usize = 64;
        let mut transport = TransportConfig::default();
        transport.send_window(2 * OFFERED as u64);
        let (server, pin) = server(transport);
        let there = server.local_addr().expect("bound");
        let taken = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&taken);
        let serving = tokio::spawn(async move {
            let connection = server.accept().await.expect("somebody comes").await.expect("shaken");
            let mut writing = tokio::task::JoinSet::new();
            for _ in 0..STREAMS {
                let mut stream = connection.open_uni().await.expect("allowed");
                let taken = Arc::clone(&counting);
                writing.spawn(async move {
                    let length = u32::try_from(MAX_FRAME).expect("short").to_be_bytes();
                    stream.write_all(&length).await.expect("taken");
                    let part = vec![0; 16 * 1024];
                    for _ in 0..OFFERED / STREAMS / part.len() {
                        stream.write_all(&part).await.expect("the connection stands");
                        taken.fetch_add(part.len(), Ordering::SeqCst);
                    }
                });
            }
            while writing.join_next().await.is_some() {}
        });
        let link = QuicLink::new(&format!("localhost:{}", there.port()), pin).expect("a way");
        let (_sender, _receiver) = link.open_any(vec![local(there)]).await.expect("opened");
        let mut before = 0;
        let standstill = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let now = taken.load(Ordering::SeqCst);
                if now > 0 && now == before {
                    break now;
                }
                before = now;
            }
        };
        let held = tokio::time::timeout(Duration::from_secs(60), standstill).await;
        let held = held.expect("it comes to a stop");
        serving.abort();
        println!("{held} bytes of {OFFERED} were taken");
        // What is held of frames, and what the connection's window takes.
        assert!(held <= 8 * MAX_FRAME + WINDOW as usize + STREAMS * 16 * 1024, "{held}");
    }

    #[tokio::test]
    async fn an_address_that_is_silent_does_not_keep_the_next_from_being_tried() {
        let (server, pin) = server(TransportConfig::default());
        let there = server.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            let incoming = server.accept().await.expect("somebody comes");
            incoming.await.expect("a handshake").closed().await
        });
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let addresses = [silent.local_addr().expect("bound"), there];
        let link = QuicLink::new(&format!("localhost:{}", there.port()), pin).expect("a way");
        let opening = link.open_any(addresses.map(local).into());
        let opened = tokio::time::timeout(Duration::from_secs(5), opening).await;
        let (sender, _receiver) = opened.expect("in time").expect("to the second one");
        assert_eq!(link.last.take(), Some(there));
        sender.close().await;
        serving.await.expect("it ends");
    }

    #[tokio::test]
    async fn a_server_that_is_gone_does_not_keep_its_clients_from_the_next() {
        let (server, pin) = server(TransportConfig::default());
        let there = server.local_addr().expect("bound");
        let serving = tokio::spawn(async move {
            let incoming = server.accept().await.expect("somebody comes");
            incoming.await.expect("a handshake").closed().await
        });
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let gone = silent.local_addr().expect("bound").to_string();
        let servers = ["nowhere.invalid:1", &gone, &there.to_string()];
        let link = QuicLink::to_any(&servers, pin.clone()).expect("a way");
        let opened = tokio::time::timeout(Duration::from_secs(20), link.open()).await;
        let (sender, _receiver) = opened.expect("in time").expect("to the last one");
        assert_eq!(link.last.take(), Some(there));
        sender.close().await;
        serving.await.expect("it ends");
        assert!(matches!(QuicLink::to_any(&[], pin), Err(QuicError::Address)));
    }
}
