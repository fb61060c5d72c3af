//! REST over a real socket, on a chat in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use chatcore::Chat;
use chatcore::account::{AccountSettings, PasswordParams, PasswordSettings, RateLimits};
use chatcore::attachment::Thumbnails;
use chatcore::mail::MemoryMailer;
use chatcore::store::memory::MemoryStore;
use http::Request;
use serde_json::{Value, json};

use crate::testing::{Answer, request, send, start};
use crate::{Config, routes};

struct Server {
    address: SocketAddr,
    mail: Arc<MemoryMailer>,
    chat: Chat,
}

const PASSWORD: &str = "correct horse";

impl Server {
    async fn start() -> Self {
        Self::with(RateLimits::off(), Config::default()).await
    }

    async fn with(rates: RateLimits, config: Config) -> Self {
        let mail = Arc::new(MemoryMailer::new());
        let params = PasswordParams::cheap();
        let passwords = PasswordSettings { params, ..PasswordSettings::default() };
        let chat = Chat::builder(Arc::new(MemoryStore::new()))
            .thumbnails(Thumbnails::default())
            .mailer(Arc::clone(&mail) as _)
            .account_settings(AccountSettings { passwords, rates, ..AccountSettings::default() })
            .build()
            .await
            .unwrap();
        Self { address: start(routes(chat.clone(), config)).await, mail, chat }
    }

    async fn call(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", bearer.as_str()));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        send(self.address, request(method, &format!("/api/v1{path}"), &headers, &body)).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, Value::Null).await
    }

    async fn ok(&self, token: &str, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(token, method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A new account, logged in: its id and access token.
    async fn join(&self, handle: &str) -> (String, String) {
        let account = json!({"handle": handle, "password": PASSWORD});
        let body = self.ok("", "POST", "/accounts", account).await;
        (text(&body["user"]["id"]), text(&body["access_token"]))
    }

    async fn upload(&self, token: &str, name: &str, content: &[u8]) -> Answer {
        let mut body = format!(
            "--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--X--\r\n");
        let request = Request::post("/api/v1/attachments")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "multipart/form-data; boundary=X")
            .body(Bytes::from(body))
            .unwrap();
        send(self.address, request).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// A picture of one pixel.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89,
];

#[tokio::test]
async fn two_people_talk() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("bob").await;
    let made = json!({"kind": "public", "name": "general"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let visible = server.ok(&as_bob, "GET", "/rooms?filter=visible", Value::Null).await;
    assert_eq!(visible["rooms"][0]["name"], "general");
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;

    let messages = format!("/rooms/{room}/messages");
    let hello = json!({"client_msg_id": "1", "text": "<b>hello</b>"});
    let sent = server.ok(&as_ann, "POST", &messages, hello.clone()).await;
    assert_eq!((&sent["n"], &sent["duplicate"]), (&json!(1), &json!(false)));
    let again = server.ok(&as_ann, "POST", &messages, hello).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&sent["seq"], &json!(true)));
    let other = json!({"client_msg_id": "1", "text": "other"});
    assert_eq!(server.call(&as_ann, "POST", &messages, other).await.json()["code"], "conflict");

    let page = server.ok(&as_bob, "GET", &messages, Value::Null).await;
    assert_eq!(page["messages"][0]["text"], "<b>hello</b>");
    assert_eq!((&page["found_oldest"], &page["found_newest"]), (&json!(true), &json!(true)));

    let message = format!("{messages}/{}", text(&sent["message_id"]));
    server.ok(&as_bob, "PUT", &format!("{message}/reactions/%F0%9F%91%8D"), Value::Null).await;
    let shown = server.ok(&as_ann, "GET", &message, Value::Null).await;
    assert_eq!(shown["reactions"], json!([{"emoji": "👍", "count": 1, "mine": false}]));
    let edit = json!({"client_msg_id": "2", "text": "hello!"});
    assert_eq!(server.call(&as_bob, "PATCH", &message, edit.clone()).await.status, 403);
    server.ok(&as_ann, "PATCH", &message, edit).await;
    server
        .ok(
            &as_ann,
            "PUT",
            &format!("/rooms/{room}/pins/{}", text(&sent["message_id"])),
            Value::Null,
        )
        .await;
    let pins = server.ok(&as_bob, "GET", &format!("/rooms/{room}/pins"), Value::Null).await;
    assert_eq!(pins["pinned"][0]["message_id"], sent["message_id"]);
    let readers = format!("{message}/readers");
    let nobody = server.ok(&as_ann, "GET", &readers, Value::Null).await;
    assert_eq!(nobody, json!({"readers": []}));
    server.ok(&as_bob, "PUT", &format!("/rooms/{room}/marks"), json!({"seq": sent["seq"]})).await;
    let bob_alone = server.ok(&as_ann, "GET", &readers, Value::Null).await;
    assert_eq!(bob_alone, json!({"readers": [bob]}));
    let members = server.ok(&as_ann, "GET", &format!("/rooms/{room}/members"), Value::Null).await;
    let mut ids: Vec<_> =
        members["members"].as_array().unwrap().iter().map(|m| text(&m["user"])).collect();
    let mut expected = vec![ann, bob.clone()];
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected);

    let log = server.ok(&as_bob, "GET", &format!("/rooms/{room}/log?limit=2"), Value::Null).await;
    assert_eq!(log["entries"].as_array().unwrap().len(), 2);
    assert_eq!(log["next"], log["entries"][1]["seq"]);
    let stats = server.ok(&as_ann, "GET", "/stats", Value::Null).await;
    assert_eq!(
        (&stats["rooms"], &stats["users"], &stats["messages"]),
        (&json!(1), &json!(2), &json!(1))
    );

    let kick = json!({"action": "kick", "reason": "spam"});
    server.ok(&as_ann, "POST", &format!("/rooms/{room}/members/{bob}"), kick).await;
    let send =
        server.call(&as_bob, "POST", &messages, json!({"client_msg_id": "9", "text": "x"})).await;
    assert!(send.status.is_client_error(), "{}", send.text());
    server.ok(&as_ann, "DELETE", &message, json!({"client_msg_id": "3"})).await;
    let left = server.ok(&as_ann, "POST", &format!("/rooms/{room}/leave"), Value::Null).await;
    assert_eq!(left, json!({"deleted": true}));
}

#[tokio::test]
async fn sessions_are_listed_refreshed_and_revoked() {
    let server = Server::start().await;
    let (_, first) = server.join("ann").await;
    let login = json!({"login": "ann", "password": PASSWORD, "device": "phone"});
    let phone = server.ok("", "POST", "/sessions", login).await;
    let list = server.ok(&first, "GET", "/sessions", Value::Null).await;
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|s| s["current"] == true).count(), 1);
    let spent = json!({"refresh_token": phone["refresh_token"]});
    let renewed = server.ok("", "POST", "/sessions/refresh", spent.clone()).await;
    let as_phone = text(&renewed["access_token"]);
    let path = format!("/sessions/{}", text(&phone["session"]["id"]));
    server.ok(&first, "DELETE", &path, Value::Null).await;
    assert_eq!(server.get(&as_phone, "/me").await.status, 401);
    assert_eq!(server.call("", "POST", "/sessions/refresh", spent).await.status, 401);
    server.ok(&first, "DELETE", "/sessions/current", Value::Null).await;
    assert_eq!(server.get(&first, "/me").await.status, 401);
}

#[tokio::test]
async fn cookie_keeps_tokens_out_of_the_body_and_goes_with_the_logout() {
    let server = Server::start().await;
    server.join("ann").await;
    let login = json!({"login": "ann", "password": PASSWORD, "cookie": true}).to_string();
    let json = [("content-type", "application/json")];
    let answer = send(server.address, request("POST", "/api/v1/sessions", &json, &login)).await;
    assert!(!answer.text().contains("token"), "{}", answer.text());
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let with_cookie = [("cookie", cookie)];
    let me = send(server.address, request("GET", "/api/v1/me", &with_cookie, "")).await;
    assert_eq!(me.json()["handle"], "ann");

    let evil = [("cookie", cookie), ("origin", "https://evil.example")];
    let foreign =
        send(server.address, request("DELETE", "/api/v1/sessions/current", &evil, "")).await;
    assert_eq!(foreign.status, 403);
    let out =
        send(server.address, request("DELETE", "/api/v1/sessions/current", &with_cookie, "")).await;
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let me = send(server.address, request("GET", "/api/v1/me", &with_cookie, "")).await;
    assert_eq!(me.status, 401);
}

#[tokio::test]
async fn cookie_does_not_count_beside_another_credential() {
    let server = Server::start().await;
    let (_, token) = server.join("ann").await;
    let cookie = format!("chatcore_session={token}");
    for authorization in ["Basic YTpi", "Bearer", "Bearer rubbish"] {
        let headers = [("cookie", cookie.as_str()), ("authorization", authorization)];
        let me = send(server.address, request("GET", "/api/v1/me", &headers, "")).await;
        assert_eq!(me.status, 401, "{authorization}");
        assert_eq!(me.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn address_alone_is_confirmed_by_the_mailed_code() {
    let server = Server::start().await;
    let account = json!({"email": "ann@example.org", "password": PASSWORD});
    let answer = server.call("", "POST", "/accounts", account).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"confirm": "email"})));
    let code = server.mail.last_to("ann@example.org").unwrap().key.unwrap();
    let wrong = json!({"email": "ann@example.org", "code": "000000x"});
    assert_eq!(server.call("", "POST", "/accounts/confirm", wrong).await.json()["field"], "code");
    let right = json!({"email": "ann@example.org", "code": code});
    let signed = server.ok("", "POST", "/accounts/confirm", right).await;
    assert_eq!(signed["user"]["email"], "ann@example.org");

    server.ok("", "POST", "/password-resets", json!({"email": "ann@example.org"})).await;
    let code = server.mail.last_to("ann@example.org").unwrap().key.unwrap();
    let reset = json!({"email": "ann@example.org", "code": code, "password": "another horse"});
    server.ok("", "POST", "/password-resets/confirm", reset).await;
    assert_eq!(server.get(&text(&signed["access_token"]), "/me").await.status, 401);
    let login = json!({"login": "ann@example.org", "password": "another horse"});
    server.ok("", "POST", "/sessions", login).await;
}

#[tokio::test]
async fn unknown_user_and_wrong_password_are_answered_alike() {
    let server = Server::start().await;
    server.join("ann").await;
    let tried = async |login: &str| {
        let body = json!({"login": login, "password": "wrong horse"});
        let answer = server.call("", "POST", "/sessions", body).await;
        (answer.status, answer.body)
    };
    let wrong = tried("ann").await;
    assert_eq!(wrong.0, 401);
    assert_eq!(wrong, tried("nobody").await);
}

#[tokio::test]
async fn what_is_not_of_the_form_is_refused_with_the_field_named() {
    let server = Server::start().await;
    let (_, token) = server.join("ann").await;
    let cases = [
        ("/sessions", json!({"login": {"$ne": null}, "password": "x"}), "login"),
        ("/sessions", json!({"login": ["ann"], "password": "x"}), "login"),
        ("/sessions", json!({"login": "ann", "password": 12345678}), "password"),
        ("/accounts", json!({"handle": "bob", "password": PASSWORD, "is_admin": true}), "is_admin"),
        ("/accounts", json!({"handle": "bob", "password": PASSWORD, "id": "1"}), "id"),
        ("/rooms", json!({"kind": "public", "role": "owner"}), "role"),
        ("/rooms", json!({"kind": "secret"}), "kind"),
        ("/rooms/r/messages", json!({"client_msg_id": "1", "text": "x", "user": "bob"}), "user"),
        ("/rooms/r/messages", json!({"client_msg_id": "1", "text": "x", "seq": 1}), "seq"),
        ("/rooms/r/messages", json!({"text": "x"}), "client_msg_id"),
    ];
    for (path, body, field) in cases {
        let answer = server.call(&token, "POST", path, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["field"], field, "{body}");
    }
    for query in ["limit=0", "limit=-1", "limit=1000000000", "before=1&after=2", "cursor=x"] {
        let answer = server.get(&token, &format!("/rooms/lobby/messages?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn megabyte_of_password_is_refused_before_it_is_hashed() {
    let server = Server::start().await;
    let long = json!({"login": "ann", "password": "x".repeat(1 << 20)});
    assert_eq!(server.call("", "POST", "/sessions", long).await.status, 413);
    let less = json!({"login": "ann", "password": "x".repeat(2000)});
    assert_eq!(server.call("", "POST", "/sessions", less).await.json()["field"], "password");
}

#[tokio::test]
async fn bodies_that_a_form_could_send_are_not_taken() {
    let server = Server::start().await;
    let (_, token) = server.join("ann").await;
    let bearer = format!("Bearer {token}");
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let headers = [("content-type", content_type), ("authorization", bearer.as_str())];
        let body = r#"{"kind":"public"}"#;
        let answer = send(server.address, request("POST", "/api/v1/rooms", &headers, body)).await;
        assert_eq!(answer.status, 415, "{content_type}");
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = send(server.address, request("POST", "/api/v1/sessions", &headers, "{}")).await;
    assert_eq!(answer.status, 415);
}

#[tokio::test]
async fn token_in_the_url_is_refused() {
    let server = Server::start().await;
    let (_, token) = server.join("ann").await;
    for path in
        ["/me?access_token=x", "/rooms?token=x", "/sessions/current?ticket=x", "/ws?token=x"]
    {
        let method = if path.contains("current") { "DELETE" } else { "GET" };
        let answer = server.call(&token, method, path, Value::Null).await;
        assert_eq!(answer.status, 400, "{path}");
    }
}

#[tokio::test]
async fn room_that_one_may_not_know_of_is_answered_as_one_that_is_not_there() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_eve) = server.join("eve").await;
    let made = json!({"kind": "private", "name": "secret"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let calls = [
        ("GET", "", Value::Null),
        ("GET", "/messages", Value::Null),
        ("GET", "/log", Value::Null),
        ("GET", "/members", Value::Null),
        ("POST", "/enter", Value::Null),
        ("POST", "/leave", Value::Null),
        ("PUT", "/marks", json!({"seq": 1})),
        ("PATCH", "", json!({"name": "mine"})),
        ("POST", "/messages", json!({"client_msg_id": "1", "text": "x"})),
    ];
    for (method, rest, body) in calls {
        let hidden =
            server.call(&as_eve, method, &format!("/rooms/{room}{rest}"), body.clone()).await;
        let absent = server.call(&as_eve, method, &format!("/rooms/absent{rest}"), body).await;
        assert_eq!(hidden.status, 404, "{method} {rest}: {}", hidden.text());
        assert_eq!((hidden.status, &hidden.body), (absent.status, &absent.body), "{method} {rest}");
    }
}

#[tokio::test]
async fn file_goes_with_a_message_and_is_served_safely() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_eve) = server.join("eve").await;
    let content: Vec<u8> = [b"plain text ".as_slice(), &[b'x'; 200_000]].concat();
    let page = server.upload(&as_ann, "a.png", b"<!doctype html><script>alert(1)</script>").await;
    assert_eq!(page.status, 415, "what it is counts, not what it is called: {}", page.text());
    let file = server.upload(&as_ann, "../../etc/pass\u{202e}wd\\..\\b.txt", &content).await;
    assert_eq!(file.status, 201, "{}", file.text());
    let file = file.json();
    assert_eq!(file["content_type"], "text/plain");
    let url = text(&file["url"]);
    assert!(!url.contains(".."), "{url}");
    let fetch = async |token: &str, extra: &[(&str, &str)]| {
        let bearer = format!("Bearer {token}");
        let headers: Vec<_> =
            [("authorization", bearer.as_str())].iter().chain(extra).copied().collect();
        send(server.address, request("GET", &url, &headers, "")).await
    };
    assert_eq!(fetch(&as_eve, &[]).await.status, 404, "an upload is its owner's alone");
    let made = json!({"kind": "private"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let body = json!({"client_msg_id": "1", "attachments": [file["id"]]});
    server.ok(&as_ann, "POST", &format!("/rooms/{room}/messages"), body).await;
    assert_eq!(fetch(&as_eve, &[]).await.status, 404, "nor is it for who may not read the room");

    let whole = fetch(&as_ann, &[]).await;
    assert_eq!(whole.body, content);
    let disposition = whole.headers["content-disposition"].to_str().unwrap();
    assert!(!disposition.contains(['/', '\\']) && !disposition.contains("202"), "{disposition}");
    assert!(whole.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(whole.headers["x-content-type-options"], "nosniff");
    assert_eq!(whole.headers["cache-control"], "private, no-store");
    let etag = whole.headers["etag"].to_str().unwrap();

    let part = fetch(&as_ann, &[("range", "bytes=6-9")]).await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "text"));
    assert_eq!(part.headers["content-range"], format!("bytes 6-9/{}", content.len()));
    let same = fetch(&as_ann, &[("range", "bytes=6-9"), ("if-range", etag)]).await;
    assert_eq!(same.status, 206);
    let other = fetch(&as_ann, &[("range", "bytes=6-9"), ("if-range", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, content.len()));
    let beyond = fetch(&as_ann, &[("range", "bytes=999999-")]).await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.headers["content-range"], format!("bytes */{}", content.len()));
    let unchanged = fetch(&as_ann, &[("if-none-match", etag)]).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
}

#[tokio::test]
async fn thumbnail_is_for_those_who_may_see_the_image() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_eve) = server.join("eve").await;
    let file = server.upload(&as_ann, "dot.png", chatcore::testing::PIXEL).await.json();
    let small = &file["thumbnail"];
    assert_eq!((&small["width"], &small["height"]), (&json!(1), &json!(1)), "{file}");
    let room =
        server.ok(&as_ann, "POST", "/rooms", json!({"kind": "private"})).await["room"].clone();
    let body = json!({"client_msg_id": "1", "attachments": [file["id"]]});
    let sent = format!("/rooms/{}/messages", text(&room));
    server.ok(&as_ann, "POST", &sent, body).await;
    let page = server.ok(&as_ann, "GET", &sent, Value::Null).await;
    assert_eq!(page["messages"][0]["attachments"][0]["thumbnail"], *small);
    let path = format!("/thumbnails/{}", text(&file["id"]));
    let shown = server.get(&as_ann, &path).await;
    assert_eq!(
        (shown.status.as_u16(), shown.body.len() as u64),
        (200, small["size"].as_u64().unwrap())
    );
    assert_eq!(shown.headers["content-type"], text(&small["content_type"]));
    assert_eq!(
        shown.headers["cache-control"], "private, no-cache",
        "kept, and asked for each time"
    );
    assert_eq!(shown.headers["x-content-type-options"], "nosniff");
    let etag = shown.headers["etag"].to_str().unwrap();
    let again = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("if-none-match", etag)];
        send(server.address, request("GET", &format!("/api/v1{path}"), &headers, "")).await
    };
    let unchanged = again(&as_ann).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    assert_eq!(again(&as_eve).await.status, 404, "not even that it is as it was");
    let message = text(&page["messages"][0]["message_id"]);
    let path = format!("{sent}/{message}");
    let gone = server.call(&as_ann, "DELETE", &path, json!({"client_msg_id": "2"})).await;
    assert!(gone.status.is_success(), "{}", gone.text());
    assert_eq!(again(&as_ann).await.status, 404);
    let words = server.upload(&as_ann, "words.txt", b"one line\n").await.json();
    assert_eq!(words["thumbnail"], Value::Null);
    assert_eq!(
        server.get(&as_ann, &format!("/thumbnails/{}", text(&words["id"]))).await.status,
        404
    );
}

#[tokio::test]
async fn picture_is_shown_to_all_who_are_signed_in_and_to_nobody_else() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    let put = async |content: &[u8]| {
        let mut body =
            b"--X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
                .to_vec();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--X--\r\n");
        let request = Request::put("/api/v1/me/avatar")
            .header("authorization", format!("Bearer {as_ann}"))
            .header("content-type", "multipart/form-data; boundary=X")
            .body(Bytes::from(body))
            .unwrap();
        send(server.address, request).await
    };
    assert_eq!(put(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>").await.status, 415);
    let set = put(PNG).await;
    assert_eq!(set.status, 200, "{}", set.text());
    let shown = server.ok(&as_bob, "GET", &format!("/users/{ann}"), Value::Null).await;
    let url = text(&shown["avatar_url"]);
    let bearer = format!("Bearer {as_bob}");
    let picture =
        send(server.address, request("GET", &url, &[("authorization", &bearer)], "")).await;
    assert_eq!(
        (picture.headers["content-type"].as_bytes(), &picture.body[..]),
        (&b"image/png"[..], PNG)
    );
    assert_eq!(server.get(&as_bob, &format!("/users/{ann}/avatar")).await.body, PNG);
    assert_eq!(send(server.address, request("GET", &url, &[], "")).await.status, 401);
    server.ok(&as_ann, "DELETE", "/me/avatar", Value::Null).await;
    assert_eq!(server.get(&as_bob, &format!("/users/{ann}/avatar")).await.status, 404);
}

#[tokio::test]
async fn password_change_ends_other_sessions_and_keeps_this_one() {
    let server = Server::start().await;
    let (_, here) = server.join("ann").await;
    let login = json!({"login": "ann", "password": PASSWORD});
    let there = text(&server.ok("", "POST", "/sessions", login).await["access_token"]);
    let wrong = json!({"current": "not it at all", "new": "another horse"});
    assert!(server.call(&here, "PUT", "/me/password", wrong).await.status.is_client_error());
    let change = json!({"current": PASSWORD, "new": "another horse"});
    server.ok(&here, "PUT", "/me/password", change).await;
    assert_eq!(server.get(&here, "/me").await.status, 200);
    assert_eq!(server.get(&there, "/me").await.status, 401);
}

#[tokio::test]
async fn flood_of_logins_is_told_when_to_come_back() {
    let server = Server::with(RateLimits::default(), Config::default()).await;
    server.join("ann").await;
    let body = json!({"login": "ann", "password": "wrong horse"});
    for _ in 0..200 {
        let answer = server.call("", "POST", "/sessions", body.clone()).await;
        if answer.status == 429 {
            let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(wait >= 1);
            return;
        }
    }
    panic!("200 wrong passwords were all looked at");
}

#[tokio::test]
async fn api_describes_itself_whole() {
    let server = Server::start().await;
    let document = server.ok("", "GET", "/openapi.json", Value::Null).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for endpoint in super::endpoints() {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let operation = &paths[endpoint.path][&method];
        assert_eq!(operation["summary"], endpoint.summary, "{method} {}", endpoint.path);
        assert!(operation["responses"][endpoint.status.as_str()].is_object());
        // Every path that is described is served: no 404 or 405 of the router's own.
        let path = endpoint.path.replace(['{', '}'], "");
        let answer = server.call("", endpoint.method.as_str(), &path, json!({})).await;
        let detail = answer.json()["detail"].clone();
        assert_ne!(answer.status, 405, "{method} {path}");
        assert_ne!(detail, "there is nothing here", "{method} {path}");
        if endpoint.secured {
            assert_eq!(answer.status, 401, "{method} {path}");
        }
    }
    let mut ids: Vec<_> = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| text(&operation["operationId"]))
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids must differ");
    check_references(&document, &document);
}

/// Every `$ref` of the document leads somewhere within it.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|value| check_references(document, value));
        }
        Value::Array(values) => values.iter().for_each(|v| check_references(document, v)),
        _ => {}
    }
}

#[tokio::test]
async fn operators_see_health_and_counts() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(send(server.address, request("GET", path, &[], "")).await.status, 200);
    }
    server.get("", "/me").await;
    let metrics = send(server.address, request("GET", "/metrics", &[], "")).await;
    assert!(metrics.text().contains("chatcore_http_answers_total{class=\"4xx\"} 1"));
}

#[tokio::test]
async fn path_that_is_nowhere_is_a_problem_where_nothing_is_beside() {
    let server = Server::with(RateLimits::off(), Config::default().standalone()).await;
    let answer = send(server.address, request("GET", "/nowhere", &[], "")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (404, &json!("not_found")));
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn frames_are_described() {
    let server = Server::start().await;
    let schema = server.ok("", "GET", "/frames.schema.json", Value::Null).await;
    assert!(schema["$defs"]["ClientFrame"].is_object());
    let document = server.ok("", "GET", "/asyncapi.json", Value::Null).await;
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["channels"]["socket"]["address"], "/api/v1/ws");
}

#[tokio::test]
async fn messages_are_searched_in_pages() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (_, as_eve) = server.join("eve").await;
    let made = json!({"kind": "private", "name": "tea"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    for (name, said) in [("1", "Käse <b>"), ("2", "奶酪很好吃"), ("3", "kase again")] {
        let body = json!({"client_msg_id": name, "text": said});
        server.ok(&as_ann, "POST", &format!("/rooms/{room}/messages"), body).await;
    }
    let first = server.ok(&as_ann, "GET", "/search?query=kase&limit=1", Value::Null).await;
    assert_eq!(first["hits"][0]["excerpt"]["pieces"][0], json!({"text": "kase", "found": true}));
    assert_eq!((&first["hits"][0]["room"], &first["hits"][0]["user"]), (&json!(room), &json!(ann)));
    let next = format!("/search?query=kase&limit=1&after={}", text(&first["next"]));
    let second = server.ok(&as_ann, "GET", &next, Value::Null).await;
    let pieces = json!([{"text": "Käse", "found": true}, {"text": " <b>"}]);
    assert_eq!(second["hits"][0]["excerpt"]["pieces"], pieces);
    let chinese = "/search?query=%E5%A5%B6%E9%85%AA+from:ann";
    let found = server.ok(&as_ann, "GET", chinese, Value::Null).await;
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);

    let outside = server.ok(&as_eve, "GET", "/search?query=kase", Value::Null).await;
    assert_eq!(outside, json!({"hits": []}));
    let hidden = server.get(&as_eve, &format!("/search?query=kase&room={room}")).await;
    let absent = server.get(&as_eve, "/search?query=kase&room=nowhere").await;
    assert_eq!((hidden.status.as_u16(), absent.status.as_u16()), (404, 404));
    assert_eq!(server.get(&as_ann, "/search").await.json()["field"], "query");
    assert_eq!(server.get(&as_ann, "/search?query=a&sort=1").await.json()["field"], "sort");
    assert_eq!(server.get("", "/search?query=kase").await.status.as_u16(), 401);
}

#[tokio::test]
async fn who_is_mentioned_by_name_counts_it_until_it_is_read() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("Bob").await;
    let (eve, _) = server.join("eve").await;
    let made = json!({"kind": "public", "name": "tea"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;
    let messages = format!("/rooms/{room}/messages");
    let body = json!({"client_msg_id": "1", "text": "@bob, @eve and @nobody: tea!",
        "mentions": [eve, bob]});
    server.ok(&as_ann, "POST", &messages, body).await;
    let page = server.ok(&as_bob, "GET", &messages, Value::Null).await;
    assert_eq!(page["messages"][0]["mentions"], json!([bob]), "she is not in the room");
    let mine = server.ok(&as_bob, "GET", &format!("/rooms/{room}"), Value::Null).await;
    assert_eq!((&mine["unread"], &mine["mentions"]), (&json!(1), &json!(1)));
    let seq = &page["messages"][0]["seq"];
    server.ok(&as_bob, "PUT", &format!("/rooms/{room}/marks"), json!({"seq": seq})).await;
    let mine = server.ok(&as_bob, "GET", &format!("/rooms/{room}"), Value::Null).await;
    assert_eq!((&mine["unread"], &mine["mentions"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn slow_mode_says_how_long_to_wait() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    let made = json!({"kind": "public", "name": "tea"});
    let room =
        format!("/rooms/{}", text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]));
    let too_slow = server.call(&as_ann, "PATCH", &room, json!({"slow_mode": 21_601})).await;
    assert_eq!((too_slow.status.as_u16(), &too_slow.json()["field"]), (400, &json!("slow_mode")));
    server.ok(&as_ann, "PATCH", &room, json!({"slow_mode": 3_600})).await;
    server.ok(&as_bob, "POST", &format!("{room}/enter"), Value::Null).await;
    let messages = format!("{room}/messages");
    let say = |name: &str| json!({"client_msg_id": name, "text": name});
    server.ok(&as_bob, "POST", &messages, say("1")).await;
    let refused = server.call(&as_bob, "POST", &messages, say("2")).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (429, &json!("rate_limited")));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    let shown = server.ok(&as_bob, "GET", &room, Value::Null).await;
    assert_eq!(shown["slow_mode"], 3_600);
}

#[tokio::test]
async fn link_brings_a_stranger_into_a_private_room() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    let made = json!({"kind": "private", "name": "cellar"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let links = format!("/rooms/{room}/invite-links");
    let link = server.ok(&as_ann, "POST", &links, json!({"uses": 1})).await;
    let code = json!({"code": link["code"]});
    let shown = server.ok("", "POST", "/invites/show", code.clone()).await;
    assert_eq!(shown, json!({"name": "cellar"}), "and nothing else");
    assert_eq!(server.call("", "POST", "/invites/accept", code.clone()).await.status, 401);
    let entered = server.ok(&as_bob, "POST", "/invites/accept", code.clone()).await;
    assert_eq!(entered["room"], json!(room));
    assert_eq!(server.get(&as_bob, &links).await.status, 403);
    assert_eq!(server.ok(&as_ann, "GET", &links, Value::Null).await, json!({"links": []}));
    assert_eq!(server.call("", "POST", "/invites/show", code).await.status, 404);
    let other = server.ok(&as_ann, "POST", &links, json!({})).await;
    let listed = server.ok(&as_ann, "GET", &links, Value::Null).await;
    assert_eq!(
        (&listed["links"][0]["link"], &listed["links"][0]["code"]),
        (&other["link"], &Value::Null)
    );
    server.ok(&as_ann, "DELETE", &format!("{links}/{}", text(&other["link"])), Value::Null).await;
    let gone = server.call("", "POST", "/invites/show", json!({"code": other["code"]})).await;
    assert_eq!(gone.json()["code"], "not_found");
    let far = json!({"expires_at": 9_007_199_254_740_991_i64});
    assert_eq!(server.call(&as_ann, "POST", &links, far).await.json()["field"], "expires_at");
}

#[tokio::test]
async fn who_is_blocked_is_listed_and_cannot_write() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("bob").await;
    let one = format!("/me/blocks/{bob}");
    assert_eq!(server.call(&as_ann, "PUT", &one, Value::Null).await.status, 204);
    let blocks = server.ok(&as_ann, "GET", "/me/blocks?limit=1", Value::Null).await;
    assert_eq!(blocks, json!({"blocks": [bob], "next": bob}));
    assert_eq!(server.ok(&as_ann, "GET", "/rooms", Value::Null).await["blocked"], json!([bob]));
    let direct = json!({"kind": "direct", "members": [ann]});
    let refused = server.call(&as_bob, "POST", "/rooms", direct.clone()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["code"].clone()),
        (403, json!("forbidden"))
    );
    let nobody = server.call(&as_ann, "PUT", "/me/blocks/nobody", Value::Null).await;
    assert_eq!(nobody.status, 404);
    assert_eq!(server.call("", "GET", "/me/blocks", Value::Null).await.status, 401);
    assert_eq!(server.call(&as_ann, "DELETE", &one, Value::Null).await.status, 204);
    server.ok(&as_bob, "POST", "/rooms", direct).await;
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    assert!(text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn someone_takes_along_what_is_theirs_and_nothing_of_others() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("bob").await;
    let made = json!({"kind": "private", "name": "cellar"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let members = format!("/rooms/{room}/members");
    server.ok(&as_ann, "POST", &format!("{members}/{bob}"), json!({"action": "invite"})).await;
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;
    let file = text(&server.upload(&as_ann, "dot.png", PNG).await.json()["id"]);
    let messages = format!("/rooms/{room}/messages");
    let mine = json!({"client_msg_id": "1", "text": "mine", "attachments": [file]});
    server.ok(&as_ann, "POST", &messages, mine).await;
    let gone = json!({"client_msg_id": "2", "text": "gone"});
    let gone = text(&server.ok(&as_ann, "POST", &messages, gone).await["message_id"]);
    let delete = json!({"client_msg_id": "3"});
    server.ok(&as_ann, "DELETE", &format!("{messages}/{gone}"), delete).await;
    let others = json!({"client_msg_id": "1", "text": "another's"});
    server.ok(&as_bob, "POST", &messages, others).await;

    let answer = server.get(&as_ann, "/me/export").await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let export = lines(&answer);
    let kinds: Vec<_> = export.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["profile", "session", "room", "message", "file", "end"]);
    assert_eq!((&export[0]["user"], &export[0]["handle"]), (&json!(ann), &json!("ann")));
    assert_eq!(export[2]["summary"]["name"], "cellar");
    assert_eq!(export[3]["message"]["text"], "mine");
    assert_eq!(export[5], json!({"type": "end", "rooms": 1, "messages": 1}));
    let url = text(&export[4]["url"]);
    let fetched = server.get(&as_ann, url.strip_prefix("/api/v1").unwrap()).await;
    assert_eq!(&fetched.body[..], PNG);

    // A room that one may know nothing of any more is named, and one's own messages are.
    server.ok(&as_ann, "POST", &format!("/rooms/{room}/leave"), Value::Null).await;
    let export = lines(&server.get(&as_ann, "/me/export").await);
    assert_eq!(export[2], json!({"type": "room", "room": room}));
    assert_eq!(export[3]["message"]["text"], "mine");

    let refused = server.get(&as_ann, "/me/export").await;
    assert_eq!(refused.status, 429, "the third within half an hour");
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn who_erases_their_account_has_to_say_the_password() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    for (body, status) in [
        (Value::Null, 400),
        (json!({}), 400),
        (json!({"password": "wrong horse"}), 401),
        (json!({"password": PASSWORD, "user": "bob"}), 400),
    ] {
        let refused = server.call(&as_ann, "DELETE", "/me", body).await;
        assert_eq!(refused.status, status, "{}", refused.text());
    }
    server.ok(&as_ann, "DELETE", "/me", json!({"password": PASSWORD})).await;
    assert_eq!(server.get(&as_ann, "/me").await.status, 401);
    let shown = server.ok(&as_bob, "GET", &format!("/users/{ann}"), Value::Null).await;
    assert_eq!(shown, json!({"id": ann, "display_name": "deleted user"}));
}

/// A public room of `token`'s in which `text` was said: the room, and the message.
async fn said(server: &Server, token: &str, words: &str) -> (String, String) {
    let made = json!({"kind": "public", "name": "general"});
    let room = text(&server.ok(token, "POST", "/rooms", made).await["room"]);
    let message = json!({"client_msg_id": "1", "text": words});
    let sent = server.ok(token, "POST", &format!("/rooms/{room}/messages"), message).await;
    (room, text(&sent["message_id"]))
}

#[tokio::test]
async fn a_reported_message_reaches_the_admins_as_it_was_reported() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("bob").await;
    let (root, as_root) = server.join("root").await;
    server.chat.set_admin(&root.parse().unwrap(), true).await.unwrap();
    let (room, message) = said(&server, &as_ann, "rude").await;
    let path = format!("/rooms/{room}/messages/{message}");
    for (reason, status) in [("", 400), (" ", 400), ("a\0b", 400), (&"x".repeat(1_001), 400)] {
        let reports = format!("{path}/reports");
        let refused = server.call(&as_bob, "POST", &reports, json!({"reason": reason})).await;
        assert_eq!(refused.status, status);
    }
    for _ in 0..2 {
        let reason = json!({"reason": "it is rude"});
        server.ok(&as_bob, "POST", &format!("{path}/reports"), reason).await;
    }
    let nowhere = format!("/rooms/nowhere/messages/{message}/reports");
    let refused = server.call(&as_bob, "POST", &nowhere, json!({"reason": "x"})).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (404, &json!("not_found")));
    let edit = json!({"client_msg_id": "2", "text": "polite"});
    server.ok(&as_ann, "PATCH", &path, edit).await;

    let me = server.ok(&as_root, "GET", "/me", Value::Null).await;
    assert_eq!(me["admin"], json!(true), "a page knows by this what to offer");
    assert_eq!(server.ok(&as_ann, "GET", "/me", Value::Null).await.get("admin"), None);
    let listed = server.ok(&as_root, "GET", "/admin/reports", Value::Null).await;
    let reports = listed["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 1, "one for each user and message");
    assert_eq!(reports[0]["text"], "rude");
    assert_eq!((&reports[0]["by"], &reports[0]["author"]), (&json!(bob), &json!(ann)));
    let resolve = format!("/admin/reports/{}/resolve", reports[0]["id"]);
    let resolved = server.ok(&as_root, "POST", &resolve, json!({"reason": "warned"})).await;
    assert_eq!(resolved["resolved_by"], json!(root));
    let open = server.ok(&as_root, "GET", "/admin/reports", Value::Null).await;
    assert_eq!(open["reports"], json!([]));
    let all = server.ok(&as_root, "GET", "/admin/reports?all=true", Value::Null).await;
    assert_eq!(all["reports"].as_array().unwrap().len(), 1);
    for unknown in ["0", "99", "x", "-1"] {
        let path = format!("/admin/reports/{unknown}/resolve");
        assert_eq!(server.call(&as_root, "POST", &path, json!({})).await.status, 404);
    }
}

#[tokio::test]
async fn to_all_but_admins_there_is_nothing_to_administrate() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    for (method, path) in [
        ("GET", "/admin/stats".to_owned()),
        ("GET", "/admin/users".to_owned()),
        ("PUT", format!("/admin/users/{ann}/suspension")),
        ("DELETE", format!("/admin/users/{ann}/suspension")),
        ("DELETE", format!("/admin/users/{ann}/sessions")),
        ("GET", "/admin/rooms".to_owned()),
        ("DELETE", "/admin/rooms/r".to_owned()),
        ("GET", "/admin/reports".to_owned()),
        ("POST", "/admin/reports/1/resolve".to_owned()),
        ("GET", "/admin/audit".to_owned()),
    ] {
        let there = server.call(&as_ann, method, &path, json!({})).await;
        let nothing = server.call(&as_ann, method, "/nothing/at/all", json!({})).await;
        assert_eq!(there.status, 404, "{method} {path}");
        assert_eq!(there.json(), nothing.json(), "{method} {path}");
        assert_eq!(server.call("", method, &path, json!({})).await.status, 401);
    }
}

#[tokio::test]
async fn who_is_suspended_is_out_at_once_until_they_are_let_in_again() {
    let server = Server::start().await;
    let (ann, as_ann) = server.join("ann").await;
    let (root, as_root) = server.join("root").await;
    server.chat.set_admin(&root.parse().unwrap(), true).await.unwrap();
    let found = server.ok(&as_root, "GET", "/admin/users?name=AN", Value::Null).await;
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&found["users"][0]["id"], &found["users"][0]["suspended"]),
        (&json!(ann), &json!(false))
    );
    let suspension = format!("/admin/users/{ann}/suspension");
    server.ok(&as_root, "PUT", &suspension, json!({"reason": "rude"})).await;
    assert_eq!(server.get(&as_ann, "/me").await.status, 401);
    let login = json!({"login": "ann", "password": PASSWORD});
    let refused = server.call("", "POST", "/sessions", login.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("forbidden")));
    assert_eq!(refused.json()["detail"], "the account is disabled");
    server.ok(&as_root, "DELETE", &suspension, json!({})).await;
    let back = server.ok("", "POST", "/sessions", login).await;
    let as_ann = text(&back["access_token"]);
    server.ok(&as_root, "DELETE", &format!("/admin/users/{ann}/sessions"), Value::Null).await;
    assert_eq!(server.get(&as_ann, "/me").await.status, 401);
    let own = format!("/admin/users/{root}/suspension");
    assert_eq!(server.call(&as_root, "PUT", &own, json!({})).await.status, 403, "not oneself");
    let unknown = server.call(&as_root, "PUT", "/admin/users/nobody/suspension", json!({})).await;
    assert_eq!(unknown.status, 404);

    let audit = server.ok(&as_root, "GET", "/admin/audit", Value::Null).await;
    let acts: Vec<_> =
        audit["entries"].as_array().unwrap().iter().map(|e| text(&e["act"])).collect();
    assert_eq!(acts, ["end_sessions", "unsuspend", "suspend", "grant_admin"]);
    let suspended = &audit["entries"][2];
    assert_eq!((&suspended["by"], &suspended["target"]), (&json!(root), &json!(ann)));
    assert_eq!(suspended["reason"], "rude");
}

#[tokio::test]
async fn an_admin_ends_a_room_and_counts_what_is_left() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    let (root, as_root) = server.join("root").await;
    server.chat.set_admin(&root.parse().unwrap(), true).await.unwrap();
    let (room, _) = said(&server, &as_ann, "hello").await;
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;
    let rooms = server.ok(&as_root, "GET", "/admin/rooms", Value::Null).await;
    assert_eq!(
        (&rooms["rooms"][0]["room"], &rooms["rooms"][0]["members"]),
        (&json!(room), &json!(2))
    );
    let before = server.ok(&as_root, "GET", "/admin/stats", Value::Null).await;
    assert_eq!((&before["rooms"], &before["users"]), (&json!(1), &json!(3)));
    assert_eq!((&before["messages"], &before["days"][0]["messages"]), (&json!(1), &json!(1)));
    let path = format!("/admin/rooms/{room}");
    server.ok(&as_root, "DELETE", &path, json!({"reason": "spam"})).await;
    assert_eq!(server.get(&as_ann, &format!("/rooms/{room}")).await.status, 404);
    assert_eq!(server.call(&as_root, "DELETE", &path, json!({})).await.status, 404);
    let after = server.ok(&as_root, "GET", "/admin/stats", Value::Null).await;
    assert_eq!(after["rooms"], json!(0));
}

#[tokio::test]
async fn moderators_see_what_was_done_and_members_do_not() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (bob, as_bob) = server.join("bob").await;
    let (_, as_eve) = server.join("eve").await;
    let (room, _) = said(&server, &as_ann, "hello").await;
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;
    let mute = json!({"action": "mute", "reason": "loud"});
    server.ok(&as_ann, "POST", &format!("/rooms/{room}/members/{bob}"), mute).await;
    let audit = server.ok(&as_ann, "GET", &format!("/rooms/{room}/audit"), Value::Null).await;
    assert_eq!(audit["entries"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&audit["entries"][0]["act"], &audit["entries"][0]["reason"]),
        (&json!("mute"), &json!("loud"))
    );
    for token in [&as_bob, &as_eve] {
        let refused = server.get(token, &format!("/rooms/{room}/audit")).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("forbidden")));
    }
    assert_eq!(server.get(&as_ann, "/rooms/nowhere/audit").await.status, 404);
    assert_eq!(server.get(&as_ann, &format!("/rooms/{room}/audit?limit=0")).await.status, 400);
}

#[tokio::test]
async fn room_that_is_muted_counts_in_no_badge() {
    let server = Server::start().await;
    let (_, as_ann) = server.join("ann").await;
    let (_, as_bob) = server.join("bob").await;
    let made = json!({"kind": "public", "name": "general"});
    let room = text(&server.ok(&as_ann, "POST", "/rooms", made).await["room"]);
    let own = format!("/rooms/{room}/notifications");
    let none = json!({"level": "none"});
    assert_eq!(server.call(&as_bob, "PUT", &own, none.clone()).await.status, 403);
    server.ok(&as_bob, "POST", &format!("/rooms/{room}/enter"), Value::Null).await;
    assert_eq!(server.call(&as_bob, "PUT", &own, none).await.status, 204);
    let hello = json!({"client_msg_id": "1", "text": "hello"});
    server.ok(&as_ann, "POST", &format!("/rooms/{room}/messages"), hello).await;
    let seen = server.ok(&as_bob, "GET", &format!("/rooms/{room}"), Value::Null).await;
    assert_eq!((&seen["unread"], &seen["badge"]), (&json!(1), &json!(0)));
    assert_eq!((&seen["muted"], &seen["notify"]), (&json!(true), &json!({"level": "none"})));
}
