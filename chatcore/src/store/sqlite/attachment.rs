//! Attachments in SQLite.

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use crate::attachment::{Attachment, ContentHash, Usage};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, RoomId, Seq, UserId};
use crate::store::StoreError;
use crate::store::attachment::{AttachmentStore, Keep, NotTaken, Reservation, WaitingLimit};
use crate::store::sql::rows::{file_size, thumbnail_from, thumbnail_text};

/// A file that is whole and not released: what [`attachment`] reads.
const FIND: &str = "SELECT id, owner, state, created_at, size, name, content_type, width, height, \
     hash, room, seq, thumbnail FROM attachments WHERE id = ? AND state BETWEEN 2 AND 5";

/// The file of a row of [`FIND`].
fn attachment(row: &SqliteRow) -> Result<Attachment, StoreError> {
    let text = |column: usize| row.try_get::<&str, _>(column).map_err(failed);
    let number = |column: usize| row.try_get::<i64, _>(column).map_err(failed);
    let side = |column: usize| {
        let pixels = row.try_get::<Option<i64>, _>(column).map_err(failed)?;
        pixels.map(u32::try_from).transpose().map_err(corrupt)
    };
    let usage = match number(2)? {
        2 => Usage::Waiting,
        3 => Usage::Message {
            room: RoomId::parse(text(10)?).map_err(corrupt)?,
            seq: Seq(number(11)?.try_into().map_err(corrupt)?),
        },
        4 => Usage::Avatar,
        5 => Usage::Shared,
        _ => return Err(corrupt("an unknown state of a file")),
    };
    Ok(Attachment {
        id: AttachmentId::parse(text(0)?).map_err(corrupt)?,
        owner: UserId::parse(text(1)?).map_err(corrupt)?,
        name: text(5)?.to_owned(),
        content_type: text(6)?.to_owned(),
        size: number(4)?.try_into().map_err(corrupt)?,
        width: side(7)?,
        height: side(8)?,
        thumbnail: thumbnail_from(row.try_get(12).map_err(failed)?)?,
        created_at: Timestamp(number(3)?),
        hash: ContentHash(row.try_get::<&[u8], _>(9).map_err(failed)?.try_into().map_err(corrupt)?),
        usage,
    })
}

#[async_trait]
impl AttachmentStore for SqliteStore {
    async fn reserve_attachment(
        &self,
        upload: &Reservation,
        most: WaitingLimit,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let row = sqlx::query(
            "SELECT count(*), coalesce(sum(size), 0) FROM attachments \
             WHERE owner = ? AND state <= 2",
        )
        .bind(upload.owner.as_str())
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
        let files: i64 = row.try_get(0).map_err(failed)?;
        let bytes: i64 = row.try_get(1).map_err(failed)?;
        let bytes = u64::try_from(bytes).map_err(corrupt)?;
        if files >= i64::from(most.files) || bytes.saturating_add(upload.bytes) > most.bytes {
            return Ok(false);
        }
        let made = sqlx::query(
            "INSERT INTO attachments (id, owner, state, created_at, size) VALUES (?, ?, 1, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(upload.id.as_str())
        .bind(upload.owner.as_str())
        .bind(upload.created_at.0)
        .bind(file_size(upload.bytes))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(made.rows_affected() == 1)
    }

    async fn complete_attachment(&self, attachment: &Attachment) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE attachments SET state = 2, size = ?, name = ?, content_type = ?, width = ?, \
             height = ?, hash = ?, thumbnail = ? WHERE id = ? AND state = 1",
        )
        .bind(file_size(attachment.size))
        .bind(&attachment.name)
        .bind(&attachment.content_type)
        .bind(attachment.width)
        .bind(attachment.height)
        .bind(&attachment.hash.0[..])
        .bind(thumbnail_text(attachment.thumbnail.as_ref())?)
        .bind(attachment.id.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn attachment(&self, id: &AttachmentId) -> Result<Option<Attachment>, StoreError> {
        let row = sqlx::query(FIND)
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        row.as_ref().map(attachment).transpose()
    }

    async fn keep_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Result<Attachment, NotTaken>, StoreError> {
        let mut tx = self.write().await?;
        let row =
            sqlx::query(FIND).bind(id.as_str()).fetch_optional(&mut *tx).await.map_err(failed)?;
        let Some(row) = row else { return Ok(Err(NotTaken::NotFound)) };
        let found = attachment(&row)?;
        if found.owner != *owner {
            return Ok(Err(NotTaken::NotOwner));
        }
        if found.usage != Usage::Waiting {
            return Ok(Err(NotTaken::InUse));
        }
        let (state, usage) = match keep {
            Keep::Avatar => (4, Usage::Avatar),
            Keep::Shared => (5, Usage::Shared),
        };
        if keep == Keep::Avatar {
            sqlx::query("UPDATE attachments SET state = 6 WHERE owner = ? AND state = 4")
                .bind(owner.as_str())
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        sqlx::query("UPDATE attachments SET state = ? WHERE id = ?")
            .bind(state)
            .bind(id.as_str())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(Ok(Attachment { usage, ..found }))
    }

    async fn discard_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE attachments SET state = 6 \
             WHERE id = ? AND owner = ? AND state IN (1, 2, 4, 5)",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn expire_attachments(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE attachments SET state = 6 WHERE id IN \
             (SELECT id FROM attachments WHERE state <= 2 AND created_at < ? \
              ORDER BY created_at LIMIT ?)",
        )
        .bind(before.0)
        .bind(limit)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(u32::try_from(done.rows_affected()).unwrap_or(limit))
    }

    async fn released_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM attachments WHERE state = 6 AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.map_or("", AttachmentId::as_str))
        .bind(limit)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        let id =
            |row: &SqliteRow| AttachmentId::parse(row.try_get(0).map_err(failed)?).map_err(corrupt);
        rows.iter().map(id).collect()
    }

    async fn forget_attachments(&self, ids: &[AttachmentId]) -> Result<(), StoreError> {
        let ids = serde_json::to_string(ids).map_err(corrupt)?;
        let mut tx = self.write().await?;
        sqlx::query(
            "DELETE FROM attachments \
             WHERE state = 6 AND id IN (SELECT value FROM json_each(?))",
        )
        .bind(ids)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment_store_suite;

    attachment_store_suite!(async || {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite:{}", dir.path().join("chat.db").display());
        (SqliteStore::open(&url).await.expect("it opens"), dir)
    });
}
