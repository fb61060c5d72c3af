//! Each document mounted alone: no guessing, and every body is answered in its own shape.

use chatcore_tests::Http;
use chatcore_warp::dialect;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Site, accountname_fields, nickname_fields};

/// Bodies that lack what the document wants, and one that cannot be read.
async fn odd_bodies(site: &Site, path: &str) -> Vec<(u16, Value)> {
    let mut answers = Vec::new();
    for body in ["{}", "{\"hello\":1}", "{", "[]"] {
        let request = site.http.request(Method::POST, path);
        let reply = Http::send(request.header("content-type", "application/json").body(body)).await;
        assert_eq!(reply.header("content-type"), "application/json", "{path}: {}", reply.text());
        answers.push((reply.status, reply.json()));
    }
    answers
}

#[tokio::test]
async fn nickname_alone_answers_in_its_shape() {
    let site = Site::mounted(dialect::nickname).await;
    for path in ["/auth/register", "/auth/login"] {
        for (status, body) in odd_bodies(&site, path).await {
            assert_eq!((status, &body["success"]), (400, &json!(false)), "{body}");
            assert!(body["message"].is_string(), "{body}");
        }
    }
    site.json("/auth/register", nickname_fields("alice")).await.expect(200);
    let fields = json!({"userName": "alice", "password": "sesame"});
    let token = site.json("/auth/login", fields).await.expect(200).json();
    let alice = site.http.with_token(token["accessToken"].as_str().unwrap());
    alice.get("/auth").await.expect(200);
    alice.post("/message", json!({"message": "hi"})).await.expect(200);
    for other in ["/v1/stats", "/auth/confirm", "/auth/logout", "/upload"] {
        alice.get(other).await.expect(404);
    }
}

#[tokio::test]
async fn email_alone_answers_in_its_shape() {
    let site = Site::mounted(dialect::email).await;
    for path in ["/auth/register", "/auth/login", "/auth/validate_captcha"] {
        for answer in odd_bodies(&site, path).await {
            let mismatch = json!({"message": "Arguments mismatch.", "status": "ERROR"});
            assert_eq!(answer, (200, mismatch), "{path}");
        }
    }
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    a.get("/auth/logout").await.expect(200);
    for other in ["/v1/stats", "/auth", "/"] {
        a.get(other).await.expect(404);
    }
}

#[tokio::test]
async fn accountname_alone_answers_in_its_shape() {
    let site = Site::mounted(dialect::accountname).await;
    for path in ["/auth/register", "/auth/login"] {
        for (status, body) in odd_bodies(&site, path).await {
            assert_eq!((status, &body["success"]), (400, &json!(false)), "{body}");
            assert!(body["error"].is_object(), "{body}");
        }
    }
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    let fields = json!({"accountname": "anna", "password": "sesame88"});
    site.json("/auth/login", fields).await.expect(200);
    site.http.get("/auth/logout").await.expect(404);
}

#[tokio::test]
async fn session_alone_answers_in_its_shape() {
    let site = Site::mounted(dialect::session).await;
    for (status, body) in odd_bodies(&site, "/auth/login").await {
        assert!(matches!(status, 400 | 401) && body["error"].is_string(), "{status} {body}");
    }
    let page = site.http.get("/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    site.http.get("/auth/logout").await.expect(200);
    site.http.post("/auth/logout", json!({})).await.expect(405);
    site.http.post("/auth/register", json!({})).await.expect(404);
}

#[tokio::test]
async fn application_without_a_page_has_none() {
    let site =
        Site::mounted(|chat, config| dialect::session(chat, &config.clone().without_page())).await;
    let reply = site.http.get("/").await.expect(404);
    assert!(reply.header("content-type").starts_with("text/html"));
}
