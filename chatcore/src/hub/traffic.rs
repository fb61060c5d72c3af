//! What went through, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of what this node has told since it started.
#[derive(Debug, Default)]
pub struct Traffic {
    entries: AtomicU64,
    deliveries: AtomicU64,
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
