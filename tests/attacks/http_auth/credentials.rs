//! Tokens and passwords that are not what they claim.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chatcore_tests::{Http, PATIENCE, Person};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::site::{SECRET, Site, problem, seen, text};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// A token signed as the server signs, with whatever header and claims.
fn signed(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The key that tokens are signed with: derived, so that codes and tokens do not share one.
fn signing_key() -> Vec<u8> {
    let purpose = b"chatcore token";
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose);
    mac.finalize().into_bytes().to_vec()
}

async fn refuses(site: &Site, token: &str, why: &str) {
    let answer = site.http.with_token(token).get("/api/v1/me").await;
    assert_eq!(answer.status, 401, "{why}: {}", answer.text());
    problem(&answer, 401, "unauthenticated");
    // The socket judges alike.
    let mut socket =
        chatcore_tests::WsClient::open(site.address, chatcore_tests::Encoding::Json).await;
    socket.handle().post("hello", json!({ "versions": [1], "token": token, "device": "d" }));
    let answer = socket.frame_within(PATIENCE).await;
    assert_eq!(answer.map(|frame| frame["op"].clone()), Some(json!("error")), "{why}");
}

/// Rules 7, 8 and 9, over HTTP and WebSocket.
#[tokio::test]
async fn forged_tokens() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let hs256 = json!({ "alg": "HS256", "typ": "JWT" });
    let good = claims(&ann.token);
    // What follows is signed as the server signs, so that the claims alone make it bad.
    let key = signing_key();
    site.http.with_token(signed(&hs256, &good, &key)).get("/api/v1/me").await.expect(200);
    let parts: Vec<&str> = ann.token.split('.').collect();
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let without = |field: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(field);
        claims
    };
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let mut forged = vec![
        ("no algorithm, no signature", format!("{none}.{}.", parts[1])),
        ("no algorithm, old signature", format!("{none}.{}.{}", parts[1], parts[2])),
        ("the secret as the key", signed(&hs256, &good, &SECRET)),
        ("an empty key", signed(&hs256, &good, b"")),
        (
            "the header's own key",
            signed(&json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AA" } }), &good, &[0]),
        ),
        (
            "a key of the file system",
            signed(&json!({ "alg": "HS256", "kid": "../../../../dev/null" }), &good, b""),
        ),
        (
            "a key of a database",
            signed(&json!({ "alg": "HS256", "kid": "x' UNION SELECT 'k" }), &good, b"k"),
        ),
        (
            "a key of the network",
            signed(&json!({ "alg": "HS256", "jku": "http://127.0.0.1:1/k" }), &good, b"k"),
        ),
        ("another algorithm", signed(&json!({ "alg": "HS512" }), &good, &key)),
        ("an asymmetric algorithm", signed(&json!({ "alg": "RS256" }), &good, &key)),
        ("the algorithm's case", signed(&json!({ "alg": "hs256" }), &good, &key)),
        ("no parts", String::from("x")),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{}.x", ann.token)),
        ("a tail", format!("{} x", ann.token)),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("huge", format!("{}.{}.{}", parts[0], "A".repeat(6_000), parts[2])),
    ];
    let mut flipped = ann.token.clone().into_bytes();
    let middle = parts[0].len() + 12;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    forged.push(("another claim under the old signature", String::from_utf8(flipped).unwrap()));
    let bad_claims = [
        ("exp as a text", with("exp", json!((now() + 900).to_string()))),
        ("exp as an array", with("exp", json!([now() + 900]))),
        ("exp null", with("exp", json!(null))),
        ("exp negative", with("exp", json!(-1))),
        ("exp beyond", with("exp", json!(1e300))),
        ("exp gone", without("exp")),
        ("exp over", with("exp", json!(now() - 3_600))),
        ("nbf ahead", with("nbf", json!(now() + 3_600))),
        ("aud another", with("aud", json!("elsewhere"))),
        ("aud gone", without("aud")),
        ("iss another", with("iss", json!("evil"))),
        ("typ another", with("typ", json!("refresh"))),
        ("typ as an object", with("typ", json!({}))),
        ("typ gone", without("typ")),
        ("sid another", with("sid", json!("0123456789abcdef"))),
        ("sid gone", without("sid")),
        ("sub as an object", with("sub", json!({ "$ne": null }))),
        ("sub gone", without("sub")),
    ];
    for (why, claims) in &bad_claims {
        forged.push((why, signed(&hs256, claims, &key)));
    }
    for (why, token) in &forged {
        refuses(&site, token, why).await;
    }
    // Bob's session with ann's name.
    let bob = site.person("bob").await;
    let mut mixed = claims(&bob.token);
    mixed["sub"] = json!(ann.user);
    refuses(&site, &signed(&hs256, &mixed, &key), "a session of someone else").await;
    site.still_serves(&ann).await;
}

/// Rule 9: each token is good for its own purpose only.
#[tokio::test]
async fn a_token_of_one_kind_used_as_another() {
    let site = Site::open().await;
    let body = json!({ "handle": "ann", "password": "correct horse", "device": "d" });
    let made = site.http.post("/api/v1/accounts", body).await.expect(201).json();
    let token = |name: &str| text(&made, &format!("/{name}"));
    refuses(&site, &token("refresh_token"), "a refresh token").await;
    for name in ["access_token", "session_token"] {
        let body = json!({ "refresh_token": token(name) });
        let answer = site.http.post("/api/v1/sessions/refresh", body).await;
        problem(&answer, 401, "unauthenticated");
    }
    let mut socket =
        chatcore_tests::WsClient::open(site.address, chatcore_tests::Encoding::Json).await;
    let caps = json!(["ticket"]);
    let hello =
        json!({ "versions": [1], "token": token("access_token"), "device": "d", "caps": caps });
    socket.handle().post("hello", hello);
    let ticket = text(&socket.next("welcome").await, "/ticket");
    refuses(&site, &ticket, "a ticket").await;
    for credential in [token("access_token"), token("session_token"), token("refresh_token")] {
        let mut socket =
            chatcore_tests::WsClient::open(site.address, chatcore_tests::Encoding::Json).await;
        socket
            .handle()
            .post("hello", json!({ "versions": [1], "ticket": credential, "device": "d" }));
        assert_eq!(socket.frame_within(PATIENCE).await.unwrap()["code"], "unauthenticated");
    }
    // A ticket twice; and one of another device, which is spent by that: someone else had it.
    let mut next = ticket;
    for tries in [[("d", "welcome"), ("d", "error")], [("other", "error"), ("d", "error")]] {
        let ticket = next.clone();
        for (device, op) in tries {
            let mut socket =
                chatcore_tests::WsClient::open(site.address, chatcore_tests::Encoding::Json).await;
            let hello =
                json!({ "versions": [1], "ticket": ticket, "device": device, "caps": caps });
            socket.handle().post("hello", hello);
            let answer = socket.frame_within(PATIENCE).await.unwrap();
            assert_eq!(answer["op"], op, "{device}: {answer}");
            if op == "welcome" {
                next = text(&answer, "/ticket");
                assert_ne!(next, ticket);
            }
        }
    }
}

/// Rule 12.
#[tokio::test]
async fn credentials_in_the_url() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    for name in ["token", "access_token", "ticket", "jwt", "session", "auth", "to%6ben"] {
        for (http, path) in [
            (&site.http, "/api/v1/me"),
            (&ann.http, "/api/v1/me"),
            (&site.http, "/api/v1/sessions"),
            (&site.http, "/ws"),
            (&site.http, "/api/v1/ws"),
        ] {
            let answer = http.get(&format!("{path}?{name}={}", ann.token)).await;
            problem(&answer, 400, "bad_request");
            assert!(!answer.text().contains(&ann.token));
        }
    }
    let options = chatcore_tests::ws::Options {
        path: format!("/ws?token={}", ann.token),
        ..Default::default()
    };
    let opened =
        chatcore_tests::WsClient::open_with(site.address, chatcore_tests::Encoding::Json, options);
    assert!(opened.await.is_err());
}

/// Rule 11, over HTTP and WebSocket.
#[tokio::test]
async fn a_session_that_ends_is_dead_everywhere_at_once() {
    for way in ["logout", "revoke", "password", "reset", "disable", "erase", "refresh reuse"] {
        let site = Site::open().await;
        let body = json!({ "email": "ann@b.c", "handle": "ann", "password": "correct horse" });
        let made = site.http.post("/api/v1/accounts", body).await.expect(201).json();
        confirm(&site, "ann@b.c").await;
        let (token, refresh) = (text(&made, "/session_token"), text(&made, "/refresh_token"));
        let ann = Person {
            handle: "ann".into(),
            password: "correct horse".into(),
            user: text(&made, "/user/id"),
            token: token.clone(),
            http: site.http.with_token(token),
        };
        let other = site.http.log_in("ann", "correct horse").await;
        let bob = site.person("bob").await;
        let room = bob.create_room("public", "room").await;
        ann.enter(&room).await;
        let socket = site.socket(&ann).await;
        socket.request("subscribe", json!({ "room": room })).await;
        end(&site, &ann, &other, way, &text(&made, "/session/id"), &refresh).await;

        // From here on nothing leaves for it.
        problem(&ann.http.get("/api/v1/me").await, 401, "unauthenticated");
        problem(&ann.send(&room, "late", "late").await, 401, "unauthenticated");
        let renewed = json!({ "refresh_token": refresh });
        let renewed = site.http.post("/api/v1/sessions/refresh", renewed).await;
        problem(&renewed, 401, "unauthenticated");
        bob.send(&room, "after", "not for ann").await.expect(201);
        let mut socket = socket;
        while let Some(frame) = socket.frame_within(PATIENCE).await {
            assert_ne!(frame["text"], "not for ann", "{way}: {frame}");
        }
        match socket.ended().await {
            chatcore_tests::ws::Ended::Closed(code, _) => assert_eq!(code, 4003, "{way}"),
            lost => panic!("{way}: {lost:?}"),
        }
        let log = bob.log(&room).await;
        assert_eq!(log.iter().filter(|entry| entry["kind"] == "message").count(), 1, "{way}");
        assert!(log.len() == 4 || way == "erase" && log.len() == 5, "{way}: {log:?}");
        site.still_serves(&bob).await;
    }
}

async fn end(site: &Site, ann: &Person, other: &Person, way: &str, session: &str, refresh: &str) {
    match way {
        "logout" => {
            let path = "/api/v1/sessions/current";
            ann.http.json(Method::DELETE, path, json!({})).await.expect(204);
        }
        "revoke" => {
            let path = format!("/api/v1/sessions/{session}");
            other.http.json(Method::DELETE, &path, json!({})).await.expect(204);
        }
        "password" => {
            let body = json!({ "current": "correct horse", "new": "battery staple" });
            other.http.json(Method::PUT, "/api/v1/me/password", body).await.expect(204);
        }
        "reset" => {
            let body = json!({ "email": "ann@b.c" });
            site.http.post("/api/v1/password-resets", body).await.expect(202);
            let code = site.mailer.last_to("ann@b.c").unwrap().key.unwrap();
            let body = json!({ "email": "ann@b.c", "code": code, "password": "battery staple" });
            site.http.post("/api/v1/password-resets/confirm", body).await.expect(204);
        }
        "disable" => {
            let user = crate::world::user(&ann.user);
            site.chat.accounts().set_disabled(&user, true).await.unwrap();
        }
        "erase" => {
            let wrong = json!({ "password": "battery staple" });
            let refused = ann.http.json(Method::DELETE, "/api/v1/me", wrong).await;
            problem(&refused, 401, "unauthenticated");
            let body = json!({ "password": "correct horse" });
            ann.http.json(Method::DELETE, "/api/v1/me", body).await.expect(204);
            // Nor can anybody come in by another way, or under the name.
            let login = json!({ "login": "ann", "password": "correct horse" });
            problem(&site.http.post("/api/v1/sessions", login).await, 401, "unauthenticated");
            let twin = json!({ "handle": "Аnn", "password": "correct horse" });
            problem(&site.http.post("/api/v1/accounts", twin).await, 409, "conflict");
        }
        _ => {
            let body = json!({ "refresh_token": refresh });
            site.http.post("/api/v1/sessions/refresh", body.clone()).await.expect(201);
            let again = site.http.post("/api/v1/sessions/refresh", body).await;
            problem(&again, 401, "unauthenticated");
        }
    }
}

async fn confirm(site: &Site, email: &str) {
    let code = site.mailer.last_to(email).unwrap().key.unwrap();
    let body = json!({ "email": email, "code": code });
    site.http.post("/api/v1/accounts/confirm", body).await.expect(201);
}

/// Rules 1 and 2, as the wire shows them.
#[tokio::test]
async fn whether_an_account_exists_cannot_be_seen() {
    let site = Site::open().await;
    let body = json!({ "email": "known@b.c", "password": "correct horse" });
    site.http.post("/api/v1/accounts", body).await.expect(202);
    confirm(&site, "known@b.c").await;
    let body = json!({ "email": "pending@b.c", "password": "correct horse" });
    site.http.post("/api/v1/accounts", body).await.expect(202);
    let disabled = site.person("disabled").await;
    let user = crate::world::user(&disabled.user);
    site.chat.accounts().set_disabled(&user, true).await.unwrap();

    let names = ["known@b.c", "unknown@b.c", "pending@b.c", "disabled", "nobody", "KNOWN@B.C"];
    let mut answers = Vec::new();
    for login in names {
        let body = json!({ "login": login, "password": "wrong horse" });
        answers.push(seen(&site.http.post("/api/v1/sessions", body).await));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // The right password of one who has not proved the address tells no more.
    let body = json!({ "login": "pending@b.c", "password": "correct horse" });
    assert_eq!(seen(&site.http.post("/api/v1/sessions", body).await), answers[0]);
    let mut resets = Vec::new();
    let mut registered = Vec::new();
    for email in ["known@b.c", "unknown@b.c", "pending@b.c"] {
        let body = json!({ "email": email });
        resets.push(seen(&site.http.post("/api/v1/password-resets", body).await));
        let body = json!({ "email": email, "password": "another horse" });
        registered.push(seen(&site.http.post("/api/v1/accounts", body).await));
    }
    assert!(resets.iter().all(|answer| *answer == resets[0]), "{resets:#?}");
    assert!(registered.iter().all(|answer| *answer == registered[0]), "{registered:#?}");
    // The one who was there before keeps the account.
    let body = json!({ "login": "known@b.c", "password": "correct horse" });
    site.http.post("/api/v1/sessions", body).await.expect(201);
}

/// Rule 19, over the wire, where what looks alike also comes in escapes and in another normal form.
#[tokio::test]
async fn handles_that_look_like_another() {
    let site = Site::open().await;
    site.person("admin").await;
    site.person("jose").await;
    let twins = [r"\u0430dmin", r"ad\u200bmin", r"\u202eadmin", r"\uff41dmin", "ADMIN", "Admin"];
    for twin in twins {
        let body = format!(r#"{{"handle":"{twin}","password":"correct horse"}}"#);
        let request = site.http.request(Method::POST, "/api/v1/accounts");
        let answer =
            Http::send(request.header("content-type", "application/json").body(body)).await;
        assert!(matches!(answer.status, 400 | 409), "{twin}: {} {}", answer.status, answer.text());
    }
    // Many at once: one is first.
    let body = json!({ "handle": "racer", "password": "correct horse" });
    let tries = (0..20).map(|_| site.http.post("/api/v1/accounts", body.clone()));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 409).count(), 19);
    // Names that mean something to the machine.
    for name in ["~system", "", " ", "a/b", "a\u{0}b", "..", &"x".repeat(65), "\u{202e}"] {
        let body = json!({ "handle": name, "password": "correct horse" });
        let answer = site.http.post("/api/v1/accounts", body).await;
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
    }
}
