//! Clients that say something before it is proven that they are there.

use std::io;
use std::task::Context;

use tokio::sync::oneshot;

use super::*;
use crate::account::{NewAccount, NewSession, SignedIn};
use crate::error::Code;
use crate::id::DeviceId;
use crate::protocol::frame::UploadRequest;
use crate::store::RoomFilter;
use crate::testing::MemoryTransport;

struct House {
    chat: Chat,
    user: UserId,
    session: SessionId,
}

/// Someone with an account, signed in on a device called `d`.
async fn person(chat: &Chat, name: &str) -> SignedIn {
    let account = NewAccount::handle(name, "correct horse battery");
    let user = chat
        .accounts()
        .register(account)
        .await
        .expect("registered")
        .account()
        .expect("no address to confirm")
        .id;
    let device = NewSession::on(DeviceId::parse("d").expect("valid"));
    chat.accounts().start_session(&user, device).await.expect("signed in")
}

impl House {
    /// A chat with accounts, and ann's.
    async fn open() -> Self {
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.expect("memory opens");
        let SignedIn { account, session, .. } = person(&chat, "ann").await;
        Self { chat, user: account.id, session: session.id }
    }

    async fn ticket(&self) -> String {
        self.chat.accounts().issue_ticket(&self.session).await.expect("the session lives")
    }

    async fn room(&self) -> RoomId {
        let owner = self.chat.as_user(&self.user);
        owner.create_room(NewRoom::public("room")).await.expect("made").room
    }

    /// Someone who said this before the handshake was done, and how to have it done.
    async fn early(&self, ticket: &str, rooms: Value) -> (Peer, oneshot::Sender<()>) {
        let (transport, io) = memory_transport(Wire::WebSocketJson, 1 << 20);
        let (transport, prove) = transport.early();
        let connection = Connection::new(self.chat.clone(), transport, Arc::default());
        let peer = Peer { io, ended: tokio::spawn(connection.run()) };
        let hello = json!({
            "op": "hello", "versions": [1], "ticket": ticket, "device": "d", "caps": ["ticket"],
            "rooms": rooms,
        });
        peer.send(&hello).await;
        (peer, prove)
    }

    async fn is_spent(&self, ticket: &str) -> bool {
        let device = DeviceId::parse("d").expect("valid");
        self.chat.accounts().check_ticket(ticket, &device).await.is_err()
    }
}

#[tokio::test]
async fn a_copy_is_served_as_far_as_it_does_no_harm_and_leaves_no_trace() {
    let house = House::open().await;
    let room = house.room().await;
    let bob = person(&house.chat, "bob").await;
    house.chat.as_user(&bob.account.id).enter(&room).await.expect("entered");
    let mut bob = hello(&house.chat, &bob.tokens.access).await;
    let there = bob.subscribe(&room).await;
    assert_eq!(there["presence"].as_array().map(Vec::len), Some(1));

    let ticket = house.ticket().await;
    let send = json!({"op": "send", "id": 1, "room": room, "client_msg_id": "c", "text": "once"});
    for copy in 0..3 {
        let (mut peer, _unproven) = house.early(&ticket, json!({room.as_str(): {"seq": 0}})).await;
        let welcome = peer.next_op("welcome").await;
        assert_eq!(welcome["ticket"], Value::Null);
        assert_eq!(welcome["rooms"][room.as_str()]["recovered"], true);
        let sent = peer.ask(send.clone()).await;
        assert_eq!((&sent["op"], &sent["duplicate"]), (&json!("result"), &json!(copy > 0)));
        let refused = peer.ask(json!({"op": "leave", "id": 2, "room": room})).await;
        assert_eq!(refused["code"], "too_early");
        assert!(!house.is_spent(&ticket).await);
    }
    // Nobody has seen ann come or go.
    house.chat.as_user(&house.user).send(&room, Draft::text("and then")).await.expect("sent");
    assert_eq!(bob.next_text().await, "once");
    loop {
        let frame = bob.next().await.expect("open");
        assert_ne!(frame["op"], "signal", "{frame}");
        if frame["text"] == "and then" {
            break;
        }
    }

    let (mut peer, prove) = house.early(&ticket, json!({room.as_str(): {"seq": 0}})).await;
    peer.next_op("welcome").await;
    prove.send(()).expect("it is waited for");
    let next = peer.next_op("ticket").await;
    assert!(house.is_spent(&ticket).await);
    assert!(!house.is_spent(next["ticket"].as_str().expect("text")).await);
    let presence = bob.next_op("signal").await;
    assert_eq!((&presence["kind"], &presence["on"]), (&json!("presence"), &json!(true)));
    assert_eq!(peer.ask(json!({"op": "leave", "id": 2, "room": room})).await["op"], "result");
}

#[tokio::test]
async fn of_two_who_show_one_ticket_early_the_first_to_prove_itself_stays() {
    let house = House::open().await;
    let ticket = house.ticket().await;
    let (mut first, prove_first) = house.early(&ticket, json!({})).await;
    let (mut second, prove_second) = house.early(&ticket, json!({})).await;
    first.next_op("welcome").await;
    second.next_op("welcome").await;
    prove_second.send(()).expect("waited for");
    second.next_op("ticket").await;
    prove_first.send(()).expect("waited for");
    assert_eq!(first.closing().await, CloseCode::Unauthenticated);
    assert_eq!(second.ask(json!({"op": "rooms", "id": 1})).await["op"], "result");
}

#[tokio::test]
async fn a_ticket_that_is_spent_or_of_another_device_lets_nobody_in_early() {
    let house = House::open().await;
    let ticket = house.ticket().await;
    let device = DeviceId::parse("other").expect("valid");
    house.chat.accounts().redeem_ticket(&ticket, &device).await.expect_err("spent all the same");
    let (mut peer, _prove) = house.early(&ticket, json!({})).await;
    assert_eq!(peer.closing().await, CloseCode::Unauthenticated);
}

#[tokio::test]
async fn a_session_that_ends_before_the_proof_is_closed() {
    let house = House::open().await;
    let ticket = house.ticket().await;
    let (mut peer, _prove) = house.early(&ticket, json!({})).await;
    peer.next_op("welcome").await;
    house.chat.accounts().revoke(&house.user, &house.session).await.expect("there is one");
    assert_eq!(peer.closing().await, CloseCode::Revoked);
}

/// One whose handshake is done when a message comes that says `leave`, and not before that is read.
struct Together(MemoryTransport, Proven);

enum Proven {
    NotYet,
    JustNow,
}

impl Transport for Together {
    fn wire(&self) -> Wire {
        self.0.wire()
    }

    fn is_early(&self) -> bool {
        true
    }

    fn poll_proven(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.1 {
            Proven::NotYet => Poll::Pending,
            Proven::JustNow => Poll::Ready(()),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let incoming = self.0.poll_receive(cx);
        if let Poll::Ready(Some(Incoming::Message(bytes))) = &incoming
            && bytes.windows(7).any(|part| part == b"\"leave\"")
        {
            self.1 = Proven::JustNow;
        }
        incoming
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        self.0.poll_write(cx, outbox)
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<()> {
        self.0.poll_close(cx, outbox, code, reason)
    }
}

#[tokio::test]
async fn what_comes_with_the_proof_waits_until_the_ticket_is_spent() {
    let house = House::open().await;
    let room = house.room().await;
    for good in [false, true] {
        let ticket = house.ticket().await;
        let (transport, io) = memory_transport(Wire::WebSocketJson, 1 << 20);
        let transport = Together(transport, Proven::NotYet);
        let connection = Connection::new(house.chat.clone(), transport, Arc::default());
        let mut peer = Peer { io, ended: tokio::spawn(connection.run()) };
        let hello = json!({"op": "hello", "versions": [1], "ticket": ticket, "device": "d"});
        peer.send(&hello).await;
        peer.next_op("welcome").await;
        if !good {
            let device = DeviceId::parse("d").expect("valid");
            house.chat.accounts().redeem_ticket(&ticket, &device).await.expect("it was good");
        }
        let leave = json!({"op": "leave", "id": 2, "room": room});
        if good {
            assert_eq!(peer.ask(leave).await["op"], "result", "neither early nor forgotten");
            assert!(house.is_spent(&ticket).await);
        } else {
            peer.send(&leave).await;
            assert_eq!(peer.closing().await, CloseCode::Unauthenticated);
            let ann = house.chat.as_user(&house.user);
            let rooms = ann.rooms(RoomFilter::Joined, None, 10).await.expect("she may ask");
            assert_eq!(rooms.len(), 1, "nobody has left");
        }
    }
}

#[tokio::test]
async fn a_file_asked_for_after_the_handshake_is_not_too_early_before_the_connection_knows() {
    let house = House::open().await;
    let ticket = house.ticket().await;
    let (transport, io) = memory_transport(Wire::WebSocketJson, 1 << 20);
    let (transport, prove) = transport.early();
    let mut connection = Connection::new(house.chat.clone(), transport, Arc::default());
    let files = connection.files();
    let mut peer = Peer { io, ended: tokio::spawn(connection.run()) };
    let hello = json!({"op": "hello", "versions": [1], "ticket": ticket, "device": "d"});
    peer.send(&hello).await;
    peer.next_op("welcome").await;
    let upload = |files: Files| async move {
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"one line\n"))]);
        let name = "notes.txt".to_owned();
        files.upload(UploadRequest { name, content_type: None, length: 9 }, body).await
    };
    let early = upload(files.clone()).await;
    assert_eq!(early.expect_err("it is early").code, Code::TooEarly);
    let mut later = tokio::spawn(upload(files.clone().proven()));
    let quiet = tokio::time::timeout(Duration::from_millis(100), &mut later).await;
    assert!(quiet.is_err(), "it is not known yet: {quiet:?}");
    prove.send(()).expect("it is waited for");
    assert_eq!(later.await.expect("no panic").expect("stored").size, 9);
}
