//! Large answers out of small memory.

use chatcore_tests::{Encoding, Server, count};
use futures_util::StreamExt as _;
use serde_json::json;

/// What the server may grow by while it streams a room of any size.
const GROWTH_KIB: u64 = 16 * 1024;

/// A room of `CHATCORE_E2E_LOG` messages. By default fewer but longer ones, so that the whole log is
/// still much larger than what may be used.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_large_room_is_streamed_in_small_memory() {
    let messages = count("CHATCORE_E2E_LOG", 6_000);
    let padding = if messages < 100_000 { 4_000 } else { 100 };
    let mut server = Server::start().await;
    let people = server.http().register_many("writer", 10).await;
    let room = people[0].create_room("public", "large").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    fill(&server, &people, &room, messages, padding).await;
    // What the writing took must not hide what the reading takes.
    server.stop().await;
    server.restart().await;
    let small = people[1].create_room("public", "small").await;
    people[1].http.get(&format!("/v1/logs/{small}")).await.expect(200);
    server.process().forget_peak();
    let before = server.process().resident_kib();

    let request = people[0].http.request(reqwest::Method::GET, &format!("/v1/logs/{room}"));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200);
    let mut body = response.bytes_stream();
    let mut bytes = body.next().await.expect("a beginning").expect("it holds").to_vec();
    // A reader who stops reading for a while must not make the server read ahead of it.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.expect("it holds"));
    }
    let grown = server.process().peak_kib().saturating_sub(before);

    #[derive(serde::Deserialize)]
    struct Answer {
        logs: Vec<serde::de::IgnoredAny>,
    }
    let answer: Answer = serde_json::from_slice(&bytes).expect("it is JSON");
    assert_eq!(answer.logs.len(), messages);
    println!("{messages} messages, {} bytes; the server grew by {grown} KiB", bytes.len());
    assert!(bytes.len() as u64 > GROWTH_KIB * 1024, "the whole of it would not fit");
    assert!(grown < GROWTH_KIB, "{grown} KiB for {} bytes", bytes.len());
}

/// Many at a time, which the server commits together.
async fn fill(
    server: &Server,
    people: &[chatcore_tests::Person],
    room: &str,
    messages: usize,
    padding: usize,
) {
    let clients = futures_util::future::join_all(
        people.iter().map(|person| server.connect(person, Encoding::Msgpack)),
    )
    .await;
    let text = "x".repeat(padding);
    let sends = (0..messages).map(|number| {
        let handle = clients[number % clients.len()].handle();
        let fields = json!({ "room": room, "client_msg_id": format!("{number}"), "text": text });
        async move { handle.request("send", fields).await }
    });
    futures_util::stream::iter(sends)
        .buffer_unordered(16 * people.len())
        .for_each(|answer| async move { drop(answer) })
        .await;
}
