//! Removing what nothing can reach any more.

use sqlx::postgres::PgArguments;

use super::PostgresStore;
use super::error::failed;
use super::rows::Fields;
use super::sql::{Args, of_schema};
use crate::store::StoreError;

/// The next room with something to remove, and from where to where. One that another node is at is
/// passed over.
const NEXT: &str = "\
SELECT pk, swept_seq, dead_seq FROM $.rooms WHERE swept_seq < dead_seq \
ORDER BY pk LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED";

const REMOVE: &str = "\
WITH l AS (DELETE FROM $.log WHERE room = $1 AND seq > $2 AND seq <= $3), \
r AS (DELETE FROM $.reactions WHERE room = $1 AND seq > $2 AND seq <= $3), \
c AS (DELETE FROM $.reaction_counts WHERE room = $1 AND seq > $2 AND seq <= $3), \
p AS (DELETE FROM $.pins WHERE room = $1 AND seq > $2 AND seq <= $3), \
d AS (DELETE FROM $.search_docs WHERE room = $1 AND seq > $2 AND seq <= $3), \
a AS (UPDATE $.attachments SET state = 6 WHERE state = 3 \
  AND room = (SELECT id FROM $.rooms WHERE pk = $1) AND seq <= $3) \
UPDATE $.rooms SET swept_seq = $3 WHERE pk = $1";

/// Keeps others from filing what was read before it was removed.
const LOCK_INDEX: &str = "SELECT 1 FROM $.search_filed FOR UPDATE";

/// Removes up to `limit` entries and what hangs on them, a transaction for each room. What took effect
/// once is remembered for ever, and so `sends` stays.
pub(super) async fn sweep(store: &PostgresStore, limit: u32) -> Result<u32, StoreError> {
    let mut left = limit;
    while left > 0 {
        let removed = store.client.within(sweep_room(store, left)).await?;
        if removed == 0 {
            break;
        }
        left -= removed.min(left);
    }
    Ok(limit - left)
}

/// Removes up to `limit` entries of one room; how many. The log is dense: as many rows as places.
async fn sweep_room(store: &PostgresStore, limit: u32) -> Result<u32, StoreError> {
    let of = |text| of_schema(text, &store.client.schema);
    let mut tx = store.client.begin().await?;
    let next = tx.fetch(of(NEXT), PgArguments::default()).await.map_err(failed)?;
    let Some(mut next) = next.first().map(Fields::of) else {
        tx.roll_back().await?;
        return Ok(0);
    };
    let (room, from, dead): (i64, i64, i64) = (next.take()?, next.take()?, next.take()?);
    let to = dead.min(from.saturating_add(i64::from(limit)));
    let mut args = Args::default();
    args.bind(room).bind(from).bind(to);
    tx.fetch(of(LOCK_INDEX), PgArguments::default()).await.map_err(failed)?;
    tx.fetch(of(REMOVE), args.done()?).await.map_err(failed)?;
    tx.commit().await?;
    Ok(u32::try_from(to - from).unwrap_or(limit))
}
