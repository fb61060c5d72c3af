//! Reads what a batch needs to be decided.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::id::{AttachmentId, Epoch, MessageId, RoomId, Seq, UserId};
use crate::log::AttachmentRef;
use crate::room::{
    Action, Command, Member, MessageState, PriorSend, ReactionCount, Room, Upload, View, Views,
};
use crate::store::StoreError;
use crate::store::sqlite::error::corrupt;
use crate::store::sqlite::rows::{Fields, entry_columns, hex, member_columns, room_columns};
use crate::store::sqlite::script::Script;

/// Rows as they were, so that only what differs is written.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// With the numbers that stand for them in other tables.
    pub(super) rooms: HashMap<RoomId, (i64, Room)>,
    pub(super) members: HashMap<(RoomId, UserId), Member>,
    /// The highest number of a room, if the batch may make one.
    pub(super) last_pk: i64,
}

/// What to read, each thing once. A row of a result names the question by its index here.
#[derive(Debug, Default)]
struct Questions {
    rooms: Vec<RoomId>,
    members: Vec<(RoomId, UserId)>,
    sends: Vec<(RoomId, MessageId)>,
    messages: Vec<(RoomId, MessageId)>,
    reactions: Vec<(RoomId, MessageId, UserId)>,
    counts_at: Vec<(RoomId, Seq)>,
    successors: Vec<RoomId>,
    joined: Vec<UserId>,
    uploads: Vec<AttachmentId>,
    creates: bool,
}

/// A part of the script whose rows are to be understood.
#[derive(Clone, Copy, Debug)]
enum Part {
    Begin,
    LastRoom,
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
    const fn sql(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN IMMEDIATE",
            Self::LastRoom => "SELECT coalesce(max(pk), 0) FROM rooms",
            Self::Rooms => concat!(
                "SELECT r.pk, ",
                room_columns!(),
                " FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value"
            ),
            Self::Members => concat!(
                "SELECT j.key, ",
                member_columns!(),
                " FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN members m ON m.room = r.pk AND m.user = j.value ->> 1"
            ),
            Self::Sends => {
                "SELECT j.key, s.seq, s.n, s.ts, s.fingerprint FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN sends s ON s.room = r.pk AND s.key = unhex(j.value ->> 1)"
            }
            Self::Messages => concat!(
                "SELECT j.key, EXISTS (SELECT 1 FROM pins p WHERE p.room = l.room AND p.seq = l.seq), ",
                entry_columns!(),
                " FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN sends s ON s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0 \
                 CROSS JOIN log l ON l.room = s.room AND l.seq = s.seq"
            ),
            Self::Reactions => {
                "SELECT j.key, c.emoji, c.count, c.first, \
                 EXISTS (SELECT 1 FROM reactions x WHERE x.room = c.room AND x.seq = c.seq \
                         AND x.emoji = c.emoji AND x.user = j.value ->> 2) \
                 FROM json_each(?) j \
                 CROSS JOIN rooms r ON r.id = j.value ->> 0 \
                 CROSS JOIN sends s ON s.room = r.pk AND s.key = unhex(j.value ->> 1) AND s.n > 0 \
                 CROSS JOIN reaction_counts c ON c.room = s.room AND c.seq = s.seq"
            }
            // Below the oldest message that is still there, its own count tells.
            Self::CountsAt => {
                "SELECT j.key, coalesce(\
                 (SELECT l.n FROM log l WHERE l.room = r.pk AND l.n IS NOT NULL \
                  AND l.seq <= j.value ->> 1 ORDER BY l.seq DESC LIMIT 1), \
                 (SELECT l.n - 1 FROM log l WHERE l.room = r.pk AND l.n IS NOT NULL \
                  AND l.seq > j.value ->> 1 ORDER BY l.seq LIMIT 1), \
                 r.head_n) \
                 FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value ->> 0"
            }
            Self::Successors => concat!(
                "SELECT j.key, ",
                member_columns!(),
                " FROM json_each(?) j CROSS JOIN rooms r ON r.id = j.value \
                 CROSS JOIN members m ON m.room = r.pk AND m.user IN (\
                 SELECT h.user FROM members h WHERE h.room = r.pk AND h.standing = 1 \
                 ORDER BY h.role DESC, h.entered_seq LIMIT ?)"
            ),
            Self::Joined => {
                "SELECT j.key, c.joined FROM json_each(?) j \
                 CROSS JOIN user_counts c ON c.user = j.value"
            }
            Self::Uploads => {
                "SELECT a.id, a.owner, a.name, a.content_type, a.size, a.width, a.height \
                 FROM json_each(?) j CROSS JOIN attachments a ON a.id = j.value AND a.state = 2"
            }
        }
    }
}

/// Begins a transaction and loads what `batch` needs.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    epoch: &Epoch,
    batch: &[Command],
) -> Result<(Views, Before), StoreError> {
    let asked = Questions::of(batch);
    let (script, parts) = asked.script(batch.len())?;
    let results = script.run(connection).await?;
    let mut views = Views {
        epoch: epoch.clone(),
        rooms: asked.rooms.iter().map(|room| (room.clone(), View::default())).collect(),
        joined_counts: asked.joined.iter().map(|user| (user.clone(), 0)).collect(),
        uploads: HashMap::new(),
    };
    let mut before = Before::default();
    for (part, rows) in parts.into_iter().zip(&results) {
        for row in rows {
            asked.answer(part, row, &mut views, &mut before)?;
        }
    }
    Ok((views, before))
}

impl Questions {
    fn of(batch: &[Command]) -> Self {
        let mut all = Self::default();
        for command in batch {
            let needs = command.needs();
            let room = &command.room;
            let of = |id: &MessageId| (room.clone(), id.clone());
            all.rooms.push(room.clone());
            all.creates |= matches!(command.action, Action::Create(_));
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

    /// The script that asks, and what each part of it is.
    fn script(&self, commands: usize) -> Result<(Script, Vec<Part>), StoreError> {
        let mut asking = Asking::default();
        asking.always(Part::Begin);
        if self.creates {
            asking.always(Part::LastRoom);
        }
        asking.about(Part::Rooms, &self.rooms)?;
        asking.about(Part::Members, &self.members)?;
        asking.about(Part::Sends, &keyed(&self.sends))?;
        asking.about(Part::Messages, &keyed(&self.messages))?;
        let reactions = self.reactions.iter();
        let reactions: Vec<_> = reactions.map(|(r, id, u)| (r, hex(&id.to_bytes()), u)).collect();
        asking.about(Part::Reactions, &reactions)?;
        asking.about(Part::CountsAt, &self.counts_at)?;
        asking.about(Part::Successors, &self.successors)?;
        if !self.successors.is_empty() {
            // Each command can take one away; the next must still be there.
            asking.script.bind(i64::try_from(commands).unwrap_or(i64::MAX).saturating_add(1))?;
        }
        asking.about(Part::Joined, &self.joined)?;
        asking.about(Part::Uploads, &self.uploads)?;
        Ok((asking.script, asking.parts))
    }

    /// Takes in a row of `part`.
    fn answer(
        &self,
        part: Part,
        row: &SqliteRow,
        views: &mut Views,
        before: &mut Before,
    ) -> Result<(), StoreError> {
        let mut row = Fields::of(row);
        match part {
            Part::Begin => {}
            Part::LastRoom => before.last_pk = row.take()?,
            Part::Rooms => {
                let pk = row.take()?;
                let room = row.room()?;
                view(views, &room.id)?.room = Some(room.clone());
                before.rooms.insert(room.id.clone(), (pk, room));
            }
            Part::Members => {
                let (room, _) = asked(&self.members, &mut row)?;
                let member = row.member()?;
                before.members.insert((room.clone(), member.user.clone()), member.clone());
                view(views, room)?.members.insert(member.user.clone(), member);
            }
            Part::Successors => {
                let room = asked(&self.successors, &mut row)?;
                let member = row.member()?;
                before.members.insert((room.clone(), member.user.clone()), member.clone());
                view(views, room)?.members.insert(member.user.clone(), member);
            }
            Part::Sends => {
                let (room, id) = asked(&self.sends, &mut row)?;
                let send = PriorSend {
                    seq: row.seq()?,
                    n: row.number()?,
                    ts: row.time()?,
                    fingerprint: row.bytes()?,
                };
                view(views, room)?.sends.insert(id.clone(), send);
            }
            Part::Messages => {
                let (room, id) = asked(&self.messages, &mut row)?;
                let pinned = row.take()?;
                let entry = row.entry(room, &views.epoch)?;
                if entry.body.message_id() == Some(id) {
                    let state = MessageState { entry, pinned };
                    view(views, room)?.messages.insert(id.clone(), state);
                }
            }
            Part::Reactions => {
                let (room, id, actor) = asked(&self.reactions, &mut row)?;
                let emoji: String = row.take()?;
                let count = ReactionCount { count: row.number()?, first: row.seq()? };
                let state = view(views, room)?.reactions.entry(id.clone()).or_default();
                state.counts.insert(emoji.clone(), count);
                if row.take()? {
                    state.held.insert((emoji, actor.clone()));
                }
            }
            Part::CountsAt => {
                let (room, seq) = asked(&self.counts_at, &mut row)?;
                view(views, room)?.n_at.insert(*seq, row.number()?);
            }
            Part::Joined => {
                let user = asked(&self.joined, &mut row)?;
                views.joined_counts.insert(user.clone(), row.number()?);
            }
            Part::Uploads => {
                let id = AttachmentId::parse(row.take()?).map_err(corrupt)?;
                let owner = row.user()?;
                let file = AttachmentRef {
                    id: id.clone(),
                    name: row.take()?,
                    content_type: row.take()?,
                    size: row.number()?,
                    width: row.take()?,
                    height: row.take()?,
                };
                views.uploads.insert(id, Upload { owner, file });
            }
        }
        Ok(())
    }
}

/// A script, as its parts are added.
#[derive(Default)]
struct Asking {
    script: Script,
    parts: Vec<Part>,
}

impl Asking {
    fn always(&mut self, part: Part) {
        self.script.add(part.sql());
        self.parts.push(part);
    }

    /// Asks about `rows`, if there are any.
    fn about<T: Serialize>(&mut self, part: Part, rows: &[T]) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.script.add_rows(part.sql(), rows)?;
            self.parts.push(part);
        }
        Ok(())
    }
}

/// Drops what was there before; keeps the order.
fn once<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
    let mut seen = HashSet::with_capacity(all.len());
    all.retain(|one| seen.insert(one.clone()));
}

fn keyed(ids: &[(RoomId, MessageId)]) -> Vec<(&RoomId, String)> {
    ids.iter().map(|(room, id)| (room, hex(&id.to_bytes()))).collect()
}

/// The question that a row answers.
fn asked<'q, T>(questions: &'q [T], row: &mut Fields<'_>) -> Result<&'q T, StoreError> {
    let index: usize = row.number()?;
    questions.get(index).ok_or_else(|| corrupt("an answer to no question"))
}

fn view<'v>(views: &'v mut Views, room: &RoomId) -> Result<&'v mut View, StoreError> {
    views.rooms.get_mut(room).ok_or_else(|| corrupt("a room that was not asked for"))
}
