//! What a server writes down for its operator holds nothing that is not theirs to read.

use chatcore_tests::{Encoding, Server};
use reqwest::Method;
use serde_json::json;

/// All that this project's own code says, and what the others say to find faults by.
const FILTER: &str = "debug,chatcore=trace,chatcore_warp=trace";

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_log_holds_no_token_no_password_and_no_text() {
    let environment = [("RUST_LOG", FILTER), ("NO_COLOR", "1")];
    let server = Server::start_with_environment(&["--limits", "off"], &environment).await;
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

    assert!(log.contains("answered"), "it says something:\n{log}");
    let secrets = [&*ann.token, &*bob.token, &*ann.password, &*bob.password];
    for secret in secrets.into_iter().chain(["treasure", "hunter2", "forged.to.ken"]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
