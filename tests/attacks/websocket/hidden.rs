//! Rooms that one may not know of, asked for on the wire: REST and WebSocket give the same answer as
//! for a room that is not there, to the letter.

use reqwest::Method;
use serde_json::{Value, json};

use super::Bare;
use crate::site::{Site, seen};

/// Rule 20.
#[tokio::test]
async fn a_hidden_room_answers_as_an_absent_one_to_the_letter() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let eve = site.person("eve").await;
    let hidden = ann.create_room("private", "hidden").await;
    let sent = ann.send(&hidden, "1", "secret").await.expect(201).json();
    let message = sent["message_id"].as_str().unwrap().to_owned();
    // Of the same length, so that nothing but the room tells the answers apart.
    let absent: String = hidden.chars().rev().collect();
    let mut bare = Bare::welcomed(&site, &eve).await;
    let mut listener = site.socket(&ann).await;
    listener.request("subscribe", json!({ "room": hidden })).await;

    let requests = |room: &str| -> Vec<Value> {
        let on = |op: &str, more: Value| {
            let mut frame = json!({ "op": op, "id": 1, "room": room });
            frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            frame
        };
        let message = json!({ "message_id": message });
        let mut frames = vec![
            on("enter", json!({})),
            on("leave", json!({})),
            on("subscribe", json!({})),
            on("subscribe", json!({ "since": { "seq": 1 } })),
            on("subscribe", json!({ "since": { "epoch": "x", "seq": 999_999 } })),
            on("send", json!({ "client_msg_id": "e", "text": "let me in" })),
            on("history", json!({ "limit": 1 })),
            on("history", json!({ "before": 9_000_000, "limit": 1 })),
            on("mark_read", json!({ "seq": 1 })),
            on("mark_read", json!({ "seq": 9_000_000 })),
            on("update_room", json!({ "name": "mine" })),
            on("pin", message.clone()),
            on("unpin", message.clone()),
            on(
                "edit",
                json!({ "message_id": message["message_id"], "client_msg_id": "f", "text": "x" }),
            ),
            on("delete", json!({ "message_id": message["message_id"], "client_msg_id": "g" })),
            on("react", json!({ "message_id": message["message_id"], "emoji": "👍" })),
        ];
        for action in ["invite", "kick", "ban", "unban", "mute", "unmute"] {
            for user in [&ann.user, &eve.user] {
                frames.push(on("member", json!({ "user": user, "action": action })));
            }
        }
        frames.push(on("member", json!({ "user": "nobody", "action": "invite" })));
        frames.push(on("member", json!({ "user": eve.user, "action": "role", "role": "owner" })));
        frames
    };
    for (to_hidden, to_absent) in requests(&hidden).into_iter().zip(requests(&absent)) {
        bare.say(to_hidden.clone()).await;
        let one = bare.answer(1).await;
        bare.say(to_absent).await;
        let other = bare.answer(1).await;
        assert_eq!(one, other, "{to_hidden}");
        assert_eq!(
            (&one["op"], &one["code"]),
            (&json!("error"), &json!("not_found")),
            "{to_hidden}"
        );
    }
    let hello = |room: &str| {
        json!({ "op": "hello", "versions": [1], "token": eve.token, "device": "d",
            "rooms": { room: { "seq": 1 } } })
    };
    let mut outcomes = Vec::new();
    for room in [&hidden, &absent] {
        let mut bare = Bare::open(&site, chatcore_tests::Encoding::Json).await;
        bare.say(hello(room)).await;
        outcomes.push(bare.hear().await["rooms"][room].clone());
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert!(outcomes[0].to_string().contains("not_found"), "{}", outcomes[0]);
    // Signals have no answer; the room must not hear them either.
    for kind in ["typing", "recording"] {
        bare.say(json!({ "op": "signal", "room": hidden, "kind": kind, "on": true, "ttl_ms": 1 }))
            .await;
    }
    bare.lives().await;

    let paths = |room: &str| -> Vec<(Method, String, Value)> {
        let at = |path: &str| format!("/api/v1/rooms/{room}{path}");
        vec![
            (Method::GET, at(""), json!(null)),
            (Method::PATCH, at(""), json!({ "name": "mine" })),
            (Method::POST, at("/enter"), json!({})),
            (Method::POST, at("/leave"), json!({})),
            (Method::GET, at("/members"), json!(null)),
            (Method::GET, at("/messages"), json!(null)),
            (Method::GET, at("/messages?before=9000000"), json!(null)),
            (Method::POST, at("/messages"), json!({ "client_msg_id": "r", "text": "x" })),
            (Method::GET, at(&format!("/messages/{message}")), json!(null)),
            (
                Method::PATCH,
                at(&format!("/messages/{message}")),
                json!({ "client_msg_id": "s", "text": "x" }),
            ),
            (Method::DELETE, at(&format!("/messages/{message}")), json!({ "client_msg_id": "t" })),
            (Method::PUT, at(&format!("/messages/{message}/reactions/%F0%9F%91%8D")), json!(null)),
            (Method::PUT, at(&format!("/pins/{message}")), json!(null)),
            (Method::GET, at("/log"), json!(null)),
            (Method::GET, at("/log?after=9000000"), json!(null)),
            (Method::PUT, at("/marks"), json!({ "seq": 1 })),
            (Method::POST, at(&format!("/members/{}", eve.user)), json!({ "action": "invite" })),
            (Method::POST, at("/members/nobody"), json!({ "action": "invite" })),
        ]
    };
    for ((method, path, body), (_, elsewhere, _)) in paths(&hidden).into_iter().zip(paths(&absent))
    {
        let one = eve.http.json(method.clone(), &path, body.clone()).await;
        let other = eve.http.json(method, &elsewhere, body).await;
        assert_eq!(one.status, 404, "{path}: {}", one.text());
        assert_eq!(seen(&one), seen(&other), "{path}");
    }
    for path in ["/api/v1/rooms?filter=visible", "/api/v1/rooms?filter=joined", "/api/v1/stats"] {
        let list = eve.http.get(path).await.expect(200).text();
        assert!(!list.contains(&hidden) && !list.contains("secret"), "{path}: {list}");
    }
    // The room never noticed.
    ann.send(&hidden, "2", "nobody was here").await.expect(201);
    let event = listener.next_frame().await;
    assert_eq!((&event["op"], &event["seq"]), (&json!("event"), &json!(4)), "{event}");
}

/// Rule 39 on the wire: what was refused in one room does not work by way of another.
#[tokio::test]
async fn a_message_is_not_reached_through_another_room() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let eve = site.person("eve").await;
    let hidden = ann.create_room("private", "hidden").await;
    let sent = ann.send(&hidden, "1", "secret").await.expect(201).json();
    let message = sent["message_id"].as_str().unwrap();
    let own = eve.create_room("public", "eve's own").await;
    let at = |path: &str| format!("/api/v1/rooms/{own}{path}");
    for (method, path, body) in [
        (Method::GET, at(&format!("/messages/{message}")), json!({})),
        (
            Method::PATCH,
            at(&format!("/messages/{message}")),
            json!({ "client_msg_id": "a", "text": "x" }),
        ),
        (Method::DELETE, at(&format!("/messages/{message}")), json!({ "client_msg_id": "b" })),
        (Method::PUT, at(&format!("/messages/{message}/reactions/x")), json!({})),
        (Method::PUT, at(&format!("/pins/{message}")), json!({})),
        (
            Method::POST,
            at("/messages"),
            json!({ "client_msg_id": "c", "text": "re", "reply_to": message }),
        ),
    ] {
        let answer = eve.http.json(method, &path, body).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    assert_eq!(eve.log(&own).await.len(), 2);
    let page = ann.http.get(&format!("/api/v1/rooms/{hidden}/messages")).await.json();
    assert_eq!(page["messages"][0]["text"], "secret");
}
