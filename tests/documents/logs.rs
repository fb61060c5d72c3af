//! Document 004: a room's whole conversation.

use std::time::Duration;

use chatcore::id::{ClientMsgId, RoomId};
use chatcore::log::Draft;
use chatcore::room::{MemberAction, NewRoom};
use serde_json::{Value, json};

use crate::fixture::{Cookie, PNG, Site, file};

const A: &str = "a@example.org";

async fn room_of_a(site: &Site) -> (Cookie, RoomId) {
    site.email(A).await;
    let room = site.room(A).await;
    (site.cookie(A).await, room)
}

#[tokio::test]
async fn conversation_is_whole_and_oldest_first() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    let path = format!("/v1/logs/{room}");
    let empty = a.get(&path).await.expect(200);
    assert_eq!(
        (empty.text().as_str(), empty.header("content-type")),
        ("{\"logs\":[]}", "application/json")
    );

    site.nickname("bob").await;
    let alice = site.chat.as_user(&site.user(A).await);
    let bob = site.chat.as_user(&site.user("bob").await);
    alice.send(&room, Draft::text("first \"é\" \u{1}</script>")).await.unwrap();
    bob.enter(&room).await.unwrap();
    site.clock.advance(Duration::from_millis(1));
    let sent = bob.send(&room, Draft::text("gone")).await.unwrap();
    bob.send(&room, Draft::text("second")).await.unwrap();
    alice.react(&room, &sent.message_id, "+1", true).await.unwrap();
    bob.delete(&room, &sent.message_id, ClientMsgId::parse("d").unwrap()).await.unwrap();
    let expected = json!({"logs": [
        {"m": "first \"é\" \u{1}</script>", "u": A, "t": "2026-03-01T12:00:00.000Z"},
        {"m": "second", "u": "bob", "t": "2026-03-01T12:00:00.001Z"},
    ]});
    assert_eq!(a.get(&path).await.expect(200).json(), expected);
}

#[tokio::test]
async fn conversation_of_many_pages_comes_complete_and_in_order() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    let alice = site.chat.as_user(&site.user(A).await);
    let mut pending = Vec::new();
    for n in 0..1_500 {
        pending.push(alice.submit_send(&room, Draft::text(n.to_string())).unwrap());
        if pending.len() == 100 {
            for sent in pending.drain(..) {
                sent.outcome().await.unwrap();
            }
        }
        if n % 500 == 0 {
            // Pages without a single message lie between.
            for _ in 0..100 {
                alice
                    .update_room(
                        &room,
                        chatcore::room::RoomUpdate {
                            topic: Some(n.to_string()),
                            ..Default::default()
                        },
                    )
                    .await
                    .unwrap();
            }
        }
    }
    let logs = a.get(&format!("/v1/logs/{room}")).await.expect(200).json();
    let said: Vec<_> =
        logs["logs"].as_array().unwrap().iter().map(|log| log["m"].as_str().unwrap()).collect();
    let expected: Vec<_> = (0..1_500).map(|n| n.to_string()).collect();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn reader_who_stalls_is_sent_no_more_than_a_few_pages_and_nothing_after_a_kick() {
    let site = Site::start().await;
    site.email(A).await;
    site.nickname("bob").await;
    let bob = site.chat.as_user(&site.user("bob").await);
    let room = bob.create_room(NewRoom::public("long")).await.unwrap().room;
    // More than the buffers of both sockets hold.
    const MESSAGES: usize = 600;
    let text = "x".repeat(64 << 10);
    let mut pending = Vec::new();
    for _ in 0..MESSAGES {
        pending.push(bob.submit_send(&room, Draft::text(text.clone())).unwrap());
    }
    for sent in pending {
        sent.outcome().await.unwrap();
    }
    let a = site.cookie(A).await;
    let request = a.request(reqwest::Method::GET, &format!("/v1/logs/{room}"));
    let mut response = request.send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"logs\":["));

    let id = site.user(A).await;
    site.chat.as_user(&id).enter(&room).await.unwrap();
    bob.member(&room, &id, MemberAction::Kick { reason: None }).await.unwrap();
    let mut received = first.len();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break "whole",
            Err(_) => break "cut",
        }
    };
    assert_eq!(end, "cut", "what is not whole must not look as if it were");
    assert!(received < MESSAGES * text.len() / 2, "{received} bytes were on their way");
}

#[tokio::test]
async fn file_without_a_word_is_shown_as_its_address() {
    let site = Site::start().await;
    let (a, _) = room_of_a(&site).await;
    let token = site.nickname("bob").await;
    let form = reqwest::multipart::Form::new().part("f", file("x.png", PNG));
    let request = site.http.with_token(token).request(reqwest::Method::POST, "/message");
    chatcore_tests::Http::send(request.multipart(form)).await.expect(200);
    let logs = a.get("/v1/logs/lobby").await.expect(200).json();
    let url = logs["logs"][0]["m"].as_str().unwrap();
    assert_eq!(&a.get(url).await.expect(200).body[..], PNG);
}

#[tokio::test]
async fn conversation_that_is_not_the_callers_to_read_is_400_and_empty() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    let none = json!({"logs": []});
    site.nickname("bob").await;
    let bob = site.chat.as_user(&site.user("bob").await);
    let hidden = bob.create_room(NewRoom::private("x")).await.unwrap().room;
    bob.send(&hidden, Draft::text("secret")).await.unwrap();
    for id in [hidden.as_str(), "nowhere", "a%20b", "..%2f", "%00"] {
        let reply = a.get(&format!("/v1/logs/{id}")).await.expect(400);
        assert_eq!(reply.json(), none, "{id}");
    }
    bob.enter(&room).await.unwrap();
    let id = site.user(A).await;
    let owner = bob.create_room(NewRoom::public("theirs")).await.unwrap().room;
    bob.send(&owner, Draft::text("hi")).await.unwrap();
    let path = format!("/v1/logs/{owner}");
    assert_eq!(a.get(&path).await.expect(200).json()["logs"][0]["m"], "hi");
    site.chat.as_user(&id).enter(&owner).await.unwrap();
    bob.member(&owner, &id, MemberAction::Kick { reason: None }).await.unwrap();
    assert_eq!(a.get(&path).await.expect(400).json(), none, "after a kick");
    assert_eq!(none["logs"], Value::Array(Vec::new()));
}
