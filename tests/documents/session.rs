//! Document 004: logging in and out, and the stats.

use std::time::Duration;

use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore_tests::Http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Cookie, Site, WRITTEN};

/// `a@example.org`, logged in by this document.
async fn session_of_a(site: &Site) -> Cookie {
    site.email("a@example.org").await;
    let fields = json!({"username": "a@example.org", "password": "sesame"});
    let reply = site.json("/auth/login", fields).await.expect(200);
    site.jar(&reply)
}

#[tokio::test]
async fn login_sets_a_safe_cookie_and_a_failed_one_is_401() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    for written in WRITTEN {
        let fields = json!({"username": "a@example.org", "password": "sesame"});
        let reply = site.post("/auth/login", &fields, written).await.expect(200);
        assert_eq!(reply.json(), json!({"userid": "a@example.org"}), "{written:?}");
        for part in ["chatcore_session=", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(reply.header("set-cookie").contains(part), "{part}");
        }
        site.jar(&reply).get("/v1/room/a@example.org").await.expect(200);
    }
    let mut answers = Vec::new();
    for bad in [
        json!({"username": "a@example.org", "password": "Sesame"}),
        json!({"username": "b@example.org", "password": "sesame"}),
        json!({"username": "nobody", "password": "sesame"}),
        json!({"username": "a@example.org"}),
        json!({"username": {"$ne": ""}, "password": {"$ne": ""}}),
    ] {
        let reply = site.json("/auth/login", bad.clone()).await.expect(401);
        assert_eq!(reply.header("set-cookie"), "", "{bad}");
        answers.push(reply.text());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "no failure says more than another: {answers:?}");
}

#[tokio::test]
async fn logout_destroys_the_session() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    a.get("/v1/stats").await.expect(200);
    let reply = a.get("/auth/logout").await.expect(200);
    assert!(reply.header("set-cookie").contains("Max-Age=0"));
    a.get("/v1/stats").await.expect(401);
    let bearer = site.http.with_token(a.token());
    bearer.get("/v1/stats").await.expect(401);
}

#[tokio::test]
async fn every_v1_path_wants_a_session_and_takes_a_bearer_token_for_one() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    let room = site.room("a@example.org").await;
    let paths = [
        (Method::GET, "/v1/room/a@example.org".to_owned()),
        (Method::POST, "/v1/room".to_owned()),
        (Method::GET, format!("/v1/logs/{room}")),
        (Method::GET, "/v1/stats".to_owned()),
        (Method::POST, "/v1/image".to_owned()),
    ];
    let bearer = site.http.with_token(a.token());
    for (method, path) in paths {
        for client in [site.http.clone(), site.http.with_token("x")] {
            let reply = Http::send(client.request(method.clone(), &path)).await.expect(401);
            assert_eq!(reply.header("content-type"), "application/json", "{path}");
            assert!(reply.json().is_object(), "{path}");
            assert_eq!(reply.header("www-authenticate"), "Bearer", "{path}");
        }
        let reply = Http::send(bearer.request(method.clone(), &path)).await;
        assert_ne!(reply.status, 401, "{path}");
        let in_url = format!("{path}?token={}", a.token());
        let reply = Http::send(site.http.request(method, &in_url)).await.expect(400);
        assert_eq!(reply.header("content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn stats_count_all_that_was_ever_made_and_list_the_newest_first() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    site.nickname("bob").await;
    let bob = site.user("bob").await;
    let room = site.room("a@example.org").await;
    let caller = site.chat.as_user(&bob);
    site.clock.advance(Duration::from_secs(60));
    caller.enter(&room).await.unwrap();
    site.clock.advance(Duration::from_secs(60));
    caller.send(&room, Draft::text("hi")).await.unwrap();
    site.clock.advance(Duration::from_millis(5));
    caller.leave(&room).await.unwrap();
    let expected = json!({
        "room": 1,
        "user": 2,
        "logs": [
            {"m": "", "u": "bob", "t": "2026-03-01T12:02:00.005Z", "act": "leave"},
            {"m": "hi", "u": "bob", "t": "2026-03-01T12:02:00.000Z", "act": "message"},
            {"m": "", "u": "bob", "t": "2026-03-01T12:01:00.000Z", "act": "enter"},
            {"m": "", "u": "a@example.org", "t": "2026-03-01T12:00:00.000Z", "act": "enter"},
        ],
    });
    let stats = a.get("/v1/stats").await.expect(200);
    assert_eq!(stats.json(), expected);

    let id = site.user("a@example.org").await;
    site.chat.as_user(&id).leave(&room).await.unwrap();
    let stats = a.get("/v1/stats").await.expect(200).json();
    assert_eq!(stats["room"], 1, "deleted ones count");
}

#[tokio::test]
async fn stats_show_nothing_of_rooms_that_the_caller_may_not_read() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    site.nickname("bob").await;
    let bob = site.chat.as_user(&site.user("bob").await);
    let hidden = bob.create_room(NewRoom::private("x")).await.unwrap().room;
    bob.send(&hidden, Draft::text("secret")).await.unwrap();
    let stats = a.get("/v1/stats").await.expect(200);
    assert_eq!(stats.json(), json!({"room": 1, "user": 2, "logs": []}));
}

#[tokio::test]
async fn stats_go_on_where_the_link_says_until_all_is_seen() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    let id = site.user("a@example.org").await;
    let room = site.room("a@example.org").await;
    let caller = site.chat.as_user(&id);
    for n in 0..130 {
        caller.send(&room, Draft::text(n.to_string())).await.unwrap();
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/v1/stats?limit=60".to_owned();
    loop {
        let page = a.get(&path).await.expect(200);
        let logs = page.json()["logs"].as_array().unwrap().clone();
        seen.extend(logs.iter().map(|log| log["m"].as_str().unwrap().to_owned()));
        match page.header("link").strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((next, rest)) => {
                assert_eq!(rest, "; rel=\"next\"");
                assert_eq!(logs.len(), 60);
                path = next.to_owned();
            }
            None => break,
        }
    }
    let mut expected: Vec<String> = (0..130).rev().map(|n| n.to_string()).collect();
    expected.push(String::new());
    assert_eq!(seen, expected, "the last is the entering");
    assert_eq!(a.get("/v1/stats").await.json()["logs"].as_array().unwrap().len(), 131);
}

#[tokio::test]
async fn stats_asked_for_in_an_odd_way_are_an_error_page() {
    let site = Site::start().await;
    let a = session_of_a(&site).await;
    for query in [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1000000000",
        "limit=x",
        "before=-1",
        "limit=1&limit=2",
        "offset=3",
        "before=",
    ] {
        let reply = a.get(&format!("/v1/stats?{query}")).await.expect(400);
        assert!(reply.header("content-type").starts_with("text/html"), "{query}");
        assert!(reply.text().contains("<html"), "{query}");
    }
}

#[tokio::test]
async fn stats_of_a_store_that_fails_are_500_with_a_page() {
    let site = crate::fixture::failing().await;
    let reply = site.http.with_token("anything").get("/v1/stats").await.expect(500);
    assert!(reply.header("content-type").starts_with("text/html"));
    assert!(reply.text().contains("<html") && !reply.text().contains("secret"), "{}", reply.text());
    assert!(reply.header("content-security-policy").contains("default-src 'none'"));
    let reply = site.http.with_token("anything").get("/v1/room/me").await.expect(400);
    assert_eq!(reply.json(), Value::Null);
    let reply = site.http.with_token("anything").get("/v1/logs/x").await.expect(400);
    assert_eq!(reply.json(), json!({"logs": []}));
}
