//! How a place in a room, or a connection, ends.

use chatcore::protocol::CloseCode;
use serde_json::json;

use crate::stage::{Stage, user};

pub(crate) async fn one_who_is_kicked_hears_nothing_later(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    ben.done("subscribe", json!({ "room": room })).await;
    stage.say(&room, "ann", "before").await;
    assert_eq!(ben.next_of(&room).await["text"], "before");
    let kick = json!({ "room": room, "user": "ben", "action": "kick", "reason": "tea is over" });
    ann.done("member", kick).await;
    stage.say(&room, "ann", "after").await;
    assert_eq!(ben.next_op("membership").await["state"], "kicked");
    let send = json!({ "room": room, "client_msg_id": "1", "text": "but" });
    assert_eq!(ben.refused("send", send).await, "forbidden");
    let rest = ben.rest().await;
    let later = |frame: &serde_json::Value| frame["text"] == "after" || frame["kind"] == "kick";
    assert!(!rest.iter().any(later), "{rest:?}");
}

pub(crate) async fn a_revoked_session_is_closed_at_once(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (token, session) = stage.session("ben").await;
    let mut ben = stage.connect().await;
    ben.send(&json!({ "op": "hello", "versions": [1], "token": token, "device": "d" })).await;
    ben.next_op("welcome").await;
    let mut other = stage.peer("ben").await;
    other.done("subscribe", json!({ "room": room })).await;
    let revoked = stage.local.chat.accounts().revoke(&user("ben"), &session).await;
    revoked.expect("revoked");
    assert_eq!(ben.closed().await, Some(CloseCode::Revoked));
    stage.say(&room, "ann", "still here?").await;
    assert_eq!(other.next_of(&room).await["text"], "still here?", "his other session is");
    let mut again = stage.connect().await;
    again.send(&json!({ "op": "hello", "versions": [1], "token": token, "device": "d" })).await;
    assert_eq!(again.closed().await, Some(CloseCode::Unauthenticated));
}

pub(crate) async fn a_server_that_stops_says_so_and_answers_first(stage: Stage) {
    let room = stage.room_of(&["ann"]).await;
    let mut ann = stage.peer("ann").await;
    ann.done("subscribe", json!({ "room": room })).await;
    ann.done("send", json!({ "room": room, "client_msg_id": "1", "text": "last" })).await;
    stage.local.chat.drain();
    assert!(ann.next_op("goaway").await["retry_after_ms"].is_u64());
    assert_eq!(ann.next_of(&room).await["text"], "last");
    assert_eq!(ann.closed().await, Some(CloseCode::GoingAway));
}

pub(crate) async fn one_who_hangs_up_is_gone_for_the_others(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    ann.done("subscribe", json!({ "room": room })).await;
    ben.done("subscribe", json!({ "room": room })).await;
    assert_eq!(ann.next_op("signal").await["on"], true);
    ben.hang_up();
    let gone = ann.next_op("signal").await;
    assert_eq!((&gone["user"], &gone["on"]), (&json!("ben"), &json!(false)));
}
