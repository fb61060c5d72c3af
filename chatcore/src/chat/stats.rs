//! What there is, in numbers, and what happened last.

use std::collections::HashMap;

use super::Caller;
use crate::error::{Error, Invalid};
use crate::id::RoomId;
use crate::log::{Body, Entry};

/// Runs looked through for one answer, so that rooms that the caller may not read cost a bounded time.
const RUNS: u32 = 20_000;
/// Runs fetched at once.
const RUNS_AT_ONCE: u32 = 500;
/// Entries of a run fetched at once.
const ENTRIES_AT_ONCE: u32 = 200;
/// The most that one answer lists.
const ENTRIES: u32 = 1_000;

/// Which part of what happened to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsQuery {
    /// Only what was committed before this place, as [`Stats::next`] gave it.
    pub before: Option<u64>,
    /// At most how many, from 1 to 1,000, which is the default.
    pub limit: Option<u32>,
}

/// Numbers of all that was ever made, and what happened last.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Rooms, deleted ones included.
    pub rooms: u64,
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Messages, entries and leavings in rooms that the caller may read, newest first.
    pub entries: Vec<Entry>,
    /// Where to go on; none if there is no more.
    pub next: Option<u64>,
}

impl Caller {
    /// Numbers, and what happened last in the rooms that the caller may read. The list ends with
    /// a whole [`Run`](crate::store::Run), so it can be that much longer than asked for.
    ///
    /// # Errors
    /// A limit of 0 or above 1,000; the store's.
    pub async fn stats(&self, query: StatsQuery) -> Result<Stats, Error> {
        let limit = query.limit.unwrap_or(ENTRIES);
        if !(1..=ENTRIES).contains(&limit) {
            return Err(Invalid::new("limit", format!("limit must be from 1 to {ENTRIES}")).into());
        }
        let limit = limit as usize;
        let store = self.chat().store();
        let counts = store.counts().await?;
        let mut readable: HashMap<RoomId, bool> = HashMap::new();
        let mut entries = Vec::new();
        let (mut before, mut seen) = (query.before, 0);
        loop {
            let runs = store.runs_before(before, RUNS_AT_ONCE).await?;
            let last_page = runs.len() < RUNS_AT_ONCE as usize;
            for run in runs {
                before = Some(run.pos);
                let open = match readable.get(&run.room) {
                    Some(open) => *open,
                    None => {
                        let open = match self.may_read(&run.room).await {
                            Ok(()) => true,
                            Err(Error::Rejected(_)) => false,
                            Err(other) => return Err(other),
                        };
                        readable.insert(run.room.clone(), open);
                        open
                    }
                };
                seen += 1;
                if open {
                    let mut shown = Vec::new();
                    let mut after = crate::id::Seq(run.first.0.saturating_sub(1));
                    while after < run.last {
                        let page = store.entries(&run.room, after, ENTRIES_AT_ONCE).await?;
                        let Some(end) = page.last().map(|entry| entry.seq) else { break };
                        after = end;
                        shown.extend(page.into_iter().filter(|e| e.seq <= run.last && listed(e)));
                    }
                    entries.extend(shown.into_iter().rev());
                }
                if entries.len() >= limit || seen >= RUNS {
                    return Ok(Stats {
                        rooms: counts.rooms,
                        messages: counts.messages,
                        entries,
                        next: before.filter(|pos| *pos > 1),
                    });
                }
            }
            if last_page {
                let (rooms, messages) = (counts.rooms, counts.messages);
                return Ok(Stats { rooms, messages, entries, next: None });
            }
        }
    }
}

fn listed(entry: &Entry) -> bool {
    matches!(entry.body, Body::Message { .. } | Body::Enter { .. } | Body::Leave {})
}
