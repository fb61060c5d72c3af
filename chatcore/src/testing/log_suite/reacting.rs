//! Reactions and pins.

use crate::id::Seq;
use crate::log::{Draft, Message};
use crate::room::{Action, Outcome, Rejection, Role};
use crate::testing::scene::{Rooms, Scene, delete, pin, react, role};

/// The reactions of a message as `viewer` sees them.
fn told(message: &Message) -> Vec<(&str, u32, bool)> {
    message.reactions.iter().map(|r| (r.emoji.as_str(), r.count, r.mine)).collect()
}

/// Giving it twice changes nothing.
pub async fn a_reaction_counts_once_for_each_who_gives_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let sent = scene.says("ann", &room, "hi").await;
    scene.does("ann", &room, react(&sent.id, "👍", true)).await;
    scene.does("bob", &room, react(&sent.id, "👍", true)).await;
    let again = scene.does("bob", &room, react(&sent.id, "👍", true)).await;
    assert_eq!(again, Outcome::Done { head_seq: Seq(6) });
    for (viewer, mine) in [("ann", true), ("bob", true), ("eve", false)] {
        let shown = scene.shown(&room, &sent.id, viewer).await;
        assert_eq!(told(&shown), [("👍", 2, mine)], "{viewer}");
        assert_eq!(scene.history(&room, viewer).await, [shown]);
    }
    let low = scene.ask("eve", &room, react(&sent.id, "👍", true)).await;
    assert_eq!(low, Err(Rejection::NotJoined));
    assert_eq!(scene.kinds(&room).await[4..], ["react", "react"]);
}

/// And what was never given cannot be taken back.
pub async fn a_reaction_taken_back_is_gone(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let sent = scene.says("ann", &room, "hi").await;
    for who in ["ann", "bob"] {
        scene.does(who, &room, react(&sent.id, "👍", true)).await;
    }
    scene.does("ann", &room, react(&sent.id, "👍", false)).await;
    assert_eq!(told(&scene.shown(&room, &sent.id, "ann").await), [("👍", 1, false)]);
    let head = scene.see(&room).await.head_seq;
    scene.does("ann", &room, react(&sent.id, "👍", false)).await;
    assert_eq!(scene.see(&room).await.head_seq, head);
    scene.does("bob", &room, react(&sent.id, "👍", false)).await;
    assert_eq!(told(&scene.shown(&room, &sent.id, "bob").await), []);
    assert_eq!(scene.kinds(&room).await[6..], ["unreact", "unreact"]);
}

/// One that went away and came back stands last.
pub async fn reactions_stand_in_the_order_of_their_first_use(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let sent = scene.says("ann", &room, "hi").await;
    let all = [("ann", "z"), ("bob", "m"), ("ann", "a"), ("bob", "z")];
    scene.commit(&all.map(|(who, e)| scene.command(who, &room, react(&sent.id, e, true)))).await;
    let order = async || {
        let shown = scene.shown(&room, &sent.id, "ann").await;
        shown.reactions.into_iter().map(|r| r.emoji).collect::<Vec<_>>()
    };
    assert_eq!(order().await, ["z", "m", "a"]);
    // As long as one holds it, it keeps its place.
    scene.does("ann", &room, react(&sent.id, "z", false)).await;
    assert_eq!(order().await, ["z", "m", "a"]);
    let there_and_back =
        [false, true].map(|on| scene.command("bob", &room, react(&sent.id, "m", on)));
    scene.commit(&there_and_back).await;
    assert_eq!(order().await, ["z", "a", "m"]);
}

/// By their number on one message; those that are there may be given by all.
pub async fn different_reactions_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.reactions = 2);
    let room = scene.public("general", "ann", &["bob"]).await;
    let sent = scene.says("ann", &room, "hi").await;
    let other = scene.says("ann", &room, "ho").await;
    scene.does("ann", &room, react(&sent.id, "1", true)).await;
    scene.does("ann", &room, react(&sent.id, "2", true)).await;
    let third = scene.ask("bob", &room, react(&sent.id, "3", true)).await;
    assert!(matches!(third, Err(Rejection::TooMany { most: 2, .. })), "{third:?}");
    scene.does("bob", &room, react(&sent.id, "2", true)).await;
    scene.does("bob", &room, react(&other.id, "3", true)).await;
    scene.does("ann", &room, react(&sent.id, "1", false)).await;
    scene.does("bob", &room, react(&sent.id, "3", true)).await;
    let shown = scene.shown(&room, &sent.id, "bob").await;
    assert_eq!(told(&shown), [("2", 2, true), ("3", 1, true)]);
}

/// Also on a message that is new in it.
pub async fn reactions_of_a_batch_see_each_other(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.reactions = 1);
    let room = scene.public("general", "ann", &["bob"]).await;
    let send = scene.message("ann", &room, "1", Draft::text("hi"));
    let Action::Send(one) = &send.action else { unreachable!("it is a send") };
    let id = one.message_id.clone();
    let of = |who, emoji, on| scene.command(who, &room, react(&id, emoji, on));
    let batch = [
        of("bob", "early", true),
        send,
        of("bob", "x", true),
        of("ann", "x", true),
        of("ann", "y", true),
        of("bob", "x", false),
        of("bob", "x", false),
    ];
    let outcomes = scene.commit(&batch).await.outcomes;
    assert_eq!(outcomes[0], Err(Rejection::NoSuchMessage));
    assert!(matches!(outcomes[4], Err(Rejection::TooMany { most: 1, .. })));
    assert_eq!(outcomes[5], Ok(Outcome::Done { head_seq: Seq(7) }));
    assert_eq!(outcomes[6], Ok(Outcome::Done { head_seq: Seq(7) }));
    assert_eq!(told(&scene.shown(&room, &id, "ann").await), [("x", 1, true)]);
}

/// Their number for each room.
pub async fn pins_are_bounded_and_for_moderators(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.pins = 2);
    let room = scene.public("general", "ann", &["bob"]).await;
    let mut ids = Vec::new();
    for text in ["1", "2", "3"] {
        ids.push(scene.says("bob", &room, text).await.id);
    }
    let low = Err(Rejection::RoleTooLow { needs: Role::Moderator });
    assert_eq!(scene.ask("bob", &room, pin(&ids[0], true)).await, low);
    scene.does("ann", &room, role("bob", Role::Moderator)).await;
    scene.does("bob", &room, pin(&ids[0], true)).await;
    scene.does("ann", &room, pin(&ids[1], true)).await;
    let head = scene.see(&room).await.head_seq;
    scene.does("ann", &room, pin(&ids[1], true)).await;
    assert_eq!(scene.see(&room).await.head_seq, head, "it was pinned before");
    let third = scene.ask("ann", &room, pin(&ids[2], true)).await;
    assert!(matches!(third, Err(Rejection::TooMany { most: 2, .. })), "{third:?}");
    scene.does("ann", &room, pin(&ids[0], false)).await;
    scene.does("ann", &room, pin(&ids[2], true)).await;
    let pinned: Vec<_> = scene.history(&room, "eve").await.iter().map(|m| m.pinned).collect();
    assert_eq!(pinned, [false, true, true]);
    scene.does("bob", &room, react(&ids[1], "👍", true)).await;
    let listed = scene.pinned(&room, "bob").await;
    assert_eq!(listed, scene.history(&room, "bob").await[1..], "as they stand in the room");
    assert!(listed[0].pinned && listed[0].reactions[0].mine);
    assert_eq!(scene.see(&room).await.pins, 2);
    assert_eq!(scene.kinds(&room).await[7..], ["pin", "pin", "unpin", "pin", "react"]);
}

/// And makes room for another one.
pub async fn a_deleted_message_is_unpinned(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.pins = 1);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "1").await;
    let second = scene.says("ann", &room, "2").await;
    scene.does("ann", &room, pin(&first.id, true)).await;
    scene.does("ann", &room, delete(&first.id, "d")).await;
    assert_eq!(scene.see(&room).await.pins, 0);
    assert_eq!(scene.pinned(&room, "ann").await, []);
    assert!(!scene.shown(&room, &first.id, "ann").await.pinned);
    scene.does("ann", &room, pin(&second.id, true)).await;
    assert_eq!(scene.see(&room).await.pins, 1);
}
