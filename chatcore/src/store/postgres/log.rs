//! Writing and reading logs.

use async_trait::async_trait;
use serde::Deserialize;
use sqlx::postgres::PgRow;

use super::error::corrupt;
use super::rows::{Fields, signed};
use super::sql::Args;
use super::{PostgresStore, commit, order, sweep};
use crate::id::{Epoch, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Entry, Message, Reaction};
use crate::room::Command;
use crate::store::sql::rows::{entry_columns, hex};
use crate::store::{Committed, LogStore, Run, StoreError, Toward};

/// A message as `$1` sees it.
macro_rules! message_columns {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM $.pins p WHERE p.room = l.room AND p.seq = l.seq), \
             (SELECT coalesce(json_agg(json_build_array(c.emoji, c.count, EXISTS (\
                SELECT 1 FROM $.reactions x WHERE x.room = c.room AND x.seq = c.seq \
                AND x.emoji = c.emoji AND x.user = $1)) ORDER BY c.first), '[]')::text \
              FROM $.reaction_counts c WHERE c.room = l.room AND c.seq = l.seq), ",
            entry_columns!()
        )
    };
}

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM $.rooms r JOIN $.log l ON l.room = r.pk AND l.seq > greatest($2, r.dead_seq) \
     WHERE r.id = $1 ORDER BY l.seq LIMIT $3"
);

const OLDER: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM $.rooms r JOIN $.log l ON l.room = r.pk AND l.n IS NOT NULL \
     AND l.seq < $3 AND l.seq > r.dead_seq WHERE r.id = $2 ORDER BY l.seq DESC LIMIT $4"
);

const NEWER: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM $.rooms r JOIN $.log l ON l.room = r.pk AND l.n IS NOT NULL \
     AND l.seq > greatest($3, r.dead_seq) WHERE r.id = $2 ORDER BY l.seq LIMIT $4"
);

const MESSAGE: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM $.rooms r JOIN $.sends s ON s.room = r.pk AND s.key = $3::text::uuid AND s.n > 0 \
     JOIN $.log l ON l.room = r.pk AND l.seq = s.seq AND l.seq > r.dead_seq WHERE r.id = $2"
);

const PINNED: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM $.rooms r JOIN $.pins i ON i.room = r.pk AND i.seq > greatest($3, r.dead_seq) \
     JOIN $.log l ON l.room = i.room AND l.seq = i.seq WHERE r.id = $2 ORDER BY i.seq LIMIT $4"
);

const RUNS: &str = "\
SELECT u.pos, r.id, u.first, u.last FROM $.runs u JOIN $.rooms r ON r.pk = u.room \
WHERE u.pos < $1 ORDER BY u.pos DESC LIMIT $2";

#[async_trait]
impl LogStore for PostgresStore {
    async fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(self.epoch.clone())
    }

    async fn commit(&self, batch: &[Command], limits: &Limits) -> Result<Committed, StoreError> {
        commit::commit(self, batch, limits).await
    }

    fn writers(&self) -> usize {
        self.client.writers
    }

    async fn entries(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut args = Args::default();
        args.bind(room.as_str().to_owned()).bind(signed(after.0)).bind(i64::from(limit));
        let rows = self.client.read(ENTRIES, args.done()?).await?;
        rows.iter().map(|row| Fields::of(row).entry(room, &self.epoch)).collect()
    }

    async fn messages(
        &self,
        room: &RoomId,
        toward: Toward,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let (text, from) = match toward {
            Toward::Older(seq) => (OLDER, seq),
            Toward::Newer(seq) => (NEWER, seq),
        };
        let mut args = Args::default();
        args.bind(viewer.as_str().to_owned()).bind(room.as_str().to_owned());
        args.bind(signed(from.0)).bind(i64::from(limit));
        let mut rows = self.client.read(text, args.done()?).await?;
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
        let mut args = Args::default();
        args.bind(viewer.as_str().to_owned()).bind(room.as_str().to_owned());
        args.bind(hex(&id.to_bytes()));
        let rows = self.client.read(MESSAGE, args.done()?).await?;
        rows.first().map(|row| self.message_from(row, room)).transpose()
    }

    async fn pinned(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let mut args = Args::default();
        args.bind(viewer.as_str().to_owned()).bind(room.as_str().to_owned());
        args.bind(signed(after.0)).bind(i64::from(limit));
        let rows = self.client.read(PINNED, args.done()?).await?;
        rows.iter().map(|row| self.message_from(row, room)).collect()
    }

    async fn runs_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<Run>, StoreError> {
        if before.is_none() {
            order::give_places(self).await?;
        }
        let mut args = Args::default();
        args.bind(before.map_or(i64::MAX, signed)).bind(i64::from(limit));
        let rows = self.client.read(RUNS, args.done()?).await?;
        let run = |row: &PgRow| {
            let mut row = Fields::of(row);
            let (pos, room) = (row.number()?, row.room_id()?);
            Ok(Run { pos, room, first: row.seq()?, last: row.seq()? })
        };
        rows.iter().map(run).collect()
    }

    async fn sweep(&self, limit: u32) -> Result<u32, StoreError> {
        order::give_places(self).await?;
        sweep::sweep(self, limit).await
    }
}

impl PostgresStore {
    /// A row of `message_columns`.
    fn message_from(&self, row: &PgRow, room: &RoomId) -> Result<Message, StoreError> {
        #[derive(Deserialize)]
        struct Given(String, u32, bool);

        let mut row = Fields::of(row);
        let pinned = row.take()?;
        let given: Vec<Given> = serde_json::from_str(row.take()?).map_err(corrupt)?;
        let entry = row.entry(room, &self.epoch)?;
        let mut message =
            Message::from_entry(&entry).ok_or_else(|| corrupt("a message of another kind"))?;
        message.pinned = pinned;
        message.reactions = given
            .into_iter()
            .map(|Given(emoji, count, mine)| Reaction { emoji, count, mine })
            .collect();
        Ok(message)
    }
}
