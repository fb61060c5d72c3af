//! Searching in memory: every message is looked at.

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::log::Entry;
use crate::search::{Scope, Search};
use crate::store::{SearchPage, SearchStore, StoreError};

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search(&self, search: &Search) -> Result<SearchPage, StoreError> {
        let logs = lock(&self.logs);
        // The order of commits, from the newest on; a cursor counts what was gone through of it, from
        // the oldest.
        let mut place: u64 = logs.runs.iter().map(|run| run.last.0 - run.first.0 + 1).sum();
        let after = search.after.as_deref().and_then(|after| after.parse().ok());
        let mut page = SearchPage::default();
        for run in logs.runs.iter().rev() {
            let log = logs.rooms.get(&run.room).filter(|log| match &search.scope {
                Scope::Joined(user) => log.members.get(user).is_some_and(|m| m.joined()),
                Scope::Rooms(rooms) => rooms.contains(&log.room.id),
            });
            for seq in (run.first.0..=run.last.0).rev() {
                let at = place;
                place -= 1;
                if after.is_some_and(|after: u64| at >= after) {
                    continue;
                }
                let found = log
                    .filter(|log| seq > log.floor().0)
                    .and_then(|log| log.entry(crate::id::Seq(seq)))
                    .filter(|entry: &&Entry| search.finds(entry));
                let Some(entry) = found else { continue };
                page.found.push(entry.clone());
                if page.found.len() >= search.limit as usize {
                    page.next = Some(at.to_string());
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    async fn file(&self, _limit: u32) -> Result<u32, StoreError> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::search_store_suite!(async || (MemoryStore::new(), ()));
}
