//! That reading costs the same wherever in a log one reads, and however long the log is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::id::{RoomId, Seq};
use crate::log::Draft;
use crate::store::{RoomFilter, Toward};
use crate::testing::scene::{Scene, user};

const PAGE: u32 = 50;

/// The store, and the count of steps that its one reading connection has taken. SQLite counts where
/// its machine may loop, so that a walk over rows shows as a step for each.
async fn counted(path: &PathBuf) -> (SqliteStore, Arc<AtomicU64>) {
    let store = SqliteOptions::file(path).readers(1).open().await.expect("the store opens");
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let mut reader = store.read().await.expect("a connection");
    reader.lock_handle().await.expect("it is idle").set_progress_handler(1, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        true
    });
    drop(reader);
    (store, steps)
}

async fn fill(scene: &Scene, room: &RoomId, messages: usize) {
    for first in (0..messages).step_by(500) {
        let send = |number| scene.message("ann", room, &format!("m{number}"), Draft::text("hello"));
        let batch: Vec<_> = (first..messages.min(first + 500)).map(send).collect();
        assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    }
}

/// What each read of a room takes, in steps.
async fn costs(scene: &Scene, steps: &AtomicU64, room: &RoomId) -> Vec<(&'static str, u64)> {
    let store = &scene.store;
    let (ann, none) = (user("ann"), user("nobody"));
    let head = store.room(room, None).await.expect("it reads").expect("it is there").0.head_seq.0;
    let middle = Seq(head / 2);
    let mut costs = Vec::new();
    let mut before = steps.load(Ordering::Relaxed);
    let mut cost = |name| {
        let after = steps.load(Ordering::Relaxed);
        costs.push((name, after - before));
        before = after;
    };
    let pages = [
        ("newest", Toward::Older(Seq::MAX)),
        ("before the middle", Toward::Older(middle)),
        ("the oldest, backwards", Toward::Older(Seq(60))),
        ("the oldest, forwards", Toward::Newer(Seq(0))),
        ("after the middle", Toward::Newer(middle)),
        ("the newest, forwards", Toward::Newer(Seq(head - 60))),
    ];
    for (name, toward) in pages {
        let page = store.messages(room, toward, PAGE, &ann).await.expect("a page");
        assert_eq!(page.len(), PAGE as usize, "{name}");
        cost(name);
    }
    let entries = store.entries(room, middle, PAGE).await.expect("entries");
    assert_eq!(entries.len(), PAGE as usize);
    cost("entries after the middle");
    // Unread counts are differences of numbers that stand in these rows.
    assert!(store.room(room, Some(&ann)).await.expect("it reads").is_some());
    cost("the room and the reader's marks");
    let rooms = store.rooms(&none, RoomFilter::Joined, None, PAGE).await.expect("rooms");
    assert!(rooms.is_empty());
    cost("the rooms of somebody else");
    costs
}

#[tokio::test]
async fn a_page_takes_as_many_steps_in_a_long_log_as_in_a_short_one() {
    let (_folder, path) = folder();
    let (store, steps) = counted(&path).await;
    let scene = Scene::of(store);
    let mut found = Vec::new();
    for (name, messages) in [("short", 200), ("long", 20_000)] {
        let room = scene.public(name, "ann", &["ben"]).await;
        fill(&scene, &room, messages).await;
        // What a statement does only once is not counted.
        costs(&scene, &steps, &room).await;
        found.push(costs(&scene, &steps, &room).await);
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0].iter().take(7).all(|(_, steps)| *steps >= u64::from(PAGE)), "{found:?}");
    assert!(found[0].iter().all(|(_, steps)| *steps < 100 * u64::from(PAGE)), "{found:?}");
}
