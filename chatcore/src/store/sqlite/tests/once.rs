//! What took effect once, wherever its name is kept: in memory, on its way into the index, or there.

use super::*;
use crate::id::RoomId;
use crate::log::Draft;
use crate::room::{Action, Command, MemberAction, Outcome, Rejection};
use crate::testing::scene::{Scene, edit, to, user};

const SENT: usize = 600;

/// Of this many messages some are in the index, some on their way, some only in memory.
async fn scene(path: &PathBuf) -> Scene {
    let options = SqliteOptions::file(path).recent_sends(64);
    Scene::of(options.open().await.expect("the store opens"))
}

fn message(scene: &Scene, room: &RoomId, index: usize, text: &str) -> Command {
    scene.message("ann", room, &format!("once-{index}"), Draft::text(format!("{text}{index}")))
}

async fn talk(scene: &Scene) -> RoomId {
    let room = scene.public("general", "ann", &["bob"]).await;
    for from in (0..SENT).step_by(20) {
        let batch: Vec<_> = (from..from + 20).map(|i| message(scene, &room, i, "a")).collect();
        scene.commit(&batch).await;
    }
    room
}

/// Every message is found by its id, and to send it again changes nothing.
async fn settled(scene: &Scene, room: &RoomId) {
    let head = scene.see(room).await.head_seq;
    for from in (0..SENT).step_by(50) {
        let again: Vec<_> = (from..from + 50).map(|i| message(scene, room, i, "a")).collect();
        for (index, outcome) in scene.commit(&again).await.outcomes.into_iter().enumerate() {
            let Ok(Outcome::Sent { n, message_id, duplicate: true, .. }) = outcome else {
                panic!("{index} of {from}: {outcome:?}");
            };
            assert_eq!(n, (from + index + 1) as u64);
            assert_eq!(scene.shown(room, &message_id, "bob").await.n, n);
        }
        let other: Vec<_> = (from..from + 50).map(|i| message(scene, room, i, "b")).collect();
        for outcome in scene.commit(&other).await.outcomes {
            assert_eq!(outcome, Err(Rejection::ClientMsgIdReused));
        }
    }
    assert_eq!(scene.see(room).await.head_seq, head);
}

#[tokio::test]
async fn retry_is_known_before_while_and_after_its_name_is_filed_and_after_a_restart() {
    let (_folder, path) = folder();
    let first = scene(&path).await;
    let room = talk(&first).await;
    settled(&first, &room).await;
    drop(first);
    settled(&scene(&path).await, &room).await;
    let store = open(&path).await;
    let filed = number(&store, "SELECT count(*) FROM sends").await;
    let waiting = number(&store, "SELECT sum(length(names)) / 64 FROM sends_recent").await;
    assert!(filed > 300 && waiting > 0, "{filed} filed, {waiting} waiting");
}

#[tokio::test]
async fn new_messages_among_retries_are_sent() {
    let (_folder, path) = folder();
    let scene = scene(&path).await;
    let room = talk(&scene).await;
    for old in [0, SENT / 2, SENT - 1] {
        let batch = [
            message(&scene, &room, SENT + 2 * old, "a"),
            message(&scene, &room, old, "a"),
            message(&scene, &room, SENT + 2 * old, "a"),
            message(&scene, &room, SENT + 2 * old + 1, "a"),
        ];
        let committed = scene.commit(&batch).await;
        let again: Vec<_> = committed
            .outcomes
            .iter()
            .map(|outcome| matches!(outcome, Ok(Outcome::Sent { duplicate: true, .. })))
            .collect();
        assert_eq!((again, committed.entries.len()), (vec![false, true, true, false], 2));
    }
}

#[tokio::test]
async fn retry_of_one_who_may_not_write_any_more_is_still_a_retry() {
    let (_folder, path) = folder();
    let scene = scene(&path).await;
    let room = scene.public("general", "bob", &["ann"]).await;
    for index in 0..SENT {
        scene.run(message(&scene, &room, index, "a")).await.expect("sent");
    }
    let mute = MemberAction::Mute { until: None, reason: None };
    scene.does("bob", &room, to("ann", mute)).await;
    for index in [0, SENT / 2, SENT - 1] {
        let again = scene.run(message(&scene, &room, index, "a")).await;
        assert!(matches!(again, Ok(Outcome::Sent { duplicate: true, .. })), "{again:?}");
    }
    let new = scene.run(message(&scene, &room, SENT, "a")).await;
    assert_eq!(new, Err(Rejection::Muted));
}

#[tokio::test]
async fn old_and_new_messages_are_edited_once() {
    let (_folder, path) = folder();
    let scene = scene(&path).await;
    let room = talk(&scene).await;
    for index in [0, SENT / 2, SENT - 1] {
        let Action::Send(send) = message(&scene, &room, index, "a").action else { unreachable!() };
        let change = || edit(&send.message_id, &format!("edit-{index}"), "new");
        scene.does("ann", &room, change()).await;
        let again = scene.does("ann", &room, change()).await;
        assert!(matches!(again, Outcome::Sent { duplicate: true, .. }), "{again:?}");
        assert_eq!(scene.shown(&room, &send.message_id, "bob").await.text, "new");
    }
}

#[tokio::test]
async fn name_that_could_not_be_written_is_free() {
    let (_folder, path) = folder();
    let busy = Duration::from_millis(5);
    let options = SqliteOptions::file(&path).recent_sends(64).busy_timeout(busy);
    let scene = Scene::of(options.open().await.expect("the store opens"));
    let room = talk(&scene).await;
    let outside = connect::options(&path, busy);
    let mut outside = connect::connect(&outside).await.expect("a connection");
    for index in SENT..SENT + 5 {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut outside).await.expect("the lock");
        let refused =
            scene.store.commit(&[message(&scene, &room, index, "a")], &scene.limits).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        sqlx::query("ROLLBACK").execute(&mut outside).await.expect("it is released");
        let Action::Send(send) = message(&scene, &room, index, "a").action else { unreachable!() };
        let found = scene.store.message(&room, &send.message_id, &user("bob")).await;
        assert_eq!(found.expect("the store works"), None);
        let sent = scene.run(message(&scene, &room, index, "b")).await;
        assert!(matches!(sent, Ok(Outcome::Sent { duplicate: false, .. })), "{sent:?}");
    }
    settled(&scene, &room).await;
}
