//! Cursors over the order of commits. One process has the file, and so all of them.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::failed;
use super::rows::Fields;
use crate::store::{HookCursor, HookStore, Run, StoreError};

const RUNS: &str = "\
SELECT u.pos, r.id, u.first, u.last FROM runs u CROSS JOIN rooms r ON r.pk = u.room \
WHERE u.pos >= ? ORDER BY u.pos LIMIT ?";

const START: &str = "\
INSERT INTO hooks (name, pos, seq) \
SELECT ?, coalesce(max(pos), 0), coalesce((SELECT last FROM runs ORDER BY pos DESC LIMIT 1), 0) \
FROM runs WHERE true ON CONFLICT DO NOTHING";

const FIND: &str = "SELECT pos, seq, end_pos, end_seq FROM hooks WHERE name = ?";

const MOVE: &str = "UPDATE hooks SET pos = ?, seq = ?, end_pos = ?, end_seq = ? WHERE name = ?";

#[async_trait]
impl HookStore for SqliteStore {
    async fn runs_from(&self, pos: u64, limit: u32) -> Result<Vec<Run>, StoreError> {
        let query = sqlx::query(RUNS).bind(number(pos)).bind(limit);
        let rows = query.fetch_all(&mut *self.read().await?).await.map_err(failed)?;
        let run = |row: &SqliteRow| {
            let mut row = Fields::of(row);
            let (pos, room) = (row.number()?, row.room_id()?);
            Ok(Run { pos, room, first: row.seq()?, last: row.seq()? })
        };
        rows.iter().map(run).collect()
    }

    async fn take_hook(
        &self,
        name: &str,
        _: &str,
        _: Duration,
    ) -> Result<Option<HookCursor>, StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(START).bind(name).execute(&mut *tx).await.map_err(failed)?;
        let row = sqlx::query(FIND).bind(name).fetch_one(&mut *tx).await.map_err(failed)?;
        tx.commit().await?;
        let mut row = Fields::of(&row);
        let (pos, seq) = (row.number()?, row.seq()?);
        let end: (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
        Ok(Some(HookCursor::from_cells(pos, seq, end)?))
    }

    async fn move_hook(
        &self,
        name: &str,
        _: &str,
        cursor: &HookCursor,
        _: Duration,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(MOVE)
            .bind(number(cursor.pos))
            .bind(number(cursor.seq.0))
            .bind(cursor.end.map(|(pos, _)| number(pos)))
            .bind(cursor.end.map(|(_, seq)| number(seq.0)))
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn free_hook(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A number for SQLite, whose numbers end at half of ours.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
