//! The index beside the database.

use super::*;
use crate::search::{Query, Scope, Search};
use crate::store::{SearchPage, SearchStore as _};
use crate::testing::scene::{Scene, user};

fn tea() -> Search {
    let query = Query::parse("tea").expect("a sound query");
    Search { query, from: None, scope: Scope::Joined(user("ann")), after: None, limit: 10 }
}

async fn found(scene: &Scene) -> usize {
    let page = scene.store.search(&tea()).await.expect("the store works");
    assert!(!page.behind);
    page.found.len()
}

fn index_of(path: &std::path::Path) -> PathBuf {
    path.with_file_name("chat.db-search")
}

/// A store with one message to be found, at rest.
async fn filled(path: &PathBuf) {
    let scene = Scene::of(open(path).await);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "tea").await;
    assert_eq!(found(&scene).await, 1);
    drop(scene);
    rest(path).await;
}

/// Has everything moved from the write-ahead logs into the files.
async fn rest(path: &PathBuf) {
    let store = open(path).await;
    store.search(&tea()).await.expect("the store works");
    store.close().await.expect("it closes");
}

#[tokio::test]
async fn index_that_is_lost_is_made_anew() {
    let (_folder, path) = folder();
    filled(&path).await;
    for end in ["", "-wal", "-shm"] {
        let mut name = index_of(&path).into_os_string();
        name.push(end);
        match std::fs::remove_file(&name) {
            Err(e) if end.is_empty() => panic!("the index was not there: {e}"),
            _ => {}
        }
    }
    assert_eq!(found(&Scene::of(open(&path).await)).await, 1);
}

#[tokio::test]
async fn index_that_cannot_be_read_is_made_anew() {
    let (_folder, path) = folder();
    filled(&path).await;
    std::fs::write(index_of(&path), "not a database, but a text of some length\n".repeat(999))
        .expect("written");
    let mut wal = index_of(&path).into_os_string();
    wal.push("-wal");
    let _ = std::fs::remove_file(wal);
    assert_eq!(found(&Scene::of(open(&path).await)).await, 1);
}

#[tokio::test]
async fn index_of_another_database_is_not_believed() {
    let (_folder, path) = folder();
    filled(&path).await;
    let (_other_folder, other) = folder();
    filled(&other).await;
    let theirs = Scene::of(open(&other).await);
    let room = crate::id::RoomId::parse("general").expect("sound");
    theirs.send("ann", &room, "again", "tea again").await.expect("she may");
    assert_eq!(found(&theirs).await, 2);
    drop(theirs);
    rest(&other).await;
    std::fs::copy(index_of(&other), index_of(&path)).expect("copied");
    assert_eq!(found(&Scene::of(open(&path).await)).await, 1);
}

/// A database that was put back to what it was is ahead of nobody.
#[tokio::test]
async fn index_that_is_ahead_of_its_database_is_made_anew() {
    let (folder, path) = folder();
    filled(&path).await;
    let backup = folder.path().join("backup.db");
    std::fs::copy(&path, &backup).expect("copied");
    let scene = Scene::of(open(&path).await);
    let room = crate::id::RoomId::parse("general").expect("sound");
    scene.send("ann", &room, "again", "tea again").await.expect("she may");
    assert_eq!(found(&scene).await, 2);
    drop(scene);
    rest(&path).await;
    std::fs::copy(&backup, &path).expect("put back");
    assert_eq!(found(&Scene::of(open(&path).await)).await, 1);
}

/// What a sweep removes leaves no trace in the index.
#[tokio::test]
async fn what_is_swept_is_forgotten_by_the_index() {
    let (_folder, path) = folder();
    let scene = Scene::of(open(&path).await);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "tea").await;
    assert_eq!(found(&scene).await, 1);
    scene.does("ann", &room, crate::room::Action::Leave).await;
    while scene.store.sweep(10).await.expect("the store works") > 0 {}
    drop(scene);
    let store = open(&path).await;
    let page = store.search(&tea()).await.expect("the store works");
    assert_eq!(page, SearchPage::default());
    assert_eq!(store.filed_messages().await, 0, "messages that the index knows of");
}

/// Steps of a search walk through nothing but what the index proposes, newest first.
#[tokio::test]
async fn the_order_of_results_is_the_index_own() {
    let (store, _folder) = fresh().await;
    let steps = store.plan_of_a_search().await;
    assert!(steps.iter().any(|step| step.contains("SCAN terms VIRTUAL TABLE")), "{steps:?}");
    for step in steps {
        assert!(!step.contains("FOR ORDER BY") && !step.contains("SCAN d"), "{step}");
    }
}
