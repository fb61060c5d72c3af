//! Answers from memory what a batch asks, and remembers what became of it.

use std::collections::HashMap;

use crate::id::Epoch;
use crate::room::{Changes, View, Views};
use crate::store::StoreError;
use crate::store::sql::views::{Before, Questions, view};
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
        inbox: Default::default(),
        blocks: Default::default(),
    };
    let mut before = Before::default();
    memory.cache.recall(asked, &mut views, &mut before);
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
        let pk = before.rooms.get(&room).map(|row| row.pk);
        match memory.names.get(&id).filter(|name| Some(name.room) == pk) {
            Some(name) => {
                view(views, &room)?.sends.insert(id, name.send.clone());
            }
            None => asked.sends.push((room, id)),
        }
    }
    Ok(())
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
