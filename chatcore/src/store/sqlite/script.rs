//! Several statements in one call to SQLite's thread.

use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Either, Executor as _};

use super::error::{corrupt, failed};
use crate::store::StoreError;

/// Statements that run one after another, until one fails, in a single call.
///
/// The text is put together from constants, in a fixed order, so that there are few different ones
/// and SQLite keeps them prepared; what varies is in the arguments. Each `?` takes the next argument,
/// across the borders of statements.
#[derive(Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    /// Adds a statement without arguments.
    pub(super) fn add(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
        self.sql.push(';');
    }

    /// Adds a statement that takes its rows as a JSON array, with `json_each(?)`.
    pub(super) fn add_rows<T: Serialize>(
        &mut self,
        sql: &'static str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        self.add(sql);
        self.bind(serde_json::to_string(rows).map_err(corrupt)?)
    }

    /// The same, unless there are none.
    pub(super) fn add_some<T: Serialize>(
        &mut self,
        sql: &'static str,
        rows: impl Iterator<Item = Result<T, StoreError>>,
    ) -> Result<(), StoreError> {
        let rows = rows.collect::<Result<Vec<T>, StoreError>>()?;
        if rows.is_empty() { Ok(()) } else { self.add_rows(sql, &rows) }
    }

    /// Binds one more argument of the last statement.
    pub(super) fn bind<T>(&mut self, value: T) -> Result<(), StoreError>
    where
        T: for<'q> sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.arguments.add(value).map_err(StoreError::Corrupt)
    }

    /// Runs them; the rows of each, in order.
    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<Vec<SqliteRow>>, StoreError> {
        // Only constants make up the text.
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        let mut results = connection.fetch_many(query);
        let mut all = Vec::new();
        let mut rows = Vec::new();
        while let Some(result) = results.try_next().await.map_err(failed)? {
            match result {
                Either::Right(row) => rows.push(row),
                Either::Left(_end) => all.push(std::mem::take(&mut rows)),
            }
        }
        Ok(all)
    }
}
