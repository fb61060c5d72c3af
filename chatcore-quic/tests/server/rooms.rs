//! Rooms do not wait for one another.

use chatcore::protocol::CloseCode;
use quinn::TransportConfig;
use serde_json::json;

use crate::support::{server, soon};

/// More entries than a room keeps at hand.
const MANY: usize = 1_200;

/// A client that takes little on each stream.
fn narrow() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window((16u32 * 1024).into());
    transport
}

#[tokio::test]
async fn an_unread_room_gets_a_gap_and_holds_up_no_other() {
    let server = server().await;
    let unread = server.room_of(&["alice", "bob"]).await;
    let read = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.connect_with(narrow()).await.welcomed("bob").await;
    bob.subscribe(&unread, None).await;
    bob.subscribe(&read, None).await;
    server.say(&unread, "alice", "first").await;
    let (preamble, mut left_alone) = bob.stream().await;
    assert_eq!(preamble["room"], json!(unread));
    let mut listened_to = None;
    let long = "x".repeat(500);
    for n in 0..MANY {
        server.say(&unread, "alice", &long).await;
        if n % 10 == 0 {
            server.say(&read, "alice", &n.to_string()).await;
            if listened_to.is_none() {
                listened_to = Some(bob.stream().await.1);
            }
            let event = listened_to.as_mut().expect("just made").next().await.expect("open");
            assert_eq!(event["text"], n.to_string());
        }
    }
    assert!(bob.lives().await);

    // What had left comes in order, then the gap, then nothing.
    let mut last = preamble["after"].as_u64().expect("a place");
    let gap = loop {
        let frame = left_alone.next().await.expect("a gap comes before the end");
        if frame["op"] == "gap" {
            break frame;
        }
        last += 1;
        assert_eq!(frame["seq"], last);
    };
    assert_eq!((&gap["room"], &gap["reason"]), (&json!(unread), &json!("slow")));
    assert!(last < 300, "what waited for it was bounded, and {last} was not");
    assert_eq!(left_alone.next().await, None);

    // It goes on where it was.
    bob.subscribe(&unread, Some(last)).await;
    let (preamble, mut again) = bob.stream().await;
    assert_eq!((&preamble["room"], &preamble["after"]), (&json!(unread), &json!(last)));
    let head = gap["head_seq"].as_u64().expect("a place");
    while last < head {
        last += 1;
        assert_eq!(again.next().await.expect("an event")["seq"], last);
        if last % 200 == 0 {
            bob.send(&json!({"op": "ack", "rooms": {unread.as_str(): last}})).await;
        }
    }
}

#[tokio::test]
async fn many_unread_rooms_hold_up_no_other() {
    let server = server().await;
    let mut bob = server.connect_with(narrow()).await.welcomed("bob").await;
    let read = server.room_of(&["alice", "bob"]).await;
    bob.subscribe(&read, None).await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        let room = server.room_of(&["alice", "bob"]).await;
        bob.subscribe(&room, None).await;
        unread.push(room);
    }
    server.say(&read, "alice", "first").await;
    let (_, mut events) = bob.stream().await;
    events.next().await.expect("an event");
    let long = "x".repeat(16 * 1024);
    for n in 0..8 {
        for room in &unread {
            server.say(room, "alice", &long).await;
        }
        server.say(&read, "alice", &n.to_string()).await;
        let event = soon("the read room", events.next()).await.expect("an event");
        assert_eq!(event["text"], n.to_string());
    }
    assert!(bob.lives().await);
}

#[tokio::test]
async fn a_stream_that_the_client_does_not_want_ends_with_a_gap() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    server.say(&room, "alice", "one").await;
    let (_, mut events) = bob.stream().await;
    events.next().await.expect("an event");
    events.0.stop(0u32.into()).expect("open");
    // The next entry finds it out, once the server has heard of it.
    let teller = tokio::spawn(async move {
        loop {
            server.say(&room, "alice", "more").await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let gap = bob.answers.next_op("gap").await;
    assert_eq!(gap["reason"], "slow");
    teller.abort();
}

#[tokio::test]
async fn a_client_that_allows_no_streams_gets_a_gap_where_it_listens() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut transport = TransportConfig::default();
    transport.max_concurrent_uni_streams(0u8.into());
    let mut bob = server.connect_with(transport).await.welcomed("bob").await;
    bob.subscribe(&room, None).await;
    let long = "x".repeat(500);
    for _ in 0..MANY {
        server.say(&room, "alice", &long).await;
    }
    assert_eq!(bob.answers.next_op("gap").await["room"], json!(room));
    assert!(bob.lives().await);
}

#[tokio::test]
async fn subscribing_again_begins_a_new_stream_and_cuts_the_old_one_off() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, Some(0)).await;
    let (_, mut old) = bob.stream().await;
    for seq in 1..=3 {
        assert_eq!(old.next().await.expect("an event")["seq"], seq);
    }
    bob.subscribe(&room, Some(1)).await;
    let (preamble, mut new) = bob.stream().await;
    assert_eq!(preamble["after"], 1);
    assert_eq!(new.next().await.expect("an event")["seq"], 2);
    assert_eq!(old.next().await, None);
    let unsubscribed = bob.ask(json!({"op": "unsubscribe", "room": room})).await;
    assert_eq!(unsubscribed["op"], "result");
    assert_eq!(new.next().await.expect("an event")["seq"], 3);
    assert_eq!(new.next().await, None);
}

#[tokio::test]
async fn a_long_absence_is_caught_up_then_live() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let long = "x".repeat(3_000);
    for _ in 0..300 {
        server.say(&room, "alice", &long).await;
    }
    let mut bob = server.hello("bob").await;
    let head = bob.subscribe(&room, Some(0)).await["head_seq"].as_u64().expect("a place");
    let (_, mut events) = bob.stream().await;
    for seq in 1..=head {
        assert_eq!(events.next().await.expect("an event")["seq"], seq);
    }
    server.say(&room, "alice", "now").await;
    assert_eq!(events.next().await.expect("an event")["text"], "now");
}

#[tokio::test]
async fn one_who_acks_nothing_is_closed_as_everywhere() {
    let session = {
        let mut session = chatcore::protocol::session::Config::default();
        session.stall = std::time::Duration::from_millis(500);
        session.limits.window = 10;
        session
    };
    let server = crate::support::server_with(|config| config.with_session(session)).await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    for n in 0..20 {
        server.say(&room, "alice", &n.to_string()).await;
    }
    assert_eq!(bob.closing().await, CloseCode::SlowConsumer);
}
