//! Document 002: `POST /upload` and `GET /upload/<filename>`.

use chatcore::id::{RoomId, Seq};
use chatcore::log::{Body, Cursor};
use chatcore::room::{MemberAction, NewRoom};
use chatcore_tests::{Http, Reply};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::fixture::{Cookie, PNG, Site, file};

fn sent() -> Value {
    json!({"message": "Send file successfully.", "status": "OK"})
}

fn not_sent() -> Value {
    json!({"message": "Send file failed.", "status": "ERROR"})
}

fn no_file() -> Value {
    json!({"message": "File does not exist.", "status": "ERROR"})
}

/// A room of `a@example.org`, with their session.
async fn room_of_a(site: &Site) -> (Cookie, RoomId) {
    site.email("a@example.org").await;
    let room = site.room("a@example.org").await;
    (site.cookie("a@example.org").await, room)
}

fn form(content: Part, user_id: &str, room: &RoomId) -> Form {
    Form::new()
        .part("file", content)
        .text("name", "the picture")
        .text("user_id", user_id.to_owned())
        .text("chatroom_id", room.to_string())
}

/// What the last message of the room says, and its place.
async fn last_message(site: &Site, room: &RoomId) -> (String, Vec<String>) {
    let host = site.chat.as_system();
    let head = host.room(room).await.unwrap().head_seq;
    let log = host.log(room, Seq(head.0 - 1), 1).await.unwrap();
    let Body::Message { text, attachments, .. } = &log[0].body else { panic!("{log:?}") };
    (text.clone(), attachments.iter().map(|a| a.name.clone()).collect())
}

async fn messages(site: &Site, room: &RoomId) -> u64 {
    site.chat.as_system().room(room).await.unwrap().head_n
}

#[tokio::test]
async fn file_reaches_the_rooms_subscribers_as_a_message_with_its_address() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    site.email("b@example.org").await;
    let b = site.user("b@example.org").await;
    site.chat.as_user(&b).enter(&room).await.unwrap();
    let mut live = site.chat.as_user(&b).subscribe(&room, Cursor::start()).await.unwrap();

    let reply = a.form("/upload", form(file("x.png", PNG), "a@example.org", &room)).await;
    assert_eq!(reply.expect(200).json(), sent());
    let url = loop {
        let entry = live.next().await.unwrap().unwrap();
        if let Body::Message { text, attachments, .. } = entry.body {
            assert_eq!(attachments[0].name, "the picture.png");
            break text;
        }
    };
    assert!(url.starts_with("/upload/") && url.ends_with(".png"), "{url}");
    let b = site.cookie("b@example.org").await;
    let download = b.get(&url).await.expect(200);
    assert_eq!(&download.body[..], PNG);
    assert_eq!(download.header("content-type"), "image/png");
}

#[tokio::test]
async fn sender_may_be_named_by_address_handle_or_id() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    let id = site.user("a@example.org").await;
    for user_id in ["a@example.org", "A@EXAMPLE.org", id.as_str()] {
        let reply = a.form("/upload", form(file("x.txt", "words"), user_id, &room)).await;
        assert_eq!(reply.expect(200).json(), sent(), "{user_id}");
    }
    let token = site.nickname("bob").await;
    let bob = site.user("bob").await;
    site.chat.as_user(&bob).enter(&room).await.unwrap();
    let request = site.http.with_token(token).request(Method::POST, "/upload");
    let reply = Http::send(request.multipart(form(file("x.txt", "words"), "Bob", &room))).await;
    assert_eq!(reply.expect(200).json(), sent());
    assert_eq!(messages(&site, &room).await, 4);
}

#[tokio::test]
async fn refused_upload_leaves_no_message() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    site.email("b@example.org").await;
    let b = site.cookie("b@example.org").await;
    let hers = "a@example.org";
    let words = || file("x.txt", "words");
    let whole = || form(words(), hers, &room);
    let lacking = |left_out: &str| {
        let fields = [("name", "n"), ("user_id", hers), ("chatroom_id", room.as_str())];
        let form = fields
            .into_iter()
            .filter(|(name, _)| *name != left_out)
            .fold(Form::new(), |form, (name, value)| form.text(name, value.to_owned()));
        if left_out == "file" { form } else { form.part("file", words()) }
    };
    let refused: Vec<(&str, Reply)> = vec![
        (
            "no session",
            Http::send(site.http.request(Method::POST, "/upload").multipart(whole())).await,
        ),
        (
            "bad session",
            Http::send(
                site.http.with_token("x").request(Method::POST, "/upload").multipart(whole()),
            )
            .await,
        ),
        ("no file", a.form("/upload", lacking("file")).await),
        ("no name", a.form("/upload", lacking("name")).await),
        ("no user", a.form("/upload", lacking("user_id")).await),
        ("no room", a.form("/upload", lacking("chatroom_id")).await),
        ("empty file field", a.form("/upload", form(file("", ""), hers, &room)).await),
        ("two files", a.form("/upload", whole().part("file", words())).await),
        ("someone else", a.form("/upload", form(words(), "b@example.org", &room)).await),
        (
            "unknown room",
            a.form("/upload", form(words(), hers, &RoomId::parse("nowhere").unwrap())).await,
        ),
        ("not a member", b.form("/upload", form(words(), "b@example.org", &room)).await),
        (
            "html",
            a.form("/upload", form(file("x.png", "<html><script>1</script>"), hers, &room)).await,
        ),
        ("svg", a.form("/upload", form(file("x.svg", "<svg onload='1'/>"), hers, &room)).await),
        (
            "program",
            a.form("/upload", form(file("x.txt", &b"MZ\x90\0\x03\0\0\0\x04"[..]), hers, &room))
                .await,
        ),
        ("json", a.post("/upload", &json!({"file": "x", "name": "n"})).await),
        ("not a form", Http::send(a.request(Method::POST, "/upload").body("x")).await),
        ("token in the address", a.form("/upload?token=x", whole()).await),
    ];
    for (why, reply) in refused {
        assert_eq!(reply.expect(200).json(), not_sent(), "{why}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = Http::send(a.request(method.clone(), "/upload")).await.expect(200);
        assert_eq!(reply.json(), not_sent(), "{method}");
    }
    assert_eq!(messages(&site, &room).await, 0);
}

#[tokio::test]
async fn parts_of_a_file_can_be_asked_for() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    a.form("/upload", form(file("x.txt", "0123456789"), "a@example.org", &room)).await.expect(200);
    let (url, _) = last_message(&site, &room).await;
    let ask =
        |name: &str, value: &str| Http::send(a.request(Method::GET, &url).header(name, value));

    let whole = a.get(&url).await.expect(200);
    assert_eq!((whole.text().as_str(), whole.header("accept-ranges")), ("0123456789", "bytes"));
    for (range, text, shown) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let part = ask("range", range).await.expect(206);
        assert_eq!((part.text().as_str(), part.header("content-range")), (text, shown));
        assert_eq!(part.header("content-length"), text.len().to_string());
    }
    assert_eq!(ask("range", "bytes=10-").await.expect(416).header("content-range"), "bytes */10");
    let etag = whole.header("etag").to_owned();
    assert!(ask("if-none-match", &etag).await.expect(304).body.is_empty());
    let other =
        a.request(Method::GET, &url).header("range", "bytes=2-4").header("if-range", "\"x\"");
    assert_eq!(Http::send(other).await.expect(200).text(), "0123456789");
    let head = Http::send(a.request(Method::HEAD, &url)).await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("10", 0));
}

#[tokio::test]
async fn served_file_can_do_no_harm() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    let evil = "../../\"x\r\nset-cookie: a=b\u{202e}gnp.html";
    let content = file("x.html", "just words").mime_str("text/html").unwrap();
    let form = Form::new()
        .part("file", content)
        .text("name", evil)
        .text("user_id", "a@example.org")
        .text("chatroom_id", room.to_string());
    assert_eq!(a.form("/upload", form).await.expect(200).json(), sent());
    let (url, names) = last_message(&site, &room).await;
    let id = url.strip_prefix("/upload/").unwrap();
    assert!(id.len() > 20 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
    assert!(!names[0].contains(['/', '\n', '\r', '"', '\u{202e}']), "{names:?}");

    let reply = a.get(&url).await.expect(200);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("set-cookie"), "");
    assert!(reply.header("content-security-policy").contains("sandbox"));
    assert!(reply.header("cache-control").contains("no-store"));
    assert!(
        reply.header("content-disposition").starts_with("attachment")
            || reply.header("content-disposition").starts_with("inline")
    );
}

#[tokio::test]
async fn file_that_is_absent_or_not_for_the_caller_does_not_exist() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    site.email("b@example.org").await;
    let (id_a, id_b) = (site.user("a@example.org").await, site.user("b@example.org").await);
    let private = site.chat.as_user(&id_a).create_room(NewRoom::private("x")).await.unwrap().room;
    a.form("/upload", form(file("x.txt", "words"), "a@example.org", &private)).await.expect(200);
    let (url, _) = last_message(&site, &private).await;
    let b = site.cookie("b@example.org").await;

    let reply = b.get(&url).await.expect(200);
    assert_eq!(reply.json(), no_file(), "a stranger to the room");
    assert_eq!(site.http.get(&url).await.expect(200).json(), no_file(), "nobody");
    assert_eq!(site.http.with_token("x").get(&url).await.expect(200).json(), no_file());
    let caller = site.chat.as_user(&id_a);
    caller.member(&private, &id_b, MemberAction::Invite).await.unwrap();
    site.chat.as_user(&id_b).enter(&private).await.unwrap();
    assert_eq!(b.get(&url).await.expect(200).text(), "words");
    caller.member(&private, &id_b, MemberAction::Kick { reason: None }).await.unwrap();
    assert_eq!(b.get(&url).await.expect(200).json(), no_file(), "after the kick");

    let bare = url.trim_end_matches(".txt");
    for absent in [
        "/upload/x",
        "/upload/x.png",
        "/upload/..%2f..%2fetc%2fpasswd",
        "/upload/%00",
        bare,
        &format!("{bare}.html"),
    ] {
        assert_eq!(a.get(absent).await.expect(200).json(), no_file(), "{absent}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = Http::send(a.request(method.clone(), &url)).await.expect(200);
        let mismatch = json!({"message": "Method mismatch.", "status": "ERROR"});
        assert_eq!(reply.json(), mismatch, "{method}");
    }
    let _ = room;
}

#[tokio::test]
async fn file_goes_with_its_message() {
    let site = Site::start().await;
    let (a, room) = room_of_a(&site).await;
    a.form("/upload", form(file("x.txt", "words"), "a@example.org", &room)).await.expect(200);
    let (url, _) = last_message(&site, &room).await;
    let id = site.user("a@example.org").await;
    let caller = site.chat.as_user(&id);
    let head = caller.room(&room).await.unwrap().head_seq;
    let entry = caller.log(&room, Seq(head.0 - 1), 1).await.unwrap().remove(0);
    let message = entry.body.message_id().unwrap().clone();
    let name = chatcore::id::ClientMsgId::parse("gone").unwrap();
    caller.delete(&room, &message, name).await.unwrap();
    assert_eq!(a.get(&url).await.expect(200).json(), no_file());
}
