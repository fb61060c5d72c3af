//! Cursors over the order of commits, of which one node at a time has each. Time is the server's.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::order::give_places;
use super::rows::{Fields, signed};
use super::sql::Args;
use crate::store::{HookCursor, HookStore, Run, StoreError};

const RUNS: &str = "\
SELECT u.pos, r.id, u.first, u.last FROM $.runs u JOIN $.rooms r ON r.pk = u.room \
WHERE u.pos >= $1 ORDER BY u.pos LIMIT $2";

const TAKE: &str = "\
WITH last AS (SELECT pos, last FROM $.runs ORDER BY pos DESC LIMIT 1) \
INSERT INTO $.hooks AS h (name, pos, seq, holder, until) \
SELECT $1, coalesce((SELECT pos FROM last), 0), coalesce((SELECT last FROM last), 0), $2, \
  clock_timestamp() + $3 * interval '1 millisecond' \
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
WHERE h.holder = excluded.holder OR h.until < clock_timestamp() \
RETURNING pos, seq, end_pos, end_seq";

const MOVE: &str = "\
UPDATE $.hooks SET pos = $3, seq = $4, end_pos = $5, end_seq = $6, \
  until = clock_timestamp() + $7 * interval '1 millisecond' \
WHERE name = $1 AND holder = $2 RETURNING pos";

const FREE: &str = "\
UPDATE $.hooks SET until = clock_timestamp() - interval '1 second' WHERE name = $1 AND holder = $2";

#[async_trait]
impl HookStore for PostgresStore {
    async fn runs_from(&self, pos: u64, limit: u32) -> Result<Vec<Run>, StoreError> {
        give_places(self).await?;
        let args = Args::default().bind(signed(pos)).bind(i64::from(limit)).done()?;
        let run = |row: &PgRow| {
            let mut row = Fields::of(row);
            let (pos, room) = (row.number()?, row.room_id()?);
            Ok(Run { pos, room, first: row.seq()?, last: row.seq()? })
        };
        self.client.read(RUNS, args).await?.iter().map(run).collect()
    }

    async fn take_hook(
        &self,
        name: &str,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<HookCursor>, StoreError> {
        give_places(self).await?;
        let mut args = Args::default();
        args.bind(name.to_owned()).bind(holder.to_owned()).bind(milliseconds(lease));
        let rows = self.client.write(TAKE, args.done()?).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut row = Fields::of(row);
        let (pos, seq) = (row.number()?, row.seq()?);
        let end: (Option<i64>, Option<i64>) = (row.take()?, row.take()?);
        Ok(Some(HookCursor::from_cells(pos, seq, end)?))
    }

    async fn move_hook(
        &self,
        name: &str,
        holder: &str,
        cursor: &HookCursor,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(name.to_owned()).bind(holder.to_owned());
        args.bind(signed(cursor.pos)).bind(signed(cursor.seq.0));
        args.bind(cursor.end.map(|(pos, _)| signed(pos)));
        args.bind(cursor.end.map(|(_, seq)| signed(seq.0))).bind(milliseconds(lease));
        Ok(!self.client.write(MOVE, args.done()?).await?.is_empty())
    }

    async fn free_hook(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let args = Args::default().bind(name.to_owned()).bind(holder.to_owned()).done()?;
        self.client.write(FREE, args).await?;
        Ok(())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
