//! What only a store in a file can get wrong.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data/chat.db");
    (folder, path)
}

/// An empty store, and the folder that it lives in: for the suites.
pub(super) async fn fresh() -> (SqliteStore, TempDir) {
    let (folder, path) = folder();
    (open(&path).await, folder)
}

async fn open(path: &PathBuf) -> SqliteStore {
    SqliteOptions::file(path).open().await.expect("the store opens")
}

mod rooms {
    crate::room_store_suite!(super::fresh);
}

mod log {
    crate::log_store_suite!(super::fresh);
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

#[tokio::test]
async fn epoch_outlives_a_restart() {
    let (_folder, path) = folder();
    let first = open(&path).await;
    let epoch = first.epoch.clone();
    first.close().await.expect("it closes");
    assert_eq!(open(&path).await.epoch, epoch);
}

#[tokio::test]
async fn file_in_use_is_refused_until_it_is_closed() {
    let (_folder, path) = folder();
    let first = open(&path).await;
    assert!(refusal(&path).await.contains("in use by another chatcore"));
    first.close().await.expect("it closes");
    open(&path).await;
}

#[cfg(unix)]
#[tokio::test]
async fn file_in_use_is_refused_by_another_name_too() {
    let (folder, path) = folder();
    let _first = open(&path).await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    assert!(refusal(&link).await.contains("in use"));
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_folder_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = folder();
    let store = open(&path).await;
    run(&store, "UPDATE totals SET messages = messages").await;
    let mode =
        |path: PathBuf| std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().expect("a folder").to_owned()), 0o700);
    for file in ["chat.db", "chat.db-wal", "chat.db-shm", "chat.db.lock"] {
        assert_eq!(mode(path.with_file_name(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn schema_of_a_newer_build_is_refused() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    run(&store, "INSERT INTO chatcore_migrations VALUES (1000, '1000_later')").await;
    store.close().await.expect("it closes");
    assert!(refusal(&path).await.contains("newer chatcore"));
}

#[tokio::test]
async fn schema_of_another_line_is_refused() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    run(&store, "UPDATE chatcore_migrations SET name = '0001_other' WHERE version = 1").await;
    store.close().await.expect("it closes");
    assert!(refusal(&path).await.contains("`0001_other`"));
}

#[tokio::test]
async fn database_of_another_program_is_left_alone() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    run(&store, "DROP TABLE chatcore_migrations").await;
    store.close().await.expect("it closes");
    assert!(refusal(&path).await.contains("another program"));
}

#[tokio::test]
async fn file_that_is_no_database_is_reported_corrupt() {
    let (_folder, path) = folder();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, "this is not a database, but a text of some length\n".repeat(99))
        .expect("written");
    let error = SqliteOptions::file(&path).open().await.expect_err("no database");
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn folder_in_place_of_the_file_is_refused_with_its_name() {
    let (folder, _) = folder();
    assert!(refusal(&folder.path().to_owned()).await.contains("cannot be opened"));
}

#[tokio::test]
async fn abandoned_transaction_leaves_nothing_behind() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let mut tx = store.write().await.expect("a transaction");
    sqlx::query("UPDATE totals SET messages = 7").execute(&mut *tx).await.expect("a write");
    drop(tx);
    run(&store, "INSERT INTO meta VALUES ('next', 'clean')").await;
    assert_eq!(number(&store, "SELECT messages FROM totals").await, 0);
    assert_eq!(number(&store, "SELECT count(*) FROM meta WHERE name = 'next'").await, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let mut reader = store.read().await.expect("a connection");
    let wrote = sqlx::query("UPDATE totals SET messages = 7").execute(&mut *reader).await;
    assert!(matches!(wrote.map_err(failed), Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn lock_held_outside_is_waited_for_and_then_unavailable() {
    let (_folder, path) = folder();
    let busy = Duration::from_millis(20);
    let store = SqliteOptions::file(&path).busy_timeout(busy).open().await.expect("it opens");
    // What the `sqlite3` shell or a backup would do: no claim, only SQLite's own lock.
    let outside = connect::options(&path, busy);
    let mut outside = connect::connect(&outside).await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut outside).await.expect("the lock");
    let error = store.write().await.expect_err("the lock is taken");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    sqlx::query("ROLLBACK").execute(&mut outside).await.expect("the lock is released");
    run(&store, "UPDATE totals SET messages = 7").await;
}

#[tokio::test]
async fn full_disk_is_told_from_other_faults_and_passes() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    // SQLite's own bound on the file stands in for the disk's.
    let mut tx = store.write().await.expect("a transaction");
    let pages: i64 =
        sqlx::query("PRAGMA page_count").fetch_one(&mut *tx).await.expect("a row").get(0);
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .fetch_one(&mut *tx)
        .await
        .expect("a bound");
    let fill = "INSERT INTO meta SELECT 'big' || value, hex(zeroblob(4096)) \
                FROM json_each('[1,2,3,4,5,6,7,8,9]')";
    let full = sqlx::query(fill).execute(&mut *tx).await.map_err(failed);
    assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    drop(tx);
    let mut tx = store.write().await.expect("the next one is clean");
    sqlx::query("PRAGMA max_page_count = 1000000").fetch_one(&mut *tx).await.expect("lifted");
    sqlx::query("UPDATE totals SET messages = 7").execute(&mut *tx).await.expect("a write");
    tx.commit().await.expect("a commit");
    assert_eq!(number(&store, "SELECT count(*) FROM meta WHERE name LIKE 'big%'").await, 0);
}

#[tokio::test]
async fn closed_store_says_so() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    store.close().await.expect("it closes");
    assert!(matches!(store.read().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.write().await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.path(), None);
}
