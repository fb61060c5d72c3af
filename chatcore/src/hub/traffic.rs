//! What went through, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::Histogram;

/// Counts of what this node has told and written since it started.
#[derive(Debug)]
pub struct Traffic {
    entries: AtomicU64,
    deliveries: AtomicU64,
    gaps: AtomicU64,
    commit_times: Histogram,
    commit_sizes: Histogram,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            entries: AtomicU64::default(),
            deliveries: AtomicU64::default(),
            gaps: AtomicU64::default(),
            commit_times: Histogram::new(Histogram::TIMES),
            commit_sizes: Histogram::new(Histogram::BATCHES),
        }
    }
}

impl Traffic {
    /// Entries that were committed here, and told to whoever listened.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Events that were handed to connections, live and replayed ones alike.
    pub fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// Times that a connection was told that it has missed something of a room, and is to come again.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// How long commits took until they were durable, in microseconds.
    pub fn commit_times(&self) -> &Histogram {
        &self.commit_times
    }

    /// How many commands were committed together.
    pub fn commit_sizes(&self) -> &Histogram {
        &self.commit_sizes
    }

    pub(crate) fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, commands: usize, took: Duration) {
        self.commit_sizes.observe(commands as u64);
        self.commit_times.observe_time(took);
    }

    pub(super) fn published(&self, entries: usize) {
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    pub(crate) fn delivered(&self, events: u32) {
        // Most turns of a connection deliver nothing; those leave the shared line alone.
        if events > 0 {
            self.deliveries.fetch_add(events.into(), Ordering::Relaxed);
        }
    }
}
