//! The schema, and how it grows.

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::error::failed;
use super::writer::Writer;
use crate::store::StoreError;
use crate::store::sql::schema::{Migration, migrations, to_do};

/// All steps, in order. One that was released is never changed; what is to be otherwise is a new one.
pub(super) const MIGRATIONS: &[Migration] = migrations!(
    "sqlite",
    [
        "0001_rooms",
        "0002_accounts",
        "0003_attachments",
        "0004_mentions",
        "0005_slow_mode",
        "0007_host",
        "0011_invite_links",
        "0012_blocks",
        "0013_notify",
        "0021_erasures",
        "0022_retention",
        "0023_oversight",
        "0024_thumbnails",
        "0025_floor",
    ]
);

/// Brings the schema to the version of this build, each step in a transaction of its own.
///
/// # Errors
/// [`StoreError::Unusable`] if the file is of a newer build, or another program's.
pub(super) async fn migrate(writer: &Writer) -> Result<(), StoreError> {
    let mut tx = writer.begin().await?;
    if tables(&mut tx).await? == 0 {
        sqlx::query(
            "CREATE TABLE chatcore_migrations (
                version INTEGER PRIMARY KEY,
                name    TEXT NOT NULL
            ) STRICT",
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    }
    let done = applied(&mut tx).await?;
    tx.commit().await?;
    for (step, version) in to_do(MIGRATIONS, &done)?.iter().zip(done.len() + 1..) {
        let mut tx = writer.begin().await?;
        sqlx::raw_sql(step.sql).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO chatcore_migrations VALUES (?, ?)")
            .bind(i64::try_from(version).unwrap_or(i64::MAX))
            .bind(step.name)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        tracing::info!(step = step.name, "the database's schema was brought forward");
    }
    Ok(())
}

async fn tables(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// The names of the steps that this file has taken, in order.
async fn applied(connection: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    let known = sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'chatcore_migrations'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if known.is_none() {
        return Err(StoreError::Unusable(
            "the database file holds the tables of another program; name another file".into(),
        ));
    }
    let rows = sqlx::query("SELECT name FROM chatcore_migrations ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
}
