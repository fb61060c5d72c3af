//! Frames that are none, and frames that lie.

use chatcore_tests::Encoding;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::{Bare, Next};
use crate::site::Site;

async fn room(site: &Site) -> (chatcore_tests::Person, String) {
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    (ann, room)
}

/// Rule 59.
#[tokio::test]
async fn bytes_that_are_no_frame_end_that_connection_only() {
    let site = Site::open().await;
    let (ann, room) = room(&site).await;
    let mut other = Bare::welcomed(&site, &ann).await;
    let nested = |open: u8, n: usize| vec![open; n];
    let hello = rmp_serde::to_vec_named(
        &json!({ "op": "hello", "versions": [1], "token": ann.token, "device": "d" }),
    )
    .unwrap();
    let packed: Vec<Vec<u8>> = vec![
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![0xc6, 0xff, 0xff, 0xff, 0xff, 0x00],
        vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'x'],
        vec![0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
        vec![0xc1],
        nested(0x91, 700),
        nested(0x91, 200_000),
        nested(0x81, 100_000),
        [[0x81, 0xa1, b'a'].repeat(40_000), vec![0xc0]].concat(),
        vec![],
        vec![0x00],
        [hello.clone(), hello.clone()].concat(),
        hello[..hello.len() - 1].to_vec(),
        vec![0x81, 0xa2, b'o', b'p', 0xa1, 0xff],
        vec![0x81, 0x01, 0x02],
        // A name twice: what one reads is not what another reads.
        [vec![0x82], b"\xa2op\xa4ping\xa2op\xa5rooms".to_vec()].concat(),
        // Beyond what numbers hold.
        [vec![0x82], b"\xa2op\xa4ping\xa2ts".to_vec(), vec![0xcf], vec![0xff; 8]].concat(),
        [vec![0x82], b"\xa2op\xa4ping\xa2ts".to_vec(), vec![0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]]
            .concat(),
    ];
    for bytes in packed {
        for welcomed in [false, true] {
            let mut bare = Bare::open(&site, Encoding::Msgpack).await;
            if welcomed {
                bare.post(Message::binary(hello.clone())).await;
                assert_eq!(bare.hear().await["op"], "welcome");
            }
            bare.post(Message::binary(bytes.clone())).await;
            let head = &bytes[..bytes.len().min(16)];
            match bare.next().await {
                Next::Frame(frame) => {
                    assert_eq!(frame["op"], "error", "{head:02x?}: {frame}");
                    let code = frame["code"].as_str().unwrap_or_default();
                    assert!(matches!(code, "bad_request" | "too_large"), "{head:02x?}: {frame}");
                    if !welcomed {
                        assert_eq!(bare.closed().await, Some(4001), "{head:02x?}");
                    }
                }
                Next::Closed(code) => assert_eq!(code, Some(4001), "{head:02x?}"),
            }
        }
    }
    let texts: Vec<String> = vec![
        "[".repeat(700),
        "[".repeat(250_000),
        "{\"a\":".repeat(40_000),
        "{".into(),
        String::new(),
        "nonsense".into(),
        "{} {}".into(),
        "\u{feff}{}".into(),
        "{\"op\":\"ping\",\"ts\":01}".into(),
        "{\"op\":\"pi\u{1}ng\"}".into(),
        "\"\\ud800\"".into(),
        "9".repeat(200_000),
        format!("{{\"op\":\"{}\"}}", "x".repeat(200_000)),
    ];
    for text in texts {
        let mut bare = Bare::welcomed(&site, &ann).await;
        let head: String = text.chars().take(30).collect();
        bare.post(Message::text(text)).await;
        match bare.next().await {
            // What is a map with an op of its own is a frame, if an unknown one.
            Next::Frame(frame) => {
                assert_eq!(frame["op"], "error", "{head}: {frame}");
                assert!(frame.to_string().len() < 1_000, "{head}: {frame}");
            }
            Next::Closed(code) => assert_eq!(code, Some(4001), "{head}"),
        }
    }
    other.lives().await;
    assert_eq!(ann.log(&room).await.len(), 2);
    site.still_serves(&ann).await;
}

/// What RFC 6455 forbids, and what is legal but was never meant.
#[tokio::test]
async fn frames_that_the_protocol_below_forbids() {
    let site = Site::open().await;
    let (ann, _) = room(&site).await;
    let header = |opcode, fin| FrameHeader { is_final: fin, opcode, ..FrameHeader::default() };
    let masked = |mut header: FrameHeader, payload: &[u8]| {
        header.mask = Some([0; 4]);
        Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
    };
    let data = |data, fin, payload: &[u8]| masked(header(OpCode::Data(data), fin), payload);
    let hostile: Vec<Vec<Message>> = vec![
        // Bytes that are not UTF-8 in a text; binary where text was agreed on.
        vec![data(Data::Text, true, b"{\"op\":\"ping\",\"ts\":1,\"x\":\"\xff\"}")],
        vec![data(Data::Text, true, b"\xed\xa0\x80")],
        vec![data(Data::Binary, true, b"{\"op\":\"ping\",\"ts\":1}")],
        // Parts that do not fit together.
        vec![data(Data::Continue, true, b"x")],
        vec![data(Data::Text, false, b"{"), data(Data::Text, true, b"}")],
        // Control frames that are cut, or too long.
        vec![masked(header(OpCode::Control(Control::Ping), false), b"x")],
        vec![masked(header(OpCode::Control(Control::Ping), true), &[0; 126])],
        // Reserved opcodes.
        vec![masked(header(OpCode::Data(Data::Reserved(3)), true), b"x")],
        vec![masked(header(OpCode::Control(Control::Reserved(11)), true), b"")],
        // A goodbye with half a code.
        vec![masked(header(OpCode::Control(Control::Close), true), &[3])],
        // More than a frame may have, in one piece and in crumbs.
        vec![data(Data::Text, true, &vec![b' '; 300 << 10])],
        (0..400)
            .map(|n| data(if n == 0 { Data::Text } else { Data::Continue }, false, &[b' '; 1_000]))
            .collect(),
    ];
    for (n, messages) in hostile.into_iter().enumerate() {
        let mut bare = Bare::welcomed(&site, &ann).await;
        for message in messages {
            bare.post(message).await;
        }
        let code = bare.closed().await;
        assert!(matches!(code, None | Some(1002 | 1007 | 1009 | 4001)), "{n}: {code:?}");
    }
    // Without a mask.
    let mut raw = site.raw().await;
    raw.say(super::opening::upgrade("")).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101"));
    raw.say([0x81, 0x02, b'{', b'}']).await;
    raw.rest().await;
    // A message in a thousand parts with pings between them is odd, and taken.
    let mut bare = Bare::welcomed(&site, &ann).await;
    let text = json!({ "op": "ping", "ts": 7 }).to_string();
    for (n, byte) in text.bytes().enumerate() {
        let kind = if n == 0 { Data::Text } else { Data::Continue };
        bare.post(data(kind, false, &[byte])).await;
        bare.post(Message::Ping(vec![n as u8].into())).await;
    }
    bare.post(data(Data::Continue, true, b"")).await;
    assert_eq!(bare.hear().await, json!({ "op": "pong", "ts": 7 }));
    site.still_serves(&ann).await;
}

/// Rules 38 and 41: each gets one error, and the connection lives.
#[tokio::test]
async fn requests_that_lie_are_answered_and_the_connection_lives() {
    let site = Site::open().await;
    let (ann, room) = room(&site).await;
    let sent = ann.send(&room, "first", "first").await.expect(201).json();
    let message = sent["message_id"].clone();
    let mut bare = Bare::welcomed(&site, &ann).await;
    let send = json!({ "op": "send", "id": 1, "room": room, "client_msg_id": "c", "text": "hi" });
    let with = |base: &Value, field: &str, value: Value| {
        let mut frame = base.clone();
        frame[field] = value;
        frame
    };
    let mut hostile = Vec::new();
    // Names of events that are no names.
    for op in [json!(["send"]), json!({ "op": "send" }), json!(1), json!(null), json!(true)] {
        hostile.push(with(&send, "op", op));
    }
    for op in ["SEND", " send", "send\u{0}", "__proto__", "constructor", "", "event", "result"] {
        hostile.push(with(&send, "op", json!(op)));
    }
    // Fields that only the server sets, and fields of other frames.
    for (field, value) in [
        ("user", json!("someone")),
        ("seq", json!(1)),
        ("n", json!(1)),
        ("ts", json!(1)),
        ("epoch", json!("x")),
        ("message_id", message.clone()),
        ("kind", json!("kick")),
        ("since", json!({ "seq": 0 })),
        ("edited_at", json!(1)),
        ("__proto__", json!({})),
    ] {
        hostile.push(with(&send, field, value));
    }
    for field in ["room", "client_msg_id", "text", "reply_to"] {
        for value in [json!(1), json!([]), json!({}), json!(true), json!("\u{0}"), json!(1.5)] {
            hostile.push(with(&send, field, value));
        }
    }
    for room in ["", "../x", "a b", "r\u{f6}m", &"x".repeat(65), "a/b", "*", "%"] {
        hostile.push(with(&send, "room", json!(room)));
    }
    for attachments in [json!("x"), json!([1]), json!([""]), json!(["../../etc/passwd"]), json!({})]
    {
        hostile.push(with(&send, "attachments", attachments));
    }
    let history = json!({ "op": "history", "id": 1, "room": room, "limit": 1 });
    for (field, value) in [
        ("limit", json!(0)),
        ("limit", json!(-1)),
        ("limit", json!(1_000_000_000)),
        ("limit", json!(1e3)),
        ("limit", json!("1")),
        ("before", json!(-1)),
        ("before", json!(9_007_199_254_740_992_u64)),
        ("before", json!(u64::MAX)),
        ("after", json!(1.5)),
        ("around", json!([1])),
    ] {
        hostile.push(with(&history, field, value));
    }
    hostile.push(with(&with(&history, "before", json!(1)), "after", json!(1)));
    hostile.push(with(&with(&history, "before", json!(1)), "around", json!(1)));
    let subscribe = json!({ "op": "subscribe", "id": 1, "room": room });
    for since in [
        json!(1),
        json!({ "seq": -1 }),
        json!({ "seq": "1" }),
        json!({ "epoch": 1, "seq": 1 }),
        json!({ "epoch": "../x", "seq": 1 }),
        json!({ "seq": 1, "x": 1 }),
        json!({}),
    ] {
        hostile.push(with(&subscribe, "since", since));
    }
    for seq in [json!(-1), json!(99), json!(9_007_199_254_740_991_u64), json!("1"), json!(null)] {
        hostile.push(json!({ "op": "mark_read", "id": 1, "room": room, "seq": seq }));
    }
    for emoji in [json!(""), json!("a b"), json!("x".repeat(33)), json!(["👍"]), json!("\u{0}")] {
        hostile.push(
            json!({ "op": "react", "id": 1, "room": room, "message_id": message, "emoji": emoji }),
        );
    }
    for id in [json!("short"), json!("x".repeat(22)), json!("../../../../../../etc/"), json!(1)] {
        hostile.push(json!({ "op": "pin", "id": 1, "room": room, "message_id": id }));
    }
    for action in ["promote", "", "Kick", "kick\u{0}"] {
        hostile
            .push(json!({ "op": "member", "id": 1, "room": room, "user": "x", "action": action }));
    }
    let before = ann.log(&room).await;
    let count = hostile.len();
    for frame in hostile {
        let shown: String = frame.to_string().chars().take(200).collect();
        bare.say(frame).await;
        let answer = bare.hear().await;
        assert_eq!(
            (&answer["op"], &answer["id"]),
            (&json!("error"), &json!(1)),
            "{shown}: {answer}"
        );
        let code = answer["code"].as_str().unwrap();
        let known = ["bad_request", "not_found", "unsupported", "limit_reached"];
        assert!(known.contains(&code), "{shown}: {answer}");
        assert!(answer.to_string().len() < 1_000, "{shown}: {answer}");
    }
    assert!(count > 90);
    bare.lives().await;
    assert_eq!(ann.log(&room).await, before);
    bare.say(send).await;
    assert_eq!(bare.answer(1).await["seq"], 4);
}

/// Ids of requests that are no ids, and the same id many times at once.
#[tokio::test]
async fn requests_with_strange_ids() {
    let site = Site::open().await;
    let (ann, room) = room(&site).await;
    let mut bare = Bare::welcomed(&site, &ann).await;
    for id in [
        json!(null),
        json!(-1),
        json!(1.5),
        json!({}),
        json!([1]),
        json!("x".repeat(10_000)),
        json!(u64::MAX),
        json!(true),
    ] {
        let shown: String = id.to_string().chars().take(40).collect();
        bare.say(json!({ "op": "create_room", "id": id, "kind": "public" })).await;
        let answer = bare.hear().await;
        assert_eq!(answer["op"], "error", "{shown}: {answer}");
        assert!(answer.to_string().len() < 1_000, "{shown}");
    }
    bare.say(json!({ "op": "create_room", "kind": "public" })).await;
    assert_eq!(bare.hear().await["op"], "error");
    assert_eq!(ann.http.get("/api/v1/rooms").await.json()["rooms"].as_array().unwrap().len(), 1);
    // One id for a hundred requests: a hundred answers, and nothing is mixed up.
    for n in 0..100 {
        bare.say(json!({ "op": "send", "id": 5, "room": room, "client_msg_id": n.to_string(), "text": "x" }))
            .await;
    }
    let mut places: Vec<u64> = Vec::new();
    for _ in 0..100 {
        let answer = bare.answer(5).await;
        assert_eq!(answer["op"], "result", "{answer}");
        places.push(answer["seq"].as_u64().unwrap());
    }
    // Answers come as they are ready; what was sent stands in the order in which it was.
    places.sort_unstable();
    assert_eq!(places, (3..103).collect::<Vec<u64>>());
    for (n, entry) in ann.log(&room).await[2..].iter().enumerate() {
        assert_eq!(entry["client_msg_id"], n.to_string());
    }
}

/// Rule 35 on the wire, in both encodings, and rule 36: what is let in comes out as it was.
#[tokio::test]
async fn texts_at_the_edge_of_unicode() {
    let site = Site::open().await;
    let (ann, room) = room(&site).await;
    let mut bare = Bare::welcomed(&site, &ann).await;
    bare.say(json!({ "op": "subscribe", "id": 1, "room": room })).await;
    assert_eq!(bare.answer(1).await["op"], "result");
    for (escaped, code) in [
        (r"lone \ud800", "closed"),
        (r"lone \udfff tail", "closed"),
        (r"swapped \udc00\ud800", "closed"),
        (r"nul \u0000", "bad_request"),
        ("", "bad_request"),
    ] {
        let mut bare = Bare::welcomed(&site, &ann).await;
        let frame = format!(
            r#"{{"op":"send","id":1,"room":"{room}","client_msg_id":"1","text":"{escaped}"}}"#
        );
        bare.post(Message::text(frame)).await;
        match bare.next().await {
            Next::Frame(frame) => {
                assert_eq!(frame["op"], "error", "{escaped}: {frame}");
                assert_eq!(frame["code"], "bad_request", "{escaped}: {frame}");
            }
            Next::Closed(end) => assert_eq!((code, end), ("closed", Some(4001)), "{escaped}"),
        }
    }
    let big = "x".repeat((64 << 10) + 1);
    let tower = format!("e{}", "\u{301}".repeat(1_000));
    for (text, code) in [(big.as_str(), "too_large"), (tower.as_str(), "bad_request")] {
        bare.say(
            json!({ "op": "send", "id": 2, "room": room, "client_msg_id": "2", "text": text }),
        )
        .await;
        assert_eq!(bare.answer(2).await["code"], code);
    }
    let mut packed = Bare::open(&site, Encoding::Msgpack).await;
    packed.say(json!({ "op": "hello", "versions": [1], "token": ann.token, "device": "d" })).await;
    assert_eq!(packed.hear().await["op"], "welcome");
    packed.say(json!({ "op": "subscribe", "id": 1, "room": room })).await;
    assert_eq!(packed.answer(1).await["op"], "result");
    for (n, text) in crate::messages::HOSTILE.iter().enumerate() {
        let frame = json!({ "op": "send", "id": 9, "room": room, "client_msg_id": format!("h{n}"), "text": text });
        if n % 2 == 0 {
            bare.say(frame).await
        } else {
            packed.say(frame).await
        }
        for reader in [&mut bare, &mut packed] {
            let event = loop {
                let frame = reader.hear().await;
                if frame["op"] == "event" {
                    break frame;
                }
                assert_eq!(frame["op"], "result", "{text:?}: {frame}");
            };
            assert_eq!(event["text"], *text);
            assert_eq!(event["client_msg_id"], format!("h{n}"));
        }
    }
    let page = ann.http.get(&format!("/api/v1/rooms/{room}/messages?limit=200")).await.json();
    let kept: Vec<&str> =
        page["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(kept, crate::messages::HOSTILE);
}
