//! Writes what was decided, with one statement.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::sql::Script;
use crate::id::RoomId;
use crate::log::Body;
use crate::room::{Changes, Member, Room, Views};
use crate::store::StoreError;
use crate::store::postgres::error::{corrupt, has_code};
use crate::store::postgres::rows::signed;
use crate::store::sql::cache::Written;
use crate::store::sql::rows::{hex, kind_number, level_number, role_number, standing_number};
use crate::store::sql::runs::{Runs, Stretch};
use crate::store::sql::views::{Before, RoomRow};

mod blocks;
mod links;
mod messages;

/// What a commit writes.
pub(super) struct Writing<'a> {
    pub(super) before: &'a Before,
    pub(super) changes: &'a Changes,
    /// As the changes leave them.
    pub(super) views: &'a Views,
    /// The numbers of new rooms.
    pub(super) new: &'a HashMap<RoomId, i64>,
}

/// What is done with rows of rooms, in the order of their numbers.
struct RoomRows<'a> {
    /// Those that it was decided on.
    held: Vec<&'a RoomRow>,
    /// Those of which nothing is new but the end of the log.
    longer: Vec<(&'a RoomRow, &'a Room)>,
    whole: Vec<(i64, &'a Room)>,
}

/// Locks the rooms that were decided on, in an order that is the same for everybody, if they are of the
/// versions that were decided on. There is one row in `go` if they all are; every part of the
/// statement waits for it, so that nothing is written, and no key waited for, before the locks are held.
const HOLD: &str = "\
WITH held AS MATERIALIZED (\
  SELECT r.pk FROM unnest(?::bigint[], ?::bigint[]) AS e (pk, version) \
  JOIN $.rooms r ON r.pk = e.pk AND r.version = e.version ORDER BY r.pk FOR NO KEY UPDATE OF r), \
go AS MATERIALIZED (SELECT 1 FROM held HAVING count(*) = ?)";

/// The same where it is known where the rows lie. By their numbers, all versions would be gone through that
/// vacuum may not yet take away, of which there are as many as commits since the oldest transaction
/// began that is still open, be it the host's.
const HOLD_THERE: &str = "\
WITH held AS MATERIALIZED (\
  SELECT r.pk FROM unnest(?::bigint[], ?::bigint[], ?::text[]::tid[]) AS e (pk, version, place) \
  JOIN $.rooms r ON r.ctid = e.place AND r.pk + 0 = e.pk AND r.version = e.version \
  ORDER BY r.pk FOR NO KEY UPDATE OF r), \
go AS MATERIALIZED (SELECT 1 FROM held HAVING count(*) = ?)";

const LONGER: &str = "\
, longer AS (UPDATE $.rooms r SET head_seq = e.seq, head_n = e.n, version = r.version + 1 \
  FROM go, unnest(?::bigint[], ?::bigint[], ?::bigint[]) AS e (pk, seq, n) WHERE r.pk = e.pk \
  RETURNING r.pk, r.ctid)";

const LONGER_THERE: &str = "\
, longer AS (UPDATE $.rooms r SET head_seq = e.seq, head_n = e.n, version = r.version + 1 \
  FROM go, unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::text[]::tid[]) AS e (pk, seq, n, place) \
  WHERE r.ctid = e.place AND r.pk + 0 = e.pk RETURNING r.pk, r.ctid)";

const ROOMS: &str = "\
, made AS (INSERT INTO $.rooms AS r (pk, version, id, kind, name, topic, created_at, created_by, keep, \
    head_seq, head_n, floor_seq, members, owners, pins, deleted_at, slow_mode, retention, \
    floor_n, dead_seq) \
  SELECT e.pk, 1, e.id, e.kind, e.name, e.topic, e.at, e.by, e.keep, e.seq, e.n, e.floor, \
    e.members, e.owners, e.pins, e.deleted, e.slow, e.retention, e.floor_n, e.dead \
  FROM go, unnest(?::bigint[], ?::text[], ?::bigint[], ?::text[], ?::text[], ?::bigint[], ?::text[], \
    ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], \
    ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[]) AS e (pk, id, kind, name, topic, at, by, keep, \
    seq, n, floor, members, owners, pins, deleted, slow, retention, floor_n, dead) \
  ON CONFLICT (pk) DO UPDATE SET version = r.version + 1, kind = excluded.kind, \
    name = excluded.name, topic = excluded.topic, created_at = excluded.created_at, \
    created_by = excluded.created_by, keep = excluded.keep, head_seq = excluded.head_seq, \
    head_n = excluded.head_n, floor_seq = excluded.floor_seq, members = excluded.members, \
    owners = excluded.owners, pins = excluded.pins, deleted_at = excluded.deleted_at, \
    slow_mode = excluded.slow_mode, retention = excluded.retention, floor_n = excluded.floor_n, \
    dead_seq = excluded.dead_seq)";

/// Marks are no part of a room's version: others may have moved them on.
const MEMBERS: &str = "\
, stood AS (INSERT INTO $.members AS m (room, \"user\", standing, banned_until, role, muted_until, \
    entered_seq, read_seq, read_n, delivered_seq, mentions, spoke_at, barred, notify, \
    snooze_until) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], \
    ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::bigint[], \
    ?::bigint[], ?::bigint[]) AS e \
  ON CONFLICT (room, \"user\") DO UPDATE SET standing = excluded.standing, \
    banned_until = excluded.banned_until, role = excluded.role, muted_until = excluded.muted_until, \
    entered_seq = excluded.entered_seq, read_seq = greatest(m.read_seq, excluded.read_seq), \
    read_n = greatest(m.read_n, excluded.read_n), \
    delivered_seq = greatest(m.delivered_seq, excluded.delivered_seq), \
    mentions = excluded.mentions, spoke_at = excluded.spoke_at, barred = excluded.barred, \
    notify = excluded.notify, snooze_until = excluded.snooze_until)";

const MARKS: &str = "\
, marks AS (UPDATE $.members m SET read_seq = e.read, read_n = e.n, delivered_seq = e.delivered \
  FROM go, unnest(?::bigint[], ?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], \
    ?::bigint[], ?::bigint[]) AS e (room, who, read, n, delivered, old_read, old_n, old_delivered) \
  WHERE m.room = e.room AND m.user = e.who AND m.read_seq = e.old_read AND m.read_n = e.old_n \
    AND m.delivered_seq = e.old_delivered RETURNING 1)";

/// Counts of rooms that people are in, and how many of them came to what was decided on.
const JOINED: &str = "\
, counts AS (INSERT INTO $.user_counts AS c (\"user\", joined) \
  SELECT e.who, e.by FROM go, unnest(?::text[], ?::bigint[]) AS e (who, by) ORDER BY e.who COLLATE \"C\" \
  ON CONFLICT (\"user\") DO UPDATE SET joined = c.joined + excluded.joined \
  RETURNING c.user, c.joined), \
joined AS (SELECT 1 FROM counts c JOIN unnest(?::text[], ?::bigint[]) AS e (who, joined) \
  ON e.who = c.user AND e.joined = c.joined)";

const LOG: &str = "\
, entries AS (INSERT INTO $.log (room, seq, n, ts, kind, \"user\", client_msg_id, edits, body) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::smallint[], \
    ?::text[], ?::text[], ?::text[], ?::text[]) AS e)";

const SENDS: &str = "\
, names AS (INSERT INTO $.sends (room, seq, n, ts, key, fingerprint) \
  SELECT e.* FROM go, unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[]::uuid[], \
    ?::text[]::uuid[]) AS e)";

const PENDING: &str = "\
, pending AS (INSERT INTO $.runs_pending (made, messages, rooms, firsts, lasts) \
  SELECT ?::bigint, ?::bigint, ?::bigint[], ?::bigint[], ?::bigint[] FROM go)";

/// What was handed in by a host's transaction is settled by whoever comes first.
const SETTLED: &str = "\
, settled AS (DELETE FROM $.inbox i USING go \
  WHERE i.id = ANY (?::bigint[]) AND i.code IS NULL RETURNING 1)";

const REFUSED: &str = "\
, refused AS (UPDATE $.inbox i SET code = e.code, why = e.why, \
    refused_at = (extract(epoch FROM now()) * 1000)::bigint \
  FROM go, unnest(?::bigint[], ?::text[], ?::text[]) AS e (id, code, why) \
  WHERE i.id = e.id AND i.code IS NULL RETURNING 1)";

/// Whether the statement found something else than what was decided on, in the middle of its work.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    // division_by_zero: see `Checks`.
    has_code(error, &["22012"])
}

/// Where the rooms lie now.
const PLACES: &str = ", (SELECT array_agg(ctid::text ORDER BY pk) FROM longer)";

/// What must have come of parts of the statement, or else all of it is undone.
#[derive(Default)]
struct Checks(Vec<(&'static str, i64)>);

impl Checks {
    /// There are so many rows in what the part returns.
    fn rows(&mut self, part: &'static str, number: usize) {
        self.0.push((part, i64::try_from(number).unwrap_or(i64::MAX)));
    }

    /// Ends the statement. It says 1 if it wrote, and 0 if it wrote nothing; and where the rooms lie that are
    /// `longer` now, if any are.
    fn end(self, script: &mut Script, longer: bool) {
        let places = if longer { PLACES } else { ", NULL::text[]" };
        if self.0.is_empty() {
            script.text(" SELECT (SELECT count(*) FROM go)");
            script.text(places);
            return;
        }
        script.text(
            " SELECT (CASE WHEN NOT EXISTS (SELECT 1 FROM go) THEN 0 ELSE 1 / (CASE WHEN true",
        );
        for (part, number) in self.0 {
            script.text(" AND (SELECT count(*) FROM ");
            script.text(part);
            script.text(") = ?").bind(number);
        }
        script.text(" THEN 1 ELSE 0 END) END)::bigint");
        script.text(places);
    }
}

impl<'a> Writing<'a> {
    fn number(&self, room: &RoomId) -> Result<i64, StoreError> {
        let known = self.before.rooms.get(room).map(|row| row.pk);
        known
            .or_else(|| self.new.get(room).copied())
            .ok_or_else(|| corrupt("a change to a room that is not there"))
    }

    /// What becomes of a room's row; where it lies is not known yet.
    pub(super) fn written(&self, room: &RoomId) -> Option<Written> {
        let new = |pk| Written { pk, before: 0, version: 1, place: None };
        let Some(row) = self.before.rooms.get(room) else {
            return self.new.get(room).copied().map(new);
        };
        let now = self.changes.rooms.get(room)?;
        let changed = *now != row.room || self.whole_members().any(|(of, _)| of == room);
        let place = row.place.clone().filter(|_| !changed);
        Some(Written {
            pk: row.pk,
            before: row.version,
            version: row.version + i64::from(changed),
            place,
        })
    }

    /// Members of whom more is new than marks.
    fn whole_members(&self) -> impl Iterator<Item = (&'a RoomId, &'a Member)> {
        let before = self.before;
        let all = self.changes.members.iter().map(|((room, _), member)| (room, member));
        all.filter(move |(room, member)| !before.only_marks(room, member))
    }

    /// The statement, and the rooms of which it says where they lie.
    pub(super) fn script(&self) -> Result<(Script, Vec<&'a RoomId>), StoreError> {
        let mut script = Script::default();
        let mut checks = Checks::default();
        let RoomRows { held, longer, whole } = self.room_rows()?;
        let count = i64::try_from(held.len()).map_err(corrupt)?;
        let there = |row: &&'a RoomRow| row.place.as_deref();
        let places: Option<Vec<_>> = held.iter().map(there).collect();
        let text = if places.is_some() { HOLD_THERE } else { HOLD };
        let args = script.text(text);
        args.bind(column(&held, |row| row.pk)).bind(column(&held, |row| row.version));
        if let Some(places) = &places {
            args.bind(places.clone());
        }
        args.bind(count);
        if !longer.is_empty() {
            let text = if places.is_some() { LONGER_THERE } else { LONGER };
            let args = script.text(text);
            args.bind(column(&longer, |(row, _)| row.pk));
            args.bind(column(&longer, |(_, room)| signed(room.head_seq.0)));
            args.bind(column(&longer, |(_, room)| signed(room.head_n)));
            if places.is_some() {
                args.bind(longer.iter().map(|(row, _)| there(row)).collect::<Vec<_>>());
                // What changes no version, such as the sweep, may have moved one.
                checks.rows("longer", longer.len());
            }
        }
        self.whole_rooms(&mut script, &whole);
        self.members(&mut script, &mut checks)?;
        self.joined(&mut script, &mut checks);
        self.entries(&mut script)?;
        self.messages(&mut script, &mut checks)?;
        self.links(&mut script)?;
        self.blocks(&mut script);
        self.inbox(&mut script, &mut checks);
        checks.end(&mut script, !longer.is_empty());
        Ok((script, longer.into_iter().map(|(_, room)| &room.id).collect()))
    }

    fn room_rows(&self) -> Result<RoomRows<'a>, StoreError> {
        let changed: HashSet<_> = self.whole_members().map(|(room, _)| room).collect();
        let held = self.before.rooms.values().collect();
        let mut rows = RoomRows { held, longer: Vec::new(), whole: Vec::new() };
        for room in self.changes.rooms.values() {
            match self.before.rooms.get(&room.id) {
                Some(old) if self.before.only_longer(room) => {
                    if old.room != *room || changed.contains(&room.id) {
                        rows.longer.push((old, room));
                    }
                }
                _ => rows.whole.push((self.number(&room.id)?, room)),
            }
        }
        rows.held.sort_unstable_by_key(|row| row.pk);
        rows.longer.sort_unstable_by_key(|(row, _)| row.pk);
        Ok(rows)
    }

    fn whole_rooms(&self, script: &mut Script, whole: &[(i64, &Room)]) {
        if !whole.is_empty() {
            fn of<T>(rows: &[(i64, &Room)], value: impl Fn(&Room) -> T) -> Vec<T> {
                rows.iter().map(|(_, room)| value(room)).collect()
            }
            let args = script.text(ROOMS);
            args.bind(column(whole, |(pk, _)| *pk));
            args.bind(column(whole, |(_, room)| room.id.as_str()));
            args.bind(of(whole, |room| kind_number(room.kind)));
            args.bind(column(whole, |(_, room)| room.name.as_deref()));
            args.bind(column(whole, |(_, room)| room.topic.as_deref()));
            args.bind(of(whole, |room| room.created_at.0));
            args.bind(column(whole, |(_, room)| room.created_by.as_str()));
            args.bind(of(whole, |room| i64::from(room.keep)));
            args.bind(of(whole, |room| signed(room.head_seq.0)));
            args.bind(of(whole, |room| signed(room.head_n)));
            args.bind(of(whole, |room| signed(room.floor_seq.0)));
            args.bind(of(whole, |room| i64::from(room.members)));
            args.bind(of(whole, |room| i64::from(room.owners)));
            args.bind(of(whole, |room| i64::from(room.pins)));
            args.bind(of(whole, |room| room.deleted_at.map(|at| at.0)));
            args.bind(of(whole, |room| i64::from(room.slow_mode)));
            args.bind(of(whole, |room| i64::from(room.retention)));
            args.bind(of(whole, |room| signed(room.floor_n)));
            args.bind(of(whole, |room| match room.deleted_at {
                Some(_) => signed(room.head_seq.0),
                None => signed(room.floor_seq.0),
            }));
        }
    }

    fn members(&self, script: &mut Script, checks: &mut Checks) -> Result<(), StoreError> {
        let (mut whole, mut marks) = (Vec::new(), Vec::new());
        for (key, member) in &self.changes.members {
            let number = self.number(&key.0)?;
            match self.before.members.get(key) {
                Some(old) if self.before.only_marks(&key.0, member) => {
                    marks.push((number, member, old.marks));
                }
                _ => whole.push((number, member)),
            }
        }
        if !whole.is_empty() {
            let mentions = whole.iter().map(|(_, member)| mentions(member));
            let mentions = mentions.collect::<Result<Vec<_>, StoreError>>()?;
            let standing = |member: &Member| standing_number(member.standing);
            let args = script.text(MEMBERS);
            args.bind(column(&whole, |(room, _)| *room));
            args.bind(column(&whole, |(_, member)| member.user.as_str()));
            args.bind(column(&whole, |(_, member)| standing(member).0));
            args.bind(column(&whole, |(_, member)| standing(member).1));
            args.bind(column(&whole, |(_, member)| role_number(member.role)));
            args.bind(column(&whole, |(_, member)| member.muted_until.map(|until| until.0)));
            args.bind(column(&whole, |(_, member)| signed(member.entered_seq.0)));
            args.bind(column(&whole, |(_, member)| signed(member.marks.read_seq.0)));
            args.bind(column(&whole, |(_, member)| signed(member.marks.read_n)));
            args.bind(column(&whole, |(_, member)| signed(member.marks.delivered_seq.0)));
            args.bind(mentions);
            args.bind(column(&whole, |(_, member)| member.spoke_at.map(|at| at.0)));
            args.bind(column(&whole, |(_, member)| i64::from(member.barred)));
            args.bind(column(&whole, |(_, member)| level_number(member.notify.level)));
            args.bind(column(&whole, |(_, member)| {
                member.notify.snooze_until.map(|until| until.0)
            }));
        }
        if !marks.is_empty() {
            checks.rows("marks", marks.len());
            let args = script.text(MARKS);
            args.bind(column(&marks, |(room, ..)| *room));
            args.bind(column(&marks, |(_, member, _)| member.user.as_str()));
            args.bind(column(&marks, |(_, member, _)| signed(member.marks.read_seq.0)));
            args.bind(column(&marks, |(_, member, _)| signed(member.marks.read_n)));
            args.bind(column(&marks, |(_, member, _)| signed(member.marks.delivered_seq.0)));
            args.bind(column(&marks, |(_, _, old)| signed(old.read_seq.0)));
            args.bind(column(&marks, |(_, _, old)| signed(old.read_n)));
            args.bind(column(&marks, |(_, _, old)| signed(old.delivered_seq.0)));
        }
        Ok(())
    }

    fn joined(&self, script: &mut Script, checks: &mut Checks) {
        let counts: Vec<_> =
            self.changes.joined_counts.iter().filter(|(_, by)| **by != 0).collect();
        if counts.is_empty() {
            return;
        }
        // Those whose count was asked for must come to what the limit was held against.
        let known: Vec<_> = counts
            .iter()
            .filter_map(|(user, _)| Some((user.as_str(), *self.views.joined_counts.get(*user)?)))
            .collect();
        checks.rows("joined", known.len());
        let args = script.text(JOINED);
        args.bind(column(&counts, |(user, _)| user.as_str()));
        args.bind(column(&counts, |(_, by)| **by));
        args.bind(column(&known, |(user, _)| *user));
        args.bind(column(&known, |(_, joined)| i64::from(*joined)));
    }

    fn entries(&self, script: &mut Script) -> Result<(), StoreError> {
        let made = self.new.len();
        let entries = &self.changes.entries;
        if entries.is_empty() && made == 0 {
            return Ok(());
        }
        let (mut rooms, mut bodies) = (Vec::new(), Vec::new());
        for entry in entries {
            rooms.push(self.number(&entry.room)?);
            bodies.push(serde_json::to_string(&entry.body).map_err(corrupt)?);
        }
        let args = script.text(LOG);
        args.bind(rooms);
        args.bind(column(entries, |entry| signed(entry.seq.0)));
        args.bind(column(entries, |entry| entry.n.map(signed)));
        args.bind(column(entries, |entry| entry.ts.0));
        args.bind(column(entries, |entry| entry.body.kind() as i16));
        args.bind(column(entries, |entry| entry.user.as_str()));
        args.bind(column(entries, |entry| entry.client_msg_id.as_ref().map(|id| id.as_str())));
        args.bind(column(entries, |entry| match &entry.body {
            Body::Edit { message_id, .. } => Some(message_id.as_str()),
            _ => None,
        }));
        args.bind(bodies);

        let sends: Vec<_> = self.changes.sends.iter().collect();
        if !sends.is_empty() {
            let mut rooms = Vec::new();
            for ((room, _), _) in &sends {
                rooms.push(self.number(room)?);
            }
            let args = script.text(SENDS);
            args.bind(rooms);
            args.bind(column(&sends, |(_, send)| signed(send.seq.0)));
            args.bind(column(&sends, |(_, send)| signed(send.n)));
            args.bind(column(&sends, |(_, send)| send.ts.0));
            args.bind(column(&sends, |((_, id), _)| hex(&id.to_bytes())));
            args.bind(column(&sends, |(_, send)| hex(&send.fingerprint)));
        }

        let runs = Runs::of(Stretch::default(), entries, |room| self.number(room))?.new;
        let messages = entries.iter().filter(|entry| entry.n.is_some()).count();
        let args = script.text(PENDING);
        args.bind(i64::try_from(made).map_err(corrupt)?);
        args.bind(i64::try_from(messages).map_err(corrupt)?);
        args.bind(column(&runs, |run| run.1));
        args.bind(column(&runs, |run| signed(run.2)));
        args.bind(column(&runs, |run| signed(run.3)));
        Ok(())
    }

    fn inbox(&self, script: &mut Script, checks: &mut Checks) {
        let place = |place: &u64| i64::try_from(*place).unwrap_or(i64::MAX);
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for (id, why) in &self.changes.settled {
            match why {
                None => done.push(place(id)),
                Some(why) => refused.push((place(id), why)),
            }
        }
        if !done.is_empty() {
            checks.rows("settled", done.len());
            script.text(SETTLED).bind(done);
        }
        if !refused.is_empty() {
            checks.rows("refused", refused.len());
            let args = script.text(REFUSED);
            args.bind(column(&refused, |(id, _)| *id));
            args.bind(column(&refused, |(_, why)| why.code().as_str()));
            args.bind(column(&refused, |(_, why)| why.to_string()));
        }
    }

    /// Rooms that come to their end.
    fn ended(&self) -> BTreeSet<&'a str> {
        let ended = self.changes.rooms.values().filter(|room| room.deleted_at.is_some());
        ended.map(|room| room.id.as_str()).collect()
    }
}

/// As the row has it.
fn mentions(member: &Member) -> Result<Option<String>, StoreError> {
    let some = (!member.mentions.is_empty()).then_some(&member.mentions);
    some.map(serde_json::to_string).transpose().map_err(corrupt)
}

/// A column of rows.
fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
