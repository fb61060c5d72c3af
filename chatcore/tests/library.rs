//! The library as its user meets it, over the memory store.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use chatcore::id::{ClientMsgId, Seq, UserId};
use chatcore::limits::Limits;
use chatcore::log::{Body, Cursor, Draft, HistoryQuery};
use chatcore::room::{MemberAction, NewRoom, Role};
use chatcore::store::{RoomFilter, memory::MemoryStore};
use chatcore::throttle::Rate;
use chatcore::{Chat, Error};

async fn chat() -> Chat {
    Chat::builder(Arc::new(MemoryStore::new())).build().await.unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

#[tokio::test]
async fn a_subscriber_sees_replay_then_live_without_a_gap() {
    let chat = chat().await;
    let (alice, bob) = (chat.as_user(&user("alice")), chat.as_user(&user("bob")));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    bob.enter(&room).await.unwrap();
    let sent = alice.send(&room, Draft::text("hi").once("one").unwrap()).await.unwrap();
    assert_eq!((sent.seq, sent.n, sent.duplicate), (Seq(4), 1, false));

    let mut live = bob.subscribe(&room, Cursor::start()).await.unwrap();
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(live.next().await.unwrap().unwrap().body.kind().as_str());
    }
    assert_eq!(kinds, ["room", "enter", "enter", "message"]);

    let again = alice.send(&room, Draft::text("hi").once("one").unwrap()).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (sent.seq, true));
    alice.send(&room, Draft::text("two")).await.unwrap();
    let next = live.next().await.unwrap().unwrap();
    assert_eq!(next.seq, Seq(5));
    assert!(matches!(next.body, Body::Message { text, .. } if text == "two"));
}

#[tokio::test]
async fn who_is_kicked_sees_nothing_later() {
    let chat = chat().await;
    let (alice, bob) = (chat.as_user(&user("alice")), chat.as_user(&user("bob")));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    let head = bob.enter(&room).await.unwrap().head_seq;
    let mut live = bob.subscribe(&room, Cursor { epoch: None, seq: head }).await.unwrap();
    alice.send(&room, Draft::text("before")).await.unwrap();
    alice.member(&room, &user("bob"), MemberAction::Kick { reason: None }).await.unwrap();
    alice.send(&room, Draft::text("after")).await.unwrap();
    assert_eq!(live.next().await.unwrap().unwrap().seq, head.next());
    assert_eq!(live.next().await.unwrap(), None);
    assert!(bob.log(&room, Seq::START, 10).await.is_err());
    bob.enter(&room).await.unwrap();
    assert!(bob.log(&room, Seq::START, 10).await.is_ok());
}

#[tokio::test]
async fn the_last_to_leave_ends_the_room_and_the_longest_member_inherits_it() {
    let chat = chat().await;
    let (alice, bob) = (chat.as_user(&user("alice")), chat.as_user(&user("bob")));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    bob.enter(&room).await.unwrap();
    assert!(!alice.leave(&room).await.unwrap().deleted);
    assert_eq!(bob.room(&room).await.unwrap().role, Some(Role::Owner));
    assert!(bob.leave(&room).await.unwrap().deleted);
    assert!(bob.enter(&room).await.is_err());
    assert!(bob.rooms(RoomFilter::Visible, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn pages_of_history_meet_without_overlap() {
    let chat = chat().await;
    let alice = chat.as_user(&user("alice"));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    for i in 0..25 {
        alice.send(&room, Draft::text(i.to_string())).await.unwrap();
    }
    let page = |before| HistoryQuery::new(before, None, None, Some(10), 100).unwrap();
    let mut texts = Vec::new();
    let mut before = None;
    loop {
        let page = alice.history(&room, page(before)).await.unwrap();
        texts.splice(0..0, page.messages.iter().map(|m| m.text.clone()));
        before = Some(page.messages[0].seq);
        if page.found_oldest {
            break;
        }
    }
    assert_eq!(texts, (0..25).map(|i| i.to_string()).collect::<Vec<_>>());
    let around = HistoryQuery::new(None, None, Some(Seq(10)), Some(5), 100).unwrap();
    let around = alice.history(&room, around).await.unwrap();
    assert_eq!(around.messages.iter().map(|m| m.seq.0).collect::<Vec<_>>(), [8, 9, 10, 11, 12]);
}

#[tokio::test]
async fn shutdown_waits_for_what_was_submitted_and_refuses_the_rest() {
    let chat = chat().await;
    let alice = chat.as_user(&user("alice"));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    let pending = alice.submit_send(&room, Draft::text("last")).unwrap();
    chat.shutdown().await;
    assert!(pending.outcome().await.is_ok());
    assert!(alice.send(&room, Draft::text("too late")).await.is_err());
    let stats = alice.stats(Default::default()).await.unwrap();
    assert_eq!((stats.rooms, stats.messages, stats.entries.len()), (1, 1, 2));
}

#[tokio::test]
async fn what_was_deleted_is_not_told_to_those_who_come_later() {
    let chat = chat().await;
    let (alice, bob) = (chat.as_user(&user("alice")), chat.as_user(&user("bob")));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    // Someone listens, so that the room is at hand.
    let _live = alice.subscribe(&room, Cursor::start()).await.unwrap();
    let name = |id: &str| ClientMsgId::parse(id).unwrap();
    let sent = alice.send(&room, Draft::text("a secret")).await.unwrap();
    let again = "a secret, again".to_owned();
    alice.edit(&room, &sent.message_id, name("edit"), again).await.unwrap();
    alice.delete(&room, &sent.message_id, name("delete")).await.unwrap();
    let mut late = bob.subscribe(&room, Cursor::start()).await.unwrap();
    let mut kinds = Vec::new();
    while kinds.len() < 5 {
        let entry = late.next().await.unwrap().unwrap();
        assert!(!serde_json::to_string(&entry).unwrap().contains("secret"), "{entry:?}");
        kinds.push(entry.body.kind().as_str());
    }
    assert_eq!(kinds, ["room", "enter", "message", "edit", "delete"]);
}

#[tokio::test]
async fn a_stream_that_is_not_read_lags_and_is_not_ended_by_what_others_do() {
    let chat = chat().await;
    let (alice, bob) = (chat.as_user(&user("alice")), chat.as_user(&user("bob")));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    bob.enter(&room).await.unwrap();
    let mut live = bob.subscribe(&room, Cursor::start()).await.unwrap();
    for n in 0..400 {
        let guest = chat.as_user(&user(&format!("guest{n}")));
        let head = guest.enter(&room).await.unwrap().head_seq;
        alice.send(&room, Draft::text("welcome")).await.unwrap();
        guest.mark_read(&room, head.next()).await.unwrap();
        bob.create_room(NewRoom::private("another")).await.unwrap();
    }
    for seq in 1..=803 {
        assert_eq!(live.next().await.unwrap().unwrap().seq, Seq(seq));
    }
}

#[tokio::test]
async fn one_user_s_deeds_are_rated_whatever_they_are() {
    let limits = {
        let mut limits = Limits::default();
        limits.turns_per_user = Some(Rate::new(3, Duration::from_secs(3_600)));
        limits
    };
    let store = Arc::new(MemoryStore::new());
    let chat = Chat::builder(store).limits(limits).build().await.unwrap();
    let alice = chat.as_user(&user("alice"));
    let room = alice.create_room(NewRoom::public("general")).await.unwrap().room;
    let sent = alice.send(&room, Draft::text("hi")).await.unwrap();
    alice.react(&room, &sent.message_id, "+1", true).await.unwrap();
    let refused = alice.react(&room, &sent.message_id, "+1", false).await.unwrap_err();
    assert!(matches!(refused, Error::RateLimited { .. }), "{refused:?}");
    assert!(matches!(alice.leave(&room).await, Err(Error::RateLimited { .. })));
    alice.mark_read(&room, sent.seq).await.unwrap();
    chat.as_user(&user("bob")).enter(&room).await.unwrap();
}

#[tokio::test]
async fn nobody_acts_under_the_host_s_own_name() {
    let chat = chat().await;
    let room = chat.as_system().create_room(NewRoom::public("general")).await.unwrap().room;
    let impostor = chat.as_user(&UserId::system());
    assert!(matches!(impostor.enter(&room).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_room_name_that_reorders_the_text_around_it_is_refused() {
    let chat = chat().await;
    let alice = chat.as_user(&user("alice"));
    let refused = alice.create_room(NewRoom::public("\u{202e}nimda")).await.unwrap_err();
    assert_eq!(refused.field(), Some("name"));
    alice.create_room(NewRoom::public("\u{5e9}\u{5dc}\u{5d5}\u{5dd}")).await.unwrap();
}
