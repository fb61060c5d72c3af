//! The times and bounds of a session.

use std::time::Duration;

use crate::protocol::limits::Announced;

/// How patient the server is, and with how much.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The bounds that the `welcome` announces. `window` is the most that a client may ask for.
    pub limits: Announced,
    /// How long a connection may take to say `hello`. Default 10 s.
    pub hello: Duration,
    /// How often a client shows that it is there. Default 25 s. It is given up after two of these
    /// without a frame.
    pub heartbeat: Duration,
    /// How long before its token expires a client is warned. Default 60 s.
    pub expiry_notice: Duration,
    /// How long a subscription may have entries due and no window, and the transport bytes due and
    /// no progress. Default 60 s.
    pub stall: Duration,
    /// How long requests may take to be answered, and files to arrive, once the server is stopping.
    /// Default 10 s.
    pub drain: Duration,
}

impl Config {
    /// The defaults, within `limits`.
    pub const fn new(limits: Announced) -> Self {
        Self {
            limits,
            hello: Duration::from_secs(10),
            heartbeat: Duration::from_secs(25),
            expiry_notice: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new(Announced::default())
    }
}
