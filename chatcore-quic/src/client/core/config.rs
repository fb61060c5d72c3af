//! The bounds and times of a client.

use std::time::Duration;

use chatcore::id::DeviceId;

/// What a core works within.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) device: DeviceId,
    /// Unacked entries per room, asked for in the hello.
    pub(crate) window: u32,
    /// Writes that wait to be answered.
    pub(crate) outbox: usize,
    /// Bytes of their texts.
    pub(crate) outbox_bytes: usize,
    /// Writes to one room that may be on their way at once.
    pub(crate) pipeline: usize,
    /// Other requests that wait to be answered.
    pub(crate) requests: usize,
    /// The shortest and the longest wait before another connection.
    pub(crate) backoff: (Duration, Duration),
    /// Silence after which the server is asked for a sign of life, if it does not want to be asked sooner.
    pub(crate) heartbeat: Duration,
    /// How long opening a link may take, and then again the welcome.
    pub(crate) patience: Duration,
}

impl Config {
    pub(crate) fn new(device: DeviceId) -> Self {
        Self {
            device,
            window: 256,
            outbox: 1_000,
            outbox_bytes: 4 << 20,
            pipeline: 1,
            requests: 256,
            backoff: (Duration::from_millis(500), Duration::from_secs(30)),
            heartbeat: Duration::MAX,
            patience: Duration::from_secs(15),
        }
    }
}

/// A connection that stood so long was a good one: the waits begin anew from the shortest.
pub(super) const STEADY: Duration = Duration::from_secs(10);
/// How long a server may take to answer a ping, unless pings come closer than that.
pub(super) const PONG: Duration = Duration::from_secs(10);
/// How long entries that were read may wait for the ack that tells of them.
pub(super) const ACK_DELAY: Duration = Duration::from_secs(1);
/// A room whose window has been shut for so long is unsubscribed from until it is read. The server
/// would close the whole connection after a minute.
pub(super) const PARK_AFTER: Duration = Duration::from_secs(20);
/// Rooms that a hello names; the others are subscribed to one by one.
pub(super) const HELLO_ROOMS: usize = 100;
/// Signals that may wait to be written.
pub(super) const SIGNALS: usize = 64;
