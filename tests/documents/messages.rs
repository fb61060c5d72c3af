//! Document 000: `POST /message`.

use std::time::Duration;

use chatcore::id::{RoomId, Seq};
use chatcore::log::{Body, Cursor};
use chatcore::room::NewRoom;
use chatcore_tests::{Http, Reply};
use reqwest::Method;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::fixture::{PNG, Site, WRITTEN, file, fill};

fn failure(message: &str) -> Value {
    json!({"success": false, "message": message})
}

async fn send_form(http: &Http, form: Form) -> Reply {
    Http::send(http.request(Method::POST, "/message").multipart(form)).await
}

#[tokio::test]
async fn message_without_a_room_goes_to_the_lobby_and_comes_back_processed() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    let bob = site.http.with_token(site.nickname("bob").await);
    bob.post("/message", json!({"message": "first"})).await.expect(200);
    let bob = site.user("bob").await;
    let lobby = RoomId::lobby();
    let head = site.chat.as_user(&bob).room(&lobby).await.unwrap().head_seq;
    let cursor = Cursor { epoch: None, seq: head };
    let mut live = site.chat.as_user(&bob).subscribe(&lobby, cursor).await.unwrap();

    site.clock.advance(Duration::from_millis(250));
    let text = "<script>alert('é')</script> javascript: \u{1b}[31m";
    let body = alice.post("/message", json!({"message": text})).await.expect(200).json();
    let processed = body["processed"].clone();
    let expected = json!({
        "success": true,
        "message": "Authenticate Successfully",
        "user": {
            "id": site.user("alice").await.as_str(),
            "userName": "alice",
            "nickName": "alice the First",
            "email": null,
            "avatar": null,
        },
        "processed": {
            "id": processed["id"],
            "roomId": "lobby",
            "seq": processed["seq"],
            "text": text,
            "attachments": [],
            "sentAt": "2026-03-01T12:00:00.250Z",
        },
    });
    assert_eq!(body, expected);

    loop {
        let entry = live.next().await.unwrap().unwrap();
        if let Body::Message { message_id, text: sent, .. } = entry.body {
            assert_eq!((sent.as_str(), entry.seq.0), (text, processed["seq"].as_u64().unwrap()));
            assert_eq!(message_id.as_str(), processed["id"]);
            break;
        }
    }
}

#[tokio::test]
async fn text_and_room_may_stand_in_an_object_or_beside() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    let room = site.room("alice").await;
    for body in [
        json!({"message": {"text": "hi", "roomId": room.as_str()}}),
        json!({"message": {"text": "hi"}, "roomId": room.as_str()}),
        json!({"message": "hi", "roomId": room.as_str()}),
        json!({"message": {"text": "hi", "roomId": room.as_str()}, "roomId": room.as_str()}),
    ] {
        let reply = alice.post("/message", body.clone()).await.expect(200).json();
        assert_eq!(reply["processed"]["roomId"], room.as_str(), "{body}");
        assert_eq!(reply["processed"]["text"], "hi", "{body}");
    }
    for written in WRITTEN {
        let fields = json!({"message": "hi", "roomId": room.as_str()});
        let request = fill(alice.request(Method::POST, "/message"), &fields, written);
        let reply = Http::send(request).await.expect(200).json();
        assert_eq!(reply["processed"]["roomId"], room.as_str(), "{written:?}");
    }
    for body in [
        json!({"message": "hi"}),
        json!({"message": "hi", "roomId": null}),
        json!({"message": "hi", "roomId": ""}),
    ] {
        let reply = alice.post("/message", body).await.expect(200).json();
        assert_eq!(reply["processed"]["roomId"], "lobby");
    }
}

#[tokio::test]
async fn attachments_are_stored_and_in_the_message() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    let form = Form::new()
        .text("message", "look")
        .part("file", file("a picture.png", PNG))
        .part("file", file("../../etc/notes.txt", "words"));
    let body = send_form(&alice, form).await.expect(200).json();
    let attachments = body["processed"]["attachments"].as_array().unwrap().clone();
    let shown: Vec<_> = attachments
        .iter()
        .map(|a| {
            (
                a["name"].as_str().unwrap(),
                a["contentType"].as_str().unwrap(),
                a["size"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected =
        [("a picture.png", "image/png", PNG.len() as u64), ("notes.txt", "text/plain", 5)];
    assert_eq!(shown, expected);
    let url = attachments[0]["url"].as_str().unwrap();
    assert_eq!(&alice.get(url).await.expect(200).body[..], PNG);

    let user = site.user("alice").await;
    let seq = Seq(body["processed"]["seq"].as_u64().unwrap() - 1);
    let log = site.chat.as_user(&user).log(&RoomId::lobby(), seq, 1).await.unwrap();
    let Body::Message { text, attachments, .. } = &log[0].body else { panic!("{log:?}") };
    assert_eq!((text.as_str(), attachments.len()), ("look", 2));
}

#[tokio::test]
async fn files_alone_are_a_message_too() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    let body = send_form(&alice, Form::new().part("picture", file("x.png", PNG))).await;
    let body = body.expect(200).json();
    assert_eq!(body["processed"]["text"], "");
    assert_eq!(body["processed"]["attachments"][0]["name"], "x.png");
}

#[tokio::test]
async fn nothing_to_send_is_422() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    for body in [
        json!({}),
        json!({"message": ""}),
        json!({"message": null}),
        json!({"message": {}}),
        json!({"message": {"text": ""}, "roomId": "lobby"}),
    ] {
        let reply = alice.post("/message", body.clone()).await.expect(422);
        assert_eq!(reply.json(), failure("Message not found"), "{body}");
    }
    let reply = send_form(&alice, Form::new().part("file", file("", ""))).await.expect(422);
    assert_eq!(reply.json(), failure("Message not found"));
}

#[tokio::test]
async fn nobody_sends_without_a_token() {
    let site = Site::start().await;
    let missing = failure("AccessToken Not Found");
    let reply = site.http.post("/message", json!({"message": "hi"})).await.expect(401);
    assert_eq!(reply.json(), missing);
    let reply = site.http.with_token("x").post("/message", json!({})).await.expect(401);
    assert_eq!(reply.json(), missing);
}

#[tokio::test]
async fn room_that_is_unknown_hidden_or_not_entered_takes_nothing() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    site.nickname("bob").await;
    let bob = site.user("bob").await;
    let hidden = site.chat.as_user(&bob).create_room(NewRoom::private("x")).await.unwrap().room;
    let absent = alice.post("/message", json!({"message": "hi", "roomId": "nowhere"})).await;
    let secret = alice.post("/message", json!({"message": "hi", "roomId": hidden.as_str()})).await;
    assert_eq!(absent.expect(404).json(), secret.expect(404).json());

    let open = site.room("bob").await;
    let form = Form::new().text("roomId", open.to_string()).part("file", file("x.png", PNG));
    let reply = send_form(&alice, form).await.expect(403);
    assert_eq!(reply.json()["success"], false);
    let head = site.chat.as_user(&bob).room(&open).await.unwrap().head_n;
    assert_eq!(head, 0, "nothing was said");
}

#[tokio::test]
async fn message_of_a_wrong_form_is_400() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    for body in [
        json!({"message": 7}),
        json!({"message": ["x"]}),
        json!({"message": {"text": 7}}),
        json!({"message": "x", "roomId": 7}),
        json!({"message": "x", "roomId": "a b"}),
        json!({"message": {"text": "x", "roomId": "a"}, "roomId": "b"}),
        json!({"message": "a\0b"}),
    ] {
        let reply = alice.post("/message", body.clone()).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert_eq!(reply.json()["success"], false, "{body}");
    }
    let long = json!({"message": "x".repeat((64 << 10) + 1)});
    assert_eq!(alice.post("/message", long).await.expect(413).json()["success"], false);
    let many = (0..101).fold(Form::new(), |form, n| form.part("f", file(&format!("{n}.txt"), "x")));
    assert_eq!(send_form(&alice, many).await.expect(422).json()["success"], false);
}
