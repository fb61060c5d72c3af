//! A server for attacks over real sockets, in this process, with its chat in sight.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use chatcore::Chat;
use chatcore::account::{AccountSettings, PasswordParams, PasswordSettings, RateLimits, Secret};
use chatcore::attachment::AttachmentLimits;
use chatcore::attachment::blobs::{BlobStore, MemoryBlobs};
use chatcore::limits::Limits;
use chatcore::mail::MemoryMailer;
use chatcore::protocol::limits::Announced;
use chatcore::protocol::session::Config as SessionConfig;
use chatcore::store::memory::MemoryStore;
use chatcore_tests::{Encoding, Http, PATIENCE, Person, Reply, WsClient};
use chatcore_warp::Config;
use chatcore_warp::serve::ServeConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the secret is in every site, as its operator would know it.
pub(crate) const SECRET: [u8; 32] = [7; 32];

/// How a site is set up.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) accounts: AccountSettings,
    pub(crate) limits: Limits,
    pub(crate) attachments: AttachmentLimits,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) config: Config,
    pub(crate) serving: ServeConfig,
    /// Changes the times and bounds of WebSocket sessions.
    pub(crate) session: fn(&mut SessionConfig),
}

/// A running server, which ends with this value.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) chat: Chat,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) http: Http,
    server: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Site {
    /// A server without limits of rate.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// A server that differs.
    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let passwords =
            PasswordSettings { params: PasswordParams::cheap(), ..PasswordSettings::default() };
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        limits.reports_per_user = None;
        let mut setup = Setup {
            accounts: AccountSettings {
                passwords,
                rates: RateLimits::off(),
                ..AccountSettings::default()
            },
            limits,
            attachments: AttachmentLimits::default(),
            blobs: Arc::new(MemoryBlobs::default()),
            config: Config::default(),
            serving: ServeConfig::default(),
            session: |_| {},
        };
        change(&mut setup);
        let mailer = Arc::new(MemoryMailer::new());
        let chat = Chat::builder(Arc::new(MemoryStore::new()))
            .mailer(Arc::clone(&mailer) as _)
            .secret(Secret::new(SECRET).unwrap())
            .account_settings(setup.accounts)
            .attachment_limits(setup.attachments)
            .blobs(setup.blobs)
            .limits(setup.limits)
            .build()
            .await
            .unwrap();
        let mut session = SessionConfig::new(Announced::new(chat.limits()));
        (setup.session)(&mut session);
        let routes = chatcore_warp::routes(chat.clone(), setup.config.with_session(session));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = chatcore_warp::serve::serve(listener, routes, setup.serving, pending());
        let server = tokio::spawn(async move {
            let _ = serving.await;
        });
        Self { address, chat, mailer, http: Http::new(address), server }
    }

    /// Someone with an account.
    pub(crate) async fn person(&self, handle: &str) -> Person {
        self.http.register(handle).await
    }

    /// A JSON WebSocket of `person`, past its `hello`.
    pub(crate) async fn socket(&self, person: &Person) -> WsClient {
        let mut client = WsClient::open(self.address, Encoding::Json).await;
        client.hello(person).await;
        client
    }

    /// A connection that says what it wants.
    pub(crate) async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// Sends a whole request of bytes and returns the whole answer, as the server closes.
    pub(crate) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut raw = self.raw().await;
        raw.say(request).await;
        raw.rest().await
    }

    /// That the server still does what it is there for: whatever was done to it before.
    pub(crate) async fn still_serves(&self, person: &Person) {
        person.http.get("/api/v1/me").await.expect(200);
        let room = person.create_room("private", "still here").await;
        let sent = person.send(&room, "once", "still here").await.expect(201).json();
        assert_eq!(person.log(&room).await.len() as u64, sent["seq"].as_u64().unwrap());
        person.http.post(&format!("/api/v1/rooms/{room}/leave"), json!({})).await.expect(200);
    }
}

/// A TCP connection without manners.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    /// Sends bytes. That the other side has closed is for the reader to find out.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// All that still comes, until the server closes; panics if it does not in time.
    pub(crate) async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        let reading = self.stream.read_to_end(&mut answer);
        // A reset is as good an end as any.
        let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the server closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What comes up to the end of the next answer's head.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        let reading = async {
            while !head.ends_with(b"\r\n\r\n") {
                match self.stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer comes in time");
        String::from_utf8_lossy(&head).into_owned()
    }
}

/// Asserts that it was refused as a problem document of this status and code, which shows nothing of
/// the inside, and returns its field.
pub(crate) fn problem(reply: &Reply, status: u16, code: &str) -> Option<String> {
    assert_eq!(reply.status, status, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let text = reply.text();
    for inside in ["panicked", ".rs:", "sqlx", "/root", "/tmp", "stack backtrace", "scrypt"] {
        assert!(!text.contains(inside), "{text}");
    }
    body["field"].as_str().map(str::to_owned)
}

/// What an attacker may compare of an answer: all but what is drawn anew for each.
pub(crate) fn seen(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    headers.sort();
    (reply.status, headers, reply.text())
}

/// A text of an answer.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {pointer} in {value}")).to_owned()
}
