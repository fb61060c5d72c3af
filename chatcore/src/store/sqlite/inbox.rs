//! What a host hands in: a row in a table of the host's own file, brought over into the store's.
//!
//! SQLite has one writer for each file. Were the rooms in the host's file, whoever keeps a transaction open
//! there would hold up everyone who writes in a room; and over two files, a commit is atomic only if neither
//! has a write-ahead log. So the host's transaction writes to its own file alone. What it has
//! committed is copied into `inbox` under a name drawn when it was handed in, which makes bringing it over again
//! no news; once it is here it is cleared away there, and only then forgotten here.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, SqlitePool, Transaction};
use tokio::sync::{Mutex, Notify};

use super::SqliteStore;
use super::commit::foresee;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::clock::SystemRandom;
use crate::error::Error;
use crate::id::{MessageId, RoomId, random_string};
use crate::limits::Limits;
use crate::room::{Action, Actor};
use crate::store::sql::host::{Desk, HostWrites};
use crate::store::sql::inbox::{LOOKED_AT, Row, about, commands, handed, refused};
use crate::store::{Handed, InboxStore, Refused, StoreError};

/// The one table in the host's file.
const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS chatcore_outbox (\
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, room TEXT NOT NULL, key TEXT, \
  command TEXT NOT NULL) STRICT; \
CREATE INDEX IF NOT EXISTS chatcore_outbox_rooms ON chatcore_outbox (room, key)";

const HAND_IN: &str = "INSERT INTO chatcore_outbox (name, room, key, command) VALUES (?, ?, ?, ?)";

/// What waits for a room and may matter to the command that is handed in: there, and here.
const BEFORE_THERE: &str = "\
SELECT id, room, command FROM chatcore_outbox WHERE room = ?1 AND id > ?4 \
AND (key IS NULL OR key IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?3";
const BEFORE_HERE: &str = "\
SELECT id, room, command FROM inbox WHERE room = ?1 AND state = 0 \
AND (key IS NULL OR key IN (SELECT value FROM json_each(?2))) ORDER BY id LIMIT ?3";

const BRING: &str =
    "SELECT id, name, room, key, command FROM chatcore_outbox WHERE id > ? ORDER BY id LIMIT ?";

const TAKE: &str = "\
INSERT INTO inbox (host_id, name, room, key, command) \
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true \
ORDER BY key ON CONFLICT (name) DO NOTHING";

const WAITING: &str = "SELECT id, room, command FROM inbox WHERE state = 0 ORDER BY id LIMIT ?";

const REFUSE: &str = "\
UPDATE inbox SET state = 2, code = ?2, why = ?3, \
  refused_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) WHERE id = ?1 AND state = 0";

const REFUSED: &str = "\
SELECT id, room, key, code, why, refused_at, command FROM inbox \
WHERE state = 2 AND id > ? ORDER BY id LIMIT ?";

const REFUSAL: &str = "\
SELECT id, room, key, code, why, refused_at, command FROM inbox \
WHERE room = ? AND key = ? AND state = 2 ORDER BY id DESC LIMIT 1";

const FORGET: &str = "UPDATE inbox SET state = 1 WHERE id = ? AND state = 2";

const TRIM: &str = "\
UPDATE inbox SET state = 1 WHERE state = 2 AND id <= (\
  SELECT id FROM inbox WHERE state = 2 ORDER BY id DESC LIMIT 1 OFFSET ?)";

/// The host's file, and how far it has been read.
#[derive(Debug)]
pub(super) struct Host {
    pool: SqlitePool,
    /// Rows up to here are in `inbox`.
    brought: AtomicI64,
    /// Rows up to here are gone from the host's file.
    cleared: AtomicI64,
    /// There may be something in `inbox` that waits. Held while that is looked at.
    waiting: Mutex<bool>,
    pub(super) desk: Desk,
}

impl Host {
    pub(super) async fn open(pool: SqlitePool, ours: &Path) -> Result<Self, StoreError> {
        let file = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'");
        let file = file.fetch_one(&pool).await.map_err(failed)?;
        let file: Option<&str> = Fields::of(&file).take()?;
        let file = file.filter(|file| !file.is_empty()).map(Path::new);
        if file.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == ours) {
            return Err(StoreError::Unusable(
                "the host's database and the store's are the same SQLite file; name another file \
                 for the store, so that the host's transactions do not hold up the rooms"
                    .into(),
            ));
        }
        sqlx::raw_sql(AssertSqlSafe(TABLE)).execute(&pool).await.map_err(failed)?;
        Ok(Self {
            pool,
            brought: AtomicI64::new(0),
            cleared: AtomicI64::new(0),
            waiting: Mutex::new(true),
            desk: Desk::default(),
        })
    }

    /// Copies what was committed since into the store; whether there was anything. One caller at a time.
    async fn bring_over(&self, store: &SqliteStore, limit: u32) -> Result<bool, StoreError> {
        let rows = sqlx::query(BRING)
            .bind(self.brought.load(Ordering::Acquire))
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        let row = |row: &SqliteRow| {
            let mut row = Fields::of(row);
            Ok((row.take()?, row.take()?, row.take()?, row.take()?, row.take()?))
        };
        type Cells = (i64, String, String, Option<String>, String);
        let rows = rows.iter().map(row).collect::<Result<Vec<Cells>, StoreError>>()?;
        let Some((last, ..)) = rows.last() else { return Ok(false) };
        let mut tx = store.write().await?;
        sqlx::query(TAKE)
            .bind(serde_json::to_string(&rows).map_err(corrupt)?)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        self.brought.store(*last, Ordering::Release);
        Ok(true)
    }
}

impl SqliteStore {
    fn host(&self) -> Result<&Host, StoreError> {
        let missing = || {
            StoreError::Unusable(
                "this store was opened without the host's pool; see `SqliteOptions::host`".into(),
            )
        };
        self.host.as_ref().ok_or_else(missing)
    }
}

impl HostWrites for SqliteStore {
    type Database = Sqlite;

    async fn hand_in(
        &self,
        tx: &mut Transaction<'_, Sqlite>,
        by: Actor,
        room: &RoomId,
        action: Action,
    ) -> Result<(), Error> {
        let host = self.host()?;
        let command = host.desk.command(by, room, action)?;
        let row = Row::of(&command)?;
        let keys = serde_json::to_string(&about(&command)).map_err(corrupt)?;
        // What is brought over between the two looks is seen twice rather than not at all.
        let brought = host.brought.load(Ordering::Acquire);
        let there = before(&mut *tx, BEFORE_THERE, room, &keys, brought).await?;
        let mut all = Vec::new();
        {
            let mut reader = self.read().await?;
            all.extend(before(&mut reader, BEFORE_HERE, room, &keys, brought).await?);
        }
        all.extend(there);
        let mut all = commands(all, command.at);
        all.push(command);
        foresee(self, &all, &host.desk.limits()).await?;
        sqlx::query(HAND_IN)
            .bind(random_string::<16>(&SystemRandom))
            .bind(room.as_str())
            .bind(row.key)
            .bind(row.command)
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
        host.desk.bell.notify_one();
        Ok(())
    }
}

async fn before(
    connection: &mut SqliteConnection,
    sql: &'static str,
    room: &RoomId,
    keys: &str,
    brought: i64,
) -> Result<Vec<Handed>, StoreError> {
    let query = sqlx::query(sql).bind(room.as_str()).bind(keys).bind(LOOKED_AT);
    let query = if sql == BEFORE_THERE { query.bind(brought) } else { query };
    let rows = query.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(waiting).collect()
}

fn waiting(row: &SqliteRow) -> Result<Handed, StoreError> {
    let mut row = Fields::of(row);
    let (place, room) = (row.number()?, row.room_id()?);
    Ok(handed(place, room, row.take()?))
}

fn was_refused(row: &SqliteRow) -> Result<Refused, StoreError> {
    let mut row = Fields::of(row);
    let (place, room, key) = (row.number()?, row.room_id()?, row.take()?);
    let why = (row.take()?, row.take()?, row.take()?);
    refused(place, room, key, why, row.take()?)
}

#[async_trait]
impl InboxStore for SqliteStore {
    fn bell(&self) -> Option<Arc<Notify>> {
        self.host.as_ref().map(|host| Arc::clone(&host.desk.bell))
    }

    fn bind(&self, limits: Arc<Limits>) {
        if let Some(host) = &self.host {
            host.desk.bind(limits);
        }
    }

    async fn waiting(&self, limit: u32) -> Result<Vec<Handed>, StoreError> {
        let Some(host) = &self.host else { return Ok(Vec::new()) };
        let mut some = host.waiting.lock().await;
        *some |= host.bring_over(self, limit).await?;
        if !*some {
            return Ok(Vec::new());
        }
        let mut reader = self.read().await?;
        let rows = sqlx::query(WAITING).bind(limit).fetch_all(&mut *reader).await;
        drop(reader);
        let rows = rows.map_err(failed)?;
        *some = !rows.is_empty();
        rows.iter().map(waiting).collect()
    }

    async fn refuse(&self, place: u64, code: &str, why: &str) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let query = sqlx::query(REFUSE).bind(bound(place)).bind(code).bind(why);
        let done = query.execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn refused(&self, after: u64, limit: u32) -> Result<Vec<Refused>, StoreError> {
        let query = sqlx::query(REFUSED).bind(bound(after)).bind(limit);
        let rows = query.fetch_all(&mut *self.read().await?).await.map_err(failed)?;
        rows.iter().map(was_refused).collect()
    }

    async fn refusal(
        &self,
        room: &RoomId,
        message: &MessageId,
    ) -> Result<Option<Refused>, StoreError> {
        let query = sqlx::query(REFUSAL).bind(room.as_str()).bind(message.as_str());
        let row = query.fetch_optional(&mut *self.read().await?).await.map_err(failed)?;
        row.as_ref().map(was_refused).transpose()
    }

    async fn forget(&self, place: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let query = sqlx::query(FORGET).bind(bound(place));
        let done = query.execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn tidy(&self, keep: u32) -> Result<u64, StoreError> {
        let Some(host) = &self.host else { return Ok(0) };
        let brought = host.brought.load(Ordering::Acquire);
        if brought > host.cleared.load(Ordering::Acquire) {
            let clear = sqlx::query("DELETE FROM chatcore_outbox WHERE id <= ?").bind(brought);
            clear.execute(&host.pool).await.map_err(failed)?;
            host.cleared.store(brought, Ordering::Release);
        }
        let mut tx = self.write().await?;
        let trim = sqlx::query(TRIM).bind(keep).execute(&mut *tx).await.map_err(failed)?;
        let cleared = host.cleared.load(Ordering::Acquire);
        sqlx::query("DELETE FROM inbox WHERE state = 1 AND host_id <= ?")
            .bind(cleared)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(trim.rows_affected())
    }
}

/// A place for SQLite, whose numbers end at half of ours.
fn bound(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}
