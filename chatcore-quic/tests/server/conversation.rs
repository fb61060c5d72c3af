//! What honest clients see.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use chatcore::connection::Connection;
use chatcore::protocol::session::Config as SessionConfig;
use chatcore::protocol::{CloseCode, Wire};
use chatcore::room::MemberAction;
use chatcore::testing::memory_transport;
use chatcore_quic::Stopped;
use chatcore_quic::server::SelfSigned;
use serde_json::{Value, json};

use crate::support::{server, soon, user};

#[tokio::test]
async fn one_over_memory_and_one_over_quic_see_the_same() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob", "carol"]).await;
    let (transport, mut memory) = memory_transport(Wire::Quic, 1 << 20);
    let config = Arc::new(SessionConfig::default());
    tokio::spawn(Connection::new(server.chat.clone(), transport, config).run());
    memory.send(&json!({"op": "hello", "versions": [1], "token": "bob", "device": "memory"})).await;
    memory.next_op("welcome").await;
    let subscribe = json!({"op": "subscribe", "id": 1, "room": room, "since": {"seq": 0}});
    memory.send(&subscribe).await;
    let mut over_memory = memory.next_op("result").await;

    let mut bob = server.hello("bob").await;
    let mut over_quic = bob.subscribe(&room, Some(0)).await;
    for result in [&mut over_memory, &mut over_quic] {
        result["id"].take();
    }
    assert_eq!(over_memory, over_quic);
    let (preamble, mut events) = bob.stream().await;
    assert_eq!((&preamble["room"], &preamble["after"]), (&json!(room), &json!(0)));

    let mut alice = server.hello("alice").await;
    let sent = alice
        .ask(json!({"op": "send", "room": room, "client_msg_id": "c1", "text": "hello"}))
        .await;
    let message = sent["message_id"].clone();
    for request in [
        json!({"op": "react", "room": room, "message_id": message, "emoji": "👍"}),
        json!({"op": "edit", "room": room, "message_id": message, "client_msg_id": "c2", "text": "hi"}),
        json!({"op": "pin", "room": room, "message_id": message}),
        json!({"op": "unreact", "room": room, "message_id": message, "emoji": "👍"}),
        json!({"op": "member", "room": room, "user": "carol", "action": "kick", "reason": "spam"}),
        json!({"op": "delete", "room": room, "message_id": message, "client_msg_id": "c3"}),
        json!({"op": "update_room", "room": room, "topic": "over"}),
    ] {
        let answer = alice.ask(request).await;
        assert_eq!(answer["op"], "result", "{answer}");
    }
    let head = server.chat.as_user(&user("alice")).room(&room).await.expect("there").head_seq.0;
    assert_eq!(head, 12);
    for seq in 1..=head {
        let event = events.next().await.expect("an event");
        assert_eq!(event["seq"], seq);
        assert_eq!(event, memory.next_op("event").await);
    }
    // The same request once more is the same message.
    let again = json!({"op": "send", "room": room, "client_msg_id": "c1", "text": "hello"});
    let again = alice.ask(again).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&sent["seq"], &json!(true)));
}

#[tokio::test]
async fn signals_go_both_ways_as_datagrams_and_presence_does_not() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    let mut alice = server.hello("alice").await;
    alice.subscribe(&room, None).await;
    let came = bob.answers.next_op("signal").await;
    assert_eq!((&came["kind"], &came["user"]), (&json!("presence"), &json!("alice")));
    let typing = json!({"op": "signal", "room": room, "kind": "typing", "on": true, "ttl_ms": 900});
    let bytes = rmp_serde::to_vec_named(&typing).expect("MessagePack");
    alice.connection.send_datagram(bytes.into()).expect("taken");
    let got = soon("the signal", bob.connection.read_datagram()).await.expect("open");
    let got: Value = rmp_serde::from_slice(&got).expect("MessagePack");
    assert_eq!((&got["op"], &got["user"]), (&json!("signal"), &json!("alice")));
    assert_eq!(server.counters.datagrams_dropped(), 0);
}

#[tokio::test]
async fn a_client_whose_address_changes_stays_as_it_is() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    let mut alice = server.hello("alice").await;
    alice.subscribe(&room, None).await;
    bob.answers.next_op("signal").await;
    let mut events = None;
    for n in 0..10 {
        let request = json!({
            "op": "send", "id": 1000 + n, "room": room,
            "client_msg_id": n.to_string(), "text": n.to_string(),
        });
        alice.send(&request).await;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        alice.endpoint.rebind(socket).expect("rebound");
        let result = alice.answers.next_op("result").await;
        assert_eq!((&result["id"], &result["duplicate"]), (&json!(1000 + n), &json!(false)));
        if events.is_none() {
            events = Some(bob.stream().await.1);
        }
        let event = events.as_mut().expect("just made").next().await.expect("an event");
        assert_eq!(event["text"], n.to_string());
    }
    // Nothing was said of her coming or going; the answer to this is the next thing that is.
    bob.send(&json!({"op": "ping", "ts": 1})).await;
    assert_eq!(bob.answers.next().await.expect("open")["op"], "pong");
}

#[tokio::test]
async fn a_revoked_session_ends_at_once_and_hears_nothing_new() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    let mut other = server.hello("alice").await;
    server.say(&room, "alice", "before").await;
    let (_, mut events) = bob.stream().await;
    assert_eq!(events.next().await.expect("an event")["text"], "before");
    let session = chatcore::id::SessionId::parse("s-bob").expect("valid");
    server.chat.hub().revoke(&user("bob"), &session);
    server.say(&room, "alice", "after").await;
    assert_eq!(bob.closing().await, CloseCode::Revoked);
    assert_eq!(events.next().await, None);
    assert!(other.lives().await);
}

#[tokio::test]
async fn one_who_is_put_out_of_a_room_gets_what_was_before_and_no_more() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    server.say(&room, "alice", "before").await;
    let kick = MemberAction::Kick { reason: None };
    let kicked = server.chat.as_user(&user("alice")).member(&room, &user("bob"), kick).await;
    kicked.expect("kicked");
    server.say(&room, "alice", "after").await;
    let membership = bob.answers.next_op("membership").await;
    assert_eq!(membership["state"], "kicked");
    let (_, mut events) = bob.stream().await;
    assert_eq!(events.next().await.expect("an event")["text"], "before");
    assert_eq!(events.next().await, None, "the stream has ended");
    assert!(bob.lives().await);
}

#[tokio::test]
async fn a_server_that_stops_asks_to_go_and_says_so() {
    let server = server().await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut bob = server.hello("bob").await;
    bob.subscribe(&room, None).await;
    let mut unheard = server.connect().await;
    server.say(&room, "alice", "last words").await;
    let stopped = tokio::spawn(server.stop());
    bob.answers.next_op("goaway").await;
    let (_, mut events) = bob.stream().await;
    assert_eq!(events.next().await.expect("an event")["text"], "last words");
    assert_eq!(bob.closing().await, CloseCode::GoingAway);
    assert_eq!(unheard.closing().await, CloseCode::GoingAway);
    assert_eq!(stopped.await.expect("no panic"), Stopped::Drained);
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_server_runs() {
    let server = server().await;
    let mut before = server.hello("alice").await;
    let new = SelfSigned::make().expect("made");
    let replaced = server.certificate.replace(new.chain.as_bytes(), new.key.as_bytes());
    replaced.expect("usable");
    let dialled = server.dial(quinn::TransportConfig::default(), &[chatcore_quic::ALPN]).await;
    assert!(dialled.is_err(), "it is not the one that was trusted");
    assert!(before.lives().await);
}
