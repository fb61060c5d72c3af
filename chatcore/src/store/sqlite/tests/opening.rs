//! Whose file it is, and of which version.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use super::super::migrate::MIGRATIONS;
use super::*;

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
async fn closed_store_says_so() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    store.close().await.expect("it closes");
    assert!(matches!(store.read().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.write().await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.path(), None);
}

/// A file of an earlier build is brought forward, and keeps what it holds.
/// What the file at `path` holds, in one of the first `steps` of the schema, as far as that has a place
/// for it.
async fn earlier(path: &Path, steps: usize) -> PathBuf {
    let early = path.with_file_name("early.db");
    let settings = connect::options(&early, Duration::from_secs(5));
    let settings = settings.create_if_missing(true).foreign_keys(false);
    let mut connection = settings.connect().await.expect("a connection");
    let mut back = String::from(
        "CREATE TABLE chatcore_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;",
    );
    for (step, version) in MIGRATIONS[..steps].iter().zip(1..) {
        let name = step.name;
        back += step.sql;
        back += &format!("INSERT INTO chatcore_migrations VALUES ({version}, '{name}');");
    }
    back += &format!("ATTACH '{}' AS late;", path.display());
    sqlx::raw_sql(AssertSqlSafe(back)).execute(&mut connection).await.expect("sound SQL");
    let columns = "SELECT t.name, (SELECT group_concat(name) FROM pragma_table_info(t.name)) \
        FROM main.sqlite_schema t \
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'chatcore_migrations'";
    let tables = sqlx::query(columns).fetch_all(&mut connection).await.expect("sound SQL");
    for table in tables {
        let (name, columns): (String, String) = (table.get(0), table.get(1));
        let copy = format!(
            "DELETE FROM main.{name};
             INSERT INTO main.{name} ({columns}) SELECT {columns} FROM late.{name};"
        );
        sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut connection).await.expect("sound SQL");
    }
    sqlx::Connection::close(connection).await.expect("it closes");
    early
}

#[tokio::test]
async fn file_of_an_earlier_schema_is_taken_over() {
    use crate::testing::scene::Scene;

    let (_folder, path) = folder();
    let scene = Scene::of(open(&path).await);
    let room = scene.public("general", "ann", &["bob"]).await;
    scene.says("ann", &room, "tea").await;
    drop(scene);
    open(&path).await.close().await.expect("it closes");
    let path = earlier(&path, 3).await;

    let scene = Scene::of(open(&path).await);
    assert_eq!(scene.history(&room, "bob").await.len(), 1);
    let draft = crate::log::Draft::text("you").mention([crate::testing::scene::user("bob")]);
    scene.run(scene.message("ann", &room, "m", draft)).await.expect("she may");
    assert_eq!(scene.member(&room, "bob").await.mentions.len(), 1);
}
