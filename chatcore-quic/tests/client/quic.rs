//! The client over QUIC, against an endpoint that carries the frames of a real chat.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatcore::Chat;
use chatcore::connection::Connection;
use chatcore::id::{Seq, SessionId};
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::session::Config;
use chatcore::protocol::{CloseCode, Encoding, Wire};
use chatcore::testing::{MemorySender, memory_transport};
use chatcore_quic::client::{Notice, Offline, QuicError, QuicLink, State, Trust, Update};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, RecvStream, SendStream};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::memory::{chat, quick, room_of, user};

const MAX: usize = 1 << 20;

/// What the endpoint has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: Vec<quinn::Connection>,
    /// Addresses that frames came from.
    addresses: Vec<SocketAddr>,
    datagrams: usize,
}

struct Server {
    address: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    fn start(chat: &Chat) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("made");
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .expect("a pair");
        tls.alpn_protocols = vec![b"chatcore/1".to_vec()];
        let crypto = QuicServerConfig::try_from(tls).expect("sound");
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let any = "127.0.0.1:0".parse().expect("an address");
        let endpoint = Endpoint::server(config, any).expect("a socket");
        let address = endpoint.local_addr().expect("bound").to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (chat, all) = (chat.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let (chat, seen) = (chat.clone(), Arc::clone(&all));
                tokio::spawn(async move {
                    if let Ok(connection) = incoming.await {
                        seen.lock().expect("sound").connections.push(connection.clone());
                        carry(connection, chat, seen).await;
                    }
                });
            }
        });
        Self { address, certificate, seen }
    }

    fn pinned(&self) -> QuicLink {
        let hash: [u8; 32] = Sha256::digest(&self.certificate).into();
        QuicLink::new(&self.address, Trust::Pinned(hash)).expect("a socket")
    }

    fn connections(&self) -> usize {
        self.seen.lock().expect("sound").connections.len()
    }
}

async fn frame_of(stream: &mut RecvStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}

async fn forward(to: &MemorySender, payload: &[u8]) {
    let frame = Encoding::MessagePack.decode(payload, MAX).expect("the client speaks the protocol");
    to.send(&frame).await;
}

async fn write(stream: &mut SendStream, frame: &Value) {
    let mut bytes = vec![0; 4];
    Encoding::MessagePack.encode(frame, &mut bytes);
    let length = u32::try_from(bytes.len() - 4).expect("short").to_be_bytes();
    bytes[..4].copy_from_slice(&length);
    let _ = stream.write_all(&bytes).await;
}

/// Carries frames between a connection and a chat.
async fn carry(connection: quinn::Connection, chat: Chat, seen: Arc<Mutex<Seen>>) {
    let Ok((mut control, mut requests)) = connection.accept_bi().await else { return };
    let (transport, mut peer) = memory_transport(Wire::Quic, 1 << 14);
    tokio::spawn(Connection::new(chat, transport, Arc::new(Config::default())).run());
    let (to_chat, datagrams) = (peer.sender(), peer.sender());
    let (came_from, also) = (connection.clone(), Arc::clone(&seen));
    tokio::spawn(async move {
        while let Some(payload) = frame_of(&mut requests).await {
            also.lock().expect("sound").addresses.push(came_from.remote_address());
            forward(&to_chat, &payload).await;
        }
    });
    let signals = connection.clone();
    tokio::spawn(async move {
        while let Ok(payload) = signals.read_datagram().await {
            seen.lock().expect("sound").datagrams += 1;
            forward(&datagrams, &payload).await;
        }
    });
    let mut rooms: HashMap<String, SendStream> = HashMap::new();
    let gone = connection.clone();
    loop {
        let frame = tokio::select! {
            frame = peer.next() => frame,
            // The peer is dropped, and with it the chat's connection.
            _ = gone.closed() => return,
        };
        let Some(frame) = frame else { break };
        match frame["op"].as_str().expect("text") {
            "event" | "gap" => {
                let room = frame["room"].as_str().expect("text").to_owned();
                if !rooms.contains_key(&room) {
                    let Ok(stream) = connection.open_uni().await else { return };
                    rooms.insert(room.clone(), stream);
                }
                write(rooms.get_mut(&room).expect("just made"), &frame).await;
            }
            "signal" => {
                let mut bytes = Vec::new();
                Encoding::MessagePack.encode(&frame, &mut bytes);
                let _ = connection.send_datagram(bytes.into());
            }
            _ => write(&mut control, &frame).await,
        }
    }
    let code = peer.closed().map_or(0, CloseCode::number);
    connection.close(u32::from(code).into(), b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_talk_over_quic() {
    let chat = chat().await;
    let (tea, cake) = (room_of(&chat, &["ann"]).await, room_of(&chat, &["ann"]).await);
    let server = Server::start(&chat);
    let ann = quick("ann").connect(server.pinned()).expect("sound settings");
    let bob = quick("bob").connect(server.pinned()).expect("sound settings");
    let mut notices = bob.notices();
    for room in [&tea, &cake] {
        let last = bob.enter(room).await.expect("entered").head_seq;
        let since = Some(Cursor { epoch: None, seq: last });
        let mut heard = bob.subscribe(room, since).await.expect("the first");
        for n in 0..300 {
            let sending = ann.enqueue(room, Draft::text(n.to_string())).await.expect("taken");
            drop(sending);
        }
        let (mut next, mut count) = (last.next(), 0);
        while count < 300 {
            if let Update::Event(event) = heard.next().await.expect("open").expect("not refused") {
                assert_eq!(event.seq(), next);
                let is = |b: &Body| matches!(b, Body::Message { text, .. } if *text == count.to_string());
                assert!(event.entry().is_some_and(|entry| is(&entry.body)));
                (next, count) = (next.next(), count + 1);
            }
        }
        // Who is in the room hears signals; they are asked for until one gets through.
        let _there = ann.subscribe(room, None).await.expect("the first");
        loop {
            ann.signal(room, "typing", true, 3_000).await;
            match tokio::time::timeout(Duration::from_millis(200), notices.next()).await {
                Ok(Some(Notice::Signal(signal))) if signal.kind == "typing" => break,
                _ => {}
            }
        }
    }
    assert!(server.seen.lock().expect("sound").datagrams >= 2);
    assert_eq!(server.connections(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_the_same_connection() {
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let server = Server::start(&chat);
    let link = server.pinned();
    let ann = quick("ann").connect(link.clone()).expect("sound settings");
    let mut heard = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    for n in 0..20 {
        let sent = ann.send(&room, Draft::text(n.to_string())).await.expect("sent");
        assert!(!sent.duplicate);
        link.rebind().expect("another socket");
    }
    ann.rooms().await.expect("it stands");
    let mut begun = 0;
    let mut last = Seq(0);
    while last < Seq(22) {
        match heard.next().await.expect("open").expect("not refused") {
            Update::Began(_) => begun += 1,
            Update::Event(event) => {
                assert_eq!(event.seq(), last.next());
                last = event.seq();
            }
        }
    }
    let seen = server.seen.lock().expect("sound");
    assert_eq!((seen.connections.len(), begun), (1, 1), "nobody noticed");
    let mut addresses = seen.addresses.clone();
    addresses.dedup();
    assert!(addresses.len() > 10, "{addresses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_drops_are_made_again() {
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let server = Server::start(&chat);
    let ann = quick("ann").connect(server.pinned()).expect("sound settings");
    let mut heard = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let sends = tokio::spawn(async move {
        for n in 0..100 {
            ann.send(&room, Draft::text(format!("{n:02}"))).await.expect("sent in the end");
        }
    });
    let (mut texts, mut last) = (Vec::new(), Seq(0));
    while texts.len() < 100 {
        if let Update::Event(event) = heard.next().await.expect("open").expect("not refused") {
            assert_eq!(event.seq(), last.next());
            last = event.seq();
            if let Some(Body::Message { text, .. }) = event.entry().map(|entry| &entry.body) {
                texts.push(text.clone());
                if texts.len() % 10 == 0 {
                    let seen = server.seen.lock().expect("sound");
                    let code = CloseCode::GoingAway.number();
                    seen.connections.last().expect("one").close(u32::from(code).into(), b"");
                }
            }
        }
    }
    sends.await.expect("no panic");
    assert!(texts.is_sorted() && texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
    assert!(server.connections() >= 5, "{} connections", server.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_forbids_coming_back_is_heeded() {
    let chat = chat().await;
    let server = Server::start(&chat);
    let ann = quick("ann").connect(server.pinned()).expect("sound settings");
    ann.rooms().await.expect("it stands");
    let session = SessionId::parse("s-ann").expect("valid");
    chat.hub().revoke(&user("ann"), &session);
    let revoked = State::Offline(Offline::Closed(CloseCode::Revoked));
    ann.state().wait_for(|state| *state == revoked).await.expect("it lives");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_certificate_will_do() {
    let chat = chat().await;
    let server = Server::start(&chat);
    let other = QuicLink::new(&server.address, Trust::Pinned([7; 32])).expect("a socket");
    let fooled = quick("ann").connect(other).expect("sound settings");
    let asked = tokio::time::timeout(Duration::from_millis(300), fooled.rooms()).await;
    assert!(asked.is_err() && server.connections() == 0, "{asked:?}");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.certificate.clone()).expect("sound");
    let named = server.address.replace("127.0.0.1", "localhost");
    let link = QuicLink::new(&named, Trust::Roots(roots)).expect("a socket");
    let ann = quick("ann").connect(link).expect("sound settings");
    assert!(ann.rooms().await.expect("answered").is_empty());

    for wrong in ["localhost", ":4433", "localhost:", "localhost:70000"] {
        assert!(matches!(QuicLink::new(wrong, Trust::Pinned([7; 32])), Err(QuicError::Address)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_talk_through_the_server_of_this_crate() {
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let certificate = chatcore_quic::Certificate::self_signed().expect("made");
    let trust: Trust = certificate.fingerprint().parse().expect("a fingerprint");
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = socket.local_addr().expect("bound").to_string();
    let config = chatcore_quic::Config::new(certificate);
    let serving =
        tokio::spawn(chatcore_quic::serve(socket, chat.clone(), config, std::future::pending()));
    let link = |trust: &Trust| QuicLink::new(&address, trust.clone()).expect("a socket");
    let ann = quick("ann").connect(link(&trust)).expect("sound settings");
    let bob = quick("bob").connect(link(&trust)).expect("sound settings");
    let last = bob.enter(&room).await.expect("entered").head_seq;
    let since = Some(Cursor { epoch: None, seq: last });
    let mut heard = bob.subscribe(&room, since).await.expect("the first");
    for n in 0..300 {
        drop(ann.enqueue(&room, Draft::text(n.to_string())).await.expect("taken"));
    }
    let (mut next, mut count) = (last.next(), 0);
    while count < 300 {
        if let Update::Event(event) = heard.next().await.expect("open").expect("not refused") {
            assert_eq!(event.seq(), next);
            next = next.next();
            count += 1;
        }
    }
    serving.abort();
}
