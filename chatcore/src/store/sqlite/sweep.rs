//! Removing what nothing can reach any more.

use super::SqliteStore;
use super::error::failed;
use super::log::floor;
use super::rows::Fields;
use super::script::Script;
use crate::store::StoreError;

/// The next room with something to remove, and from where to where. The condition is the index's.
const NEXT: &str = concat!(
    "SELECT r.pk, r.swept_seq, ",
    floor!(),
    " FROM rooms r INDEXED BY rooms_to_sweep WHERE r.swept_seq < ",
    floor!(),
    " ORDER BY r.pk LIMIT 1"
);

/// Removes up to `limit` entries and what hangs on them, in one transaction. What took effect once
/// is remembered for ever, and so `sends` stays.
pub(super) async fn sweep(store: &SqliteStore, limit: u32) -> Result<u32, StoreError> {
    let mut tx = store.write().await?;
    let mut left = limit;
    while left > 0 {
        let next = sqlx::query(NEXT).fetch_optional(&mut *tx).await.map_err(failed)?;
        let Some(next) = next else { break };
        let mut next = Fields::of(&next);
        let (room, from, floor): (i64, i64, i64) = (next.take()?, next.take()?, next.take()?);
        let to = floor.min(from.saturating_add(i64::from(left)));
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
        script.add("UPDATE rooms SET swept_seq = ? WHERE pk = ?");
        script.bind(to)?;
        script.bind(room)?;
        script.run(&mut tx).await?;
        // The log is dense: as many rows as places.
        left -= u32::try_from(to - from).unwrap_or(left).min(left);
    }
    tx.commit().await?;
    Ok(limit - left)
}
