//! Filing what was committed.

use super::Open;
use crate::store::StoreError;
use crate::store::sql::filing::{Line, Slice, Unfiled, unfiled};
use crate::store::sql::rows::hex;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::error::{corrupt, failed};
use crate::store::sqlite::rows::Fields;
use crate::store::sqlite::script::Script;

/// What a slice of the order of commits holds: for each run its place, room, first and last entry.
const RUNS: &str = "\
SELECT json_group_array(json_array(pos, room, first, last) ORDER BY pos) \
FROM (SELECT pos, room, first, last FROM runs WHERE pos >= ? ORDER BY pos LIMIT ?)";

/// The messages, edits (2) and deletions (3) of some stretches, in order.
const ENTRIES: &str = "\
SELECT l.room, l.seq, l.user, l.body FROM json_each(?) j CROSS JOIN log l \
ON l.room = j.value ->> 0 AND l.seq BETWEEN j.value ->> 1 AND j.value ->> 2 \
WHERE l.kind <= 3 ORDER BY j.key, l.seq";

/// Messages by name, or by place.
const CHANGED: &str = "\
SELECT l.room, l.seq, l.user, l.body FROM json_each(?) j CROSS JOIN log l \
ON l.room = j.value ->> 0 AND l.seq = coalesce(j.value ->> 2, (\
  SELECT s.seq FROM sends s WHERE s.room = j.value ->> 0 AND s.key = unhex(j.value ->> 1) AND s.n > 0)) \
WHERE l.kind = 1";

/// Files about `limit` entries; says how many it passed.
pub(super) async fn file(store: &SqliteStore, index: &Open, limit: u32) -> Result<u32, StoreError> {
    if is_up_to_date(store, index) {
        return Ok(0);
    }
    // Held all along, so that nothing is forgotten that is on its way in.
    let mut tx = index.writer.hold().await?;
    let (filed, next) = index.filed();
    let runs = runs(store, (filed.0, filed.2), limit).await?;
    let Some(Unfiled(pos, room, _, last)) = runs.last().copied() else { return Ok(0) };
    let passed: i64 = runs.iter().map(|run| run.3 - run.2 + 1).sum();

    let places: Vec<_> = runs.iter().map(|Unfiled(_, r, first, last)| (r, first, last)).collect();
    let slice = Slice::of(&read(store, ENTRIES, &places).await?);
    let again = slice.again(&present(store, &slice).await?);
    let docs: Vec<_> =
        (next..).zip(&slice.new).map(|(id, (room, seq, _))| (id, room, seq)).collect();
    let terms: Vec<_> = (next..).zip(&slice.new).map(|(id, (.., terms))| (id, terms)).collect();
    let next = docs.last().map_or(next, |(id, ..)| id + 1);

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

/// What comes next in the order of commits.
async fn runs(
    store: &SqliteStore,
    filed: (i64, i64),
    limit: u32,
) -> Result<Vec<Unfiled>, StoreError> {
    let row = sqlx::query(RUNS)
        .bind(filed.0)
        .bind(limit)
        .fetch_one(&mut *store.read().await?)
        .await
        .map_err(failed)?;
    let runs = serde_json::from_str(Fields::of(&row).take()?).map_err(corrupt)?;
    Ok(unfiled(runs, filed, limit))
}

/// The messages that were edited or deleted, as they are now.
async fn present(store: &SqliteStore, slice: &Slice) -> Result<Vec<Line>, StoreError> {
    if slice.changed.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = {
        let memory = store.memory();
        let place = |id| memory.names.place(id).map(|seq| seq.0);
        slice.changed.iter().map(|(room, id)| (room, hex(&id.to_bytes()), place(id))).collect()
    };
    read(store, CHANGED, &asked).await
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
            let body = serde_json::from_str(row.take()?).map_err(corrupt)?;
            Ok(Line { room, seq, user, body })
        })
        .collect()
}

/// Forgets the messages of rooms, up to an entry each, which are about to be removed.
pub(in crate::store::sqlite) async fn forget(
    store: &SqliteStore,
    dead: &[(i64, i64)],
) -> Result<(), StoreError> {
    let index = store.index().await?;
    let mut tx = index.writer.hold().await?;
    let mut script = Script::default();
    // Nothing would ask for it again after a power cut.
    script.add("PRAGMA synchronous = FULL");
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
    script.add("PRAGMA synchronous = NORMAL");
    tx.opens();
    script.run(&mut tx).await?;
    tx.closed();
    Ok(())
}
