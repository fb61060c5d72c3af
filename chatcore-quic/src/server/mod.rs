//! The server's side.
//!
//! ```text
//! datagrams ─► endpoint ─► accept ────────────┬► Link ─► Connection (chatcore) ─► Chat
//!              (quinn)     caps, Retry, timeouts │ control, rooms, signals
//!                                               └► files
//! ```
//!
//! ```no_run
//! use std::net::UdpSocket;
//! use std::sync::Arc;
//! use chatcore::{Chat, store::memory::MemoryStore};
//! use chatcore_quic::{Certificate, Config, serve};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await?;
//! let certificate = Certificate::self_signed()?;
//! let socket = UdpSocket::bind("127.0.0.1:4433")?;
//! println!("{} under {}", socket.local_addr()?, certificate.fingerprint());
//! let stop = async { tokio::time::sleep(std::time::Duration::from_secs(60)).await };
//! serve(socket, chat, Config::new(certificate), stop).await?;
//! # Ok(()) }
//! ```
//!
//! What a room's reader does not read waits for that reader alone: the room is paused by the flow
//! control of its stream, and gets a `gap` once it is too far behind. A client whose address changes
//! stays connected. A file has a stream of its own, below all rooms in priority.
//!
//! Who was there before may speak before the handshake is done (0-RTT), and is answered in the first
//! packets that leave here: as far as that does no harm if the packets are somebody's copy. What that
//! is, is said by [`chatcore::protocol`]; here it is only known when the handshake is done. TLS sessions
//! are kept in memory, [so many](Config::with_max_resumable), each for one handshake.

mod accept;
mod caps;
mod certificate;
mod config;
mod files;
mod link;
mod proof;
mod reader;
mod reserve;
mod reset;
mod sessions;

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chatcore::Chat;
use chatcore::protocol::CloseCode;
use chatcore::protocol::limits::Announced;
use chatcore::protocol::session::Config as SessionConfig;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument as _;

use accept::Shared;
use caps::Caps;
pub use certificate::{Certificate, CertificateError, SelfSigned};
pub use config::{Config, Counters, FilePace};
use reset::ResetKey;

/// How long goodbyes may take to be sent once everything is over.
const LAST: Duration = Duration::from_secs(1);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Every connection ended by itself.
    Drained,
    /// Some were still there when the patience was over, and were cut.
    Cut,
}

/// Serves `chat` on `socket` until `shutdown` completes and all is drained.
///
/// When `shutdown` completes, no connection is accepted any more, and every client of `chat` is asked
/// to go, as by [`Chat::drain`]. Files that are on their way may arrive meanwhile. What is left after the patience of [`Config::with_drain_timeout`] is
/// cut. Dropping the future ends every connection at once.
///
/// # Errors
/// If the socket cannot be used, or the certificate's provider lacks what QUIC needs.
pub async fn serve(
    socket: UdpSocket,
    chat: Chat,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let session = config.session.clone();
    let session = session.unwrap_or_else(|| SessionConfig::new(Announced::new(chat.limits())));
    let quinn = config.quinn(&session).map_err(io::Error::other)?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint =
        config.reset_key.as_ref().map_or_else(EndpointConfig::default, ResetKey::endpoint);
    let endpoint = Endpoint::new(endpoint, Some(quinn), socket, runtime)?;
    let _close = CloseOnDrop(endpoint.clone());
    let (stop, stopping) = watch::channel(false);
    let patience = config.drain_timeout;
    let shared = Arc::new(Shared {
        chat: chat.clone(),
        caps: Caps::new(config.max_connections, config.max_per_address),
        handshakes: Arc::default(),
        session: Arc::new(session),
        config,
        stopping,
    });
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => {
                    if let Some(handshake) = shared.admit(incoming) {
                        let span = accept::span();
                        tasks.spawn(Arc::clone(&shared).run(handshake).instrument(span));
                    }
                }
                None => return Err(io::Error::other("the endpoint has failed; start the server again")),
            },
            Some(_) = tasks.join_next() => {}
            () = &mut shutdown => break,
        }
    }
    endpoint.set_server_config(None);
    stop.send_replace(true);
    chat.drain();
    let drained = timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
    endpoint.close(accept::code(CloseCode::GoingAway), b"the server is stopping");
    tasks.shutdown().await;
    // Not all peers are there to take it.
    let _ = timeout(LAST, endpoint.wait_idle()).await;
    Ok(if drained.is_ok() { Stopped::Drained } else { Stopped::Cut })
}

/// Without it connections whose server was dropped would go on until both sides are silent.
struct CloseOnDrop(Endpoint);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(accept::code(CloseCode::GoingAway), b"");
    }
}
