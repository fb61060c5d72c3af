//! Connections that fall silent, outlive their token, or are cut.

use std::time::{Duration, Instant};

use chatcore_tests::{PATIENCE, Person};
use serde_json::json;

use super::{Bare, Next, until};
use crate::site::{Site, text};

/// Rule 63.
#[tokio::test]
async fn one_without_a_heartbeat_is_closed_within_two() {
    let site = Site::with(|setup| {
        setup.session = |session| session.heartbeat = Duration::from_millis(400);
    })
    .await;
    let ann = site.person("ann").await;
    let begun = Instant::now();
    let mut silent = Bare::welcomed(&site, &ann).await;
    let mut alive = Bare::welcomed(&site, &ann).await;
    let beating = tokio::spawn(async move {
        while begun.elapsed() < Duration::from_millis(1_600) {
            alive.lives().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        alive
    });
    assert_eq!(silent.closed().await, Some(4005));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(750), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    beating.await.unwrap().lives().await;
}

/// Rule 65: who is still sending when the token ends is warned, then closed, and what was acked is
/// there; what was not may be sent again with a new token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_in_the_middle_of_sending() {
    let site = Site::with(|setup| {
        setup.accounts.access_ttl = Duration::from_secs(2);
        setup.session = |session| session.expiry_notice = Duration::from_secs(1);
    })
    .await;
    let body = json!({ "handle": "ann", "password": "correct horse" });
    let made = site.http.post("/api/v1/accounts", body).await.expect(201).json();
    let token = |kind: &str| text(&made, &format!("/{kind}"));
    let person = |token: String| Person {
        handle: "ann".into(),
        password: "correct horse".into(),
        user: text(&made, "/user/id"),
        http: site.http.with_token(token.clone()),
        token,
    };
    let lasting = person(token("session_token"));
    let room = lasting.create_room("public", "room").await;
    let mut bare = Bare::welcomed(&site, &person(token("access_token"))).await;
    let (mut acked, mut warned, mut n) = (Vec::new(), false, 0_u64);
    let end = loop {
        let name = n.to_string();
        bare.say(
            json!({ "op": "send", "id": n, "room": room, "client_msg_id": name, "text": name }),
        )
        .await;
        n += 1;
        match bare.next().await {
            Next::Frame(frame) if frame["op"] == "result" => acked.push(frame),
            Next::Frame(frame) if frame["op"] == "auth_expiring" => warned = true,
            Next::Frame(frame) => panic!("{frame}"),
            Next::Closed(code) => break code,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(end, Some(4002));
    assert!(warned && acked.len() > 20, "{warned} {}", acked.len());
    let log = lasting.log(&room).await;
    for answer in &acked {
        let seq = answer["seq"].as_u64().unwrap();
        assert_eq!(
            log[seq as usize - 1]["client_msg_id"],
            answer["id"].as_u64().unwrap().to_string()
        );
    }
    // The last ones got no answer: sent again they are there once.
    for name in n.saturating_sub(3)..n {
        let name = name.to_string();
        lasting.send(&room, &name, &name).await.expect(201);
    }
    let log = lasting.log(&room).await;
    let mut names: Vec<u64> =
        log.iter().filter_map(|entry| entry["client_msg_id"].as_str()?.parse().ok()).collect();
    names.sort_unstable();
    assert!(names.into_iter().eq(0..n));
    // A token of someone else does not renew a connection.
    let eve = site.person("eve").await;
    let mut bare = Bare::welcomed(&site, &lasting).await;
    for (token, code) in [(eve.token.as_str(), "forbidden"), ("x", "unauthenticated")] {
        bare.say(json!({ "op": "auth", "id": 1, "token": token })).await;
        assert_eq!(bare.answer(1).await["code"], code);
    }
    bare.lives().await;
}

/// Rule 34, on the wire: cut between the commit and the ack, at whatever point that falls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_before_the_ack_and_taken_up_again() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    for n in 0..30_u64 {
        let mut bare = Bare::welcomed(&site, &ann).await;
        let name = n.to_string();
        bare.say(
            json!({ "op": "send", "id": 1, "room": room, "client_msg_id": name, "text": name }),
        )
        .await;
        drop(bare);
        // The next connection sends the same again, and follows the room from where it was.
        let mut bare = Bare::welcomed(&site, &ann).await;
        bare.say(
            json!({ "op": "send", "id": 2, "room": room, "client_msg_id": name, "text": name }),
        )
        .await;
        let sent = bare.answer(2).await;
        assert_eq!(sent["seq"], n + 3, "{sent}");
        let since = json!({ "seq": n + 2 });
        bare.say(json!({ "op": "subscribe", "id": 3, "room": room, "since": since })).await;
        assert_eq!(bare.answer(3).await["recovered"], true);
        let event = bare.hear().await;
        assert_eq!((&event["seq"], &event["client_msg_id"]), (&sent["seq"], &json!(name)));
    }
    assert_eq!(ann.log(&room).await.len(), 32);
}

/// Cut in the middle of a frame, half-closed, or reset: nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_torn_leave_nothing_behind() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    for n in 0..40 {
        let mut bare = Bare::welcomed(&site, &ann).await;
        bare.say(json!({ "op": "subscribe", "id": 1, "room": room })).await;
        let tokio_tungstenite::MaybeTlsStream::Plain(stream) = bare.socket.get_mut() else {
            panic!("there is no TLS here");
        };
        use tokio::io::AsyncWriteExt as _;
        match n % 3 {
            // The head of a frame of 100 bytes, and ten of them.
            0 => stream.write_all(&[0x81, 0xe4, 0, 0, 0, 0, b'{', b'"', b'o']).await.unwrap(),
            1 => {
                #[expect(
                    deprecated,
                    reason = "a reset is what is wanted, and nothing waits for it"
                )]
                stream.set_linger(Some(Duration::ZERO)).unwrap();
            }
            _ => stream.shutdown().await.unwrap(),
        }
        drop(bare);
    }
    until(|| site.chat.hub().connections() == 0).await;
    site.still_serves(&ann).await;
}

/// Rule 28 on the wire: once a kick has returned, nothing new of the room leaves for whom it put out;
/// the connection and its other rooms live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_while_messages_fly() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let bob = site.person("bob").await;
    let room = ann.create_room("public", "room").await;
    let other = bob.create_room("public", "bob's own").await;
    for action in ["kick", "ban"] {
        bob.enter(&room).await;
        let mut bobs = site.socket(&bob).await;
        bobs.request("subscribe", json!({ "room": room })).await;
        bobs.request("subscribe", json!({ "room": other })).await;
        let anns = site.socket(&ann).await;
        let flood: Vec<_> = (0..200)
            .map(|n| {
                let handle = anns.handle();
                let send =
                    json!({ "room": room, "client_msg_id": format!("{action}{n}"), "text": "x" });
                tokio::spawn(async move { handle.request("send", send).await })
            })
            .collect();
        let member = json!({ "room": room, "user": bob.user, "action": action });
        anns.request("member", member).await;
        for sent in flood {
            sent.await.unwrap();
        }
        anns.request("send", json!({ "room": room, "client_msg_id": action, "text": "gone?" }))
            .await;
        bob.send(&other, action, "still here").await.expect(201);
        let log = ann.log(&room).await;
        let put_out = log.iter().rev().find(|entry| entry["kind"] == action).unwrap();
        let put_out = put_out["seq"].as_u64().unwrap();
        let mut told = false;
        loop {
            let frame = bobs.frame_within(PATIENCE).await.expect("the connection lives");
            if frame["room"] == other.as_str() && frame["op"] == "event" {
                break;
            }
            if frame["room"] == room.as_str() && frame["op"] == "event" {
                let seq = frame["seq"].as_u64().unwrap();
                assert!(seq < put_out, "{seq} came after {action} at {put_out}");
            }
            told |= frame["op"] == "membership" && frame["room"] == room.as_str();
        }
        assert!(told, "the one who is put out is told so");
        let again = bobs.try_request("subscribe", json!({ "room": room })).await.unwrap_err();
        assert_eq!(again.code, "forbidden");
        for op in ["history", "mark_read", "send"] {
            let fields = match op {
                "send" => json!({ "room": room, "client_msg_id": "late", "text": "x" }),
                "mark_read" => json!({ "room": room, "seq": 1 }),
                _ => json!({ "room": room }),
            };
            assert_eq!(bobs.try_request(op, fields).await.unwrap_err().code, "forbidden", "{op}");
        }
    }
}
