//! Cursors over the order of commits, in memory.

use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::id::Seq;
use crate::store::{HookCursor, HookStore, Run, StoreError};

#[async_trait]
impl HookStore for MemoryStore {
    async fn runs_from(&self, pos: u64, limit: u32) -> Result<Vec<Run>, StoreError> {
        let logs = lock(&self.logs);
        // Places count from 1.
        let first = usize::try_from(pos.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(logs.runs.iter().skip(first).take(limit as usize).cloned().collect())
    }

    async fn take_hook(
        &self,
        name: &str,
        _: &str,
        _: Duration,
    ) -> Result<Option<HookCursor>, StoreError> {
        let last = lock(&self.logs).runs.last().map_or((0, Seq::START), |run| (run.pos, run.last));
        let mut hooks = lock(&self.hooks);
        let start = HookCursor { pos: last.0, seq: last.1, end: None };
        Ok(Some(*hooks.entry(name.to_owned()).or_insert(start)))
    }

    async fn move_hook(
        &self,
        name: &str,
        _: &str,
        cursor: &HookCursor,
        _: Duration,
    ) -> Result<bool, StoreError> {
        Ok(lock(&self.hooks).insert(name.to_owned(), *cursor).is_some())
    }

    async fn free_hook(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;

    crate::hook_store_suite!(async || (MemoryStore::new(), ()));
}
