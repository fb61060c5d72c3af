//! Erasures in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::corrupt;
use super::rows::{Fields, signed};
use super::sql::Args;
use crate::clock::Timestamp;
use crate::id::{RoomId, Seq, UserId};
use crate::store::{Erasure, ErasureStore, StoreError};

const BEGIN: &str = "\
INSERT INTO $.erasures (\"user\", begun_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1";

const UNFINISHED: &str = "\
SELECT e.user, e.begun_at, e.room, e.seq FROM $.erasures e WHERE e.finished_at IS NULL \
ORDER BY e.begun_at LIMIT $1";

const ADVANCE: &str = "\
UPDATE $.erasures e SET room = $2, seq = $3 WHERE e.user = $1 AND e.finished_at IS NULL";

const FINISH: &str = "\
UPDATE $.erasures e SET finished_at = coalesce(e.finished_at, $2), room = NULL, seq = NULL \
WHERE e.user = $1";

/// The two halves have an index each.
const KNOWING: &str = "\
SELECT r.id FROM (\
  SELECT m.room FROM $.members m WHERE m.user = $1 AND m.standing <= 2 \
  UNION ALL SELECT m.room FROM $.members m WHERE m.user = $1 AND m.standing > 2\
) m JOIN $.rooms r ON r.pk = m.room WHERE r.id > $2 ORDER BY r.id LIMIT $3";

/// Other nodes find the room of another version, and read again who is known to it. No part sees what
/// another does: who is left is who was not to go.
const FORGET: &str = "\
WITH held AS MATERIALIZED (\
  SELECT r.pk, r.deleted_at FROM $.rooms r WHERE r.id = $1 FOR NO KEY UPDATE), \
gone AS (DELETE FROM $.members m USING held h WHERE m.room = h.pk AND m.user = $2 \
  AND (m.standing > 2 OR h.deleted_at IS NOT NULL)), \
changed AS (UPDATE $.rooms r SET version = r.version + 1 FROM held h WHERE r.pk = h.pk) \
SELECT 1 FROM $.members m JOIN held h ON m.room = h.pk \
WHERE m.user = $2 AND m.standing <= 2 AND h.deleted_at IS NULL";

/// Files of someone that are in no message, by the index that each use has.
const RELEASE: &str = "\
UPDATE $.attachments a SET state = 6 FROM (\
  SELECT id FROM $.attachments WHERE owner = $1 AND state <= 2 \
  UNION ALL SELECT id FROM $.attachments WHERE owner = $1 AND state = 4 \
  UNION ALL SELECT id FROM $.attachments WHERE owner = $1 AND state = 5 LIMIT $2) w \
WHERE a.id = w.id AND a.state IN (1, 2, 4, 5) RETURNING 1";

fn erasure(row: &PgRow) -> Result<Erasure, StoreError> {
    let mut row = Fields::of(row);
    let (user, begun_at) = (row.user()?, row.time()?);
    let room = row.take::<Option<&str>>()?.map(RoomId::parse).transpose().map_err(corrupt)?;
    let seq: Option<i64> = row.take()?;
    let seq = seq.map(u64::try_from).transpose().map_err(corrupt)?;
    Ok(Erasure { user, begun_at, place: room.zip(seq.map(Seq)) })
}

#[async_trait]
impl ErasureStore for PostgresStore {
    async fn begin_erasure(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let args = Args::default().bind(user.as_str().to_owned()).bind(at.0).done()?;
        Ok(!self.client.write(BEGIN, args).await?.is_empty())
    }

    async fn unfinished_erasures(&self, limit: u32) -> Result<Vec<Erasure>, StoreError> {
        let args = Args::default().bind(i64::from(limit)).done()?;
        self.client.read(UNFINISHED, args).await?.iter().map(erasure).collect()
    }

    async fn advance_erasure(
        &self,
        user: &UserId,
        room: &RoomId,
        upto: Seq,
    ) -> Result<(), StoreError> {
        let mut args = Args::default();
        args.bind(user.as_str().to_owned()).bind(room.as_str().to_owned()).bind(signed(upto.0));
        self.client.write(ADVANCE, args.done()?).await.map(drop)
    }

    async fn finish_erasure(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        let args = Args::default().bind(user.as_str().to_owned()).bind(at.0).done()?;
        self.client.write(FINISH, args).await.map(drop)
    }

    async fn erased(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
        let find = "SELECT e.user FROM $.erasures e WHERE e.user = ANY ($1)";
        let users: Vec<_> = users.iter().map(|user| user.as_str().to_owned()).collect();
        let rows = self.client.read(find, Args::default().bind(users).done()?).await?;
        rows.iter().map(|row| Fields::of(row).user()).collect()
    }

    async fn rooms_that_know(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomId>, StoreError> {
        let mut args = Args::default();
        args.bind(user.as_str().to_owned());
        args.bind(after.map_or("", RoomId::as_str).to_owned()).bind(i64::from(limit));
        let rows = self.client.read(KNOWING, args.done()?).await?;
        rows.iter().map(|row| Fields::of(row).room_id()).collect()
    }

    async fn forget_member(&self, room: &RoomId, user: &UserId) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(room.as_str().to_owned()).bind(user.as_str().to_owned());
        let left = self.client.write(FORGET, args.done()?).await?;
        Ok(left.is_empty())
    }

    async fn release_attachments_of(&self, user: &UserId, limit: u32) -> Result<u32, StoreError> {
        let mut args = Args::default();
        args.bind(user.as_str().to_owned()).bind(i64::from(limit));
        let released = self.client.write(RELEASE, args.done()?).await?;
        Ok(u32::try_from(released.len()).unwrap_or(limit))
    }
}

#[cfg(test)]
mod tests {
    use crate::erasure_store_suite;
    use crate::store::postgres::tests::fresh;

    erasure_store_suite!(in one, fresh);
}
