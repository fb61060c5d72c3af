//! A server of one's own around a [`warp::Filter`], as `warp::serve` sets no limits.
//!
//! It keeps what a public address needs: timeouts for heads and bodies, caps on connections over
//! all and per address, limits of HTTP/2, the peer's address behind trusted proxies, containment of
//! panics, and a shutdown that tells, waits and cuts. A request that it hands to the filter carries
//! a [`Peer`] and a [`Connection`] in its extensions.
//!
//! An application that has a server already needs none of this: the filters of this crate run under
//! any other.

mod activity;
pub(crate) mod caps;
mod config;
mod connection;
mod drain;
mod pace;
mod peer;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

use std::future::{self, Future};
use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use warp::{Filter, Rejection, Reply};

pub use config::{Pace, ServeConfig};
pub use drain::Connection;
pub use pace::TooSlow;
pub use peer::{InvalidBlock, Peer, TrustedProxies};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};

use caps::{Caps, Permit};
use connection::Shared;
use drain::{Drain, Life};

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Every request and every socket ended by itself.
    Drained,
    /// Some were still there when the patience was over, and were cut.
    Cut,
}

/// What turns an accepted socket into the stream that HTTP is spoken over, such as a TLS handshake.
pub trait Handshake: Clone + Send + Sync + 'static {
    /// The stream that comes out.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Whether that stream is encrypted.
    const SECURE: bool;

    /// Shakes hands. The caller allows it as long as a request's head may take.
    fn shake(&self, socket: TcpStream) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// No handshake: HTTP in the clear.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Io = TcpStream;
    const SECURE: bool = false;

    fn shake(&self, socket: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send {
        future::ready(Ok(socket))
    }
}

/// Serves `filter` on `listener`, in the clear, until `shutdown` completes and all is drained.
///
/// When `shutdown` completes, no connection is accepted any more; requests in flight may end, idle
/// connections close, and tasks of upgraded sockets are told (see [`Connection::spawn`]). What
/// is left after the patience of [`ServeConfig::with_drain_timeout`] is cut. Dropping the future
/// stops accepting, and ends every connection without a word.
pub async fn serve<F>(
    listener: TcpListener,
    filter: F,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> Stopped
where
    F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    serve_with(listener, Plain, filter, config, shutdown).await
}

/// As [`serve`], over what `handshake` makes of each socket.
pub async fn serve_with<H, F>(
    listener: TcpListener,
    handshake: H,
    filter: F,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> Stopped
where
    H: Handshake,
    F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let caps = Caps::new(config.max_connections, config.max_per_address);
    let patience = config.drain_timeout;
    let http = connection::http(&config);
    let shared = Arc::new(Shared { filter, config, http });
    let drain = Drain::new();
    let mut shutdown = pin!(shutdown);
    let mut pause = Duration::ZERO;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Most likely out of file descriptors: trying again at once would only spin.
                pause = (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
                tracing::warn!(%error, "cannot accept; pausing for {pause:?}");
                tokio::select! {
                    () = tokio::time::sleep(pause) => continue,
                    () = &mut shutdown => break,
                }
            }
        };
        pause = Duration::ZERO;
        let ip = (!shared.config.trusted.contains(address.ip())).then_some(address.ip());
        let Some(permit) = caps.admit(ip) else {
            tracing::debug!(peer = %address, "too many connections");
            refuse(socket);
            continue;
        };
        let (handshake, shared, life) = (handshake.clone(), shared.clone(), drain.life());
        tokio::spawn(begin(handshake, shared, socket, life, permit));
    }
    drop(listener);
    if drain.run(patience).await { Stopped::Drained } else { Stopped::Cut }
}

/// One accepted socket, from the handshake on.
async fn begin<H, F>(
    handshake: H,
    shared: Arc<Shared<F>>,
    socket: TcpStream,
    life: Life,
    permit: Permit,
) where
    H: Handshake,
    F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
{
    let Ok(address) = socket.peer_addr() else { return };
    // What is written is batched already; Nagle's delay would only add to it.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let shake = tokio::time::timeout(shared.config.header_timeout, handshake.shake(socket));
    let Ok(Ok(io)) = shake.await else {
        tracing::debug!(peer = %address, "no handshake");
        return;
    };
    let connection = Connection::new(&life, Arc::new(permit));
    connection::run(shared, io, address, H::SECURE, life, connection).await;
}

/// Errors of `accept` that concern only the connection that was about to be (see accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says why, as far as the socket's empty buffer takes it, and closes.
fn refuse(socket: TcpStream) {
    const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
        connection: close\r\ncontent-length: 0\r\n\r\n";
    if let Ok(mut socket) = socket.into_std() {
        let _ = socket.write(FULL);
    }
}
