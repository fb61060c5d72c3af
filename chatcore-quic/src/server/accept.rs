//! A connection's way in, and its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatcore::Chat;
use chatcore::connection::Connection;
use chatcore::protocol::CloseCode;
use chatcore::protocol::session::Config as SessionConfig;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connecting, Incoming};
use tokio::sync::watch;
use tokio::time::timeout;

use super::caps::{Caps, Permit};
use super::config::{Config, Counters};
use super::link::Link;
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
    _count: Counted,
}

struct Counted(Arc<AtomicUsize>);

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
                let _count = Counted(Arc::clone(&self.handshakes));
                Some(Handshake { connecting, permit, _count })
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
        let Handshake { connecting, permit, _count } = handshake;
        let counters = self.config.counters();
        let Ok(Ok(connection)) = timeout(self.config.handshake_timeout, connecting).await else {
            Counters::count(&counters.failed);
            return;
        };
        drop(_count);
        if !speaks_our_protocol(&connection) {
            Counters::count(&counters.failed);
            return connection.close(code(CloseCode::ProtocolError), b"this is chatcore/1");
        }
        Counters::count(&counters.accepted);
        let mut stopping = self.stopping.clone();
        let control = tokio::select! {
            control = timeout(self.session.hello, connection.accept_bi()) => control,
            // The sender going away means that the server was dropped.
            _ = stopping.wait_for(|stopping| *stopping) => {
                return connection.close(code(CloseCode::GoingAway), b"the server is stopping");
            }
        };
        let Ok(Ok(control)) = control else {
            Counters::count(&counters.failed);
            return connection.close(code(CloseCode::ProtocolError), b"no hello came");
        };
        let most = self.session.limits.frame_bytes as usize;
        let link = Link::new(connection, control, most, counters);
        let (chat, session) = (self.chat.clone(), Arc::clone(&self.session));
        let running = Connection::new(chat, link, session).run();
        drop(self);
        let ended = running.await;
        tracing::debug!(?ended, "a QUIC connection ended");
        drop(permit);
    }
}

fn speaks_our_protocol(connection: &quinn::Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.and_then(|data| data.protocol).as_deref() == Some(ALPN)
}

pub(super) fn code(code: CloseCode) -> quinn::VarInt {
    u32::from(code.number()).into()
}
