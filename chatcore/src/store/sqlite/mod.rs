//! A store in a SQLite file: nothing to install, one process, every commit on the disk before it is
//! acknowledged.
//!
//! One connection writes, with `BEGIN IMMEDIATE`, and a few read. sqlx runs each connection on a
//! thread of its own; waking that thread, or being woken by it for each row, costs more than most
//! statements do. So a commit is one call in the usual case: what the rules have to know is in memory,
//! kept there since it was read or written last, and one statement writes the batch. What memory does
//! not know is asked first, with one call that gets one row.
//!
//! What a search needs is a file of its own beside the database (`-search`), made from the log and made
//! anew if it is not there: a backup can do without it.
//!
//! A noun's tables are a file of `migrations/sqlite/`, listed in `migrate.rs`; a released one is never changed.
//! To read: `sqlx::query(..).fetch_all(&mut *self.read().await?).await.map_err(failed)?`, one statement, one snapshot.
//! To write: `let mut tx = self.write().await?;`, statements on `&mut *tx`, `tx.commit().await?`; dropped, it rolls back.

mod account;
mod admin;
mod attachment;
mod commit;
mod connect;
mod erasure;
mod error;
mod file;
mod hook;
mod inbox;
mod log;
mod memory;
mod migrate;
mod names;
mod options;
mod oversight;
mod readers;
mod rooms;
mod rows;
mod script;
mod search;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
mod verification;
mod writer;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Row;

use self::error::failed;
use self::file::Claim;
use self::inbox::Host;
use self::memory::Memory;
pub use self::options::SqliteOptions;
use self::readers::{Reader, Readers};
use self::search::SearchIndex;
use self::writer::{Purpose, WriteTx, Writer};
use super::StoreError;
use crate::clock::SystemRandom;
use crate::id::Epoch;
pub use sqlx::SqlitePool;

/// Keeps everything in one SQLite file.
///
/// Dropping it ends it; [`close`](Self::close) waits until the file is at rest. A future of any of
/// its methods may be dropped at any point: what it was writing is then there as a whole or not at
/// all.
#[derive(Debug)]
pub struct SqliteStore {
    epoch: Epoch,
    writer: Writer,
    memory: Mutex<Memory>,
    readers: Readers,
    search: SearchIndex,
    busy: Duration,
    claim: Mutex<Option<Claim>>,
    host: Option<Host>,
}

impl SqliteStore {
    /// Opens the store at a URL such as `sqlite:chat.db`; makes the file and its folder if they are
    /// not there, for their owner's eyes only, and brings the schema to this build's version.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with a sentence to show to an operator, if the URL is not one of
    /// SQLite's, if another process has the file open, if a newer build has written it, or if its
    /// file system cannot keep the promise of durability.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(SqliteOptions::from_url(url)?).await
    }

    pub(super) async fn open_with(options: SqliteOptions) -> Result<Self, StoreError> {
        let path = options.path.clone();
        let claim = tokio::task::spawn_blocking(move || Claim::of(&path))
            .await
            .map_err(|e| StoreError::Unavailable(e.into()))??;
        let settings = connect::options(&claim.path, options.busy);
        let readers = Readers::new(connect::read_only(&settings), options.readers);
        let writer = Writer::open(connect::writing(&settings), Purpose::Database).await?;
        migrate::migrate(&writer).await?;
        let epoch = epoch(&writer).await?;
        let memory = Memory::read(&mut *writer.hold().await?, options.bounds).await?;
        let host = match options.host {
            Some(pool) => Some(Host::open(pool, &claim.path).await?),
            None => None,
        };
        let (memory, claim) = (Mutex::new(memory), Mutex::new(Some(claim)));
        let (search, busy) = (SearchIndex::default(), options.busy);
        Ok(Self { epoch, writer, memory, readers, search, busy, claim, host })
    }

    /// Where the database is, free of symbolic links; none once it is closed.
    pub fn path(&self) -> Option<PathBuf> {
        let claim = self.claim.lock().unwrap_or_else(PoisonError::into_inner);
        claim.as_ref().map(|claim| claim.path.clone())
    }

    /// Waits for what is under way, moves the write-ahead log into the file, and lets go of it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be put to rest; nothing is lost by that.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.close_index().await?;
        self.readers.close().await?;
        self.writer.close().await?;
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }

    /// What is known without looking. Never held while waiting.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for reading.
    pub(in crate::store) async fn read(&self) -> Result<Reader<'_>, StoreError> {
        self.readers.hold().await
    }

    /// The connection for writing, in a transaction.
    pub(in crate::store) async fn write(&self) -> Result<WriteTx, StoreError> {
        self.writer.begin().await
    }
}

/// Which life of the log this file holds: made when the file is, and kept.
async fn epoch(writer: &Writer) -> Result<Epoch, StoreError> {
    let mut tx = writer.begin().await?;
    sqlx::query("INSERT INTO meta VALUES ('epoch', ?) ON CONFLICT DO NOTHING")
        .bind(Epoch::random(&SystemRandom).as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'epoch'")
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    tx.commit().await?;
    Epoch::parse(row.try_get(0).map_err(failed)?).map_err(error::corrupt)
}
