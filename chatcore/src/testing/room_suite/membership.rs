//! Making rooms, coming in and going.

use crate::id::{RoomId, Seq};
use crate::log::{Body, Draft};
use crate::room::{
    Action, MemberAction, NewRoom, Outcome, Rejection, Role, RoomKind, RoomUpdate, Standing,
};
use crate::testing::scene::{Rooms, Scene, delete, edit, kick, mark, pin, react, role, to, user};

fn id(name: &str) -> RoomId {
    RoomId::parse(name).expect("a sound id")
}

/// Its maker owns it; the first entry says what it is.
pub async fn a_new_room_is_as_it_was_asked_for(store: impl Rooms) {
    let scene = Scene::of(store);
    let new = NewRoom::private("plans").topic("secret").invite([user("bob"), user("bob")]);
    let outcome = scene.does("ann", &id("r"), Action::Create(new)).await;
    assert_eq!(outcome, Outcome::Entered { head_seq: Seq(3), created: true });
    let room = scene.see(&id("r")).await;
    assert_eq!(
        (room.kind, room.created_by, room.created_at),
        (RoomKind::Private, user("ann"), scene.now())
    );
    assert_eq!((room.name.as_deref(), room.topic.as_deref()), (Some("plans"), Some("secret")));
    assert_eq!((room.members, room.owners, room.keep, room.deleted_at), (1, 1, false, None));
    let ann = scene.member(&id("r"), "ann").await;
    assert_eq!((ann.standing, ann.role, ann.entered_seq), (Standing::Joined, Role::Owner, Seq(2)));
    assert_eq!(scene.member(&id("r"), "bob").await.standing, Standing::Invited);
    let log = scene.log(&id("r")).await;
    assert!(
        matches!(&log[0].body, Body::Room { name: Some(name), visibility: RoomKind::Private, .. }
        if name == "plans")
    );
    assert!(matches!(&log[2].body, Body::Invite { target } if *target == user("bob")));
    let selfish = NewRoom::public("x").invite([user("ann")]);
    let refused = scene.ask("ann", &id("s"), Action::Create(selfish)).await;
    assert_eq!(refused, Err(Rejection::Yourself));
    assert_eq!(scene.store.room(&id("s"), None).await.expect("the store works"), None);
}

/// If it may be entered; and leaves it as it is.
pub async fn making_a_room_that_is_there_enters_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("lobby", "ann", &[]).await;
    let other = || Action::Create(NewRoom::private("mine"));
    let outcome = scene.does("bob", &room, other()).await;
    assert_eq!(outcome, Outcome::Entered { head_seq: Seq(3), created: false });
    assert_eq!(scene.see(&room).await.name.as_deref(), Some("lobby"));
    assert_eq!(scene.member(&room, "bob").await.role, Role::Member);
    let hidden = scene.room("hidden", NewRoom::private("x"), "ann", &[]).await;
    assert_eq!(scene.ask("bob", &hidden, other()).await, Err(Rejection::NoSuchRoom));
}

/// The second time nothing happens.
pub async fn entering_twice_is_entering_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let bob = scene.member(&room, "bob").await;
    let again = scene.does("bob", &room, Action::Enter).await;
    assert_eq!(again, Outcome::Entered { head_seq: Seq(3), created: false });
    assert_eq!(scene.member(&room, "bob").await, bob);
    assert_eq!(scene.see(&room).await.members, 2);
    let nowhere = scene.ask("bob", &id("nowhere"), Action::Enter).await;
    assert_eq!(nowhere, Err(Rejection::NoSuchRoom));
}

/// Or at least invited.
pub async fn leaving_needs_that_one_is_in(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    assert_eq!(scene.ask("eve", &room, Action::Leave).await, Err(Rejection::NotJoined));
    scene.does("bob", &room, Action::Leave).await;
    assert_eq!(scene.ask("bob", &room, Action::Leave).await, Err(Rejection::NotJoined));
    assert_eq!(scene.host(&room, Action::Leave).await, Err(Rejection::NotJoined));
    assert_eq!(scene.members(&room).await, ["ann"]);
    assert_eq!(scene.ask("bob", &id("nowhere"), Action::Leave).await, Err(Rejection::NoSuchRoom));
}

/// Nobody in the room is told.
pub async fn an_invitation_is_turned_down_without_a_word(store: impl Rooms) {
    let scene = Scene::of(store);
    let new = NewRoom::private("x").invite([user("bob")]);
    let room = scene.room("r", new, "ann", &[]).await;
    let head = scene.see(&room).await.head_seq;
    let outcome = scene.does("bob", &room, Action::Leave).await;
    assert_eq!(outcome, Outcome::Left { deleted: false });
    assert_eq!(scene.member(&room, "bob").await.standing, Standing::Left);
    assert_eq!(scene.see(&room).await.head_seq, head);
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
}

/// Whoever of the two asks.
pub async fn a_direct_room_is_one_for_each_pair(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = RoomId::direct(&user("ann"), &user("bob"));
    assert_eq!(room, RoomId::direct(&user("bob"), &user("ann")));
    let made = scene.does("ann", &room, Action::Create(NewRoom::direct(user("bob")))).await;
    let found = scene.does("bob", &room, Action::Create(NewRoom::direct(user("ann")))).await;
    assert_eq!(made, Outcome::Entered { head_seq: Seq(3), created: true });
    assert_eq!(found, Outcome::Entered { head_seq: Seq(3), created: false });
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
    assert_eq!(scene.see(&room).await.owners, 2);
    assert_eq!(scene.ask("eve", &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
    let by_eve = scene.ask("eve", &room, Action::Create(NewRoom::public("x"))).await;
    assert!(by_eve.is_err(), "{by_eve:?}");
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
}

/// With what was said in it, unless both had gone.
pub async fn a_direct_room_is_reopened_for_both(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = RoomId::direct(&user("ann"), &user("bob"));
    let open = |other| Action::Create(NewRoom::direct(user(other)));
    scene.does("ann", &room, open("bob")).await;
    let sent = scene.says("ann", &room, "hi").await;
    scene.does("bob", &room, Action::Leave).await;
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
    scene.does("ann", &room, open("bob")).await;
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
    assert_eq!(scene.shown(&room, &sent.id, "bob").await.text, "hi");
    scene.does("bob", &room, Action::Leave).await;
    assert_eq!(scene.does("ann", &room, Action::Leave).await, Outcome::Left { deleted: true });
    let made = scene.does("bob", &room, open("ann")).await;
    assert!(matches!(made, Outcome::Entered { created: true, .. }));
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
    assert_eq!(scene.history(&room, "bob").await, []);
}

/// Whatever is asked of it, the answer is that of a room that is not there.
pub async fn a_private_room_is_as_if_it_were_not_there(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("hidden", NewRoom::private("x"), "ann", &[]).await;
    let sent = scene.says("ann", &room, "secret").await;
    let head = scene.see(&room).await.head_seq;
    for action in [
        Action::Enter,
        Action::Leave,
        Action::Create(NewRoom::public("x")),
        edit(&sent.id, "e", "x"),
        delete(&sent.id, "d"),
        react(&sent.id, "👍", true),
        pin(&sent.id, true),
        mark(1),
        kick("ann"),
        role("eve", Role::Owner),
        to("eve", MemberAction::Invite),
        Action::Update(RoomUpdate { name: Some("x".into()), ..RoomUpdate::default() }),
        scene.message("eve", &room, "1", Draft::text("x")).action,
    ] {
        let said = format!("{action:?}");
        assert_eq!(
            scene.ask("eve", &room, action.clone()).await,
            Err(Rejection::NoSuchRoom),
            "{said}"
        );
        if !matches!(action, Action::Create(_)) {
            let absent = scene.ask("eve", &id("absent"), action).await;
            assert_eq!(absent, Err(Rejection::NoSuchRoom), "{said}");
        }
    }
    assert_eq!(scene.see(&room).await.head_seq, head);
}

/// Until it is used, it lets its holder know of the room and no more.
pub async fn an_invitation_opens_a_private_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("r", NewRoom::private("x"), "ann", &[]).await;
    scene.does("ann", &room, to("bob", MemberAction::Invite)).await;
    assert_eq!(scene.send("bob", &room, "1", "hi").await, Err(Rejection::NotJoined));
    let head = scene.see(&room).await.head_seq;
    scene.does("ann", &room, to("bob", MemberAction::Invite)).await;
    assert_eq!(scene.see(&room).await.head_seq, head, "invited before");
    scene.does("bob", &room, Action::Enter).await;
    scene.says("bob", &room, "hi").await;
    // Members of a private room cannot let others in.
    let low = scene.ask("bob", &room, to("cat", MemberAction::Invite)).await;
    assert_eq!(low, Err(Rejection::RoleTooLow { needs: Role::Moderator }));
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
}

/// By the room that they would be in.
pub async fn members_of_a_room_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.members = 2);
    let room = scene.public("general", "ann", &[]).await;
    let rush = ["bob", "cat", "dan"].map(|who| scene.command(who, &room, Action::Enter));
    let outcomes = scene.commit(&rush).await.outcomes;
    assert!(outcomes[0].is_ok());
    for outcome in &outcomes[1..] {
        assert!(matches!(outcome, Err(Rejection::TooMany { most: 2, .. })), "{outcome:?}");
    }
    assert_eq!(scene.see(&room).await.members, 2);
    scene.does("bob", &room, Action::Leave).await;
    scene.does("cat", &room, Action::Enter).await;
    assert_eq!(scene.members(&room).await, ["ann", "cat"]);
}

/// Whichever way they came in.
pub async fn rooms_of_one_user_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.rooms = 2);
    let a = scene.public("a", "ann", &[]).await;
    for name in ["b", "c"] {
        scene.public(name, "bob", &[]).await;
    }
    let full = |outcome: &Result<Outcome, Rejection>| {
        matches!(outcome, Err(Rejection::TooMany { most: 2, .. }))
    };
    assert!(full(&scene.ask("bob", &a, Action::Enter).await));
    let made = scene.ask("bob", &id("d"), Action::Create(NewRoom::public("d"))).await;
    assert!(full(&made));
    let direct = RoomId::direct(&user("ann"), &user("bob"));
    assert!(full(&scene.ask("ann", &direct, Action::Create(NewRoom::direct(user("bob")))).await));
    // In one batch, against what is left of it.
    let rush = ["b", "c"].map(|room| scene.command("ann", &id(room), Action::Enter));
    let outcomes = scene.commit(&rush).await.outcomes;
    assert!(outcomes[0].is_ok() && full(&outcomes[1]));
    let swap = [
        scene.command("ann", &id("b"), Action::Leave),
        scene.command("ann", &id("c"), Action::Enter),
    ];
    assert!(scene.commit(&swap).await.outcomes.iter().all(Result::is_ok));
    assert_eq!(scene.rooms("ann", crate::store::RoomFilter::Joined).await, ["a", "c"]);
}

/// The count goes down with them.
pub async fn who_was_sent_out_may_enter_as_many_rooms_again(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.rooms = 1);
    let a = scene.public("a", "ann", &["bob"]).await;
    let b = scene.public("b", "cat", &[]).await;
    assert!(scene.ask("bob", &b, Action::Enter).await.is_err());
    scene.does("ann", &a, kick("bob")).await;
    scene.does("bob", &b, Action::Enter).await;
    assert!(scene.ask("bob", &a, Action::Enter).await.is_err());
}

/// What it says stands under its own name.
pub async fn the_host_is_no_member_but_every_room_is_open_to_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("r", NewRoom::private("x"), "ann", &[]).await;
    let entered = scene.host(&room, Action::Enter).await;
    assert_eq!(entered, Ok(Outcome::Entered { head_seq: Seq(2), created: false }));
    let system = crate::id::UserId::system();
    let message = scene.message(system.as_str(), &room, "1", Draft::text("hello"));
    let sent = crate::testing::scene::sent(scene.host(&room, message.action).await);
    let shown = scene.shown(&room, &sent.expect("it may").id, "ann").await;
    assert_eq!(shown.user, system);
    assert_eq!(scene.members(&room).await, ["ann"]);
    scene.host(&room, to("bob", MemberAction::Invite)).await.expect("it may");
    assert_eq!(scene.host(&room, mark(1)).await, Err(Rejection::NotJoined));
    assert_eq!(scene.host(&id("absent"), Action::Enter).await, Err(Rejection::NoSuchRoom));
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(scene.host(&room, kick("ann")).await, Err(Rejection::NoSuchRoom));
}
