//! A bus within one process, whose faults are as they are asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::{Bus, BusError, Following, Topic};

/// Hints that may wait for one who follows a topic; more are dropped.
const WAITING: usize = 1024;

/// What becomes of a hint on its way to one of those who follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It arrives.
    None,
    /// It is lost.
    Lose,
    /// It arrives twice.
    Double,
    /// It arrives behind the next one on its topic.
    Delay,
}

type Faults = Box<dyn Fn(&Topic) -> Fault + Send + Sync>;

/// Carries hints between chats of one process: for tests, of this library and of what is built on it.
#[derive(Default)]
pub struct MemoryBus {
    followers: Mutex<HashMap<Topic, Vec<Follower>>>,
    faults: Option<Faults>,
    down: AtomicBool,
    lost: Arc<AtomicU64>,
}

struct Follower {
    hints: mpsc::Sender<Bytes>,
    delayed: Vec<Bytes>,
}

impl std::fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBus").field("down", &self.down).finish_non_exhaustive()
    }
}

impl MemoryBus {
    /// A bus that `fault` is asked about for each hint and each who follows.
    pub fn with_faults(fault: impl Fn(&Topic) -> Fault + Send + Sync + 'static) -> Self {
        Self { faults: Some(Box::new(fault)), ..Self::default() }
    }

    /// Takes the bus down, or up again. While it is down it takes and delivers nothing.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Which topics someone follows now.
    pub fn followed(&self) -> Vec<Topic> {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|_, all| {
            all.retain(|follower| !follower.hints.is_closed());
            !all.is_empty()
        });
        followers.keys().cloned().collect()
    }
}

impl Follower {
    fn hand(&self, hint: Bytes, lost: &AtomicU64) {
        if self.hints.try_send(hint).is_err() {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn tell(&self, topic: &Topic, hint: Bytes) -> Result<(), BusError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(BusError::Unavailable);
        }
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(all) = followers.get_mut(topic) else { return Ok(()) };
        all.retain(|follower| !follower.hints.is_closed());
        for follower in all.iter_mut() {
            let fault = self.faults.as_ref().map_or(Fault::None, |fault| fault(topic));
            if fault == Fault::Delay {
                follower.delayed.push(hint.clone());
                continue;
            }
            let times = match fault {
                Fault::None | Fault::Delay => 1,
                Fault::Lose => 0,
                Fault::Double => 2,
            };
            for _ in 0..times {
                follower.hand(hint.clone(), &self.lost);
            }
            for late in std::mem::take(&mut follower.delayed) {
                follower.hand(late, &self.lost);
            }
        }
        if all.is_empty() {
            followers.remove(topic);
        }
        Ok(())
    }

    async fn follow(&self, topic: &Topic) -> Result<Following, BusError> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let follower = Follower { hints: sender, delayed: Vec::new() };
        followers.entry(topic.clone()).or_default().push(follower);
        let hints = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|hint| (hint, receiver))
        });
        Ok(hints.boxed())
    }

    fn largest(&self) -> usize {
        usize::MAX
    }

    fn is_up(&self) -> bool {
        !self.down.load(Ordering::SeqCst)
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
