use std::collections::HashMap;

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::account::{Purpose, SecretHash, Verification};
use crate::clock::Timestamp;
use crate::store::{StoreError, VerificationStore};

/// Those of one purpose and subject lie together, oldest first.
#[derive(Debug, Default)]
pub(super) struct Verifications {
    waiting: HashMap<(Purpose, String), Vec<Verification>>,
}

impl Verifications {
    /// Removes those for which `gone` holds; returns how many.
    fn remove(&mut self, gone: impl Fn(&Verification) -> bool) -> u64 {
        let mut removed = 0;
        self.waiting.retain(|_, list| {
            let before = list.len();
            list.retain(|verification| !gone(verification));
            removed += before - list.len();
            !list.is_empty()
        });
        removed as u64
    }
}

#[async_trait]
impl VerificationStore for MemoryStore {
    async fn put_verification(
        &self,
        verification: &Verification,
        keep: usize,
    ) -> Result<(), StoreError> {
        let mut verifications = lock(&self.verifications);
        let key = (verification.purpose(), verification.subject());
        let list = verifications.waiting.entry(key).or_default();
        let surplus = (list.len() + 1).saturating_sub(keep.max(1));
        list.drain(..surplus);
        list.push(verification.clone());
        // Stable: among equals, the order in which they came.
        list.sort_by_key(|verification| verification.created_at);
        Ok(())
    }

    async fn verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        let verifications = lock(&self.verifications);
        let list = verifications.waiting.get(&(purpose, subject.to_owned()));
        let good = list.into_iter().flatten().rev().filter(|v| now < v.expires_at);
        Ok(good.cloned().collect())
    }

    async fn try_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        max_tries: u32,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        let mut verifications = lock(&self.verifications);
        let list = verifications.waiting.get_mut(&(purpose, subject.to_owned()));
        let mut tried = Vec::new();
        for verification in list.into_iter().flatten().rev() {
            if now < verification.expires_at && verification.tries < max_tries {
                verification.tries += 1;
                tried.push(verification.clone());
            }
        }
        Ok(tried)
    }

    async fn verification_by_link(
        &self,
        link: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<Verification>, StoreError> {
        let verifications = lock(&self.verifications);
        let mut all = verifications.waiting.values().flatten();
        let found = all.find(|v| v.link.as_ref() == Some(link) && now < v.expires_at);
        Ok(found.cloned())
    }

    async fn remove_verification(&self, id: &str) -> Result<bool, StoreError> {
        Ok(lock(&self.verifications).remove(|verification| verification.id == id) > 0)
    }

    async fn remove_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
    ) -> Result<(), StoreError> {
        lock(&self.verifications).waiting.remove(&(purpose, subject.to_owned()));
        Ok(())
    }

    async fn remove_expired_verifications(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(lock(&self.verifications).remove(|verification| verification.expires_at <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification_store_suite;

    verification_store_suite!(async || (MemoryStore::new(), ()));
}
