//! Connections, set up so that what is acknowledged is on the disk.

use std::sync::Mutex;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgPool};

use super::client::{Client, FLUSHED, Manner};
use super::error::failed;
use super::options::{PostgresOptions, Source};
use super::rows::Fields;
use crate::store::StoreError;

/// A connection that has rested for longer is asked whether it is still there before it is used.
pub(super) const RESTED: Duration = Duration::from_secs(1);

/// How long the pool is asked for a connection before it is asked again. It waits up to a fifth of this between
/// its tries to connect, so that all go on soon after the server is there again.
const ASKED: Duration = Duration::from_secs(1);

/// Batches that are written at the same time, to rooms that differ. Each is a server process and a flush,
/// which others share.
const WRITERS: usize = 3;

/// The oldest server that the statements are written for.
const OLDEST: i64 = 140_000;

/// The client of a store. Nothing is connected yet.
pub(super) fn client(options: PostgresOptions) -> Client {
    let PostgresOptions { source, schema, connections, pooler, timeout: patience, .. } = options;
    let (pool, manner) = match source {
        Source::Pool(pool) => (pool, Manner::Hosts),
        Source::Server(connect) if pooler => {
            let connect = connect.statement_cache_capacity(0);
            (pool(connect, connections, patience), Manner::Pooled)
        }
        Source::Server(connect) => {
            let pool_options = pool_options(connections, patience);
            // A setting that asks for more than a flush stays.
            let flush = format!("SELECT set_config('synchronous_commit', {FLUSHED}, false)");
            let pool_options = pool_options.after_connect(move |connection, _| {
                let flush = sqlx::AssertSqlSafe(flush.clone());
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(flush)).await?;
                    Ok(())
                })
            });
            let connect = quiet(with_settings(*connect, patience));
            (pool_options.connect_lazy_with(connect), Manner::Own)
        }
    };
    // Half of the connections at most, so that what is asked meanwhile finds one.
    let most = pool.options().get_max_connections() as usize / 2;
    let writers = WRITERS.min(most).max(1);
    Client { pool, schema, manner, patience, writers, spare: Mutex::default() }
}

fn pool(connect: PgConnectOptions, connections: u32, patience: Duration) -> PgPool {
    pool_options(connections, patience).connect_lazy_with(quiet(connect))
}

fn quiet(connect: PgConnectOptions) -> PgConnectOptions {
    connect.application_name("chatcore").disable_statement_logging()
}

/// What the server is to keep to on a connection of this store's own. Every statement finds its rows
/// by an index, whatever the planner believes of tables that were empty a moment ago.
fn with_settings(connect: PgConnectOptions, patience: Duration) -> PgConnectOptions {
    let milliseconds = patience.as_millis();
    connect.statement_cache_capacity(256).options([
        ("lock_timeout", (milliseconds / 2).to_string()),
        ("statement_timeout", (milliseconds * 3 / 4).to_string()),
        ("idle_in_transaction_session_timeout", milliseconds.to_string()),
        ("enable_seqscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
        ("jit", "off".to_owned()),
        // To plan the statement that writes takes as long as to insert dozens of rows.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
    ])
}

fn pool_options(connections: u32, patience: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience.min(ASKED))
        .test_before_acquire(false)
        .before_acquire(|connection, resting| {
            Box::pin(async move {
                if resting.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Reads the settings that promise G1 and the statements rest on.
///
/// # Errors
/// [`StoreError::Unusable`] with a sentence that says how to mend it.
pub(super) async fn assert_durable(client: &Client) -> Result<(), StoreError> {
    let rows = client
        .read(
            "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'), \
             current_setting('full_page_writes'), current_setting('server_encoding'), \
             pg_is_in_recovery()",
            PgArguments::default(),
        )
        .await?;
    let Some(row) = rows.first() else { return Err(failed(sqlx::Error::RowNotFound)) };
    let mut row = Fields::of(row);
    let version: i64 = row.take()?;
    let (fsync, pages, encoding): (&str, &str, &str) = (row.take()?, row.take()?, row.take()?);
    let standby: bool = row.take()?;
    let refuse = |why: String| Err(StoreError::Unusable(why));
    if version < OLDEST {
        return refuse(format!(
            "the PostgreSQL server is of version {}, and chatcore needs 14 or newer",
            version / 10_000
        ));
    }
    for (setting, value) in [("fsync", fsync), ("full_page_writes", pages)] {
        if value != "on" {
            return refuse(format!(
                "the PostgreSQL server runs with {setting}={value}, and would lose messages with a \
                 loss of power: set it to `on`"
            ));
        }
    }
    if encoding != "UTF8" {
        return refuse(format!(
            "the database holds texts in {encoding}, which has no place for all that people write: \
             make one with ENCODING 'UTF8'"
        ));
    }
    if standby {
        return refuse(
            "the PostgreSQL server is a standby, which only reads: name its primary".into(),
        );
    }
    Ok(())
}

/// What the first words with a server came to: what cannot get better by itself is the operator's to mend.
pub(super) fn refused(error: StoreError) -> StoreError {
    let StoreError::Corrupt(cause) = error else { return error };
    match cause.downcast::<sqlx::Error>() {
        Ok(error) => match *error {
            sqlx::Error::Database(e) => StoreError::Unusable(format!("PostgreSQL refuses: {e}")),
            sqlx::Error::Configuration(e) => StoreError::Unusable(format!("PostgreSQL: {e}")),
            other => StoreError::Corrupt(other.into()),
        },
        Err(cause) => StoreError::Corrupt(cause),
    }
}
