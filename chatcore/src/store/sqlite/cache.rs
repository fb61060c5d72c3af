//! Rooms and members as they are on the disk.

use std::collections::HashMap;

use crate::id::{RoomId, UserId};
use crate::room::{Member, Room};

/// What was read or written lately of rooms and members, up to a bound.
///
/// Sound because this store alone writes its file, through one connection: see
/// [`Claim`](super::file::Claim). Whatever leaves a doubt about what was written empties it.
///
/// Two halves: what is used moves to the newer one, and when that is full, the older one goes.
#[derive(Debug)]
pub(super) struct Cache {
    newer: HashMap<RoomId, Known>,
    older: HashMap<RoomId, Known>,
    /// Rooms and members in the newer half, and the most that may be.
    weight: usize,
    most: usize,
}

/// A room, and of its members those that are known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The number that stands for it in other tables.
    pub(super) pk: i64,
    pub(super) room: Room,
    pub(super) members: HashMap<UserId, Member>,
}

impl Known {
    fn weight(&self) -> usize {
        1 + self.members.len()
    }
}

impl Cache {
    /// An empty one, for at most `rows` rooms and members.
    pub(super) fn new(rows: usize) -> Self {
        let (newer, older) = (HashMap::new(), HashMap::new());
        Self { newer, older, weight: 0, most: (rows / 2).max(1) }
    }

    pub(super) fn get(&mut self, room: &RoomId) -> Option<&Known> {
        if let Some(known) = self.older.remove(room) {
            self.insert(known);
        }
        self.newer.get(room)
    }

    /// Takes in a room as it is now.
    pub(super) fn put(&mut self, pk: i64, room: Room) {
        let members = match self.older.remove(&room.id).or_else(|| self.take(&room.id)) {
            Some(known) => known.members,
            None => HashMap::new(),
        };
        self.insert(Known { pk, room, members });
    }

    /// Takes in how someone stands to a room, if the room is known.
    pub(super) fn put_member(&mut self, room: &RoomId, member: Member) {
        self.get(room);
        let Some(known) = self.newer.get_mut(room) else { return };
        if known.members.insert(member.user.clone(), member).is_none() {
            self.weight += 1;
            if self.weight > self.most {
                self.turn();
            }
        }
    }

    fn take(&mut self, room: &RoomId) -> Option<Known> {
        let known = self.newer.remove(room)?;
        self.weight -= known.weight();
        Some(known)
    }

    fn insert(&mut self, mut known: Known) {
        // One room must not push out all others.
        if known.weight() > self.most / 2 {
            known.members.clear();
        }
        if self.weight + known.weight() > self.most {
            self.turn();
        }
        self.weight += known.weight();
        self.newer.insert(known.room.id.clone(), known);
    }

    fn turn(&mut self) {
        self.older = std::mem::take(&mut self.newer);
        self.weight = 0;
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.newer.values().chain(self.older.values()).map(Known::weight).sum()
    }
}
