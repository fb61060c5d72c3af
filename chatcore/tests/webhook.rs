//! Webhooks, against a listener in this process.
#![cfg(all(feature = "webhook", feature = "sqlite"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatcore::Chat;
use chatcore::hook::webhook::{Webhook, WebhookOptions, WebhookSecret};
use chatcore::id::UserId;
use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::sqlite::SqliteStore;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What a call was.
#[derive(Clone, Debug)]
struct Call {
    at: Instant,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Call {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn texts(&self) -> Vec<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["type"], "chat.entries");
        let entries = body["data"]["entries"].as_array().unwrap();
        entries.iter().filter_map(|e| e["text"].as_str().map(str::to_owned)).collect()
    }

    /// Verifies it as a receiver would that knows one secret.
    fn verify(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id(), self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

/// What a receiver answers to its next calls; then it answers 204.
type Answers = Arc<Mutex<Vec<&'static str>>>;

struct Receiver {
    url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    async fn start(mut answers: Vec<&'static str>) -> Self {
        answers.reverse();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (calls, answers) = (Arc::<Mutex<Vec<Call>>>::default(), Arc::new(Mutex::new(answers)));
        let seen = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&seen), Arc::clone(&answers)));
            }
        });
        Self { url, calls, task }
    }

    /// One behind TLS, under `certificate`.
    async fn start_tls(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Self {
        let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let seen = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // Who does not trust it hangs up here.
                    if let Ok(socket) = acceptor.accept(socket).await {
                        serve(socket, seen, Answers::default()).await;
                    }
                });
            }
        });
        Self { url: format!("https://localhost:{port}/hook"), calls, task }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits for the call that holds `last`, and for so many calls.
    async fn until(&self, last: &str, number: usize) -> Vec<Call> {
        for _ in 0..1_500 {
            let calls = self.calls();
            if calls.len() >= number
                && calls.iter().any(|call| call.texts().iter().any(|text| text == last))
            {
                return calls;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", self.calls().iter().map(Call::texts).collect::<Vec<_>>());
    }
}

/// One connection: calls one after another.
async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Answers,
) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let headers: HashMap<_, _> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        assert!(head.starts_with("POST /hook HTTP/1.1"), "{head}");
        let length: usize = headers["content-length"].parse().unwrap();
        while read.len() < end + 4 + length {
            if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = read[end + 4..end + 4 + length].to_vec();
        read.drain(..end + 4 + length);
        calls.lock().unwrap().push(Call { at: Instant::now(), headers, body });
        let answer = answers.lock().unwrap().pop().unwrap_or("204 No Content");
        match answer {
            // It reads, and says nothing.
            "silence" => {
                std::future::pending::<()>().await;
            }
            "hang up" => return,
            _ => {
                let more = match &answer[..3] {
                    "302" => "location: /elsewhere\r\n",
                    "429" => "retry-after: 2\r\n",
                    _ => "",
                };
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n{more}\r\n");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn chat(store: &Arc<SqliteStore>, url: &str) -> Chat {
    chat_with(store, url, WebhookOptions::default()).await
}

async fn chat_with(store: &Arc<SqliteStore>, url: &str, options: WebhookOptions) -> Chat {
    let secrets = [NEW, OLD].map(|secret| WebhookSecret::parse(secret).unwrap());
    let options = options.with_private_addresses().with_timeout(Duration::from_millis(700));
    let hook = Arc::new(Webhook::new(url, secrets, options).unwrap());
    let chat = Chat::builder(Arc::clone(store) as _).after_commit("webhook", hook);
    let chat = chat.build().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    chat
}

async fn store(folder: &tempfile::TempDir) -> Arc<SqliteStore> {
    let url = format!("sqlite:{}", folder.path().join("chat.db").display());
    Arc::new(SqliteStore::open(&url).await.unwrap())
}

#[tokio::test]
async fn calls_are_signed_in_order_and_made_again_with_the_same_id() {
    let failing = vec!["500 Oops", "302 Found", "silence", "hang up"];
    let receiver = Receiver::start(failing).await;
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(&store(&folder).await, &receiver.url).await;
    let ann = chat.as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
    for index in 0..5 {
        ann.send(&room, Draft::text(format!("m{index}"))).await.unwrap();
    }
    // The waits in between grow; with four failures they come to less than 8 s.
    let calls = receiver.until("m4", 5).await;
    assert!(calls.iter().all(|call| call.verify(NEW) && call.verify(OLD)));
    assert!(!calls[0].verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert_eq!(calls[0].headers["content-type"], "application/json");
    // The first four failed, and came again as they were.
    for again in &calls[1..5] {
        assert_eq!((again.id(), &again.body), (calls[0].id(), &calls[0].body));
    }
    let mut seen = Vec::new();
    let mut texts = Vec::new();
    for call in &calls {
        if !seen.contains(&call.id().to_owned()) {
            seen.push(call.id().to_owned());
            texts.extend(call.texts());
        }
    }
    assert_eq!(texts, ["m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test]
async fn what_was_not_delivered_when_the_process_ended_is_delivered_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let deaf = Receiver::start(vec!["500 Oops"; 1_000]).await;
    let first = store(&folder).await;
    let one = chat(&first, &deaf.url).await;
    let ann = one.as_user(&user("ann"));
    let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
    for index in 0..3 {
        ann.send(&room, Draft::text(format!("m{index}"))).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    one.shutdown().await;
    first.close().await.unwrap();
    drop((one, ann, first));

    let receiver = Receiver::start(Vec::new()).await;
    let second = chat(&store(&folder).await, &receiver.url).await;
    second.as_user(&user("ann")).send(&room, Draft::text("m3")).await.unwrap();
    let calls = receiver.until("m3", 1).await;
    let texts: Vec<_> = calls.iter().flat_map(Call::texts).collect();
    assert_eq!(texts, ["m0", "m1", "m2", "m3"], "none lost, none out of order");
    assert_eq!(calls[0].id(), deaf.calls()[0].id(), "the same batch has the same id");
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_is_called_when_it_is_over() {
    let receiver = Receiver::start(vec!["429 Too Many Requests"]).await;
    let folder = tempfile::tempdir().unwrap();
    let chat = chat(&store(&folder).await, &receiver.url).await;
    let ann = chat.as_user(&user("ann"));
    ann.create_room(NewRoom::public("a")).await.unwrap();
    for _ in 0..1_500 {
        if receiver.calls().len() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = receiver.calls();
    assert_eq!(calls[0].id(), calls[1].id());
    let waited = calls[1].at - calls[0].at;
    // Left to itself it would have been half a second at most.
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_receiver_behind_tls_is_called_if_its_certificate_is_trusted_and_not_otherwise() {
    let names = vec!["localhost".to_owned()];
    let (ours, foreign) = (names.clone(), names);
    let ours = rcgen::generate_simple_self_signed(ours).unwrap();
    let foreign = rcgen::generate_simple_self_signed(foreign).unwrap();
    let (trusted, impostor) =
        (Receiver::start_tls(&ours).await, Receiver::start_tls(&foreign).await);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let trusting = || WebhookOptions::default().with_certificates(ours.cert.pem().as_bytes());
    let mut chats = Vec::new();
    for (folder, receiver) in folders.iter().zip([&trusted, &impostor]) {
        let store = store(folder).await;
        let chat = chat_with(&store, &receiver.url, trusting().unwrap()).await;
        let ann = chat.as_user(&user("ann"));
        let room = ann.create_room(NewRoom::public("a")).await.unwrap().room;
        ann.send(&room, Draft::text("hello")).await.unwrap();
        chats.push(chat);
    }
    let calls = trusted.until("hello", 1).await;
    assert!(calls.iter().all(|call| call.verify(NEW)));
    // Time for two tries.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(impostor.calls().is_empty(), "nothing is told to who cannot show who it is");
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let refused = WebhookOptions::default().with_certificates(pem.as_bytes());
        assert!(refused.is_err(), "{pem}");
    }
}
