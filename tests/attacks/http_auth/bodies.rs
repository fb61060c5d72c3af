//! Bodies and URLs that are not what they should be.

use chatcore_tests::{Http, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::site::{Site, problem};

async fn raw_json(http: &Http, path: &str, body: impl Into<reqwest::Body>) -> Reply {
    let request = http.request(Method::POST, path).header("content-type", "application/json");
    Http::send(request.body(body)).await
}

/// Rule 5.
#[tokio::test]
async fn other_kinds_of_values_where_a_text_is_due() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let odd = [
        json!({ "$ne": null }),
        json!({ "$gt": "" }),
        json!(["ann"]),
        json!([]),
        json!({}),
        json!(0),
        json!(1.5),
        json!(true),
        json!([["ann"]]),
    ];
    let messages = format!("/api/v1/rooms/{room}/messages");
    let forms: &[(&str, Value, &[&str])] = &[
        ("/api/v1/sessions", json!({ "login": "ann", "password": "x" }), &["login", "password"]),
        (
            "/api/v1/accounts",
            json!({ "handle": "b", "password": "long enough, surely" }),
            &["handle", "password", "email", "display_name"],
        ),
        (
            "/api/v1/password-resets/confirm",
            json!({ "email": "a@b.c", "code": "1", "password": "long enough" }),
            &["email", "code", "password"],
        ),
        ("/api/v1/sessions/refresh", json!({ "refresh_token": "x" }), &["refresh_token"]),
        (
            &messages,
            json!({ "client_msg_id": "1", "text": "hi" }),
            &["client_msg_id", "text", "reply_to"],
        ),
        ("/api/v1/rooms", json!({ "kind": "public", "name": "x" }), &["kind", "name", "topic"]),
    ];
    for (path, form, fields) in forms {
        for field in *fields {
            for value in &odd {
                let mut body = form.clone();
                body[field] = value.clone();
                let answer = ann.http.post(path, body).await;
                let at = problem(&answer, 400, "bad_request");
                assert_eq!(
                    at.as_deref(),
                    Some(*field),
                    "{path} {field} {value}: {}",
                    answer.text()
                );
            }
        }
    }
    // The same with null, where there must be something.
    for (path, field) in [("/api/v1/sessions", "password"), (messages.as_str(), "text")] {
        let answer = ann.http.post(path, json!({ "login": "ann", field: null })).await;
        problem(&answer, 400, "bad_request");
    }
    assert_eq!(ann.log(&room).await.len(), 2);
    site.still_serves(&ann).await;
}

/// A sound request, and fields that spoil it.
type Forged<'a> = (Method, &'a str, Value, &'a [(&'a str, Value)]);

/// Rules 6 and 41.
#[tokio::test]
async fn fields_that_only_the_server_sets() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let bob = site.person("bob").await;
    let room = ann.create_room("public", "room").await;
    let messages = format!("/api/v1/rooms/{room}/messages");
    let bobs = format!("/api/v1/rooms/{room}/members/{}", bob.user);
    let forged: &[Forged] = &[
        (
            Method::POST,
            "/api/v1/accounts",
            json!({ "handle": "eve", "password": "correct horse of eve" }),
            &[
                ("role", json!("owner")),
                ("is_admin", json!(true)),
                ("id", json!(ann.user)),
                ("disabled", json!(false)),
                ("external_id", json!("1")),
                ("avatar", json!("x")),
                ("created_at", json!(0)),
                ("__proto__", json!({ "admin": true })),
            ],
        ),
        (
            Method::PATCH,
            "/api/v1/me",
            json!({ "display_name": "Ann" }),
            &[
                ("handle", json!("root")),
                ("email", json!("root@b.c")),
                ("id", json!(bob.user)),
                ("password", json!("x")),
            ],
        ),
        (
            Method::POST,
            &messages,
            json!({ "client_msg_id": "1", "text": "hi" }),
            &[
                ("user", json!(bob.user)),
                ("seq", json!(1)),
                ("n", json!(1)),
                ("ts", json!(0)),
                ("epoch", json!("x")),
                ("message_id", json!("0123456789abcdefghijkl")),
                ("room", json!("other")),
                ("edited_at", json!(1)),
                ("deleted_at", json!(1)),
                ("pinned", json!(true)),
                ("kind", json!("kick")),
            ],
        ),
        (
            Method::POST,
            "/api/v1/rooms",
            json!({ "kind": "public", "name": "x" }),
            &[
                ("room", json!("mine")),
                ("id", json!("mine")),
                ("owner", json!(bob.user)),
                ("keep", json!(true)),
                ("created_at", json!(0)),
            ],
        ),
        (
            Method::POST,
            &bobs,
            json!({ "action": "invite" }),
            &[("user", json!(ann.user)), ("by", json!("x"))],
        ),
    ];
    let before = ann.log(&room).await;
    for (method, path, form, fields) in forged {
        for (field, value) in *fields {
            let mut body = form.clone();
            body[*field] = value.clone();
            let answer = ann.http.json(method.clone(), path, body).await;
            let at = problem(&answer, 400, "bad_request");
            assert_eq!(at.as_deref(), Some(*field), "{path} {field}: {}", answer.text());
        }
    }
    assert_eq!(ann.log(&room).await, before);
    let login = json!({ "login": "eve", "password": "correct horse of eve" });
    problem(&site.http.post("/api/v1/sessions", login).await, 401, "unauthenticated");
}

/// JSON that readers disagree about, that is too deep, or that is none.
#[tokio::test]
async fn json_that_readers_disagree_about() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let path = format!("/api/v1/rooms/{room}/messages");
    let deep = |n: usize| {
        format!(r#"{{"client_msg_id":"d","text":"x","meta":{}1{}}}"#, "[".repeat(n), "]".repeat(n))
    };
    let long_key = format!(r#"{{"client_msg_id":"1","text":"x","{}":1}}"#, "k".repeat(100_000));
    let many_keys: String = (0..20_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let hostile: Vec<Vec<u8>> = vec![
        // Whoever checks the first and whoever uses the second would not check what is used.
        br#"{"client_msg_id":"1","text":"first","text":"second"}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"first","t\u0065xt":"second"}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"x","meta":{"a":1,"a":2}}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"lone \ud800 surrogate"}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"swapped \udc00\ud800"}"#.to_vec(),
        b"{\"client_msg_id\":\"1\",\"text\":\"bad \xff\xfe utf-8\"}".to_vec(),
        b"{\"client_msg_id\":\"1\",\"text\":\"overlong \xc0\xaf\"}".to_vec(),
        b"{\"client_msg_id\":\"1\",\"text\":\"surrogate \xed\xa0\x80\"}".to_vec(),
        b"{\"client_msg_id\":\"1\",\"text\":\"raw \n newline\"}".to_vec(),
        b"\xef\xbb\xbf{\"client_msg_id\":\"1\",\"text\":\"bom\"}".to_vec(),
        br#"{"client_msg_id":"1","text":"NUL \u0000"}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"x"} {"text":"y"}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"x",}"#.to_vec(),
        br#"{'client_msg_id':'1','text':'x'}"#.to_vec(),
        br#"{"client_msg_id":"1","text":NaN}"#.to_vec(),
        br#"{"client_msg_id":"1","text":"x","meta":1e999}"#.to_vec(),
        br#"[{"client_msg_id":"1","text":"x"}]"#.to_vec(),
        br#""{}""#.to_vec(),
        b"null".to_vec(),
        b"".to_vec(),
        b"{".to_vec(),
        deep(40).into_bytes(),
        deep(20_000).into_bytes(),
        "[".repeat(400_000).into_bytes(),
        r#"{"a":"#.repeat(60_000).into_bytes(),
        long_key.into_bytes(),
        format!("{{{many_keys}\"text\":\"x\"}}").into_bytes(),
    ];
    for body in hostile {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = raw_json(&ann.http, &path, body).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        problem(&answer, 400, "bad_request");
        // An answer does not give back what was sent.
        assert!(answer.body.len() < 1_000, "{shown}: {} bytes", answer.body.len());
    }
    let answer = raw_json(&ann.http, &path, vec![b' '; 600 << 10]).await;
    problem(&answer, 413, "too_large");
    assert_eq!(ann.log(&room).await.len(), 2);
    site.still_serves(&ann).await;
}

/// Rule 43, over REST.
#[tokio::test]
async fn pages_that_cannot_be() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    ann.send(&room, "1", "one").await.expect(201);
    let beyond = "9007199254740992";
    let queries = [
        "limit=0",
        "limit=-1",
        "limit=1000000000",
        "limit=4294967296",
        "limit=99999999999999999999999",
        "limit=1e1",
        "limit=%31%00",
        "limit=",
        "limit=1&limit=2",
        "limit=0x10",
        "limit=+1",
        "before=1&after=1",
        "before=1&around=1",
        "after=1&around=1",
        "before=-1",
        "before=1.0",
        "after=NaN",
        "after=18446744073709551615",
        "after=18446744073709551616",
        "before=9007199254740992",
        "around=9223372036854775808",
        "unknown=1",
        "befor\u{435}=1",
        "before=1%27%20OR%201=1",
        "limit[]=1",
        "limit[$gt]=1",
    ];
    for query in queries {
        let answer = ann.http.get(&format!("/api/v1/rooms/{room}/messages?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        problem(&answer, 400, "bad_request");
    }
    for path in [
        format!("/api/v1/rooms/{room}/log?after={beyond}"),
        format!("/api/v1/rooms/{room}/log?limit=0"),
        format!("/api/v1/rooms/{room}/log?limit=201"),
        format!("/api/v1/rooms/{room}/log?before=1"),
        format!("/api/v1/rooms/{room}/members?limit=0"),
        format!("/api/v1/rooms/{room}/members?after=%00"),
        "/api/v1/rooms?limit=201".to_owned(),
        "/api/v1/rooms?after=..%2F".to_owned(),
        "/api/v1/rooms?filter=all".to_owned(),
        "/api/v1/stats?limit=-1".to_owned(),
        "/api/v1/stats?before=x".to_owned(),
    ] {
        problem(&ann.http.get(&path).await, 400, "bad_request");
    }
    let path = format!("/api/v1/rooms/{room}/marks");
    for seq in [json!(-1), json!(4), json!(1.5), json!("1"), json!(u64::MAX), json!(1_u64 << 53)] {
        let answer = ann.http.json(Method::PUT, &path, json!({ "read_seq": seq })).await;
        assert_eq!(answer.status, 400, "{seq}: {}", answer.text());
        let answer = ann.http.json(Method::PUT, &path, json!({ "seq": seq })).await;
        assert_eq!(answer.status, 400, "{seq}: {}", answer.text());
    }
}

/// Paths that mean something to file systems, proxies and careless routers.
#[tokio::test]
async fn paths_that_lead_astray() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let room = ann.create_room("private", "room").await;
    let hidden = format!("/api/v1/rooms/{room}");
    let eve = site.person("eve").await;
    let tricks = [
        format!("/api/v1/rooms/{room}%00"),
        format!("/api/v1/rooms/{room}%2Fmessages"),
        format!("/api/v1/rooms/..%2Frooms%2F{room}"),
        format!("/api/v1/rooms/x/../{room}"),
        format!("/api/v1/rooms/{room};a=b"),
        format!("/api/v1/rooms/{room}/"),
        format!("/api/v1/rooms//{room}"),
        format!("//api/v1/rooms/{room}"),
        format!("/API/V1/rooms/{room}"),
        format!("/api/v1/rooms/{room}%20"),
        format!("/api/v1/rooms/{}", "a".repeat(65)),
        format!("/api/v1/rooms/{}", "a".repeat(7_000)),
        "/api/v1/rooms/%ff%fe".to_owned(),
        "/api/v1/rooms/%".to_owned(),
        "/api/v1/rooms/%zz".to_owned(),
        "/api/v1/users/%F0%9F%92%A9".to_owned(),
        "/api/v1/users/~system".to_owned(),
        "/api/v1/..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "/..%2f..%2fetc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/assets/..%2f..%2fCargo.toml".to_owned(),
    ];
    for path in tricks {
        // Past the client, which would tidy the path up.
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            eve.token
        );
        let answer = site.exchange(request).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("[package]"), "{path}: {answer}");
    }
    assert_eq!(eve.http.get(&hidden).await.status, 404);
    site.still_serves(&ann).await;
}

/// Two readers of one connection that do not agree where a request ends.
#[tokio::test]
async fn smuggled_and_split_requests() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    let bearer = format!("authorization: Bearer {}", ann.token);
    let me = "GET /api/v1/me HTTP/1.1\r\nhost: x\r\n";
    let post = "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let hostile = [
        // Two lengths, or a length and chunks.
        format!("{post}content-length: 5\r\ncontent-length: 6\r\n\r\n{{}}    {me}{bearer}\r\n\r\n"),
        format!(
            "{post}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{me}{bearer}\r\n\r\n"
        ),
        format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}content-length: +2\r\n\r\n{{}}"),
        format!("{post}content-length: -1\r\n\r\n"),
        format!("{post}content-length: 99999999999999999999\r\n\r\n"),
        // Headers that are not.
        format!("{me}{bearer}\r\nx y: z\r\n\r\n"),
        format!("{me}x\0y: z\r\n\r\n"),
        format!("{me}{bearer}\r\n folded: header\r\n\r\n"),
        "GET /api/v1/me HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "\0\0\0\0".to_owned() + &"\u{1}".repeat(100),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
    ];
    for request in hostile {
        let mut raw = site.raw().await;
        raw.say(&request).await;
        use tokio::io::AsyncWriteExt as _;
        let _ = raw.stream.shutdown().await;
        let answer = raw.rest().await;
        assert!(!answer.contains("200 OK"), "{request:?}: {answer}");
        assert!(!answer.contains("\"handle\":\"ann\""), "{request:?}: {answer}");
    }
    // Too much head.
    let huge = format!("{me}{bearer}\r\nx-filler: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = site.exchange(huge).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    let many: String = (0..5_000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let answer = site.exchange(format!("{me}{many}\r\n")).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    site.still_serves(&ann).await;
}

/// Line ends in what is echoed into a header: names of files, and the request's own id.
#[tokio::test]
async fn headers_cannot_be_injected() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    for path in [
        "/api/v1/rooms/%0d%0aset-cookie:%20a=b",
        "/api/v1/me?x=%0d%0aset-cookie:%20a=b",
        "/%0d%0aset-cookie:%20a=b",
    ] {
        let request = ann.http.request(Method::GET, path);
        let answer = Http::send(request.header("x-request-id", "mine; set-cookie: a=b")).await;
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        assert_ne!(answer.header("x-request-id"), "mine; set-cookie: a=b");
    }
}
