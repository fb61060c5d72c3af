//! Packets from one device to the other, as late as asked for, or not at all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

use super::host::NAMESPACE;
use super::nat::{self, Side};
use super::{CLIENT, Conditions, Rate, SERVER, Way};
use crate::PATIENCE;

/// Packets that may be on their way, each way.
pub const MOST_WAITING: usize = 20_000;
/// Longer than any packet that a device hands out.
const LONGEST: usize = 65_536;
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// What became of the packets that went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the other side.
    pub passed: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Dropped before a narrow line, whose queue was full.
    pub crowded_out: u64,
    /// Lost to a blackout.
    pub blacked_out: u64,
    /// Sent to an address that the client has no more.
    pub misdirected: u64,
    /// Dropped as too many were on their way: the laboratory is too small for the test.
    pub overflowed: u64,
}

/// What a test sets and reads, and the relay reads and writes.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    stop: Notify,
}

#[derive(Debug)]
struct State {
    conditions: Conditions,
    blackout: bool,
    /// Where the server sees the client.
    seen_at: Ipv4Addr,
    counts: [Counts; 2],
}

impl Default for Shared {
    fn default() -> Self {
        let state = State {
            conditions: Conditions::default(),
            blackout: false,
            seen_at: CLIENT,
            counts: Default::default(),
        };
        Self { state: Mutex::new(state), stop: Notify::new() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, conditions: Conditions) {
        self.state().conditions = conditions;
    }

    pub(super) fn black_out(&self, on: bool) {
        self.state().blackout = on;
    }

    pub(super) fn readdress(&self) -> Ipv4Addr {
        let mut state = self.state();
        let [a, b, c, d] = state.seen_at.octets();
        assert!(d < 254, "a subnet has no more addresses than this");
        state.seen_at = Ipv4Addr::new(a, b, c, d + 1);
        state.seen_at
    }

    pub(super) fn counts(&self, way: Way) -> Counts {
        self.state().counts[way as usize]
    }

    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }
}

/// Starts the relay between two new namespaces: the server's, and the client's.
pub(super) fn start(shared: Arc<Shared>, seed: u64) -> io::Result<(JoinHandle<()>, [File; 2])> {
    let (say, said) = mpsc::channel();
    // A thread of its own: it stays in the namespace that it made last, and nobody keeps it waiting.
    let relay = std::thread::Builder::new().name("relay".into()).spawn(move || {
        let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let made = made.and_then(|runtime| {
            let within = runtime.enter();
            let (server, up) = device(SERVER)?;
            let (client, down) = device(CLIENT)?;
            drop(within);
            Ok((runtime, [server, client], up, down))
        });
        match made {
            Ok((runtime, namespaces, server, client)) => {
                // Whoever opened it has given up if it is not there any more.
                if say.send(Ok(namespaces)).is_ok() {
                    runtime.block_on(relay(&shared, &server, &client, seed));
                }
            }
            Err(error) => drop(say.send(Err(error))),
        }
    })?;
    let namespaces = said.recv_timeout(PATIENCE).map_err(io::Error::other)??;
    Ok((relay, namespaces))
}

/// A namespace, and a device in it that has this address. The calling thread is there afterwards.
fn device(address: Ipv4Addr) -> io::Result<(File, Tun)> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let namespace = File::open(NAMESPACE)?;
    let mut made = Tun::builder()
        .name("lab")
        .address(address)
        .netmask(MASK)
        .up()
        .build()
        .map_err(|error| io::Error::other(format!("no TUN device: {error}")))?;
    Ok((namespace, made.pop().expect("one was asked for")))
}

async fn relay(shared: &Shared, server: &Tun, client: &Tun, seed: u64) {
    let up = Lane::new(Way::Up, shared, seed).carry(client, server);
    let down = Lane::new(Way::Down, shared, !seed).carry(server, client);
    tokio::select! {
        never = async { tokio::try_join!(up, down) } => {
            never.expect("the devices are there as long as the relay");
        }
        () = shared.stop.notified() => {}
    }
}

/// One way.
struct Lane<'a> {
    way: Way,
    shared: &'a Shared,
    chance: fastrand::Rng,
    waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    number: u64,
    /// When the last that is not late arrives.
    last: Instant,
    /// Until when a narrow line is taken.
    taken: Instant,
}

impl<'a> Lane<'a> {
    fn new(way: Way, shared: &'a Shared, seed: u64) -> Self {
        Self {
            way,
            shared,
            chance: fastrand::Rng::with_seed(seed),
            waiting: BinaryHeap::new(),
            number: 0,
            last: Instant::now(),
            taken: Instant::now(),
        }
    }

    async fn carry(mut self, from: &Tun, to: &Tun) -> io::Result<std::convert::Infallible> {
        let mut buffer = vec![0; LONGEST];
        loop {
            let next = self.waiting.peek().map(|Reverse((due, ..))| *due);
            let due = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = from.recv(&mut buffer) => {
                    let length = received?;
                    self.take(&buffer[..length]);
                }
                () = due => {}
            }
            while let Some(packet) = self.next_due() {
                if let Some(packet) = self.deliver(packet) {
                    to.send(&packet).await?;
                }
            }
        }
    }

    /// A packet sets out.
    fn take(&mut self, packet: &[u8]) {
        // The rest is the systems' talk among neighbours.
        if !nat::is_v4(packet) {
            return;
        }
        let mut state = self.shared.state();
        let seen_at = state.seen_at;
        let Conditions { delay, loss, late: (share, by), rate } = state.conditions;
        // Thrown for every packet, so that what happens to one does not change the throws for others.
        let (lost, late) = (self.chance.f64() < loss, self.chance.f64() < share);
        let counts = &mut state.counts[self.way as usize];
        if lost {
            counts.lost += 1;
            return;
        }
        if self.waiting.len() >= MOST_WAITING {
            counts.overflowed += 1;
            return;
        }
        let mut packet = packet.to_vec();
        if self.way == Way::Up && nat::address(&packet, Side::From) == CLIENT {
            nat::rewrite(&mut packet, Side::From, seen_at);
        }
        let mut arrives = Instant::now() + delay;
        if let Some(Rate { bytes, queue }) = rate {
            let now = Instant::now();
            let starts = self.taken.max(now);
            if (starts - now).as_secs_f64() * f64::from(bytes) > f64::from(queue) {
                counts.crowded_out += 1;
                return;
            }
            self.taken = starts + Duration::from_secs_f64(packet.len() as f64 / f64::from(bytes));
            arrives = self.taken + delay;
        }
        let due = if late {
            arrives + by
        } else {
            self.last = self.last.max(arrives);
            self.last
        };
        self.number += 1;
        self.waiting.push(Reverse((due, self.number, packet)));
    }

    fn next_due(&mut self) -> Option<Vec<u8>> {
        let Reverse((due, ..)) = self.waiting.peek()?;
        if *due > Instant::now() {
            return None;
        }
        self.waiting.pop().map(|Reverse((.., packet))| packet)
    }

    /// A packet arrives, if it does.
    fn deliver(&self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let mut state = self.shared.state();
        let (blackout, seen_at) = (state.blackout, state.seen_at);
        let counts = &mut state.counts[self.way as usize];
        if blackout {
            counts.blacked_out += 1;
            return None;
        }
        if self.way == Way::Down {
            if nat::address(&packet, Side::To) != seen_at {
                counts.misdirected += 1;
                return None;
            }
            nat::rewrite(&mut packet, Side::To, CLIENT);
        }
        counts.passed += 1;
        counts.bytes += packet.len() as u64;
        Some(packet)
    }
}
