//! Filing what was committed.

use sqlx::postgres::{PgArguments, PgRow};

use super::super::client::Tx;
use super::super::error::{corrupt, failed};
use super::super::rows::Fields;
use super::super::sql::{Args, of_schema};
use super::{BLOCK, PostgresStore};
use crate::store::StoreError;
use crate::store::sql::filing::{Line, Slice, Unfiled, unfiled};
use crate::store::sql::rows::hex;

/// What is lost with a crash is filed again.
const UNHURRIED: &str = "SET LOCAL synchronous_commit = off";

/// Held to the end of the transaction by who files.
const LOCK: &str = "SELECT pos, last, next FROM $.search_filed FOR UPDATE";

const RUNS: &str = "\
SELECT pos, room, first, last FROM $.runs WHERE pos >= $1 ORDER BY pos LIMIT $2";

/// The messages, edits (2) and deletions (3) of some stretches, in order.
const ENTRIES: &str = "\
SELECT l.room, l.seq, l.user, l.body \
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS e (room, first, last, key) \
JOIN $.log l ON l.room = e.room AND l.seq BETWEEN e.first AND e.last AND l.kind <= 3 \
ORDER BY e.key, l.seq";

/// Messages by name.
const CHANGED: &str = "\
SELECT l.room, l.seq, l.user, l.body FROM unnest($1::bigint[], $2::text[]::uuid[]) AS e (room, name) \
JOIN $.sends s ON s.key = e.name AND s.room = e.room AND s.n > 0 \
JOIN $.log l ON l.room = s.room AND l.seq = s.seq AND l.kind = 1";

/// The terms `e.terms` of the message `$of` as they are kept.
macro_rules! of_block {
    ($of:literal) => {
        concat!(
            "array_to_tsvector(string_to_array((",
            $of,
            " / $11) || ':' || replace(e.terms, ' ', ' ' || (",
            $of,
            " / $11) || ':'), ' '))"
        )
    };
}

/// No part touches what another does: what is filed again is not new.
const WRITE: &str = concat!(
    "WITH new AS (INSERT INTO $.search_docs (id, room, seq, terms) SELECT e.id, e.room, e.seq, ",
    of_block!("e.id"),
    " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS e (id, room, seq, terms)), \
     again AS (UPDATE $.search_docs d SET terms = ",
    of_block!("d.id"),
    " FROM unnest($5::bigint[], $6::bigint[], $7::text[]) AS e (room, seq, terms) \
     WHERE d.room = e.room AND d.seq = e.seq AND e.terms IS NOT NULL), \
     gone AS (DELETE FROM $.search_docs d \
     USING unnest($5::bigint[], $6::bigint[], $7::text[]) AS e (room, seq, terms) \
     WHERE d.room = e.room AND d.seq = e.seq AND e.terms IS NULL) \
     UPDATE $.search_filed SET pos = $8, last = $9, next = $10"
);

/// The most bytes of terms under which one message is filed. PostgreSQL takes 1 MiB, and adds a block to
/// each; the longest text that is allowed unless a host says otherwise comes to half of this at most.
const TERMS: usize = 400 * 1024;

/// Files about `limit` entries of what has its place; says how many it passed.
pub(super) async fn file(store: &PostgresStore, limit: u32) -> Result<u32, StoreError> {
    store.client.within(file_some(store, limit)).await
}

async fn file_some(store: &PostgresStore, limit: u32) -> Result<u32, StoreError> {
    let mut tx = store.client.begin().await?;
    tx.script(UNHURRIED.to_owned()).await?;
    let filed = fetch(store, &mut tx, LOCK, PgArguments::default()).await?;
    let mut filed = Fields::of(filed.first().ok_or_else(|| corrupt("no row of what is filed"))?);
    let (pos, last, mut next): (i64, i64, i64) = (filed.take()?, filed.take()?, filed.take()?);

    let args = Args::default().bind(pos).bind(i64::from(limit)).done()?;
    let runs = fetch(store, &mut tx, RUNS, args).await?;
    let runs = runs.iter().map(|row| {
        let mut row = Fields::of(row);
        Ok(Unfiled(row.take()?, row.take()?, row.take()?, row.take()?))
    });
    let runs = unfiled(runs.collect::<Result<_, StoreError>>()?, (pos, last), limit);
    let Some(end) = runs.last() else {
        tx.roll_back().await?;
        return Ok(0);
    };
    let passed: i64 = runs.iter().map(|run| run.3 - run.2 + 1).sum();

    let column = |of: fn(&Unfiled) -> i64| runs.iter().map(of).collect::<Vec<_>>();
    let mut args = Args::default();
    args.bind(column(|run| run.1)).bind(column(|run| run.2)).bind(column(|run| run.3));
    let slice = Slice::of(&lines(&fetch(store, &mut tx, ENTRIES, args.done()?).await?)?);
    let mut again = Vec::new();
    if !slice.changed.is_empty() {
        let mut args = Args::default();
        args.bind(slice.changed.iter().map(|(room, _)| *room).collect::<Vec<_>>());
        args.bind(slice.changed.iter().map(|(_, id)| hex(&id.to_bytes())).collect::<Vec<_>>());
        again = slice.again(&lines(&fetch(store, &mut tx, CHANGED, args.done()?).await?)?);
    }

    let ids: Vec<i64> = slice.new.iter().zip(next..).map(|(_, id)| id).collect();
    next = ids.last().map_or(next, |id| id + 1);
    let mut args = Args::default();
    args.bind(ids).bind(slice.new.iter().map(|new| new.0).collect::<Vec<_>>());
    args.bind(slice.new.iter().map(|new| new.1).collect::<Vec<_>>());
    args.bind(slice.new.iter().map(|new| bounded(&new.2)).collect::<Vec<_>>());
    args.bind(again.iter().map(|line| line.0).collect::<Vec<_>>());
    args.bind(again.iter().map(|line| line.1).collect::<Vec<_>>());
    args.bind(again.iter().map(|line| line.2.as_deref().map(bounded)).collect::<Vec<_>>());
    args.bind(end.0).bind(end.3).bind(next).bind(BLOCK);
    fetch(store, &mut tx, WRITE, args.done()?).await?;
    tx.commit().await?;
    u32::try_from(passed).map_err(corrupt)
}

async fn fetch(
    store: &PostgresStore,
    tx: &mut Tx,
    text: &'static str,
    arguments: PgArguments,
) -> Result<Vec<PgRow>, StoreError> {
    tx.fetch(of_schema(text, &store.client.schema), arguments).await.map_err(failed)
}

fn lines(rows: &[PgRow]) -> Result<Vec<Line>, StoreError> {
    rows.iter()
        .map(|row| {
            let mut row = Fields::of(row);
            let (room, seq, user) = (row.take()?, row.take()?, row.user()?);
            let body = serde_json::from_str(row.take()?).map_err(corrupt)?;
            Ok(Line { room, seq, user, body })
        })
        .collect()
}

/// As many terms as PostgreSQL takes.
fn bounded(terms: &str) -> &str {
    match terms.get(..terms.floor_char_boundary(TERMS)) {
        Some(most) if most.len() < terms.len() => most.rsplit_once(' ').map_or(most, |some| some.0),
        _ => terms,
    }
}
