//! Limits of the server, each with a default that a small public server can live with.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chatcore::protocol::session::Config as SessionConfig;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::server::StoresServerSessions as _;

use super::Certificate;
use super::reset::ResetKey;
use super::sessions::Sessions;
use crate::ALPN;
use crate::congestion::Discerning;

/// What a peer may have on its way on one stream before we take it.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Files that a client may have moved at once. More wait with the client.
const FILES: u8 = 2;
/// The same over all streams, so that none is held up by the others.
const WINDOW: u32 = (1 + FILES as u32) * STREAM_WINDOW;
/// What we have on its way, unacknowledged, on all streams.
pub(super) const SEND_WINDOW: u64 = 256 * 1024;
/// Datagrams that wait, each way; above that the oldest are dropped.
const DATAGRAMS: usize = 16 * 1024;
/// How much longer QUIC waits than the heartbeat, whose code says more.
const AFTER_HEARTBEAT: Duration = Duration::from_secs(10);

/// What a connection may take, and for how long.
///
/// The defaults suit a server that faces the internet directly. All are per process.
///
/// ```
/// use chatcore_quic::{Certificate, Config};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::new(Certificate::self_signed()?).with_max_connections(50_000);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) certificate: Certificate,
    pub(super) session: Option<SessionConfig>,
    pub(super) handshake_timeout: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) max_per_address: usize,
    pub(super) max_handshakes: usize,
    pub(super) retry_above: usize,
    pub(super) max_resumable: usize,
    pub(super) reset_key: Option<ResetKey>,
    pub(super) file_pace: FilePace,
    pub(super) counters: Arc<Counters>,
}

impl Config {
    /// The defaults, under `certificate`.
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            session: None,
            handshake_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            max_connections: 16_384,
            max_per_address: 1_024,
            max_handshakes: 1_024,
            retry_above: 64,
            max_resumable: 32_768,
            reset_key: None,
            file_pace: FilePace::default(),
            counters: Arc::default(),
        }
    }

    /// The times and bounds of each connection's session. Default: those of [`SessionConfig`], with
    /// the chat's own limits.
    #[must_use]
    pub fn with_session(mut self, session: SessionConfig) -> Self {
        self.session = Some(session);
        self
    }

    /// How long a handshake may take. Default 10 s. The time for the `hello` after it is the session's.
    #[must_use]
    pub fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long connections may take to end after shutdown began; then they are cut. Default 10 s.
    #[must_use]
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Connections at once. What comes above is refused. Default 16,384.
    #[must_use]
    pub fn with_max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Connections at once from one address (for IPv6: from one /64). Default 1,024.
    #[must_use]
    pub fn with_max_per_address(mut self, max: usize) -> Self {
        self.max_per_address = max;
        self
    }

    /// The key by which clients of a process that was killed are told, by the next one on its address, that
    /// their connections are no more; otherwise they find out when nothing answers. Random, kept with
    /// the server's data, and of this server alone: of two that share it, one can be made to end connections of the
    /// other by who sees those. Default: another one each time.
    #[must_use]
    pub fn with_reset_key(mut self, key: [u8; 32]) -> Self {
        self.reset_key = Some(ResetKey::new(key));
        self
    }

    /// Handshakes at once. What comes above is not answered. Default 1,024.
    #[must_use]
    pub fn with_max_handshakes(mut self, max: usize) -> Self {
        self.max_handshakes = max;
        self
    }

    /// While so many handshakes are under way, whoever comes has to prove first that it is where it
    /// says it is, by coming once more (QUIC's Retry). Default 64.
    #[must_use]
    pub fn with_retry_above(mut self, handshakes: usize) -> Self {
        self.retry_above = handshakes;
        self
    }

    /// TLS sessions that are kept, so that their clients can come back without a round trip of their own
    /// and say something in their first packets (early data). A client is given two with each
    /// connection, each good once; the oldest make room, and their clients come back as if for the
    /// first time. Some hundreds of bytes each. Default 32,768; with 0, no early data is taken.
    #[must_use]
    pub fn with_max_resumable(mut self, sessions: usize) -> Self {
        self.max_resumable = sessions;
        self
    }

    /// How slowly a file may come in.
    #[must_use]
    pub fn with_file_pace(mut self, pace: FilePace) -> Self {
        self.file_pace = pace;
        self
    }

    /// What is counted under this configuration.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// As quinn takes it.
    ///
    /// # Errors
    /// If the provider of cryptography lacks what QUIC needs; ring does not.
    pub(super) fn quinn(
        &self,
        session: &SessionConfig,
    ) -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
        // Named, as the process may have another provider by default, or two and so none.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.certificate.clone()));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let sessions = Sessions::new(self.certificate.clone(), self.max_resumable);
        // QUIC knows no other size than this.
        tls.max_early_data_size = if sessions.can_cache() { u32::MAX } else { 0 };
        tls.session_storage = Arc::new(sessions);
        let crypto = QuicServerConfig::try_from(tls)?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        config
            .transport_config(Arc::new(transport(session)))
            .max_incoming(self.max_handshakes)
            .incoming_buffer_size(16 * 1024)
            .incoming_buffer_size_total(4 * 1024 * 1024);
        Ok(config)
    }
}

/// How slowly a file may come in over a stream of its own.
///
/// It is given up when nothing of it arrives for `idle`, or when its average since the start is under
/// `min_rate` once `grace` is over. One that goes out is given up when none of it is taken for as long
/// as a session may [stall](SessionConfig::stall).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePace {
    /// How long a file may take at any rate. Default 10 s.
    pub grace: Duration,
    /// Bytes a second after that. Default 1,024.
    pub min_rate: u64,
    /// The longest silence, also before the request on a stream is whole. Default 10 s.
    pub idle: Duration,
}

impl Default for FilePace {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), min_rate: 1024, idle: Duration::from_secs(10) }
    }
}

/// Tight enough that a peer, whatever it does, has about 1 MiB of us: a few streams from it, one
/// window on each, and what it does not take from us.
fn transport(session: &SessionConfig) -> TransportConfig {
    let idle = session.heartbeat.saturating_mul(2).saturating_add(AFTER_HEARTBEAT);
    let idle = IdleTimeout::try_from(idle).unwrap_or_else(|_| VarInt::MAX.into());
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams((1 + FILES).into())
        .max_concurrent_uni_streams(0u8.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(Some(DATAGRAMS))
        .datagram_send_buffer_size(DATAGRAMS)
        // The client's pings keep it up.
        .keep_alive_interval(None)
        .max_idle_timeout(Some(idle))
        .congestion_controller_factory(Arc::new(Discerning));
    transport
}

/// What a server has seen.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) early: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) datagrams_dropped: AtomicU64,
}

impl Counters {
    /// Connections whose handshake was done.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that said something before their handshake was done.
    pub fn early(&self) -> u64 {
        self.early.load(Ordering::Relaxed)
    }

    /// Connections that were turned away for want of room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections that were asked to come once more.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Handshakes that failed or took too long, and connections that never opened a stream.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Datagrams that held no signal.
    pub fn datagrams_dropped(&self) -> u64 {
        self.datagrams_dropped.load(Ordering::Relaxed)
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
