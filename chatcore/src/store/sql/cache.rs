//! Rooms and members as they are in the database.

use std::collections::HashMap;

use super::views::{Before, Questions, RoomRow};
use crate::id::{RoomId, UserId};
use crate::room::{Changes, Member, Views};

/// What was read or written lately of rooms and members, up to a bound.
///
/// Sound for SQLite because the store alone writes its file, through one connection, and whatever leaves a
/// doubt about what was written empties it; for PostgreSQL because what was decided on it is written
/// only if the rooms are still of the versions that it holds.
///
/// Two halves: what is used moves to the newer one, and when that is full, the older one goes.
#[derive(Debug)]
pub(in crate::store) struct Cache {
    newer: HashMap<RoomId, Known>,
    older: HashMap<RoomId, Known>,
    /// Rooms and members in the newer half, and the most that may be.
    weight: usize,
    most: usize,
}

/// A room, and of its members those that are known.
#[derive(Clone, Debug)]
pub(in crate::store) struct Known {
    pub(in crate::store) row: RoomRow,
    pub(in crate::store) members: HashMap<UserId, Member>,
}

/// What became of a room's row.
#[derive(Debug, Default)]
pub(in crate::store) struct Written {
    pub(in crate::store) pk: i64,
    /// The version that was checked.
    pub(in crate::store) before: i64,
    /// The one that it has now.
    pub(in crate::store) version: i64,
    pub(in crate::store) place: Option<Box<str>>,
}

impl Known {
    fn weight(&self) -> usize {
        1 + self.members.len()
    }
}

impl Cache {
    /// An empty one, for at most `rows` rooms and members.
    pub(in crate::store) fn new(rows: usize) -> Self {
        let (newer, older) = (HashMap::new(), HashMap::new());
        Self { newer, older, weight: 0, most: (rows / 2).max(1) }
    }

    pub(in crate::store) fn get(&mut self, room: &RoomId) -> Option<&Known> {
        if let Some(known) = self.older.remove(room) {
            self.insert(known);
        }
        self.newer.get(room)
    }

    /// Takes in a room as it is now. What is known of its members stays true if it is known of this
    /// version, or of the one `before` it that was checked when it was written.
    pub(in crate::store) fn put(&mut self, row: RoomRow, before: i64) {
        let id = &row.room.id;
        let members = match self.older.remove(id).or_else(|| self.take(id)) {
            Some(known) if [before, row.version].contains(&known.row.version) => known.members,
            _ => HashMap::new(),
        };
        self.insert(Known { row, members });
    }

    /// Takes in how someone stands to a room, if the room is known.
    pub(in crate::store) fn put_member(&mut self, room: &RoomId, member: Member) {
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
        self.newer.insert(known.row.room.id.clone(), known);
    }

    fn turn(&mut self) {
        self.older = std::mem::take(&mut self.newer);
        self.weight = 0;
    }

    /// Forgets a room: what is known of it turned out to be old, or is about to be.
    pub(in crate::store) fn forget(&mut self, room: &RoomId) {
        self.older.remove(room);
        self.take(room);
    }

    /// Answers what is known of rooms and members; what is not is left in `asked`.
    pub(in crate::store) fn recall(
        &mut self,
        asked: &mut Questions,
        views: &mut Views,
        before: &mut Before,
    ) {
        asked.rooms.retain(|id| {
            let (Some(known), Some(view)) = (self.get(id), views.rooms.get_mut(id)) else {
                return true;
            };
            view.room = Some(known.row.room.clone());
            before.rooms.insert(id.clone(), known.row.clone());
            false
        });
        asked.members.retain(|(room, user)| {
            let member = self.get(room).and_then(|known| known.members.get(user));
            let (Some(member), Some(view)) = (member, views.rooms.get_mut(room)) else {
                return true;
            };
            before.members.insert((room.clone(), user.clone()), member.clone());
            view.members.insert(user.clone(), member.clone());
            false
        });
        // From the head on the count is the room's own.
        asked.counts_at.retain(|(room, seq)| {
            let Some(view) = views.rooms.get_mut(room) else { return true };
            let Some(known) = view.room.as_ref().filter(|room| *seq >= room.head_seq) else {
                return true;
            };
            view.n_at.insert(*seq, known.head_n);
            false
        });
    }

    /// Keeps what was loaded.
    pub(in crate::store) fn learn(&mut self, loaded: &Questions, before: &Before) {
        for id in &loaded.rooms {
            if let Some(row) = before.rooms.get(id) {
                self.put(row.clone(), row.version);
            }
        }
        for key in &loaded.members {
            let (Some(row), Some(member)) = (before.rooms.get(&key.0), before.members.get(key))
            else {
                continue;
            };
            // It may have been changed, and that remembered, while this was on its way.
            if self.get(&key.0).is_some_and(|known| known.row.version == row.version) {
                self.put_member(&key.0, member.clone());
            }
        }
    }

    /// Keeps what was written; `written` tells of a room how its row is now.
    pub(in crate::store) fn remember(
        &mut self,
        changes: &Changes,
        written: impl Fn(&RoomId) -> Option<Written>,
    ) {
        for room in changes.rooms.values() {
            if let Some(Written { pk, before, version, place }) = written(&room.id) {
                self.put(RoomRow { pk, version, place, room: room.clone() }, before);
            }
        }
        for ((room, _), member) in &changes.members {
            self.put_member(room, member.clone());
        }
    }

    #[cfg(test)]
    pub(in crate::store) fn rows(&self) -> usize {
        self.newer.values().chain(self.older.values()).map(Known::weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Seq;
    use crate::room::Room;
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
            floor_n: 0,
            members: 0,
            owners: 0,
            pins: 0,
            slow_mode: 0,
            retention: 0,
            deleted_at: None,
        }
    }

    fn row(index: u64) -> RoomRow {
        RoomRow { pk: index as i64, version: 0, place: None, room: room(index) }
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
            cache.put(row(index), 0);
            for who in 0..index % 7 {
                heard(&mut cache, &id, &who.to_string(), 0);
            }
            heard(&mut cache, &room(0).id, &index.to_string(), 0);
            cache.put(row(0), 0);
            assert!(cache.rows() <= 100 + 2, "{} rows", cache.rows());
        }
        assert!(cache.rows() > 25, "it keeps something");
    }

    #[test]
    fn what_is_known_is_what_was_put_last() {
        let mut cache = Cache::new(40);
        let id = room(0).id;
        cache.put(row(0), 0);
        for round in 0..100 {
            heard(&mut cache, &id, "ann", round);
            // Others push it into the older half, and out in the end.
            for other in 0..round % 50 {
                cache.put(row(1 + other), 0);
            }
            heard(&mut cache, &id, "bob", round);
            if let Some(known) = cache.get(&id) {
                for (who, member) in &known.members {
                    assert_eq!(member.marks.read_seq, Seq(round), "{who} in round {round}");
                }
            } else {
                cache.put(row(0), 0);
            }
        }
    }
}
