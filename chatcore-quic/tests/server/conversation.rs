//! What honest clients see that is QUIC's own: the rest is the transport suite's, in `tests/`.

use std::net::{Ipv4Addr, UdpSocket};

use chatcore::protocol::CloseCode;
use chatcore_quic::Stopped;
use chatcore_quic::server::SelfSigned;
use serde_json::{Value, json};

use crate::support::{server, soon};

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
