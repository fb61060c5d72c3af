mod early;
mod lanes;
mod races;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::account::{AccountError, Authenticator, Identity};
use crate::id::SessionId;
use crate::id::{RoomId, UserId};
use crate::limits::Limits;
use crate::log::{Cursor, Draft};
use crate::protocol::Wire;
use crate::protocol::limits::Announced;
use crate::room::{MemberAction, NewRoom};
use crate::store::memory::MemoryStore;
use crate::testing::{MemoryPeer, RuntimeClock, memory_transport};

/// Takes `alice` for the token of alice's session `s-alice`, and `alice@60` for one that expires
/// 60 seconds after the start of the test.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        let (name, seconds) = token.split_once('@').unwrap_or((token, ""));
        let seconds = seconds.parse().ok().map(Duration::from_secs);
        Ok(Identity {
            user: UserId::parse(name).map_err(|_| AccountError::Unauthenticated)?,
            session: SessionId::parse(&format!("s-{name}")).ok(),
            expires_at: seconds.map(|s| RuntimeClock::START.after(s)),
        })
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a valid name")
}

async fn chat() -> Chat {
    let limits = Limits { turns_per_user: None, ..Limits::default() };
    let chat = Chat::builder(Arc::new(MemoryStore::default()))
        .limits(limits)
        .authenticator(Arc::new(ByName))
        .clock(Arc::new(RuntimeClock::default()))
        .build();
    chat.await.expect("memory opens")
}

/// A public room of these people.
async fn room_of(chat: &Chat, people: &[&str]) -> RoomId {
    let owner = chat.as_user(&user(people[0]));
    let room = owner.create_room(NewRoom::public("room")).await.expect("made").room;
    for name in &people[1..] {
        chat.as_user(&user(name)).enter(&room).await.expect("entered");
    }
    room
}

struct Peer {
    io: MemoryPeer,
    ended: JoinHandle<Ended>,
}

impl std::ops::Deref for Peer {
    type Target = MemoryPeer;
    fn deref(&self) -> &MemoryPeer {
        &self.io
    }
}

impl std::ops::DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut MemoryPeer {
        &mut self.io
    }
}

fn connect_with(chat: &Chat, wire: Wire, config: Config, buffer: usize) -> Peer {
    let (transport, io) = memory_transport(wire, buffer);
    let connection = Connection::new(chat.clone(), transport, Arc::new(config));
    Peer { io, ended: tokio::spawn(connection.run()) }
}

fn connect(chat: &Chat) -> Peer {
    connect_with(chat, Wire::WebSocketJson, Config::default(), 1 << 20)
}

async fn welcomed(mut peer: Peer, token: &str) -> Peer {
    peer.send(&json!({"op": "hello", "versions": [1], "token": token, "device": "d"})).await;
    peer.next_op("welcome").await;
    peer
}

async fn hello(chat: &Chat, token: &str) -> Peer {
    welcomed(connect(chat), token).await
}

impl Peer {
    /// Sends a request, and passes over what comes until it is answered.
    async fn ask(&mut self, request: Value) -> Value {
        self.send(&request).await;
        loop {
            let frame = self.next().await.expect("an answer");
            if frame["id"] == request["id"] {
                return frame;
            }
        }
    }

    async fn subscribe(&mut self, room: &RoomId) -> Value {
        let answer = self.ask(json!({"op": "subscribe", "id": 1, "room": room})).await;
        assert_eq!(answer["op"], "result", "{answer}");
        answer
    }

    /// The text of the next message.
    async fn next_text(&mut self) -> String {
        let event = self.next_op("event").await;
        event["text"].as_str().expect("a message").to_owned()
    }
}

async fn say(chat: &Chat, room: &RoomId, name: &str, text: &str) {
    chat.as_user(&user(name)).send(room, Draft::text(text)).await.expect("sent");
}

#[tokio::test]
async fn a_message_reaches_all_over_every_wire() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut peers = Vec::new();
    for wire in Wire::ALL {
        let peer = connect_with(&chat, *wire, Config::default(), 1 << 20);
        let mut peer = welcomed(peer, "bob").await;
        peer.subscribe(&room).await;
        peers.push(peer);
    }
    let mut alice = hello(&chat, "alice").await;
    alice.subscribe(&room).await;
    let send = json!({"op": "send", "id": 7, "room": room, "client_msg_id": "c1", "text": "hi"});
    let result = alice.ask(send.clone()).await;
    assert_eq!((&result["op"], &result["duplicate"]), (&json!("result"), &json!(false)));
    for peer in &mut peers {
        let event = peer.next_op("event").await;
        assert_eq!(event["seq"], result["seq"]);
        assert_eq!(event["client_msg_id"], "c1");
        assert_eq!((&event["text"], &event["user"]), (&json!("hi"), &json!("alice")));
    }
    let again = alice.ask(send).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&result["seq"], &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_closed_after_ten_seconds() {
    let chat = chat().await;
    let start = tokio::time::Instant::now();
    let mut peer = connect(&chat);
    assert_eq!(peer.closing().await, CloseCode::ProtocolError);
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(peer.ended.await.expect("no panic"), Ended::Closed(CloseCode::ProtocolError));
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_heartbeat_is_closed_after_two() {
    let chat = chat().await;
    let mut peer = hello(&chat, "alice").await;
    let start = tokio::time::Instant::now();
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(peer.ask(json!({"op": "rooms", "id": 1})).await["op"], "result");
    assert_eq!(peer.closing().await, CloseCode::HeartbeatTimeout);
    assert_eq!(start.elapsed().as_secs(), 90);
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_the_connection() {
    let chat = chat().await;
    for bytes in [&b"\xdd\xff\xff\xff\xff"[..], b"[[[[", b"[]", b""] {
        let mut peer = hello(&chat, "alice").await;
        peer.send_bytes(bytes).await;
        assert_eq!(peer.closing().await, CloseCode::ProtocolError);
    }
}

#[tokio::test]
async fn a_wrong_frame_is_answered_and_the_connection_lives() {
    let chat = chat().await;
    let mut peer = hello(&chat, "alice").await;
    let error = peer.ask(json!({"op": "enter", "id": 3, "room": "a b"})).await;
    assert_eq!((&error["code"], &error["field"]), (&json!("bad_request"), &json!("room")));
    let error = peer.ask(json!({"op": "dance", "id": 4})).await;
    assert_eq!(error["code"], "unsupported");
    assert_eq!(peer.ask(json!({"op": "rooms", "id": 5})).await["op"], "result");
}

#[tokio::test]
async fn what_one_connection_sends_keeps_its_order() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let mut peer = hello(&chat, "alice").await;
    peer.subscribe(&room).await;
    for n in 0..200 {
        let text = n.to_string();
        peer.send(
            &json!({"op": "send", "id": n, "room": room, "client_msg_id": text, "text": text}),
        )
        .await;
    }
    let mut events = 0;
    let mut results = Vec::new();
    while events < 200 || results.len() < 200 {
        let frame = peer.next().await.expect("open");
        if frame["op"] == "event" {
            assert_eq!(frame["text"], events.to_string());
            events += 1;
        } else {
            assert_eq!(frame["op"], "result", "{frame}");
            results.push(frame["id"].as_u64().expect("an id"));
        }
    }
    results.sort_unstable();
    assert_eq!(results, (0..200).collect::<Vec<_>>(), "one answer for each request");
}

#[tokio::test]
async fn a_long_absence_is_caught_up_page_by_page_then_live() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    for n in 0..300 {
        say(&chat, &room, "alice", &n.to_string()).await;
    }
    let mut bob = hello(&chat, "bob").await;
    let since = json!({"op": "subscribe", "id": 1, "room": room, "since": {"seq": 0}});
    let answer = bob.ask(since).await;
    assert_eq!((&answer["recovered"], &answer["head_seq"]), (&json!(true), &json!(303)));
    for n in 300..330 {
        say(&chat, &room, "alice", &n.to_string()).await;
    }
    for seq in 1..=333 {
        assert_eq!(bob.next_op("event").await["seq"], seq);
    }
}

#[tokio::test]
async fn hello_takes_up_many_rooms_at_once() {
    let chat = chat().await;
    let mine = room_of(&chat, &["alice", "bob"]).await;
    let secret = NewRoom::private("secret");
    let secret = chat.as_user(&user("alice")).create_room(secret).await.expect("made").room;
    say(&chat, &mine, "alice", "missed").await;
    let mut bob = connect(&chat);
    bob.send(&json!({
        "op": "hello", "versions": [1], "token": "bob", "device": "d",
        "rooms": {
            mine.as_str(): {"epoch": chat.epoch(), "seq": 3},
            secret.as_str(): {"seq": 0},
            "nowhere": {"seq": 0},
        }
    }))
    .await;
    let rooms = bob.next_op("welcome").await["rooms"].take();
    assert_eq!(rooms[mine.as_str()]["recovered"], true);
    assert_eq!(rooms[secret.as_str()]["code"], "not_found");
    assert_eq!(rooms[secret.as_str()], rooms["nowhere"], "no telling which one exists");
    assert_eq!(bob.next_text().await, "missed");
}

#[tokio::test]
async fn a_cursor_of_another_life_is_not_recovered() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let mut peer = hello(&chat, "alice").await;
    for since in [json!({"epoch": "other", "seq": 1}), json!({"seq": 99})] {
        let ask = json!({"op": "subscribe", "id": 2, "room": room, "since": since});
        assert_eq!(peer.ask(ask).await["recovered"], false);
    }
    say(&chat, &room, "alice", "new").await;
    assert_eq!(peer.next_text().await, "new");
}

#[tokio::test(start_paused = true)]
async fn one_who_never_acks_gets_a_window_a_gap_and_a_goodbye() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let other = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = connect(&chat);
    bob.send(&json!({
        "op": "hello", "versions": [1], "token": "bob", "device": "d", "window": 10
    }))
    .await;
    assert_eq!(bob.next_op("welcome").await["limits"]["window"], 10);
    bob.subscribe(&room).await;
    bob.ask(json!({"op": "subscribe", "id": 2, "room": other})).await;
    for n in 0..1100 {
        say(&chat, &room, "alice", &n.to_string()).await;
    }
    for n in 0..10 {
        assert_eq!(bob.next_text().await, n.to_string());
    }
    let gap = bob.next().await.expect("open");
    assert_eq!(
        (&gap["op"], &gap["reason"], &gap["room"]),
        (&json!("gap"), &json!("slow"), &json!(room))
    );
    say(&chat, &other, "alice", "elsewhere").await;
    assert_eq!(bob.next_text().await, "elsewhere", "other rooms go on");
    // Heartbeats do not count as progress.
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(13)).await;
        bob.send(&json!({"op": "ping", "ts": 0})).await;
    }
    assert_eq!(bob.closing().await, CloseCode::SlowConsumer);
}

#[tokio::test]
async fn acks_open_the_window_and_a_gap_is_caught_up() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = connect(&chat);
    bob.send(&json!({
        "op": "hello", "versions": [1], "token": "bob", "device": "d", "window": 10
    }))
    .await;
    bob.next_op("welcome").await;
    bob.subscribe(&room).await;
    for n in 0..1100 {
        say(&chat, &room, "alice", &n.to_string()).await;
    }
    let mut last = 3;
    let mut gaps = 0;
    while last < 1103 {
        let frame = bob.next().await.expect("open");
        match frame["op"].as_str() {
            Some("event") => {
                last += 1;
                assert_eq!(frame["seq"], last);
                if last % 5 == 0 {
                    bob.send(&json!({"op": "ack", "rooms": {room.as_str(): last}})).await;
                }
            }
            Some("gap") => {
                gaps += 1;
                bob.send(
                    &json!({"op": "subscribe", "id": 9, "room": room, "since": {"seq": last}}),
                )
                .await;
            }
            _ => assert_eq!(frame["recovered"], true),
        }
    }
    assert_eq!(gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_never_reads_is_bounded_and_closed_and_hurts_nobody() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob", "carol"]).await;
    let mut carol = hello(&chat, "carol").await;
    carol.subscribe(&room).await;
    let narrow = connect_with(&chat, Wire::WebSocketJson, Config::default(), 4096);
    let mut bob = welcomed(narrow, "bob").await;
    bob.subscribe(&room).await;
    let long = "x".repeat(8_000);
    for _ in 0..500 {
        say(&chat, &room, "alice", &long).await;
        assert_eq!(carol.next_text().await.len(), 8_000);
    }
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(13)).await;
        bob.send(&json!({"op": "ping", "ts": 0})).await;
        carol.send(&json!({"op": "ping", "ts": 0})).await;
    }
    let ended = bob.ended.await.expect("no panic");
    assert_eq!(ended, Ended::Closed(CloseCode::SlowConsumer));
    say(&chat, &room, "alice", "still here").await;
    assert_eq!(carol.next_text().await, "still here");
}

#[tokio::test]
async fn nothing_later_than_a_kick_is_delivered() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = hello(&chat, "bob").await;
    bob.subscribe(&room).await;
    say(&chat, &room, "alice", "before").await;
    let kick = MemberAction::Kick { reason: None };
    chat.as_user(&user("alice")).member(&room, &user("bob"), kick).await.expect("kicked");
    say(&chat, &room, "alice", "after").await;
    let ask = json!({"op": "history", "id": 5, "room": room});
    bob.send(&ask).await;
    let mut seen = Vec::new();
    loop {
        let frame = bob.next().await.expect("open");
        if frame["id"] == 5 {
            assert_eq!(frame["op"], "error");
            break;
        }
        seen.push(frame);
    }
    assert!(seen.iter().any(|f| f["op"] == "membership" && f["state"] == "kicked"), "{seen:?}");
    assert!(seen.iter().all(|f| f["text"] != "after" && f["kind"] != "kick"), "{seen:?}");
}

#[tokio::test]
async fn readers_from_outside_hear_of_the_end_of_a_room() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let mut reader = hello(&chat, "reader").await;
    reader.subscribe(&room).await;
    chat.as_user(&user("alice")).leave(&room).await.expect("left");
    let end = reader.next_op("membership").await;
    assert_eq!((&end["state"], &end["room"]), (&json!("left"), &json!(room)));
    let again = reader.ask(json!({"op": "subscribe", "id": 1, "room": room})).await;
    assert_eq!(again["code"], "not_found");
}

#[tokio::test]
async fn a_revoked_session_is_closed_at_once() {
    let chat = chat().await;
    let mut peer = hello(&chat, "alice").await;
    chat.hub().revoke(&user("alice"), &SessionId::parse("s-alice").expect("valid"));
    assert_eq!(peer.closing().await, CloseCode::Revoked);
}

#[tokio::test(start_paused = true)]
async fn an_expiring_token_is_warned_of_and_can_be_renewed() {
    let chat = chat().await;
    let mut peer = hello(&chat, "alice@100").await;
    tokio::time::advance(Duration::from_secs(30)).await;
    peer.send(&json!({"op": "ping", "ts": 0})).await;
    let warning = peer.next_op("auth_expiring").await;
    assert_eq!(warning["expires_at"], RuntimeClock::START.after(Duration::from_secs(100)).0);
    let other = peer.ask(json!({"op": "auth", "id": 1, "token": "bob"})).await;
    assert_eq!(other["code"], "forbidden");
    let renewed = peer.ask(json!({"op": "auth", "id": 2, "token": "alice@145"})).await;
    assert!(renewed["token_expires_at"].is_number(), "{renewed}");
    peer.next_op("auth_expiring").await;
    for _ in 0..2 {
        peer.ask(json!({"op": "rooms", "id": 3})).await;
        tokio::time::advance(Duration::from_secs(25)).await;
    }
    peer.send(&json!({"op": "ping", "ts": 0})).await;
    assert_eq!(peer.closing().await, CloseCode::Unauthenticated);
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_answers_first() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let mut peer = hello(&chat, "alice").await;
    peer.send(&json!({"op": "send", "id": 1, "room": room, "client_msg_id": "c", "text": "last"}))
        .await;
    // The frame is taken in before the bell of the drain is heard, or is never taken in at all.
    assert_eq!(peer.next_op("result").await["id"], 1);
    chat.drain();
    let goaway = peer.next_op("goaway").await;
    assert!(goaway["retry_after_ms"].is_number());
    assert_eq!(peer.closing().await, CloseCode::GoingAway);
    let mut late = connect(&chat);
    late.send(&json!({"op": "hello", "versions": [1], "token": "alice", "device": "d"})).await;
    assert_eq!(late.closing().await, CloseCode::GoingAway);
}

#[tokio::test]
async fn hanging_up_takes_nothing_back() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice"]).await;
    let alice = chat.as_user(&user("alice"));
    let mut live = alice.subscribe(&room, Cursor::start()).await.expect("readable");
    let peer = hello(&chat, "alice").await;
    let send = json!({"op": "send", "id": 1, "room": room, "client_msg_id": "c", "text": "bye"});
    peer.send(&send).await;
    drop(peer.io);
    assert_eq!(peer.ended.await.expect("no panic"), Ended::Gone);
    loop {
        let entry = live.next().await.expect("readable").expect("more");
        if entry.client_msg_id.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn requests_beyond_the_cap_are_refused_one_by_one() {
    let chat = chat().await;
    let config = Config::new(Announced { subscriptions: 2, ..Announced::default() });
    let peer = connect_with(&chat, Wire::WebSocketJson, config, 1 << 20);
    let mut peer = welcomed(peer, "alice").await;
    for n in 0..3 {
        let room = room_of(&chat, &["alice"]).await;
        let answer = peer.ask(json!({"op": "subscribe", "id": n, "room": room})).await;
        let expected = if n < 2 { json!(null) } else { json!("limit_reached") };
        assert_eq!(answer["code"], expected, "{answer}");
    }
}

#[tokio::test]
async fn a_signal_reaches_those_who_listen_and_not_its_sender() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut alice = hello(&chat, "alice").await;
    alice.subscribe(&room).await;
    let mut bob = hello(&chat, "bob").await;
    bob.subscribe(&room).await;
    alice
        .send(&json!({"op": "signal", "room": room, "kind": "typing", "on": true, "ttl_ms": 5000}))
        .await;
    let signal = bob.next_op("signal").await;
    assert_eq!((&signal["user"], &signal["on"]), (&json!("alice"), &json!(true)));
    alice.send(&json!({"op": "ping", "ts": 1})).await;
    loop {
        let frame = alice.next().await.expect("open");
        assert_ne!(frame["kind"], "typing");
        if frame["op"] == "pong" {
            break;
        }
    }
}

#[tokio::test]
async fn presence_is_told_at_first_and_then_as_it_changes() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut alice = hello(&chat, "alice").await;
    assert_eq!(alice.subscribe(&room).await["presence"], json!(["alice"]));
    let mut bob = hello(&chat, "bob").await;
    assert_eq!(bob.subscribe(&room).await["presence"], json!(["alice", "bob"]));
    let came = alice.next_op("signal").await;
    assert_eq!((&came["kind"], &came["user"]), (&json!("presence"), &json!("bob")));
    drop(bob.io);
    let gone = alice.next_op("signal").await;
    assert_eq!((&gone["user"], &gone["on"]), (&json!("bob"), &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn an_ack_moves_the_delivered_mark_after_a_while() {
    let chat = chat().await;
    let room = room_of(&chat, &["alice", "bob"]).await;
    let mut bob = hello(&chat, "bob").await;
    bob.subscribe(&room).await;
    say(&chat, &room, "alice", "hi").await;
    let seq = bob.next_op("event").await["seq"].take();
    bob.send(&json!({"op": "ack", "rooms": {room.as_str(): seq}})).await;
    let mark = bob.next_op("mark").await;
    assert_eq!((&mark["user"], &mark["delivered_seq"]), (&json!("bob"), &seq));
}
