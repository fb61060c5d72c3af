//! Writes what was decided.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;

use super::views::Before;
use crate::id::RoomId;
use crate::log::Body;
use crate::room::{Changes, Member, Room};
use crate::store::StoreError;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::rows::{hex, kind_number, role_number, standing_number};
use crate::store::sqlite::script::Script;

/// Teaches a connection the one statement that writes.
pub(in crate::store::sqlite) async fn prepare(
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    sqlx::raw_sql(include_str!("write.sql")).execute(connection).await.map_err(failed)?;
    Ok(())
}

/// Writes `changes` and commits. `before` is what was loaded in the same transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    before: &Before,
    changes: &Changes,
) -> Result<(), StoreError> {
    let mut script = Script::default();
    if !changes.is_empty() {
        script.add(concat!(
            "INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ",
            "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        // In the order of the columns of `changes`.
        let numbers = Numbers::of(before, changes);
        rooms(&mut script, before, changes, &numbers)?;
        members(&mut script, before, changes, &numbers)?;
        let counts = changes.joined_counts.iter().filter(|(_, by)| **by != 0);
        column(&mut script, counts.map(Ok))?;
        log(&mut script, changes, &numbers)?;
        on_messages(&mut script, changes, &numbers)?;
        files(&mut script, changes)?;
    }
    script.add("COMMIT");
    script.run(connection).await?;
    Ok(())
}

/// Binds one column: its rows, or nothing.
fn column<T: Serialize>(
    script: &mut Script,
    rows: impl Iterator<Item = Result<T, StoreError>>,
) -> Result<(), StoreError> {
    let rows = rows.collect::<Result<Vec<T>, StoreError>>()?;
    if rows.is_empty() { script.bind(None::<String>) } else { script.bind_rows(&rows) }
}

/// The numbers that stand for rooms, those of new ones among them.
struct Numbers<'a>(HashMap<&'a RoomId, i64>);

impl<'a> Numbers<'a> {
    fn of(before: &'a Before, changes: &'a Changes) -> Self {
        let known = before.rooms.iter().map(|(id, (pk, _))| (id, *pk));
        let new = changes.rooms.keys().filter(|id| !before.rooms.contains_key(*id));
        Self(known.chain(new.zip(before.last_pk + 1..)).collect())
    }

    fn get(&self, room: &RoomId) -> Result<i64, StoreError> {
        self.0.get(room).copied().ok_or_else(|| corrupt("a change to a room that is not there"))
    }
}

fn rooms(
    script: &mut Script,
    before: &Before,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    // All but the ends of the log is seldom new.
    let only_longer = |room: &Room| {
        before.rooms.get(&room.id).is_some_and(|(_, old)| {
            *room == Room { head_seq: room.head_seq, head_n: room.head_n, ..old.clone() }
        })
    };
    let (longer, other): (Vec<_>, Vec<_>) = changes.rooms.values().partition(|r| only_longer(r));
    column(
        script,
        other.into_iter().map(|r| {
            Ok((
                numbers.get(&r.id)?,
                &r.id,
                kind_number(r.kind),
                &r.name,
                &r.topic,
                r.created_at,
                &r.created_by,
                i64::from(r.keep),
                r.head_seq,
                r.head_n,
                r.floor_seq,
                r.members,
                r.owners,
                r.pins,
                r.deleted_at,
            ))
        }),
    )?;
    column(script, longer.into_iter().map(|r| Ok((numbers.get(&r.id)?, r.head_seq, r.head_n))))
}

fn members(
    script: &mut Script,
    before: &Before,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    // Marks move with every message; what stands in an index does not.
    let only_marks = |room: &RoomId, member: &Member| {
        let old = before.members.get(&(room.clone(), member.user.clone()));
        old.is_some_and(|old| *member == Member { marks: member.marks, ..old.clone() })
    };
    let all = changes.members.iter().map(|((room, _), member)| (room, member));
    let (marks, other): (Vec<_>, Vec<_>) = all.partition(|(room, m)| only_marks(room, m));
    column(
        script,
        other.into_iter().map(|(room, m)| {
            let (standing, until) = standing_number(m.standing);
            Ok((
                numbers.get(room)?,
                &m.user,
                standing,
                until,
                role_number(m.role),
                m.muted_until,
                m.entered_seq,
                m.marks.read_seq,
                m.marks.read_n,
                m.marks.delivered_seq,
            ))
        }),
    )?;
    column(
        script,
        marks.into_iter().map(|(room, m)| {
            let marks = m.marks;
            let pk = numbers.get(room)?;
            Ok((pk, &m.user, marks.read_seq, marks.read_n, marks.delivered_seq))
        }),
    )
}

fn log(script: &mut Script, changes: &Changes, numbers: &Numbers<'_>) -> Result<(), StoreError> {
    column(
        script,
        changes.entries.iter().map(|e| {
            let body = serde_json::to_string(&e.body).map_err(corrupt)?;
            let kind = e.body.kind() as i64;
            let edits = match &e.body {
                Body::Edit { message_id, .. } => Some(message_id),
                _ => None,
            };
            let pk = numbers.get(&e.room)?;
            Ok((pk, e.seq, e.n, kind, &e.user, e.ts, &e.client_msg_id, edits, body))
        }),
    )?;
    column(
        script,
        changes.rewritten.iter().map(|((room, seq), entry)| {
            let body = serde_json::to_string(&entry.body).map_err(corrupt)?;
            Ok((numbers.get(room)?, seq, body))
        }),
    )?;
    column(
        script,
        changes.emptied.iter().map(|(room, message)| Ok((numbers.get(room)?, message))),
    )?;
    column(
        script,
        changes.sends.iter().map(|((room, id), send)| {
            let key = hex(&id.to_bytes());
            let fingerprint = hex(&send.fingerprint);
            Ok((numbers.get(room)?, key, send.seq, send.n, send.ts, fingerprint))
        }),
    )?;
    let mut runs: Vec<(&RoomId, u64, u64)> = Vec::new();
    for entry in &changes.entries {
        match runs.last_mut() {
            Some((room, _, last)) if **room == entry.room => *last = entry.seq.0,
            _ => runs.push((&entry.room, entry.seq.0, entry.seq.0)),
        }
    }
    column(
        script,
        runs.into_iter().map(|(room, first, last)| Ok((numbers.get(room)?, first, last))),
    )?;
    let messages = changes.entries.iter().filter(|e| e.n.is_some()).count();
    script.bind((messages > 0).then(|| i64::try_from(messages).unwrap_or(i64::MAX)))
}

/// Reactions and pins.
fn on_messages(
    script: &mut Script,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    for on in [true, false] {
        let some = changes.reactions.iter().filter(|(_, now)| **now == on);
        column(
            script,
            some.map(|((room, seq, emoji, user), _)| Ok((numbers.get(room)?, seq, emoji, user))),
        )?;
    }
    let (gone, given): (Vec<_>, Vec<_>) =
        changes.reaction_counts.iter().partition(|(_, now)| now.count == 0);
    column(
        script,
        given.into_iter().map(|((room, seq, emoji), now)| {
            Ok((numbers.get(room)?, seq, emoji, now.count, now.first))
        }),
    )?;
    column(
        script,
        gone.into_iter().map(|((room, seq, emoji), _)| Ok((numbers.get(room)?, seq, emoji))),
    )?;
    for on in [true, false] {
        let some = changes.pins.iter().filter(|(_, now)| **now == on);
        column(script, some.map(|((room, seq), _)| Ok((numbers.get(room)?, seq))))?;
    }
    Ok(())
}

/// Files that go into a message, and those that go with one or with a room.
fn files(script: &mut Script, changes: &Changes) -> Result<(), StoreError> {
    column(script, changes.bound.iter().map(|(id, (room, seq))| Ok((id, room, seq))))?;
    column(script, changes.released.iter().map(Ok))?;
    let deleted = changes.rooms.values().filter(|room| room.deleted_at.is_some());
    column(script, deleted.map(|room| Ok(&room.id)))
}
