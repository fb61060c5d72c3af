//! Links by which people come into rooms.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{InviteLinkId, RoomId};
use crate::log::Body;
use crate::room::{
    Action, InviteCode, InviteHash, InviteLink, MemberAction, NewRoom, Outcome, Rejection, Role,
    RoomKind,
};
use crate::testing::scene::{Rooms, Scene, kick, role, to, user};

const HOUR: Duration = Duration::from_secs(3_600);

fn hash(name: &str) -> InviteHash {
    InviteCode::new(name).hash()
}

/// A link of ann's, good for an hour, whose name is its code.
fn link(scene: &Scene, name: &str, uses: Option<u32>) -> InviteLink {
    InviteLink {
        id: InviteLinkId::parse(name).expect("a sound id"),
        hash: hash(name),
        created_by: user("ann"),
        created_at: scene.now(),
        expires_at: scene.now().after(HOUR),
        uses,
        used: 0,
    }
}

fn add(scene: &Scene, name: &str, uses: Option<u32>) -> Action {
    Action::AddInviteLink(link(scene, name, uses))
}

fn by(name: &str) -> Action {
    Action::EnterByLink(hash(name))
}

fn revoke(name: &str) -> Action {
    Action::RevokeInviteLink(InviteLinkId::parse(name).expect("a sound id"))
}

async fn private(scene: &Scene) -> RoomId {
    scene.room("cellar", NewRoom::private("cellar"), "ann", &[]).await
}

async fn links(scene: &Scene, room: &RoomId) -> Vec<(String, u32)> {
    let links = scene.store.invite_links(room).await.expect("the store works");
    links.into_iter().map(|link| (link.id.to_string(), link.used)).collect()
}

fn entered(outcome: Result<Outcome, Rejection>) -> bool {
    match outcome {
        Ok(Outcome::Entered { .. }) => true,
        Err(Rejection::NoSuchInvite) => false,
        other => panic!("neither in nor out: {other:?}"),
    }
}

/// Who came by it is in the log, and its code is not.
pub async fn a_link_lets_strangers_into_a_private_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "open", None)).await;
    let found = scene.store.invited_to(&hash("open")).await.expect("the store works");
    let (found, kept) = found.expect("it was made");
    assert_eq!((&found.id, found.kind), (&room, RoomKind::Private));
    assert_eq!(kept, link(&scene, "open", None));
    for who in ["bob", "cat"] {
        assert!(entered(scene.ask(who, &room, by("open")).await), "{who}");
    }
    assert_eq!(scene.members(&room).await, ["ann", "bob", "cat"]);
    assert_eq!(scene.member(&room, "bob").await.role, Role::Member);
    assert_eq!(links(&scene, &room).await, [("open".to_owned(), 2)]);
    let log = scene.log(&room).await;
    assert_eq!(scene.kinds(&room).await, ["room", "enter", "link", "enter", "enter"]);
    let id = InviteLinkId::parse("open").expect("a sound id");
    let (expires_at, uses) = (kept.expires_at, None);
    assert_eq!(log[2].body, Body::Link { link: id.clone(), expires_at, uses });
    assert_eq!(log[3].body, Body::Enter { link: Some(id) });
    assert_eq!(scene.ask("eve", &room, by("shut")).await, Err(Rejection::NoSuchInvite));
    let nowhere = RoomId::parse("nowhere").expect("a sound id");
    assert_eq!(scene.ask("eve", &nowhere, by("open")).await, Err(Rejection::NoSuchInvite));
    let none = scene.store.invited_to(&hash("shut")).await.expect("the store works");
    assert_eq!(none, None);
}

/// Within a batch, and over batches; for one who is in it takes nothing, and is none the less granted.
pub async fn a_link_lets_in_as_many_as_it_says(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "three", Some(3))).await;
    assert!(entered(scene.ask("bob", &room, by("three")).await));
    let people = ["bob", "cat", "dan", "eve", "fay"];
    let batch: Vec<_> = people.iter().map(|who| scene.command(who, &room, by("three"))).collect();
    let outcomes: Vec<_> = scene.commit(&batch).await.outcomes.into_iter().map(entered).collect();
    assert_eq!(outcomes, [true, true, true, false, false]);
    assert_eq!(scene.members(&room).await, ["ann", "bob", "cat", "dan"]);
    assert_eq!(links(&scene, &room).await, [("three".to_owned(), 3)]);
    assert!(entered(scene.ask("dan", &room, by("three")).await), "he is in");
    assert!(!entered(scene.ask("eve", &room, by("three")).await));
}

/// Many ask at the same time, each in a commit of their own.
pub async fn a_race_for_a_link_has_as_many_winners_as_it_has_uses(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "few", Some(5))).await;
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (scene, room) = (scene.clone(), room.clone());
        racers.spawn(async move {
            entered(scene.ask(&format!("racer-{n:02}"), &room, by("few")).await)
        });
    }
    let won = racers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 5);
    assert_eq!(scene.members(&room).await.len(), 1 + 5);
    assert_eq!(links(&scene, &room).await, [("few".to_owned(), 5)]);
}

/// From the moment that it says, and from the moment that it is revoked.
pub async fn a_link_that_is_over_lets_nobody_in(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    for name in ["old", "revoked"] {
        scene.does("ann", &room, add(&scene, name, None)).await;
    }
    scene.does("ann", &room, revoke("revoked")).await;
    assert!(!entered(scene.ask("bob", &room, by("revoked")).await));
    let again = scene.ask("ann", &room, revoke("revoked")).await;
    assert_eq!(again, Err(Rejection::NoSuchInviteLink));
    scene.wait(HOUR - Duration::from_millis(1));
    assert!(entered(scene.ask("bob", &room, by("old")).await));
    scene.wait(Duration::from_millis(1));
    assert!(!entered(scene.ask("cat", &room, by("old")).await));
    assert_eq!(scene.ask("ann", &room, revoke("old")).await, Err(Rejection::NoSuchInviteLink));
}

/// Those that are over do not count, and are gone when another one is made.
pub async fn links_of_a_room_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.invite_links = 2);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "a", Some(1))).await;
    scene.does("ann", &room, add(&scene, "b", None)).await;
    let third = scene.ask("ann", &room, add(&scene, "c", None)).await;
    assert!(matches!(third, Err(Rejection::TooMany { most: 2, .. })), "{third:?}");
    scene.does("bob", &room, by("a")).await;
    scene.does("ann", &room, add(&scene, "c", None)).await;
    let names = |links: Vec<(String, u32)>| links.into_iter().map(|(name, _)| name);
    assert!(names(links(&scene, &room).await).eq(["b", "c"]));
    scene.wait(HOUR);
    scene.does("ann", &room, add(&scene, "d", None)).await;
    assert!(names(links(&scene, &room).await).eq(["d"]));
    assert_eq!(scene.store.invited_to(&hash("a")).await.expect("the store works"), None);
}

/// And take them back.
pub async fn links_are_made_by_moderators(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.does("ann", &room, role("bob", Role::Moderator)).await;
    let low = Err(Rejection::RoleTooLow { needs: Role::Moderator });
    scene.does("bob", &room, add(&scene, "bob-s", None)).await;
    assert_eq!(scene.ask("cat", &room, add(&scene, "cat-s", None)).await, low);
    assert_eq!(scene.ask("cat", &room, revoke("bob-s")).await, low);
    assert_eq!(scene.ask("eve", &room, revoke("bob-s")).await, Err(Rejection::NotJoined));
    scene.does("ann", &room, revoke("bob-s")).await;
    scene.host(&room, add(&scene, "host-s", None)).await.expect("every room is open to it");
    let direct = RoomId::direct(&user("ann"), &user("bob"));
    scene.does("ann", &direct, Action::Create(NewRoom::direct(user("bob")))).await;
    let opened = scene.ask("ann", &direct, add(&scene, "third", None)).await;
    assert_eq!(opened, Err(Rejection::DirectRoom));
}

/// Who was sent out comes back by it, and who is banned does not.
pub async fn a_link_lifts_no_ban(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "open", Some(3))).await;
    for who in ["bob", "cat"] {
        scene.does(who, &room, by("open")).await;
    }
    scene.does("ann", &room, kick("bob")).await;
    let until = Some(Timestamp(scene.now().0 + 60_000));
    scene.does("ann", &room, to("cat", MemberAction::Ban { until, reason: None })).await;
    let banned = Err(Rejection::Banned { until });
    assert_eq!(scene.ask("cat", &room, by("open")).await, banned);
    assert_eq!(links(&scene, &room).await, [("open".to_owned(), 2)], "it took no use");
    scene.does("bob", &room, by("open")).await;
    scene.wait(Duration::from_secs(60));
    assert!(!entered(scene.ask("cat", &room, by("open")).await), "bob had the last one");
}

/// Whatever was done with it in the same batch.
pub async fn a_link_ends_with_its_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "first", None)).await;
    let batch = [
        scene.command("ann", &room, add(&scene, "second", None)),
        scene.command("bob", &room, by("first")),
        scene.command("bob", &room, Action::Leave),
        scene.command("ann", &room, Action::Leave),
        scene.command("cat", &room, by("second")),
    ];
    let outcomes = scene.commit(&batch).await.outcomes;
    assert!(outcomes[..4].iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(outcomes[4], Err(Rejection::NoSuchInvite));
    assert_eq!(links(&scene, &room).await, []);
    for name in ["first", "second"] {
        assert_eq!(scene.store.invited_to(&hash(name)).await.expect("the store works"), None);
        assert!(!entered(scene.ask("dan", &room, by(name)).await), "{name}");
    }
}

/// As entering by the door is.
pub async fn a_link_brings_in_no_more_than_the_room_holds(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.members = 2);
    let room = private(&scene).await;
    scene.does("ann", &room, add(&scene, "open", None)).await;
    scene.does("bob", &room, by("open")).await;
    let third = scene.ask("cat", &room, by("open")).await;
    assert!(matches!(third, Err(Rejection::TooMany { most: 2, .. })), "{third:?}");
    assert_eq!(links(&scene, &room).await, [("open".to_owned(), 1)]);
}
