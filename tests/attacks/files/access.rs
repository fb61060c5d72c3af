//! Who gets a file.

use chatcore_tests::Http;
use reqwest::Method;
use serde_json::json;

use super::{PIXEL, is_not_found, send_files, upload, uploaded};
use crate::site::{Site, problem, seen, text};

/// Rule 47.
#[tokio::test]
async fn a_file_is_gone_with_the_right_to_read_it() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let eve = site.person("eve").await;
    let room = ann.create_room("private", "room").await;
    let member = |what: &str| {
        let path = format!("/api/v1/rooms/{room}/members/{}", eve.user);
        let (http, body) = (ann.http.clone(), json!({ "action": what }));
        async move { http.post(&path, body).await.expect(200) }
    };
    let (id, url) = uploaded(&ann, "plan.txt", b"the plan").await;
    // Waiting for its message: its owner's alone.
    is_not_found(&eve.http.get(&url).await, "not in a message yet");
    ann.http.get(&url).await.expect(200);
    let sent = send_files(&ann, &room, "1", &[&id]).await.expect(201).json();
    is_not_found(&eve.http.get(&url).await, "an outsider");
    member("invite").await;
    is_not_found(&eve.http.get(&url).await, "invited, and not in");
    eve.enter(&room).await;
    let got = eve.http.get(&url).await.expect(200);
    let etag = got.header("etag").to_owned();

    // Once it was had, neither a tag nor a part of it brings it back.
    member("kick").await;
    is_not_found(&eve.http.get(&url).await, "kicked");
    for (name, value) in [
        ("if-none-match", etag.as_str()),
        ("if-none-match", "*"),
        ("range", "bytes=0-0"),
        ("range", "bytes=99-"),
        ("if-range", etag.as_str()),
        ("cookie", "chatcore_session=x"),
    ] {
        let request = eve.http.request(Method::GET, &url).header(name, value);
        is_not_found(&Http::send(request).await, name);
    }
    for method in [Method::HEAD, Method::POST, Method::DELETE, Method::PUT] {
        let answer = Http::send(eve.http.request(method.clone(), &url)).await;
        assert!(matches!(answer.status, 404 | 405), "{method}: {}", answer.status);
        assert!(answer.headers.get("etag").is_none(), "{method}");
    }
    // An absent file answers alike.
    let absent = url.replace(&id, &id.chars().rev().collect::<String>());
    assert_eq!(seen(&eve.http.get(&url).await), seen(&eve.http.get(&absent).await));
    // Nobody in particular is told nothing, whether it is there or not.
    let anonymous = site.http.get(&url).await;
    problem(&anonymous, 401, "unauthenticated");
    assert_eq!(seen(&anonymous), seen(&site.http.get(&absent).await));

    // With its message it is gone for everyone.
    let path = format!("/api/v1/rooms/{room}/messages/{}", text(&sent, "/message_id"));
    ann.http.json(Method::DELETE, &path, json!({ "client_msg_id": "d" })).await.expect(200);
    is_not_found(&ann.http.get(&url).await, "deleted");
    // And cannot be taken back by another message.
    let answer = send_files(&ann, &room, "2", &[&id]).await;
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
}

/// Rule 47: with a room that ends, all of its files go.
#[tokio::test]
async fn files_of_a_room_that_ended_are_gone() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let mut urls = Vec::new();
    for n in 0..5 {
        let (id, url) = uploaded(&ann, "x.txt", format!("file {n}").as_bytes()).await;
        send_files(&ann, &room, &n.to_string(), &[&id]).await.expect(201);
        ann.http.get(&url).await.expect(200);
        urls.push(url);
    }
    ann.http.post(&format!("/api/v1/rooms/{room}/leave"), json!({})).await.expect(200);
    for url in urls {
        is_not_found(&ann.http.get(&url).await, "the room is gone");
    }
}

/// Rule 48.
#[tokio::test]
async fn an_upload_of_another_is_not_sent() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let eve = site.person("eve").await;
    let room = eve.create_room("public", "room").await;
    let (id, url) = uploaded(&ann, "plan.txt", b"the plan").await;
    for files in [vec![id.as_str()], vec![&id, &id]] {
        let answer = send_files(&eve, &room, "1", &files).await;
        assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
        let absent = send_files(&eve, &room, "1", &["absent"]).await;
        assert_eq!(
            answer.json()["detail"],
            absent.json()["detail"],
            "it is not told that it is there"
        );
    }
    is_not_found(&eve.http.get(&url).await, "another's upload");
    assert_eq!(eve.log(&room).await.len(), 2);
    // One's own, twice in one message, in two messages, and where one may not write.
    let (own, _) = uploaded(&eve, "x.txt", b"x").await;
    let answer = send_files(&eve, &room, "2", &[&own, &own]).await;
    assert!(matches!(answer.status, 400 | 403 | 404), "{}", answer.text());
    let hidden = ann.create_room("private", "hidden").await;
    is_not_found(&send_files(&eve, &hidden, "3", &[&own]).await, "a room that one is not in");
    // Two messages at once, one file: it is in one of them.
    let tries = (0..10).map(|n| {
        let (eve, room, own) = (eve.clone(), room.clone(), own.clone());
        async move { send_files(&eve, &room, &format!("race{n}"), &[&own]).await.status }
    });
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    // A file that is in a room does not become a picture of oneself, seen by all.
    let most = site.chat.limits().attachments;
    let many: Vec<String> = (0..=most).map(|n| format!("absent{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    problem(&send_files(&eve, &room, "many", &many).await, 422, "limit_reached");
    assert_eq!(eve.log(&room).await.len(), 3);
}

/// Rule 56.
#[tokio::test]
async fn nothing_that_is_someones_is_left_in_a_shared_cache() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let (id, url) = uploaded(&ann, "x.png", PIXEL).await;
    let before = ann.http.get(&url).await.expect(200);
    send_files(&ann, &room, "1", &[&id]).await.expect(201);
    let part = ann.http.request(Method::GET, &url).header("range", "bytes=0-3");
    let part = Http::send(part).await.expect(206);
    let tag = before.header("etag");
    let unchanged = ann.http.request(Method::GET, &url).header("if-none-match", tag);
    let unchanged = Http::send(unchanged).await.expect(304);
    for answer in [before.clone(), ann.http.get(&url).await, part, unchanged] {
        assert_eq!(answer.header("cache-control"), "private, no-store", "{}", answer.status);
    }
    for path in ["/api/v1/me", "/api/v1/rooms", "/api/v1/sessions", "/api/v1/stats"] {
        assert!(ann.http.get(path).await.header("cache-control").contains("no-store"), "{path}");
    }
    let refused = ann.http.get(&url.replace(&id, "absent")).await;
    assert!(refused.header("cache-control").contains("no-store"));
}

/// Ranges that were made to multiply, overflow or confuse.
#[tokio::test]
async fn ranges_of_all_kinds() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let (_, url) = uploaded(&ann, "x.txt", b"0123456789").await;
    for range in [
        "bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0",
        &format!("bytes={}", "0-,".repeat(1_000)),
        "bytes=5-4",
        "bytes=-0",
        "bytes=10-",
        "bytes=18446744073709551615-",
        "bytes=0-18446744073709551616",
        "bytes=-18446744073709551616",
        "bytes=9223372036854775807-9223372036854775807",
        "bytes=a-b",
        "bytes=",
        "bytes",
        "lines=0-1",
        "bytes= 0 - 1 ",
        "bytes=0x0-0x1",
        "bytes=+0-+1",
        "bytes=--1",
    ] {
        let request = ann.http.request(Method::GET, &url).header("range", range);
        let answer = Http::send(request).await;
        assert!(matches!(answer.status, 200 | 206 | 416), "{range}: {}", answer.status);
        if answer.status != 416 {
            assert!(answer.body.len() <= 10, "{range}: {} bytes", answer.body.len());
        }
    }
    let upload_twice = upload(&ann.http, "x.txt", "", b"0123456789").await.expect(201).json();
    assert_ne!(text(&upload_twice, "/url"), url, "the same bytes again are another file");
}
