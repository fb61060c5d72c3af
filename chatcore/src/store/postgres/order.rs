//! Giving commits their places in the order of commits.
//!
//! Not while they are written: a counter of places would hold up every room on every node for the flush of
//! any, and numbers drawn from a sequence become visible in another order than that in which
//! they were drawn, so that whoever reads would miss the late ones. A commit leaves a row, which waits; who
//! wants to read the order, and the sweep now and then, gives the waiting ones their places first,
//! one node at a time. A place once seen is final, and all later ones are higher.

use sqlx::postgres::PgArguments;

use super::PostgresStore;
use super::error::{corrupt, failed};
use super::rows::{Fields, signed};
use super::sql::{Args, of_schema};
use crate::store::StoreError;
use crate::store::sql::runs::{Runs, Stretch};

/// Commits that are given their places at once.
const AT_ONCE: i64 = 2_000;

/// Held to the end of the transaction by who gives places.
const LOCK: &str = "SELECT 1 FROM $.totals FOR UPDATE";

const LAST: &str = "SELECT pos, room, first, last FROM $.runs ORDER BY pos DESC LIMIT 1";

const WAITING: &str = "\
DELETE FROM $.runs_pending WHERE id IN (SELECT id FROM $.runs_pending ORDER BY id LIMIT $1) \
RETURNING id, made, messages, rooms, firsts, lasts";

const PLACES: &str = "\
WITH counted AS (UPDATE $.totals SET rooms = rooms + $1, messages = messages + $2) \
INSERT INTO $.runs (pos, room, first, last) \
SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) \
ON CONFLICT (pos) DO UPDATE SET last = excluded.last";

/// Gives every commit that is over its place.
pub(super) async fn give_places(store: &PostgresStore) -> Result<(), StoreError> {
    let any = "SELECT EXISTS (SELECT 1 FROM $.runs_pending)";
    let rows = store.client.read(any, PgArguments::default()).await?;
    if !rows.first().map_or(Ok(false), |row| Fields::of(row).take())? {
        return Ok(());
    }
    while store.client.within(give_some(store)).await? {}
    Ok(())
}

/// A row of `runs_pending`.
struct Waiting {
    id: i64,
    made: i64,
    messages: i64,
    stretches: [Vec<i64>; 3],
}

/// Gives some of them their places; whether there may be more.
async fn give_some(store: &PostgresStore) -> Result<bool, StoreError> {
    let of = |text| of_schema(text, &store.client.schema);
    let mut tx = store.client.begin().await?;
    tx.fetch(of(LOCK), PgArguments::default()).await.map_err(failed)?;
    let last = tx.fetch(of(LAST), PgArguments::default()).await.map_err(failed)?;
    let last: Stretch = match last.first().map(Fields::of) {
        Some(mut row) => (row.take()?, row.take()?, row.number()?, row.number()?),
        None => Stretch::default(),
    };
    let most = Args::default().bind(AT_ONCE).done()?;
    let mut waiting = Vec::new();
    for row in tx.fetch(of(WAITING), most).await.map_err(failed)? {
        let mut row = Fields::of(&row);
        let (id, made, messages) = (row.take()?, row.take()?, row.take()?);
        let stretches = [row.take()?, row.take()?, row.take()?];
        waiting.push(Waiting { id, made, messages, stretches });
    }
    waiting.sort_unstable_by_key(|commit| commit.id);
    let mut runs = Runs::behind(last);
    let (mut made, mut messages) = (0_i64, 0_i64);
    for commit in &waiting {
        made += commit.made;
        messages += commit.messages;
        let [rooms, firsts, lasts] = &commit.stretches;
        for ((room, first), last) in rooms.iter().zip(firsts).zip(lasts) {
            let number = |number: i64| u64::try_from(number).map_err(corrupt);
            runs.add(*room, number(*first)?, number(*last)?);
        }
    }
    let column = |of: fn(&Stretch) -> i64| runs.new.iter().map(of).collect::<Vec<_>>();
    let mut args = Args::default();
    args.bind(made).bind(messages).bind(column(|run| run.0)).bind(column(|run| run.1));
    args.bind(column(|run| signed(run.2))).bind(column(|run| signed(run.3)));
    tx.fetch(of(PLACES), args.done()?).await.map_err(failed)?;
    tx.commit().await?;
    Ok(waiting.len() as i64 == AT_ONCE)
}
