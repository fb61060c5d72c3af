//! A chat, and people who speak to it over one wire.

use std::collections::VecDeque;
use std::future::Future;

use chatcore::account::{NewAccount, NewSession};
use chatcore::id::{RoomId, UserId};
use chatcore::log::Draft;
use chatcore::protocol::CloseCode;
use chatcore::room::NewRoom;
use chatcore_tests::{Local, PATIENCE};
use serde_json::{Value, json};

use crate::wire::{Line, Wire};

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

/// Waits, but not for ever.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A served chat, and the wire that a scenario uses.
pub(crate) struct Stage {
    pub(crate) wire: Wire,
    pub(crate) local: Local,
}

impl Stage {
    pub(crate) async fn open(wire: Wire) -> Self {
        let local = Local::start().await;
        for name in ["ann", "ben", "cat", "dan"] {
            let account = NewAccount::handle(name, "correct horse");
            let account = NewAccount { id: Some(user(name)), ..account };
            local.chat.accounts().register(account).await.expect("registered");
        }
        Self { wire, local }
    }

    /// A token of one of them, and the session that it is of.
    pub(crate) async fn session(&self, name: &str) -> (String, chatcore::id::SessionId) {
        let accounts = self.local.chat.accounts();
        let signed_in = accounts.start_session(&user(name), NewSession::default()).await;
        let signed_in = signed_in.expect("signed in");
        (signed_in.tokens.session_token, signed_in.session.id)
    }

    /// A connection on which nothing was said.
    pub(crate) async fn connect(&self) -> Peer {
        self.connect_over(self.wire).await
    }

    async fn connect_over(&self, wire: Wire) -> Peer {
        let line = soon("connecting", Line::open(wire, &self.local)).await;
        Peer { line, aside: VecDeque::new(), next_id: 0 }
    }

    /// Ann, ben, cat or dan, welcomed.
    pub(crate) async fn peer(&self, name: &str) -> Peer {
        self.peer_with(name, json!({})).await.0
    }

    /// The same, over another wire.
    pub(crate) async fn peer_over(&self, wire: Wire, name: &str) -> Peer {
        let peer = self.connect_over(wire).await;
        self.welcomed(peer, name, json!({})).await.0
    }

    /// The same, with more in the hello, and the welcome.
    pub(crate) async fn peer_with(&self, name: &str, more: Value) -> (Peer, Value) {
        let peer = self.connect().await;
        self.welcomed(peer, name, more).await
    }

    async fn welcomed(&self, mut peer: Peer, name: &str, more: Value) -> (Peer, Value) {
        let token = self.session(name).await.0;
        let mut hello = json!({ "op": "hello", "versions": [1], "token": token, "device": "d" });
        let Value::Object(more) = more else { panic!("fields are an object") };
        hello.as_object_mut().expect("it is one").extend(more);
        peer.send(&hello).await;
        let welcome = peer.next_op("welcome").await;
        assert_eq!((&welcome["version"], &welcome["user"]), (&json!(1), &json!(name)));
        (peer, welcome)
    }

    /// A public room of these, made without a wire.
    pub(crate) async fn room_of(&self, people: &[&str]) -> RoomId {
        let owner = self.local.chat.as_user(&user(people[0]));
        let room = owner.create_room(NewRoom::public("room")).await.expect("made").room;
        for name in &people[1..] {
            self.local.chat.as_user(&user(name)).enter(&room).await.expect("entered");
        }
        room
    }

    /// Says something, without a wire.
    pub(crate) async fn say(&self, room: &RoomId, name: &str, text: &str) {
        let sent = self.local.chat.as_user(&user(name)).send(room, Draft::text(text)).await;
        sent.expect("sent");
    }
}

/// One connection.
pub(crate) struct Peer {
    line: Line,
    /// What came while something else was waited for.
    aside: VecDeque<Value>,
    next_id: u64,
}

impl Peer {
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.line.send(frame).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.line.send_bytes(bytes.to_vec()).await;
    }

    /// The first frame that `is` the one, whenever it came; the others stay.
    pub(crate) async fn find(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&is) {
            return self.aside.remove(at).expect("it was just found");
        }
        loop {
            let frame = soon(what, self.line.next()).await;
            let frame = frame.unwrap_or_else(|| panic!("closed before {what} came"));
            if is(&frame) {
                return frame;
            }
            self.aside.push_back(frame);
        }
    }

    pub(crate) async fn next_op(&mut self, op: &str) -> Value {
        self.find(op, |frame| frame["op"] == op).await
    }

    /// The next event or gap of a room.
    pub(crate) async fn next_of(&mut self, room: &RoomId) -> Value {
        let of_room = |frame: &Value| {
            (frame["op"] == "event" || frame["op"] == "gap") && frame["room"] == room.as_str()
        };
        self.find("an event", of_room).await
    }

    /// Asks for something, and returns whichever answer comes.
    pub(crate) async fn ask(&mut self, op: &str, fields: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut request = json!({ "op": op, "id": id });
        let Value::Object(fields) = fields else { panic!("fields are an object") };
        request.as_object_mut().expect("it is one").extend(fields);
        self.send(&request).await;
        self.find(op, |frame| frame["id"] == id).await
    }

    /// Asks for something that is done.
    pub(crate) async fn done(&mut self, op: &str, fields: Value) -> Value {
        let answer = self.ask(op, fields).await;
        assert_eq!(answer["op"], "result", "{op}: {answer}");
        answer
    }

    /// Asks for something that is refused, and returns the code.
    pub(crate) async fn refused(&mut self, op: &str, fields: Value) -> String {
        let answer = self.ask(op, fields).await;
        assert_eq!(answer["op"], "error", "{op}: {answer}");
        answer["code"].as_str().expect("a code").to_owned()
    }

    /// All that has come so far and was not waited for. What was under way when this is called has
    /// come: nothing more is said on a connection before it answers.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        // Signals and rooms have ways of their own over QUIC.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        self.send(&json!({ "op": "ping", "ts": 1 })).await;
        self.next_op("pong").await;
        std::mem::take(&mut self.aside).into()
    }

    pub(crate) async fn closed(&mut self) -> Option<CloseCode> {
        soon("closing", self.line.closed()).await
    }

    pub(crate) fn hang_up(self) {
        self.line.hang_up();
    }
}
