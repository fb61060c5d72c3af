//! Erasing someone while they and everyone else are at it.

use std::time::Duration;

use chatcore::id::RoomId;
use chatcore::log::{Body, Draft};
use futures_util::future::join_all;

use crate::world::{Ground, World, over_every_store, say, user};

over_every_store!(who_is_erased_in_the_middle_of_a_flood_leaves_nothing_behind);

/// Until the erasure has passed over the room: the texts of `who` are gone.
async fn erased(world: &World, room: &RoomId, who: &str) {
    for _ in 0..400 {
        let log = world.log(room).await;
        let left = |body: &Body| matches!(body, Body::Message { deleted_at: None, .. });
        if !log.iter().any(|entry| entry.user == user(who) && left(&entry.body)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("messages are left");
}

/// Rule 96.
async fn who_is_erased_in_the_middle_of_a_flood_leaves_nothing_behind(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &["bob", "cyd"]).await;
    let (bob, cyd) = (world.person("bob"), world.person("cyd"));
    for n in 0..50 {
        let message = say(&cyd, &room, &format!("kept {n}")).await;
        bob.react(&room, &message, "+1", true).await.unwrap();
    }
    let floods = (0..8).map(|lane| {
        let (bob, cyd, room) = (bob.clone(), cyd.clone(), room.clone());
        async move {
            for n in 0..40 {
                // From some moment on he is not in the room.
                let _ = bob.send(&room, Draft::text(format!("treasure {lane} {n}"))).await;
                say(&cyd, &room, &format!("kept {lane} {n}")).await;
            }
        }
    });
    let flood = tokio::spawn(join_all(floods));
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.chat.erase(&user("bob")).await.unwrap();
    flood.await.unwrap();
    erased(&world, &room, "bob").await;
    // What came in after the first pass is found by one more, which may be after a restart.
    world.restart().await;
    world.clock.advance(Duration::from_secs(61));
    world.chat.erase(&user("bob")).await.unwrap();
    erased(&world, &room, "bob").await;

    let log = world.log(&room).await;
    let messages = log.iter().filter_map(|entry| entry.n);
    assert!(messages.eq(1..=log.iter().filter(|entry| entry.n.is_some()).count() as u64));
    let kept = |body: &Body| matches!(body, Body::Message { deleted_at: None, .. });
    assert_eq!(log.iter().filter(|entry| kept(&entry.body)).count(), 50 + 8 * 40);
    assert!(!format!("{log:?}").contains("treasure"));
    let cyd = world.person("cyd");
    for message in log.iter().filter_map(|entry| match &entry.body {
        Body::Message { message_id, .. } => Some(message_id),
        _ => None,
    }) {
        let shown = cyd.message(&room, message).await.unwrap();
        assert!(shown.reactions.is_empty(), "{shown:?}");
    }
    let members = cyd.members(&room, None, 10).await.unwrap();
    let members: Vec<_> = members.iter().map(|member| member.user.as_str()).collect();
    assert_eq!(members, ["ann", "cyd"]);
    assert_eq!(cyd.room(&room).await.unwrap().members, 2);
}
