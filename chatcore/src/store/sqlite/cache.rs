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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Seq;
    use crate::testing::scene::user;

    fn room(index: u64) -> Room {
        Room {
            id: RoomId::parse(&format!("room-{index}")).expect("a sound id"),
            kind: crate::room::RoomKind::Public,
            name: None,
            topic: None,
            created_at: crate::clock::Timestamp(0),
            created_by: user("ann"),
            keep: false,
            head_seq: Seq(index),
            head_n: 0,
            floor_seq: Seq::START,
            members: 0,
            owners: 0,
            pins: 0,
            slow_mode: 0,
            deleted_at: None,
        }
    }

    fn heard(cache: &mut Cache, id: &RoomId, who: &str, read: u64) {
        let mut member = Member::stranger(user(who));
        member.marks.read_seq = Seq(read);
        cache.put_member(id, member);
    }

    #[test]
    fn many_rooms_and_one_large_one_stay_within_the_bound() {
        let mut cache = Cache::new(100);
        for index in 0..1_000 {
            let id = room(index).id;
            cache.put(index as i64, room(index));
            for who in 0..index % 7 {
                heard(&mut cache, &id, &who.to_string(), 0);
            }
            heard(&mut cache, &room(0).id, &index.to_string(), 0);
            cache.put(0, room(0));
            assert!(cache.rows() <= 100 + 2, "{} rows", cache.rows());
        }
        assert!(cache.rows() > 25, "it keeps something");
    }

    #[test]
    fn what_is_known_is_what_was_put_last() {
        let mut cache = Cache::new(40);
        let id = room(0).id;
        cache.put(7, room(0));
        for round in 0..100 {
            heard(&mut cache, &id, "ann", round);
            // Others push it into the older half, and out in the end.
            for other in 0..round % 50 {
                cache.put(8, room(1 + other));
            }
            heard(&mut cache, &id, "bob", round);
            if let Some(known) = cache.get(&id) {
                for (who, member) in &known.members {
                    assert_eq!(member.marks.read_seq, Seq(round), "{who} in round {round}");
                }
            } else {
                cache.put(7, room(0));
            }
        }
    }
}
