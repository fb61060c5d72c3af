//! A connection's way in, and its life.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::Chat;
use chatcore::connection::Connection;
use chatcore::protocol::CloseCode;
use chatcore::protocol::session::Config as SessionConfig;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, Incoming, RecvStream, SendStream, ZeroRttAccepted};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::caps::{Caps, Permit};
use super::config::{Config, Counters};
use super::files::{self, Terms};
use super::link::Link;
use super::proof::Proof;
use super::reserve::Reserve;
use crate::ALPN;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) chat: Chat,
    pub(super) config: Config,
    pub(super) session: Arc<SessionConfig>,
    pub(super) caps: Arc<Caps>,
    pub(super) handshakes: Arc<AtomicUsize>,
    /// The server is stopping.
    pub(super) stopping: watch::Receiver<bool>,
}

/// A handshake that is under way. Dropping it makes room.
pub(super) struct Handshake {
    connecting: Connecting,
    permit: Permit,
    count: Counted,
}

/// One of the handshakes under way.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Begins the handshake, if there is room for one more. It costs nothing to turn one away.
    pub(super) fn admit(&self, incoming: Incoming) -> Option<Handshake> {
        let (counters, underway) = (&self.config.counters, self.handshakes.load(Ordering::Relaxed));
        if underway >= self.config.max_handshakes {
            Counters::count(&counters.refused);
            incoming.ignore();
            return None;
        }
        if underway >= self.config.retry_above && incoming.may_retry() {
            Counters::count(&counters.retried);
            // It may, as we have just seen.
            let _ = incoming.retry();
            return None;
        }
        let Some(permit) = self.caps.admit(incoming.remote_address().ip()) else {
            tracing::debug!(peer = %incoming.remote_address(), "too many connections");
            Counters::count(&counters.refused);
            incoming.refuse();
            return None;
        };
        match incoming.accept() {
            Ok(connecting) => {
                self.handshakes.fetch_add(1, Ordering::Relaxed);
                let count = Counted(Arc::clone(&self.handshakes));
                Some(Handshake { connecting, permit, count })
            }
            Err(error) => {
                tracing::debug!(%error, "no handshake");
                Counters::count(&counters.failed);
                None
            }
        }
    }

    /// Serves one peer, from the handshake to the end.
    pub(super) async fn run(self: Arc<Self>, handshake: Handshake) {
        let Handshake { connecting, permit, count } = handshake;
        let counters = self.config.counters();
        let deadline = Instant::now() + self.config.handshake_timeout;
        let Ok(Some(opening)) = timeout_at(deadline, open(connecting)).await else {
            Counters::count(&counters.failed);
            return;
        };
        let Opening { connection, proof, control } = opening;
        if !speaks_our_protocol(&connection) {
            Counters::count(&counters.failed);
            return connection.close(code(CloseCode::ProtocolError), b"this is chatcore/1");
        }
        let (control, proof) = match (control, proof) {
            // It has said something, and is not proven to be there.
            (Some(control), Some(done)) => {
                Counters::count(&counters.early);
                (control, Some(Proof::new(connection.clone(), done, deadline, count)))
            }
            _ => {
                drop(count);
                Counters::count(&counters.accepted);
                let Some(control) = self.control(&connection).await else { return };
                (control, None)
            }
        };
        let most = self.session.limits.frame_bytes as usize;
        let reserve = Reserve::of(connection.clone());
        let bounds = (most, reserve.clone());
        let link = Link::new(connection.clone(), control, proof, bounds, counters);
        let (chat, session) = (self.chat.clone(), Arc::clone(&self.session));
        let terms = Terms { pace: self.config.file_pace, stall: session.stall, reserve };
        let mut running = Connection::new(chat, link, session);
        let moving = files::accept(connection, running.files(), terms);
        let running = running.run();
        drop(self);
        let ended = tokio::select! {
            ended = running => ended,
            // Only with the connection, which the other then finds.
            never = moving => match never {},
        };
        tracing::debug!(?ended, "a QUIC connection ended");
        drop(permit);
    }

    /// The stream that a client opens first, which it has to do soon.
    async fn control(&self, connection: &quinn::Connection) -> Option<(SendStream, RecvStream)> {
        let mut stopping = self.stopping.clone();
        let control = tokio::select! {
            control = timeout(self.session.hello, connection.accept_bi()) => control,
            // The sender going away means that the server was dropped.
            _ = stopping.wait_for(|stopping| *stopping) => {
                connection.close(code(CloseCode::GoingAway), b"the server is stopping");
                return None;
            }
        };
        if let Ok(Ok(control)) = control {
            return Some(control);
        }
        Counters::count(&self.config.counters.failed);
        connection.close(code(CloseCode::ProtocolError), b"no hello came");
        None
    }
}

/// What everything that is logged of one connection stands under.
pub(super) fn span() -> tracing::Span {
    // Made of keys that nobody knows, and others each time.
    let conn = format!("{:016x}", RandomState::new().hash_one(()));
    tracing::info_span!("connection", %conn, transport = "quic")
}

/// What comes first of a connection: the end of its handshake, or something that it says before.
struct Opening {
    connection: quinn::Connection,
    /// The handshake is not done.
    proof: Option<ZeroRttAccepted>,
    control: Option<(SendStream, RecvStream)>,
}

/// Waits for either; none if neither comes.
async fn open(mut connecting: Connecting) -> Option<Opening> {
    // Only then is it known what the peer speaks.
    connecting.handshake_data().await.ok()?;
    let (connection, mut done) = match connecting.into_0rtt() {
        Ok(early) => early,
        Err(connecting) => {
            let connection = connecting.await.ok()?;
            return Some(Opening { connection, proof: None, control: None });
        }
    };
    let control = tokio::select! {
        biased;
        _ = &mut done => None,
        control = connection.accept_bi() => Some(control.ok()?),
    };
    if connection.close_reason().is_some() {
        return None;
    }
    let proof = control.is_some().then_some(done);
    Some(Opening { connection, proof, control })
}

fn speaks_our_protocol(connection: &quinn::Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.and_then(|data| data.protocol).as_deref() == Some(ALPN)
}

pub(super) fn code(code: CloseCode) -> quinn::VarInt {
    u32::from(code.number()).into()
}
