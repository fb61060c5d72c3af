use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::account::{
    Account, AccountRecord, DisplayName, Email, NameKey, NameKind, PasswordHash, ProfileChange,
};
use crate::id::UserId;
use crate::store::{AccountStore, Naming, StoreError};

#[derive(Debug, Default)]
pub(super) struct Accounts {
    records: HashMap<UserId, AccountRecord>,
    names: HashMap<NameKey, UserId>,
    erased: HashSet<UserId>,
}

impl Accounts {
    /// All that were not erased.
    pub(super) fn living_accounts(&self) -> Vec<Account> {
        let living =
            self.records.values().filter(|record| !self.erased.contains(&record.account.id));
        living.map(|record| record.account.clone()).collect()
    }

    /// The account, if it can still be changed.
    fn living(&mut self, user: &UserId) -> Option<&mut AccountRecord> {
        self.records.get_mut(user).filter(|_| !self.erased.contains(user))
    }

    /// The kinds of those keys that someone other than `user` holds, each once and in order.
    fn taken(&self, keys: &[NameKey], user: &UserId) -> Vec<NameKind> {
        let held = |key: &&NameKey| self.names.get(*key).is_some_and(|holder| holder != user);
        let mut kinds: Vec<_> = keys.iter().filter(held).map(|key| key.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create_account(&self, record: &AccountRecord) -> Result<Naming, StoreError> {
        let mut accounts = lock(&self.accounts);
        let (user, keys) = (&record.account.id, record.account.keys());
        if accounts.records.contains_key(user) {
            return Err(StoreError::Corrupt("an account's id came up twice".into()));
        }
        let mut wanted = record.account.retired_keys();
        wanted.extend_from_slice(&keys);
        let taken = accounts.taken(&wanted, user);
        if !taken.is_empty() {
            return Ok(Naming::Taken(taken));
        }
        accounts.names.extend(keys.into_iter().map(|key| (key, user.clone())));
        accounts.records.insert(user.clone(), record.clone());
        Ok(Naming::Done)
    }

    async fn account(&self, user: &UserId) -> Result<Option<AccountRecord>, StoreError> {
        Ok(lock(&self.accounts).records.get(user).cloned())
    }

    async fn account_by_name(&self, key: &NameKey) -> Result<Option<AccountRecord>, StoreError> {
        let accounts = lock(&self.accounts);
        let holder = accounts.names.get(key);
        Ok(holder.and_then(|user| accounts.records.get(user)).cloned())
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, StoreError> {
        let accounts = lock(&self.accounts);
        let mut users: Vec<_> = users.iter().collect();
        users.sort_unstable();
        users.dedup();
        let found = users.into_iter().filter_map(|user| accounts.records.get(user));
        Ok(found.map(|record| record.account.clone()).collect())
    }

    async fn change_profile(
        &self,
        user: &UserId,
        change: &ProfileChange,
    ) -> Result<Option<Account>, StoreError> {
        let mut accounts = lock(&self.accounts);
        let Some(record) = accounts.living(user) else { return Ok(None) };
        if let Some(name) = &change.display_name {
            record.account.display_name = name.clone();
        }
        if let Some(avatar) = &change.avatar {
            record.account.avatar = avatar.clone();
        }
        Ok(Some(record.account.clone()))
    }

    async fn set_email(&self, user: &UserId, email: &Email) -> Result<Naming, StoreError> {
        let mut accounts = lock(&self.accounts);
        if accounts.living(user).is_none() {
            return Ok(Naming::NoSuchAccount);
        }
        let taken = accounts.taken(&[email.key()], user);
        if !taken.is_empty() {
            return Ok(Naming::Taken(taken));
        }
        let Accounts { records, names, .. } = &mut *accounts;
        if let Some(record) = records.get_mut(user) {
            if let Some(old) = record.account.email.replace(email.clone()) {
                names.remove(&old.key());
            }
            names.insert(email.key(), user.clone());
        }
        Ok(Naming::Done)
    }

    async fn set_password(
        &self,
        user: &UserId,
        expected: u64,
        password: &PasswordHash,
        renew: bool,
    ) -> Result<bool, StoreError> {
        let mut accounts = lock(&self.accounts);
        let record = accounts.living(user);
        let Some(record) = record.filter(|record| record.generation == expected) else {
            return Ok(false);
        };
        record.password = password.clone();
        record.generation += u64::from(renew);
        Ok(true)
    }

    async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<bool, StoreError> {
        let mut accounts = lock(&self.accounts);
        let Some(record) = accounts.living(user) else { return Ok(false) };
        record.account.disabled = disabled;
        record.generation += 1;
        Ok(true)
    }

    async fn erase_account(&self, user: &UserId, shown: &DisplayName) -> Result<bool, StoreError> {
        let mut accounts = lock(&self.accounts);
        let Some(record) = accounts.living(user) else { return Ok(false) };
        let (keys, retired) = (record.account.keys(), record.account.retired_keys());
        record.account = Account {
            id: user.clone(),
            handle: None,
            email: None,
            display_name: shown.clone(),
            external_id: None,
            avatar: None,
            created_at: record.account.created_at,
            disabled: true,
        };
        record.password = PasswordHash::none();
        record.generation += 1;
        keys.iter().for_each(|key| drop(accounts.names.remove(key)));
        accounts.names.extend(retired.into_iter().map(|key| (key, user.clone())));
        accounts.erased.insert(user.clone());
        Ok(true)
    }

    async fn count_accounts(&self) -> Result<u64, StoreError> {
        Ok(lock(&self.accounts).records.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account_store_suite;

    account_store_suite!(async || (MemoryStore::new(), ()));
}
