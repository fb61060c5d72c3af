//! Erasures in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::clock::Timestamp;
use crate::id::{RoomId, Seq, UserId};
use crate::room::Standing;
use crate::store::{Erasure, ErasureStore, StoreError};

/// All who were noted; those who are finished without a place.
#[derive(Debug, Default)]
pub(super) struct Erasures(BTreeMap<UserId, (Erasure, Option<Timestamp>)>);

#[async_trait]
impl ErasureStore for MemoryStore {
    async fn begin_erasure(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let mut erasures = lock(&self.erasures);
        if erasures.0.contains_key(user) {
            return Ok(false);
        }
        let erasure = Erasure { user: user.clone(), begun_at: at, place: None };
        erasures.0.insert(user.clone(), (erasure, None));
        Ok(true)
    }

    async fn unfinished_erasures(&self, limit: u32) -> Result<Vec<Erasure>, StoreError> {
        let erasures = lock(&self.erasures);
        let unfinished = erasures.0.values().filter(|(_, finished)| finished.is_none());
        let mut unfinished: Vec<_> = unfinished.map(|(erasure, _)| erasure.clone()).collect();
        unfinished.sort_by_key(|erasure| erasure.begun_at);
        unfinished.truncate(limit as usize);
        Ok(unfinished)
    }

    async fn advance_erasure(
        &self,
        user: &UserId,
        room: &RoomId,
        upto: Seq,
    ) -> Result<(), StoreError> {
        if let Some((erasure, None)) = lock(&self.erasures).0.get_mut(user) {
            erasure.place = Some((room.clone(), upto));
        }
        Ok(())
    }

    async fn finish_erasure(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        if let Some((erasure, finished)) = lock(&self.erasures).0.get_mut(user) {
            erasure.place = None;
            finished.get_or_insert(at);
        }
        Ok(())
    }

    async fn erased(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let erasures = lock(&self.erasures);
        Ok(users.iter().filter(|user| erasures.0.contains_key(*user)).cloned().collect())
    }

    async fn rooms_that_know(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomId>, StoreError> {
        let logs = lock(&self.logs);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = logs.rooms.range::<RoomId, _>((from, Bound::Unbounded));
        let knowing = rooms.filter(|(_, log)| log.members.contains_key(user));
        Ok(knowing.map(|(room, _)| room.clone()).take(limit as usize).collect())
    }

    async fn forget_member(&self, room: &RoomId, user: &UserId) -> Result<bool, StoreError> {
        let mut logs = lock(&self.logs);
        let Some(log) = logs.rooms.get_mut(room) else { return Ok(true) };
        let stays = log
            .members
            .get(user)
            .is_some_and(|member| matches!(member.standing, Standing::Joined | Standing::Invited));
        if stays && log.room.deleted_at.is_none() {
            return Ok(false);
        }
        log.members.remove(user);
        Ok(true)
    }

    async fn release_attachments_of(&self, user: &UserId, limit: u32) -> Result<u32, StoreError> {
        Ok(lock(&self.attachments).release_of(user, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::erasure_store_suite!(async || (MemoryStore::new(), ()));
}
