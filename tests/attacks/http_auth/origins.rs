//! Pages of other origins, with the visitor's cookie.

use chatcore_tests::{Http, Reply};
use chatcore_warp::Config;
use reqwest::Method;
use serde_json::json;

use crate::site::{Site, problem};

async fn with_cookie(site: &Site, cookie: &str, method: Method, path: &str, origin: &str) -> Reply {
    let request = site.http.request(method, path).header("cookie", cookie);
    let request = if origin.is_empty() { request } else { request.header("origin", origin) };
    Http::send(request.header("content-type", "application/json").body("{}")).await
}

async fn cookie(site: &Site) -> String {
    let body = json!({ "handle": "ann", "password": "correct horse", "cookie": true });
    let made = site.http.post("/api/v1/accounts", body).await.expect(201);
    let cookie = made.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite="), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// Rule 18.
#[tokio::test]
async fn a_page_of_another_origin_changes_and_reads_nothing() {
    let site = Site::open().await;
    let cookie = cookie(&site).await;
    let own = format!("http://{}", site.address);
    with_cookie(&site, &cookie, Method::POST, "/api/v1/rooms", &own).await.expect(400);
    let evil = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        format!("{own}.evil.example"),
        format!("http://evil.example@{}", site.address),
        format!("https://{}", site.address.ip()),
        format!("http://{}:1", site.address.ip()),
        "http://localhost".to_owned(),
        "file://".to_owned(),
        own.to_uppercase() + ".",
    ];
    for origin in &evil {
        for (method, path) in [
            (Method::POST, "/api/v1/rooms"),
            (Method::POST, "/api/v1/sessions"),
            (Method::PUT, "/api/v1/me/password"),
            (Method::DELETE, "/api/v1/sessions/current"),
            (Method::PATCH, "/api/v1/me"),
            (Method::POST, "/api/v1/attachments"),
        ] {
            let answer = with_cookie(&site, &cookie, method, path, origin).await;
            assert_eq!(answer.status, 403, "{origin} {path}: {}", answer.text());
            problem(&answer, 403, "forbidden");
        }
        let read = with_cookie(&site, &cookie, Method::GET, "/api/v1/me", origin).await;
        for header in ["access-control-allow-origin", "access-control-allow-credentials"] {
            assert!(read.headers.get(header).is_none(), "{origin}: {header}");
        }
        let request = site.http.request(Method::OPTIONS, "/api/v1/rooms");
        let request = request.header("origin", origin.as_str());
        let preflight = Http::send(request.header("access-control-request-method", "POST")).await;
        assert!(preflight.headers.get("access-control-allow-origin").is_none(), "{origin}");
    }
    // Without an Origin, browsers still say where a request comes from.
    for from in ["cross-site", "same-site"] {
        let request = site.http.request(Method::POST, "/api/v1/rooms");
        let request = request.header("cookie", &cookie).header("sec-fetch-site", from);
        problem(&Http::send(request.json(&json!({}))).await, 403, "forbidden");
    }
}

/// Rule 18: what a form can send is not what the API takes.
#[tokio::test]
async fn what_a_form_can_send_is_not_taken() {
    let site = Site::open().await;
    let cookie = cookie(&site).await;
    let own = format!("http://{}", site.address);
    let body = r#"{"kind":"public","name":"forged"}"#;
    for content_type in [
        "text/plain",
        "text/plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonp",
        "text/json",
        "application/json, text/plain",
        "image/png",
    ] {
        let request = site.http.request(Method::POST, "/api/v1/rooms").header("cookie", &cookie);
        let request = request.header("origin", &own).body(body);
        let request = if content_type.is_empty() {
            request
        } else {
            request.header("content-type", content_type)
        };
        let answer = Http::send(request).await;
        assert_eq!(answer.status, 415, "{content_type}: {}", answer.text());
    }
    // One method pretending to be another.
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        let request = site.http.request(Method::GET, "/api/v1/sessions/current");
        let request = request.header("cookie", &cookie).header(name, "DELETE");
        Http::send(request).await;
    }
    let me = site.http.request(Method::GET, "/api/v1/me").header("cookie", &cookie);
    Http::send(me).await.expect(200);
}

/// Rule 18: an allowed origin is that one, and what is allowed to it is not cached for others.
#[tokio::test]
async fn an_allowed_origin_is_matched_whole() {
    let site = Site::with(|setup| {
        let config = std::mem::take(&mut setup.config);
        setup.config = config.with_allowed_origins(["https://app.example"]).unwrap();
    })
    .await;
    let cookie = cookie(&site).await;
    let read = with_cookie(&site, &cookie, Method::GET, "/api/v1/me", "https://app.example").await;
    assert_eq!(read.header("access-control-allow-origin"), "https://app.example");
    assert!(read.header("vary").contains("origin"));
    for evil in [
        "https://app.example.evil",
        "https://evil-app.example",
        "https://sub.app.example",
        "http://app.example",
        "https://app.example:444",
        "https://app.example/",
        "null",
        "*",
    ] {
        let read = with_cookie(&site, &cookie, Method::GET, "/api/v1/me", evil).await;
        assert!(read.headers.get("access-control-allow-origin").is_none(), "{evil}");
        assert!(read.header("vary").contains("origin"), "{evil}");
        let answer = with_cookie(&site, &cookie, Method::POST, "/api/v1/rooms", evil).await;
        problem(&answer, 403, "forbidden");
    }
    assert!(Config::default().with_allowed_origins(["*"]).is_err());
}

/// Every answer, good or bad, says that it is not to be guessed at, framed or kept.
#[tokio::test]
async fn every_answer_is_armoured() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    for (path, status) in [
        ("/api/v1/me", 200),
        ("/api/v1/rooms", 200),
        ("/api/v1/rooms/nowhere", 404),
        ("/api/v1/nothing/here", 404),
        ("/api/v1/rooms?limit=0", 400),
        ("/api/v1/openapi.json", 200),
    ] {
        let answer = ann.http.get(path).await.expect(status);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(!answer.header("referrer-policy").is_empty(), "{path}");
        assert!(answer.header("cache-control").contains("no-store"), "{path}");
        assert!(answer.headers.get("server").is_none(), "{path}");
    }
}
