//! Clients that say nothing, or say it very slowly.

use std::time::{Duration, Instant};

use chatcore_warp::serve::{Pace, ServeConfig};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval};

use crate::site::{Raw, Site};

/// A server of little patience, so that the test needs none; the defaults are checked below.
async fn impatient() -> Site {
    let second = Duration::from_millis(300);
    Site::with(|setup| {
        setup.serving = ServeConfig::default()
            .with_header_timeout(second)
            .with_idle_timeout(second)
            .with_stall_timeout(second)
            .with_pace(Pace { grace: second, min_rate: 10_000, idle: second });
    })
    .await
}

/// One byte each 20 ms until the server has enough of it.
async fn dribble(mut raw: Raw, bytes: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for byte in bytes.bytes() {
        ticks.tick().await;
        use tokio::io::AsyncWriteExt as _;
        if raw.stream.write_all(&[byte]).await.is_err() {
            break;
        }
        if begun.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    (raw.rest().await, begun.elapsed())
}

/// Rule 14, after a good request too, where some servers stop counting.
#[tokio::test]
async fn a_second_request_that_never_comes_to_its_end() {
    let site = impatient().await;
    let ann = site.person("ann").await;
    let mut raw = site.raw().await;
    raw.say("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    let (_, took) = dribble(raw, &format!("GET /healthz HTTP/1.1\r\nx: {}", "x".repeat(500))).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (_, took) = dribble(site.raw().await, &"G".repeat(500)).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    site.still_serves(&ann).await;
}

/// Rule 14, a body in crumbs, with a length and in chunks of one byte.
#[tokio::test]
async fn a_body_in_crumbs() {
    let site = impatient().await;
    let ann = site.person("ann").await;
    let head = format!(
        "POST /api/v1/rooms HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        ann.token
    );
    for (length, crumb) in
        [("content-length: 5000", "{"), ("transfer-encoding: chunked", "1\r\n{\r\n")]
    {
        let mut raw = site.raw().await;
        raw.say(format!("{head}{length}\r\n\r\n")).await;
        let (answer, took) = dribble(raw, &crumb.repeat(500)).await;
        assert!(took < Duration::from_secs(4), "{length}: {took:?}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    site.still_serves(&ann).await;
}

/// Rule 14: hundreds of half-open connections, and those who are in are served all the while.
#[tokio::test]
async fn hundreds_of_half_requests() {
    let site = impatient().await;
    let ann = site.person("ann").await;
    let socket = site.socket(&ann).await;
    let room = socket.request("create_room", serde_json::json!({ "kind": "public" })).await;
    let mut held = Vec::new();
    for n in 0..300 {
        let mut raw = site.raw().await;
        raw.say(
            &"POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{"[..n % 60],
        )
        .await;
        held.push(raw);
    }
    let send = serde_json::json!({ "room": room["room"], "client_msg_id": "1", "text": "hello" });
    socket.request("send", send).await;
    for mut raw in held {
        raw.rest().await;
    }
    site.still_serves(&ann).await;
}

/// A WebSocket handshake that never gets a word after it is closed too, and not counted as served.
#[tokio::test]
async fn an_upgrade_and_then_silence() {
    let site = Site::with(|setup| {
        setup.session = |session| session.hello = Duration::from_millis(300);
    })
    .await;
    let ann = site.person("ann").await;
    let mut raw = site.raw().await;
    raw.say(
        "GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101"));
    raw.rest().await;
    site.still_serves(&ann).await;
}

/// Large bodies that hardly move, by nobody in particular: they take the memory that is meant for
/// their own address, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_memory_for_bodies() {
    let site = Site::with(|setup| {
        let config = std::mem::take(&mut setup.config);
        let limits = chatcore_warp::body::BodyLimits::default();
        setup.config =
            config.with_body_limits(limits.with_memory(300_000).with_large_per_address(3));
    })
    .await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let head = "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        content-length: 500000\r\n\r\n";
    let tries: FuturesUnordered<_> = (0..10)
        .map(|_| async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let mut raw = Raw { stream: socket.connect(site.address).await.unwrap() };
            raw.say(head.to_owned() + "\"" + &"x".repeat(50_000)).await;
            let answer = raw.head().await;
            (raw, answer)
        })
        .collect();
    let mut refused = tries.take(7);
    while let Some((_, answer)) = refused.next().await {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    // Three are held still, by `refused`.
    for n in 0..5 {
        ann.send(&room, &n.to_string(), &"x".repeat(60_000)).await.expect(201);
    }
    drop(refused);
    site.still_serves(&ann).await;
}
