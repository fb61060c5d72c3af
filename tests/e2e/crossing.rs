//! One conversation, of which one side is had over WebSocket and the other over QUIC.

use std::time::Duration;

use chatcore::id::{AttachmentId, RoomId};
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::frame::{Event, EventFrame};
use chatcore_quic::client::{Client, Notice, QuicLink, Subscription, Update, Upload};
use chatcore_tests::{Encoding, Http, PATIENCE, Server, WsClient};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

/// The next entry over QUIC, as it travels: to be compared with what came over WebSocket.
async fn next(entries: &mut Subscription) -> (Event, Value) {
    loop {
        let update = tokio::time::timeout(PATIENCE, entries.next()).await.expect("in time");
        if let Update::Event(event) = update.expect("open").expect("not refused") {
            let frame = serde_json::to_value(EventFrame::new(event.entry().expect("a known kind")));
            return (*event, frame.expect("it can be written"));
        }
    }
}

/// The same entry on both sides.
async fn both(hers: &mut WsClient, his: &mut Subscription, kind: &str) -> Value {
    let event = hers.next("event").await;
    assert_eq!(event["kind"], kind);
    assert_eq!(next(his).await.1, event);
    event
}

/// Ann's browser speaks WebSocket, Ben's program QUIC, to one server from outside.
#[tokio::test(flavor = "multi_thread")]
async fn one_over_websocket_and_one_over_quic_see_the_same() {
    let server = Server::start_with(&["--limits", "off", "--quic", "127.0.0.1:0"]).await;
    let (address, fingerprint) = quic_of(&server.output());
    let ann = server.http().register("ann").await;
    let ben = server.http().register("ben").await;
    let mut hers = server.connect(&ann, Encoding::Json).await;
    let link = QuicLink::new(&address, fingerprint.parse().expect("a fingerprint"));
    let client = Client::builder().token(ben.token.clone()).device("harness");
    let client = client.connect(link.expect("a socket")).expect("sound settings");

    let made = hers.request("create_room", json!({ "kind": "public", "name": "tea" })).await;
    let name = made["room"].as_str().expect("an id");
    let room = RoomId::parse(name).expect("a sound id");
    hers.request("subscribe", json!({ "room": name, "since": { "seq": 0 } })).await;
    let mut his = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    client.enter(&room).await.expect("entered");
    for kind in ["room", "enter", "enter"] {
        both(&mut hers, &mut his, kind).await;
    }

    let hello = json!({ "room": name, "client_msg_id": "1", "text": "h\u{e9}llo \u{1F375}" });
    let sent = hers.request("send", hello).await;
    let event = both(&mut hers, &mut his, "message").await;
    assert_eq!(event["message_id"], sent["message_id"]);
    let draft = Draft { meta: Some(json!({ "cup": [1, 0.1] })), ..Draft::text("and you?") };
    let answered = client.send(&room, draft).await.expect("sent");
    let event = both(&mut hers, &mut his, "message").await;
    assert_eq!((&event["text"], &event["seq"]), (&json!("and you?"), &json!(answered.seq)));
    client.react(&room, &answered.message_id, "\u{1F44D}", true).await.expect("done");
    client.edit(&room, &answered.message_id, "and yours?").await.expect("done");
    for kind in ["react", "edit"] {
        both(&mut hers, &mut his, kind).await;
    }
    hers.request("pin", json!({ "room": name, "message_id": answered.message_id })).await;
    both(&mut hers, &mut his, "pin").await;

    // His file, which goes up over QUIC and comes down over HTTP.
    let bytes = b"milk first\n".repeat(20_000);
    let upload = Upload::bytes("recipe.txt", bytes.clone()).content_type("text/plain");
    let file = client.upload(upload).await.expect("stored");
    let draft = Draft { attachments: vec![file.id.clone()], ..Draft::text("look") };
    client.send(&room, draft).await.expect("sent");
    let event = both(&mut hers, &mut his, "message").await;
    assert_eq!(event["attachments"][0]["size"], bytes.len());
    let path = format!("/api/v1/attachments/{}/recipe.txt", file.id);
    assert!(ann.http.get(&path).await.expect(200).body == bytes, "as he sent it");

    // Hers the other way around.
    let part = Part::bytes(bytes.clone()).file_name("answer.txt");
    let form = Form::new().part("file", part.mime_str("text/plain").expect("a type"));
    let upload = ann.http.request(Method::POST, "/api/v1/attachments").multipart(form);
    let file = Http::send(upload).await.expect(201).json();
    let look =
        json!({ "room": name, "client_msg_id": "2", "text": "", "attachments": [file["id"]] });
    hers.request("send", look).await;
    let (event, _) = next(&mut his).await;
    let Body::Message { attachments, .. } = &event.entry().expect("known").body else {
        panic!("a message, not {event:?}")
    };
    assert_eq!(attachments[0].name, "answer.txt");
    let id = AttachmentId::parse(file["id"].as_str().expect("an id")).expect("a sound id");
    let mut download = client.download(&id, ..).await.expect("there");
    let mut came = Vec::new();
    while let Some(chunk) = download.chunk().await.expect("not cut") {
        came.extend_from_slice(&chunk);
    }
    assert!(came == bytes, "as she sent it");

    // What is not kept.
    let mut notices = client.notices();
    let typing = json!({ "room": name, "kind": "typing", "on": true, "ttl_ms": 5000 });
    hers.handle().post("signal", typing);
    let told = async {
        loop {
            match notices.next().await.expect("open") {
                Notice::Signal(signal) if signal.kind == "typing" => return signal,
                _ => {}
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("in time");
    assert_eq!(told.user.as_str(), ann.user);
    client.signal(&room, "typing", true, 5_000).await;
    loop {
        let signal = hers.next("signal").await;
        if signal["kind"] == "typing" {
            assert_eq!(signal["user"], ben.user.as_str());
            break;
        }
    }

    // She sends him out, and he hears nothing more.
    let kick = json!({ "room": name, "user": ben.user, "action": "kick" });
    hers.request("member", kick).await;
    let alone = json!({ "room": name, "client_msg_id": "3", "text": "alone at last" });
    hers.request("send", alone).await;
    let refused = client.send(&room, Draft::text("but")).await.expect_err("he is out");
    assert_eq!(refused.code(), Some(chatcore::Code::Forbidden));
    while let Ok(update) = tokio::time::timeout(Duration::from_millis(200), his.next()).await {
        let Some(Ok(update)) = update else { break };
        assert!(!format!("{update:?}").contains("alone at last"), "{update:?}");
    }
}

/// The address and the fingerprint that the server prints for QUIC.
fn quic_of(output: &str) -> (String, String) {
    let words: Vec<_> = output.lines().flat_map(str::split_whitespace).collect();
    let is_fingerprint =
        |word: &&&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let fingerprint = words.iter().find(is_fingerprint).expect("it prints a fingerprint");
    let at = words.iter().position(|word| *word == "QUIC").expect("it prints where");
    let address = words[at + 1..].iter().find(|word| word.contains(':')).expect("an address");
    ((*address).to_owned(), (*fingerprint).to_owned())
}
