//! What reaches whom, from where on, and what happens to those who do not take it.

use serde_json::json;

use crate::stage::Stage;

/// More entries than a room keeps at hand.
const MANY: u64 = 1_200;

pub(crate) async fn a_cursor_brings_what_was_and_then_what_comes(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    for n in 0..300 {
        stage.say(&room, "ann", &format!("{n} {}", "x".repeat(500))).await;
    }
    let mut ben = stage.peer("ben").await;
    let since = json!({ "room": room, "since": { "seq": 0 } });
    let subscribed = ben.done("subscribe", since).await;
    assert_eq!((&subscribed["recovered"], &subscribed["head_seq"]), (&json!(true), &json!(303)));
    for seq in 1..=303 {
        assert_eq!(ben.next_of(&room).await["seq"], seq);
        if seq % 100 == 0 {
            ben.send(&json!({ "op": "ack", "rooms": { room.as_str(): seq } })).await;
        }
    }
    stage.say(&room, "ann", "now").await;
    assert_eq!(ben.next_of(&room).await["text"], "now");
}

pub(crate) async fn a_cursor_of_elsewhere_is_told_so(stage: Stage) {
    let room = stage.room_of(&["ann"]).await;
    let mut ann = stage.peer("ann").await;
    for since in [json!({ "seq": 9 }), json!({ "epoch": "another", "seq": 1 })] {
        let subscribed = ann.done("subscribe", json!({ "room": room, "since": since })).await;
        assert_eq!((&subscribed["recovered"], &subscribed["head_seq"]), (&json!(false), &json!(2)));
    }
    stage.say(&room, "ann", "now").await;
    assert_eq!(ann.next_of(&room).await["text"], "now", "it goes on from here");
}

pub(crate) async fn a_hello_takes_up_rooms_where_they_were_left(stage: Stage) {
    let (one, other) = (stage.room_of(&["ann", "ben"]).await, stage.room_of(&["ann", "ben"]).await);
    let mut ben = stage.peer("ben").await;
    let epoch = ben.done("subscribe", json!({ "room": one })).await["epoch"].clone();
    stage.say(&one, "ann", "heard").await;
    assert_eq!(ben.next_of(&one).await["text"], "heard");
    ben.hang_up();
    stage.say(&one, "ann", "missed").await;
    let rooms = json!({
        one.as_str(): { "epoch": epoch, "seq": 4 }, other.as_str(): { "seq": 0 }, "nowhere": { "seq": 1 },
    });
    let (mut ben, welcome) = stage.peer_with("ben", json!({ "rooms": rooms })).await;
    assert_eq!(welcome["rooms"][one.as_str()]["recovered"], true);
    assert_eq!(welcome["rooms"]["nowhere"]["code"], "not_found");
    assert_eq!(ben.next_of(&one).await["text"], "missed");
    for seq in 1..=3 {
        assert_eq!(ben.next_of(&other).await["seq"], seq);
    }
    assert!(ben.rest().await.iter().all(|frame| frame["op"] != "event"), "and nothing twice");
}

pub(crate) async fn nothing_comes_after_unsubscribing(stage: Stage) {
    let (left, kept) = (stage.room_of(&["ann", "ben"]).await, stage.room_of(&["ann", "ben"]).await);
    let mut ben = stage.peer("ben").await;
    for room in [&left, &kept] {
        ben.done("subscribe", json!({ "room": room })).await;
    }
    ben.done("unsubscribe", json!({ "room": left })).await;
    stage.say(&left, "ann", "unheard").await;
    stage.say(&kept, "ann", "heard").await;
    assert_eq!(ben.next_of(&kept).await["text"], "heard");
    assert!(ben.rest().await.iter().all(|frame| frame["text"] != "unheard"));
}

pub(crate) async fn one_who_does_not_ack_gets_a_window_then_a_gap_and_catches_up(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ben, welcome) = stage.peer_with("ben", json!({ "window": 10 })).await;
    assert_eq!(welcome["limits"]["window"], 10);
    ben.done("subscribe", json!({ "room": room })).await;
    for n in 0..MANY {
        stage.say(&room, "ann", &n.to_string()).await;
    }
    let mut last = 3;
    let gap = loop {
        let frame = ben.next_of(&room).await;
        if frame["op"] == "gap" {
            break frame;
        }
        last += 1;
        assert_eq!(frame["seq"], last);
    };
    assert_eq!((last, &gap["reason"]), (13, &json!("slow")), "a window and no more");
    ben.done("subscribe", json!({ "room": room, "since": { "seq": last } })).await;
    while last < 3 + MANY {
        let frame = ben.next_of(&room).await;
        last += 1;
        assert_eq!(frame["seq"], last, "{frame}");
        if last % 5 == 0 {
            ben.send(&json!({ "op": "ack", "rooms": { room.as_str(): last } })).await;
        }
    }
}

pub(crate) async fn one_room_that_is_full_holds_up_no_other(stage: Stage) {
    let (full, free) = (stage.room_of(&["ann", "ben"]).await, stage.room_of(&["ann", "ben"]).await);
    let mut ben = stage.peer_with("ben", json!({ "window": 10 })).await.0;
    for room in [&full, &free] {
        ben.done("subscribe", json!({ "room": room })).await;
    }
    for n in 0..50 {
        stage.say(&full, "ann", &n.to_string()).await;
        stage.say(&free, "ann", &n.to_string()).await;
        let event = ben.next_of(&free).await;
        assert_eq!(event["text"], n.to_string());
        ben.send(&json!({ "op": "ack", "rooms": { free.as_str(): event["seq"] } })).await;
    }
    let held = ben.rest().await;
    let came = held.iter().filter(|frame| frame["room"] == full.as_str());
    assert_eq!(came.filter(|frame| frame["op"] == "event").count(), 10);
}
