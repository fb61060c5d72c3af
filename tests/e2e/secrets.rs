//! What a server writes down for its operator holds nothing that is not theirs to read.

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore_quic::client::{Client, QuicLink, Trust};
use chatcore_tests::{Encoding, Server};
use reqwest::Method;
use serde_json::{Value, json};

/// All that this project's own code says, and what the others say to find faults by.
const FILTER: &str = "debug,chatcore=trace,chatcore_warp=trace,chatcore_quic=trace";

/// Has people do what they do, over every way in; returns what was written down, and what should not have
/// been.
async fn a_busy_day(format: &str) -> (String, Vec<String>) {
    let environment = [("RUST_LOG", FILTER), ("NO_COLOR", "1"), ("CHATCORE_LOG_FORMAT", format)];
    let mut server = Server::start_with_quic_under(&environment).await;
    let mut log = server.output();
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    log += &server.output();
    let room = ann.create_room("public", "square").await;
    bob.enter(&room).await;
    let sent = ann.send(&room, "one", "treasure in the cellar").await.expect(201).json();
    log += &server.output();
    let message = sent["message_id"].as_str().unwrap_or_default();
    let path = format!("/api/v1/rooms/{room}/messages/{message}");
    let edit = json!({ "client_msg_id": "two", "text": "treasure in the attic" });
    ann.http.json(Method::PATCH, &path, edit).await.expect(200);
    let report = json!({ "reason": "treasure is mine" });
    bob.http.post(&format!("{path}/reports"), report).await.expect(204);
    log += &server.output();

    let socket = server.connect(&bob, Encoding::Json).await;
    let fields =
        json!({ "room": room, "client_msg_id": "three", "text": "treasure by the socket" });
    socket.request("send", fields).await;
    let search = json!({ "query": "treasure", "room": room });
    socket.request("search", search).await;
    drop(socket);
    log += &server.output();

    let (address, fingerprint) = server.quic();
    let trust = fingerprint.parse::<Trust>().expect("as it prints it");
    let link = QuicLink::new(&address, trust).expect("an address");
    let client = Client::builder().token(ann.token.clone()).connect(link).expect("sound");
    let square = RoomId::parse(room.as_str()).expect("a sound id");
    client.send(&square, Draft::text("treasure by datagrams")).await.expect("sent");
    client.shut_down().await;
    log += &server.output();

    let wrong = json!({ "login": "ann", "password": "hunter2 is wrong" });
    server.http().post("/api/v1/sessions", wrong).await.expect(401);
    server.http().get(&format!("/api/v1/me?token={}", ann.token)).await.expect(400);
    server.http().with_token("forged.to.ken").get("/api/v1/me").await.expect(401);
    bob.http.get("/api/v1/me/export").await.expect(200);
    log += &server.output();
    let close = json!({ "password": ann.password });
    ann.http.json(Method::DELETE, "/api/v1/me", close).await.expect(204);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    log += &server.output();

    let secrets = [ann.token, bob.token, ann.password, bob.password];
    let said = ["treasure", "hunter2", "forged.to.ken"].map(str::to_owned);
    (log, secrets.into_iter().map(|secret| secret.to_string()).chain(said).collect())
}

fn holds_nothing_of(log: &str, secrets: &[String]) {
    assert!(log.contains("answered"), "it says something:\n{log}");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_log_holds_no_token_no_password_and_no_text() {
    let (log, secrets) = a_busy_day("text").await;
    holds_nothing_of(&log, &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_json_says_the_same_and_which_connection_it_is_of() {
    let (log, secrets) = a_busy_day("json").await;
    holds_nothing_of(&log, &secrets);
    let lines: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
    for (what, transport) in
        [("a WebSocket ended", "websocket"), ("a QUIC connection ended", "quic")]
    {
        let line = lines.iter().find(|line| line["message"] == what);
        let line = line.unwrap_or_else(|| panic!("no {what}:\n{log}"));
        // A WebSocket's is within that of the request which asked for it.
        let spans = line["spans"].as_array().expect("spans");
        let span = spans.iter().find(|span| span["name"] == "connection");
        let span = span.unwrap_or_else(|| panic!("of no connection: {line}"));
        assert_eq!(span["transport"], transport);
        assert!(span["conn"].as_str().is_some_and(|conn| conn.len() == 16), "{line}");
        assert!(line["timestamp"].is_string() && line["level"] == "DEBUG", "{line}");
    }
    let request = lines.iter().find(|line| line["message"] == "answered").expect("many");
    assert!(request["spans"][0]["id"].is_string(), "{request}");
}
