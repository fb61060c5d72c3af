//! What people do in a room.

use chatcore::id::RoomId;
use serde_json::json;

use crate::stage::{Stage, user};

pub(crate) async fn a_room_is_made_entered_and_listed(stage: Stage) {
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    let made = ann.done("create_room", json!({ "kind": "public", "name": "tea" })).await;
    let room = made["room"].clone();
    let entered = ben.done("enter", json!({ "room": room })).await;
    assert_eq!(entered["epoch"], made["epoch"]);
    let again = ben.done("enter", json!({ "room": room })).await;
    assert_eq!(again["head_seq"], entered["head_seq"], "entering twice is entering once");
    let told = ben.next_op("membership").await;
    assert_eq!((&told["room"], &told["state"]), (&room, &json!("joined")));
    let listed = ben.done("rooms", json!({})).await;
    let tea = &listed["rooms"][0];
    assert_eq!(
        (&tea["room"], &tea["name"], &tea["kind"]),
        (&room, &json!("tea"), &json!("public"))
    );
    assert_eq!(tea["head_seq"], entered["head_seq"]);
    ben.done("leave", json!({ "room": room })).await;
    assert_eq!(ben.done("rooms", json!({})).await["rooms"], json!([]));
    let members = json!({ "kind": "direct", "members": ["ben"] });
    let direct = ann.done("create_room", members.clone()).await;
    let again = ann.done("create_room", members).await;
    assert_eq!(direct["room"], again["room"], "one for each pair");
}

pub(crate) async fn what_is_said_reaches_all_its_sender_too(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    ann.done("subscribe", json!({ "room": room })).await;
    ben.done("subscribe", json!({ "room": room })).await;
    let text = "h\u{e9}llo \u{1F375} <b>\u{1b}[31m \"quoted\" \\ \u{2028}";
    let meta = json!({ "cup": [1, 2.5, null, -7], "sugar": { "lumps": 2 } });
    let send = json!({ "room": room, "client_msg_id": "1", "text": text, "meta": meta });
    let sent = ann.done("send", send).await;
    assert_eq!(sent["duplicate"], false);
    for peer in [&mut ann, &mut ben] {
        let event = peer.next_of(&room).await;
        for field in ["seq", "n", "message_id", "ts"] {
            assert_eq!(event[field], sent[field], "{field}");
        }
        assert_eq!((&event["kind"], &event["user"]), (&json!("message"), &json!("ann")));
        assert_eq!((&event["text"], &event["meta"]), (&json!(text), &meta), "to the byte");
        assert_eq!(event["client_msg_id"], "1");
    }
    let reply = json!({
        "room": room, "client_msg_id": "1", "text": "and you?", "reply_to": sent["message_id"],
    });
    let answered = ben.done("send", reply).await;
    assert_eq!(answered["n"], 2, "a name is its sender's own");
    assert_eq!(ann.next_of(&room).await["reply_to"], sent["message_id"]);
    for n in 0..200 {
        let send = json!({ "room": room, "client_msg_id": format!("n{n}"), "text": n.to_string() });
        ann.send(&{
            let mut send = send;
            (send["op"], send["id"]) = (json!("send"), json!(1_000 + n));
            send
        })
        .await;
        if n % 50 == 49 {
            let seq = 4 + n;
            ben.send(&json!({ "op": "ack", "rooms": { room.as_str(): seq } })).await;
        }
    }
    ben.next_of(&room).await;
    for n in 0..200 {
        assert_eq!(ben.next_of(&room).await["text"], n.to_string(), "in the order of sending");
    }
}

pub(crate) async fn a_send_takes_effect_once_and_another_under_its_name_is_a_conflict(
    stage: Stage,
) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let mut ann = stage.peer("ann").await;
    let send = json!({ "room": room, "client_msg_id": "once", "text": "hi" });
    let sent = ann.done("send", send.clone()).await;
    let mut elsewhere = stage.peer("ann").await;
    for peer in [&mut ann, &mut elsewhere] {
        let again = peer.done("send", send.clone()).await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&sent["seq"], &json!(true)));
        assert_eq!(again["message_id"], sent["message_id"]);
    }
    let other = json!({ "room": room, "client_msg_id": "once", "text": "ho" });
    assert_eq!(ann.refused("send", other).await, "conflict");
    let gone = json!({ "room": room, "message_id": sent["message_id"], "client_msg_id": "gone" });
    ann.done("delete", gone).await;
    assert_eq!(ann.done("send", send).await["duplicate"], true, "it does not come back");
    let page = ann.done("history", json!({ "room": room })).await;
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1));
    assert!(page["messages"][0]["deleted_at"].is_i64());
}

pub(crate) async fn messages_are_changed_reacted_to_pinned_and_deleted(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    ben.done("subscribe", json!({ "room": room })).await;
    let send = json!({ "room": room, "client_msg_id": "1", "text": "helo" });
    let message = ann.done("send", send).await["message_id"].clone();
    let of = |more: serde_json::Value| {
        let mut fields = json!({ "room": room, "message_id": message });
        let serde_json::Value::Object(more) = more else { panic!("fields are an object") };
        fields.as_object_mut().expect("it is one").extend(more);
        fields
    };
    ann.done("edit", of(json!({ "client_msg_id": "2", "text": "hello" }))).await;
    ben.done("react", of(json!({ "emoji": "\u{1F44D}" }))).await;
    ben.done("react", of(json!({ "emoji": "\u{1F44D}" }))).await;
    ann.done("pin", of(json!({}))).await;
    let pins = ben.done("pins", json!({ "room": room, "limit": 1 })).await;
    assert_eq!((&pins["pinned"][0]["message_id"], &pins["next"]), (&message, &json!(4)));
    let rest = ben.done("pins", json!({ "room": room, "after": pins["next"] })).await;
    assert_eq!((&rest["pinned"], &rest["next"]), (&json!([]), &json!(null)));
    let page = ben.done("history", json!({ "room": room })).await;
    let now = &page["messages"][0];
    assert_eq!(now["text"], "hello");
    assert_eq!(now["reactions"], json!([{ "emoji": "\u{1F44D}", "count": 1, "mine": true }]));
    ben.done("unreact", of(json!({ "emoji": "\u{1F44D}" }))).await;
    ann.done("unpin", of(json!({}))).await;
    ann.done("delete", of(json!({ "client_msg_id": "3" }))).await;
    for kind in ["message", "edit", "react", "pin", "unreact", "unpin", "delete"] {
        assert_eq!(ben.next_of(&room).await["kind"], kind);
    }
    let edit = of(json!({ "client_msg_id": "4", "text": "back" }));
    assert_eq!(ann.refused("edit", edit).await, "gone");
}

pub(crate) async fn history_is_read_in_pages_from_both_ends(stage: Stage) {
    let room = stage.room_of(&["ann"]).await;
    for n in 0..30 {
        stage.say(&room, "ann", &n.to_string()).await;
    }
    let mut ann = stage.peer("ann").await;
    let newest = ann.done("history", json!({ "room": room, "limit": 10 })).await;
    let texts = |page: &serde_json::Value| {
        let messages = page["messages"].as_array().expect("a list").clone();
        Vec::from_iter(messages.iter().map(|m| m["text"].as_str().expect("a text").to_owned()))
    };
    let numbers = |range: std::ops::Range<u32>| Vec::from_iter(range.map(|n| n.to_string()));
    assert_eq!(texts(&newest), numbers(20..30));
    assert_eq!((&newest["found_oldest"], &newest["found_newest"]), (&json!(false), &json!(true)));
    let before = json!({ "room": room, "before": newest["messages"][0]["seq"], "limit": 10 });
    let middle = ann.done("history", before).await;
    assert_eq!(texts(&middle), numbers(10..20));
    let after = json!({ "room": room, "after": 0, "limit": 5 });
    let oldest = ann.done("history", after).await;
    assert_eq!(texts(&oldest), numbers(0..5));
    assert_eq!(oldest["found_oldest"], true);
    let around = json!({ "room": room, "around": middle["messages"][5]["seq"], "limit": 1 });
    assert_eq!(texts(&ann.done("history", around).await), ["15"]);
    let both = json!({ "room": room, "before": 9, "after": 1 });
    assert_eq!(ann.refused("history", both).await, "bad_request");
}

pub(crate) async fn marks_move_forward_and_are_told(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    ann.done("subscribe", json!({ "room": room })).await;
    stage.say(&room, "ann", "one").await;
    stage.say(&room, "ann", "two").await;
    let unread = ben.done("rooms", json!({})).await["rooms"][0].clone();
    assert_eq!((&unread["head_n"], &unread["read_n"]), (&json!(2), &json!(0)));
    ben.done("mark_read", json!({ "room": room, "seq": 5 })).await;
    let of_ben = |frame: &serde_json::Value| frame["op"] == "mark" && frame["read_seq"] == 5;
    assert_eq!(ann.find("the mark", of_ben).await["user"], "ben");
    ben.done("mark_read", json!({ "room": room, "seq": 4 })).await;
    let read = ben.done("rooms", json!({})).await["rooms"][0].clone();
    assert_eq!((&read["read_seq"], &read["read_n"]), (&json!(5), &json!(2)), "never back");
}

pub(crate) async fn who_has_read_a_message_is_listed(stage: Stage) {
    let room = stage.room_of(&["ann", "ben", "cat", "dan"]).await;
    let (mut ann, mut dan) = (stage.peer("ann").await, stage.peer("dan").await);
    let send = json!({ "room": room, "client_msg_id": "1", "text": "tea at five" });
    let sent = ann.done("send", send).await;
    let seq = sent["seq"].as_u64().expect("a place");
    let of = json!({ "room": room, "message_id": sent["message_id"] });
    assert_eq!(ann.done("readers", of.clone()).await["readers"], json!([]));
    stage.peer("ben").await.done("mark_read", json!({ "room": room, "seq": seq })).await;
    dan.done("mark_read", json!({ "room": room, "seq": seq })).await;
    stage.peer("cat").await.done("mark_read", json!({ "room": room, "seq": seq - 1 })).await;
    ann.done("mark_read", json!({ "room": room, "seq": seq })).await;
    assert_eq!(dan.done("readers", of.clone()).await["readers"], json!(["ben", "dan"]));
    let mut page = of;
    page["limit"] = json!(1);
    let first = ann.done("readers", page.clone()).await;
    assert_eq!((&first["readers"], &first["next"]), (&json!(["ben"]), &json!("ben")));
    page["after"] = json!("ben");
    assert_eq!(ann.done("readers", page.clone()).await["readers"], json!(["dan"]));
    page["after"] = json!("dan");
    let last = ann.done("readers", page).await;
    assert_eq!((&last["readers"], &last["next"]), (&json!([]), &json!(null)));
}

pub(crate) async fn a_link_is_made_looked_at_used_and_revoked(stage: Stage) {
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    let made = ann.done("create_room", json!({ "kind": "private", "name": "tea" })).await;
    let room = made["room"].clone();
    let asked = json!({ "room": room, "uses": 1 });
    let link = ann.done("create_invite_link", asked.clone()).await;
    let code = link["code"].clone();
    assert_eq!(ben.done("invitation", json!({ "code": code })).await["name"], "tea");
    assert_eq!(ben.refused("create_invite_link", asked).await, "not_found");
    let entered = ben.done("accept_invite", json!({ "code": code })).await;
    assert_eq!(entered["room"], room);
    let again = ben.done("accept_invite", json!({ "code": code })).await;
    assert_eq!(again["head_seq"], entered["head_seq"]);
    let mut cat = stage.peer("cat").await;
    assert_eq!(cat.refused("accept_invite", json!({ "code": code })).await, "not_found");
    assert_eq!(ben.refused("invite_links", json!({ "room": room })).await, "forbidden");
    let other = ann.done("create_invite_link", json!({ "room": room })).await;
    let links = ann.done("invite_links", json!({ "room": room })).await;
    assert_eq!(links["links"].as_array().map(Vec::len), Some(1), "one is used up");
    let of = json!({ "room": room, "link": other["link"] });
    ann.done("revoke_invite_link", of.clone()).await;
    assert_eq!(ann.refused("revoke_invite_link", of).await, "not_found");
    assert_eq!(cat.refused("invitation", json!({ "code": other["code"] })).await, "not_found");
}

pub(crate) async fn one_who_is_blocked_is_told_nothing_and_says_nothing(stage: Stage) {
    let (mut ann, mut ben) = (stage.peer("ann").await, stage.peer("ben").await);
    let mut phone = stage.peer("ann").await;
    let direct = json!({ "kind": "direct", "members": ["ann"] });
    let room = RoomId::direct(&user("ann"), &user("ben"));
    assert_eq!(ben.done("create_room", direct.clone()).await["room"], json!(room));
    ben.done("subscribe", json!({ "room": room })).await;
    ann.done("block", json!({ "user": "ben" })).await;
    let told = phone.next_op("block").await;
    assert_eq!((&told["user"], &told["on"]), (&json!("ben"), &json!(true)), "on all devices");
    assert_eq!(ann.done("blocks", json!({})).await["blocks"], json!(["ben"]));
    assert_eq!(phone.done("rooms", json!({})).await["blocked"], json!(["ben"]));
    let send = json!({ "room": room, "client_msg_id": "1", "text": "hello?" });
    assert_eq!(ben.refused("send", send.clone()).await, "forbidden");
    assert_eq!(ben.refused("create_room", direct).await, "forbidden");
    let square = ben.done("create_room", json!({ "kind": "public", "name": "square" })).await;
    let invite = json!({ "room": square["room"], "user": "ann", "action": "invite" });
    assert_eq!(ben.refused("member", invite).await, "forbidden");
    let subscribed = ann.done("subscribe", json!({ "room": room })).await;
    assert_eq!(subscribed["presence"], json!(["ann", "ben"]));
    let typing =
        json!({ "op": "signal", "room": room, "kind": "typing", "on": true, "ttl_ms": 900 });
    ann.send(&typing).await;
    let again = ben.done("subscribe", json!({ "room": room })).await;
    assert_eq!(again["presence"], json!(["ben"]));
    // What is said after it comes, and so it did not.
    ann.done("send", json!({ "room": room, "client_msg_id": "1", "text": "bye" })).await;
    assert_eq!(ben.next_of(&room).await["text"], "bye");
    assert!(ben.rest().await.iter().all(|frame| frame["op"] != "signal"), "of the moment: nothing");
    ann.done("unblock", json!({ "user": "ben" })).await;
    assert_eq!(phone.next_op("block").await["on"], false);
    ben.done("send", send).await;
    ann.send(&typing).await;
    assert_eq!(ben.next_op("signal").await["user"], "ann");
}

pub(crate) async fn what_one_wants_to_be_told_of_is_known_on_all_devices(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let (mut ben, mut phone) = (stage.peer("ben").await, stage.peer("ben").await);
    stage.say(&room, "ann", "hello").await;
    stage.say(&room, "ann", "hello @ben").await;
    for (level, badge, muted) in
        [("mentions", 1, json!(null)), ("none", 0, json!(true)), ("all", 2, json!(null))]
    {
        ben.done("notify", json!({ "room": room, "level": level })).await;
        let told = phone.next_op("notify").await;
        assert_eq!((&told["room"], &told["level"]), (&json!(room), &json!(level)));
        let listed = phone.done("rooms", json!({})).await["rooms"][0].clone();
        let shown = (&listed["unread"], &listed["mentions"], &listed["badge"], &listed["muted"]);
        assert_eq!(shown, (&json!(2), &json!(1), &json!(badge), &muted), "{level}");
    }
    let late = json!({ "room": room, "level": "mentions", "snooze_until": 4_000_000_000_000_u64 });
    assert_eq!(ben.refused("notify", late).await, "bad_request");
    let past = json!({ "room": room, "level": "none", "snooze_until": 5 });
    assert_eq!(ben.refused("notify", past).await, "bad_request");
    let never = json!({ "room": room, "level": "never" });
    assert_eq!(ben.refused("notify", never).await, "bad_request");
    let outside =
        stage.peer("cat").await.refused("notify", json!({ "room": room, "level": "none" })).await;
    assert_eq!(outside, "forbidden");
}

pub(crate) async fn signals_reach_the_others_and_are_not_kept(stage: Stage) {
    let room = stage.room_of(&["ann", "ben"]).await;
    let mut ann = stage.peer("ann").await;
    let subscribed = ann.done("subscribe", json!({ "room": room })).await;
    assert_eq!(subscribed["presence"], json!(["ann"]));
    let mut ben = stage.peer("ben").await;
    let subscribed = ben.done("subscribe", json!({ "room": room })).await;
    assert_eq!(subscribed["presence"], json!(["ann", "ben"]));
    let came = ann.next_op("signal").await;
    assert_eq!((&came["kind"], &came["user"]), (&json!("presence"), &json!("ben")));
    let typing =
        json!({ "op": "signal", "room": room, "kind": "typing", "on": true, "ttl_ms": 900 });
    ben.send(&typing).await;
    let told = ann.next_op("signal").await;
    assert_eq!(
        (&told["kind"], &told["user"], &told["on"]),
        (&json!("typing"), &json!("ben"), &json!(true))
    );
    assert!(ben.rest().await.iter().all(|frame| frame["kind"] != "typing"), "he knows it himself");
    let page = ann.done("history", json!({ "room": room })).await;
    assert_eq!(page["messages"], json!([]));
}
