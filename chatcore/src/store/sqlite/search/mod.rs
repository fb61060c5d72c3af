//! The search of a SQLite store.
//!
//! The index is a file of its own beside the database: filing takes nothing from commits, which have
//! their writing connection to themselves, and it can be lost or thrown away without loss. It is filed in
//! the order of commits, a slice at a time, after the fact; a search first files what is missing. What
//! the index proposes is read from the log and compared, so that only what is so at present is found.

mod file;
mod find;

pub(super) use self::file::forget;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Row as _;
use tokio::sync::Mutex;

use super::connect;
use super::error::{corrupt, failed};
use super::file::open_private;
use super::readers::Readers;
use super::writer::{Purpose, Writer};
use super::{SqliteStore, rows::Fields};
use crate::id::Epoch;
use crate::search::Search;
use crate::store::{SearchPage, SearchStore, StoreError};

/// What terms are and how they are kept. Files of another version are made anew.
const VERSION: i64 = 1;

/// Searches that run side by side.
const READERS: u32 = 2;

/// How far everything is filed: a place in the order of commits, its room, and the entry.
type Filed = (i64, i64, i64);

/// The index, opened when it is first needed.
#[derive(Debug, Default)]
pub(super) struct SearchIndex(Mutex<Option<Arc<Open>>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    /// How far it is filed, and the number of the next message. Changed by whoever holds the writer.
    at: std::sync::Mutex<(Filed, i64)>,
}

impl Open {
    /// Opens the index at `path`; one that cannot serve is made anew.
    async fn at(path: PathBuf, store: &SqliteStore) -> Result<Self, StoreError> {
        match Self::try_at(path.clone(), store).await {
            Ok(Some(open)) => return Ok(open),
            Ok(None) => tracing::info!("the index of messages is made anew"),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::warn!(%error, "the index of messages cannot be read and is made anew");
            }
            Err(other) => return Err(other),
        }
        remove(&path)?;
        let made = Self::try_at(path, store).await?;
        made.ok_or_else(|| corrupt("a new index is not one"))
    }

    /// None, if it is of another database, or of another version.
    async fn try_at(path: PathBuf, store: &SqliteStore) -> Result<Option<Self>, StoreError> {
        open_private(&path).map_err(|e| StoreError::Unavailable(e.into()))?;
        let options = connect::options(&path, store.busy);
        let readers = Readers::new(connect::read_only(&options), READERS);
        let writer = Writer::open(options, Purpose::Search).await?;
        let mut tx = writer.begin().await?;
        let tables = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *tx).await;
        if tables.map_err(failed)?.get::<i64, _>(0) == 0 {
            sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *tx).await.map_err(failed)?;
            sqlx::query("INSERT INTO meta VALUES (?, ?)")
                .bind(VERSION)
                .bind(store.epoch.as_str())
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        let row = sqlx::query(
            "SELECT version, epoch, pos, room, last, (SELECT coalesce(max(id), 0) + 1 FROM docs) \
             FROM meta, filed",
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        let mut row = Fields::of(&row);
        let (version, epoch): (i64, String) = (row.take()?, row.take()?);
        let filed: Filed = (row.take()?, row.take()?, row.take()?);
        let next = row.take()?;
        let same = version == VERSION
            && Epoch::parse(&epoch).is_ok_and(|epoch| epoch == store.epoch)
            && is_of(store, filed).await?;
        if !same {
            readers.close().await?;
            writer.close().await?;
            return Ok(None);
        }
        Ok(Some(Self { path, writer, readers, at: std::sync::Mutex::new((filed, next)) }))
    }

    fn filed(&self) -> (Filed, i64) {
        *self.at.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_filed(&self, filed: Filed, next: i64) {
        *self.at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = (filed, next);
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await?;
        self.writer.close().await
    }
}

/// Whether the database has committed what an index says it has filed: not so, if it was put back to an
/// earlier state.
async fn is_of(store: &SqliteStore, (pos, room, last): Filed) -> Result<bool, StoreError> {
    if pos == 0 {
        return Ok(true);
    }
    let run =
        sqlx::query("SELECT 1 FROM runs WHERE pos = ? AND room = ? AND first <= ? AND last >= ?")
            .bind(pos)
            .bind(room)
            .bind(last)
            .bind(last)
            .fetch_optional(&mut *store.read().await?)
            .await
            .map_err(failed)?;
    Ok(run.is_some())
}

/// Removes an index, and what SQLite keeps beside it.
fn remove(path: &Path) -> Result<(), StoreError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unavailable(e.into()));
            }
            _ => {}
        }
    }
    Ok(())
}

impl SqliteStore {
    async fn index(&self) -> Result<Arc<Open>, StoreError> {
        let mut index = self.search.0.lock().await;
        if let Some(open) = &*index {
            return Ok(Arc::clone(open));
        }
        let path = self.path().ok_or_else(super::writer::closed)?;
        let mut name = path.into_os_string();
        name.push("-search");
        let open = Arc::new(Open::at(name.into(), self).await?);
        *index = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Lets go of the index.
    pub(super) async fn close_index(&self) -> Result<(), StoreError> {
        match self.search.0.lock().await.take() {
            Some(open) => open.close().await,
            None => Ok(()),
        }
    }

    /// Has an index that turned out to be broken made anew when it is next needed.
    async fn settled<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::Corrupt(_)) = &result
            && let Some(open) = self.search.0.lock().await.take()
        {
            tracing::warn!(%error, "the index of messages is given up and made anew");
            remove(&open.path)?;
        }
        result
    }
}

#[async_trait]
impl SearchStore for SqliteStore {
    async fn search(&self, search: &Search) -> Result<SearchPage, StoreError> {
        let found = find::find(self, search).await;
        self.settled(found).await
    }

    async fn file(&self, limit: u32) -> Result<u32, StoreError> {
        let index = self.index().await?;
        let filed = file::file(self, &index, limit).await;
        self.settled(filed).await
    }
}

#[cfg(test)]
impl SqliteStore {
    /// How many messages the index knows of.
    pub(super) async fn filed_messages(&self) -> i64 {
        let index = self.index().await.expect("an index");
        let mut reader = index.readers.hold().await.expect("a connection");
        sqlx::query("SELECT count(*) FROM docs")
            .fetch_one(&mut *reader)
            .await
            .expect("a row")
            .get(0)
    }

    /// The steps that SQLite plans for the statements of a search.
    pub(super) async fn plan_of_a_search(&self) -> Vec<String> {
        let index = self.index().await.expect("an index");
        let mut steps = Vec::new();
        for sql in [find::PROPOSALS, find::PROPOSALS_AMONG] {
            let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let mut reader = index.readers.hold().await.expect("a connection");
            let rows = sqlx::query(sql).fetch_all(&mut *reader).await.expect("a plan");
            steps.extend(rows.iter().map(|row| row.get::<String, _>("detail")));
        }
        steps
    }
}
