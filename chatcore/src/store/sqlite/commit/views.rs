//! Reads what a batch needs to be decided.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;

use crate::clock::Timestamp;
use crate::id::{AttachmentId, MessageId, RoomId, Seq, UserId};
use crate::log::AttachmentRef;
use crate::room::{
    Command, Member, MessageState, PriorSend, ReactionCount, Room, Upload, View, Views,
};
use crate::store::StoreError;
use crate::store::sqlite::error::corrupt;
use crate::store::sqlite::memory::Ends;
use crate::store::sqlite::rows::{
    EntryCells, Fields, MemberCells, RoomCells, entry_columns, entry_from, hex, member_columns,
    member_from, room_columns, room_from, unhex,
};
use crate::store::sqlite::script::Script;

/// Rows as they were, so that only what differs is written.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// With the numbers that stand for them in other tables.
    pub(super) rooms: HashMap<RoomId, (i64, Room)>,
    pub(super) members: HashMap<(RoomId, UserId), Member>,
    pub(super) ends: Ends,
}

/// What to read, each thing once. A row of a result names the question by its index here.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub(super) rooms: Vec<RoomId>,
    pub(super) members: Vec<(RoomId, UserId)>,
    pub(super) sends: Vec<(RoomId, MessageId)>,
    pub(super) messages: Vec<(RoomId, MessageId)>,
    reactions: Vec<(RoomId, MessageId, UserId)>,
    pub(super) counts_at: Vec<(RoomId, Seq)>,
    successors: Vec<RoomId>,
    pub(super) joined: Vec<UserId>,
    uploads: Vec<AttachmentId>,
    /// Where messages stand that are not in `sends` yet.
    pub(super) places: HashMap<MessageId, Seq>,
}

/// A column of the one row that answers all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Rooms,
    Members,
    Sends,
    Messages,
    Reactions,
    CountsAt,
    Successors,
    Joined,
    Uploads,
}

impl Part {
    #[cfg(test)]
    pub(super) const ALL: [Self; 9] = [
        Self::Rooms,
        Self::Members,
        Self::Sends,
        Self::Messages,
        Self::Reactions,
        Self::CountsAt,
        Self::Successors,
        Self::Joined,
        Self::Uploads,
    ];

    /// A subquery that answers with a JSON array of arrays.
    ///
    /// One row for all, because sqlx wakes the waiting task for each row, which costs more than to
    /// find it.
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Rooms => concat!(
                "(SELECT json_group_array(json_array(r.pk, json_array(",
                room_columns!(),
                "))) \
                 FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value)"
            ),
            Self::Members => concat!(
                "(SELECT json_group_array(json_array(j.key, json_array(",
                member_columns!(),
                "))) \
                 FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN members m ON m.room = r.pk AND m.user = j.value ->> 1)"
            ),
            Self::Sends => {
                "(SELECT json_group_array(json_array(j.key, s.seq, s.n, s.ts, hex(s.fingerprint))) \
                 FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN sends s ON s.room = r.pk AND s.key = unhex(j.value ->> 1))"
            }
            Self::Messages => concat!(
                "(SELECT json_group_array(json_array(j.key, EXISTS (\
                   SELECT 1 FROM pins p WHERE p.room = l.room AND p.seq = l.seq), \
                   json_array(",
                entry_columns!(),
                "))) \
                 FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN log l ON l.room = r.pk AND l.seq = coalesce(j.value ->> 2, (\
                   SELECT s.seq FROM sends s \
                   WHERE s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0)))"
            ),
            Self::Reactions => {
                "(SELECT json_group_array(json_array(j.key, c.emoji, c.count, c.first, EXISTS (\
                   SELECT 1 FROM reactions x WHERE x.room = c.room AND x.seq = c.seq \
                   AND x.emoji = c.emoji AND x.user = j.value ->> 3))) \
                 FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN reaction_counts c ON c.room = r.pk AND c.seq = coalesce(j.value ->> 2, (\
                   SELECT s.seq FROM sends s \
                   WHERE s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0)))"
            }
            // Below the oldest message that is still there, its own count tells.
            Self::CountsAt => {
                "(SELECT json_group_array(json_array(j.key, coalesce(\
                   (SELECT l.n FROM log l INDEXED BY log_messages WHERE l.room = r.pk AND l.n IS NOT NULL \
                    AND l.seq <= j.value ->> 1 ORDER BY l.seq DESC LIMIT 1), \
                   (SELECT l.n - 1 FROM log l INDEXED BY log_messages WHERE l.room = r.pk AND l.n IS NOT NULL \
                    AND l.seq > j.value ->> 1 ORDER BY l.seq LIMIT 1), \
                   r.head_n))) \
                 FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value ->> 0)"
            }
            Self::Successors => concat!(
                "(SELECT json_group_array(json_array(j.key, json_array(",
                member_columns!(),
                "))) \
                 FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value \
                 CROSS JOIN members m ON m.room = r.pk AND m.user IN (\
                   SELECT h.user FROM members h WHERE h.room = r.pk AND h.standing = 1 \
                   ORDER BY h.role DESC, h.entered_seq LIMIT ?))"
            ),
            Self::Joined => {
                "(SELECT json_group_array(json_array(j.key, c.joined)) FROM json_each(?) j \
                 CROSS JOIN user_counts c ON c.user = j.value)"
            }
            Self::Uploads => {
                "(SELECT json_group_array(json_array(a.id, a.owner, a.name, a.content_type, a.size, \
                   a.width, a.height)) \
                 FROM json_each(?) j CROSS JOIN attachments a ON a.id = j.value AND a.state = 2)"
            }
        }
    }
}

/// Asks the disk all that is in `asked`.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    asked: &Questions,
    commands: usize,
    views: &mut Views,
    before: &mut Before,
) -> Result<(), StoreError> {
    let Asking { script, parts } = asked.script(commands)?;
    if parts.is_empty() {
        return Ok(());
    }
    let row = script.run(connection).await?.pop().ok_or_else(|| corrupt("no answer"))?;
    let mut row = Fields::of(&row);
    for part in parts {
        asked.answer(part, row.take()?, views, before)?;
    }
    Ok(())
}

impl Questions {
    pub(super) fn of(batch: &[Command]) -> Self {
        let mut all = Self::default();
        for command in batch {
            let needs = command.needs();
            let room = &command.room;
            let of = |id: &MessageId| (room.clone(), id.clone());
            all.rooms.push(room.clone());
            all.members.extend(needs.members.into_iter().map(|user| (room.clone(), user)));
            all.sends.extend(needs.sends.iter().map(of));
            all.messages.extend(needs.messages.iter().map(of));
            let actor = command.actor.id();
            let reactions = needs.reactions.into_iter();
            all.reactions.extend(reactions.map(|id| (room.clone(), id, actor.clone())));
            all.counts_at.extend(needs.n_at.map(|seq| (room.clone(), seq)));
            all.joined.extend(needs.joined_counts);
            all.uploads.extend(needs.uploads);
            if needs.successors {
                all.successors.push(room.clone());
            }
        }
        once(&mut all.rooms);
        once(&mut all.members);
        once(&mut all.sends);
        once(&mut all.messages);
        once(&mut all.reactions);
        once(&mut all.counts_at);
        once(&mut all.successors);
        once(&mut all.joined);
        once(&mut all.uploads);
        all
    }

    fn script(&self, commands: usize) -> Result<Asking, StoreError> {
        let mut asking = Asking::default();
        asking.about(Part::Rooms, &self.rooms)?;
        asking.about(Part::Members, &self.members)?;
        asking.about(Part::Sends, &self.keyed(&self.sends))?;
        asking.about(Part::Messages, &self.keyed(&self.messages))?;
        let reactions = self.reactions.iter();
        let reactions: Vec<_> =
            reactions.map(|(r, id, u)| (r, hex(&id.to_bytes()), self.places.get(id), u)).collect();
        asking.about(Part::Reactions, &reactions)?;
        asking.about(Part::CountsAt, &self.counts_at)?;
        asking.about(Part::Successors, &self.successors)?;
        if !self.successors.is_empty() {
            // Each command can take one away; the next must still be there.
            asking.script.bind(i64::try_from(commands).unwrap_or(i64::MAX).saturating_add(1))?;
        }
        asking.about(Part::Joined, &self.joined)?;
        asking.about(Part::Uploads, &self.uploads)?;
        Ok(asking)
    }

    fn keyed<'a>(
        &'a self,
        ids: &'a [(RoomId, MessageId)],
    ) -> Vec<(&'a RoomId, String, Option<&'a Seq>)> {
        ids.iter().map(|(room, id)| (room, hex(&id.to_bytes()), self.places.get(id))).collect()
    }

    /// Takes in the answer of `part`.
    fn answer(
        &self,
        part: Part,
        answer: &str,
        views: &mut Views,
        before: &mut Before,
    ) -> Result<(), StoreError> {
        match part {
            Part::Rooms => {
                for (pk, cells) in rows::<(i64, RoomCells)>(answer)? {
                    let room = room_from(cells)?;
                    view(views, &room.id)?.room = Some(room.clone());
                    before.rooms.insert(room.id.clone(), (pk, room));
                }
            }
            Part::Members => {
                for (index, cells) in rows::<(usize, MemberCells)>(answer)? {
                    let (room, _) = asked(&self.members, index)?;
                    known(room, member_from(cells)?, views, before)?;
                }
            }
            Part::Successors => {
                for (index, cells) in rows::<(usize, MemberCells)>(answer)? {
                    known(asked(&self.successors, index)?, member_from(cells)?, views, before)?;
                }
            }
            Part::Sends => {
                for (index, seq, n, ts, print) in rows::<(usize, u64, u64, i64, &str)>(answer)? {
                    let (room, id) = asked(&self.sends, index)?;
                    let (seq, ts, fingerprint) = (Seq(seq), Timestamp(ts), unhex(print)?);
                    let send = PriorSend { seq, n, ts, fingerprint };
                    view(views, room)?.sends.insert(id.clone(), send);
                }
            }
            Part::Messages => {
                for (index, pinned, cells) in rows::<(usize, u8, EntryCells)>(answer)? {
                    let (room, id) = asked(&self.messages, index)?;
                    let entry = entry_from(cells, room, &views.epoch)?;
                    if entry.body.message_id() == Some(id) {
                        let state = MessageState { entry, pinned: pinned != 0 };
                        view(views, room)?.messages.insert(id.clone(), state);
                    }
                }
            }
            Part::Reactions => {
                for row in rows::<(usize, String, u32, u64, u8)>(answer)? {
                    let (index, emoji, count, first, held) = row;
                    let (room, id, actor) = asked(&self.reactions, index)?;
                    let state = view(views, room)?.reactions.entry(id.clone()).or_default();
                    let count = ReactionCount { count, first: Seq(first) };
                    state.counts.insert(emoji.clone(), count);
                    if held != 0 {
                        state.held.insert((emoji, actor.clone()));
                    }
                }
            }
            Part::CountsAt => {
                for (index, n) in rows::<(usize, u64)>(answer)? {
                    let (room, seq) = asked(&self.counts_at, index)?;
                    view(views, room)?.n_at.insert(*seq, n);
                }
            }
            Part::Joined => {
                for (index, rooms) in rows::<(usize, u32)>(answer)? {
                    views.joined_counts.insert(asked(&self.joined, index)?.clone(), rooms);
                }
            }
            Part::Uploads => {
                type Cells = (AttachmentId, UserId, String, String, u64, Option<u32>, Option<u32>);
                for (id, owner, name, content_type, size, width, height) in rows::<Cells>(answer)? {
                    let file =
                        AttachmentRef { id: id.clone(), name, content_type, size, width, height };
                    views.uploads.insert(id, Upload { owner, file });
                }
            }
        }
        Ok(())
    }
}

/// One `SELECT` of many columns, as they are added.
#[derive(Default)]
struct Asking {
    script: Script,
    parts: Vec<Part>,
}

impl Asking {
    fn column(&mut self, part: Part) {
        self.script.text(if self.parts.is_empty() { "SELECT " } else { ", " });
        self.script.text(part.sql());
        self.parts.push(part);
    }

    /// Asks about `rows`, if there are any.
    fn about<T: Serialize>(&mut self, part: Part, rows: &[T]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.column(part);
        self.script.bind_rows(rows)
    }
}

/// The rows of an answer.
fn rows<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(answer).map_err(corrupt)
}

/// Takes in how someone stands to a room.
fn known(
    room: &RoomId,
    member: Member,
    views: &mut Views,
    before: &mut Before,
) -> Result<(), StoreError> {
    before.members.insert((room.clone(), member.user.clone()), member.clone());
    view(views, room)?.members.insert(member.user.clone(), member);
    Ok(())
}

/// Drops what was there before; keeps the order.
fn once<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
    let mut seen = HashSet::with_capacity(all.len());
    all.retain(|one| seen.insert(one.clone()));
}

/// The question that a row answers.
fn asked<T>(questions: &[T], index: usize) -> Result<&T, StoreError> {
    questions.get(index).ok_or_else(|| corrupt("an answer to no question"))
}

pub(super) fn view<'v>(views: &'v mut Views, room: &RoomId) -> Result<&'v mut View, StoreError> {
    views.rooms.get_mut(room).ok_or_else(|| corrupt("a room that was not asked for"))
}
