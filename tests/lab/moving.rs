//! A client whose address changes while it talks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatcore::connection::Connection;
use chatcore::id::Seq;
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::Wire;
use chatcore::protocol::session::Config as SessionConfig;
use chatcore::testing::{MemoryPeer, memory_transport};
use chatcore_quic::client::{State, Update};
use chatcore_tests::PATIENCE;
use chatcore_tests::lab::{Conditions, Way};
use serde_json::json;

use crate::site::{Site, user};

const MOVES: usize = 20;
/// Messages between two moves.
const BETWEEN: usize = 15;

/// Bob, right at the server: sees who comes and goes in `room`.
async fn bystander(site: &Site, room: &chatcore::id::RoomId) -> MemoryPeer {
    let (transport, mut bob) = memory_transport(Wire::WebSocketJson, 1 << 22);
    let config = Arc::new(SessionConfig::default());
    let chat = site.local.chat.clone();
    site.lab.server.spawn(Connection::new(chat, transport, config).run());
    let session = chatcore::account::NewSession::default();
    let accounts = site.local.chat.accounts();
    let signed_in = accounts.start_session(&user("bob"), session).await.expect("signed in");
    let token = signed_in.tokens.session_token;
    bob.send(&json!({"op": "hello", "versions": [1], "token": token, "device": "desk"})).await;
    bob.next_op("welcome").await;
    bob.send(&json!({"op": "subscribe", "id": 1, "room": room})).await;
    bob.next_op("result").await;
    bob
}

/// How the client's address changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Move {
    /// On the way, and nobody tells the client.
    Silent,
    /// Also at the client, which goes on from another socket.
    Told,
}

async fn twenty_moves(how: Move) {
    let Some(site) = Site::open(4, Duration::from_secs(25)).await else { return };
    site.lab.set(Conditions::delay(Duration::from_millis(25)));
    let room = site.room().await;
    let link = site.quic().await;
    let client = site.connect(site.alice().await.pipeline(8), link.clone()).await;
    let mut entries = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let began = entries.next().await.expect("open").expect("not refused");
    assert!(matches!(began, Update::Began(_)));
    let mut bob = bystander(&site, &room).await;

    let states = Arc::new(AtomicUsize::new(0));
    let (seen, mut state) = (Arc::clone(&states), client.state());
    site.lab.client.spawn(async move {
        state.wait_for(|state| *state == State::Connected).await.expect("it lives");
        while state.changed().await.is_ok() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut sendings = Vec::new();
    for n in 0..MOVES * BETWEEN {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let sent = Instant::now();
        let sending = client.enqueue(&room, Draft::text(n.to_string())).await.expect("taken");
        sendings.push(tokio::spawn(async move {
            let done = sending.sent().await.expect("sent");
            (done.duplicate, sent.elapsed())
        }));
        if n % BETWEEN == BETWEEN / 2 {
            site.lab.readdress();
            if how == Move::Told {
                let link = link.clone();
                site.lab.client.run(async move { link.rebind() }).await.expect("another socket");
            }
        }
    }
    let mut times = Vec::new();
    for sending in sendings {
        let done = tokio::time::timeout(PATIENCE, sending).await.expect("in time");
        let (duplicate, time) = done.expect("no panic");
        assert!(!duplicate, "each was sent once");
        times.push(time);
    }
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    let lost = site.lab.counts(Way::Down).misdirected;
    println!(
        "{MOVES} moves ({how:?}): sends took {median:?}, at most {most:?}; {lost} packets went to \
         where she was no more"
    );

    let (mut texts, mut last) = (Vec::new(), Seq::START);
    while texts.len() < MOVES * BETWEEN {
        let update = tokio::time::timeout(PATIENCE, entries.next()).await.expect("in time");
        match update.expect("open").expect("not refused") {
            Update::Began(_) => panic!("it was subscribed to once"),
            Update::Event(event) => {
                assert_eq!(event.seq(), last.next(), "the next one, once");
                last = event.seq();
                if let Some(Body::Message { text, .. }) = event.entry().map(|entry| &entry.body) {
                    texts.push(text.parse::<usize>().expect("a number"));
                }
            }
        }
    }
    assert!(texts.into_iter().eq(0..MOVES * BETWEEN), "each once, in order");
    assert_eq!(states.load(Ordering::SeqCst), 0, "the application was told of nothing");
    assert_eq!(site.local.counters.accepted(), 1, "one connection");
    // All that bob has to be told comes before the answer to this.
    bob.send(&json!({"op": "ping", "ts": 7})).await;
    loop {
        let frame = bob.next().await.expect("open");
        match frame["op"].as_str() {
            Some("pong") => break,
            Some("signal") => panic!("nobody came or went: {frame}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_client_that_is_moved_unawares_goes_on_as_if_nothing_were() {
    twenty_moves(Move::Silent).await;
}

#[tokio::test]
async fn a_client_that_changes_networks_goes_on_as_if_nothing_were() {
    twenty_moves(Move::Told).await;
}
