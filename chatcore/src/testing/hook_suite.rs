//! What every [`HookStore`] must do, beside the logs whose commits it puts in
//! order. Each case takes a fresh, empty store.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{Rooms, Scene};
use crate::id::Seq;
use crate::room::Action;
use crate::store::{HookCursor, HookStore, Run};

const LEASE: Duration = Duration::from_secs(60);

/// Tests a [`HookStore`](crate::store::HookStore): writes each case of this suite as a test of its own.
/// It is used as [`log_store_suite!`](crate::log_store_suite) is.
#[macro_export]
macro_rules! hook_store_suite {
    (in one, $open:expr) => {
        $crate::hook_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            hook_suite,
            $open,
            [
                a_new_cursor_stands_at_the_end_and_an_old_one_where_it_was,
                runs_are_read_from_a_place_on,
            ]
        );
    };
    ($open:expr) => {
        $crate::hook_store_suite!(@ store_cases, $open);
    };
}

/// Of a store without commits, the end is the beginning.
pub async fn a_new_cursor_stands_at_the_end_and_an_old_one_where_it_was(
    store: impl Rooms + HookStore,
) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let take = async |name: &str| {
        store.take_hook(name, "node", LEASE).await.expect("the store works").expect("it is free")
    };
    let beginning = HookCursor { pos: 0, seq: Seq::START, end: None };
    assert_eq!(take("first").await, beginning);
    let room = scene.public("general", "ann", &["bob"]).await;
    let end = HookCursor { pos: 1, seq: Seq(3), end: None };
    assert_eq!(take("second").await, end);
    assert_eq!(take("first").await, beginning, "what was there stays");
    let told = HookCursor { pos: 1, seq: Seq(1), end: Some((1, Seq(3))) };
    assert!(store.move_hook("first", "node", &told, LEASE).await.expect("the store works"));
    scene.says("ann", &room, "more").await;
    assert_eq!((take("first").await, take("second").await), (told, end));
    assert!(!store.move_hook("third", "node", &end, LEASE).await.expect("the store works"));
    store.free_hook("first", "node").await.expect("the store works");
    assert_eq!(take("first").await, told);
}

/// The run at the place itself is among them: it may have grown.
pub async fn runs_are_read_from_a_place_on(store: impl Rooms + HookStore) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    assert_eq!(store.runs_from(0, 10).await.expect("the store works"), []);
    let one = scene.public("one", "ann", &[]).await;
    let two = scene.public("two", "ann", &[]).await;
    scene.says("ann", &one, "hi").await;
    let run = |pos: u64, room: &crate::id::RoomId, first: u64, last: u64| Run {
        pos,
        room: room.clone(),
        first: Seq(first),
        last: Seq(last),
    };
    let all = [run(1, &one, 1, 2), run(2, &two, 1, 2), run(3, &one, 3, 3)];
    let from = async |pos, limit| store.runs_from(pos, limit).await.expect("the store works");
    assert_eq!(from(0, 10).await, all);
    assert_eq!(from(1, 2).await, all[..2]);
    assert_eq!(from(3, 10).await, all[2..]);
    assert_eq!(from(4, 10).await, []);
    scene.does("bob", &one, Action::Enter).await;
    assert_eq!(from(3, 10).await, [run(3, &one, 3, 4)], "the newest one grows");
}
