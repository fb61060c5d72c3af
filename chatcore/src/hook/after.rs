//! What the host is told once it is durable.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Random;
use crate::id::{Epoch, Seq, hash_parts, random_string};
use crate::log::Entry;
use crate::store::{HookCursor, Store, StoreError};

/// For how long a node has a hook, unless it says that it still has it.
const LEASE: Duration = Duration::from_secs(15);
/// How often a node says so, and how often the others ask.
const RENEW: Duration = Duration::from_secs(5);
/// How often the order of commits is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How long a hook may take for a batch.
const DEADLINE: Duration = Duration::from_secs(60);
/// The first wait after a failure, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(300));
/// Entries of one batch.
const ENTRIES: u64 = 128;
/// Bytes of one batch as JSON; one entry may be more.
const BYTES: usize = 512 * 1024;
/// Runs that are read at once.
const RUNS: u32 = 64;

/// Why a hook could not do its work; it is told of the same batch again.
pub type HookFault = Box<dyn std::error::Error + Send + Sync>;

/// A [`HookFault`] that says how long to wait before the batch comes again.
///
/// The wait is not shorter than without it, and not longer than the five minutes that waits grow to
/// anyway.
#[derive(Debug, thiserror::Error)]
#[error("{why}; it asks for {} s of patience", .after.as_secs())]
pub struct NotBefore {
    after: Duration,
    #[source]
    why: HookFault,
}

impl NotBefore {
    /// Because of `why`, the batch is to come again after `after`.
    pub fn new(after: Duration, why: impl Into<HookFault>) -> Self {
        Self { after, why: why.into() }
    }
}

/// Entries that were committed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Their name: the same whenever they are told again.
    pub id: String,
    /// The entries, those of a room in its order. A message stands in the form that it has now: one
    /// that was edited meanwhile is told as edited.
    pub entries: Vec<Entry>,
}

/// Is told of every entry once it is durable.
///
/// # Contract
/// - At least once: how far it has come is kept in the store, by the name it was registered under, and
///   moves on when [`committed`](Self::committed) returns `Ok`. After a crash, or if another node takes over, the
///   last batch may come again, with the same id and the same entries.
/// - In the order of commits; so within a room in its order. The next batch is told only when the
///   one before is done.
/// - A batch that fails comes again, after waits that grow to five minutes, for ever. It holds up nothing but
///   this hook.
/// - What was committed before a name was first registered is not told. Entries that were removed from the
///   log before they were told are left out.
#[async_trait]
pub trait AfterCommit: fmt::Debug + Send + Sync + 'static {
    /// Does its work on a batch, within a minute.
    ///
    /// # Errors
    /// Whatever makes it worth trying again; as [`NotBefore`] if it is known when.
    async fn committed(&self, batch: &Committed) -> Result<(), HookFault>;
}

/// Tells one hook.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) hook: Arc<dyn AfterCommit>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) epoch: Epoch,
    /// Who has it, of the nodes.
    pub(crate) holder: String,
}

/// Why telling stopped.
enum Stop {
    /// Another node has it now.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Runner {
    /// A name for this node.
    pub(crate) fn holder(random: &dyn Random) -> String {
        random_string::<12>(random)
    }

    /// Tells the hook of all that is committed, for ever.
    pub(crate) async fn run(self) {
        let mut failures = 0;
        loop {
            let cursor = self.store.take_hook(&self.name, &self.holder, LEASE).await;
            let stopped = match cursor {
                Ok(Some(cursor)) => self.tell(cursor, &mut failures).await,
                Ok(None) => Stop::Lost,
                Err(error) => Stop::Store(error),
            };
            match stopped {
                Stop::Lost => sleep(self.jitter(RENEW)).await,
                Stop::Store(error) => {
                    tracing::warn!(hook = self.name, %error, "a hook waits for the store");
                    sleep(self.backoff(&mut failures)).await;
                }
            }
        }
    }

    /// Tells until another node has it, or the store fails.
    async fn tell(&self, mut cursor: HookCursor, failures: &mut u32) -> Stop {
        let mut held = Instant::now();
        loop {
            match self.step(&mut cursor, failures).await {
                Ok(true) => held = Instant::now(),
                Ok(false) if held.elapsed() < RENEW => sleep(POLL).await,
                Ok(false) => match self.hold_at(&cursor).await {
                    Ok(()) => held = Instant::now(),
                    Err(stop) => return stop,
                },
                Err(stop) => return stop,
            }
        }
    }

    /// Tells the next batch; whether there was one.
    async fn step(&self, cursor: &mut HookCursor, failures: &mut u32) -> Result<bool, Stop> {
        let Some((end, entries)) = self.next(cursor).await? else { return Ok(false) };
        if !entries.is_empty() {
            if cursor.end.is_none() {
                // What is told is fixed before it is told, so that it is the same the next time.
                cursor.end = Some(end);
                self.hold_at(cursor).await?;
            }
            let batch = Committed { id: self.id(cursor, end), entries };
            while let Err(why) = self.holding(cursor, self.attempt(&batch)).await? {
                let asked =
                    why.downcast_ref().map_or(Duration::ZERO, |late: &NotBefore| late.after);
                let pause = self.backoff(failures).max(asked.min(BACKOFF.1));
                tracing::warn!(hook = self.name, batch = batch.id, ?pause, "a hook failed: {why}");
                self.holding(cursor, sleep(pause)).await?;
            }
        }
        *failures = 0;
        *cursor = HookCursor { pos: end.0, seq: end.1, end: None };
        self.hold_at(cursor).await?;
        Ok(true)
    }

    async fn attempt(&self, batch: &Committed) -> Result<(), HookFault> {
        let work = AssertUnwindSafe(async { self.hook.committed(batch).await }).catch_unwind();
        match timeout(DEADLINE, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_panic)) => Err("it panicked".into()),
            Err(_) => Err("it took too long".into()),
        }
    }

    /// Waits for `work`, and says now and then that this node still has the hook.
    async fn holding<T>(
        &self,
        cursor: &HookCursor,
        work: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            match timeout(RENEW, &mut work).await {
                Ok(done) => return Ok(done),
                Err(_) => self.hold_at(cursor).await?,
            }
        }
    }

    /// Keeps how far it has come, and has the hook for another while.
    async fn hold_at(&self, cursor: &HookCursor) -> Result<(), Stop> {
        let held = self.store.move_hook(&self.name, &self.holder, cursor, LEASE).await?;
        if held { Ok(()) } else { Err(Stop::Lost) }
    }

    /// The entries that come next, up to where they end in the order of commits; none if there are none.
    async fn next(
        &self,
        cursor: &HookCursor,
    ) -> Result<Option<((u64, Seq), Vec<Entry>)>, StoreError> {
        let (mut entries, mut end) = (Vec::new(), None);
        let (mut places, mut bytes) = (0, 0);
        let mut from = cursor.pos;
        'runs: loop {
            let runs = self.store.runs_from(from, RUNS).await?;
            let last = runs.last().map(|run| run.pos);
            for run in runs {
                let first = Seq(run.first.0.saturating_sub(1));
                let after = if run.pos == cursor.pos { cursor.seq.max(first) } else { first };
                let to = match cursor.end {
                    Some((pos, _)) if run.pos > pos => break 'runs,
                    Some((pos, seq)) if run.pos == pos => seq,
                    Some(_) => run.last,
                    None => run.last.min(Seq(after.0 + ENTRIES - places)),
                };
                if to <= after {
                    continue;
                }
                let limit = u32::try_from(to.0 - after.0).unwrap_or(u32::MAX);
                for entry in self.store.entries(&run.room, after, limit).await? {
                    if entry.seq > to {
                        break;
                    }
                    bytes += serde_json::to_string(&entry).map_or(0, |json| json.len());
                    if cursor.end.is_none() && bytes > BYTES && !entries.is_empty() {
                        break 'runs;
                    }
                    end = Some((run.pos, entry.seq));
                    entries.push(entry);
                }
                end = Some((run.pos, to));
                places += to.0 - after.0;
                if cursor.end.is_none() && places >= ENTRIES {
                    break 'runs;
                }
            }
            match (last, cursor.end) {
                // What was fixed before reaches further than one page of runs.
                (Some(last), Some((pos, _))) if last < pos && last > from => from = last + 1,
                _ => break,
            }
        }
        Ok(cursor.end.or(end).map(|end| (end, entries)))
    }

    /// The name of the batch from `cursor` to `end`.
    fn id(&self, cursor: &HookCursor, end: (u64, Seq)) -> String {
        let places = [cursor.pos, cursor.seq.0, end.0, end.1.0].map(u64::to_be_bytes).concat();
        let parts = [self.epoch.as_str().as_bytes(), self.name.as_bytes(), &places];
        let hash = hash_parts(&parts);
        let digits = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("msg_{}", digits.collect::<String>())
    }

    /// The next wait after one more failure: up to twice as long as the one before.
    fn backoff(&self, failures: &mut u32) -> Duration {
        *failures = failures.saturating_add(1);
        let most = BACKOFF.0.saturating_mul(1 << (*failures - 1).min(16)).min(BACKOFF.1);
        self.jitter(most)
    }

    /// Between half of `most` and all of it.
    fn jitter(&self, most: Duration) -> Duration {
        let mut dice = [0; 4];
        self.random.fill(&mut dice);
        most.mul_f64(0.5 + f64::from(u32::from_le_bytes(dice)) / f64::from(u32::MAX) / 2.0)
    }
}
