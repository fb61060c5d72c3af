//! Who owns a room when its owner goes, and when it ends.

use crate::id::UserId;
use crate::log::Body;
use crate::room::{Action, MemberAction, NewRoom, Outcome, Rejection, Role};
use crate::store::RoomFilter;
use crate::testing::scene::{Rooms, Scene, kick, role, to, user};

async fn owners(scene: &Scene, room: &crate::id::RoomId) -> Vec<String> {
    let members = scene.store.members(room, None, 100).await.expect("the store works");
    let owners: Vec<_> = members.iter().filter(|m| m.role == Role::Owner).collect();
    assert_eq!(scene.see(room).await.owners as usize, owners.len(), "the count is right");
    owners.into_iter().map(|m| m.user.to_string()).collect()
}

/// From then on it is as if it had never been.
pub async fn the_last_to_leave_ends_the_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let first = scene.does("ann", &room, Action::Leave).await;
    assert_eq!(first, Outcome::Left { deleted: false });
    let committed = scene.commit(&[scene.command("bob", &room, Action::Leave)]).await;
    assert_eq!(committed.outcomes, [Ok(Outcome::Left { deleted: true })]);
    assert_eq!(committed.deleted, std::slice::from_ref(&room));
    let ended = scene.see(&room).await;
    assert_eq!((ended.deleted_at, ended.members, ended.owners), (Some(scene.now()), 0, 0));
    for who in ["ann", "bob", "eve"] {
        assert_eq!(scene.ask(who, &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
        assert_eq!(scene.send(who, &room, "1", "x").await, Err(Rejection::NoSuchRoom));
        assert_eq!(scene.rooms(who, RoomFilter::Visible).await, Vec::<String>::new());
    }
}

/// It is the host's; nobody inherits it.
pub async fn a_kept_room_outlives_its_last_member(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("lobby", NewRoom::public("x").kept(), "ann", &["bob"]).await;
    let sent = scene.says("ann", &room, "hi").await;
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(owners(&scene, &room).await, Vec::<String>::new());
    let last = scene.does("bob", &room, Action::Leave).await;
    assert_eq!(last, Outcome::Left { deleted: false });
    scene.does("cat", &room, Action::Enter).await;
    assert_eq!(scene.member(&room, "cat").await.role, Role::Member);
    assert_eq!(scene.shown(&room, &sent.id, "cat").await.text, "hi");
}

/// The last one counts.
pub async fn leaving_and_entering_in_one_batch_go_in_order(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let bob = |action| scene.command("bob", &room, action);
    let batch = [bob(Action::Leave), bob(Action::Enter), bob(Action::Leave), bob(Action::Enter)];
    assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
    assert_eq!(scene.rooms("bob", RoomFilter::Joined).await, ["general"]);
    let batch = [bob(Action::Enter), bob(Action::Leave)];
    assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    assert_eq!(scene.members(&room).await, ["ann"]);
    assert_eq!(scene.see(&room).await.members, 1);
    assert_eq!(scene.kinds(&room).await[3..], ["leave", "enter", "leave", "enter", "leave"]);
}

/// Whoever is first decides: the room lives, or is not there.
pub async fn the_last_leaver_and_a_newcomer_in_one_batch(store: impl Rooms) {
    let scene = Scene::of(store);
    let lives = scene.public("lives", "ann", &[]).await;
    let batch =
        [scene.command("bob", &lives, Action::Enter), scene.command("ann", &lives, Action::Leave)];
    let committed = scene.commit(&batch).await;
    assert_eq!(committed.outcomes[1], Ok(Outcome::Left { deleted: false }));
    assert_eq!(committed.deleted, []);
    assert_eq!(owners(&scene, &lives).await, ["bob"]);
    let ends = scene.public("ends", "ann", &[]).await;
    let batch = [
        scene.command("ann", &ends, Action::Leave),
        scene.command("bob", &ends, Action::Enter),
        scene.message("ann", &ends, "1", crate::log::Draft::text("x")),
    ];
    let committed = scene.commit(&batch).await;
    let gone = Err(Rejection::NoSuchRoom);
    assert_eq!(committed.outcomes, [Ok(Outcome::Left { deleted: true }), gone.clone(), gone]);
    assert_eq!(committed.deleted, std::slice::from_ref(&ends));
    assert_eq!(scene.rooms("bob", RoomFilter::Joined).await, ["lives"]);
}

/// And the log says that the host has made it so.
pub async fn the_highest_role_inherits_then_the_longest_in(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["zoe", "bob", "cat"]).await;
    scene.does("ann", &room, role("cat", Role::Moderator)).await;
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(owners(&scene, &room).await, ["cat"]);
    let log = scene.log(&room).await;
    let last = log.last().expect("it has entries");
    assert_eq!(last.user, UserId::system());
    assert!(
        matches!(&last.body, Body::Role { target, role: Role::Owner } if *target == user("cat"))
    );
    scene.does("cat", &room, Action::Leave).await;
    assert_eq!(owners(&scene, &room).await, ["zoe"]);
    // As long as there is another owner, there is nothing to inherit.
    scene.does("zoe", &room, role("bob", Role::Owner)).await;
    scene.does("zoe", &room, Action::Leave).await;
    assert_eq!(owners(&scene, &room).await, ["bob"]);
    assert_eq!(scene.kinds(&room).await.last(), Some(&"leave"));
}

/// Each finds the next one, to the end.
pub async fn two_owners_leave_in_one_batch(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat", "dan"]).await;
    scene.does("ann", &room, role("bob", Role::Owner)).await;
    let leave = |who| scene.command(who, &room, Action::Leave);
    let outcomes = scene.commit(&[leave("ann"), leave("bob")]).await.outcomes;
    assert!(outcomes.iter().all(|o| *o == Ok(Outcome::Left { deleted: false })));
    assert_eq!(owners(&scene, &room).await, ["cat"]);
    let outcomes = scene.commit(&[leave("cat"), leave("dan")]).await.outcomes;
    assert_eq!(outcomes[1], Ok(Outcome::Left { deleted: true }));
    assert!(scene.see(&room).await.deleted_at.is_some());
}

/// The one behind it inherits, however many of them there are.
pub async fn an_heir_who_leaves_in_the_same_batch_is_none(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat", "dan", "eve", "fay"]).await;
    let rush = ["bob", "ann", "cat", "dan"].map(|who| scene.command(who, &room, Action::Leave));
    let outcomes = scene.commit(&rush).await.outcomes;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(owners(&scene, &room).await, ["eve"]);
    assert_eq!(scene.members(&room).await, ["eve", "fay"]);
}

/// The roles of the moment count, not those that were loaded.
pub async fn who_was_demoted_in_the_same_batch_inherits_last(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat", "dan"]).await;
    for who in ["bob", "cat"] {
        scene.does("ann", &room, role(who, Role::Moderator)).await;
    }
    let batch = [
        scene.command("ann", &room, role("bob", Role::Member)),
        scene.command("ann", &room, role("dan", Role::Moderator)),
        scene.command("ann", &room, kick("cat")),
        scene.command("ann", &room, Action::Leave),
    ];
    assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    assert_eq!(owners(&scene, &room).await, ["dan"]);
}

/// Being in is counted from the last time that one came in.
pub async fn coming_back_is_to_come_last(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.does("bob", &room, Action::Leave).await;
    scene.does("bob", &room, Action::Enter).await;
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(owners(&scene, &room).await, ["cat"]);
    scene.does("ann", &room, Action::Enter).await;
    assert_eq!(scene.member(&room, "ann").await.role, Role::Member, "what one gave up is gone");
}

/// Nobody else could send an owner out.
pub async fn a_room_whose_owner_the_host_sends_out_finds_another(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.host(&room, kick("ann")).await.expect("the host may");
    assert_eq!(owners(&scene, &room).await, ["bob"]);
    let ban = to("bob", MemberAction::Ban { until: None, reason: None });
    scene.host(&room, ban).await.expect("the host may");
    assert_eq!(owners(&scene, &room).await, ["cat"]);
    let batch =
        [scene.command("cat", &room, Action::Enter), scene.command("dan", &room, Action::Enter)];
    scene.commit(&batch).await;
    scene.host(&room, kick("cat")).await.expect("the host may");
    assert_eq!(owners(&scene, &room).await, ["dan"]);
}
