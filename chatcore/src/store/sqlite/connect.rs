//! Connections, set up so that what is acknowledged is on the disk.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::error::failed;
use crate::store::StoreError;

/// Rows that wait between SQLite's thread and the reader: as many as the largest page, so that
/// neither waits for the other.
const ROWS_AHEAD: usize = 1024;

/// The write-ahead log is moved into the file when it has this many pages (32 MiB), which takes some
/// ten milliseconds. Rooms and names lie all over their tables: the longer the log, the more of their
/// pages are written once for many messages.
const LOG_PAGES: &str = "8192";

/// The write-ahead log is cut back to this after a checkpoint, in bytes.
const LOG_BYTES: &str = "67108864";

/// Page cache of a reader and of the writer, in KiB (SQLite counts those below zero). The writer's
/// keys of what took effect once lie all over their table.
const CACHE: &str = "-8000";
const WRITER_CACHE: &str = "-16000";

pub(super) fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(busy)
        .row_buffer_size(ROWS_AHEAD)
        .statement_cache_capacity(256)
        .pragma("mmap_size", "0")
        .pragma("temp_store", "memory")
        .pragma("cache_size", CACHE)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .pragma("journal_size_limit", LOG_BYTES)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// The same, for the connection that writes.
pub(super) fn writing(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().pragma("cache_size", WRITER_CACHE)
}

/// The same, for a connection that must not write.
pub(super) fn read_only(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().pragma("query_only", "ON")
}

/// Makes a connection.
pub(super) async fn connect(
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = options.connect().await.map_err(failed)?;
    assert_durable(&mut connection).await?;
    Ok(connection)
}

/// Reads back the settings that promise G1 rests on. SQLite passes over what it cannot do.
async fn assert_durable(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT journal_mode FROM pragma_journal_mode), \
                (SELECT synchronous FROM pragma_synchronous), \
                (SELECT foreign_keys FROM pragma_foreign_keys)",
    )
    .fetch_one(connection)
    .await
    .map_err(failed)?;
    let journal: String = row.try_get(0).map_err(failed)?;
    let synchronous: i64 = row.try_get(1).map_err(failed)?;
    let foreign_keys: i64 = row.try_get(2).map_err(failed)?;
    if journal != "wal" {
        return Err(StoreError::Unusable(format!(
            "the database's file system cannot keep a write-ahead log (journal mode {journal}); \
             put the file on a local disk"
        )));
    }
    // 2 is FULL: a commit is flushed before it is acknowledged.
    if synchronous != 2 || foreign_keys != 1 {
        return Err(StoreError::Unusable(format!(
            "SQLite does not take the settings that durability rests on (synchronous \
             {synchronous}, foreign_keys {foreign_keys})"
        )));
    }
    Ok(())
}
