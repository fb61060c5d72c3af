//! Rooms and members in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::id::{RoomId, UserId};
use crate::room::{InviteHash, InviteLink, Member, Room, RoomKind, Standing};
use crate::store::{Head, Retained, RoomCounts, RoomFilter, RoomStore, StoreError};

#[async_trait]
impl RoomStore for MemoryStore {
    async fn room(
        &self,
        room: &RoomId,
        user: Option<&UserId>,
    ) -> Result<Option<(Room, Option<Member>)>, StoreError> {
        let logs = lock(&self.logs);
        Ok(logs
            .rooms
            .get(room)
            .map(|log| (log.room.clone(), user.and_then(|user| log.members.get(user)).cloned())))
    }

    async fn rooms(
        &self,
        user: &UserId,
        filter: RoomFilter,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<(Room, Option<Member>)>, StoreError> {
        let logs = lock(&self.logs);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = logs.rooms.range::<RoomId, _>((from, Bound::Unbounded));
        Ok(rooms
            .filter(|(_, log)| log.room.deleted_at.is_none())
            .map(|(_, log)| (&log.room, log.members.get(user)))
            .filter(|(room, member)| match (filter, member.map(|m| m.standing)) {
                (_, Some(Standing::Joined)) => true,
                (RoomFilter::Joined, _) => false,
                (RoomFilter::Visible, Some(Standing::Invited)) => true,
                (RoomFilter::Visible, _) => room.kind == RoomKind::Public,
            })
            .take(limit as usize)
            .map(|(room, member)| (room.clone(), member.cloned()))
            .collect())
    }

    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError> {
        let logs = lock(&self.logs);
        let Some(log) = logs.rooms.get(room).filter(|log| log.room.deleted_at.is_none()) else {
            return Ok(Vec::new());
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = log.members.range::<UserId, _>((from, Bound::Unbounded));
        Ok(members
            .map(|(_, member)| member)
            .filter(|member| member.joined())
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn invite_links(&self, room: &RoomId) -> Result<Vec<InviteLink>, StoreError> {
        let logs = lock(&self.logs);
        let log = logs.rooms.get(room);
        Ok(log.map(|log| log.invite_links.values().cloned().collect()).unwrap_or_default())
    }

    async fn invited_to(
        &self,
        hash: &InviteHash,
    ) -> Result<Option<(Room, InviteLink)>, StoreError> {
        let logs = lock(&self.logs);
        let found = logs.invites.get(hash).and_then(|(room, id)| {
            let log = logs.rooms.get(room)?;
            Some((log.room.clone(), log.invite_links.get(id)?.clone()))
        });
        Ok(found)
    }

    async fn retained(
        &self,
        which: Retained,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreError> {
        let logs = lock(&self.logs);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = logs.rooms.range::<RoomId, _>((from, Bound::Unbounded));
        let rooms = rooms.map(|(_, log)| &log.room).filter(|room| room.deleted_at.is_none());
        let rooms = rooms.filter(|room| which == Retained::All || room.retention > 0);
        Ok(rooms.take(limit as usize).cloned().collect())
    }

    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Head>, StoreError> {
        let logs = lock(&self.logs);
        let rooms: BTreeSet<_> = rooms.iter().collect();
        let rooms = rooms.into_iter().filter_map(|room| logs.rooms.get(room));
        Ok(rooms
            .map(|log| Head {
                room: log.room.id.clone(),
                head_seq: log.room.head_seq,
                deleted: log.room.deleted_at.is_some(),
            })
            .collect())
    }

    async fn blocked(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError> {
        let logs = lock(&self.logs);
        let theirs = logs.blocks.iter().filter(|(who, _)| who == user).map(|(_, other)| other);
        let rest = theirs.filter(|other| after.is_none_or(|after| *other > after));
        Ok(rest.take(limit as usize).cloned().collect())
    }

    async fn counts(&self) -> Result<RoomCounts, StoreError> {
        let logs = lock(&self.logs);
        Ok(RoomCounts { rooms: logs.rooms.len() as u64, messages: logs.messages_ever })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::room_store_suite!(async || (MemoryStore::new(), ()));
}
