//! Connections, and what is asked through them.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Postgres, SqlStr};

use super::connect::RESTED;
use super::error::{asks_again, failed, is_broken, is_taken, too_slow};
use super::sql::{Args, of_schema};
use crate::clock::{Random as _, SystemRandom};
use crate::store::StoreError;

/// How often a statement is tried that the database asks to try again, or whose connection was lost
/// before it had any effect.
const TRIES: u32 = 6;
/// The first wait between two tries; each later one is up to twice as long.
const PAUSE: Duration = Duration::from_millis(4);

/// Asks PostgreSQL, within a time.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) pool: PgPool,
    pub(super) schema: String,
    pub(super) manner: Manner,
    pub(super) patience: Duration,
    /// Batches that are written at the same time.
    pub(super) writers: usize,
    /// The connections that wrote last, one for each writer, and when. To give one back to the pool and to take
    /// one from it costs a round trip, which the next batch would wait for.
    pub(super) spare: Mutex<Vec<(Held, Instant)>>,
}

/// What can be taken for granted of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It was made by this store, with its settings, and is used by nobody else.
    Own,
    /// It was made by this store, but a pooler may give each transaction another server's: settings go with
    /// the transaction.
    Pooled,
    /// It is of the host's pool. Settings go with the transaction, and there may be one open that was
    /// left by a future which the host has dropped while it began.
    Hosts,
}

impl Client {
    /// A read: one statement.
    pub(super) async fn read(
        &self,
        text: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let sql = of_schema(text, &self.schema);
        self.within(async { Ok(self.fetch(sql, arguments).await?) }).await
    }

    /// One statement that writes nothing, and so is tried again if its connection is lost.
    pub(super) async fn fetch(
        &self,
        sql: SqlStr,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Fault> {
        for _ in 1..TRIES {
            let mut held = self.hold().await?;
            match held.fetch(sql.clone(), arguments.clone()).await {
                Err(error) if is_broken(&error) => {}
                found => return found.map_err(Fault::Sqlx),
            }
        }
        self.hold().await?.fetch(sql, arguments).await.map_err(Fault::Sqlx)
    }

    /// A write: one statement, which is a transaction, and durable when this returns.
    pub(super) async fn write(
        &self,
        text: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let sql = of_schema(text, &self.schema);
        let write = || self.try_write(sql.clone(), arguments.clone());
        self.again(write, asks_again).await
    }

    /// The same, for one that may find that another has just taken its place, and sees so when it is
    /// tried again.
    pub(super) async fn write_first(
        &self,
        text: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        let sql = of_schema(text, &self.schema);
        let write = || self.try_write(sql.clone(), arguments.clone());
        self.again(write, |error| asks_again(error) || is_taken(error)).await
    }

    /// A write of one statement that looks at rows which others may be adding to: of those with the
    /// same `key`, one at a time.
    pub(super) async fn write_alone(
        &self,
        key: (&str, &str),
        text: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.write_steps(key, &[(text, arguments)]).await
    }

    /// The same of several statements; the rows of the last.
    pub(super) async fn write_steps(
        &self,
        key: (&str, &str),
        steps: &[(&'static str, PgArguments)],
    ) -> Result<Vec<PgRow>, StoreError> {
        let key = format!("{} {} {}", self.schema, key.0, key.1);
        let key = Args::default().bind(key).done()?;
        let write = || async {
            let mut tx = self.begin().await?;
            let lock = of_schema(ALONE, &self.schema);
            let mut rows = tx.fetch(lock, key.clone()).await.map_err(Fault::Sqlx)?;
            for (text, arguments) in steps {
                let sql = of_schema(text, &self.schema);
                rows = tx.fetch(sql, arguments.clone()).await.map_err(Fault::Sqlx)?;
            }
            tx.commit().await?;
            Ok(rows)
        };
        self.again(write, asks_again).await
    }

    /// Tries one statement, which is a transaction.
    pub(super) async fn try_write(
        &self,
        sql: SqlStr,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Fault> {
        if self.manner == Manner::Own {
            let spare = self.spares().pop().filter(|(_, since)| since.elapsed() < RESTED);
            let mut held = match spare {
                Some((held, _)) => held,
                None => self.hold().await?,
            };
            let rows = held.fetch(sql, arguments).await;
            if !held.busy {
                let mut spares = self.spares();
                if spares.len() < self.writers {
                    spares.push((held, Instant::now()));
                }
            }
            return rows.map_err(Fault::Sqlx);
        }
        let mut tx = self.begin().await?;
        let rows = tx.fetch(sql, arguments).await.map_err(Fault::Sqlx)?;
        tx.commit().await?;
        Ok(rows)
    }

    /// The connections that wrote last and rest. Never held while waiting.
    pub(super) fn spares(&self) -> MutexGuard<'_, Vec<(Held, Instant)>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn again<F>(
        &self,
        write: impl Fn() -> F,
        is_worth: impl Fn(&sqlx::Error) -> bool,
    ) -> Result<Vec<PgRow>, StoreError>
    where
        F: Future<Output = Result<Vec<PgRow>, Fault>>,
    {
        self.within(async {
            let mut tries = 1;
            loop {
                match write().await {
                    Err(Fault::Sqlx(error)) if is_worth(&error) && tries < TRIES => {}
                    done => return done.map_err(StoreError::from),
                }
                pause(tries).await;
                tries += 1;
            }
        })
        .await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Tx, Fault> {
        let mut held = self.hold().await?;
        held.open = true;
        let milliseconds = self.patience.as_millis();
        let sql = match self.manner {
            Manner::Own => BEGIN.to_owned(),
            Manner::Pooled | Manner::Hosts => format!("{BEGIN};{}", settings(milliseconds)),
        };
        held.script(sql).await.map_err(Fault::Sqlx)?;
        Ok(Tx(held))
    }

    /// A connection with no transaction open.
    async fn hold(&self) -> Result<Held, StoreError> {
        let began = Instant::now();
        let connection = loop {
            match self.pool.acquire().await {
                Err(sqlx::Error::PoolTimedOut) if began.elapsed() < self.patience => {}
                acquired => break Some(acquired.map_err(failed)?),
            }
        };
        let mut held = Held { connection, busy: false, open: false };
        if self.manner == Manner::Hosts {
            held.script(CLEAN.to_owned()).await.map_err(failed)?;
        }
        Ok(held)
    }

    /// Bounds the time that PostgreSQL may take.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.patience, work).await.unwrap_or_else(|_| Err(too_slow()))
    }
}

/// Waits a while before the next try, not as long as others that wait as well.
pub(super) async fn pause(tries: u32) {
    let mut dice = [0; 4];
    SystemRandom.fill(&mut dice);
    let part = f64::from(u32::from_le_bytes(dice)) / f64::from(u32::MAX);
    tokio::time::sleep(PAUSE.mul_f64(part * f64::from(1_u32 << tries.min(8)))).await;
}

const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Ends a transaction that may be open, and says nothing if none is.
const CLEAN: &str = "BEGIN;ROLLBACK";

/// A commit is flushed before it is acknowledged, whatever was set; what asks for more is left so.
pub(super) const FLUSHED: &str = "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') \
                                  THEN 'on' ELSE current_setting('synchronous_commit') END";

/// The settings of a transaction.
fn settings(milliseconds: u128) -> String {
    let (lock, statement) = (milliseconds / 2, milliseconds * 3 / 4);
    format!(
        "SELECT set_config('synchronous_commit', {FLUSHED}, true), \
         set_config('lock_timeout', '{lock}', true), \
         set_config('statement_timeout', '{statement}', true), \
         set_config('idle_in_transaction_session_timeout', '{milliseconds}', true)"
    )
}

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlx(sqlx::Error),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sqlx(error) => failed(error),
            Fault::Store(error) => error,
        }
    }
}

/// A connection in use. One that is left in the middle of something, be it that a future was dropped or
/// that the connection failed, is closed, and the server ends what was open on it: nobody ever gets a
/// connection with somebody else's transaction, which sqlx 0.9.0 would hand on after a
/// `begin` that was dropped (sqlx#4393).
pub(super) struct Held {
    connection: Option<PoolConnection<Postgres>>,
    busy: bool,
    open: bool,
}

impl Held {
    async fn fetch(
        &mut self,
        sql: SqlStr,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let connection = self.connection.as_mut().expect("held until dropped");
        self.busy = true;
        let rows = connection.fetch_all(sqlx::query_with(sql, arguments)).await;
        self.busy = rows.as_ref().is_err_and(is_broken);
        rows
    }

    /// Statements without arguments, in one go.
    async fn script(&mut self, sql: String) -> Result<(), sqlx::Error> {
        let connection = self.connection.as_mut().expect("held until dropped");
        self.busy = true;
        let done = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        self.busy = done.as_ref().is_err_and(is_broken);
        done.map(drop)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // To give one back takes a task, which there is no runtime for when a program ends.
        let ends = || tokio::runtime::Handle::try_current().is_err();
        if let Some(connection) = self.connection.take()
            && (self.busy || self.open || ends())
        {
            drop(connection.detach());
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("open", &self.open).finish_non_exhaustive()
    }
}

/// A transaction. Dropped without [`commit`](Self::commit), at whatever point, it has written nothing.
#[derive(Debug)]
pub(super) struct Tx(Held);

impl Tx {
    pub(super) async fn fetch(
        &mut self,
        sql: SqlStr,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        self.0.fetch(sql, arguments).await
    }

    pub(super) async fn script(&mut self, sql: String) -> Result<(), Fault> {
        self.0.script(sql).await.map_err(Fault::Sqlx)
    }

    /// Makes it last: once this returns, what was written is on the disk.
    pub(super) async fn commit(mut self) -> Result<(), Fault> {
        self.script("COMMIT".to_owned()).await?;
        self.0.open = false;
        Ok(())
    }

    /// Ends it as if it had not been.
    pub(super) async fn roll_back(mut self) -> Result<(), Fault> {
        self.script("ROLLBACK".to_owned()).await?;
        self.0.open = false;
        Ok(())
    }
}
