//! What an application does with a client.

use std::time::Duration;

use chatcore::Code;
use chatcore::id::{RoomId, Seq};
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::frame::{CreateRoom, History};
use chatcore::protocol::{CloseCode, Wire};
use chatcore::room::RoomKind;
use chatcore_quic::client::{Error, Notice, Offline, State, Subscription, Update};

use crate::memory::{MemoryLink, chat, client, quick, room_of};

async fn next_body(stream: &mut Subscription) -> (Seq, Body) {
    loop {
        match stream.next().await.expect("open").expect("not refused") {
            Update::Event(event) => {
                let entry = event.entry().expect("a known kind").clone();
                return (entry.seq, entry.body);
            }
            Update::Began(_) => {}
        }
    }
}

#[tokio::test]
async fn two_people_talk() {
    let chat = chat().await;
    let ((ann, _), (bob, _)) = (client(&chat, "ann"), client(&chat, "bob"));
    let room = CreateRoom {
        name: Some("tea".into()),
        kind: RoomKind::Public,
        topic: None,
        members: Vec::new(),
    };
    let room = ann.create_room(room).await.expect("made").room;
    bob.enter(&room).await.expect("entered");
    let mut heard = bob.subscribe(&room, None).await.expect("the first");
    let began = heard.next().await.expect("open").expect("not refused");
    assert!(matches!(began, Update::Began(began) if began.recovered));
    let again = bob.subscribe(&room, None).await;
    assert!(matches!(again, Err(Error::Subscribed)), "{again:?}");

    let mut notices = bob.notices();
    let mut follows = ann.subscribe(&room, None).await.expect("the first");
    follows.next().await.expect("open").expect("not refused");
    ann.signal(&room, "typing", true, 5_000).await;
    loop {
        match notices.next().await.expect("open") {
            Notice::Signal(signal) if signal.kind == "typing" => break,
            _ => {}
        }
    }
    let sent = ann.send(&room, Draft::text("hi")).await.expect("sent");
    let (seq, body) = next_body(&mut heard).await;
    assert_eq!(seq, sent.seq);
    assert!(matches!(body, Body::Message { text, .. } if text == "hi"));
    bob.react(&room, &sent.message_id, "+1", true).await.expect("reacted");
    ann.edit(&room, &sent.message_id, "hello").await.expect("edited");
    let page = bob.history(&room, History::default()).await.expect("read");
    assert_eq!(page.messages[0].text, "hello");
    assert!(page.messages[0].reactions[0].mine);
    bob.mark_read(&room, sent.seq).await.expect("marked");
    ann.delete(&room, &sent.message_id).await.expect("deleted");
    let rooms = bob.rooms().await.expect("listed");
    assert_eq!((rooms[0].name.as_deref(), rooms[0].read_seq), (Some("tea"), sent.seq));
    for kind in ["react", "edit", "delete"] {
        assert_eq!(next_body(&mut heard).await.1.kind().as_str(), kind);
    }
    drop(heard);
    let mut all = bob.subscribe(&room, Some(Cursor::start())).await.expect("the old one is gone");
    assert_eq!(next_body(&mut all).await.0, Seq(1));
    bob.leave(&room).await.expect("left");
    assert!(ann.shut_down().await.is_empty());
    assert_eq!(*ann.state().borrow(), State::Offline(Offline::ShutDown));
    assert!(matches!(ann.rooms().await, Err(Error::ShutDown)));
}

#[tokio::test]
async fn what_the_server_refuses_is_told_and_ends_a_subscription() {
    let chat = chat().await;
    let (ann, _) = client(&chat, "ann");
    let nowhere = RoomId::parse("nowhere").expect("valid");
    let refused = ann.send(&nowhere, Draft::text("hi")).await.expect_err("there is no such room");
    assert_eq!(refused.code(), Some(Code::NotFound));
    let mut stream = ann.subscribe(&nowhere, None).await.expect("asked for");
    let end = stream.next().await.expect("told why");
    assert_eq!(end.expect_err("refused").code(), Some(Code::NotFound));
    assert!(stream.next().await.is_none());
    assert!(ann.subscribe(&nowhere, None).await.is_ok(), "and may be asked for again");
    let long = ann.send(&nowhere, Draft::text("x".repeat(300_000))).await;
    assert_eq!(long.expect_err("longer than a frame").code(), Some(Code::TooLarge));
    let mut deep = serde_json::Value::Null;
    for _ in 0..40 {
        deep = serde_json::json!([deep]);
    }
    let deep = Draft { meta: Some(deep), ..Draft::text("hi") };
    assert!(ann.send(&nowhere, deep).await.is_err());
    assert!(ann.rooms().await.expect("the connection lives").is_empty());
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_what_waited_is_sent() {
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let (link, _) = MemoryLink::new(&chat, Wire::WebSocketJson);
    let renewing = quick("nobody").renew_with(|| async { Some("ann".to_owned()) });
    let ann = renewing.connect(link).expect("sound settings");
    ann.send(&room, Draft::text("hi")).await.expect("sent in the end");
    assert!(!format!("{:?}", quick("secret-token")).contains("secret"));

    let (link, _) = MemoryLink::new(&chat, Wire::WebSocketJson);
    let stuck = quick("nobody").connect(link).expect("sound settings");
    let closed = State::Offline(Offline::Closed(CloseCode::Unauthenticated));
    stuck.state().wait_for(|state| *state == closed).await.expect("it lives");
    let waits = stuck.enqueue(&room, Draft::text("ho")).await.expect("there is room");
    let refused = stuck.rooms().await.expect_err("nobody to ask");
    assert_eq!(refused, Error::Closed(CloseCode::Unauthenticated));
    stuck.set_token(chatcore::protocol::frame::Token::new("ann")).await;
    waits.sent().await.expect("sent with the new token");
}

#[tokio::test]
async fn an_outbox_survives_its_client() {
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let (link, _) = MemoryLink::new(&chat, Wire::Quic);
    let offline = chatcore_quic::client::Client::builder().connect(link).expect("sound settings");
    let mut waiting = Vec::new();
    for n in 0..5 {
        waiting.push(offline.enqueue(&room, Draft::text(n.to_string())).await.expect("taken"));
    }
    assert_eq!(offline.outbox().await.expect("it lives").len(), 5);
    let unsent = serde_json::to_string(&offline.shut_down().await).expect("plain data");
    for sending in waiting {
        assert_eq!(sending.sent().await, Err(Error::Withdrawn));
    }
    let (ann, _) = client(&chat, "ann");
    let unsent: Vec<chatcore_quic::client::Unsent> =
        serde_json::from_str(&unsent).expect("as it was");
    for sending in ann.put_back(unsent).await.expect("taken") {
        assert!(!sending.sent().await.expect("sent").duplicate);
    }
    let page = ann.history(&room, History::default()).await.expect("read");
    let texts: Vec<_> = page.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_holds_up_nobody_and_misses_nothing() {
    let chat = chat().await;
    let (busy, calm) = (room_of(&chat, &["ann"]).await, room_of(&chat, &["ann"]).await);
    let (link, _) = MemoryLink::new(&chat, Wire::Quic);
    let ann = quick("ann").window(16).connect(link).expect("sound settings");
    let mut unread = ann.subscribe(&busy, Some(Cursor::start())).await.expect("the first");
    let mut read = ann.subscribe(&calm, Some(Cursor::start())).await.expect("the first");
    let writer = client(&chat, "ann").0;
    for n in 0..500 {
        writer.send(&busy, Draft::text(n.to_string())).await.expect("sent");
    }
    writer.send(&calm, Draft::text("calm")).await.expect("sent");
    while !matches!(next_body(&mut read).await.1, Body::Message { .. }) {}
    for seq in 1..=502 {
        assert_eq!(next_body(&mut unread).await.0, Seq(seq));
    }
    tokio::time::timeout(Duration::from_millis(50), unread.next()).await.expect_err("no more");
}
