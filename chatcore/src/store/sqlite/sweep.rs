//! Removing what nothing can reach any more.

use super::SqliteStore;
use super::error::failed;
use super::log::floor;
use super::rows::Fields;
use super::script::Script;
use super::search::forget;
use crate::store::StoreError;

/// Rooms with something to remove, and from where to where. The condition is the index's.
const NEXT: &str = concat!(
    "SELECT r.pk, r.swept_seq, ",
    floor!(),
    " FROM rooms r INDEXED BY rooms_to_sweep WHERE r.swept_seq < ",
    floor!(),
    " ORDER BY r.pk LIMIT ?"
);

/// Removes up to `limit` entries and what hangs on them, in one transaction. What took effect once
/// is remembered for ever, and so `sends` stays.
pub(super) async fn sweep(store: &SqliteStore, limit: u32) -> Result<u32, StoreError> {
    let mut left = limit;
    // A floor only ever rises, so that what is dead now is so still when it is removed.
    let rows =
        sqlx::query(NEXT).bind(limit).fetch_all(&mut *store.read().await?).await.map_err(failed)?;
    let mut dead = Vec::new();
    for row in &rows {
        let mut row = Fields::of(row);
        let (room, from, floor): (i64, i64, i64) = (row.take()?, row.take()?, row.take()?);
        if left == 0 {
            break;
        }
        let to = floor.min(from.saturating_add(i64::from(left)));
        // The log is dense: as many rows as places.
        left -= u32::try_from(to - from).unwrap_or(left).min(left);
        dead.push((room, to));
    }
    if dead.is_empty() {
        return Ok(0);
    }
    // First, so that no trace outlives what it is of.
    forget(store, &dead).await?;
    let mut tx = store.write().await?;
    for (room, to) in dead {
        let mut script = Script::default();
        for sql in [
            "DELETE FROM log WHERE room = ? AND seq <= ?",
            "DELETE FROM reactions WHERE room = ? AND seq <= ?",
            "DELETE FROM reaction_counts WHERE room = ? AND seq <= ?",
            "DELETE FROM pins WHERE room = ? AND seq <= ?",
        ] {
            script.add(sql);
            script.bind(room)?;
            script.bind(to)?;
        }
        script.add(
            "UPDATE attachments SET state = 6 WHERE state = 3 \
             AND room = (SELECT id FROM rooms WHERE pk = ?) AND seq <= ?",
        );
        script.bind(room)?;
        script.bind(to)?;
        script.add("UPDATE rooms SET swept_seq = ? WHERE pk = ?");
        script.bind(to)?;
        script.bind(room)?;
        script.run(&mut tx).await?;
    }
    tx.commit().await?;
    Ok(limit - left)
}
