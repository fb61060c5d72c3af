//! The one connection that writes.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::commit::prepare;
use super::connect::connect;
use super::error::{failed, primary_code};
use crate::store::StoreError;

/// SQLite has one writer at a time; this is where writers queue, in the order in which they came.
pub(super) struct Writer(Arc<Mutex<Slot>>);

/// The connection, and whether a transaction may be open on it.
///
/// `open` is set before a transaction begins and cleared once its end is confirmed. A future that is
/// dropped in between leaves it set, and whoever holds the slot next rolls back first: SQLite's
/// thread works through its commands in order, so that nothing of the dropped one can come after.
struct Slot {
    options: SqliteConnectOptions,
    purpose: Purpose,
    connection: Option<SqliteConnection>,
    open: bool,
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The database.
    Database,
    /// The index that lies beside it.
    Search,
}

impl Writer {
    pub(super) async fn open(
        options: SqliteConnectOptions,
        purpose: Purpose,
    ) -> Result<Self, StoreError> {
        let connection = Some(writing(&options, purpose).await?);
        Ok(Self(Arc::new(Mutex::new(Slot { options, purpose, connection, open: false }))))
    }

    /// Waits for the connection, and finds it with no transaction open.
    pub(super) async fn hold(&self) -> Result<WriteTx, StoreError> {
        let mut slot = Arc::clone(&self.0).lock_owned().await;
        slot.settle().await?;
        Ok(WriteTx(Some(slot)))
    }

    /// Waits for the connection and begins a transaction.
    pub(super) async fn begin(&self) -> Result<WriteTx, StoreError> {
        let mut tx = self.hold().await?;
        tx.opens();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *tx).await.map_err(failed)?;
        Ok(tx)
    }

    /// Ends the connection. Writes that come later fail.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let mut slot = self.0.lock().await;
        match slot.connection.take() {
            Some(connection) => connection.close().await.map_err(failed),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Slot {
    /// Ends what a dropped or failed transaction may have left open.
    async fn settle(&mut self) -> Result<(), StoreError> {
        let Some(connection) = &mut self.connection else { return Err(closed()) };
        if !self.open {
            return Ok(());
        }
        match sqlx::query("ROLLBACK").execute(connection).await {
            Ok(_) => {}
            // SQLITE_ERROR: it had ended already.
            Err(sqlx::Error::Database(e)) if primary_code(e.as_ref()) == Some(1) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection to SQLite is replaced");
                self.connection = Some(writing(&self.options, self.purpose).await?);
            }
        }
        self.open = false;
        Ok(())
    }
}

async fn writing(
    options: &SqliteConnectOptions,
    purpose: Purpose,
) -> Result<SqliteConnection, StoreError> {
    let mut connection = connect(options).await?;
    match purpose {
        Purpose::Database => prepare(&mut connection).await?,
        // What a power cut takes from it is filed again: it need not wait for the disk, which the
        // database is to have to itself.
        Purpose::Search => {
            sqlx::query("PRAGMA synchronous = NORMAL")
                .execute(&mut connection)
                .await
                .map_err(failed)?;
        }
    }
    Ok(connection)
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// The writing connection, held for one transaction; use it as `&mut *tx`.
///
/// Dropped without [`commit`](Self::commit), at whatever point, it has written nothing.
pub(in crate::store) struct WriteTx(Option<OwnedMutexGuard<Slot>>);

impl WriteTx {
    /// Says that the next statement begins a transaction.
    pub(super) fn opens(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.open = true;
        }
    }

    /// Ends a transaction that failed halfway.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            Some(slot) => slot.settle().await,
            None => Ok(()),
        }
    }

    /// Says that the last statement was a `COMMIT` which SQLite has confirmed.
    pub(super) fn closed(&mut self) {
        if let Some(slot) = &mut self.0 {
            slot.open = false;
        }
    }

    /// Makes it last: once this returns, what was written is on the disk.
    pub(in crate::store) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(&mut *self).await.map_err(failed)?;
        self.closed();
        Ok(())
    }
}

impl Deref for WriteTx {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        let slot = self.0.as_ref().expect("held until dropped");
        slot.connection.as_ref().expect("a held slot has a connection")
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        let slot = self.0.as_mut().expect("held until dropped");
        slot.connection.as_mut().expect("a held slot has a connection")
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        let Some(mut slot) = self.0.take().filter(|slot| slot.open) else { return };
        // Roll back at once, so that nothing outside waits for the next writer to come by.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = slot.settle().await {
                    tracing::warn!(%error, "a transaction could not be rolled back yet");
                }
            });
        }
    }
}

impl fmt::Debug for WriteTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteTx")
    }
}
