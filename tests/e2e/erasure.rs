//! Someone is erased, whatever happens to the server meanwhile.

use std::time::{Duration, Instant};

use chatcore_tests::http::seq;
use chatcore_tests::{PATIENCE, Server};
use reqwest::Method;
use serde_json::json;

/// Messages of who goes: more than one step takes.
const MESSAGES: usize = 1_500;

/// The server dies as soon as it has answered, and once more on the way.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_goes_on_after_kill_minus_nine() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "square").await;
    bob.enter(&room).await;
    ann.send(&room, "kept", "what ann says").await.expect(201);
    for some in (0..MESSAGES).collect::<Vec<_>>().chunks(50) {
        let sent = some.iter().map(|n| {
            let (bob, room) = (&bob, &room);
            async move { bob.send(room, &format!("m{n}"), &format!("treasure {n}")).await }
        });
        for reply in futures_util::future::join_all(sent).await {
            reply.expect(201);
        }
    }
    let wrong = json!({ "password": "wrong horse" });
    bob.http.json(Method::DELETE, "/api/v1/me", wrong).await.expect(401);
    let body = json!({ "password": bob.password });
    bob.http.json(Method::DELETE, "/api/v1/me", body).await.expect(204);
    server.kill();
    server.restart().await;
    bob.http.get("/api/v1/me").await.expect(401);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.kill();
    server.restart().await;

    let end = Instant::now() + PATIENCE;
    let log = loop {
        // The room is usable all the while.
        ann.send(&room, &format!("{:?}", end - Instant::now()), "still here").await.expect(201);
        let log = ann.log(&room).await;
        if !log.iter().any(|entry| entry.to_string().contains("treasure")) {
            break log;
        }
        assert!(Instant::now() < end, "texts are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for (at, entry) in log.iter().enumerate() {
        assert_eq!(seq(entry), at as u64 + 1, "the log is dense: {entry}");
    }
    let of = |kind: &str| log.iter().filter(|entry| entry["kind"] == kind).count();
    assert_eq!(of("delete"), MESSAGES, "each message is deleted once");
    let tombstones = log.iter().filter(|entry| entry.get("deleted_at").is_some()).count();
    assert_eq!(tombstones, MESSAGES);
    assert_eq!(log[3]["text"], "what ann says");
    let shown = ann.http.get(&format!("/api/v1/users/{}", bob.user)).await.expect(200).json();
    assert_eq!((&shown["display_name"], shown.get("handle")), (&json!("deleted user"), None));
}
