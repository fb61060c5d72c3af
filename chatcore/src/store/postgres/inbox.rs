//! What a host hands in: a row of `inbox`, in a transaction of the host's on the same database.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::{SqlStr, Transaction};
use tokio::sync::Notify;

use super::PostgresStore;
use super::commit::foresee;
use super::error::{corrupt, failed};
use super::rows::{Fields, signed};
use super::sql::{Args, of_schema};
use crate::error::Error;
use crate::id::{MessageId, RoomId};
use crate::limits::Limits;
use crate::room::{Action, Actor};
use crate::store::sql::host::HostWrites;
use crate::store::sql::inbox::{LOOKED_AT, Row, about, commands, handed, refused};
use crate::store::{Handed, InboxStore, Refused, StoreError};

/// What waits for a room and may matter to the command that is handed in.
const BEFORE: &str = "\
SELECT id, room, command FROM $.inbox WHERE room = $1 AND (key IS NULL OR key = ANY ($2)) \
AND code IS NULL ORDER BY id LIMIT $3";

const HAND_IN: &str = "INSERT INTO $.inbox (room, key, command) VALUES ($1, $2, $3)";

const WAITING: &str =
    "SELECT id, room, command FROM $.inbox WHERE code IS NULL ORDER BY id LIMIT $1";

const REFUSE: &str = "\
UPDATE $.inbox SET code = $2, why = $3, refused_at = (extract(epoch FROM now()) * 1000)::bigint \
WHERE id = $1 AND code IS NULL RETURNING id";

const REFUSED: &str = "\
SELECT id, room, key, code, why, refused_at, command FROM $.inbox \
WHERE code IS NOT NULL AND id > $1 ORDER BY id LIMIT $2";

const REFUSAL: &str = "\
SELECT id, room, key, code, why, refused_at, command FROM $.inbox \
WHERE room = $1 AND key = $2 AND code IS NOT NULL ORDER BY id DESC LIMIT 1";

const FORGET: &str = "DELETE FROM $.inbox WHERE id = $1 AND code IS NOT NULL RETURNING id";

const TIDY: &str = "\
DELETE FROM $.inbox WHERE code IS NOT NULL AND id <= (\
  SELECT id FROM $.inbox WHERE code IS NOT NULL ORDER BY id DESC OFFSET $1 LIMIT 1) RETURNING id";

impl HostWrites for PostgresStore {
    type Database = Postgres;

    async fn hand_in(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        by: Actor,
        room: &RoomId,
        action: Action,
    ) -> Result<(), Error> {
        let command = self.desk.command(by, room, action)?;
        let row = Row::of(&command)?;
        let mut args = Args::default();
        args.bind(room.as_str()).bind(about(&command)).bind(LOOKED_AT);
        let mut before = Vec::new();
        for row in run(tx, self.sql(BEFORE), args.done()?).await? {
            before.push(waiting(&row)?);
        }
        let mut all = commands(before, command.at);
        all.push(command);
        foresee(self, tx, &all, &self.desk.limits()).await?;
        let mut args = Args::default();
        args.bind(room.as_str()).bind(row.key).bind(row.command);
        run(tx, self.sql(HAND_IN), args.done()?).await?;
        self.desk.bell.notify_one();
        Ok(())
    }
}

/// Runs one statement in a transaction of the host's.
pub(super) async fn run(
    tx: &mut Transaction<'_, Postgres>,
    sql: SqlStr,
    arguments: PgArguments,
) -> Result<Vec<PgRow>, StoreError> {
    sqlx::query_with(sql, arguments).fetch_all(&mut **tx).await.map_err(failed)
}

fn waiting(row: &PgRow) -> Result<Handed, StoreError> {
    let mut row = Fields::of(row);
    let (place, room) = (row.number()?, row.room_id()?);
    Ok(handed(place, room, row.take()?))
}

fn was_refused(row: &PgRow) -> Result<Refused, StoreError> {
    let mut row = Fields::of(row);
    let (place, room, key) = (row.number()?, row.room_id()?, row.take()?);
    let why = (row.take()?, row.take()?, row.take()?);
    refused(place, room, key, why, row.take()?)
}

#[async_trait]
impl InboxStore for PostgresStore {
    fn bell(&self) -> Option<Arc<Notify>> {
        Some(Arc::clone(&self.desk.bell))
    }

    fn bind(&self, limits: Arc<Limits>) {
        self.desk.bind(limits);
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<Handed>, StoreError> {
        let args = Args::default().bind(i64::from(limit)).done()?;
        self.client.read(WAITING, args).await?.iter().map(waiting).collect()
    }

    async fn refuse(&self, place: u64, code: &str, why: &str) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(signed(place)).bind(code.to_owned()).bind(why.replace('\0', ""));
        Ok(!self.client.write(REFUSE, args.done()?).await?.is_empty())
    }

    async fn refused(&self, after: u64, limit: u32) -> Result<Vec<Refused>, StoreError> {
        let args = Args::default().bind(signed(after)).bind(i64::from(limit)).done()?;
        self.client.read(REFUSED, args).await?.iter().map(was_refused).collect()
    }

    async fn refusal(
        &self,
        room: &RoomId,
        message: &MessageId,
    ) -> Result<Option<Refused>, StoreError> {
        let mut args = Args::default();
        args.bind(room.as_str().to_owned()).bind(message.as_str().to_owned());
        let rows = self.client.read(REFUSAL, args.done()?).await?;
        rows.first().map(was_refused).transpose()
    }

    async fn forget(&self, place: u64) -> Result<bool, StoreError> {
        let args = Args::default().bind(signed(place)).done()?;
        Ok(!self.client.write(FORGET, args).await?.is_empty())
    }

    async fn tidy(&self, keep: u32) -> Result<u64, StoreError> {
        let args = Args::default().bind(i64::from(keep)).done()?;
        u64::try_from(self.client.write(TIDY, args).await?.len()).map_err(corrupt)
    }
}

impl PostgresStore {
    fn sql(&self, text: &str) -> SqlStr {
        of_schema(text, &self.client.schema)
    }
}
