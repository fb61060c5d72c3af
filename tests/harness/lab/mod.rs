//! A network of two, as bad as a test wants it.
//!
//! ```text
//!   client host                  relay                     server host
//!   10.77.0.2 ── TUN ──► loss, delay, blackout, ──► TUN ── 10.77.0.1
//!             ◄─ TUN ──  another address        ◄── TUN ──
//! ```
//!
//! Each [`Host`] is a runtime whose threads live in a network namespace of their own, so that whatever
//! a task opens there, over TCP or over UDP, can go nowhere but through the relay. The namespaces have
//! no name: two runs cannot meet, and the kernel takes them back with the process, however that ends.
//!
//! It takes Linux, `/dev/net/tun`, and the rights of root. [`Lab::open`] says what to do without.

mod host;
mod nat;
mod relay;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use host::Host;
use relay::Shared;
pub use relay::{Counts, MOST_WAITING};

/// Where the server's host is.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Where the client's host is, by its own account. What the server sees is another, if
/// [`Lab::readdress`] says so.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// What becomes of packets, each way. By default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// How long each is on its way; up to 2 ms longer, as timers are coarse.
    pub delay: Duration,
    /// The share that is lost, from 0 to 1; each by a throw of its own.
    pub loss: f64,
    /// The share that is on its way for longer, from 0 to 1, and for how much longer. Others
    /// overtake them; otherwise nothing does.
    pub late: (f64, Duration),
    /// How much goes through, if not everything.
    pub rate: Option<Rate>,
}

/// How narrow a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second.
    pub bytes: u32,
    /// Bytes that may wait to go through; what comes above is dropped.
    pub queue: u32,
}

impl Conditions {
    /// A clean line that is so long.
    pub fn delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// The same, with this share lost.
    #[must_use]
    pub fn with_loss(mut self, share: f64) -> Self {
        self.loss = share;
        self
    }

    /// The same, with this share later by `by`.
    #[must_use]
    pub fn with_late(mut self, share: f64, by: Duration) -> Self {
        self.late = (share, by);
        self
    }

    /// The same, of this width.
    #[must_use]
    pub fn with_rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// Two hosts and the relay between them, until it is dropped.
#[derive(Debug)]
pub struct Lab {
    /// Where servers are started.
    pub server: Host,
    /// Where clients are started.
    pub client: Host,
    shared: Arc<Shared>,
    relay: Option<JoinHandle<()>>,
}

impl Lab {
    /// Opens one. What is lost is decided by `seed`: the same packets in the same order fare alike.
    ///
    /// None where it cannot be had, having said so. `CHATCORE_LAB=off` leaves it out on purpose, for
    /// a machine where one is not root.
    ///
    /// # Panics
    /// If it cannot be had, was not left out, and `CHATCORE_REQUIRE_SERVICES=1`.
    pub fn open(seed: u64) -> Option<Self> {
        if std::env::var_os("CHATCORE_LAB").is_some_and(|value| value == "off") {
            eprintln!("skipped: the network laboratory, for CHATCORE_LAB=off");
            return None;
        }
        match Self::try_open(seed) {
            Ok(lab) => Some(lab),
            Err(why) => {
                chatcore_servers::lacking(&format!(
                    "the network laboratory cannot be had ({why}); it takes root and /dev/net/tun, \
                     and CHATCORE_LAB=off does without"
                ));
                None
            }
        }
    }

    fn try_open(seed: u64) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (relay, [server, client]) = relay::start(Arc::clone(&shared), seed)?;
        Ok(Self {
            server: Host::new("server", server, SERVER)?,
            client: Host::new("client", client, CLIENT)?,
            shared,
            relay: Some(relay),
        })
    }

    /// From now on packets fare so.
    pub fn set(&self, conditions: Conditions) {
        self.shared.set(conditions);
    }

    /// While it is on, nothing arrives, and nobody is told.
    pub fn blackout(&self, on: bool) {
        self.shared.black_out(on);
    }

    /// The client's packets come from another address, as when a router forgets or a phone changes
    /// networks. What is sent to the last one is lost, and the client is not told. Returns the new
    /// address.
    pub fn readdress(&self) -> Ipv4Addr {
        self.shared.readdress()
    }

    /// What has become of the packets that went this way.
    pub fn counts(&self, way: Way) -> Counts {
        self.shared.counts(way)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shared.stop();
        let relayed = self.relay.take().map_or(Ok(()), JoinHandle::join);
        if !std::thread::panicking() {
            relayed.expect("the relay works to the end");
            for way in [Way::Up, Way::Down] {
                let counts = self.shared.counts(way);
                assert_eq!(counts.overflowed, 0, "more waited than the relay holds: {counts:?}");
            }
        }
    }
}
