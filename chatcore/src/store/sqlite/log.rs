//! Writing and reading logs.

use async_trait::async_trait;
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;

use super::error::{corrupt, failed};
use super::rows::Fields;
use super::{SqliteStore, commit, sweep};
use crate::id::{Epoch, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Entry, Message, Reaction};
use crate::room::Command;
use crate::store::sql::rows::entry_columns;
use crate::store::{Committed, LogStore, Run, StoreError, Toward};

/// Nothing at or below this is there to be read: the floor, and in a deleted room everything.
macro_rules! floor {
    () => {
        "CASE WHEN r.deleted_at IS NULL THEN r.floor_seq ELSE r.head_seq END"
    };
}
pub(super) use floor;

/// A message as `?1` sees it.
macro_rules! message_columns {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM pins p WHERE p.room = l.room AND p.seq = l.seq), \
             (SELECT json_group_array(json_array(c.emoji, c.count, EXISTS (\
                SELECT 1 FROM reactions x WHERE x.room = c.room AND x.seq = c.seq \
                AND x.emoji = c.emoji AND x.user = ?1)) ORDER BY c.first) \
              FROM reaction_counts c WHERE c.room = l.room AND c.seq = l.seq), ",
            entry_columns!()
        )
    };
}

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM rooms r CROSS JOIN log l ON l.room = r.pk AND l.seq > max(?2, ",
    floor!(),
    ") \
     WHERE r.id = ?1 ORDER BY l.seq LIMIT ?3"
);

const OLDER: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM rooms r CROSS JOIN log l INDEXED BY log_messages ON l.room = r.pk AND l.n IS NOT NULL \
     AND l.seq < ?3 AND l.seq > ",
    floor!(),
    " WHERE r.id = ?2 ORDER BY l.seq DESC LIMIT ?4"
);

const NEWER: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM rooms r CROSS JOIN log l INDEXED BY log_messages ON l.room = r.pk AND l.n IS NOT NULL \
     AND l.seq > max(?3, ",
    floor!(),
    ") \
     WHERE r.id = ?2 ORDER BY l.seq LIMIT ?4"
);

const MESSAGE: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM rooms r CROSS JOIN log l ON l.room = r.pk AND l.seq = coalesce(?4, (\
       SELECT s.seq FROM sends s WHERE s.room = r.pk AND s.key = ?3 AND s.n > 0)) AND l.seq > ",
    floor!(),
    " WHERE r.id = ?2"
);

const PINNED: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM rooms r CROSS JOIN pins i ON i.room = r.pk AND i.seq > max(?3, ",
    floor!(),
    ") CROSS JOIN log l ON l.room = i.room AND l.seq = i.seq \
     WHERE r.id = ?2 ORDER BY i.seq LIMIT ?4"
);

const RUNS: &str = "\
SELECT u.pos, r.id, u.first, u.last FROM runs u CROSS JOIN rooms r ON r.pk = u.room \
WHERE u.pos < ? ORDER BY u.pos DESC LIMIT ?";

#[async_trait]
impl LogStore for SqliteStore {
    async fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(self.epoch.clone())
    }

    async fn commit(&self, batch: &[Command], limits: &Limits) -> Result<Committed, StoreError> {
        commit::commit(self, batch, limits).await
    }

    fn writers(&self) -> usize {
        1
    }

    async fn entries(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(ENTRIES)
            .bind(room.as_str())
            .bind(bound(after))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        drop(reader);
        rows.iter().map(|row| Fields::of(row).entry(room, &self.epoch)).collect()
    }

    async fn messages(
        &self,
        room: &RoomId,
        toward: Toward,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let (sql, from) = match toward {
            Toward::Older(seq) => (OLDER, seq),
            Toward::Newer(seq) => (NEWER, seq),
        };
        let mut reader = self.read().await?;
        let mut rows = sqlx::query(sql)
            .bind(viewer.as_str())
            .bind(room.as_str())
            .bind(bound(from))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        drop(reader);
        if let Toward::Older(_) = toward {
            rows.reverse();
        }
        rows.iter().map(|row| self.message_from(row, room)).collect()
    }

    async fn message(
        &self,
        room: &RoomId,
        id: &MessageId,
        viewer: &UserId,
    ) -> Result<Option<Message>, StoreError> {
        let mut place = self.memory().names.place(id);
        loop {
            let row = sqlx::query(MESSAGE)
                .bind(viewer.as_str())
                .bind(room.as_str())
                .bind(id.to_bytes().to_vec())
                .bind(place.map(bound))
                .fetch_optional(&mut *self.read().await?)
                .await
                .map_err(failed)?;
            let message = row.map(|row| self.message_from(&row, room)).transpose();
            match message.map(|found| found.filter(|message| message.message_id == *id)) {
                // It is not where a commit was about to put it: the index knows of an older one.
                Ok(None) | Err(_) if place.is_some() => place = None,
                found => return found,
            }
        }
    }

    async fn pinned(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(PINNED)
            .bind(viewer.as_str())
            .bind(room.as_str())
            .bind(bound(after))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        drop(reader);
        rows.iter().map(|row| self.message_from(row, room)).collect()
    }

    async fn runs_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let mut reader = self.read().await?;
        let rows = sqlx::query(RUNS)
            .bind(before.and_then(|pos| i64::try_from(pos).ok()).unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await
            .map_err(failed)?;
        let run = |row: &SqliteRow| {
            let mut row = Fields::of(row);
            let (pos, room) = (row.number()?, row.room_id()?);
            Ok(Run { pos, room, first: row.seq()?, last: row.seq()? })
        };
        rows.iter().map(run).collect()
    }

    async fn sweep(&self, limit: u32) -> Result<u32, StoreError> {
        sweep::sweep(self, limit).await
    }
}

impl SqliteStore {
    /// A row of `message_columns`.
    fn message_from(&self, row: &SqliteRow, room: &RoomId) -> Result<Message, StoreError> {
        #[derive(Deserialize)]
        struct Given(String, u32, u8);

        let mut row = Fields::of(row);
        let pinned = row.take()?;
        let given: Vec<Given> = serde_json::from_str(row.take()?).map_err(corrupt)?;
        let entry = row.entry(room, &self.epoch)?;
        let mut message =
            Message::from_entry(&entry).ok_or_else(|| corrupt("a message of another kind"))?;
        message.pinned = pinned;
        message.reactions = given
            .into_iter()
            .map(|Given(emoji, count, mine)| Reaction { emoji, count, mine: mine != 0 })
            .collect();
        Ok(message)
    }
}

/// A place for SQLite, whose numbers end at half of ours.
fn bound(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
