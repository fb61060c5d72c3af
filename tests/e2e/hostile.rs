//! What a connection over QUIC can have the server hold that does its worst.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use chatcore_quic::ALPN;
use chatcore_quic::client::{Client, QuicLink, Trust, Upload};
use chatcore_tests::{Encoding, Person, Server, count};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, SendStream, TransportConfig};
use serde_json::{Value, json};

/// What a connection may take of the server, whatever it does.
const MOST_KIB: u64 = 1024;
/// The longest frame that is taken, in bytes.
const FRAME: u32 = 256 * 1024;
/// More than is ever sent before somebody waits for the other.
const FILE: usize = 8 << 20;

/// A hostile client's endpoint: it lets the server send, so that nothing waits for its leave.
fn endpoint(fingerprint: &str) -> Endpoint {
    let pin: Trust = fingerprint.parse().expect("a fingerprint");
    let mut tls = pin.client_config().expect("TLS is there");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).expect("what QUIC needs");
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(1_000_000_u32.into()).receive_window(3_000_000_u32.into());
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
    endpoint.set_default_client_config(config);
    endpoint
}

async fn write(stream: &mut SendStream, frame: &Value) {
    let bytes = rmp_serde::to_vec_named(frame).expect("MessagePack");
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    stream.write_all(&length).await.expect("taken");
    stream.write_all(&bytes).await.expect("taken");
}

/// One that is welcomed, and follows a room.
async fn arrive(endpoint: &Endpoint, server: &str, token: &str) -> Hostile {
    let address = server.parse().expect("an address");
    let connecting = endpoint.connect(address, "localhost").expect("a good address");
    let connection = connecting.await.expect("connected");
    let (mut control, mut answers) = connection.open_bi().await.expect("open");
    let hello = json!({"op": "hello", "versions": [1], "token": token, "device": "d"});
    write(&mut control, &hello).await;
    answers.read_chunk(1, true).await.expect("open").expect("a welcome");
    Hostile { connection, control, streams: Vec::new(), answers }
}

/// What is kept of one, so that nothing of it ends.
struct Hostile {
    connection: Connection,
    control: SendStream,
    streams: Vec<(SendStream, quinn::RecvStream)>,
    answers: quinn::RecvStream,
}

impl Hostile {
    /// Asks for much, in the last moment before it falls silent.
    async fn do_its_worst(&mut self, room: &str, file: &str) {
        for id in 1..=2 {
            let (mut send, receive) = self.connection.open_bi().await.expect("open");
            write(&mut send, &json!({"op": "download", "id": id, "attachment": file})).await;
            self.streams.push((send, receive));
        }
        for id in 1..=16 {
            let history = json!({"op": "history", "id": id, "room": room, "limit": 50});
            write(&mut self.control, &history).await;
        }
        for _ in 0..64 {
            // Some are too many, which is what they are for.
            let _ = self.connection.send_datagram(vec![0xc1; 1_000].into());
        }
        // All of the longest frame but its last byte; the window may be full before.
        self.control.write_all(&FRAME.to_be_bytes()).await.expect("taken");
        let part = vec![0; FRAME as usize - 1];
        let _ =
            tokio::time::timeout(Duration::from_millis(20), self.control.write_all(&part)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_connection_takes_less_than_a_mebibyte() {
    let connections = count("CHATCORE_E2E_HOSTILE", 200);
    let mut server = Server::start_with_quic().await;
    let people: Vec<Person> = server.http().register_many("mallory", 10).await;
    let room = people[0].create_room("public", "long").await;
    for person in &people[1..] {
        person.enter(&room).await;
    }
    let socket = server.connect(&people[0], Encoding::Json).await;
    for n in 0..50 {
        let text = "x".repeat(4_000);
        let send = json!({"room": room, "client_msg_id": n.to_string(), "text": text});
        socket.request("send", send).await;
    }
    let (quic, fingerprint) = server.quic();
    let link = QuicLink::new(&quic, fingerprint.parse().expect("a fingerprint")).expect("a way");
    let client = Client::builder().token(people[0].token.clone()).device("up");
    let client = client.connect(link).expect("sound settings");
    let file = client.upload(Upload::bytes("long.txt", vec![b'x'; FILE])).await.expect("stored");
    client
        .send(
            &room.parse().expect("an id"),
            chatcore::log::Draft::text("file").attach([file.id.clone()]),
        )
        .await
        .expect("sent");
    client.shut_down().await;

    let before = server.process().resident_kib();
    let tokens: Vec<String> = people.iter().map(|person| person.token.clone()).collect();
    let file = file.id.to_string();
    // They have a thread that stops: from then on nothing that the server sent is acknowledged.
    let hostile = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let kept = runtime.block_on(async {
            let endpoint = endpoint(&fingerprint);
            let mut all = Vec::new();
            for token in tokens.iter().cycle().take(connections) {
                all.push(arrive(&endpoint, &quic, token).await);
            }
            let worst = all.iter_mut().map(|one| one.do_its_worst(&room, &file));
            futures_util::future::join_all(worst).await;
            all
        });
        (runtime, kept)
    });
    let (runtime, kept) = tokio::task::spawn_blocking(|| hostile.join()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held = kept.iter().filter(|one| one.connection.close_reason().is_none()).count();
    let grown = server.process().resident_kib().saturating_sub(before);
    let each = grown / connections as u64;
    println!(
        "{held} of {connections} hostile connections: the server grew by {grown} KiB, {each} each"
    );
    assert_eq!(held, connections, "none was turned away");
    assert!(kept.iter().all(|one| one.streams.len() == 2 && one.answers.id().index() == 0));
    assert!(each < MOST_KIB, "{each} KiB each");
    drop(kept);
    runtime.shutdown_background();
}
