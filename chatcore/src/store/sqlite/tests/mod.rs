//! What only a store in a file can get wrong.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

mod depth;
mod faults;
mod model;
mod once;
mod opening;
mod searching;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data/chat.db");
    (folder, path)
}

async fn open(path: &PathBuf) -> SqliteStore {
    SqliteOptions::file(path).open().await.expect("the store opens")
}

/// An empty store, and the folder that it lives in: for the suites.
pub(super) async fn fresh() -> (SqliteStore, TempDir) {
    let (folder, path) = folder();
    (open(&path).await, folder)
}

mod rooms {
    crate::room_store_suite!(super::fresh);
}

mod hook {
    crate::hook_store_suite!(super::fresh);
}

mod log {
    crate::log_store_suite!(super::fresh);
}

mod found {
    crate::search_store_suite!(super::fresh);
}

async fn refusal(path: &PathBuf) -> String {
    match SqliteOptions::file(path).open().await {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn run(store: &SqliteStore, sql: &'static str) {
    let mut tx = store.write().await.expect("a transaction");
    sqlx::raw_sql(sql).execute(&mut *tx).await.expect("sound SQL");
    tx.commit().await.expect("a commit");
}

async fn number(store: &SqliteStore, sql: &'static str) -> i64 {
    let mut reader = store.read().await.expect("a connection");
    sqlx::query(sql).fetch_one(&mut *reader).await.expect("a row").get(0)
}
