//! Files over streams of their own: as they should be, and as they should not.

use std::time::Duration;

use bytes::Bytes;
use chatcore::attachment::AttachmentLimits;
use chatcore::id::AttachmentId;
use chatcore::testing::PIXEL;
use chatcore_quic::FilePace;
use quinn::{RecvStream, SendStream};
use serde_json::{Value, json};

use crate::support::{Client, Frames, Server, server, server_with, soon, user};

/// A stream for a file.
struct Stream {
    send: SendStream,
    receive: RecvStream,
}

async fn stream(client: &Client) -> Stream {
    let (send, receive) = soon("a stream", client.connection.open_bi()).await.expect("open");
    Stream { send, receive }
}

impl Stream {
    async fn says(&mut self, frame: &Value) {
        let bytes = rmp_serde::to_vec_named(frame).expect("MessagePack");
        let length = u32::try_from(bytes.len()).expect("short");
        self.writes(&length.to_be_bytes()).await;
        self.writes(&bytes).await;
    }

    /// Once the server wants no more, it goes nowhere.
    async fn writes(&mut self, bytes: &[u8]) {
        let _ = soon("writing", self.send.write_all(bytes)).await;
    }

    /// The answer, and all that follows it.
    async fn hears(self) -> (Value, Bytes) {
        let mut frames = Frames(self.receive);
        let answer = frames.next().await.expect("an answer");
        let rest = soon("the rest", frames.0.read_to_end(64 << 20)).await.expect("to the end");
        (answer, rest.into())
    }

    /// The code that it is cut off with.
    async fn cut(mut self) -> u64 {
        match soon("cutting", self.receive.read_to_end(64 << 20)).await {
            Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => code.into_inner(),
            other => panic!("not cut off: {other:?}"),
        }
    }
}

async fn upload(client: &Client, announced: u64, bytes: &[u8]) -> Value {
    let mut stream = stream(client).await;
    stream.says(&upload_of(announced)).await;
    stream.writes(bytes).await;
    let _ = stream.send.finish();
    stream.hears().await.0
}

fn upload_of(length: u64) -> Value {
    json!({"op": "upload", "id": 7, "name": "notes.txt", "content_type": "text/plain", "length": length})
}

async fn download(client: &Client, id: &Value, start: u64, end: Option<u64>) -> (Value, Bytes) {
    let mut stream = stream(client).await;
    let mut request = json!({"op": "download", "id": 8, "attachment": id, "start": start});
    if let Some(end) = end {
        request["end"] = end.into();
    }
    stream.says(&request).await;
    let _ = stream.send.finish();
    stream.hears().await
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"0123456789\n"[n % 11]).collect()
}

/// No upload of alice's is left, under way or waiting: all of what she may have waiting is free.
async fn nothing_is_left(server: &Server) {
    let limit = AttachmentLimits::default();
    let most = limit.waiting_bytes / limit.file_bytes;
    let whole = async || {
        let body = futures_util::stream::iter([Ok(Bytes::from_static(b"one line\n"))]);
        let request = chatcore::attachment::UploadRequest::new(user("alice"), "n", body);
        server.chat.attachments().upload(request).await
    };
    // What was dropped in the middle is cleared away in a moment.
    let clear = async {
        loop {
            let mut kept = Vec::new();
            for _ in 0..most {
                kept.extend(whole().await);
            }
            let all = kept.len() as u64 == most;
            for file in kept {
                let discarded = server.chat.attachments().discard(&file.id, &user("alice")).await;
                discarded.expect("it waits");
            }
            if all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("clearing away", clear).await;
    let swept = server.chat.attachments().sweep().await.expect("swept");
    assert_eq!((swept.expired, swept.failed), (0, 0));
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down_whole_and_in_parts() {
    let server = server().await;
    let mut client = server.hello("alice").await;
    for length in [1, 2, 40_000, 1 << 20] {
        let bytes = text(length);
        let stored = upload(&client, length as u64, &bytes).await;
        assert_eq!((&stored["op"], &stored["id"]), (&json!("result"), &json!(7)), "{stored}");
        let file = &stored["file"];
        assert_eq!((&file["size"], &file["content_type"]), (&json!(length), &json!("text/plain")));
        assert_eq!((&stored["start"], &file["name"]), (&Value::Null, &json!("notes.txt")));
        let half = length as u64 / 2;
        for (start, end) in [(0, None), (half, None), (0, Some(half)), (half, Some(u64::MAX >> 11))]
        {
            let (head, content) = download(&client, &file["id"], start, end).await;
            let end = end.map_or(length as u64, |end| end.min(length as u64));
            assert_eq!((&head["start"], &head["end"]), (&json!(start), &json!(end)), "{head}");
            assert_eq!(&head["file"], file);
            let (start, end) = (start as usize, end as usize);
            assert!(content == bytes[start..end], "{start}..{end} of {length}");
        }
        let (refused, _) = download(&client, &file["id"], length as u64 + 1, None).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("bad_request"), &json!("start")));
    }
    assert!(client.lives().await);
}

#[tokio::test]
async fn a_thumbnail_comes_down_beside_its_image() {
    let server = server().await;
    let client = server.hello("alice").await;
    let stored = upload(&client, PIXEL.len() as u64, PIXEL).await;
    let file = &stored["file"];
    let small = &file["thumbnail"];
    assert_eq!(
        (&small["width"], &small["content_type"]),
        (&json!(1), &json!("image/jpeg")),
        "{file}"
    );
    let asked = async |id: &Value, start: u64| {
        let mut stream = stream(&client).await;
        let request =
            json!({"op": "download", "id": 8, "attachment": id, "thumbnail": true, "start": start});
        stream.says(&request).await;
        let _ = stream.send.finish();
        stream.hears().await
    };
    let (head, whole) = asked(&file["id"], 0).await;
    assert_eq!(
        (&head["end"], whole.len() as u64),
        (&small["size"], small["size"].as_u64().unwrap())
    );
    assert!(whole.starts_with(&[0xFF, 0xD8]), "a JPEG");
    let (_, rest) = asked(&file["id"], 100).await;
    assert_eq!(rest, whole.slice(100..));
    let text = upload(&client, 9, b"one line\n").await;
    let (refused, _) = asked(&text["file"]["id"], 0).await;
    assert_eq!(refused["code"], "not_found", "{refused}");
}

#[tokio::test]
async fn an_empty_file_is_judged_as_over_rest() {
    let server = server().await;
    let client = server.hello("alice").await;
    let answer = upload(&client, 0, b"").await;
    let body = futures_util::stream::empty();
    let request = chatcore::attachment::UploadRequest::new(user("alice"), "notes.txt", body);
    let request = request.length(0).claimed_type("text/plain");
    match server.chat.attachments().upload(request).await {
        Ok(file) => {
            assert_eq!(answer["file"]["content_type"], json!(file.content_type), "{answer}");
            let (head, content) = download(&client, &answer["file"]["id"], 0, None).await;
            assert_eq!((&head["end"], content.len()), (&json!(0), 0));
        }
        Err(refused) => assert_eq!(answer["code"], json!(refused.code()), "{answer}"),
    }
}

#[tokio::test]
async fn a_file_is_for_those_who_may_read_it() {
    let server = server().await;
    let mut alice = server.hello("alice").await;
    let mut bob = server.hello("bob").await;
    let stored = upload(&alice, 11, &text(11)).await;
    let id = &stored["file"]["id"];
    let room = json!({"op": "create_room", "kind": "private", "name": "n"});
    let room = alice.ask(room).await["room"].clone();
    let code = async |client: &Client| download(client, id, 0, None).await.0["code"].clone();
    assert_eq!(code(&bob).await, "not_found", "it waits for its message");
    let send = json!({"op": "send", "room": room, "client_msg_id": "c", "attachments": [id]});
    assert_eq!(alice.ask(send).await["op"], "result");
    assert_eq!(code(&bob).await, "not_found", "as does one that is not there");
    let absent = json!(AttachmentId::random(&chatcore::clock::SystemRandom));
    assert_eq!(download(&bob, &absent, 0, None).await.0["code"], "not_found");
    let invite = json!({"op": "member", "room": room, "user": "bob", "action": "invite"});
    assert_eq!(alice.ask(invite).await["op"], "result");
    assert_eq!(bob.ask(json!({"op": "enter", "room": room})).await["op"], "result");
    assert_eq!(download(&bob, id, 0, None).await.1, text(11));
    let kick = json!({"op": "member", "room": room, "user": "bob", "action": "kick"});
    assert_eq!(alice.ask(kick).await["op"], "result");
    assert_eq!(code(&bob).await, "not_found", "out means out");
}

#[tokio::test]
async fn false_lengths_wrong_types_and_too_much_are_refused_and_leave_nothing() {
    let server = server().await;
    let mut client = server.hello("alice").await;
    let limit = AttachmentLimits::default().file_bytes;
    for (announced, bytes, code) in [
        (12, text(11), "bad_request"),
        (10, text(11), "bad_request"),
        (limit + 1, text(11), "too_large"),
        (u64::MAX >> 11, text(11), "too_large"),
        (20, b"<html><script>alert(".to_vec(), "unsupported_media"),
    ] {
        let answer = upload(&client, announced, &bytes).await;
        assert_eq!(
            (&answer["op"], &answer["code"]),
            (&json!("error"), &json!(code)),
            "{announced}"
        );
        assert_eq!(answer["id"], 7);
    }
    nothing_is_left(&server).await;
    assert!(client.lives().await);
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() {
    let server = server().await;
    let mut client = server.hello("alice").await;
    for _ in 0..3 {
        let mut stream = stream(&client).await;
        stream.says(&upload_of(1 << 20)).await;
        stream.writes(&text(300_000)).await;
        stream.send.reset(0u32.into()).expect("open");
        assert_eq!(stream.hears().await.0["code"], "bad_request");
    }
    assert!(client.lives().await);
    // And one whose connection is cut.
    let mut stream = stream(&client).await;
    stream.says(&upload_of(1 << 20)).await;
    stream.writes(&text(300_000)).await;
    client.connection.close(0u32.into(), b"");
    nothing_is_left(&server).await;
}

#[tokio::test]
async fn streams_that_begin_wrong_are_cut_and_the_others_go_on() {
    let server = server().await;
    let mut client = server.hello("alice").await;
    for bytes in
        [&[0xff, 0xff, 0xff, 0xff][..], &[0, 0, 0x40, 1], &[0, 0], &[0, 0, 0, 1, 0xc1], &[0; 4]]
    {
        let mut stream = stream(&client).await;
        stream.writes(bytes).await;
        let _ = stream.send.finish();
        assert_eq!(stream.cut().await, 1, "{bytes:?}");
    }
    for (wrong, id, code) in [
        (json!({"op": "send", "id": 1}), json!(1), "unsupported"),
        (json!({"op": "upload", "id": 1, "name": "n"}), json!(1), "bad_request"),
        (json!({"op": "upload", "name": "n", "length": 1}), Value::Null, "bad_request"),
        (json!({"op": "upload", "id": 1, "name": "n", "length": -1}), json!(1), "bad_request"),
        (
            json!({"op": "upload", "id": 1, "name": "n", "length": 1, "owner": "bob"}),
            json!(1),
            "bad_request",
        ),
        (json!({"op": "download", "id": 1, "attachment": "../x"}), json!(1), "bad_request"),
    ] {
        let mut stream = stream(&client).await;
        stream.says(&wrong).await;
        let answer = stream.hears().await.0;
        assert_eq!((&answer["id"], &answer["code"]), (&id, &json!(code)), "{wrong} {answer}");
    }
    assert!(client.lives().await);
}

#[tokio::test]
async fn who_dribbles_a_file_or_its_request_is_cut() {
    let pace = FilePace {
        grace: Duration::from_millis(300),
        min_rate: 100_000,
        idle: Duration::from_millis(300),
    };
    let server = server_with(|config| config.with_file_pace(pace)).await;
    let mut client = server.hello("alice").await;
    let mut silent = stream(&client).await;
    silent.writes(&[0, 0]).await;
    assert_eq!(silent.cut().await, 1);
    let mut stalled = stream(&client).await;
    stalled.says(&upload_of(100_000)).await;
    stalled.writes(&text(50)).await;
    assert_eq!(stalled.hears().await.0["code"], "bad_request");
    let mut slow = stream(&client).await;
    slow.says(&upload_of(100_000)).await;
    while slow.send.write_all(b"0123456789").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(slow.hears().await.0["code"], "bad_request");
    assert!(client.lives().await);
    nothing_is_left(&server).await;
}

#[tokio::test]
async fn a_download_that_is_not_read_holds_up_nothing_else_and_is_given_up() {
    let session = {
        let mut session = chatcore::protocol::session::Config::default();
        session.stall = Duration::from_millis(500);
        session
    };
    let server = server_with(|config| config.with_session(session)).await;
    let mut client = server.hello("alice").await;
    let room = server.room_of(&["alice"]).await;
    client.subscribe(&room, None).await;
    let length = 8 << 20;
    let stored = upload(&client, length as u64, &text(length)).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        let mut stream = stream(&client).await;
        let id = &stored["file"]["id"];
        stream.says(&json!({"op": "download", "id": 8, "attachment": id})).await;
        unread.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.say(&room, "alice", "can you hear me").await;
    let (_, mut entries) = client.stream().await;
    assert_eq!(entries.next_op("event").await["text"], "can you hear me");
    assert!(client.lives().await);
    tokio::time::sleep(Duration::from_millis(900)).await;
    for stream in unread {
        assert_eq!(stream.cut().await, 8, "it does not end as if it were whole");
    }
    assert!(client.lives().await);
}

#[tokio::test]
async fn who_is_put_out_gets_no_more_of_a_file_that_is_on_its_way() {
    let server = server().await;
    let mut alice = server.hello("alice").await;
    let mut bob = server.hello("bob").await;
    let stored = upload(&alice, 8 << 20, &text(8 << 20)).await;
    let id = &stored["file"]["id"];
    let room = json!({"op": "create_room", "kind": "public", "name": "n"});
    let room = alice.ask(room).await["room"].clone();
    let send = json!({"op": "send", "room": room, "client_msg_id": "c", "attachments": [id]});
    assert_eq!(alice.ask(send).await["op"], "result");
    assert_eq!(bob.ask(json!({"op": "enter", "room": room})).await["op"], "result");
    let mut stream = stream(&bob).await;
    stream.says(&json!({"op": "download", "id": 8, "attachment": id})).await;
    let begun = soon("the beginning", stream.receive.read_chunk(1024, true)).await;
    assert!(begun.expect("open").is_some());
    let kick = json!({"op": "member", "room": room, "user": "bob", "action": "kick"});
    assert_eq!(alice.ask(kick).await["op"], "result");
    // He takes nothing meanwhile, so the rest of it is still to come.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(stream.cut().await, 8, "out means out");
    assert!(bob.lives().await);
}

#[tokio::test]
async fn files_of_one_who_is_not_known_wait_and_are_cut_with_the_connection() {
    let server = server().await;
    let mut client = server.connect().await;
    // The control stream comes first.
    client.send_bytes(&[0]).await;
    let mut stream = stream(&client).await;
    stream.says(&upload_of(11)).await;
    stream.writes(&text(11)).await;
    let _ = stream.send.finish();
    let early =
        tokio::time::timeout(Duration::from_millis(200), stream.receive.read_chunk(1, true));
    assert!(early.await.is_err(), "nobody is known");
    client.send_bytes(&[0, 0, 0]).await;
    client.closing().await;
    nothing_is_left(&server).await;
}

/// A server whose clients have so long to end what they do, and one of them with a long file.
async fn stopping(drain: Duration) -> (Server, Client, Value) {
    let mut session = chatcore::protocol::session::Config::default();
    session.drain = drain;
    let server = server_with(|config| config.with_session(session)).await;
    let client = server.hello("alice").await;
    let stored = upload(&client, 8 << 20, &text(8 << 20)).await;
    (server, client, stored["file"]["id"].clone())
}

#[tokio::test]
async fn a_server_that_stops_lets_files_arrive() {
    let (server, mut client, id) = stopping(Duration::from_secs(10)).await;
    let mut down = stream(&client).await;
    down.says(&json!({"op": "download", "id": 8, "attachment": id})).await;
    let mut up = stream(&client).await;
    up.says(&upload_of(300_000)).await;
    up.writes(&text(100_000)).await;
    let stopped = tokio::spawn(server.stop());
    client.answers.next_op("goaway").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    up.writes(&text(300_000)[100_000..]).await;
    let _ = up.send.finish();
    assert_eq!(up.hears().await.0["file"]["size"], 300_000);
    let (head, content) = down.hears().await;
    assert_eq!((&head["op"], content.len()), (&json!("result"), 8 << 20), "all of it");
    assert_eq!(client.closing().await, chatcore::protocol::CloseCode::GoingAway);
    assert_eq!(stopped.await.expect("no panic"), chatcore_quic::Stopped::Drained);
}

#[tokio::test]
async fn a_file_that_is_not_there_when_the_server_has_to_go_is_told_so() {
    let (server, mut client, _) = stopping(Duration::from_millis(500)).await;
    let mut up = stream(&client).await;
    up.says(&upload_of(300_000)).await;
    up.writes(&text(100_000)).await;
    let began = std::time::Instant::now();
    let stopped = tokio::spawn(server.stop());
    client.answers.next_op("goaway").await;
    // What begins now has come too late.
    assert_eq!(upload(&client, 11, &text(11)).await["code"], "unavailable");
    assert_eq!(client.closing().await, chatcore::protocol::CloseCode::GoingAway);
    assert!(began.elapsed() >= Duration::from_millis(450), "it was waited for");
    assert!(began.elapsed() < Duration::from_secs(5), "but not for ever");
    assert_eq!(stopped.await.expect("no panic"), chatcore_quic::Stopped::Drained);
}
