//! One conversation, in both encodings, with everything that people do in a room.

use chatcore_tests::http::seq;
use chatcore_tests::{Encoding, Http, Person, Server, WsClient};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn websocket_json() {
    conversation(Encoding::Json).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_msgpack() {
    conversation(Encoding::Msgpack).await;
}

/// What the two have before them.
struct Scene {
    room: String,
    ann: Person,
    bob: Person,
    hers: WsClient,
    his: WsClient,
}

async fn conversation(encoding: Encoding) {
    let server = Server::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let hers = greet(&server, &ann, encoding).await;
    let his = greet(&server, &bob, encoding).await;
    let mut scene = Scene { room: String::new(), ann, bob, hers, his };
    scene.meet().await;
    let message = scene.talk().await;
    scene.correct(&message).await;
    scene.react(&message).await;
    scene.read().await;
    scene.show_a_file().await;
    scene.type_away().await;
    scene.look_back(&message).await;
    scene.delete(&message).await;
    scene.part().await;
    scene.hers.close().await;
}

async fn greet(server: &Server, person: &Person, encoding: Encoding) -> WsClient {
    let mut client = WsClient::open(server.address(), encoding).await;
    let welcome = client.hello(person).await;
    assert_eq!(welcome["version"], 1);
    assert_eq!(welcome["user"], person.user.as_str());
    assert!(welcome["heartbeat_ms"].as_u64().is_some_and(|ms| ms > 0), "{welcome}");
    assert!(welcome["limits"]["window"].as_u64().is_some_and(|events| events > 0), "{welcome}");
    client
}

impl Scene {
    fn in_room(&self, fields: Value) -> Value {
        let mut all = json!({ "room": self.room });
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        all.as_object_mut().expect("it is one").extend(fields);
        all
    }

    /// She opens a room, he comes in, both listen.
    async fn meet(&mut self) {
        let made =
            self.hers.request("create_room", json!({ "kind": "public", "name": "tea" })).await;
        self.room = made["room"].as_str().expect("an id").to_owned();
        self.hers.request("subscribe", self.in_room(json!({}))).await;
        let entered = self.his.request("enter", self.in_room(json!({}))).await;
        assert_eq!(entered["epoch"], made["epoch"]);
        let again = self.his.request("enter", self.in_room(json!({}))).await;
        assert_eq!(again["head_seq"], entered["head_seq"], "entering twice is entering once");
        let seen = self.hers.next_event(&self.room, "enter").await;
        assert_eq!(seen["user"], self.bob.user.as_str());
        assert_eq!(seen["seq"], entered["head_seq"]);

        let whole = json!({ "since": { "epoch": made["epoch"], "seq": 0 } });
        let subscribed = self.his.request("subscribe", self.in_room(whole)).await;
        assert_eq!(subscribed["recovered"], true);
        let first = self.his.next("event").await;
        assert_eq!((first["kind"].as_str(), seq(&first)), (Some("room"), 1));
        assert_eq!(first["name"], "tea");
        self.his.next_event(&self.room, "enter").await;
        let last = self.his.next_event(&self.room, "enter").await;
        assert_eq!(last["seq"], seen["seq"], "he reads up to his own coming");
    }

    /// She says something and he answers; both see both.
    async fn talk(&mut self) -> Value {
        let text = "h\u{e9}llo \u{1F375} <b>\u{1b}[31m \"quoted\"";
        let fields =
            json!({ "client_msg_id": "1", "text": text, "meta": { "cup": [1, 2.5, null] } });
        let sent = self.hers.request("send", self.in_room(fields.clone())).await;
        assert_eq!(sent["duplicate"], false);
        for client in [&mut self.hers, &mut self.his] {
            let event = client.next_event(&self.room, "message").await;
            for field in ["seq", "n", "message_id", "ts"] {
                assert_eq!(event[field], sent[field], "{field}");
            }
            assert_eq!(event["text"], text, "as it was sent, to the byte");
            assert_eq!(event["meta"], json!({ "cup": [1, 2.5, null] }));
            assert_eq!(event["user"], self.ann.user.as_str());
        }
        let again = self.hers.request("send", self.in_room(fields)).await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&sent["seq"], &json!(true)));

        let fields =
            json!({ "client_msg_id": "1", "text": "and you?", "reply_to": sent["message_id"] });
        let answered = self.his.request("send", self.in_room(fields)).await;
        assert_eq!(answered["n"], 2, "a name is its sender's own");
        let event = self.hers.next_event(&self.room, "message").await;
        assert_eq!(event["reply_to"], sent["message_id"]);
        assert_eq!(seq(&event), seq(&sent) + 1);
        sent["message_id"].clone()
    }

    async fn correct(&mut self, message: &Value) {
        let fields = json!({ "message_id": message, "client_msg_id": "edit", "text": "hello" });
        let refused = self.his.try_request("edit", self.in_room(fields.clone())).await;
        assert_eq!(refused.expect_err("it is hers").code, "forbidden");
        self.hers.request("edit", self.in_room(fields)).await;
        let event = self.his.next_event(&self.room, "edit").await;
        assert_eq!((&event["message_id"], event["text"].as_str()), (message, Some("hello")));
    }

    async fn react(&mut self, message: &Value) {
        let fields = json!({ "message_id": message, "emoji": "\u{1F44D}" });
        self.his.request("react", self.in_room(fields.clone())).await;
        let event = self.hers.next_event(&self.room, "react").await;
        assert_eq!(event["emoji"], "\u{1F44D}");
        let page = self.hers.request("history", self.in_room(json!({ "limit": 2 }))).await;
        let reactions = &page["messages"][0]["reactions"];
        assert_eq!(reactions, &json!([{ "emoji": "\u{1F44D}", "count": 1, "mine": false }]));
        self.his.request("unreact", self.in_room(fields)).await;
        self.hers.next_event(&self.room, "unreact").await;
    }

    async fn read(&mut self) {
        let page = self.hers.request("history", self.in_room(json!({ "limit": 1 }))).await;
        let newest = page["messages"][0]["seq"].clone();
        self.hers.request("mark_read", self.in_room(json!({ "seq": newest }))).await;
        let rooms = self.hers.request("rooms", json!({})).await;
        let tea = &rooms["rooms"][0];
        assert_eq!(tea["room"], self.room.as_str());
        assert_eq!(tea["read_n"], tea["head_n"], "nothing is unread: {tea}");
    }

    /// Uploaded over REST, sent over the WebSocket, fetched by the other.
    async fn show_a_file(&mut self) {
        let part = Part::bytes(&b"milk first"[..]).file_name("../r\u{e9}cipe.txt");
        let form = Form::new().part("file", part.mime_str("image/png").expect("a type"));
        let upload = self.ann.http.request(Method::POST, "/api/v1/attachments").multipart(form);
        let file = Http::send(upload).await.expect(201).json();
        assert_eq!(file["content_type"], "text/plain", "its content decides");
        let url = file["url"].as_str().expect("a path").to_owned();
        let url = url
            .strip_prefix("http://")
            .map_or(url.clone(), |url| format!("/{}", url.split_once('/').expect("a path").1));
        assert_eq!(self.bob.http.get(&url).await.status, 404, "it is in no room of his yet");

        let fields = json!({ "client_msg_id": "2", "text": "", "attachments": [file["id"]] });
        self.hers.request("send", self.in_room(fields)).await;
        let event = self.his.next_event(&self.room, "message").await;
        assert_eq!(event["attachments"][0]["name"], "r\u{e9}cipe.txt");
        assert_eq!(event["attachments"][0]["size"], 10);
        let fetched = self.bob.http.get(&url).await.expect(200);
        assert_eq!(fetched.text(), "milk first");
        assert_eq!(fetched.header("x-content-type-options"), "nosniff");
        let part = self.bob.http.request(Method::GET, &url).header("range", "bytes=5-");
        let part = Http::send(part).await.expect(206);
        assert_eq!((part.text().as_str(), part.header("content-range")), ("first", "bytes 5-9/10"));
    }

    async fn type_away(&mut self) {
        let typing = json!({ "kind": "typing", "on": true, "ttl_ms": 5000 });
        self.his.handle().post("signal", self.in_room(typing));
        loop {
            let signal = self.hers.next("signal").await;
            if signal["kind"] == "typing" {
                assert_eq!(signal["user"], self.bob.user.as_str());
                break;
            }
        }
    }

    async fn look_back(&mut self, message: &Value) {
        let page = self.his.request("history", self.in_room(json!({ "limit": 50 }))).await;
        let messages = page["messages"].as_array().expect("a list");
        assert_eq!((&page["found_oldest"], &page["found_newest"]), (&json!(true), &json!(true)));
        let texts: Vec<&str> = messages.iter().filter_map(|m| m["text"].as_str()).collect();
        assert_eq!(texts, ["hello", "and you?", ""]);
        assert_eq!(&messages[0]["message_id"], message);
        assert!(messages[0]["edited_at"].is_i64());
        let around = json!({ "around": messages[1]["seq"], "limit": 1 });
        let around = self.his.request("history", self.in_room(around)).await;
        assert_eq!(around["messages"][0]["text"], "and you?");
        let found = self.his.request("search", json!({ "query": "\"and you\"" })).await;
        assert_eq!(found["hits"][0]["seq"], messages[1]["seq"], "{found}");
        let pieces = json!([{ "text": "and you", "found": true }, { "text": "?" }]);
        assert_eq!(found["hits"][0]["excerpt"]["pieces"], pieces);
        let refused = self.his.try_request("search", json!({ "query": "tea", "rooms": [] })).await;
        assert_eq!(refused.expect_err("no such field").code, "bad_request");
        let seq = messages[1]["seq"].clone();
        self.his.request("mark_read", self.in_room(json!({ "seq": seq }))).await;
        let listed = self.hers.request("members", self.in_room(json!({}))).await;
        let mut all = listed["members"].as_array().expect("a list").iter();
        let his = all.find(|member| member["user"] == self.bob.user.as_str());
        assert!(his.expect("he is in")["read_seq"].as_u64() >= seq.as_u64(), "{listed}");
        let both = json!({ "before": 3, "after": 1 });
        let refused = self.his.try_request("history", self.in_room(both)).await;
        assert_eq!(refused.expect_err("one or the other").code, "bad_request");
    }

    async fn delete(&mut self, message: &Value) {
        let fields = json!({ "message_id": message, "client_msg_id": "gone" });
        self.hers.request("delete", self.in_room(fields)).await;
        let event = self.his.next_event(&self.room, "delete").await;
        assert_eq!(&event["message_id"], message);
        let page = self.his.request("history", self.in_room(json!({ "limit": 50 }))).await;
        assert_eq!(page["messages"][0]["text"], "", "a stone marks where it was");
        assert!(page["messages"][0]["deleted_at"].is_i64());
    }

    /// He is sent out, and hears nothing more; she goes, and the room with her.
    async fn part(&mut self) {
        let kick = json!({ "user": self.bob.user, "action": "kick", "reason": "tea is over" });
        self.hers.request("member", self.in_room(kick)).await;
        let told = self.his.next("membership").await;
        assert_eq!(told["state"], "kicked");
        let fields = json!({ "client_msg_id": "3", "text": "alone at last" });
        self.hers.request("send", self.in_room(fields)).await;
        let refused = self.his.try_request("history", self.in_room(json!({}))).await;
        assert_eq!(
            refused.expect_err("he is out").code,
            "forbidden",
            "of a room that he may enter again"
        );
        // What reached him since came before the kick took effect: the kick itself at most.
        while let Some(frame) = self.his.frame_within(std::time::Duration::from_millis(200)).await {
            assert_ne!(frame["text"], "alone at last", "{frame}");
        }
        let left = self.hers.request("leave", self.in_room(json!({}))).await;
        assert_eq!(left["deleted"], true);
    }
}
