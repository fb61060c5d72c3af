//! Mentions that are forged, bombs of them, and counts that do not drift.

use chatcore::Code;
use chatcore::id::Seq;
use chatcore::log::Draft;
use chatcore::store::RoomFilter;

use crate::world::{Ground, World, draft, kick, newest, over_every_store, refused, user};

over_every_store!(
    nobody_outside_a_room_is_called_into_it,
    a_bomb_of_mentions_is_refused_and_names_beyond_the_bound_are_text,
    a_retry_with_other_mentions_is_another_message,
    devices_that_read_side_by_side_agree_on_what_is_left,
);

/// Nor does a mention tell whether there is such a person.
async fn nobody_outside_a_room_is_called_into_it(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, eve) = (world.person("ann"), world.person("eve"));
    let room = world.private("ann", &["bob"]).await;
    world.act("ann", &room, "bob", kick()).await;
    let called = [user("eve"), user("bob"), user("nobody-at-all")];
    ann.send(&room, Draft::text("@eve @bob @nobody-at-all").mention(called)).await.unwrap();
    let page = ann.history(&room, newest(1)).await.unwrap();
    assert!(page.messages[0].mentions.is_empty());
    assert!(eve.rooms(RoomFilter::Visible, None, 10).await.unwrap().is_empty());
}

async fn a_bomb_of_mentions_is_refused_and_names_beyond_the_bound_are_text(ground: Ground) {
    let world = World::new(ground).await;
    let names: Vec<String> = (0..60).map(|n| format!("m{n}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = world.public("ann", &members).await;
    let ann = world.person("ann");
    let all = Draft::text("all").mention(members.iter().map(|name| user(name)));
    assert_eq!(refused(ann.send(&room, all).await), Code::LimitReached);
    let text: String = names.iter().map(|name| format!("@{name} ")).collect();
    ann.send(&room, Draft::text(text)).await.unwrap();
    let page = ann.history(&room, newest(1)).await.unwrap();
    assert_eq!(page.messages[0].mentions.len(), 10);
}

async fn a_retry_with_other_mentions_is_another_message(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &["bob", "cat"]).await;
    let ann = world.person("ann");
    let first = ann.send(&room, draft("hi", "1").mention([user("bob")])).await.unwrap();
    let again = ann.send(&room, draft("hi", "1").mention([user("bob")])).await.unwrap();
    assert_eq!((first.seq, again.duplicate), (again.seq, true));
    let other = ann.send(&room, draft("hi", "1").mention([user("cat")])).await;
    assert_eq!(refused(other), Code::Conflict);
    assert_eq!(world.person("bob").room(&room).await.unwrap().mentions, 1);
    assert_eq!(world.person("cat").room(&room).await.unwrap().mentions, 0);
}

/// Whatever order their marks come in: the furthest holds, and the rest is what the log says.
async fn devices_that_read_side_by_side_agree_on_what_is_left(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &["bob"]).await;
    let (ann, bob) = (world.person("ann"), world.person("bob"));
    let writing = async {
        for n in 0..40 {
            let draft = Draft::text(format!("{n}"));
            let called = (n % 3 == 0).then(|| user("bob"));
            ann.send(&room, draft.mention(called)).await.unwrap();
        }
    };
    let reading = |step: u64| {
        let (bob, room) = (bob.clone(), room.clone());
        async move {
            for n in 0..8 {
                let head = bob.room(&room).await.unwrap().head_seq.0;
                let seq = head.saturating_sub((n * step) % 9).max(1);
                bob.mark_read(&room, Seq(seq)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(writing, reading(1), reading(4), reading(7));
    let seen = bob.room(&room).await.unwrap();
    for _ in 0..2 {
        let shown = world.person("bob").room(&room).await.unwrap();
        let log = world.log(&room).await;
        let after = || log.iter().filter(|entry| entry.seq > shown.read_seq);
        let unread = after().filter(|entry| entry.n.is_some()).count() as u64;
        let called = after().filter(|entry| {
            matches!(&entry.body, chatcore::log::Body::Message { mentions, .. } if !mentions.is_empty())
        });
        assert_eq!((shown.unread, shown.mentions), (unread, called.count() as u64));
        assert_eq!(shown, seen);
        drop(log);
        world.restart().await;
        if let Ground::Memory = ground {
            return;
        }
    }
}
