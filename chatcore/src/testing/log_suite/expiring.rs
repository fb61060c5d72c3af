//! Messages that are too old for their room.

use crate::id::Seq;
use crate::log::Body;
use crate::room::{Action, Outcome, Rejection, Role, RoomUpdate};
use crate::search::{Scope, Search};
use crate::store::{Retained, Toward};
use crate::testing::scene::{Rooms, Scene, edit, mark, react, user};

fn expire(upto: u64) -> Action {
    Action::Expire { upto: Seq(upto), edited: Vec::new() }
}

fn keep(seconds: u32) -> Action {
    Action::Update(RoomUpdate { retention: Some(seconds), ..RoomUpdate::default() })
}

/// At once, and after the sweep; what is newer stays where it is.
pub async fn what_is_too_old_is_read_no_more(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &["bob"]).await;
    let old = scene.says("ann", &room, "old").await;
    scene.does("bob", &room, react(&old.id, "+1", true)).await;
    let new = scene.says("ann", &room, "new").await;
    scene.host(&room, expire(old.seq.0)).await.expect("the host may");
    for swept in [false, true] {
        if swept {
            while scene.store.sweep(2).await.expect("the store works") > 0 {}
        }
        let seen = scene.see(&room).await;
        assert_eq!((seen.floor_seq, seen.floor_n, seen.head_n), (old.seq, 1, 2));
        let log = scene.log(&room).await;
        let seqs: Vec<_> = log.iter().map(|entry| entry.seq.0).collect();
        assert_eq!(seqs, [5, 6, 7], "{log:?}");
        assert!(matches!(log[2].body, Body::Expire { upto } if upto == old.seq));
        let newer = scene.store.messages(&room, Toward::Newer(Seq::START), 10, &user("ann")).await;
        let texts: Vec<_> =
            newer.expect("the store works").into_iter().map(|message| message.text).collect();
        assert_eq!(texts, ["new"]);
        let gone = scene.store.message(&room, &old.id, &user("ann")).await;
        assert_eq!(gone.expect("the store works"), None);
        let answer = scene.ask("bob", &room, react(&old.id, "+1", false)).await;
        assert_eq!(answer, Err(Rejection::NoSuchMessage));
        let found = scene.store.search(&search("old")).await.expect("the store works");
        assert!(found.found.is_empty());
    }
    assert_eq!(scene.shown(&room, &new.id, "ann").await.n, 2);
    let next = scene.says("bob", &room, "next").await;
    assert_eq!((next.seq, next.n), (Seq(8), 3));
}

fn search(text: &str) -> Search {
    let query = crate::search::Query::parse(text).expect("a sound query");
    Search { query, scope: Scope::Joined(user("ann")), from: None, after: None, limit: 10 }
}

/// Not even an owner does it by hand.
pub async fn only_the_host_lets_go_of_what_is_old(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &[]).await;
    let old = scene.says("ann", &room, "old").await;
    let refused = scene.ask("ann", &room, expire(old.seq.0)).await;
    assert_eq!(refused, Err(Rejection::RoleTooLow { needs: Role::Owner }));
    assert_eq!(scene.ask("eve", &room, expire(1)).await, Err(Rejection::NotJoined));
    assert_eq!(scene.see(&room).await.floor_seq, Seq::START);
}

/// Nor does it pass the head.
pub async fn a_floor_only_rises(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &[]).await;
    scene.says("ann", &room, "one").await;
    scene.host(&room, expire(2)).await.expect("the host may");
    for upto in [0, 1, 2] {
        let outcome = scene.host(&room, expire(upto)).await;
        assert_eq!(outcome, Ok(Outcome::Done { head_seq: Seq(4) }));
    }
    assert_eq!(scene.see(&room).await.floor_seq, Seq(2));
    scene.host(&room, expire(1_000)).await.expect("the host may");
    let room = scene.see(&room).await;
    assert_eq!((room.floor_seq, room.head_seq), (Seq(4), Seq(5)));
}

/// Though the edit itself is not old.
pub async fn what_edits_of_old_messages_said_goes_with_them(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &[]).await;
    let old = scene.says("ann", &room, "old").await;
    let other = scene.says("ann", &room, "other").await;
    scene.does("ann", &room, edit(&old.id, "e1", "secret")).await;
    scene.does("ann", &room, edit(&other.id, "e2", "kept")).await;
    let expire = Action::Expire { upto: old.seq, edited: vec![old.id.clone()] };
    scene.host(&room, expire).await.expect("the host may");
    let log = serde_json::to_string(&scene.log(&room).await).expect("JSON");
    assert!(!log.contains("secret") && log.contains("kept"), "{log}");
}

/// Of what is unread, of all that was ever sent, and of what a mark has behind it.
pub async fn counts_stay_right_when_old_messages_go(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &["bob"]).await;
    let mut sent = Vec::new();
    for text in ["1", "2", "3", "4"] {
        sent.push(scene.says("ann", &room, text).await);
    }
    scene.host(&room, expire(sent[1].seq.0)).await.expect("the host may");
    while scene.store.sweep(100).await.expect("the store works") > 0 {}
    scene.does("bob", &room, mark(sent[1].seq.0)).await;
    assert_eq!(scene.member(&room, "bob").await.marks.read_n, 2);
    scene.does("bob", &room, mark(sent[2].seq.0)).await;
    assert_eq!(scene.member(&room, "bob").await.marks.read_n, 3);
    assert_eq!(scene.see(&room).await.head_n, 4);
    assert_eq!(scene.store.counts().await.expect("the store works").messages, 4);
    let again = scene.send("ann", &room, "fresh-0", "1").await;
    assert!(again.is_ok_and(|again| again.duplicate && again.seq == sent[0].seq), "for ever");
}

/// And the log tells of it.
pub async fn how_long_messages_are_kept_is_the_owners_to_say(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &["bob"]).await;
    let refused = scene.ask("bob", &room, keep(3_600)).await;
    assert_eq!(refused, Err(Rejection::RoleTooLow { needs: Role::Owner }));
    scene.does("ann", &room, keep(86_400)).await;
    assert_eq!(scene.see(&room).await.retention, 86_400);
    let log = scene.log(&room).await;
    assert!(matches!(log.last().map(|e| &e.body), Some(Body::Room { retention: 86_400, .. })));
    scene.says("bob", &room, "a change of something else leaves it").await;
    let name = RoomUpdate { name: Some("new".into()), ..RoomUpdate::default() };
    scene.does("ann", &room, Action::Update(name)).await;
    assert_eq!(scene.see(&room).await.retention, 86_400);
    scene.does("ann", &room, keep(0)).await;
    assert_eq!(scene.see(&room).await.retention, 0);
}

/// Those that say so, or all; not what is deleted.
pub async fn rooms_that_keep_messages_for_a_time_are_listed(store: impl Rooms) {
    let scene = Scene::of(store);
    for name in ["r1", "r2", "r3", "r4"] {
        let room = scene.public(name, "ann", &[]).await;
        if name != "r2" {
            scene.does("ann", &room, keep(3_600)).await;
        }
        if name == "r4" {
            scene.does("ann", &room, Action::Leave).await;
        }
    }
    let listed = async |which, after: Option<&str>, limit| {
        let after = after.map(|id| crate::id::RoomId::parse(id).expect("a sound id"));
        let rooms = scene.store.retained(which, after.as_ref(), limit).await;
        let ids = rooms.expect("the store works").into_iter().map(|room| room.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(listed(Retained::Own, None, 10).await, ["r1", "r3"]);
    assert_eq!(listed(Retained::All, None, 10).await, ["r1", "r2", "r3"]);
    assert_eq!(listed(Retained::All, Some("r1"), 1).await, ["r2"]);
    assert_eq!(listed(Retained::Own, Some("r1"), 10).await, ["r3"]);
}
