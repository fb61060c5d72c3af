//! One conversation over every wire at once, and over each by itself.

use std::collections::HashMap;

use chatcore::log::Draft;
use serde_json::{Value, json};

use crate::stage::{Peer, Stage, user};
use crate::wire::Wire;

/// Everything that can happen in a room, as ann does it.
async fn conversation(stage: &Stage, ann: &mut Peer, room: &chatcore::id::RoomId) -> Vec<Value> {
    let mut answers = Vec::new();
    let send = json!({
        "room": room, "client_msg_id": "c1", "text": "hello", "meta": { "a": [1, 0.1, null] },
    });
    let sent = ann.done("send", send.clone()).await;
    let message = sent["message_id"].clone();
    answers.push(sent);
    let of = |more: Value| {
        let mut fields = json!({ "room": room, "message_id": message });
        let Value::Object(more) = more else { panic!("fields are an object") };
        fields.as_object_mut().expect("it is one").extend(more);
        fields
    };
    for (op, fields) in [
        ("send", send),
        ("send", json!({ "room": room, "client_msg_id": "c1", "text": "another" })),
        ("send", json!({ "room": room, "client_msg_id": "c2", "text": "re", "reply_to": message })),
        ("react", of(json!({ "emoji": "\u{1F44D}" }))),
        ("edit", of(json!({ "client_msg_id": "c3", "text": "hi" }))),
        ("pin", of(json!({}))),
        ("unreact", of(json!({ "emoji": "\u{1F44D}" }))),
        ("unpin", of(json!({}))),
        ("history", json!({ "room": room })),
        ("delete", of(json!({ "client_msg_id": "c4" }))),
        ("edit", of(json!({ "client_msg_id": "c5", "text": "too late" }))),
        ("update_room", json!({ "room": room, "topic": "over", "name": "tea" })),
        ("member", json!({ "room": room, "user": "cat", "action": "mute" })),
        ("member", json!({ "room": room, "user": "cat", "action": "role", "role": "moderator" })),
        ("member", json!({ "room": room, "user": "cat", "action": "kick", "reason": "spam" })),
        ("member", json!({ "room": room, "user": "cat", "action": "ban" })),
        ("member", json!({ "room": room, "user": "cat", "action": "unban" })),
        ("mark_read", json!({ "room": room, "seq": 3 })),
        ("enter", json!({ "room": "absent" })),
        ("dance", json!({})),
    ] {
        answers.push(ann.ask(op, fields).await);
    }
    // Another's, and not over the wire.
    let end = Draft::text("the end").once("end").expect("a sound id");
    stage.local.chat.as_user(&user("ben")).send(room, end).await.expect("sent");
    answers
}

/// The events of a room from its beginning to the last that was said.
async fn events(peer: &mut Peer, room: &chatcore::id::RoomId, head: u64) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < usize::try_from(head).expect("few") {
        events.push(peer.next_of(room).await);
    }
    events
}

/// What differs from one chat to another, by the order in which it appears; and times, by being some.
fn without_chance(mut frames: Vec<Value>) -> Vec<Value> {
    const NAMES: [&str; 5] = ["room", "epoch", "message_id", "reply_to", "pinned"];
    let mut known = HashMap::new();
    for frame in &mut frames {
        simplify(frame, &NAMES, &mut known);
    }
    frames
}

fn simplify(value: &mut Value, names: &[&str], known: &mut HashMap<String, usize>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| simplify(item, names, known)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if let (true, Value::String(text)) = (names.contains(&name.as_str()), &*field) {
                    let next = known.len();
                    *field = json!(known.entry(text.clone()).or_insert(next));
                } else if name.ends_with("ts") || name.ends_with("_at") {
                    *field = json!(field.is_number());
                } else {
                    simplify(field, names, known);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_over_whichever_wire_sees_the_same() {
    let stage = Stage::open(Wire::WebSocketJson).await;
    let room = stage.room_of(&["ann", "ben", "cat"]).await;
    let mut listeners = Vec::new();
    for wire in Wire::ALL {
        let mut ben = stage.peer_over(wire, "ben").await;
        ben.done("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
        listeners.push((wire, ben));
    }
    let mut ann = stage.peer("ann").await;
    conversation(&stage, &mut ann, &room).await;
    let head = stage.local.chat.as_user(&user("ann")).room(&room).await.expect("there").head_seq.0;
    let mut seen: Option<Vec<Value>> = None;
    for (wire, mut ben) in listeners {
        let events = events(&mut ben, &room, head).await;
        assert_eq!(events[0]["seq"], 1);
        let first = seen.get_or_insert_with(|| events.clone());
        assert_eq!(&events, first, "{wire:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_conversation_goes_the_same_way_over_every_wire() {
    let mut told: Option<Vec<Value>> = None;
    for wire in Wire::ALL {
        let stage = Stage::open(wire).await;
        let room = stage.room_of(&["ann", "ben", "cat"]).await;
        let mut ann = stage.peer("ann").await;
        ann.done("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
        let mut all = conversation(&stage, &mut ann, &room).await;
        let head =
            stage.local.chat.as_user(&user("ann")).room(&room).await.expect("there").head_seq.0;
        all.extend(events(&mut ann, &room, head).await);
        let all = without_chance(all);
        assert!(all.len() > 30, "a whole conversation");
        let first = told.get_or_insert_with(|| all.clone());
        assert_eq!(&all, first, "{wire:?}");
    }
}
