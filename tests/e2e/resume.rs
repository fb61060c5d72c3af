//! Readers who come and go while others write.

use std::time::Duration;

use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, PATIENCE, Person, Server, WsClient, count};
use serde_json::{Value, json};

use crate::senders::{Ledger, connect_all, send_on};

/// Moments that differ from round to round, and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are good enough to choose moments by.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A reader's place, which each event must carry on by one.
#[derive(Debug)]
struct Place {
    epoch: Value,
    last: u64,
}

impl Place {
    fn take(&mut self, event: &Value) {
        assert_eq!(seq(event), self.last + 1, "no gap and nothing twice: {event}");
        assert_eq!(event["epoch"], self.epoch);
        self.last = seq(event);
    }
}

async fn subscribe(client: &WsClient, room: &str, place: &Place) -> Value {
    let since = json!({ "epoch": place.epoch, "seq": place.last });
    let subscribed = client.request("subscribe", json!({ "room": room, "since": since })).await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    subscribed
}

async fn room_of_many(people: &[Person]) -> String {
    let room = people[0].create_room("public", "resume").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    room
}

/// `CHATCORE_E2E_RECONNECTS` reconnects at moments of all kinds, while ten write.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_reconnects_at_any_moment_misses_nothing_and_sees_nothing_twice() {
    let reconnects = count("CHATCORE_E2E_RECONNECTS", 100);
    let server = Server::start().await;
    let people = server.http().register_many("writer", 11).await;
    let (reader, writers) = people.split_last().expect("eleven");
    let room = room_of_many(&people).await;
    let ledger = Ledger::default();
    let clients = connect_all(&server, writers).await;
    let mut tasks = send_on(clients, &room, "resume", &ledger);

    let epoch = reader.http.get(&format!("/api/v1/rooms/{room}")).await.expect(200).json();
    let mut place = Place { epoch: epoch["epoch"].clone(), last: 0 };
    let mut dice = Dice(2026);
    for round in 0..reconnects {
        let encoding = if round % 2 == 0 { Encoding::Json } else { Encoding::Msgpack };
        let mut client = server.connect(reader, encoding).await;
        subscribe(&client, &room, &place).await;
        let events = dice.below(60);
        for _ in 0..events {
            let event = client.next_event_or_gap(&room).await;
            match event {
                Some(event) => place.take(&event),
                // Fell behind: the server says so, and the reader asks again.
                None => drop(subscribe(&client, &room, &place).await),
            }
        }
        // Some leave in order, most in the middle of whatever was on its way.
        match dice.below(4) {
            0 => client.close().await,
            1 => {
                tokio::time::sleep(Duration::from_millis(dice.below(15))).await;
                client.cut();
            }
            _ => client.cut(),
        }
    }
    ledger.stop();
    while let Some(task) = tasks.join_next().await {
        task.expect("every send is answered");
    }

    let mut client = server.connect(reader, Encoding::Json).await;
    let head = subscribe(&client, &room, &place).await["head_seq"].as_u64().expect("a head");
    while place.last < head {
        match client.next_event_or_gap(&room).await {
            Some(event) => place.take(&event),
            None => drop(subscribe(&client, &room, &place).await),
        }
    }
    assert_eq!(head, 11 + 1 + ledger.count() as u64, "everything that was sent was seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_survives_a_restart_of_the_server() {
    let mut server = Server::start().await;
    let people = server.http().register_many("one", 2).await;
    let room = room_of_many(&people).await;
    let mut reader = server.connect(&people[1], Encoding::Json).await;
    let first = reader.request("subscribe", json!({ "room": room })).await;
    let mut place =
        Place { epoch: first["epoch"].clone(), last: first["head_seq"].as_u64().expect("a head") };
    people[0].send(&room, "before", "before").await.expect(201);
    place.take(&reader.next("event").await);
    server.kill();
    drop(reader);
    server.restart().await;
    people[0].send(&room, "after", "after").await.expect(201);
    let mut reader = server.connect(&people[1], Encoding::Msgpack).await;
    subscribe(&reader, &room, &place).await;
    let event = reader.next("event").await;
    assert_eq!(event["text"], "after");
    place.take(&event);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_carried_on_is_said_to_be_lost() {
    let server = Server::start().await;
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "cursors").await;
    let client = server.connect(&ann, Encoding::Json).await;
    let now = client.request("subscribe", json!({ "room": room })).await;
    let (epoch, head) = (now["epoch"].clone(), now["head_seq"].as_u64().expect("a head"));
    for since in
        [json!({ "epoch": "another", "seq": 1 }), json!({ "epoch": epoch, "seq": head + 5 })]
    {
        let fields = json!({ "room": room, "since": since });
        let subscribed = client.request("subscribe", fields).await;
        assert_eq!(subscribed["recovered"], false, "{since}: {subscribed}");
        assert_eq!(subscribed["head_seq"], head);
    }
}

/// Once more is due than a room keeps at hand, one gap stands for all of it; nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_acks_nothing_gets_a_gap_and_the_others_everything() {
    let server = Server::start().await;
    let people = server.http().register_many("one", 3).await;
    let room = room_of_many(&people).await;
    let options = chatcore_tests::ws::Options { ack: false, ..Default::default() };
    let mut silent = WsClient::open_with(server.address(), Encoding::Json, options).await.unwrap();
    let welcome = silent.hello_with(&people[1], json!({ "window": 16 })).await;
    let window = welcome["limits"]["window"].as_u64().expect("a window");
    silent.request("subscribe", json!({ "room": room })).await;
    let mut good = server.connect(&people[2], Encoding::Json).await;
    let subscribed = good.request("subscribe", json!({ "room": room })).await;
    let mut place = Place {
        epoch: subscribed["epoch"].clone(),
        last: subscribed["head_seq"].as_u64().expect("a head"),
    };
    let writer = server.connect(&people[0], Encoding::Json).await;
    // More bytes than a room keeps at hand (1 MiB).
    let sends = 400;
    for number in 0..sends {
        let fields = json!({
            "room": room, "client_msg_id": format!("{number}"), "text": "x".repeat(4_000),
        });
        writer.request("send", fields).await;
    }
    for _ in 0..sends {
        place.take(&good.next("event").await);
    }
    let mut events = 0;
    let gap = loop {
        let frame = silent.frame_within(PATIENCE).await.expect("a gap comes");
        match frame["op"].as_str() {
            Some("event") => events += 1,
            Some("gap") => break frame,
            _ => {}
        }
    };
    assert_eq!((gap["room"].as_str(), gap["reason"].as_str()), (Some(room.as_str()), Some("slow")));
    assert!(events <= window, "{events} unacked events, of {window}");
}
