//! Answers from memory what a batch asks, and remembers what became of it.

use std::collections::HashMap;

use super::views::{Before, Questions, view};
use crate::id::Epoch;
use crate::room::{Changes, View, Views};
use crate::store::StoreError;
use crate::store::sqlite::memory::Memory;
use crate::store::sqlite::names::{Key, Name};

/// Answers what memory knows of rooms and members; what it does not is left in `asked`.
pub(super) fn recall(
    memory: &mut Memory,
    asked: &mut Questions,
    epoch: &Epoch,
) -> Result<(Views, Before), StoreError> {
    let mut views = Views {
        epoch: epoch.clone(),
        rooms: asked.rooms.iter().map(|room| (room.clone(), View::default())).collect(),
        joined_counts: asked.joined.iter().map(|user| (user.clone(), 0)).collect(),
        uploads: HashMap::new(),
    };
    let mut before = Before { ends: memory.ends, ..Before::default() };
    let cache = &mut memory.cache;
    asked.rooms.retain(|id| {
        let (Some(known), Some(view)) = (cache.get(id), views.rooms.get_mut(id)) else {
            return true;
        };
        view.room = Some(known.room.clone());
        before.rooms.insert(id.clone(), (known.pk, known.room.clone()));
        false
    });
    asked.members.retain(|(room, user)| {
        let member = cache.get(room).and_then(|known| known.members.get(user));
        let (Some(member), Some(view)) = (member, views.rooms.get_mut(room)) else { return true };
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
    for (_, id) in asked.messages.iter() {
        if let Some(seq) = memory.names.place(id) {
            asked.places.insert(id.clone(), seq);
        }
    }
    Ok((views, before))
}

/// Answers which names were used a moment ago; what it does not know of is left in `asked`. After
/// rooms are loaded, because a name is one room's.
pub(super) fn recall_names(
    memory: &Memory,
    asked: &mut Questions,
    views: &mut Views,
    before: &Before,
) -> Result<(), StoreError> {
    let sends = std::mem::take(&mut asked.sends);
    for (room, id) in sends {
        let pk = before.rooms.get(&room).map(|(pk, _)| *pk);
        match memory.names.get(&id).filter(|name| Some(name.room) == pk) {
            Some(name) => {
                view(views, &room)?.sends.insert(id, name.send.clone());
            }
            None => asked.sends.push((room, id)),
        }
    }
    Ok(())
}

/// Keeps what was loaded.
pub(super) fn learn(memory: &mut Memory, loaded: &Questions, before: &Before) {
    for id in &loaded.rooms {
        if let Some((pk, room)) = before.rooms.get(id) {
            memory.cache.put(*pk, room.clone());
        }
    }
    for key in &loaded.members {
        if let Some(member) = before.members.get(key) {
            memory.cache.put_member(&key.0, member.clone());
        }
    }
}

/// Keeps what was written.
pub(super) fn remember(
    memory: &mut Memory,
    changes: &Changes,
    numbers: impl Fn(&crate::id::RoomId) -> Option<i64>,
) {
    for room in changes.rooms.values() {
        if let Some(pk) = numbers(&room.id) {
            memory.cache.put(pk, room.clone());
        }
    }
    for ((room, _), member) in &changes.members {
        memory.cache.put_member(room, member.clone());
    }
}

/// The names that `changes` use up.
pub(super) fn names(
    changes: &Changes,
    number: impl Fn(&crate::id::RoomId) -> Result<i64, StoreError>,
) -> Result<Vec<(Key, Name)>, StoreError> {
    changes
        .sends
        .iter()
        .map(|((room, id), send)| {
            Ok((id.to_bytes(), Name { room: number(room)?, send: send.clone() }))
        })
        .collect()
}
