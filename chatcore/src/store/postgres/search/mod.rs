//! The search of a PostgreSQL store.
//!
//! The index is a table, filed in the order of commits, a slice at a time, after the fact and by one
//! node at a time: a commit pays nothing for it. A search first files what is missing. What the index
//! proposes is read from the log and compared, so that only what is so at present is found.

mod file;
mod find;

#[cfg(test)]
pub(super) use find::PROPOSED_NOW;

use async_trait::async_trait;
use sqlx::postgres::PgArguments;

use super::PostgresStore;
use super::error::failed;
use super::rows::Fields;
use crate::search::Search;
use crate::store::{SearchPage, SearchStore, StoreError};

/// How far everything is filed, where the order of commits ends, and whether there are commits that have
/// no place in it yet.
const STATE: &str = "\
SELECT f.pos, f.last, f.next, coalesce(u.pos, 0), coalesce(u.last, 0), \
  EXISTS (SELECT 1 FROM $.runs_pending) \
FROM $.search_filed f LEFT JOIN LATERAL (\
  SELECT pos, last FROM $.runs ORDER BY pos DESC LIMIT 1) u ON true";

/// Messages of a block: see the migration that makes the index.
const BLOCK: i64 = 4_096;

/// A place in the order of commits, and the entry up to which that run is meant.
type Place = (i64, i64);

/// How things stand.
#[derive(Clone, Copy, Debug)]
struct State {
    filed: Place,
    /// The number of the next message.
    next: i64,
    end: Place,
    /// Commits wait for their place.
    waiting: bool,
}

impl State {
    async fn of(store: &PostgresStore) -> Result<Self, StoreError> {
        let rows = store.client.read(STATE, PgArguments::default()).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(failed)?;
        let mut row = Fields::of(row);
        Ok(Self {
            filed: (row.take()?, row.take()?),
            next: row.take()?,
            end: (row.take()?, row.take()?),
            waiting: row.take()?,
        })
    }
}

#[async_trait]
impl SearchStore for PostgresStore {
    async fn search(&self, search: &Search) -> Result<SearchPage, StoreError> {
        find::find(self, search).await
    }

    async fn file(&self, limit: u32) -> Result<u32, StoreError> {
        let state = State::of(self).await?;
        if state.waiting {
            super::order::give_places(self).await?;
        } else if state.filed >= state.end {
            return Ok(0);
        }
        file::file(self, limit).await
    }
}
