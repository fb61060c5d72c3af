use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::account::{SecretHash, SessionRecord, Ticket};
use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};
use crate::store::{SessionStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct Sessions {
    records: HashMap<SessionId, SessionRecord>,
    /// In the order in which they were made.
    by_user: HashMap<UserId, Vec<SessionId>>,
    tickets: HashMap<SecretHash, Ticket>,
    /// In the order in which they were made.
    by_session: HashMap<SessionId, Vec<SecretHash>>,
}

impl Sessions {
    fn remove(&mut self, id: &SessionId) -> bool {
        let Some(record) = self.records.remove(id) else { return false };
        let user = &record.session.user;
        if let Some(ids) = self.by_user.get_mut(user) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_user.remove(user);
            }
        }
        for hash in self.by_session.remove(id).unwrap_or_default() {
            self.tickets.remove(&hash);
        }
        true
    }

    fn remove_ticket(&mut self, hash: &SecretHash) -> Option<Ticket> {
        let ticket = self.tickets.remove(hash)?;
        if let Some(hashes) = self.by_session.get_mut(&ticket.session) {
            hashes.retain(|other| other != hash);
        }
        Some(ticket)
    }

    /// Newest first.
    fn of(&self, user: &UserId) -> Vec<SessionRecord> {
        let ids = self.by_user.get(user).map(Vec::as_slice).unwrap_or_default();
        let mut records: Vec<_> =
            ids.iter().rev().filter_map(|id| self.records.get(id)).cloned().collect();
        records.sort_by_key(|record| Reverse(record.session.created_at));
        records
    }
}

impl Sessions {
    /// How many have not expired.
    pub(super) fn live(&self, now: Timestamp) -> u64 {
        self.records.values().filter(|record| now < record.session.expires_at).count() as u64
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create_session(
        &self,
        record: &SessionRecord,
        keep: usize,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut sessions = lock(&self.sessions);
        let (id, user) = (&record.session.id, &record.session.user);
        let older = sessions.of(user).into_iter().skip(keep.saturating_sub(1));
        let removed: Vec<_> = older.map(|record| record.session.id).collect();
        for id in &removed {
            sessions.remove(id);
        }
        sessions.by_user.entry(user.clone()).or_default().push(id.clone());
        sessions.records.insert(id.clone(), record.clone());
        Ok(removed)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        Ok(lock(&self.sessions).records.get(id).cloned())
    }

    async fn live_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let sessions = lock(&self.sessions);
        let ids: HashSet<_> = ids.iter().collect();
        Ok(ids.into_iter().filter(|id| sessions.records.contains_key(id)).cloned().collect())
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(lock(&self.sessions).of(user))
    }

    async fn renew_session(
        &self,
        id: &SessionId,
        renewed_at: Timestamp,
        expires_at: Timestamp,
        refresh: Option<(&SecretHash, &SecretHash)>,
    ) -> Result<bool, StoreError> {
        let mut sessions = lock(&self.sessions);
        let Some(record) = sessions.records.get_mut(id) else { return Ok(false) };
        if let Some((expected, next)) = refresh {
            if record.refresh != *expected {
                return Ok(false);
            }
            record.refresh = next.clone();
        }
        record.session.renewed_at = renewed_at;
        record.session.expires_at = expires_at;
        Ok(true)
    }

    async fn remove_session(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        let mut sessions = lock(&self.sessions);
        let theirs = sessions.records.get(id).is_some_and(|record| record.session.user == *user);
        Ok(theirs && sessions.remove(id))
    }

    async fn remove_sessions(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut sessions = lock(&self.sessions);
        let ids = sessions.by_user.get(user).cloned().unwrap_or_default();
        let removed: Vec<_> = ids.into_iter().filter(|id| Some(id) != except).collect();
        for id in &removed {
            sessions.remove(id);
        }
        Ok(removed)
    }

    async fn put_ticket(&self, ticket: &Ticket, keep: usize) -> Result<bool, StoreError> {
        let mut sessions = lock(&self.sessions);
        if !sessions.records.contains_key(&ticket.session) {
            return Ok(false);
        }
        let hashes = sessions.by_session.entry(ticket.session.clone()).or_default();
        let surplus = (hashes.len() + 1).saturating_sub(keep.max(1));
        let dropped: Vec<_> = hashes.drain(..surplus).collect();
        hashes.push(ticket.hash.clone());
        for hash in dropped {
            sessions.tickets.remove(&hash);
        }
        sessions.tickets.insert(ticket.hash.clone(), ticket.clone());
        Ok(true)
    }

    async fn ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        Ok(lock(&self.sessions).tickets.get(hash).cloned())
    }

    async fn take_ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        Ok(lock(&self.sessions).remove_ticket(hash))
    }

    async fn remove_expired_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut sessions = lock(&self.sessions);
        let tickets = sessions.tickets.values().filter(|ticket| ticket.expires_at <= now);
        let tickets: Vec<_> = tickets.map(|ticket| ticket.hash.clone()).collect();
        for hash in &tickets {
            sessions.remove_ticket(hash);
        }
        let expired = sessions.records.values().filter(|r| r.session.expires_at <= now);
        let expired: Vec<_> = expired.map(|record| record.session.id.clone()).collect();
        for id in &expired {
            sessions.remove(id);
        }
        Ok((tickets.len() + expired.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_store_suite;

    session_store_suite!(async || (MemoryStore::new(), ()));
}
