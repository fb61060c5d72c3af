//! The schema, and how it grows.

use sqlx::postgres::PgArguments;

use super::client::{Client, Tx};
use super::error::{corrupt, failed};
use super::rows::Fields;
use super::sql::{Args, of_schema};
use crate::clock::SystemRandom;
use crate::id::Epoch;
use crate::store::StoreError;
use crate::store::sql::schema::{Migration, migrations, to_do};

/// All steps, in order. One that was released is never changed; what is to be otherwise is a new one.
const MIGRATIONS: &[Migration] = migrations!(
    "postgres",
    [
        "0001_rooms",
        "0002_accounts",
        "0003_attachments",
        "0004_mentions",
        "0005_slow_mode",
        "0006_search",
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

/// Brings the schema to the version of this build, all steps in one transaction, one node after
/// another; says which life of the log it holds.
///
/// # Errors
/// [`StoreError::Unusable`] if the schema is of a newer build, or another program's.
pub(super) async fn migrate(client: &Client) -> Result<Epoch, StoreError> {
    let mut tx = client.begin().await?;
    let schema = &client.schema;
    // Whoever came first may have much to do.
    let settings = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; \
                    SET LOCAL idle_in_transaction_session_timeout = 0";
    tx.script(settings.to_owned()).await?;
    let key = Args::default().bind(format!("{schema} schema")).done()?;
    ask(&mut tx, client, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", key).await?;
    let name = Args::default().bind(schema.clone()).done()?;
    let there = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1";
    if number(&mut tx, client, there, name.clone()).await? == 0 {
        tx.script(format!("CREATE SCHEMA {schema}")).await?;
    }
    // The steps name no schema. This holds to the end of the transaction.
    tx.script(format!("SET LOCAL search_path TO {schema}")).await?;
    let tables = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = $1";
    if number(&mut tx, client, tables, name.clone()).await? == 0 {
        let table =
            "CREATE TABLE chatcore_migrations (version bigint PRIMARY KEY, name text NOT NULL)";
        tx.script(table.to_owned()).await?;
    }
    let done = applied(&mut tx, client, name).await?;
    let steps = to_do(MIGRATIONS, &done)?;
    for (step, version) in steps.iter().zip(done.len() + 1..) {
        tx.script(step.sql.to_owned()).await?;
        tx.script(format!("INSERT INTO chatcore_migrations VALUES ({version}, '{}')", step.name))
            .await?;
    }
    let epoch = Args::default().bind(Epoch::random(&SystemRandom).as_str().to_owned()).done()?;
    let make = "INSERT INTO $.meta VALUES ('epoch', $1) ON CONFLICT DO NOTHING";
    ask(&mut tx, client, make, epoch).await?;
    let find = "SELECT value FROM $.meta WHERE name = 'epoch'";
    let rows = ask(&mut tx, client, find, PgArguments::default()).await?;
    let row = rows.first().ok_or_else(|| corrupt("no epoch"))?;
    let epoch = Epoch::parse(Fields::of(row).take()?).map_err(corrupt)?;
    tx.commit().await?;
    for step in steps {
        tracing::info!(step = step.name, "the database's schema was brought forward");
    }
    Ok(epoch)
}

async fn ask(
    tx: &mut Tx,
    client: &Client,
    text: &str,
    arguments: PgArguments,
) -> Result<Vec<sqlx::postgres::PgRow>, StoreError> {
    tx.fetch(of_schema(text, &client.schema), arguments).await.map_err(failed)
}

async fn number(
    tx: &mut Tx,
    client: &Client,
    text: &str,
    arguments: PgArguments,
) -> Result<i64, StoreError> {
    let rows = ask(tx, client, text, arguments).await?;
    rows.first().map_or(Ok(0), |row| Fields::of(row).take())
}

/// The names of the steps that this schema has taken, in order.
async fn applied(
    tx: &mut Tx,
    client: &Client,
    schema: PgArguments,
) -> Result<Vec<String>, StoreError> {
    let known = "SELECT count(*) FROM pg_catalog.pg_tables \
                 WHERE schemaname = $1 AND tablename = 'chatcore_migrations'";
    if number(tx, client, known, schema).await? == 0 {
        return Err(StoreError::Unusable(format!(
            "the schema `{}` of the database holds the tables of another program; name another \
             with `schema=`",
            client.schema
        )));
    }
    let names = "SELECT name FROM $.chatcore_migrations ORDER BY version";
    let rows = ask(tx, client, names, PgArguments::default()).await?;
    rows.iter().map(|row| Fields::of(row).take()).collect()
}
