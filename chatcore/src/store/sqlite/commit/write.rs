//! Writes what was decided.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;

use super::entries;
use crate::id::RoomId;
use crate::room::{Changes, Member, Rejection, Room};
use crate::store::sql::rows::{hex, kind_number, level_number, role_number, standing_number};
use crate::store::sql::runs::Runs;
use crate::store::sql::views::Before;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::names::{Key, Name, Slice, pack};

use crate::store::StoreError;
use crate::store::sqlite::script::Script;

/// Teaches a connection the statements that write.
pub(in crate::store::sqlite) async fn prepare(
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    sqlx::raw_sql(include_str!("write.sql")).execute(&mut *connection).await.map_err(failed)?;
    entries::prepare(connection).await
}

/// What a commit writes.
pub(super) struct Writing<'a> {
    pub(super) before: &'a Before,
    pub(super) changes: &'a Changes,
    pub(super) numbers: &'a Numbers<'a>,
    pub(super) runs: &'a Runs,
    /// The names that are used up, and the row of `sends_recent` that they become.
    pub(super) names: &'a [(Key, Name)],
    pub(super) row: i64,
    pub(super) slice: Option<&'a Slice>,
}

impl Writing<'_> {
    /// What is written, as one statement where one will do: it is a transaction by itself.
    pub(super) fn script(&self) -> Result<Script, StoreError> {
        let (before, changes, numbers) = (self.before, self.changes, self.numbers);
        let (longer, rooms): (Vec<_>, Vec<_>) =
            changes.rooms.values().partition(|room| before.only_longer(room));
        let (marks, members): (Vec<_>, Vec<_>) =
            changes.members.iter().partition(|((room, _), member)| before.only_marks(room, member));

        let mut script = Script::default();
        script.add("BEGIN IMMEDIATE");
        let mut whole = Columns::default();
        whole.add(rooms.into_iter().map(|room| room_row(room, numbers)))?;
        whole.add(
            members.into_iter().map(|((room, _), member)| member_row(room, member, numbers)),
        )?;
        whole.add(changes.joined_counts.iter().filter(|(_, by)| **by != 0).map(Ok))?;
        whole.insert(&mut script, "INSERT INTO rooms_written VALUES (?, ?, ?)")?;

        let mut beside = Columns::default();
        beside.add(
            longer.into_iter().map(|room| Ok((numbers.get(&room.id)?, room.head_seq, room.head_n))),
        )?;
        beside.add(marks.into_iter().map(|((room, user), member)| {
            let marks = member.marks;
            Ok((numbers.get(room)?, user, marks.read_seq, marks.read_n, marks.delivered_seq))
        }))?;
        beside.add(self.runs.new.iter().map(Ok))?;
        let lines = entries::lines(changes, numbers, self.names)?;
        let messages = changes.entries.iter().filter(|e| e.n.is_some()).count();
        let names = (!self.names.is_empty()).then(|| (self.row, pack(self.names)));
        entries::insert(&mut script, lines, entries::Beside { beside: beside.0, messages, names })?;

        let mut messages = Columns::default();
        on_messages(&mut messages, changes, numbers)?;
        messages.insert(
            &mut script,
            "INSERT INTO messages_written VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut links = Columns::default();
        on_links(&mut links, changes, numbers)?;
        links.insert(&mut script, "INSERT INTO links_written VALUES (?, ?, ?, ?, ?)")?;
        inbox(&mut script, changes)?;
        if let Some(slice) = self.slice {
            entries::file(&mut script, slice)?;
        }
        script.transaction();
        Ok(script)
    }
}

/// A row of JSON arrays for one of the views of `write.sql`, column by column.
#[derive(Default)]
struct Columns(Vec<Option<String>>);

impl Columns {
    fn add<T: Serialize>(
        &mut self,
        rows: impl Iterator<Item = Result<T, StoreError>>,
    ) -> Result<(), StoreError> {
        let rows = rows.collect::<Result<Vec<T>, StoreError>>()?;
        let json = || serde_json::to_string(&rows).map_err(corrupt);
        self.0.push(if rows.is_empty() { None } else { Some(json()?) });
        Ok(())
    }

    /// Adds the statement that writes them, if there is anything to write.
    fn insert(self, script: &mut Script, sql: &'static str) -> Result<(), StoreError> {
        if self.0.iter().all(Option::is_none) {
            return Ok(());
        }
        script.add(sql);
        self.0.into_iter().try_for_each(|column| script.bind(column))
    }
}

/// The numbers that stand for rooms, those of new ones among them.
pub(super) struct Numbers<'a> {
    numbers: HashMap<&'a RoomId, i64>,
    /// The highest of them all.
    pub(super) last: i64,
}

impl<'a> Numbers<'a> {
    /// `last` is the highest number that a room has.
    pub(super) fn of(before: &'a Before, changes: &'a Changes, mut last: i64) -> Self {
        let mut numbers: HashMap<_, _> =
            before.rooms.iter().map(|(id, row)| (id, row.pk)).collect();
        for id in changes.rooms.keys().filter(|id| !before.rooms.contains_key(*id)) {
            last += 1;
            numbers.insert(id, last);
        }
        Self { numbers, last }
    }

    pub(super) fn get(&self, room: &RoomId) -> Result<i64, StoreError> {
        let number = self.numbers.get(room).copied();
        number.ok_or_else(|| corrupt("a change to a room that is not there"))
    }
}

fn room_row<'a>(
    room: &'a Room,
    numbers: &Numbers<'_>,
) -> Result<impl Serialize + use<'a>, StoreError> {
    Ok((
        numbers.get(&room.id)?,
        &room.id,
        kind_number(room.kind),
        &room.name,
        &room.topic,
        room.created_at,
        &room.created_by,
        i64::from(room.keep),
        room.head_seq,
        room.head_n,
        room.floor_seq,
        room.members,
        room.owners,
        room.pins,
        room.deleted_at,
        // A row has sixteen cells at most.
        (room.slow_mode, room.retention, room.floor_n),
    ))
}

fn member_row<'a>(
    room: &RoomId,
    member: &'a Member,
    numbers: &Numbers<'_>,
) -> Result<impl Serialize + use<'a>, StoreError> {
    let (standing, until) = standing_number(member.standing);
    Ok((
        numbers.get(room)?,
        &member.user,
        standing,
        until,
        role_number(member.role),
        member.muted_until,
        member.entered_seq,
        member.marks.read_seq,
        member.marks.read_n,
        member.marks.delivered_seq,
        // As an array it becomes text, once it is taken out of the row.
        (!member.mentions.is_empty()).then_some(&member.mentions),
        member.spoke_at,
        i64::from(member.barred),
        level_number(member.notify.level),
        member.notify.snooze_until,
    ))
}

/// Settles what was handed in by the host's transactions: 1 is done, 2 refused.
fn inbox(script: &mut Script, changes: &Changes) -> Result<(), StoreError> {
    if changes.settled.is_empty() {
        return Ok(());
    }
    let row = |(place, why): (&u64, &Option<Rejection>)| match why {
        None => (*place, 1, None, None),
        Some(why) => (*place, 2, Some(why.code().as_str()), Some(why.to_string())),
    };
    let rows: Vec<_> = changes.settled.iter().map(row).collect();
    script.add(SETTLED);
    script.bind(serde_json::to_string(&rows).map_err(corrupt)?)
}

const SETTLED: &str = "\
UPDATE inbox SET state = j.value ->> 1, code = j.value ->> 2, why = j.value ->> 3, \
  refused_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) \
FROM json_each(?) j WHERE inbox.id = j.value ->> 0";

/// What happens to messages that are there, to reactions, pins and files; and the audit.
fn on_messages(
    columns: &mut Columns,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    columns.add(changes.rewritten.iter().map(|((room, seq), entry)| {
        let body = serde_json::to_string(&entry.body).map_err(corrupt)?;
        Ok((numbers.get(room)?, seq, body))
    }))?;
    columns.add(changes.emptied.iter().map(|(room, message)| Ok((numbers.get(room)?, message))))?;
    for on in [true, false] {
        let some = changes.reactions.iter().filter(|(_, now)| **now == on);
        columns.add(
            some.map(|((room, seq, emoji, user), _)| Ok((numbers.get(room)?, seq, emoji, user))),
        )?;
    }
    let (gone, given): (Vec<_>, Vec<_>) =
        changes.reaction_counts.iter().partition(|(_, now)| now.count == 0);
    columns.add(given.into_iter().map(|((room, seq, emoji), now)| {
        Ok((numbers.get(room)?, seq, emoji, now.count, now.first))
    }))?;
    columns.add(
        gone.into_iter().map(|((room, seq, emoji), _)| Ok((numbers.get(room)?, seq, emoji))),
    )?;
    for on in [true, false] {
        let some = changes.pins.iter().filter(|(_, now)| **now == on);
        columns.add(some.map(|((room, seq), _)| Ok((numbers.get(room)?, seq))))?;
    }
    columns.add(changes.bound.iter().map(|(id, (room, seq))| Ok((id, room, seq))))?;
    columns.add(changes.released.iter().map(Ok))?;
    let deleted = changes.rooms.values().filter(|room| room.deleted_at.is_some());
    columns.add(deleted.map(|room| Ok(&room.id)))?;
    columns.add(changes.audit.iter().map(|record| {
        Ok((record.at, &record.room, serde_json::to_string(record).map_err(corrupt)?))
    }))
}

/// What happens to links by which people come in, and who blocks whom.
fn on_links(
    columns: &mut Columns,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    columns.add(changes.invite_links.iter().filter_map(|((room, id), link)| {
        let link = link.as_ref()?;
        let row = |number| {
            let (hash, by) = (hex(link.hash.as_bytes()), &link.created_by);
            (number, id, hash, by, link.created_at, link.expires_at, link.uses, link.used)
        };
        Some(numbers.get(room).map(row))
    }))?;
    let gone = changes.invite_links.iter().filter(|(_, link)| link.is_none());
    columns.add(gone.map(|((room, id), _)| Ok((numbers.get(room)?, id))))?;
    let deleted = changes.rooms.values().filter(|room| room.deleted_at.is_some());
    columns.add(deleted.map(|room| numbers.get(&room.id)))?;
    for on in [true, false] {
        let some = changes.blocks.iter().filter(|(_, now)| **now == on);
        columns.add(some.map(|(pair, _)| Ok(pair)))?;
    }
    Ok(())
}
