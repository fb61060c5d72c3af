//! Filing what was committed.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Filed, Open, author_term, room_term};
use crate::id::{MessageId, UserId};
use crate::log::{Body, Kind};
use crate::search::index_terms;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::rows::{Fields, hex};
use crate::store::sqlite::script::Script;

/// What a slice of the order of commits holds: for each run its place, room, first and last entry.
const RUNS: &str = "\
SELECT json_group_array(json_array(pos, room, first, last) ORDER BY pos) \
FROM (SELECT pos, room, first, last FROM runs WHERE pos >= ? ORDER BY pos LIMIT ?)";

/// The messages, edits (2) and deletions (3) of some stretches, in order.
const ENTRIES: &str = "\
SELECT l.room, l.seq, l.user, l.kind, l.body FROM json_each(?) j CROSS JOIN log l \
ON l.room = j.value ->> 0 AND l.seq BETWEEN j.value ->> 1 AND j.value ->> 2 \
WHERE l.kind <= 3 ORDER BY j.key, l.seq";

/// Messages by name, or by place.
const CHANGED: &str = "\
SELECT l.room, l.seq, l.user, l.kind, l.body FROM json_each(?) j CROSS JOIN log l \
ON l.room = j.value ->> 0 AND l.seq = coalesce(j.value ->> 2, (\
  SELECT s.seq FROM sends s WHERE s.room = j.value ->> 0 AND s.key = unhex(j.value ->> 1) AND s.n > 0)) \
WHERE l.kind = 1";

/// A run that is not filed yet, or the rest of one.
#[derive(Clone, Copy, Deserialize)]
struct Stretch(i64, i64, i64, i64);

/// A row of a log that matters here.
struct Line {
    room: i64,
    seq: i64,
    user: UserId,
    body: Body,
}

/// Files about `limit` entries; says how many it passed.
pub(super) async fn file(store: &SqliteStore, index: &Open, limit: u32) -> Result<u32, StoreError> {
    if is_up_to_date(store, index) {
        return Ok(0);
    }
    // Held all along, so that nothing is forgotten that is on its way in.
    let mut tx = index.writer.hold().await?;
    let (filed, next) = index.filed();
    let stretches = stretches(store, filed, limit).await?;
    let Some(Stretch(pos, room, _, last)) = stretches.last().copied() else { return Ok(0) };
    let passed: i64 = stretches.iter().map(|Stretch(_, _, first, last)| last - first + 1).sum();

    let places: Vec<_> =
        stretches.iter().map(|Stretch(_, r, first, last)| (r, first, last)).collect();
    let mut docs = Vec::new();
    let mut terms = Vec::new();
    let mut changed = Vec::new();
    for line in read(store, ENTRIES, &places).await? {
        match &line.body {
            Body::Edit { message_id, .. } | Body::Delete { message_id } => {
                changed.push((line.room, message_id.clone()));
            }
            _ => {
                if let Some(text) = line.terms() {
                    let id = next + i64::try_from(docs.len()).unwrap_or(i64::MAX);
                    docs.push((id, line.room, line.seq));
                    terms.push((id, text));
                }
            }
        }
    }
    let new: BTreeSet<(i64, i64)> = docs.iter().map(|(_, room, seq)| (*room, *seq)).collect();
    let mut again = changed_lines(store, changed).await?;
    again.retain(|line| !new.contains(&(line.room, line.seq)));
    let again: Vec<_> = again.iter().map(|line| (line.room, line.seq, line.terms())).collect();
    let next = next + i64::try_from(docs.len()).unwrap_or(i64::MAX);

    let mut script = Script::default();
    script.add("BEGIN IMMEDIATE");
    script.add("INSERT INTO docs (id, room, seq) SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)");
    script.bind_rows(&docs)?;
    script.add("INSERT INTO terms (rowid, term) SELECT value ->> 0, value ->> 1 FROM json_each(?)");
    script.bind_rows(&terms)?;
    if !again.is_empty() {
        script.add(
            "DELETE FROM terms WHERE rowid IN (SELECT d.id FROM json_each(?) j CROSS JOIN docs d \
             ON d.room = j.value ->> 0 AND d.seq = j.value ->> 1)",
        );
        script.bind_rows(&again)?;
        script.add(
            "INSERT INTO terms (rowid, term) SELECT d.id, j.value ->> 2 FROM json_each(?) j \
             CROSS JOIN docs d ON d.room = j.value ->> 0 AND d.seq = j.value ->> 1 \
             WHERE j.value ->> 2 IS NOT NULL ORDER BY d.id",
        );
        script.bind_rows(&again)?;
        script.add(
            "DELETE FROM docs WHERE id IN (SELECT d.id FROM json_each(?) j CROSS JOIN docs d \
             ON d.room = j.value ->> 0 AND d.seq = j.value ->> 1 WHERE j.value ->> 2 IS NULL)",
        );
        script.bind_rows(&again)?;
    }
    script.add("UPDATE filed SET pos = ?, room = ?, last = ?");
    script.bind(pos)?;
    script.bind(room)?;
    script.bind(last)?;
    script.add("COMMIT");
    tx.opens();
    script.run(&mut tx).await?;
    tx.closed();
    index.set_filed((pos, room, last), next);
    u32::try_from(passed).map_err(corrupt)
}

/// Whether everything that was acknowledged is filed.
pub(super) fn is_up_to_date(store: &SqliteStore, index: &Open) -> bool {
    let (pos, _, _, last) = store.memory().ends.run;
    let (filed, _) = index.filed();
    (pos, i64::try_from(last).unwrap_or(i64::MAX)) <= (filed.0, filed.2)
}

/// What comes next in the order of commits: whole runs, until there are `limit` entries.
async fn stretches(
    store: &SqliteStore,
    (pos, _, last): Filed,
    limit: u32,
) -> Result<Vec<Stretch>, StoreError> {
    let row = sqlx::query(RUNS)
        .bind(pos)
        .bind(limit)
        .fetch_one(&mut *store.read().await?)
        .await
        .map_err(failed)?;
    let mut runs: Vec<Stretch> = serde_json::from_str(Fields::of(&row).take()?).map_err(corrupt)?;
    let mut entries = 0;
    runs.retain_mut(|run| {
        if run.0 == pos {
            run.2 = run.2.max(last + 1);
        }
        let whole = entries < i64::from(limit) && run.2 <= run.3;
        entries += if whole { run.3 - run.2 + 1 } else { 0 };
        whole
    });
    Ok(runs)
}

/// The messages that were edited or deleted, as they are now.
async fn changed_lines(
    store: &SqliteStore,
    changed: Vec<(i64, MessageId)>,
) -> Result<Vec<Line>, StoreError> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let changed: BTreeSet<_> = changed.into_iter().collect();
    let asked: Vec<_> = {
        let memory = store.memory();
        let place = |id| memory.names.place(id).map(|seq| seq.0);
        changed.iter().map(|(room, id)| (room, hex(&id.to_bytes()), place(id))).collect()
    };
    let mut lines = read(store, CHANGED, &asked).await?;
    // A name that is being filed may be asked for at a place where something else stands.
    lines.retain(|line| {
        line.body.message_id().is_some_and(|id| changed.contains(&(line.room, id.clone())))
    });
    Ok(lines)
}

async fn read(
    store: &SqliteStore,
    sql: &'static str,
    asked: &[impl serde::Serialize],
) -> Result<Vec<Line>, StoreError> {
    let rows = sqlx::query(sql)
        .bind(serde_json::to_string(asked).map_err(corrupt)?)
        .fetch_all(&mut *store.read().await?)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let mut row = Fields::of(row);
            let (room, seq, user) = (row.take()?, row.take()?, row.user()?);
            let _kind: i64 = row.take()?;
            let body = serde_json::from_str(row.take()?).map_err(corrupt)?;
            Ok(Line { room, seq, user, body })
        })
        .collect()
}

impl Line {
    /// Everything that a message is filed under; none for one that is deleted.
    fn terms(&self) -> Option<String> {
        let Body::Message { text, deleted_at: None, .. } = &self.body else { return None };
        debug_assert_eq!(self.body.kind(), Kind::Message);
        let mut terms = format!("{} {}", room_term(self.room), author_term(&self.user));
        for term in index_terms(text) {
            terms.push(' ');
            terms.push_str(&term);
        }
        Some(terms)
    }
}

/// Forgets the messages of rooms, up to an entry each, which are about to be removed.
pub(in crate::store::sqlite) async fn forget(
    store: &SqliteStore,
    dead: &[(i64, i64)],
) -> Result<(), StoreError> {
    let index = store.index().await?;
    let mut tx = index.writer.hold().await?;
    let mut script = Script::default();
    script.add("BEGIN IMMEDIATE");
    script.add(
        "DELETE FROM terms WHERE rowid IN (SELECT d.id FROM json_each(?) j CROSS JOIN docs d \
         ON d.room = j.value ->> 0 AND d.seq <= j.value ->> 1)",
    );
    script.bind_rows(dead)?;
    script.add(
        "DELETE FROM docs WHERE id IN (SELECT d.id FROM json_each(?) j CROSS JOIN docs d \
         ON d.room = j.value ->> 0 AND d.seq <= j.value ->> 1)",
    );
    script.bind_rows(dead)?;
    script.add("COMMIT");
    tx.opens();
    script.run(&mut tx).await?;
    tx.closed();
    Ok(())
}
