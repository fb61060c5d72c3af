//! A store in PostgreSQL: several nodes on one database, every commit on the disk before it is
//! acknowledged; in a schema of its own, so that it may live in the host's database.
//!
//! What a node read or wrote lately of rooms and members, it keeps. A batch is decided on that, or on what
//! one statement finds, and written by one statement, which is a transaction, locks the rooms in an
//! order that is the same for everybody, and does nothing unless they are still of the versions that were
//! decided on. If they are not, the rooms are locked first and the batch is decided again. Where nodes do
//! not write to the same rooms at the same moment, a commit is one round trip and one flush.
//!
//! A noun's tables are a file of `migrations/postgres/`, listed in `migrate.rs`; a released one is never changed.
//! Statements name the schema with `$.` (see `sql.rs`): no connection is expected to be set to it.
//! To read: `self.client.read(SQL, args).await?`, one statement, one snapshot. To write:
//! `self.client.write(SQL, args).await?`, one statement too; several would be several round trips.

mod account;
mod admin;
mod attachment;
mod client;
mod commit;
mod connect;
mod erasure;
mod error;
mod hook;
mod inbox;
mod log;
mod migrate;
mod options;
mod order;
mod oversight;
mod rooms;
mod rows;
mod search;
mod session;
mod sql;
mod sweep;
#[cfg(test)]
mod tests;
mod verification;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use sqlx::PgPool;
pub use sqlx::postgres::PgConnectOptions;

use self::client::{Client, Manner};
use self::commit::Memory;
pub use self::options::PostgresOptions;
use super::StoreError;
use super::sql::host::Desk;
use crate::id::Epoch;

/// Keeps everything in one schema of a PostgreSQL database, version 14 or newer.
///
/// Any number of processes may open the same schema; each of them sees at once what another has
/// committed. A future of any of its methods may be dropped at any point: what it was writing is
/// then there as a whole or not at all.
///
/// Searches find a message by the first 400 KiB of different words in it.
///
/// No state of a connection outlives a transaction unless the connections are this store's own, nothing is
/// locked beyond a transaction, and neither `LISTEN` nor temporary tables are used: with
/// [`pgbouncer`](PostgresOptions::pgbouncer), a pooler in transaction mode may stand in between. It
/// has to pass over the startup parameter `extra_float_digits` (`ignore_startup_parameters`).
#[derive(Debug)]
pub struct PostgresStore {
    epoch: Epoch,
    client: Client,
    memory: Mutex<Memory>,
    desk: Desk,
}

impl PostgresStore {
    /// Opens the store at a URL such as `postgres://user@host/database?schema=chatcore`; makes the
    /// schema if it is not there, and brings it to this build's version, waiting for another node that does so.
    /// See [`PostgresOptions::from_url`] for what a URL may say.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], with a sentence to show to an operator, if the URL cannot be understood, if
    /// the server refuses, is too old, or would lose what it has acknowledged (`fsync` or
    /// `full_page_writes` off), if the schema is of a newer build or another program's;
    /// [`StoreError::Unavailable`] if the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(PostgresOptions::from_url(url)?).await
    }

    /// Opens the store in the schema `schema` of a database that the host is connected to. See
    /// [`PostgresOptions::pool`] for what that costs.
    ///
    /// # Errors
    /// As [`open`](Self::open), and as [`PostgresOptions::schema`].
    pub async fn from_pool(pool: PgPool, schema: &str) -> Result<Self, StoreError> {
        Self::open_with(PostgresOptions::pool(pool).schema(schema)?).await
    }

    pub(super) async fn open_with(options: PostgresOptions) -> Result<Self, StoreError> {
        let memory = Mutex::new(Memory::new(options.cached_rows));
        let client = connect::client(options);
        connect::assert_durable(&client).await.map_err(connect::refused)?;
        let epoch = migrate::migrate(&client).await.map_err(connect::refused)?;
        Ok(Self { epoch, client, memory, desk: Desk::default() })
    }

    /// Waits for what is under way and ends the connections, unless they are the host's. What comes later fails.
    pub async fn close(&self) {
        self.client.spares().clear();
        if self.client.manner != Manner::Hosts {
            self.client.pool.close().await;
        }
    }

    /// What is believed without looking. Never held while waiting.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
