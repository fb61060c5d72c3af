//! A server, and a client that says what it is told to, byte for byte.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::attachment::Thumbnails;
use chatcore::id::{RoomId, SessionId, UserId};
use chatcore::limits::Limits;
use chatcore::log::Draft;
use chatcore::protocol::CloseCode;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore_quic::server::SelfSigned;
use chatcore_quic::{ALPN, Certificate, Config, Counters, Stopped, serve};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Takes `alice` for the token of alice's session `s-alice`.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        Ok(Identity {
            user: UserId::parse(token).map_err(|_| AccountError::Unauthenticated)?,
            session: SessionId::parse(&format!("s-{token}")).ok(),
            expires_at: None,
        })
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a valid name")
}

pub(crate) struct Server {
    pub(crate) chat: Chat,
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Certificate,
    pub(crate) counters: Arc<Counters>,
    root: CertificateDer<'static>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<Stopped>>,
}

pub(crate) async fn server() -> Server {
    server_with(|config| config).await
}

pub(crate) async fn server_with(configure: impl FnOnce(Config) -> Config) -> Server {
    let mut limits = Limits::default();
    limits.turns_per_user = None;
    let chat = Chat::builder(Arc::new(MemoryStore::default())).limits(limits);
    let chat = chat.thumbnails(Thumbnails::default());
    let chat = chat.authenticator(Arc::new(ByName)).build().await.expect("memory opens");
    serve_chat(chat, configure)
}

/// One with accounts of its own, under which there are tickets.
pub(crate) async fn server_with_accounts() -> Server {
    let chat = Chat::builder(Arc::new(MemoryStore::default())).build().await.expect("memory opens");
    serve_chat(chat, |config| config)
}

fn serve_chat(chat: Chat, configure: impl FnOnce(Config) -> Config) -> Server {
    let made = SelfSigned::make().expect("made");
    let root = CertificateDer::from_pem_slice(made.chain.as_bytes()).expect("PEM");
    let certificate = Certificate::from_pem(made.chain.as_bytes(), made.key.as_bytes());
    let certificate = certificate.expect("usable");
    let config = configure(Config::new(certificate.clone()));
    let counters = config.counters();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = socket.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let task = tokio::spawn(serve(socket, chat.clone(), config, shutdown));
    Server { chat, address, certificate, counters, root, stop, task }
}

impl Server {
    /// A public room of these people.
    pub(crate) async fn room_of(&self, people: &[&str]) -> RoomId {
        let owner = self.chat.as_user(&user(people[0]));
        let room = owner.create_room(NewRoom::public("room")).await.expect("made").room;
        for name in &people[1..] {
            self.chat.as_user(&user(name)).enter(&room).await.expect("entered");
        }
        room
    }

    pub(crate) async fn say(&self, room: &RoomId, name: &str, text: &str) {
        self.chat.as_user(&user(name)).send(room, Draft::text(text)).await.expect("sent");
    }

    /// Asks it to stop, and says how it did.
    pub(crate) async fn stop(self) -> Stopped {
        drop(self.stop);
        soon("stopping", self.task).await.expect("no panic").expect("served")
    }

    /// What a client needs to trust it. Clones share the TLS sessions that it comes back with.
    pub(crate) fn client_config(&self, protocols: &[&[u8]]) -> quinn::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        tls.enable_early_data = true;
        let crypto = QuicClientConfig::try_from(tls).expect("what QUIC needs");
        quinn::ClientConfig::new(Arc::new(crypto))
    }

    /// A connection under `transport` that offers these protocols.
    pub(crate) async fn dial(
        &self,
        transport: TransportConfig,
        protocols: &[&[u8]],
    ) -> Result<(Endpoint, Connection), ConnectionError> {
        let mut config = self.client_config(protocols);
        config.transport_config(Arc::new(transport));
        let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        endpoint.set_default_client_config(config);
        let connecting = endpoint.connect(self.address, "localhost").expect("a good address");
        let connection = soon("the handshake", connecting).await?;
        Ok((endpoint, connection))
    }

    /// A client that has not said hello.
    pub(crate) async fn connect_with(&self, transport: TransportConfig) -> Client {
        let (endpoint, connection) = self.dial(transport, &[ALPN]).await.expect("connected");
        Client::on(endpoint, connection).await
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_with(TransportConfig::default()).await
    }

    /// A client that has been welcomed.
    pub(crate) async fn hello(&self, name: &str) -> Client {
        self.connect().await.welcomed(name).await
    }
}

/// What a stream brings, frame by frame.
pub(crate) struct Frames(pub(crate) RecvStream);

impl Frames {
    /// The next frame; none at the end, or when the stream or the connection is cut.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        soon("a frame", self.0.read_exact(&mut length)).await.ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        soon("a frame", self.0.read_exact(&mut frame)).await.ok()?;
        Some(rmp_serde::from_slice(&frame).expect("MessagePack"))
    }

    /// The next frame with this `op`; those before it are passed over.
    pub(crate) async fn next_op(&mut self, op: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("no {op} came"));
            if frame["op"] == op {
                return frame;
            }
        }
    }
}

pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    pub(crate) requests: SendStream,
    pub(crate) answers: Frames,
    next_id: u64,
}

impl Client {
    /// One with a control stream on `connection`.
    pub(crate) async fn on(endpoint: Endpoint, connection: Connection) -> Self {
        let (requests, answers) = connection.open_bi().await.expect("the control stream");
        Self { endpoint, connection, requests, answers: Frames(answers), next_id: 0 }
    }

    pub(crate) async fn welcomed(mut self, name: &str) -> Self {
        self.send(&json!({"op": "hello", "versions": [1], "token": name, "device": "d"})).await;
        assert_eq!(self.answers.next_op("welcome").await["user"], name);
        self
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        let bytes = rmp_serde::to_vec_named(frame).expect("MessagePack");
        self.send_bytes(&u32::try_from(bytes.len()).expect("short").to_be_bytes()).await;
        self.send_bytes(&bytes).await;
    }

    /// Any bytes; once the server has gone they go nowhere.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.requests.write_all(bytes).await;
    }

    /// Sends a request, and passes over what comes until it is answered.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        self.next_id += 1;
        request["id"] = self.next_id.into();
        self.send(&request).await;
        loop {
            let frame = self.answers.next().await.expect("an answer");
            if frame["id"] == request["id"] {
                return frame;
            }
        }
    }

    /// Subscribes from `since` on, or from now on.
    pub(crate) async fn subscribe(&mut self, room: &RoomId, since: Option<u64>) -> Value {
        let mut request = json!({"op": "subscribe", "room": room});
        if let Some(seq) = since {
            request["since"] = json!({"seq": seq});
        }
        let answer = self.ask(request).await;
        assert_eq!(answer["op"], "result", "{answer}");
        answer
    }

    /// The next stream that the server opens, and what it begins with.
    pub(crate) async fn stream(&mut self) -> (Value, Frames) {
        let stream = soon("a stream", self.connection.accept_uni()).await.expect("open");
        let mut frames = Frames(stream);
        let preamble = frames.next().await.expect("a preamble");
        assert_eq!(preamble["op"], "stream");
        (preamble, frames)
    }

    /// What the server closes with.
    pub(crate) async fn closing(&mut self) -> CloseCode {
        let ConnectionError::ApplicationClosed(close) =
            soon("closing", self.connection.closed()).await
        else {
            panic!("closed without a code: {:?}", self.connection.close_reason());
        };
        let number = close.error_code.into_inner();
        let code = CloseCode::ALL.into_iter().find(|code| u64::from(code.number()) == number);
        code.unwrap_or_else(|| panic!("closed with {number}"))
    }

    /// Whether it is still served.
    pub(crate) async fn lives(&mut self) -> bool {
        self.ask(json!({"op": "rooms"})).await["op"] == "result"
    }
}
