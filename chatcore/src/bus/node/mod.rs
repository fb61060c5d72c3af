//! This node among others: what it tells, what it follows, and what it makes of what it hears.

mod catch_up;
mod hearing;
mod interest;
mod others;
mod poll;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use super::hint::{From, Hint};
use super::{Bus, Topic};
use crate::account::Accounts;
use crate::clock::{Random, SystemRandom};
use crate::hub::{Calls, Hub};
use crate::id::{Epoch, RoomId, random_string};
use crate::store::Store;
use interest::Interest;
use others::Others;

/// Hints that may wait to be told; more are dropped.
const WAITING: usize = 4 * 1024;

/// The longest hint that is told, whatever the bus would take: longer entries are better read from the
/// log, by those who want them.
const LARGEST: usize = 128 * 1024;

/// Rooms whose log is read at the same time.
const READING: usize = 16;

/// How long the last hints may take at a shutdown.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What went over the bus, in numbers, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Whether the bus is connected, as far as is known.
    pub up: bool,
    /// Topics that are followed.
    pub topics: usize,
    /// Hints that were told.
    pub told: u64,
    /// Hints that could not be told: the bus was down, or too slow.
    pub unsaid: u64,
    /// Hints that were heard.
    pub heard: u64,
    /// Hints that were dropped on their way in, because this node was too slow.
    pub lost: u64,
    /// Hints that say nothing here: of another version, another store, or damaged.
    pub unreadable: u64,
    /// Times that a room's log was read because hints had not brought what it holds.
    pub read: u64,
    /// Times that the store could not be asked.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    told: AtomicU64,
    unsaid: AtomicU64,
    heard: AtomicU64,
    unreadable: AtomicU64,
    read: AtomicU64,
    failed: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct NodeParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) epoch: Epoch,
    pub(crate) accounts: Accounts,
    /// Whether sessions are those of `accounts`, so that the store knows which of them live.
    pub(crate) own_sessions: bool,
}

/// This node among others.
#[derive(Debug)]
pub(crate) struct Node {
    parts: NodeParts,
    me: From,
    out: mpsc::Sender<(Topic, Hint)>,
    interests: Mutex<HashMap<Topic, Interest>>,
    /// Rooms whose log is being read, and whether there is a reason to read it once more.
    reading: Mutex<HashMap<RoomId, bool>>,
    permits: Semaphore,
    others: Mutex<Others>,
    counts: Counts,
}

/// What runs for a node, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    node: Arc<Node>,
    tasks: Vec<AbortHandle>,
    telling: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    /// Starts to tell, to follow and to ask, on the current tokio runtime.
    pub(crate) fn start(parts: NodeParts) -> Running {
        // Who is who among nodes is no matter of the host's: two must never be taken for one.
        let me = From { node: random_string::<9>(&SystemRandom), epoch: parts.epoch.clone() };
        let (out, hints) = mpsc::channel(WAITING);
        let node = Arc::new(Self {
            parts,
            me,
            out,
            interests: Mutex::default(),
            reading: Mutex::default(),
            permits: Semaphore::new(READING),
            others: Mutex::default(),
            counts: Counts::default(),
        });
        node.follow(Topic::Sessions);
        let telling = tokio::spawn(Arc::clone(&node).tell_all(hints));
        let tasks = vec![
            tokio::spawn(Arc::clone(&node).attend()).abort_handle(),
            tokio::spawn(Arc::clone(&node).watch_rooms()).abort_handle(),
            tokio::spawn(Arc::clone(&node).watch_sessions()).abort_handle(),
            telling.abort_handle(),
        ];
        Running { node, tasks, telling: Some(telling).into() }
    }

    /// The numbers.
    pub(crate) fn report(&self) -> Report {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            up: self.parts.bus.is_up(),
            topics: lock(&self.interests).len(),
            told: of(&self.counts.told),
            unsaid: of(&self.counts.unsaid),
            heard: of(&self.counts.heard),
            lost: self.parts.bus.lost(),
            unreadable: of(&self.counts.unreadable),
            read: of(&self.counts.read),
            failed: of(&self.counts.failed),
        }
    }

    /// Does what the hub asks for, for ever.
    async fn attend(self: Arc<Self>) {
        loop {
            let asked = self.parts.calls.next().await;
            let node = Arc::clone(&self);
            guarded("attending to rooms", async move {
                for room in asked.rooms {
                    node.changed(Topic::Room(room));
                }
                for part in asked.shards {
                    node.changed(Topic::People(part));
                }
                for room in asked.behind {
                    node.catch_up(room);
                }
                for room in asked.presence {
                    node.tell_presence(&room);
                }
            })
            .await;
        }
    }
}

impl Running {
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Lets what waits be told, within reason, and says no more.
    pub(crate) async fn finish(&self) {
        let telling = lock(&self.telling).take();
        if let Some(telling) = telling {
            self.node.say_no_more();
            if tokio::time::timeout(LAST_WORDS, telling).await.is_err() {
                tracing::warn!("the last hints were not told in time; other nodes read the log");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        lock(&self.node.interests).clear();
    }
}

/// Work that goes on after a panic, which is told.
async fn guarded(what: &'static str, work: impl Future<Output = ()>) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        tracing::error!("{what} panicked; going on");
    }
}

/// A time of about `middle`: up to a tenth more or less, so that nodes do not ask in step.
fn about(middle: Duration) -> Duration {
    let mut byte = [0];
    SystemRandom.fill(&mut byte);
    middle.mul_f64(0.9 + 0.2 * f64::from(byte[0]) / 255.0)
}
