//! What only a store on a server can get wrong.

use std::sync::atomic::{AtomicU32, Ordering};

use chatcore_servers::Postgres;
use sqlx::Row as _;

use super::*;

mod faults;
mod nodes;
mod opening;
mod polls;
mod searching;

/// A URL of a schema that nobody else has; `None`, having said so, where PostgreSQL is missing.
fn url() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Some(format!("{}&schema={schema}", Postgres::shared()?.url()))
}

/// An empty store: for the suites.
pub(super) async fn fresh() -> Option<(PostgresStore, ())> {
    Some((PostgresStore::open(&url()?).await.expect("the store opens"), ()))
}

mod rooms {
    crate::room_store_suite!(in one, super::fresh);
}

mod hook {
    crate::hook_store_suite!(in one, super::fresh);
}

mod log {
    crate::log_store_suite!(in one, super::fresh);
}

mod found {
    crate::search_store_suite!(in one, super::fresh);
}

/// Runs statements that say `$.` for the schema.
async fn run(store: &PostgresStore, text: &str) {
    let sql = sql::of_schema(text, &store.client.schema);
    sqlx::raw_sql(sql).execute(&store.client.pool).await.expect("sound SQL");
}
