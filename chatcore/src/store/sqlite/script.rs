//! Several statements in one call to SQLite's thread.

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Executor as _};

use super::error::failed;
use crate::store::StoreError;

/// Statements that run one after another, until one fails, in a single call.
///
/// The text is put together from constants, in a fixed order, so that the usual ones come again and
/// again and SQLite keeps them prepared; what varies is in the arguments. Each `?` takes the next argument,
/// across the borders of statements.
#[derive(Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
    statements: usize,
}

impl Script {
    /// Adds a statement without arguments.
    pub(super) fn add(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
        self.sql.push(';');
        self.statements += 1;
    }

    /// Makes statements that follow a `BEGIN` one transaction. One alone is one without it.
    pub(super) fn transaction(&mut self) {
        if self.statements > 2 {
            self.add("COMMIT");
        } else if let Some((_, alone)) = self.sql.split_once(';') {
            self.sql = alone.to_owned();
            self.statements -= 1;
        }
    }

    /// Whether it begins a transaction.
    pub(super) fn begins(&self) -> bool {
        self.statements > 1
    }

    /// Adds a part of the last statement.
    pub(super) fn text(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
    }

    /// Makes room for so many more arguments.
    pub(super) fn reserve(&mut self, arguments: usize) {
        self.arguments.reserve(arguments, 0);
    }

    /// Binds one more argument of the last statement.
    pub(super) fn bind<T>(&mut self, value: T) -> Result<(), StoreError>
    where
        T: for<'q> sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.arguments.add(value).map_err(StoreError::Corrupt)
    }

    /// Runs them; the rows of all, in order.
    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.try_run(connection).await.map_err(failed)
    }

    /// The same, with SQLite's own word for what went wrong.
    pub(super) async fn try_run(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        // Only constants make up the text.
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        connection.fetch_all(query).await
    }
}
