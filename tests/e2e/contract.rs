//! What the server says of its own REST interface is so: schemathesis makes thousands of requests
//! from the OpenAPI document, well formed and not, and checks each answer against it.

use std::fmt::Write as _;

use chatcore_tests::{Http, Person, Server, count, schemathesis};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// What is left out, and why.
const ARGUMENTS: &[&str] = &[
    // A request may have the right form and be refused for what it means: a code that is wrong, a
    // direct room with nobody else.
    // A path that is spelt out may be an id in another's place too, whose methods it then allows.
    "--exclude-checks",
    "positive_data_acceptance,allow_header_conformance",
    // These would end the session that all requests need; other tests call them.
    "--exclude-operation-id",
    "delete_sessions_current",
    "--exclude-operation-id",
    "delete_sessions_session",
    "--continue-on-failure",
    "--workers=1",
    "--warnings=off",
];

/// Makes requests as `ann`, of these ids where a path wants one; without them, of ids made up.
async fn holds(server: &Server, ann: &Person, ids: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = String::from("[parameters]\n");
    for (name, id) in ids {
        writeln!(settings, "\"path.{name}\" = \"{id}\"").unwrap();
    }
    std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
    let examples = count("CHATCORE_E2E_EXAMPLES", 10);
    let mut arguments = vec![
        server.url("/api/v1/openapi.json"),
        format!("--url={}", server.url("/api/v1")),
        format!("--header=Authorization: Bearer {}", ann.token),
        format!("--max-examples={examples}"),
    ];
    arguments.extend(ARGUMENTS.iter().map(ToString::to_string));
    let run = move || schemathesis::run(folder.path(), &arguments);
    let Some(output) = tokio::task::spawn_blocking(run).await.unwrap() else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("No issues found"), "it says what it found");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_what_is_not_there_are_answered_as_described() {
    let server = Server::start().await;
    let ann = server.http().register("ann").await;
    holds(&server, &ann, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_what_is_there_are_answered_as_described() {
    let server = Server::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "contract").await;
    bob.enter(&room).await;
    let sent = ann.send(&room, "m1", "hello").await.expect(201).json();
    let part = Part::bytes(b"some text".as_slice()).file_name("a.txt");
    let form = Form::new().part("file", part);
    let upload = ann.http.request(Method::POST, "/api/v1/attachments").multipart(form);
    let file = Http::send(upload).await.expect(201).json();
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    let (message, file) = (id(&sent["message_id"]), id(&file["id"]));
    let ids = [
        ("room", room.as_str()),
        ("message", &message),
        ("user", &bob.user),
        ("attachment", &file),
        ("name", "a.txt"),
        ("emoji", "%F0%9F%91%8D"),
    ];
    holds(&server, &ann, &ids).await;
}
