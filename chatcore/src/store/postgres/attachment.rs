//! Attachments in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::corrupt;
use super::rows::Fields;
use super::sql::Args;
use crate::attachment::{Attachment, ContentHash, Usage};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, RoomId, UserId};
use crate::store::StoreError;
use crate::store::attachment::{AttachmentStore, Keep, NotTaken, Reservation, WaitingLimit};
use crate::store::sql::rows::{file_size, thumbnail_from, thumbnail_text};

/// The columns of [`attachment`], of `a`.
macro_rules! columns {
    () => {
        "a.id, a.owner, a.state, a.created_at, a.size, a.name, a.content_type, a.width, a.height, \
         a.hash, a.thumbnail, a.room, a.seq"
    };
}

/// A file that is whole and not released.
const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM $.attachments a WHERE a.id = $1 AND a.state BETWEEN 2 AND 5"
);

const RESERVE: &str = "\
INSERT INTO $.attachments (id, owner, state, created_at, size) SELECT $1, $2, 1, $3, $4 FROM (\
  SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM $.attachments \
  WHERE owner = $2 AND state <= 2) w \
WHERE w.files < $5 AND w.bytes + $6::numeric <= $7::numeric ON CONFLICT DO NOTHING RETURNING 1";

const COMPLETE: &str = "\
UPDATE $.attachments SET state = 2, size = $1, name = $2, content_type = $3, width = $4, \
height = $5, hash = $6, thumbnail = $8 WHERE id = $7 AND state = 1 RETURNING 1";

/// Finds the file as it was, and takes it if it is its owner's and waits. The index allows no second picture, not
/// even for a moment, so the old one goes first; and the old one is no business of who does
/// not get the new one.
const KEEP: &str = concat!(
    "WITH found AS MATERIALIZED (SELECT ",
    columns!(),
    " FROM $.attachments a WHERE a.id = $1 AND a.state BETWEEN 2 AND 5 FOR UPDATE), \
     kept AS (UPDATE $.attachments k SET state = $3 FROM found f \
       WHERE k.id = f.id AND f.owner = $2 AND f.state = 2) \
     SELECT ",
    columns!(),
    " FROM found a"
);

/// Holds a file until what becomes of it is written: a message may want it at the same moment.
const LOCK: &str = "SELECT 1 FROM $.attachments WHERE id = $1 FOR UPDATE";

/// Releases the picture of `$2`, if `$1` is a file that may take its place.
const RELEASE_PICTURE: &str = "\
UPDATE $.attachments SET state = 6 WHERE owner = $2 AND state = 4 \
AND EXISTS (SELECT 1 FROM $.attachments n WHERE n.id = $1 AND n.owner = $2 AND n.state = 2)";

fn attachment(row: &PgRow) -> Result<Attachment, StoreError> {
    let mut row = Fields::of(row);
    let id = AttachmentId::parse(row.take()?).map_err(corrupt)?;
    let owner = row.user()?;
    let (state, created_at, size): (i64, _, _) = (row.take()?, row.time()?, row.number()?);
    let (name, content_type) = (row.take()?, row.take()?);
    let side = |pixels: Option<i64>| pixels.map(u32::try_from).transpose().map_err(corrupt);
    let (width, height) = (side(row.take()?)?, side(row.take()?)?);
    let hash = ContentHash(row.bytes()?);
    let thumbnail = thumbnail_from(row.take()?)?;
    let usage = match state {
        2 => Usage::Waiting,
        3 => Usage::Message { room: RoomId::parse(row.take()?).map_err(corrupt)?, seq: row.seq()? },
        4 => Usage::Avatar,
        5 => Usage::Shared,
        _ => return Err(corrupt("an unknown state of a file")),
    };
    Ok(Attachment {
        id,
        owner,
        name,
        content_type,
        size,
        width,
        height,
        thumbnail,
        created_at,
        hash,
        usage,
    })
}

#[async_trait]
impl AttachmentStore for PostgresStore {
    async fn reserve_attachment(
        &self,
        upload: &Reservation,
        most: WaitingLimit,
    ) -> Result<bool, StoreError> {
        let owner = upload.owner.as_str().to_owned();
        let mut args = Args::default();
        args.bind(upload.id.as_str().to_owned()).bind(owner.clone()).bind(upload.created_at.0);
        args.bind(file_size(upload.bytes)).bind(i64::from(most.files));
        args.bind(upload.bytes.to_string()).bind(most.bytes.to_string());
        let key = ("uploads", owner.as_str());
        Ok(!self.client.write_alone(key, RESERVE, args.done()?).await?.is_empty())
    }

    async fn complete_attachment(&self, attachment: &Attachment) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(file_size(attachment.size)).bind(attachment.name.clone());
        args.bind(attachment.content_type.clone());
        args.bind(attachment.width.map(i64::from)).bind(attachment.height.map(i64::from));
        args.bind(attachment.hash.0.to_vec()).bind(attachment.id.as_str().to_owned());
        args.bind(thumbnail_text(attachment.thumbnail.as_ref())?);
        Ok(!self.client.write(COMPLETE, args.done()?).await?.is_empty())
    }

    async fn attachment(&self, id: &AttachmentId) -> Result<Option<Attachment>, StoreError> {
        let id = Args::default().bind(id.as_str().to_owned()).done()?;
        self.client.read(FIND, id).await?.first().map(attachment).transpose()
    }

    async fn keep_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Result<Attachment, NotTaken>, StoreError> {
        let (state, usage) = match keep {
            Keep::Avatar => (4_i64, Usage::Avatar),
            Keep::Shared => (5, Usage::Shared),
        };
        let mut args = Args::default();
        let mut steps = vec![(LOCK, args.bind(id.as_str().to_owned()).clone().done()?)];
        args.bind(owner.as_str().to_owned());
        if keep == Keep::Avatar {
            steps.push((RELEASE_PICTURE, args.clone().done()?));
        }
        steps.push((KEEP, args.bind(state).done()?));
        let rows = self.client.write_steps(("uploads", owner.as_str()), &steps).await?;
        let Some(row) = rows.first() else { return Ok(Err(NotTaken::NotFound)) };
        let found = attachment(row)?;
        if found.owner != *owner {
            return Ok(Err(NotTaken::NotOwner));
        }
        if found.usage != Usage::Waiting {
            return Ok(Err(NotTaken::InUse));
        }
        Ok(Ok(Attachment { usage, ..found }))
    }

    async fn discard_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<bool, StoreError> {
        let discard = "UPDATE $.attachments SET state = 6 \
                       WHERE id = $1 AND owner = $2 AND state IN (1, 2, 4, 5) RETURNING 1";
        let mut args = Args::default();
        args.bind(id.as_str().to_owned()).bind(owner.as_str().to_owned());
        Ok(!self.client.write(discard, args.done()?).await?.is_empty())
    }

    async fn expire_attachments(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let expire = "UPDATE $.attachments SET state = 6 WHERE state <= 2 AND id IN \
                      (SELECT id FROM $.attachments WHERE state <= 2 AND created_at < $1 \
                       ORDER BY created_at LIMIT $2) RETURNING 1";
        let args = Args::default().bind(before.0).bind(i64::from(limit)).done()?;
        let released = self.client.write(expire, args).await?;
        Ok(u32::try_from(released.len()).unwrap_or(limit))
    }

    async fn released_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        let find = "SELECT id FROM $.attachments WHERE state = 6 AND id > $1 ORDER BY id LIMIT $2";
        let mut args = Args::default();
        args.bind(after.map_or("", AttachmentId::as_str).to_owned()).bind(i64::from(limit));
        let rows = self.client.read(find, args.done()?).await?;
        rows.iter()
            .map(|row| AttachmentId::parse(Fields::of(row).take()?).map_err(corrupt))
            .collect()
    }

    async fn forget_attachments(&self, ids: &[AttachmentId]) -> Result<(), StoreError> {
        let forget = "DELETE FROM $.attachments WHERE state = 6 AND id = ANY ($1)";
        let ids: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        self.client.write(forget, Args::default().bind(ids).done()?).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use crate::attachment_store_suite;
    use crate::store::postgres::tests::fresh;

    attachment_store_suite!(in one, fresh);
}
