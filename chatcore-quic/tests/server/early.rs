//! What is said before the handshake is done, by whom it is meant to be and by those who listened.

use chatcore::account::{NewAccount, NewSession, SignedIn};
use chatcore::id::{DeviceId, RoomId};
use chatcore::protocol::CloseCode;
use chatcore::room::NewRoom;
use chatcore_quic::ALPN;
use chatcore_quic::server::SelfSigned;
use quinn::{ClientConfig, Endpoint, ZeroRttAccepted};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

use crate::relay::{Mode, Relay};
use crate::support::{Client, Frames, Server, server_with_accounts, soon};

/// Ann, on a device called `d`, who has been there before.
struct Ann {
    server: Server,
    relay: Relay,
    signed: SignedIn,
    room: RoomId,
    config: ClientConfig,
    endpoint: Endpoint,
}

impl Ann {
    async fn arrives() -> Self {
        let server = server_with_accounts().await;
        let account = NewAccount::handle("ann", "correct horse battery");
        let registered = server.chat.accounts().register(account).await.expect("registered");
        let user = registered.account().expect("no address to confirm").id;
        let device = NewSession::on(DeviceId::parse("d").expect("valid"));
        let signed = server.chat.accounts().start_session(&user, device).await.expect("signed in");
        let owner = server.chat.as_user(&user);
        let room = owner.create_room(NewRoom::public("room")).await.expect("made").room;
        let relay = Relay::to(server.address).await;
        let config = server.client_config(&[ALPN]);
        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let ann = Self { server, relay, signed, room, config, endpoint };
        ann.visit().await;
        ann
    }

    /// Comes and goes as one does for the first time, to be known the next time.
    async fn visit(&self) {
        let connecting = self.connecting(self.server.address);
        let connection = soon("the handshake", connecting).await.expect("connected");
        let mut client = Client::on(self.endpoint.clone(), connection).await;
        let token = &self.signed.tokens.access;
        let hello = json!({"op": "hello", "versions": [1], "token": token, "device": "d"});
        client.send(&hello).await;
        client.answers.next_op("welcome").await;
        client.connection.close(0u32.into(), b"");
    }

    fn connecting(&self, address: SocketAddr) -> quinn::Connecting {
        let connecting = self.endpoint.connect_with(self.config.clone(), address, "localhost");
        connecting.expect("a good address")
    }

    async fn ticket(&self) -> String {
        let issued = self.server.chat.accounts().issue_ticket(&self.signed.session.id).await;
        issued.expect("the session lives")
    }

    async fn is_good(&self, ticket: &str) -> bool {
        let device = DeviceId::parse("d").expect("valid");
        self.server.chat.accounts().check_ticket(ticket, &device).await.is_ok()
    }

    /// Comes back, and says hello in the first packets.
    async fn returns(&self, mode: Mode, ticket: &str, device: &str) -> (Client, ZeroRttAccepted) {
        self.relay.begin(mode).await;
        let Ok((connection, taken)) = self.connecting(self.relay.address).into_0rtt() else {
            panic!("there is no session to come back with");
        };
        let mut client = Client::on(self.endpoint.clone(), connection).await;
        client.send(&self.hello(ticket, device)).await;
        (client, taken)
    }

    fn hello(&self, ticket: &str, device: &str) -> Value {
        json!({
            "op": "hello", "versions": [1], "ticket": ticket, "device": device,
            "caps": ["ticket"], "rooms": {self.room.as_str(): {"seq": 0}},
        })
    }

    fn send(&self, id: &str) -> Value {
        json!({"op": "send", "room": self.room, "client_msg_id": id, "text": "hi"})
    }

    /// Messages in the room.
    async fn sent(&self) -> u64 {
        let ann = self.server.chat.as_user(&self.signed.account.id);
        ann.room(&self.room).await.expect("there").head_n
    }
}

#[tokio::test]
async fn the_first_flight_of_the_server_brings_what_was_missed() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut client, taken) = ann.returns(Mode::FirstFlight, &ticket, "d").await;
    let welcome = client.answers.next_op("welcome").await;
    assert_eq!(welcome["rooms"][ann.room.as_str()]["recovered"], true);
    let (_, mut entries) = client.stream().await;
    assert_eq!(entries.next().await.expect("an entry")["seq"], 1);
    // All that while nothing of the client has arrived but its first packets.
    soon("the second flight", ann.relay.holds()).await;
    assert_eq!((ann.server.counters.early(), ann.server.counters.accepted()), (1, 1));
    assert!(ann.is_good(&ticket).await, "it is not spent yet");
    ann.relay.release().await;
    let next = client.answers.next_op("ticket").await;
    assert!(soon("the handshake", taken).await, "what was said early was taken");
    assert!(
        !ann.is_good(&ticket).await && ann.is_good(next["ticket"].as_str().expect("text")).await
    );
    assert_eq!(ann.server.counters.accepted(), 2);
    assert!(client.lives().await);
}

#[tokio::test]
async fn a_send_is_durable_when_it_is_answered_and_the_rest_is_too_early() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut client, _taken) = ann.returns(Mode::FirstFlight, &ticket, "d").await;
    // Together with the hello, before anything is heard.
    let requests = [
        ann.send("once"),
        json!({"op": "create_room", "kind": "public"}),
        json!({"op": "history", "room": ann.room}),
        json!({"op": "mark_read", "room": ann.room, "seq": 1}),
        json!({"op": "leave", "room": ann.room}),
    ];
    for (id, mut request) in (1..).zip(requests) {
        request["id"] = id.into();
        client.send(&request).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 5 {
        let frame = client.answers.next().await.expect("answers");
        if let Some(id) = frame["id"].as_u64() {
            let code = frame["code"].as_str().unwrap_or("done").to_owned();
            answers.push((id, code));
        }
    }
    answers.sort();
    let codes: Vec<_> = answers.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, ["done", "too_early", "done", "done", "too_early"]);
    assert_eq!(ann.sent().await, 1, "the message, and no more");
    // Nobody but the client could have heard that; it is there still, and goes on.
    ann.relay.release().await;
    assert_eq!(client.ask(json!({"op": "leave", "room": ann.room})).await["op"], "result");
}

#[tokio::test]
async fn a_file_is_too_early_and_taken_afterwards() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut client, _taken) = ann.returns(Mode::FirstFlight, &ticket, "d").await;
    let request = json!({"op": "upload", "id": 7, "name": "n", "length": 9});
    let request = rmp_serde::to_vec_named(&request).expect("MessagePack");
    let upload = async || {
        let (mut send, receive) = client.connection.open_bi().await.expect("open");
        let length = u32::try_from(request.len()).expect("short").to_be_bytes();
        for bytes in [&length[..], &request, b"one line\n"] {
            // Whatever follows a refusal is not wanted.
            let _ = send.write_all(bytes).await;
        }
        let _ = send.finish();
        Frames(receive).next().await.expect("an answer")
    };
    let refused = upload().await;
    assert_eq!((&refused["id"], &refused["code"]), (&json!(7), &json!("too_early")), "{refused}");
    ann.relay.release().await;
    client.answers.next_op("ticket").await;
    let stored = upload().await;
    assert_eq!(stored["file"]["size"], 9, "{stored}");
}

#[tokio::test]
async fn packets_that_are_told_again_change_nothing() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut client, _taken) = ann.returns(Mode::FirstFlight, &ticket, "d").await;
    assert_eq!(client.ask(ann.send("once")).await["duplicate"], false);
    let recorded = ann.relay.first_flight();
    ann.relay.release().await;
    let next = client.answers.next_op("ticket").await;
    let next = next["ticket"].as_str().expect("text").to_owned();
    // While the connection is there, after it has gone, and again and again.
    ann.relay.replay(&recorded).await;
    client.connection.close(0u32.into(), b"");
    soon("leaving", ann.endpoint.wait_idle()).await;
    for _ in 0..20 {
        ann.relay.replay(&recorded).await;
    }
    assert_eq!(ann.sent().await, 1);
    assert_eq!(ann.server.counters.early(), 1, "none of it was even looked at");
    assert!(ann.is_good(&next).await, "and the next ticket was not spent, nor pushed out");
}

#[tokio::test]
async fn a_copy_that_arrives_instead_of_the_original_costs_it_nothing() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    // The packets are taken off the wire, and said by somebody else.
    let (mut robbed, _never) = ann.returns(Mode::Nothing, &ticket, "d").await;
    let mut send = ann.send("once");
    send["id"] = 1.into();
    robbed.send(&send).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let stolen = ann.relay.first_flight();
    assert!(ann.relay.replay(&stolen).await > 0, "the server answers, to nobody who could read it");
    assert_eq!((ann.server.counters.early(), ann.server.counters.accepted()), (1, 1));
    assert_eq!(ann.sent().await, 1, "the send was taken: it was ann's");
    assert!(ann.is_good(&ticket).await, "but the ticket was not spent");
    robbed.connection.close(0u32.into(), b"");
    // The original comes again, as it does when nothing was heard.
    let (mut client, _taken) = ann.returns(Mode::Pass, &ticket, "d").await;
    client.answers.next_op("welcome").await;
    assert_eq!(client.ask(ann.send("once")).await["duplicate"], true);
    assert_eq!(ann.sent().await, 1);
    assert!(!ann.is_good(&ticket).await);
}

#[tokio::test]
async fn a_ticket_opens_one_connection_on_its_device() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut stranger, _taken) = ann.returns(Mode::Pass, &ticket, "another").await;
    assert_eq!(stranger.closing().await, CloseCode::Unauthenticated);
    assert!(ann.is_good(&ticket).await, "it was only looked at");
    let (mut first, _taken) = ann.returns(Mode::Pass, &ticket, "d").await;
    first.answers.next_op("ticket").await;
    ann.visit().await;
    let (mut second, _taken) = ann.returns(Mode::Pass, &ticket, "d").await;
    assert_eq!(second.closing().await, CloseCode::Unauthenticated);
    assert!(first.lives().await);
}

#[tokio::test]
async fn a_hello_with_a_token_waits_for_the_handshake() {
    let ann = Ann::arrives().await;
    ann.relay.begin(Mode::FirstFlight).await;
    let Ok((connection, _taken)) = ann.connecting(ann.relay.address).into_0rtt() else {
        panic!("there is no session to come back with");
    };
    let mut client = Client::on(ann.endpoint.clone(), connection).await;
    let token = &ann.signed.tokens.access;
    client.send(&json!({"op": "hello", "versions": [1], "token": token, "device": "d"})).await;
    let quiet = std::time::Duration::from_millis(300);
    let answer = tokio::time::timeout(quiet, client.answers.0.read_chunk(1, true)).await;
    assert!(answer.is_err(), "{answer:?}");
    ann.relay.release().await;
    client.answers.next_op("welcome").await;
    assert!(client.lives().await);
}

#[tokio::test]
async fn a_new_certificate_ends_what_began_under_the_old_one() {
    let ann = Ann::arrives().await;
    let made = SelfSigned::make().expect("made");
    let replaced = ann.server.certificate.replace(made.chain.as_bytes(), made.key.as_bytes());
    replaced.expect("usable");
    let ticket = ann.ticket().await;
    let (client, taken) = ann.returns(Mode::Pass, &ticket, "d").await;
    // This client trusts the old one alone.
    assert!(!soon("the handshake", taken).await);
    soon("the end", client.connection.closed()).await;
    assert_eq!(ann.server.counters.early(), 0);
    assert!(ann.is_good(&ticket).await);
}

#[tokio::test]
async fn one_who_never_ends_its_handshake_is_given_up_and_leaves_nothing() {
    let ann = Ann::arrives().await;
    let ticket = ann.ticket().await;
    let (mut client, _taken) = ann.returns(Mode::FirstFlight, &ticket, "d").await;
    client.answers.next_op("welcome").await;
    assert_eq!(ann.server.chat.hub().connections(), 1);
    let gone = async {
        while ann.server.chat.hub().connections() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    soon("giving up", gone).await;
    assert!(ann.is_good(&ticket).await);
    assert_eq!(ann.server.counters.accepted(), 1);
}
