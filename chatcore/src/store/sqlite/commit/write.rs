//! Writes what was decided.

use std::collections::HashMap;

use sqlx::sqlite::SqliteConnection;

use super::views::Before;
use crate::id::RoomId;
use crate::room::{Changes, Member, Room};
use crate::store::sqlite::error::corrupt;
use crate::store::sqlite::rows::{hex, kind_number, role_number, standing_number};
use crate::store::sqlite::script::Script;
use crate::store::{Run, StoreError};

const ROOMS: &str = "\
INSERT INTO rooms (pk, id, kind, name, topic, created_at, created_by, keep, head_seq, head_n, \
                   floor_seq, members, owners, pins, deleted_at) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
       value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, \
       value ->> 13, value ->> 14 \
FROM json_each(?) WHERE true \
ON CONFLICT (pk) DO UPDATE SET \
  kind = excluded.kind, name = excluded.name, topic = excluded.topic, \
  created_at = excluded.created_at, created_by = excluded.created_by, keep = excluded.keep, \
  head_seq = excluded.head_seq, head_n = excluded.head_n, floor_seq = excluded.floor_seq, \
  members = excluded.members, owners = excluded.owners, pins = excluded.pins, \
  deleted_at = excluded.deleted_at";

const HEADS: &str = "\
UPDATE rooms SET head_seq = j.value ->> 1, head_n = j.value ->> 2 \
FROM json_each(?) j WHERE rooms.pk = j.value ->> 0";

const MEMBERS: &str = "\
INSERT INTO members (room, user, standing, banned_until, role, muted_until, entered_seq, \
                     read_seq, read_n, delivered_seq) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
       value ->> 7, value ->> 8, value ->> 9 \
FROM json_each(?) WHERE true \
ON CONFLICT (room, user) DO UPDATE SET \
  standing = excluded.standing, banned_until = excluded.banned_until, role = excluded.role, \
  muted_until = excluded.muted_until, entered_seq = excluded.entered_seq, \
  read_seq = excluded.read_seq, read_n = excluded.read_n, delivered_seq = excluded.delivered_seq";

const MARKS: &str = "\
UPDATE members SET read_seq = j.value ->> 2, read_n = j.value ->> 3, delivered_seq = j.value ->> 4 \
FROM json_each(?) j WHERE members.room = j.value ->> 0 AND members.user = j.value ->> 1";

const ENTRIES: &str = "\
INSERT INTO log (room, seq, n, kind, user, ts, client_msg_id, body) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
       value ->> 7 \
FROM json_each(?)";

const REWRITTEN: &str = "\
UPDATE log SET body = j.value ->> 2 \
FROM json_each(?) j WHERE log.room = j.value ->> 0 AND log.seq = j.value ->> 1";

const EMPTIED: &str = "\
UPDATE log SET body = json_set(log.body, '$.text', '') \
FROM json_each(?) j \
WHERE log.room = j.value ->> 0 AND log.kind = 2 AND log.body ->> 'message_id' = j.value ->> 1";

const SENDS: &str = "\
INSERT INTO sends (room, key, seq, n, ts, fingerprint) \
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5) \
FROM json_each(?)";

const REACTIONS: &str = "\
INSERT INTO reactions (room, seq, emoji, user) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true \
ON CONFLICT DO NOTHING";

const REACTIONS_TAKEN: &str = "\
DELETE FROM reactions WHERE (room, seq, emoji, user) IN (\
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?))";

const REACTION_COUNTS: &str = "\
INSERT INTO reaction_counts (room, seq, emoji, count, first) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 \
FROM json_each(?) WHERE true \
ON CONFLICT (room, seq, emoji) DO UPDATE SET count = excluded.count, first = excluded.first";

const REACTIONS_GONE: &str = "\
DELETE FROM reaction_counts WHERE (room, seq, emoji) IN (\
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))";

const PINS: &str = "\
INSERT INTO pins (room, seq) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true \
ON CONFLICT DO NOTHING";

const PINS_GONE: &str = "\
DELETE FROM pins WHERE (room, seq) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))";

/// The first run of a batch goes on with the last one that is there, if it is of the same room and
/// does not grow too long by that.
const RUNS: &str = "\
INSERT INTO runs (pos, room, first, last) \
SELECT (SELECT r.pos FROM runs r WHERE key = 0 AND r.pos = (SELECT max(pos) FROM runs) \
        AND r.room = value ->> 0 AND r.last = (value ->> 1) - 1 \
        AND (value ->> 2) - r.first < (value ->> 3)), \
       value ->> 0, value ->> 1, value ->> 2 \
FROM json_each(?) WHERE true ORDER BY key \
ON CONFLICT (pos) DO UPDATE SET last = excluded.last";

const USER_COUNTS: &str = "\
INSERT INTO user_counts (user, joined) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true \
ON CONFLICT (user) DO UPDATE SET joined = joined + excluded.joined";

const BOUND: &str = "\
UPDATE attachments SET state = 3, room = j.value ->> 1, seq = j.value ->> 2 \
FROM json_each(?) j WHERE attachments.id = j.value ->> 0 AND attachments.state = 2";

const RELEASED: &str = "\
UPDATE attachments SET state = 6 WHERE state = 3 AND id IN (SELECT value FROM json_each(?))";

const RELEASED_WITH_ROOMS: &str = "\
UPDATE attachments SET state = 6 WHERE state = 3 AND room IN (SELECT value FROM json_each(?))";

const TOTALS: &str = "UPDATE totals SET messages = messages + ?";

/// Writes `changes` and commits. `before` is what was loaded in the same transaction.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    before: &Before,
    changes: &Changes,
) -> Result<(), StoreError> {
    let mut script = Script::default();
    let numbers = Numbers::of(before, changes);
    rooms(&mut script, before, changes, &numbers)?;
    members(&mut script, before, changes, &numbers)?;
    log(&mut script, changes, &numbers)?;
    on_messages(&mut script, changes, &numbers)?;
    files(&mut script, changes)?;
    let counts = changes.joined_counts.iter().filter(|(_, by)| **by != 0);
    script.add_some(USER_COUNTS, counts.map(Ok))?;
    script.add("COMMIT");
    script.run(connection).await?;
    Ok(())
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
    script.add_some(
        HEADS,
        longer.into_iter().map(|r| Ok((numbers.get(&r.id)?, r.head_seq, r.head_n))),
    )?;
    script.add_some(
        ROOMS,
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
    )
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
    script.add_some(
        MARKS,
        marks.into_iter().map(|(room, m)| {
            let marks = m.marks;
            let pk = numbers.get(room)?;
            Ok((pk, &m.user, marks.read_seq, marks.read_n, marks.delivered_seq))
        }),
    )?;
    script.add_some(
        MEMBERS,
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
    )
}

fn log(script: &mut Script, changes: &Changes, numbers: &Numbers<'_>) -> Result<(), StoreError> {
    script.add_some(
        ENTRIES,
        changes.entries.iter().map(|e| {
            let body = serde_json::to_string(&e.body).map_err(corrupt)?;
            let kind = e.body.kind() as i64;
            Ok((numbers.get(&e.room)?, e.seq, e.n, kind, &e.user, e.ts, &e.client_msg_id, body))
        }),
    )?;
    script.add_some(
        REWRITTEN,
        changes.rewritten.iter().map(|((room, seq), entry)| {
            let body = serde_json::to_string(&entry.body).map_err(corrupt)?;
            Ok((numbers.get(room)?, seq, body))
        }),
    )?;
    script.add_some(
        EMPTIED,
        changes.emptied.iter().map(|(room, message)| Ok((numbers.get(room)?, message))),
    )?;
    script.add_some(
        SENDS,
        changes.sends.iter().map(|((room, id), send)| {
            let key = hex(&id.to_bytes());
            let fingerprint = hex(&send.fingerprint);
            Ok((numbers.get(room)?, key, send.seq, send.n, send.ts, fingerprint))
        }),
    )?;
    let mut runs: Vec<(&RoomId, u64, u64)> = Vec::new();
    for entry in &changes.entries {
        match runs.last_mut() {
            Some((room, first, last))
                if **room == entry.room && entry.seq.0 - *first < Run::ENTRIES =>
            {
                *last = entry.seq.0;
            }
            _ => runs.push((&entry.room, entry.seq.0, entry.seq.0)),
        }
    }
    script.add_some(
        RUNS,
        runs.into_iter()
            .map(|(room, first, last)| Ok((numbers.get(room)?, first, last, Run::ENTRIES))),
    )?;
    let messages = changes.entries.iter().filter(|e| e.n.is_some()).count();
    if messages > 0 {
        script.add(TOTALS);
        script.bind(i64::try_from(messages).map_err(corrupt)?)?;
    }
    Ok(())
}

/// Reactions and pins.
fn on_messages(
    script: &mut Script,
    changes: &Changes,
    numbers: &Numbers<'_>,
) -> Result<(), StoreError> {
    for (sql, on) in [(REACTIONS, true), (REACTIONS_TAKEN, false)] {
        let some = changes.reactions.iter().filter(|(_, now)| **now == on);
        script.add_some(
            sql,
            some.map(|((room, seq, emoji, user), _)| Ok((numbers.get(room)?, seq, emoji, user))),
        )?;
    }
    let (gone, given): (Vec<_>, Vec<_>) =
        changes.reaction_counts.iter().partition(|(_, now)| now.count == 0);
    script.add_some(
        REACTION_COUNTS,
        given.into_iter().map(|((room, seq, emoji), now)| {
            Ok((numbers.get(room)?, seq, emoji, now.count, now.first))
        }),
    )?;
    script.add_some(
        REACTIONS_GONE,
        gone.into_iter().map(|((room, seq, emoji), _)| Ok((numbers.get(room)?, seq, emoji))),
    )?;
    for (sql, on) in [(PINS, true), (PINS_GONE, false)] {
        let some = changes.pins.iter().filter(|(_, now)| **now == on);
        script.add_some(sql, some.map(|((room, seq), _)| Ok((numbers.get(room)?, seq))))?;
    }
    Ok(())
}

/// Files that go into a message, and those that go with one or with a room.
fn files(script: &mut Script, changes: &Changes) -> Result<(), StoreError> {
    script.add_some(BOUND, changes.bound.iter().map(|(id, (room, seq))| Ok((id, room, seq))))?;
    script.add_some(RELEASED, changes.released.iter().map(Ok))?;
    let deleted = changes.rooms.values().filter(|room| room.deleted_at.is_some());
    script.add_some(RELEASED_WITH_ROOMS, deleted.map(|room| Ok(&room.id)))
}
