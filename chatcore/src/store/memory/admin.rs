//! Admins, and what they count, in memory.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{AdminStore, Day, Numbers, StoreError};

/// Who is an admin, and messages by day.
#[derive(Debug, Default)]
pub(super) struct Admins {
    users: BTreeSet<UserId>,
    days: BTreeMap<u32, u64>,
}

#[async_trait]
impl AdminStore for MemoryStore {
    async fn add_admin(&self, user: &UserId, _at: Timestamp) -> Result<bool, StoreError> {
        Ok(lock(&self.admins).users.insert(user.clone()))
    }

    async fn remove_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(lock(&self.admins).users.remove(user))
    }

    async fn is_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(lock(&self.admins).users.contains(user))
    }

    async fn find_accounts(
        &self,
        name: &str,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let wanted = name.to_ascii_lowercase();
        let holds = |text: &str| text.to_ascii_lowercase().contains(&wanted);
        let mut found = lock(&self.accounts).living_accounts();
        found.retain(|account| {
            after.is_none_or(|after| account.id > *after)
                && (account.id.as_str() == name
                    || account.handle.as_ref().is_some_and(|handle| holds(handle.as_str()))
                    || account.email.as_ref().is_some_and(|email| holds(email.as_str()))
                    || holds(account.display_name.as_str()))
        });
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn numbers(&self, now: Timestamp) -> Result<Numbers, StoreError> {
        let logs = lock(&self.logs);
        let rooms = logs.rooms.values().filter(|log| log.room.deleted_at.is_none()).count();
        drop(logs);
        Ok(Numbers {
            rooms: rooms as u64,
            users: lock(&self.accounts).living_accounts().len() as u64,
            sessions: lock(&self.sessions).live(now),
            file_bytes: lock(&self.attachments).bytes(),
            store_bytes: 0,
        })
    }

    async fn keep_day(&self, day: Day) -> Result<(), StoreError> {
        lock(&self.admins).days.insert(day.day, day.messages);
        Ok(())
    }

    async fn days(&self, limit: u32) -> Result<Vec<Day>, StoreError> {
        let admins = lock(&self.admins);
        let days = admins.days.iter().rev().take(limit as usize);
        Ok(days.map(|(day, messages)| Day { day: *day, messages: *messages }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::admin_store_suite!(async || (MemoryStore::new(), ()));
}
