//! What a hostile peer does harms that peer alone.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use chatcore::protocol::CloseCode;
use chatcore::protocol::session::Config as SessionConfig;
use quinn::TransportConfig;
use serde_json::json;

use crate::support::{server, server_with, soon};

fn session(change: impl FnOnce(&mut SessionConfig)) -> SessionConfig {
    let mut session = SessionConfig::default();
    change(&mut session);
    session
}

#[tokio::test]
async fn lengths_that_cannot_be_close_that_connection_alone() {
    let server = server().await;
    let mut other = server.hello("alice").await;
    for prefix in [0u32, 256 * 1024 + 1, u32::MAX] {
        for welcomed in [false, true] {
            let mut client = server.connect().await;
            if welcomed {
                client = client.welcomed("bob").await;
            }
            client.send_bytes(&prefix.to_be_bytes()).await;
            assert_eq!(client.answers.next().await.expect("why")["op"], "error");
            assert_eq!(client.closing().await, CloseCode::ProtocolError, "{prefix}");
        }
    }
    assert!(other.lives().await);
}

#[tokio::test]
async fn a_truncated_frame_and_one_that_is_none_close_the_connection() {
    let server = server().await;
    for bytes in [&[0, 0][..], &[0, 0, 0, 9, 0x81], &[0, 0, 0, 1, 0xc1], &[0, 0, 0, 2, 0xdd, 0xff]]
    {
        let mut client = server.hello("bob").await;
        client.send_bytes(bytes).await;
        client.requests.finish().expect("open");
        assert_eq!(client.closing().await, CloseCode::ProtocolError, "{bytes:?}");
    }
}

#[tokio::test]
async fn who_trickles_a_frame_is_given_up() {
    let session = session(|session| session.heartbeat = Duration::from_millis(300));
    let server = server_with(|config| config.with_session(session)).await;
    let mut client = server.hello("bob").await;
    let closing = client.connection.clone();
    client.send_bytes(&[0, 0, 100, 0]).await;
    let trickle = async {
        loop {
            client.send_bytes(&[0x81]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        _ = soon("closing", closing.closed()) => {}
    }
    assert_eq!(client.closing().await, CloseCode::HeartbeatTimeout);
}

#[tokio::test]
async fn who_says_nothing_is_given_up_whether_or_not_it_opened_a_stream() {
    let session = session(|session| session.hello = Duration::from_millis(300));
    let server = server_with(|config| config.with_session(session)).await;
    let mut silent = server.connect().await;
    assert_eq!(silent.closing().await, CloseCode::ProtocolError);
    let mut begun = server.connect().await;
    begun.send_bytes(&[0]).await;
    assert_eq!(begun.closing().await, CloseCode::ProtocolError);
}

#[tokio::test]
async fn a_foreign_protocol_is_refused() {
    let server = server().await;
    for protocols in [&[&b"h3"[..]][..], &[]] {
        let dialled = server.dial(TransportConfig::default(), protocols).await;
        assert!(dialled.is_err(), "{protocols:?}");
    }
    assert!(server.hello("alice").await.lives().await);
    assert_eq!(server.counters.accepted(), 1);
}

#[tokio::test]
async fn bad_and_foreign_datagrams_are_dropped_and_counted() {
    let server = server().await;
    let room = server.room_of(&["alice"]).await;
    let mut early = server.connect().await;
    let signal = json!({"op": "signal", "room": room, "kind": "typing", "on": true, "ttl_ms": 9});
    let signal = rmp_serde::to_vec_named(&signal).expect("MessagePack");
    early.send_bytes(&[0]).await;
    early.connection.send_datagram(signal.into()).expect("taken");
    let mut client = server.hello("alice").await;
    let send = json!({"op": "send", "id": 1, "room": room, "client_msg_id": "c", "text": "hi"});
    let send = rmp_serde::to_vec_named(&send).expect("MessagePack");
    for bytes in [vec![], vec![0xc1], vec![0xff; 1000], send] {
        client.connection.send_datagram(bytes.into()).expect("taken");
    }
    let counted = async {
        while server.counters.datagrams_dropped() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("counting", counted).await;
    assert!(client.lives().await);
    assert_eq!(client.subscribe(&room, None).await["head_seq"], 2, "nothing was sent by datagram");
    // And what comes from elsewhere is for no connection.
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    for n in 0..1_000u32 {
        let bytes: Vec<_> = n.to_be_bytes().into_iter().cycle().take(1_200).collect();
        stranger.send_to(&bytes, server.address).expect("sent");
    }
    assert!(client.lives().await);
    assert!(server.hello("bob").await.lives().await);
}

#[tokio::test]
async fn further_streams_of_the_client_are_not_granted() {
    let server = server().await;
    let mut client = server.hello("alice").await;
    let patience = Duration::from_millis(200);
    let _files = [client.connection.open_bi().await, client.connection.open_bi().await];
    let further = tokio::time::timeout(patience, client.connection.open_bi()).await;
    assert!(further.is_err(), "one control stream, and two for files, are all");
    let further = tokio::time::timeout(patience, client.connection.open_uni()).await;
    assert!(further.is_err(), "and none of the other kind");
    assert!(client.lives().await);
}

#[tokio::test]
async fn connections_are_capped_per_address_and_freed_again() {
    let server = server_with(|config| config.with_max_per_address(2)).await;
    let mut first = server.hello("alice").await;
    let second = server.hello("alice").await;
    assert!(server.dial(TransportConfig::default(), &[chatcore_quic::ALPN]).await.is_err());
    assert_eq!(server.counters.refused(), 1);
    second.connection.close(0u32.into(), b"");
    let again = async {
        while server.dial(TransportConfig::default(), &[chatcore_quic::ALPN]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("room for another", again).await;
    assert!(first.lives().await);
}

#[tokio::test]
async fn under_load_an_address_is_to_be_proved_first() {
    let server = server_with(|config| config.with_retry_above(0)).await;
    assert!(server.hello("alice").await.lives().await);
    assert_eq!((server.counters.retried(), server.counters.accepted()), (1, 1));
}

#[tokio::test]
async fn handshakes_above_the_cap_are_not_answered() {
    let server = server_with(|config| config.with_max_handshakes(0)).await;
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_millis(500).try_into().expect("short")));
    assert!(server.dial(transport, &[chatcore_quic::ALPN]).await.is_err());
    assert_eq!(server.counters.accepted(), 0);
}

#[tokio::test]
async fn one_who_reads_nothing_at_all_is_closed_and_holds_up_no_other() {
    let session = session(|session| session.stall = Duration::from_millis(500));
    let server = server_with(|config| config.with_session(session)).await;
    let room = server.room_of(&["alice", "bob"]).await;
    let mut alice = server.hello("alice").await;
    alice.subscribe(&room, None).await;
    let mut transport = TransportConfig::default();
    transport.stream_receive_window((16u32 * 1024).into());
    let mut bob = server.connect_with(transport).await.welcomed("bob").await;
    // Answers that nobody reads.
    let long = "x".repeat(16 * 1024);
    for _ in 0..20 {
        server.say(&room, "alice", &long).await;
    }
    for id in 0..20 {
        bob.send(&json!({"op": "history", "id": id, "room": room, "limit": 20})).await;
    }
    assert_eq!(bob.closing().await, CloseCode::SlowConsumer);
    assert!(alice.lives().await);
}
