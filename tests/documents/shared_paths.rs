//! The paths that several documents share: the fields of the body tell which is meant.

use chatcore_tests::{Http, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Site, WRITTEN};

/// A problem document of the native API.
fn problem(reply: Reply, status: u16) -> Value {
    let reply = reply.expect(status);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["status"], status);
    body
}

#[tokio::test]
async fn body_that_fits_no_document_is_400_with_the_native_problem() {
    let site = Site::start().await;
    for path in ["/auth/register", "/auth/login"] {
        for body in [json!({}), json!({"password": "x"}), json!({"handle": "a", "password": "x"})] {
            for written in WRITTEN {
                if body == json!({}) && written != crate::fixture::Written::Json {
                    continue;
                }
                let reply = site.post(path, &body, written).await;
                assert_eq!(problem(reply, 400)["code"], "bad_request", "{path} {body}");
            }
        }
    }
    // `username` is a mark of 004 at login alone.
    let body = json!({"username": "a", "password": "x"});
    problem(site.json("/auth/register", body).await, 400);
}

#[tokio::test]
async fn body_that_cannot_be_read_is_a_native_problem() {
    let site = Site::start().await;
    for path in ["/auth/register", "/auth/login"] {
        let post = |content_type: &str, body: &str| {
            let request = site.http.request(Method::POST, path);
            Http::send(request.header("content-type", content_type).body(body.to_owned()))
        };
        problem(post("application/json", "{\"userName\":").await, 400);
        problem(post("application/json", "[\"userName\"]").await, 400);
        problem(post("application/json", "{\"email\":1,\"email\":2}").await, 400);
        problem(post("application/x-www-form-urlencoded", "email=%ff").await, 400);
        problem(post("text/plain", "{\"userName\":\"a\"}").await, 415);
        problem(post("application/json", &"x".repeat(600 << 10)).await, 413);
        let nested = format!("{{\"email\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        problem(post("application/json", &nested).await, 400);
        let request = site.http.request(Method::POST, path).header("content-encoding", "gzip");
        problem(Http::send(request.json(&json!({"email": "a"}))).await, 415);
    }
}

#[tokio::test]
async fn first_document_that_fits_answers() {
    let site = Site::start().await;
    let all = json!({"userName": "a", "email": "b", "accountname": "c", "password2": "d"});
    let body = site.json("/auth/register", all).await.expect(400).json();
    assert!(body["message"].is_string() && body["success"] == false, "000: {body}");
    let three = json!({"email": "b", "accountname": "c", "_id": "d"});
    let body = site.json("/auth/register", three).await.expect(200).json();
    assert_eq!(body["message"], "Arguments mismatch.", "002");
    let two = json!({"accountname": "c", "username": "d"});
    let body = site.json("/auth/login", two).await.expect(400).json();
    assert!(body["error"].is_object(), "003: {body}");
    let one = json!({"username": "d", "password": "x"});
    site.json("/auth/login", one).await.expect(401);
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let site = Site::start().await;
    for path in ["/auth/register", "/auth/login"] {
        let reply = site.http.get(path).await.expect(405);
        assert_eq!(reply.header("allow"), "OPTIONS, POST", "{path}");
    }
    site.http.get("/nowhere").await.expect(404);
}

#[tokio::test]
async fn page_of_another_origin_can_neither_log_in_nor_send_with_the_cookie() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    for (path, body) in [
        ("/auth/login", json!({"email": "a@example.org", "password": "sesame"})),
        ("/auth/register", json!({"userName": "x"})),
        ("/v1/room", json!({"userid": "a@example.org", "action": "enter", "roomid": null})),
        ("/upload", json!({})),
        ("/v1/image", json!({})),
    ] {
        let request = a.request(Method::POST, path).header("origin", "https://evil.example");
        let reply = Http::send(request.json(&body)).await.expect(403);
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(reply.header("set-cookie"), "", "{path}");
    }
}
