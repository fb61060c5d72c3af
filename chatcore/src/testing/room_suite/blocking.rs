//! People who do not want to hear of others.

use crate::id::{ClientMsgId, RoomId};
use crate::room::{Action, MemberAction, NewRoom, Outcome, Rejection};
use crate::testing::scene::{Rooms, Scene, edit, react, to, user};

fn pair(a: &str, b: &str) -> RoomId {
    RoomId::direct(&user(a), &user(b))
}

fn open(other: &str) -> Action {
    Action::Create(NewRoom::direct(user(other)))
}

async fn block(scene: &Scene, who: &str, whom: &str, on: bool) -> Result<Outcome, Rejection> {
    scene.ask(who, &pair(who, whom), Action::Block { target: user(whom), on }).await
}

async fn blocked(scene: &Scene, who: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let after = all.last().cloned();
        let page = scene.store.blocked(&user(who), after.as_ref(), 2).await;
        let page = page.expect("the store works");
        if page.is_empty() {
            return all.iter().map(ToString::to_string).collect();
        }
        all.extend(page);
    }
}

/// Nor come back into one; and the other can.
pub async fn who_is_blocked_opens_no_direct_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = pair("ann", "bob");
    block(&scene, "ann", "bob", true).await.expect("granted");
    assert_eq!(blocked(&scene, "ann").await, ["bob"]);
    assert_eq!(blocked(&scene, "bob").await, [""; 0]);
    assert_eq!(scene.ask("bob", &room, open("ann")).await, Err(Rejection::Unwanted));
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
    assert_eq!(scene.log(&room).await, []);
    scene.does("ann", &room, open("bob")).await;
    assert_eq!(scene.see(&room).await.members, 2);
    let said = scene.send("bob", &room, "1", "at last").await;
    assert_eq!(said, Err(Rejection::Unwanted));
    scene.does("bob", &room, Action::Leave).await;
    assert_eq!(scene.ask("bob", &room, open("ann")).await, Err(Rejection::Unwanted));
    block(&scene, "ann", "bob", false).await.expect("granted");
    assert_eq!(blocked(&scene, "ann").await, [""; 0]);
    scene.does("bob", &room, open("ann")).await;
    scene.says("bob", &room, "at last").await;
}

/// Of what was said before, they can take their own away, and no more.
pub async fn who_is_blocked_writes_nothing_in_a_direct_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = pair("ann", "bob");
    scene.does("bob", &room, open("ann")).await;
    let his = scene.says("bob", &room, "hello").await.id;
    let head = scene.see(&room).await.head_seq;
    block(&scene, "ann", "bob", true).await.expect("granted");
    assert_eq!(scene.see(&room).await.head_seq, head, "it makes no noise");
    let once = ClientMsgId::parse("d").expect("a sound id");
    for action in [edit(&his, "e", "buy"), react(&his, "👍", true)] {
        assert_eq!(scene.ask("bob", &room, action).await, Err(Rejection::Unwanted));
    }
    assert_eq!(scene.send("bob", &room, "2", "hello?").await, Err(Rejection::Unwanted));
    scene.says("ann", &room, "she may").await;
    let delete = Action::Delete { message: his, client_msg_id: once };
    scene.does("bob", &room, delete).await;
    let batch = [
        scene.command("ann", &room, Action::Block { target: user("bob"), on: false }),
        scene.message("bob", &room, "3", crate::log::Draft::text("thanks")),
        scene.command("ann", &room, Action::Block { target: user("bob"), on: true }),
        scene.message("bob", &room, "4", crate::log::Draft::text("again?")),
    ];
    let outcomes = scene.commit(&batch).await.outcomes;
    assert!(outcomes[..3].iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(outcomes[3], Err(Rejection::Unwanted));
}

/// Neither into a room that is there, nor into one that is made.
pub async fn who_is_blocked_invites_nobody_who_blocks_them(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "bob", &["cat"]).await;
    block(&scene, "ann", "bob", true).await.expect("granted");
    let invite = || to("ann", MemberAction::Invite);
    assert_eq!(scene.ask("bob", &room, invite()).await, Err(Rejection::Unwanted));
    let other = RoomId::parse("other").expect("a sound id");
    let with = Action::Create(NewRoom::private("other").invite([user("cat"), user("ann")]));
    assert_eq!(scene.ask("bob", &other, with).await, Err(Rejection::Unwanted));
    assert_eq!(scene.log(&other).await, []);
    scene.does("cat", &room, invite()).await;
    scene.does("ann", &room, Action::Enter).await;
    scene.says("bob", &room, "in a room of several it is heard").await;
    scene.does("bob", &room, invite()).await;
}

/// Nobody blocks themselves, and nothing is done twice.
pub async fn blocked_people_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.blocks = 3);
    for whom in ["bob", "cat", "cat", "dan"] {
        block(&scene, "ann", whom, true).await.expect("granted");
    }
    let fourth = block(&scene, "ann", "eve", true).await;
    assert!(matches!(fourth, Err(Rejection::TooMany { most: 3, .. })), "{fourth:?}");
    block(&scene, "bob", "ann", true).await.expect("a list of his own");
    assert_eq!(block(&scene, "ann", "ann", true).await, Err(Rejection::Yourself));
    block(&scene, "ann", "fay", false).await.expect("she was not blocked");
    block(&scene, "ann", "cat", false).await.expect("granted");
    block(&scene, "ann", "eve", true).await.expect("there is room again");
    assert_eq!(blocked(&scene, "ann").await, ["bob", "dan", "eve"]);
}

/// Whoever comes first: a room is open and the other silent, or it is not open at all.
pub async fn blocking_and_opening_at_once_leave_nobody_unblocked(store: impl Rooms) {
    let scene = Scene::of(store);
    let mut all = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (opener, blocker) = (format!("opener-{n}"), format!("blocker-{n}"));
        let room = pair(&opener, &blocker);
        let (one, other) = (scene.clone(), scene.clone());
        let (a, b, at) = (opener.clone(), blocker.clone(), room.clone());
        all.spawn(async move { drop(one.ask(&a, &at, open(&b)).await) });
        all.spawn(async move {
            block(&other, &blocker, &opener, true).await.expect("granted");
            let said = other.send(&opener, &room, "1", "hello").await;
            let refused = [Rejection::Unwanted, Rejection::NoSuchRoom];
            assert!(said.as_ref().is_err_and(|why| refused.contains(why)), "{said:?}");
        });
    }
    all.join_all().await;
    for n in 0..20 {
        let (opener, room) =
            (format!("opener-{n}"), pair(&format!("opener-{n}"), &format!("blocker-{n}")));
        let said = scene.send(&opener, &room, "2", "hello").await;
        let refused = [Rejection::Unwanted, Rejection::NoSuchRoom];
        assert!(said.as_ref().is_err_and(|why| refused.contains(why)), "{said:?}");
    }
}
