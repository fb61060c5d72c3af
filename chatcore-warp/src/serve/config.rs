//! Limits of the server, each with a default that a small public server can live with.

use std::time::Duration;

use super::TrustedProxies;

/// What a connection may take, and for how long.
///
/// The defaults suit a server that faces the internet directly. All are per process.
///
/// ```
/// use chatcore_warp::serve::ServeConfig;
/// let config = ServeConfig::default().with_max_connections(50_000).with_max_per_address(200);
/// ```
#[derive(Clone, Debug)]
pub struct ServeConfig {
    pub(super) header_timeout: Duration,
    pub(super) pace: Pace,
    pub(super) idle_timeout: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) max_per_address: usize,
    pub(super) max_streams: u32,
    pub(super) trusted: TrustedProxies,
}

/// How slowly a request body may come in.
///
/// A body fails when nothing of it arrives for `idle`, or when its average since the start is under
/// `min_rate` once `grace` is over.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a body may take at any rate. Default 10 s.
    pub grace: Duration,
    /// Bytes a second after that; at least 1. Default 1,024.
    pub min_rate: u64,
    /// The longest silence within a body. Default 10 s.
    pub idle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), min_rate: 1024, idle: Duration::from_secs(10) }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            pace: Pace::default(),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            max_connections: 16_384,
            max_per_address: 1_024,
            max_streams: 128,
            trusted: TrustedProxies::default(),
        }
    }
}

impl ServeConfig {
    /// Time for a request's head to arrive whole, counted from the accept for the first one.
    /// Default 10 s.
    #[must_use]
    pub fn with_header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// How slowly a body may come in.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = Pace { min_rate: pace.min_rate.max(1), ..pace };
        self
    }

    /// How long a connection without a request is kept. Default 60 s; over HTTP/1 the header timeout
    /// applies to the next request too, so that the shorter of both counts.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How long a request or its answer may stand still: a client that never reads is cut after it.
    /// Default 60 s.
    #[must_use]
    pub fn with_stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// How long requests and sockets may take to end after shutdown began; then they are cut.
    /// Default 10 s.
    #[must_use]
    pub fn with_drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Connections at once, upgraded ones included. What comes above is answered 503 and closed.
    /// Default 16,384.
    #[must_use]
    pub fn with_max_connections(mut self, max: usize) -> Self {
        self.max_connections = max;
        self
    }

    /// Connections at once from one address (for IPv6: from one /64); trusted proxies are not held
    /// to it. Default 1,024.
    #[must_use]
    pub fn with_max_per_address(mut self, max: usize) -> Self {
        self.max_per_address = max;
        self
    }

    /// HTTP/2 streams at once on one connection. Default 128.
    #[must_use]
    pub fn with_max_streams(mut self, max: u32) -> Self {
        self.max_streams = max;
        self
    }

    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Default: none.
    #[must_use]
    pub fn with_trusted_proxies(mut self, trusted: TrustedProxies) -> Self {
        self.trusted = trusted;
        self
    }
}
