//! Mentions, and what is counted of them.

use crate::id::{RoomId, Seq};
use crate::log::{Body, Draft};
use crate::room::{Action, Member};
use crate::testing::scene::{Rooms, Scene, Sent, delete, kick, mark, sent, user};

async fn calls(scene: &Scene, who: &str, room: &RoomId, once: &str, whom: &[&str]) -> Sent {
    let draft = Draft::text("you there").mention(whom.iter().map(|name| user(name)));
    sent(scene.run(scene.message(who, room, once, draft)).await).expect("they may")
}

async fn counted(scene: &Scene, room: &RoomId, who: &str) -> Vec<u64> {
    scene.member(room, who).await.mentions.iter().map(|seq| seq.0).collect()
}

/// For each of them, until it is read.
pub async fn a_mention_counts_until_it_is_read(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    let first = calls(&scene, "ann", &room, "1", &["bob", "cat"]).await;
    let second = calls(&scene, "ann", &room, "2", &["bob"]).await;
    let third = calls(&scene, "cat", &room, "3", &["bob"]).await;
    assert_eq!(counted(&scene, &room, "bob").await, [first.seq.0, second.seq.0, third.seq.0]);
    assert_eq!(counted(&scene, &room, "cat").await, [first.seq.0], "to write is not to read");
    scene.does("bob", &room, mark(second.seq.0)).await;
    assert_eq!(counted(&scene, &room, "bob").await, [third.seq.0]);
    scene.does("bob", &room, mark(first.seq.0)).await;
    assert_eq!(counted(&scene, &room, "bob").await, [third.seq.0], "a mark only moves forward");
    scene.does("bob", &room, mark(third.seq.0)).await;
    assert_eq!(counted(&scene, &room, "bob").await, [0; 0]);
    let shown = scene.shown(&room, &first.id, "ann").await;
    assert_eq!(shown.mentions, [user("bob"), user("cat")]);
}

/// Strangers, the author, the same one again, those who were sent out.
pub async fn only_members_are_mentioned_and_each_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "eve"]).await;
    scene.does("ann", &room, kick("eve")).await;
    let sent = calls(&scene, "ann", &room, "1", &["eve", "bob", "ann", "nobody", "bob"]).await;
    assert_eq!(scene.shown(&room, &sent.id, "ann").await.mentions, [user("bob")]);
    assert_eq!(counted(&scene, &room, "bob").await, [sent.seq.0]);
    assert_eq!(counted(&scene, &room, "eve").await, [0; 0]);
    assert_eq!(counted(&scene, &room, "ann").await, [0; 0]);
    let again = calls(&scene, "ann", &room, "1", &["eve", "bob", "ann", "nobody", "bob"]).await;
    assert!(again.duplicate, "a retry calls nobody again");
    assert_eq!(counted(&scene, &room, "bob").await, [sent.seq.0]);
}

/// What was said before one came back is not unread.
pub async fn who_comes_back_has_no_mentions(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    calls(&scene, "ann", &room, "1", &["bob"]).await;
    scene.does("bob", &room, Action::Leave).await;
    assert_eq!(counted(&scene, &room, "bob").await, [0; 0]);
    calls(&scene, "ann", &room, "2", &["bob"]).await;
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(counted(&scene, &room, "bob").await, [0; 0]);
}

/// The oldest are let go of.
pub async fn mentions_that_are_counted_are_bounded(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let batch: Vec<_> = (0..Member::MENTIONS + 7)
        .map(|n| {
            let draft = Draft::text("you there").mention([user("bob")]);
            scene.message("ann", &room, &format!("m{n}"), draft)
        })
        .collect();
    assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    let held = counted(&scene, &room, "bob").await;
    let head = scene.see(&room).await.head_seq;
    assert_eq!((held.len(), held.last().copied()), (Member::MENTIONS, Some(head.0)));
    scene.does("bob", &room, mark(head.0)).await;
    assert_eq!(counted(&scene, &room, "bob").await, [0; 0]);
}

/// Whatever is sent, deleted and read: what is counted is what the log holds.
pub async fn mentions_agree_with_a_recount_from_the_log(store: impl Rooms) {
    let scene = Scene::of(store);
    let people = ["ann", "bob", "cat"];
    let room = scene.public("general", "ann", &people[1..]).await;
    let mut ids = Vec::new();
    for turn in 0..60_usize {
        let author = people[turn % 3];
        let whom: Vec<&str> = people
            .into_iter()
            .filter(|p| (turn * 7 + p.len() * turn) % 2 == 0 || *p == people[(turn * 5 + 1) % 3])
            .collect();
        let sent = calls(&scene, author, &room, &format!("m{turn}"), &whom).await;
        ids.push((author, sent.id));
        if turn % 4 == 3 {
            let (author, id) = &ids[turn / 2];
            // It may be deleted already.
            let _ = scene.ask(author, &room, delete(id, &format!("d{turn}"))).await;
        }
        if turn % 5 == 2 {
            let head = scene.see(&room).await.head_seq.0;
            scene.does(people[(turn / 5) % 3], &room, mark(head - (turn as u64 % 7))).await;
        }
        for who in people {
            let member = scene.member(&room, who).await;
            let log = scene.log(&room).await;
            let unread: Vec<Seq> = log
                .iter()
                .filter(|entry| entry.seq > member.marks.read_seq)
                .filter(|entry| match &entry.body {
                    Body::Message { mentions, .. } => mentions.contains(&user(who)),
                    _ => false,
                })
                .map(|entry| entry.seq)
                .collect();
            assert_eq!(member.mentions, unread, "of {who} in turn {turn}");
        }
    }
}
