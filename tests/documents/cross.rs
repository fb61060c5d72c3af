//! One set of accounts, rooms and logs behind all documents.

use chatcore::log::{Body, Cursor};
use chatcore_tests::ws::Ended;
use chatcore_tests::{Encoding, Person, WsClient};
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::fixture::{PNG, Site, accountname_fields, file, nickname_fields};

/// Which logins a name and a password open, by document.
async fn opened(site: &Site, name: &str, password: &str) -> Vec<&'static str> {
    let mut opened = Vec::new();
    for (document, field) in
        [("000", "userName"), ("002", "email"), ("003", "accountname"), ("004", "username")]
    {
        let body = json!({field: name, "password": password});
        let reply = site.json("/auth/login", body).await;
        let body = reply.json();
        if reply.status == 200 && body["status"] != "ERROR" && body["success"] != false {
            opened.push(document);
        }
    }
    opened
}

#[tokio::test]
async fn account_of_any_document_opens_every_login_that_asks_for_its_name() {
    let site = Site::start().await;
    site.json("/auth/register", nickname_fields("alice")).await.expect(200);
    assert_eq!(opened(&site, "alice", "sesame").await, ["000", "003", "004"]);
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    assert_eq!(opened(&site, "anna", "sesame88").await, ["000", "003", "004"]);
    site.email("eve@example.org").await;
    assert_eq!(opened(&site, "eve@example.org", "sesame").await, ["002", "004"]);
    assert!(opened(&site, "anna", "sesame").await.is_empty(), "each by their own password");
}

#[tokio::test]
async fn names_are_taken_across_documents() {
    let site = Site::start().await;
    site.nickname("anna").await;
    let body = site.json("/auth/register", accountname_fields("Anna", 1)).await.expect(409).json();
    assert!(body["error"]["accountname"].is_string(), "{body}");
    site.json("/auth/register", accountname_fields("berta", 1)).await.expect(200);
    site.json("/auth/register", nickname_fields("berta")).await.expect(401);
}

#[tokio::test]
async fn token_of_one_document_is_good_in_the_others() {
    let site = Site::start().await;
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    let fields = json!({"accountname": "anna", "password": "sesame88"});
    let token = site.json("/auth/login", fields).await.expect(200).json();
    let anna = site.http.with_token(token["token"].as_str().unwrap());
    let user = anna.get("/auth").await.expect(200).json();
    assert_eq!(
        (&user["user"]["userName"], &user["user"]["nickName"]),
        (&json!("anna"), &json!("Ann Droid"))
    );
    let body = json!({"userid": "anna", "action": "enter", "roomid": null});
    let room = anna.post("/v1/room", body).await.expect(200).json()["roomid"].clone();
    let body = json!({"message": {"text": "from 000", "roomId": room}});
    anna.post("/message", body).await.expect(200);
    let logs = anna.get(&format!("/v1/logs/{}", room.as_str().unwrap())).await.expect(200).json();
    assert_eq!(logs["logs"][0]["m"], "from 000");
    assert_eq!(logs["logs"][0]["u"], "anna");
}

#[tokio::test]
async fn logging_out_of_one_document_ends_the_token_of_another() {
    let site = Site::start().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    alice.get("/v1/room/alice").await.expect(200);
    alice.post("/auth/logout", Value::Null).await.expect(200);
    alice.get("/auth").await.expect(401);
    alice.get("/v1/room/alice").await.expect(401);
}

#[tokio::test]
async fn file_of_one_document_is_in_the_log_of_another_and_live_to_a_third() {
    let site = Site::start().await;
    site.email("a@example.org").await;
    let a = site.cookie("a@example.org").await;
    let room = site.room("a@example.org").await;
    let bob = site.http.with_token(site.nickname("bob").await);
    let body = json!({"userid": "bob", "action": "enter", "roomid": room.as_str()});
    bob.post("/v1/room", body).await.expect(200);
    let caller = site.chat.as_user(&site.user("bob").await);
    let mut live = caller.subscribe(&room, Cursor::start()).await.unwrap();

    let form = Form::new()
        .part("file", file("x.png", PNG))
        .text("name", "x")
        .text("user_id", "a@example.org")
        .text("chatroom_id", room.to_string());
    let sent = a.form("/upload", form).await.expect(200).json();
    assert_eq!(sent["status"], "OK");
    let url = loop {
        if let Body::Message { text, .. } = live.next().await.unwrap().unwrap().body {
            break text;
        }
    };
    let logs = bob.get(&format!("/v1/logs/{room}")).await.expect(200).json();
    assert_eq!(logs["logs"][0]["m"], url.as_str());
    assert_eq!(&bob.get(&url).await.expect(200).body[..], PNG);
}

/// Someone who has a token of whatever document, as a client of the native protocol.
fn person(site: &Site, handle: &str, token: &str) -> Person {
    Person {
        handle: handle.to_owned(),
        password: String::new(),
        user: String::new(),
        token: token.to_owned(),
        http: site.http.with_token(token),
    }
}

#[tokio::test]
async fn account_of_any_document_logs_in_natively() {
    let site = Site::whole().await;
    site.nickname("alice").await;
    site.json("/auth/register", accountname_fields("anna", 1)).await.expect(200);
    site.email("eve@example.org").await;
    for (login, password) in
        [("alice", "sesame"), ("anna", "sesame88"), ("eve@example.org", "sesame")]
    {
        let person = site.http.log_in(login, password).await;
        let me = person.http.get("/api/v1/me").await.expect(200).json();
        assert_eq!(me["id"], site.user(login).await.as_str(), "{login}: {me}");
    }
}

#[tokio::test]
async fn native_account_logs_in_by_every_document_that_asks_for_its_name() {
    let site = Site::whole().await;
    let person = site.http.register("nora").await;
    assert_eq!(opened(&site, "nora", &person.password).await, ["000", "003", "004"]);
    let user = person.http.get("/auth").await.expect(200).json();
    assert_eq!(user["user"]["userName"], "nora");
}

#[tokio::test]
async fn uploaded_file_arrives_live_on_a_members_websocket() {
    let site = Site::whole().await;
    let room = {
        site.email("a@example.org").await;
        site.room("a@example.org").await
    };
    let a = site.cookie("a@example.org").await;
    let token = site.nickname("bob").await;
    let bob = person(&site, "bob", &token);
    let enter = json!({"userid": "bob", "action": "enter", "roomid": room.as_str()});
    bob.http.post("/v1/room", enter).await.expect(200);
    for encoding in [Encoding::Json, Encoding::Msgpack] {
        let mut socket = WsClient::open(site.address, encoding).await;
        socket.hello(&bob).await;
        socket.request("subscribe", json!({"room": room.as_str()})).await;
        let form = Form::new()
            .part("file", file("x.png", PNG))
            .text("name", "x")
            .text("user_id", "a@example.org")
            .text("chatroom_id", room.to_string());
        assert_eq!(a.form("/upload", form).await.expect(200).json()["status"], "OK");
        let event = socket.next_event(room.as_str(), "message").await;
        let url = event["text"].as_str().unwrap();
        assert_eq!(event["attachments"][0]["content_type"], "image/png", "{event}");
        assert_eq!(&bob.http.get(url).await.expect(200).body[..], PNG);
        socket.close().await;
    }
}

#[tokio::test]
async fn message_of_document_000_arrives_live_and_an_answer_is_in_document_004() {
    let site = Site::whole().await;
    let alice = site.http.with_token(site.nickname("alice").await);
    let bob = person(&site, "bob", &site.nickname("bob").await);
    let room = site.room("alice").await;
    bob.enter(room.as_str()).await;
    let mut socket = WsClient::open(site.address, Encoding::Json).await;
    socket.hello(&bob).await;
    socket.request("subscribe", json!({"room": room.as_str()})).await;
    let body = json!({"message": {"text": "hello", "roomId": room.as_str()}});
    let processed = alice.post("/message", body).await.expect(200).json()["processed"].clone();
    let event = socket.next_event(room.as_str(), "message").await;
    assert_eq!((&event["text"], &event["seq"]), (&json!("hello"), &processed["seq"]));
    let answer = json!({"room": room.as_str(), "client_msg_id": "1", "text": "hello yourself"});
    socket.request("send", answer).await;
    let logs = alice.get(&format!("/v1/logs/{room}")).await.expect(200).json();
    let said: Vec<_> =
        logs["logs"].as_array().unwrap().iter().map(|log| (&log["u"], &log["m"])).collect();
    assert_eq!(
        said,
        [(&json!("alice"), &json!("hello")), (&json!("bob"), &json!("hello yourself"))]
    );
}

#[tokio::test]
async fn logging_out_by_a_document_ends_the_websocket() {
    let site = Site::whole().await;
    let token = site.nickname("alice").await;
    let alice = person(&site, "alice", &token);
    let mut socket = WsClient::open(site.address, Encoding::Json).await;
    socket.hello(&alice).await;
    alice.http.get("/auth/logout").await.expect(200);
    let ended = socket.ended().await;
    assert!(matches!(ended, Ended::Closed(4003, _)), "revoked: {ended:?}");
}

#[tokio::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let site = Site::start().await;
    for round in 0..5 {
        let name = format!("anna{round}");
        let wanting = (0..8).map(|n| {
            let fields = if n % 2 == 0 {
                nickname_fields(&name)
            } else {
                accountname_fields(&name, round * 100 + n)
            };
            site.json("/auth/register", fields)
        });
        let replies = futures_util::future::join_all(wanting.collect::<Vec<_>>()).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        let got = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(got, 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 401 | 409)), "{statuses:?}");
    }
}

#[tokio::test]
async fn picture_of_who_does_not_get_the_name_is_not_kept() {
    let site = Site::start().await;
    site.nickname("alice").await;
    let fields = nickname_fields("alice");
    let form = ["nickName", "userName", "password", "confirmPassword"]
        .into_iter()
        .fold(Form::new(), |form, name| form.text(name, fields[name].as_str().unwrap().to_owned()))
        .part("avatar", file("me.png", PNG));
    let request = site.http.request(reqwest::Method::POST, "/auth/register").multipart(form);
    chatcore_tests::Http::send(request).await.expect(401);
    let swept = site.chat.attachments().sweep().await.unwrap();
    assert_eq!((swept.removed, swept.failed), (1, 0), "given up at once, not at its age");
}
