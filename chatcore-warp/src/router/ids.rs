//! Ids of requests, for logs.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives ids that do not come again and cannot be counted from outside.
#[derive(Debug, Default)]
pub(super) struct RequestIds {
    next: AtomicU64,
    keys: RandomState,
}

impl RequestIds {
    pub(super) fn next(&self) -> Arc<str> {
        // SipHash under random keys: distinct inputs, no order to be seen in the outputs.
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}", self.keys.hash_one(n)).into()
    }
}
