//! More than anyone needs.

use std::time::{Duration, Instant};

use chatcore_tests::ws::Options;
use chatcore_tests::{Encoding, WsClient};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Bare, Next, until};
use crate::site::Site;

/// Rule 61, subscriptions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_rooms_than_one_connection_may_follow() {
    let site = Site::with(|setup| {
        setup.session = |session| session.limits.subscriptions = 8;
    })
    .await;
    let ann = site.person("ann").await;
    let mut rooms = Vec::new();
    for n in 0..10 {
        rooms.push(ann.create_room("public", &format!("room {n}")).await);
    }
    let mut bare = Bare::welcomed(&site, &ann).await;
    // The same room over and over takes one place, and rooms that are not there take none.
    for id in 0..2_000 {
        let room = if id % 2 == 0 { rooms[0].clone() } else { format!("absent-{id}") };
        bare.say(json!({ "op": "subscribe", "id": id, "room": room })).await;
        let answer = bare.answer(id).await;
        assert_eq!(answer["op"] == "result", id % 2 == 0, "{answer}");
    }
    let mut taken = 0;
    for (id, room) in (3_000..).zip(&rooms) {
        bare.say(json!({ "op": "subscribe", "id": id, "room": room })).await;
        let answer = bare.answer(id).await;
        match answer["op"].as_str() {
            Some("result") => taken += 1,
            _ => assert_eq!(answer["code"], "limit_reached", "{answer}"),
        }
    }
    assert_eq!(taken, 8);
    // All at once, without waiting: still no more.
    let mut bare = Bare::welcomed(&site, &ann).await;
    for (id, room) in (0..).zip(&rooms) {
        bare.say(json!({ "op": "subscribe", "id": id, "room": room })).await;
    }
    let mut taken = 0;
    for _ in 0..10 {
        taken += u32::from(bare.hear().await["op"] == "result");
    }
    assert_eq!(taken, 8);
    bare.say(json!({ "op": "unsubscribe", "id": 90, "room": rooms[0] })).await;
    bare.answer(90).await;
    bare.say(json!({ "op": "subscribe", "id": 91, "room": rooms[9] })).await;
    assert_eq!(bare.answer(91).await["op"], "result");
}

/// Rule 61, requests: each gets exactly one answer, whoever may not be served is told so, and others
/// are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_requests_without_waiting() {
    const REQUESTS: u64 = 20_000;
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let bob = site.person("bob").await;
    let room = ann.create_room("public", "room").await;
    for n in 0..50 {
        ann.send(&room, &n.to_string(), "some text").await.expect(201);
    }
    let flooding = Bare::welcomed(&site, &ann).await;
    let (mut sink, stream) = futures_util::StreamExt::split(flooding.socket);
    let flood = tokio::spawn(async move {
        use futures_util::SinkExt as _;
        for id in 0..REQUESTS {
            let frame = json!({ "op": "history", "id": id, "room": room, "limit": 5 });
            if sink.feed(Message::text(frame.to_string())).await.is_err() {
                return;
            }
        }
        let _ = sink.flush().await;
    });
    let answers = tokio::spawn(async move {
        let mut stream = stream;
        let mut answered = vec![0_u8; REQUESTS as usize];
        let (mut served, mut refused) = (0_u64, 0_u64);
        while served + refused < REQUESTS {
            let next = futures_util::StreamExt::next(&mut stream).await;
            let Some(Ok(Message::Text(text))) = next else { break };
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            match frame["op"].as_str() {
                Some("result") => served += 1,
                _ => {
                    assert_eq!(frame["code"], "limit_reached", "{frame}");
                    refused += 1;
                }
            }
            answered[frame["id"].as_u64().unwrap() as usize] += 1;
        }
        (served, refused, answered)
    });
    // Meanwhile others are served.
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        bob.http.get("/api/v1/me").await.expect(200);
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let answers = tokio::time::timeout(Duration::from_secs(60), answers).await;
    let (served, refused, answered) = answers.expect("all are answered in time").unwrap();
    flood.await.unwrap();
    assert_eq!(served + refused, REQUESTS, "{served} {refused}");
    assert!(served > 0);
    assert!(answered.iter().all(|count| *count == 1), "each has one answer");
}

/// Rule 62, over a real socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_never_reads_is_let_go_and_nobody_waits_for_them() {
    let site = Site::with(|setup| {
        setup.session = |session| session.stall = Duration::from_secs(1);
    })
    .await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let deaf = site.person("deaf").await;
    let mut bare = Bare::welcomed(&site, &deaf).await;
    bare.say(json!({ "op": "subscribe", "id": 1, "room": room })).await;
    bare.answer(1).await;
    let mut reader = site.socket(&ann).await;
    reader.request("subscribe", json!({ "room": room })).await;
    let before = site.chat.hub().connections();

    let text = "x".repeat(32 << 10);
    let mut slowest = Duration::ZERO;
    for n in 0..400_u64 {
        let begun = Instant::now();
        let send = json!({ "room": room, "client_msg_id": n.to_string(), "text": text });
        let sent = reader.request("send", send).await;
        slowest = slowest.max(begun.elapsed());
        assert_eq!(reader.next_event(&room, "message").await["seq"], sent["seq"]);
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    until(|| site.chat.hub().connections() == before - 1).await;
    // What the server still held for the deaf one when it let go is bounded; what came before the
    // goodbye is whole and in order.
    let mut last = 2;
    let mut bytes = 0;
    loop {
        match bare.next().await {
            Next::Frame(frame) if frame["op"] == "event" => {
                let seq = frame["seq"].as_u64().unwrap();
                assert_eq!(seq, last + 1);
                last = seq;
                bytes += 32 << 10;
            }
            Next::Frame(frame) => {
                assert!(frame["op"] == "gap" || frame["op"] == "signal", "{frame}");
            }
            Next::Closed(code) => break assert!(matches!(code, None | Some(4004)), "{code:?}"),
        }
    }
    assert!(bytes <= 12 << 20, "{bytes} bytes were on the way");
    assert_eq!(ann.log(&room).await.len(), 402);
}

/// Rule 62, a client that reads but never acks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_never_acks_gets_a_window_and_a_gap() {
    let site = Site::with(|setup| {
        setup.session = |session| {
            session.stall = Duration::from_millis(500);
            session.limits.window = 16;
        };
    })
    .await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let calm = ann.create_room("public", "calm").await;
    let options = Options { ack: false, ..Options::default() };
    let mut client = WsClient::open_with(site.address, Encoding::Json, options).await.unwrap();
    client.hello(&ann).await;
    client.request("subscribe", json!({ "room": room })).await;
    client.request("subscribe", json!({ "room": calm })).await;
    for n in 0..40 {
        ann.send(&room, &n.to_string(), "x").await.expect(201);
    }
    ann.send(&calm, "1", "the other room goes on").await.expect(201);
    let (mut events, mut calmly) = (0, false);
    while let Some(frame) = client.frame_within(chatcore_tests::PATIENCE).await {
        match (frame["op"].as_str(), frame["room"] == room.as_str()) {
            (Some("event"), true) => events += 1,
            (Some("event"), false) => calmly = true,
            _ => {}
        }
    }
    assert_eq!(events, 16);
    assert!(calmly, "another room of the same connection flows on");
    match client.ended().await {
        chatcore_tests::ws::Ended::Closed(code, _) => assert_eq!(code, 4004),
        lost => panic!("{lost:?}"),
    }
    assert_eq!(ann.log(&room).await.len(), 42);
}

/// Acks of what was never sent open no window and move no mark.
#[tokio::test]
async fn acks_of_what_was_never_sent() {
    let site = Site::with(|setup| {
        setup.session = |session| session.limits.window = 4;
    })
    .await;
    let ann = site.person("ann").await;
    let bob = site.person("bob").await;
    let room = ann.create_room("public", "room").await;
    let hidden = bob.create_room("private", "hidden").await;
    let mut bare = Bare::welcomed(&site, &ann).await;
    bare.say(json!({ "op": "subscribe", "id": 1, "room": room })).await;
    bare.answer(1).await;
    let beyond = 9_007_199_254_740_991_u64;
    bare.say(json!({ "op": "ack", "rooms": { &room: beyond, &hidden: 1, "absent": 1 } })).await;
    bare.say(json!({ "op": "ack", "rooms": { &room: 0 } })).await;
    for bad in [json!({ &room: -1 }), json!({ &room: "1" }), json!([]), json!({ "a b": 1 })] {
        bare.say(json!({ "op": "ack", "rooms": bad })).await;
        assert_eq!(bare.hear().await["op"], "error");
    }
    bare.lives().await;
    for n in 0..10 {
        bob.enter(&room).await;
        bob.send(&room, &n.to_string(), "x").await.expect(201);
    }
    bare.say(json!({ "op": "ping", "ts": 99 })).await;
    let mut events = 0;
    loop {
        let frame = bare.hear().await;
        match frame["op"].as_str() {
            Some("event") => events += 1,
            Some("pong") => break,
            _ => assert_eq!(frame["op"], "mark", "{frame}"),
        }
    }
    assert!(events <= 4, "{events} events in a window of 4");
    let members = ann.http.get(&format!("/api/v1/rooms/{room}/members")).await.json();
    let delivered = members["members"].as_array().unwrap().iter();
    let delivered = delivered.map(|m| m["delivered_seq"].as_u64().unwrap()).max().unwrap();
    assert!(delivered <= 13, "{members}");
}

/// A flood of signals: nothing is stored, nobody is harmed, and who may not signal is not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_signals() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let mut listener = site.socket(&ann).await;
    listener.request("subscribe", json!({ "room": room })).await;
    let eve = site.person("eve").await;
    let mut bare = Bare::welcomed(&site, &eve).await;
    let signal = |kind: &str, ttl: u64| json!({ "op": "signal", "room": room, "kind": kind, "on": true, "ttl_ms": ttl });
    // Eve reads the public room from outside, and may not be heard in it.
    for _ in 0..500 {
        bare.say(signal("typing", 1_000)).await;
    }
    bare.lives().await;
    ann.send(&room, "1", "quiet here").await.expect(201);
    let frame = listener.next_frame().await;
    assert_eq!(frame["op"], "event", "a stranger was heard: {frame}");
    eve.enter(&room).await;
    listener.next_event(&room, "enter").await;
    for _ in 0..5_000 {
        bare.say(signal("typing", u64::from(u32::MAX))).await;
    }
    bare.lives().await;
    let heard = listener.next("signal").await;
    assert_eq!(heard["user"], eve.user.as_str());
    assert!(heard["ttl_ms"].as_u64().unwrap() <= 60_000, "{heard}");
    for bad in ["", "presence", "x y", &"k".repeat(33)] {
        bare.say(signal(bad, 1)).await;
        assert_eq!(bare.hear().await["op"], "error", "{bad}");
    }
    assert_eq!(ann.log(&room).await.len(), 4);
    site.still_serves(&ann).await;
}

/// Pings of both kinds, by the thousand, from one who does not read the answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_by_the_thousand() {
    let site = Site::with(|setup| {
        setup.session = |session| session.stall = Duration::from_secs(1);
    })
    .await;
    let ann = site.person("ann").await;
    let mut bare = Bare::welcomed(&site, &ann).await;
    let flood = async {
        for n in 0..200_000_u32 {
            let message = if n % 2 == 0 {
                Message::Ping(vec![0; 125].into())
            } else {
                Message::text(r#"{"op":"ping","ts":1}"#)
            };
            // Once the server stops reading, the socket fills up.
            use futures_util::SinkExt as _;
            if bare.socket.feed(message).await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(3), flood).await;
    site.still_serves(&ann).await;
    drop(bare);
    until(|| site.chat.hub().connections() == 0).await;
}
