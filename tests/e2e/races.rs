//! Two things at the same moment.

use std::collections::BTreeSet;

use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, Server, WsClient, count};
use futures_util::StreamExt as _;
use serde_json::json;

/// `CHATCORE_E2E_ROUNDS` rounds: the last one leaves while another comes in.
#[tokio::test(flavor = "multi_thread")]
async fn enter_against_the_last_leave_leaves_no_orphan() {
    let rounds = count("CHATCORE_E2E_ROUNDS", 100);
    let server = Server::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let (hers, his) =
        tokio::join!(server.connect(&ann, Encoding::Json), server.connect(&bob, Encoding::Msgpack));
    let (mut survived, mut deleted) = (0, 0);
    for round in 0..rounds {
        let fields = json!({ "kind": "public", "name": format!("race {round}") });
        let room = hers.request("create_room", fields).await["room"].clone();
        let this = json!({ "room": room });
        let leave = hers.try_request("leave", this.clone());
        let enter = his.try_request("enter", this.clone());
        // By turns the one or the other is asked first.
        let (left, entered) = if round % 2 == 0 {
            tokio::join!(leave, enter)
        } else {
            let (entered, left) = tokio::join!(enter, leave);
            (left, entered)
        };
        let left = left.expect("a member may leave");
        let path = format!("/api/v1/rooms/{}", room.as_str().expect("an id"));
        let sent = json!({ "room": room, "client_msg_id": format!("{round}"), "text": "hello?" });
        let sent = his.try_request("send", sent).await;
        match entered {
            Ok(_) => {
                survived += 1;
                assert_eq!(left["deleted"], false, "round {round}: a room with a member is gone");
                sent.expect("who is in a room can send");
                let members = bob.http.get(&format!("{path}/members")).await.expect(200).json();
                assert!(members.to_string().contains(&bob.user), "round {round}: {members}");
                assert!(!members.to_string().contains(&ann.user), "round {round}: {members}");
                let left = his.request("leave", this).await;
                assert_eq!(left["deleted"], true, "round {round}: he was the last");
            }
            Err(refusal) => {
                deleted += 1;
                assert_eq!(refusal.code, "not_found", "round {round}");
                assert_eq!(left["deleted"], true, "round {round}: a room without members is left");
                assert_eq!(sent.expect_err("there is no room").code, "not_found");
            }
        }
        bob.http.get(&path).await.expect(404);
    }
    assert_eq!(survived + deleted, rounds);
    let mine = bob.http.get("/api/v1/rooms?filter=visible").await.expect(200).json();
    assert_eq!(mine["rooms"].as_array().map(Vec::len), Some(0), "nothing is left over: {mine}");
}

/// `CHATCORE_E2E_SENDS` sends, all of them under way before the first is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_sends_take_a_dense_order() {
    let sends = count("CHATCORE_E2E_SENDS", 1_000);
    let server = Server::start().await;
    let people = server.http().register_many("sender", 10).await;
    let room = people[0].create_room("public", "crowd").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    // As many connections as it takes to have all of them under way at the same time.
    let mut first = WsClient::open(server.address(), Encoding::Json).await;
    let welcome = first.hello(&people[0]).await;
    let in_flight = welcome["limits"]["in_flight"].as_u64().expect("a bound");
    let in_flight = usize::try_from(in_flight).expect("a small number");
    let connections = sends.div_ceil(in_flight);
    let clients = futures_util::stream::iter(0..connections)
        .map(|at| server.connect(&people[at % people.len()], Encoding::Msgpack))
        .buffered(10)
        .collect::<Vec<_>>()
        .await;
    let requests = (0..sends).map(|number| {
        let handle = clients[number % connections].handle();
        let fields = json!({
            "room": room, "client_msg_id": format!("m{number}"), "text": format!("{number}"),
        });
        async move { handle.request("send", fields).await }
    });
    let answers = futures_util::future::join_all(requests).await;

    let places: BTreeSet<u64> = answers.iter().map(seq).collect();
    assert_eq!(places.len(), sends, "no place is given twice");
    let numbers: BTreeSet<u64> = answers.iter().filter_map(|a| a["n"].as_u64()).collect();
    assert!(numbers.into_iter().eq(1..=sends as u64), "messages are counted without a hole");
    let log = people[0].log(&room).await;
    assert!(log.iter().map(seq).eq(1..=log.len() as u64), "the log is dense");
    for answer in &answers {
        let entry = &log[usize::try_from(seq(answer)).expect("a place") - 1];
        assert_eq!(entry["message_id"], answer["message_id"], "each is where it was said to be");
    }
    first.close().await;
}
