//! What is not done, and how that is said.

use chatcore::protocol::CloseCode;
use serde_json::json;

use crate::stage::Stage;
use crate::wire::Wire;

pub(crate) async fn without_a_good_token_nobody_is_let_in(stage: Stage) {
    let hello = json!({ "op": "hello", "versions": [1], "device": "d" });
    for (field, value, code) in [
        ("token", json!("forged"), CloseCode::Unauthenticated),
        ("ticket", json!("forged"), CloseCode::Unauthenticated),
        ("versions", json!([2]), CloseCode::UnsupportedVersion),
        ("role", json!("owner"), CloseCode::ProtocolError),
    ] {
        let mut peer = stage.connect().await;
        let mut hello = hello.clone();
        hello[field] = value;
        peer.send(&hello).await;
        assert_eq!(peer.closed().await, Some(code), "{hello}");
    }
}

pub(crate) async fn a_second_hello_or_none_closes_the_connection(stage: Stage) {
    let mut early = stage.connect().await;
    early.send(&json!({ "op": "rooms", "id": 1 })).await;
    assert_eq!(early.closed().await, Some(CloseCode::ProtocolError));
    let mut twice = stage.peer("ann").await;
    let token = stage.session("ann").await.0;
    twice.send(&json!({ "op": "hello", "versions": [1], "token": token, "device": "d" })).await;
    assert_eq!(twice.closed().await, Some(CloseCode::ProtocolError));
}

pub(crate) async fn requests_that_are_wrong_are_answered_and_the_connection_lives(stage: Stage) {
    let room = stage.room_of(&["ann"]).await;
    let mut ann = stage.peer("ann").await;
    for (op, fields, code) in [
        ("dance", json!({}), "unsupported"),
        ("enter", json!({ "room": "a b" }), "bad_request"),
        ("enter", json!({}), "bad_request"),
        ("enter", json!({ "room": room, "role": "owner" }), "bad_request"),
        ("send", json!({ "room": room, "client_msg_id": "1", "text": "" }), "bad_request"),
        ("send", json!({ "room": room, "client_msg_id": "1", "text": ["hi"] }), "bad_request"),
        ("send", json!({ "room": room, "text": "hi" }), "bad_request"),
        (
            "send",
            json!({ "room": room, "client_msg_id": "1", "text": "hi", "seq": 9 }),
            "bad_request",
        ),
        (
            "send",
            json!({ "room": room, "client_msg_id": "1", "text": "x".repeat(70_000) }),
            "too_large",
        ),
        ("mark_read", json!({ "room": room, "seq": -1 }), "bad_request"),
        ("history", json!({ "room": room, "limit": 0 }), "bad_request"),
        (
            "react",
            json!({ "room": room, "message_id": "A".repeat(22), "emoji": "\u{1F44D}" }),
            "not_found",
        ),
    ] {
        assert_eq!(ann.refused(op, fields.clone()).await, code, "{op}");
    }
    assert_eq!(ann.done("rooms", json!({})).await["rooms"][0]["head_seq"], 2, "nothing was done");
}

pub(crate) async fn bytes_that_are_no_frame_close_the_connection(stage: Stage) {
    let deep = |brackets: &[u8]| brackets.repeat(700);
    let hostile: &[Vec<u8>] = match stage.wire {
        Wire::WebSocketJson => &[b"".into(), b"[]".into(), b"{".into(), deep(b"[")],
        _ => &[b"\x90".into(), b"\xc1".into(), b"\xdd\xff\xff\xff\xff".into(), deep(b"\x91")],
    };
    let mut other = stage.peer("ben").await;
    for bytes in hostile {
        let mut peer = stage.peer("ann").await;
        peer.send_bytes(bytes).await;
        assert_eq!(peer.closed().await, Some(CloseCode::ProtocolError), "{bytes:?}");
    }
    other.done("rooms", json!({})).await;
}

pub(crate) async fn a_room_that_one_may_not_know_of_is_not_there(stage: Stage) {
    let mut ann = stage.peer("ann").await;
    let hidden = ann.done("create_room", json!({ "kind": "private", "name": "hidden" })).await;
    let mut ben = stage.peer("ben").await;
    for (op, mut fields) in [
        ("enter", json!({})),
        ("subscribe", json!({})),
        ("history", json!({})),
        ("mark_read", json!({ "seq": 1 })),
        ("send", json!({ "client_msg_id": "1", "text": "hi" })),
        ("member", json!({ "user": "ann", "action": "kick" })),
    ] {
        let mut answers = ["absent".into(), hidden["room"].clone()].map(|room| {
            fields["room"] = room;
            fields.clone()
        });
        let [absent, there] = &mut answers;
        let (absent, there) = (ben.ask(op, absent.take()).await, ben.ask(op, there.take()).await);
        assert_eq!(absent["code"], "not_found", "{op}: {absent}");
        for field in ["code", "message", "field", "retry_after_ms"] {
            assert_eq!(absent[field], there[field], "{op}");
        }
    }
}

pub(crate) async fn what_only_others_may_do_is_forbidden(stage: Stage) {
    let room = stage.room_of(&["ann", "ben", "cat"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    let send = json!({ "room": room, "client_msg_id": "1", "text": "hers" });
    let message = ann.done("send", send).await["message_id"].clone();
    for (op, fields) in [
        (
            "edit",
            json!({ "room": room, "message_id": message, "client_msg_id": "2", "text": "his" }),
        ),
        ("delete", json!({ "room": room, "message_id": message, "client_msg_id": "3" })),
        ("member", json!({ "room": room, "user": "cat", "action": "kick" })),
        ("member", json!({ "room": room, "user": "ben", "action": "role", "role": "owner" })),
        ("update_room", json!({ "room": room, "topic": "mine" })),
    ] {
        assert_eq!(ben.refused(op, fields).await, "forbidden", "{op}");
    }
    let page = ann.done("history", json!({ "room": room })).await;
    assert_eq!(page["messages"][0]["text"], "hers");
}
