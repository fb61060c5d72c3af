//! Erasures in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::clock::Timestamp;
use crate::id::{RoomId, Seq, UserId};
use crate::store::{Erasure, ErasureStore, StoreError};

/// The two halves have an index each.
const KNOWING: &str = "\
SELECT r.id FROM (\
  SELECT room FROM members INDEXED BY members_rooms WHERE user = ?1 AND standing <= 2 \
  UNION ALL SELECT room FROM members INDEXED BY members_past WHERE user = ?1 AND standing > 2\
) m CROSS JOIN rooms r ON r.pk = m.room WHERE r.id > ?2 ORDER BY r.id LIMIT ?3";

/// Files of someone that are in no message, by the index that each use has.
const RELEASE: &str = "\
UPDATE attachments SET state = 6 WHERE id IN (\
  SELECT id FROM attachments WHERE owner = ?1 AND state <= 2 \
  UNION ALL SELECT id FROM attachments WHERE owner = ?1 AND state = 4 \
  UNION ALL SELECT id FROM attachments WHERE owner = ?1 AND state = 5 LIMIT ?2)";

fn erasure(row: &SqliteRow) -> Result<Erasure, StoreError> {
    let mut row = Fields::of(row);
    let (user, begun_at) = (row.user()?, row.time()?);
    let room = row.take::<Option<&str>>()?.map(RoomId::parse).transpose().map_err(corrupt)?;
    let seq: Option<i64> = row.take()?;
    let seq = seq.map(u64::try_from).transpose().map_err(corrupt)?;
    Ok(Erasure { user, begun_at, place: room.zip(seq.map(Seq)) })
}

#[async_trait]
impl ErasureStore for SqliteStore {
    async fn begin_erasure(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO erasures (user, begun_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(user.as_str())
        .bind(at.0)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn unfinished_erasures(&self, limit: u32) -> Result<Vec<Erasure>, StoreError> {
        let rows = sqlx::query(
            "SELECT user, begun_at, room, seq FROM erasures \
             WHERE finished_at IS NULL ORDER BY begun_at LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(erasure).collect()
    }

    async fn advance_erasure(
        &self,
        user: &UserId,
        room: &RoomId,
        upto: Seq,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE erasures SET room = ?, seq = ? WHERE user = ? AND finished_at IS NULL")
            .bind(room.as_str())
            .bind(i64::try_from(upto.0).map_err(corrupt)?)
            .bind(user.as_str())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await
    }

    async fn finish_erasure(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE erasures SET finished_at = coalesce(finished_at, ?), room = NULL, seq = NULL \
             WHERE user = ?",
        )
        .bind(at.0)
        .bind(user.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn erased(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let rows = sqlx::query(
            "SELECT e.user FROM json_each(?) j CROSS JOIN erasures e ON e.user = j.value",
        )
        .bind(serde_json::to_string(users).map_err(corrupt)?)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).user()).collect()
    }

    async fn rooms_that_know(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomId>, StoreError> {
        let rows = sqlx::query(KNOWING)
            .bind(user.as_str())
            .bind(after.map_or("", RoomId::as_str))
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Fields::of(row).room_id()).collect()
    }

    async fn forget_member(&self, room: &RoomId, user: &UserId) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        // What memory knows of the room is read again: nobody else learns while this connection is held.
        self.memory().cache.forget(room);
        sqlx::query(
            "DELETE FROM members WHERE user = ?2 AND room = (SELECT pk FROM rooms WHERE id = ?1) \
             AND (standing > 2 OR (SELECT deleted_at FROM rooms WHERE id = ?1) IS NOT NULL)",
        )
        .bind(room.as_str())
        .bind(user.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        let left = sqlx::query(
            "SELECT 1 FROM members WHERE user = ?2 AND room = (SELECT pk FROM rooms WHERE id = ?1)",
        )
        .bind(room.as_str())
        .bind(user.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(left.is_none())
    }

    async fn release_attachments_of(&self, user: &UserId, limit: u32) -> Result<u32, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(RELEASE)
            .bind(user.as_str())
            .bind(limit)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(u32::try_from(done.rows_affected()).unwrap_or(limit))
    }
}

#[cfg(test)]
mod tests {
    use crate::erasure_store_suite;
    use crate::store::sqlite::tests::fresh;

    erasure_store_suite!(fresh);
}
