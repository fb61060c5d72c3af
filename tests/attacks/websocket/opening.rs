//! Before anybody is known: the upgrade and the hello.

use std::time::{Duration, Instant};

use chatcore_tests::Encoding;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{Bare, Next};
use crate::site::Site;

pub(super) fn upgrade(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nhost: chat.example\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: chatcore.v1.json\r\n{more}\r\n"
    )
}

/// Rule 57.
#[tokio::test]
async fn a_page_of_another_origin_does_not_get_in_with_the_cookie() {
    let site = Site::open().await;
    let body = json!({ "handle": "ann", "password": "correct horse", "cookie": true });
    let made = site.http.post("/api/v1/accounts", body).await.expect(201);
    let cookie = made.header("set-cookie").split(';').next().unwrap().to_owned();
    let head = async |more: &str| {
        let mut raw = site.raw().await;
        raw.say(upgrade(more)).await;
        raw.head().await
    };
    for origin in [
        "https://evil.example",
        "null",
        "http://chat.example.evil",
        "http://chat.example:81",
        "http://evil.example@chat.example:1",
        "file://",
        "chat.example",
        "",
    ] {
        let answer = head(&format!("origin: {origin}\r\ncookie: {cookie}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{origin}: {answer}");
        let hidden = format!("origin: {origin}\r\ncookie: a=b; x=\"; {cookie}\r\n");
        let answer = head(&hidden).await;
        assert!(!answer.starts_with("HTTP/1.1 101"), "{origin}: {answer}");
    }
    let twice = "origin: https://evil.example\r\norigin: http://chat.example\r\n";
    let answer = head(&format!("{twice}cookie: {cookie}\r\n")).await;
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    let cross = format!("sec-fetch-site: cross-site\r\ncookie: {cookie}\r\n");
    assert!(head(&cross).await.starts_with("HTTP/1.1 403"));
    // The page of the site itself, and a client that is no browser.
    for own in ["origin: http://chat.example\r\n", ""] {
        let answer = head(&format!("{own}cookie: {cookie}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    }
}

/// Rule 66.
#[tokio::test]
async fn compression_is_offered_and_not_taken() {
    let site = Site::open().await;
    let offers =
        "permessage-deflate; client_max_window_bits, permessage-deflate, x-webkit-deflate-frame";
    let mut raw = site.raw().await;
    raw.say(upgrade(&format!("sec-websocket-extensions: {offers}\r\n"))).await;
    let answer = raw.head().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(!answer.contains("sec-websocket-extensions"), "{answer}");
    // A frame that is compressed all the same (RSV1 set), masked with zeros.
    raw.say([&[0xc1, 0x83, 0, 0, 0, 0][..], &[0xaa, 0x00, 0x00]].concat()).await;
    raw.rest().await;
}

/// What is no handshake, or not one for this server.
#[tokio::test]
async fn handshakes_that_are_none() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let good = upgrade("");
    let bad = [
        good.replace("version: 13", "version: 12"),
        good.replace("version: 13", "version: 13, 8"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        good.replace("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        good.replace("upgrade: websocket", "upgrade: h2c"),
        good.replace("connection: Upgrade", "connection: close"),
        good.replace("chatcore.v1.json", "mqtt"),
        good.replace("GET /ws", "POST /ws"),
        good.replace("HTTP/1.1", "HTTP/1.0"),
        good.replace("GET /ws", "GET /ws?token=x"),
    ];
    for request in bad {
        let mut raw = site.raw().await;
        raw.say(&request).await;
        let answer = raw.head().await;
        assert!(answer.starts_with("HTTP/1.") && !answer.contains(" 101 "), "{request}{answer}");
        let status = answer.split(' ').nth(1).unwrap();
        assert!(status.starts_with('4') || status == "501", "{request}{answer}");
    }
    site.still_serves(&ann).await;
}

/// Rule 60.
#[tokio::test]
async fn a_frame_before_hello_a_second_hello_and_none_at_all() {
    let site = Site::with(|setup| {
        setup.session = |session| session.hello = Duration::from_millis(400);
    })
    .await;
    let ann = site.person("ann").await;
    let hello = json!({ "op": "hello", "versions": [1], "token": ann.token, "device": "d" });
    for first in [
        json!({ "op": "ping", "ts": 1 }),
        json!({ "op": "rooms", "id": 1 }),
        json!({ "op": "create_room", "id": 1, "kind": "public" }),
        json!({ "op": "nothing", "id": 1 }),
        json!({ "op": ["hello"] }),
        json!({}),
    ] {
        let mut bare = Bare::open(&site, Encoding::Json).await;
        bare.say(first.clone()).await;
        bare.say(hello.clone()).await;
        loop {
            match bare.next().await {
                Next::Closed(code) => break assert_eq!(code, Some(4001), "{first}"),
                Next::Frame(frame) => assert_eq!(frame["op"], "error", "{first}: {frame}"),
            }
        }
    }
    let mut bare = Bare::welcomed(&site, &ann).await;
    bare.say(hello.clone()).await;
    assert_eq!(bare.closed().await, Some(4001));

    let begun = Instant::now();
    let mut silent = Bare::open(&site, Encoding::Json).await;
    let mut pinging = Bare::open(&site, Encoding::Json).await;
    pinging.post(Message::Ping(vec![1].into())).await;
    assert_eq!(silent.closed().await, Some(4001));
    assert_eq!(pinging.closed().await, Some(4001));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(
        site.chat
            .as_user(&crate::world::user(&ann.user))
            .stats(Default::default())
            .await
            .unwrap()
            .rooms
            == 0
    );
    site.still_serves(&ann).await;
}

/// A hello whose fields are not what they should be.
#[tokio::test]
async fn hellos_that_are_wrong() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let hello = json!({ "op": "hello", "versions": [1], "token": ann.token, "device": "d" });
    let with = |field: &str, value: Value| {
        let mut hello = hello.clone();
        hello[field] = value;
        hello
    };
    let many: serde_json::Map<String, Value> =
        (0..3_000).map(|n| (format!("r{n}"), json!({ "seq": 1 }))).collect();
    for (bad, code) in [
        (with("versions", json!([])), 4007),
        (with("versions", json!([0, 2, 99])), 4007),
        (with("versions", json!("1")), 4001),
        (with("versions", json!([-1])), 4001),
        (with("token", json!("")), 4002),
        (with("token", json!("x".repeat(100_000))), 4002),
        (with("token", json!({ "$ne": null })), 4001),
        (with("ticket", json!("x")), 4001),
        (with("device", json!("")), 4001),
        (with("device", json!("x".repeat(65))), 4001),
        (with("device", json!("a\u{0}b")), 4001),
        (with("caps", json!("ticket")), 4001),
        (with("window", json!(-1)), 4001),
        (with("window", json!("many")), 4001),
        (with("rooms", json!([])), 4001),
        (with("rooms", json!({ "../x": { "seq": 1 } })), 4001),
        (with("rooms", json!({ "r": { "seq": -1 } })), 4001),
        (with("rooms", json!({ "r": { "seq": 1.5 } })), 4001),
        (with("user", json!("root")), 4001),
        (with("session", json!("x")), 4001),
    ] {
        let mut bare = Bare::open(&site, Encoding::Json).await;
        let shown: String = bad.to_string().chars().take(150).collect();
        bare.say(bad).await;
        assert_eq!(bare.closed().await, Some(code), "{shown}");
    }
    // Odd, and bounded: more rooms than anyone may follow, and any window.
    for odd in [
        with("rooms", Value::Object(many)),
        with("window", json!(0)),
        with("window", json!(4_000_000_000_u32)),
        with("caps", json!(vec!["x"; 5_000])),
        with("versions", json!(vec![1; 5_000])),
    ] {
        let mut bare = Bare::open(&site, Encoding::Json).await;
        bare.say(odd).await;
        assert_eq!(bare.hear().await["op"], "welcome");
        bare.lives().await;
    }
    site.still_serves(&ann).await;
}
