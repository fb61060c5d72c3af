//! What was acknowledged is there, whatever happens to the server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore_quic::client::{Client, QuicLink};
use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, PATIENCE, Person, Server, WsClient, count};
use serde_json::{Value, json};

use crate::senders::{Ledger, connect_all, send_on};

/// Who sends at the same time.
const SENDERS: usize = 10;

async fn send(client: &WsClient, room: &str, client_msg_id: &str, text: &str) -> Value {
    let fields = json!({ "room": room, "client_msg_id": client_msg_id, "text": text });
    client.request("send", fields).await
}

fn assert_dense(log: &[Value]) {
    for (at, entry) in log.iter().enumerate() {
        assert_eq!(seq(entry), at as u64 + 1, "the log is dense: {entry}");
    }
    let numbers = log.iter().filter_map(|entry| entry["n"].as_u64());
    assert!(numbers.eq(1..=log.iter().filter(|e| e["kind"] == "message").count() as u64));
}

/// `CHATCORE_E2E_KILLS` kills, each after a different number of acknowledged messages.
#[tokio::test(flavor = "multi_thread")]
async fn every_acked_send_survives_kill_minus_nine() {
    let kills = count("CHATCORE_E2E_KILLS", 3);
    let mut server = Server::start().await;
    let people = server.http().register_many("sender", SENDERS).await;
    let room = people[0].create_room("public", "durable").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    let ledger = Ledger::default();
    for round in 0..kills {
        let before = ledger.count();
        let clients = connect_all(&server, &people).await;
        let mut senders = send_on(clients, &room, &format!("round{round}"), &ledger);
        // Into the middle of it: others at every round.
        let enough = before + 50 + 37 * (round % 11);
        tokio::time::timeout(PATIENCE, async {
            while ledger.count() < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("messages are acknowledged");
        server.kill();
        while let Some(sender) = senders.join_next().await {
            sender.expect("the sender only sees its connection end");
        }
        server.restart().await;
        check(&people[round % SENDERS], &room, &ledger).await;
    }
    settle(&server, &people, &room, &ledger).await;
}

/// Every acknowledged message is where its sender was told, once, and nothing is missing between.
async fn check(reader: &Person, room: &str, ledger: &Ledger) {
    let log = reader.log(room).await;
    assert_dense(&log);
    let sent = ledger.sent();
    for message in sent.iter().filter(|message| message.seq.is_some()) {
        let place = message.seq.expect("it is acknowledged");
        let entry = usize::try_from(place).ok().and_then(|place| log.get(place - 1));
        let entry = entry.unwrap_or_else(|| panic!("{message:?} is lost"));
        assert_eq!(entry["client_msg_id"], message.client_msg_id.as_str());
    }
    let mut places: HashMap<&str, u64> = HashMap::new();
    for entry in log.iter().filter(|entry| entry["kind"] == "message") {
        let name = entry["client_msg_id"].as_str().expect("every message was named");
        assert_eq!(places.insert(name, seq(entry)), None, "{name} is there twice");
    }
}

/// Sends everything again, answered or not: each message ends up in the log once, and those that were
/// there stay where they were.
async fn settle(server: &Server, people: &[Person], room: &str, ledger: &Ledger) {
    let before: HashMap<String, u64> = people[0]
        .log(room)
        .await
        .iter()
        .filter_map(|entry| Some((entry["client_msg_id"].as_str()?.to_owned(), seq(entry))))
        .collect();
    let clients = connect_all(server, people).await;
    let again = ledger.sent().into_iter().map(|message| {
        let (handle, before) = (clients[message.sender].handle(), &before);
        async move {
            let number = message.client_msg_id.rsplit('-').next().unwrap_or_default().to_owned();
            let fields = json!({
                "room": room,
                "client_msg_id": message.client_msg_id,
                "text": format!("message {number} of sender {}", message.sender),
            });
            let answer = handle.request("send", fields).await;
            let there = before.get(&message.client_msg_id).copied();
            assert_eq!(answer["duplicate"], there.is_some(), "{answer}");
            assert!(message.seq.is_none_or(|seq| Some(seq) == there));
            assert!(there.is_none_or(|there| seq(&answer) == there), "{answer}");
        }
    });
    // A few at a time: a connection has a bound on requests without an answer.
    use futures_util::StreamExt as _;
    futures_util::stream::iter(again).buffer_unordered(SENDERS).collect::<Vec<()>>().await;
    check(&people[0], room, ledger).await;
    let messages = people[0].log(room).await.iter().filter(|e| e["kind"] == "message").count();
    assert_eq!(messages, ledger.sent().len(), "each message once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_after_a_restart_is_the_same_message() {
    let mut server = Server::start().await;
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "once").await;
    let client = server.connect(&ann, Encoding::Json).await;
    let first = send(&client, &room, "only-once", "hello").await;
    assert_eq!(first["duplicate"], false);
    client.close().await;

    let status = server.stop().await;
    assert!(status.success(), "it ends in order: {status}\n{}", server.output());
    server.restart().await;

    let client = server.connect(&ann, Encoding::Msgpack).await;
    let again = send(&client, &room, "only-once", "hello").await;
    assert_eq!(again["duplicate"], true);
    for field in ["seq", "n", "message_id", "ts"] {
        assert_eq!(again[field], first[field], "{field}");
    }
    let fields = json!({ "room": room, "client_msg_id": "only-once", "text": "something else" });
    let refusal = client.try_request("send", fields).await.expect_err("another body");
    assert_eq!(refusal.code, "conflict");
    let over_rest = ann.send(&room, "only-once", "hello").await;
    assert_eq!(over_rest.json()["seq"], first["seq"], "the other transport knows it too");
    assert_eq!(ann.log(&room).await.iter().filter(|e| e["kind"] == "message").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_in_order_tells_its_clients_and_loses_nothing() {
    let mut server = Server::start().await;
    let people = server.http().register_many("sender", 4).await;
    let room = people[0].create_room("public", "drain").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    let mut watcher = server.connect(&people[0], Encoding::Json).await;
    let ledger = Ledger::default();
    let clients = connect_all(&server, &people).await;
    let mut senders = send_on(clients, &room, "drain", &ledger);
    while ledger.count() < 50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let status = server.stop().await;
    assert!(status.success(), "it ends in order: {status}\n{}", server.output());
    let goaway = watcher.next("goaway").await;
    assert!(goaway["retry_after_ms"].is_u64(), "{goaway}");
    while let Some(sender) = senders.join_next().await {
        sender.expect("a sender is answered, refused or cut off");
    }
    server.restart().await;
    check(&people[0], &room, &ledger).await;
}

/// Killed, it could not say goodbye; the next process on its address does so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_over_quic_learns_at_once_that_its_server_was_killed_and_is_back() {
    let mut server = Server::start_with_quic().await;
    let (address, pin) = server.quic();
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "general").await;
    let link = QuicLink::new(&address, pin.parse().expect("a fingerprint")).expect("a socket");
    let client = Client::builder()
        .token(ann.token.clone())
        .device("phone")
        .backoff(Duration::from_millis(50), Duration::from_millis(200))
        .connect(link)
        .expect("sound settings");
    let id = RoomId::parse(&room).expect("a room");
    client.send(&id, Draft::text("before")).await.expect("sent");
    for round in 0..3 {
        server.kill();
        server.restart().await;
        let began = Instant::now();
        client.send(&id, Draft::text(format!("after {round}"))).await.expect("sent");
        println!("sent {:?} after the server was back", began.elapsed());
        // Left to itself it would be 35 s: the heartbeat, and what QUIC waits beyond it.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    assert_dense(&ann.log(&room).await);
}
