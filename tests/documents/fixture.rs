//! A server in this process, over the memory store, with mail that can be read and passwords that are
//! cheap to hash.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{
    AccountError, AccountSettings, Authenticator, Directory, Identity, PasswordParams,
    PasswordSettings, Profile, RateLimits,
};
use chatcore::attachment::blobs::{
    BlobBody, BlobError, BlobKey, BlobReader, BlobStore, Link, MemoryBlobs, Presented,
};
use chatcore::chat::ChatBuilder;
use chatcore::id::{RoomId, UserId};
use chatcore::limits::Limits;
use chatcore::mail::MemoryMailer;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore::store::{Store, StoreError};
use chatcore::testing::ManualClock;
use chatcore_tests::{Http, Reply};
use chatcore_warp::serve::{ServeConfig, serve};
use chatcore_warp::{Config, dialect};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use warp::filters::BoxedFilter;

/// The noon that all these servers begin at: `2026-03-01T12:00:00.000Z`.
pub(crate) const NOON: i64 = 1_772_366_400_000;

/// A server, until it is dropped.
pub(crate) struct Site {
    pub(crate) http: Http,
    pub(crate) address: SocketAddr,
    pub(crate) chat: Chat,
    pub(crate) mail: Arc<MemoryMailer>,
    pub(crate) clock: Arc<ManualClock>,
    task: JoinHandle<()>,
    /// Where the store is, if it is on disk.
    _data: TempDir,
}

/// What a dialect's module gives: see `chatcore_warp::dialect`.
pub(crate) type Mount = fn(Chat, &Config) -> BoxedFilter<(chatcore_warp::reply::Response,)>;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Json,
    Form,
    Multipart,
}

pub(crate) const WRITTEN: [Written; 3] = [Written::Json, Written::Form, Written::Multipart];

impl Site {
    /// All documents, as the server has them.
    pub(crate) async fn start() -> Self {
        Self::mounted(dialect::all).await
    }

    /// The documents beside everything else: the native API, the WebSocket, the page.
    pub(crate) async fn whole() -> Self {
        Self::mounted(|chat, config| chatcore_warp::routes(chat, config.clone())).await
    }

    /// One document alone.
    pub(crate) async fn mounted(mount: Mount) -> Self {
        Self::with(mount, RateLimits::off(), |builder| builder).await
    }

    /// All documents, with rates as strangers meet them.
    pub(crate) async fn limited() -> Self {
        Self::with(dialect::all, RateLimits::default(), |builder| builder).await
    }

    pub(crate) async fn with(
        mount: Mount,
        rates: RateLimits,
        change: impl FnOnce(ChatBuilder) -> ChatBuilder,
    ) -> Self {
        let mail = Arc::new(MemoryMailer::new());
        let clock = Arc::new(ManualClock::at(NOON));
        let passwords =
            PasswordSettings { params: PasswordParams::cheap(), ..PasswordSettings::default() };
        let settings = AccountSettings { passwords, rates, ..AccountSettings::default() };
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        limits.reports_per_user = None;
        let data = tempfile::tempdir().unwrap();
        let builder = Chat::builder(store(&data).await)
            .mailer(mail.clone())
            .clock(clock.clone())
            .limits(limits)
            .account_settings(settings);
        let chat = change(builder).build().await.unwrap();
        let filter = mount(chat.clone(), &Config::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let _ = serve(listener, filter, ServeConfig::default(), std::future::pending()).await;
        });
        Self { http: Http::new(address), address, chat, mail, clock, task, _data: data }
    }

    /// Posts fields, written in any of the three ways.
    pub(crate) async fn post(&self, path: &str, fields: &Value, written: Written) -> Reply {
        Http::send(fill(self.http.request(Method::POST, path), fields, written)).await
    }

    /// Posts JSON.
    pub(crate) async fn json(&self, path: &str, fields: Value) -> Reply {
        self.post(path, &fields, Written::Json).await
    }

    /// Registers someone through document 000; their token.
    pub(crate) async fn nickname(&self, user_name: &str) -> String {
        let reply = self.json("/auth/register", nickname_fields(user_name)).await.expect(200);
        reply.json()["accessToken"].as_str().unwrap().to_owned()
    }

    /// Registers someone through document 002, code and all.
    pub(crate) async fn email(&self, email: &str) {
        let fields =
            json!({"name": "Eve", "passward": "sesame", "email": email, "mark": "captcha"});
        let sent = self.json("/auth/register", fields).await.expect(200).json();
        assert_eq!(sent["status"], "OK", "{sent}");
        let fields = json!({"email": email, "captcha": self.key(email)});
        let done = self.json("/auth/validate_captcha", fields).await.expect(200).json();
        assert_eq!(done["message"], "This user has been confirmed.");
    }

    /// The code, or the link, of the newest mail to `email`.
    pub(crate) fn key(&self, email: &str) -> String {
        self.mail.last_to(email).expect("a mail").key.expect("a code or link in it")
    }

    /// Logs in by document 002; the cookie, as a browser would send it.
    pub(crate) async fn cookie(&self, email: &str) -> Cookie {
        let fields = json!({"email": email, "password": "sesame"});
        let reply = self.json("/auth/login", fields).await.expect(200);
        assert_eq!(reply.json()["status"], "OK", "{}", reply.text());
        self.jar(&reply)
    }

    /// The cookie that an answer sets.
    pub(crate) fn jar(&self, reply: &Reply) -> Cookie {
        let pair = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(pair.starts_with("chatcore_session="), "{pair}");
        Cookie { pair, http: self.http.clone() }
    }

    /// Whose name that is.
    pub(crate) async fn user(&self, name: &str) -> UserId {
        self.chat.find_user(name).await.unwrap().expect("someone of that name")
    }

    /// A public room of `owner`.
    pub(crate) async fn room(&self, owner: &str) -> RoomId {
        let owner = self.user(owner).await;
        self.chat.as_user(&owner).create_room(NewRoom::public("a room")).await.unwrap().room
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A session, as a browser holds it.
#[derive(Clone)]
pub(crate) struct Cookie {
    pair: String,
    http: Http,
}

impl Cookie {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, path).header("cookie", &self.pair)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Http::send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        Http::send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn form(&self, path: &str, form: Form) -> Reply {
        Http::send(self.request(Method::POST, path).multipart(form)).await
    }

    /// The token in it.
    pub(crate) fn token(&self) -> &str {
        self.pair.split_once('=').unwrap().1
    }
}

/// Writes `fields`, an object of strings for what is no JSON, into a request.
pub(crate) fn fill(request: RequestBuilder, fields: &Value, written: Written) -> RequestBuilder {
    let text = |value: &Value| value.as_str().expect("a form holds text").to_owned();
    let members: &Map<String, Value> = fields.as_object().unwrap();
    match written {
        Written::Json => request.json(fields),
        Written::Form => {
            let pairs = members.iter().map(|(name, value)| {
                let value: String = text(value).bytes().map(|b| format!("%{b:02x}")).collect();
                format!("{name}={value}")
            });
            let body = pairs.collect::<Vec<_>>().join("&");
            request.header("content-type", "application/x-www-form-urlencoded").body(body)
        }
        Written::Multipart => {
            let form = members
                .iter()
                .fold(Form::new(), |form, (name, value)| form.text(name.clone(), text(value)));
            request.multipart(form)
        }
    }
}

/// The store of `CHATCORE_DOCUMENTS_STORE`, `sqlite` or `memory`; without it, memory.
async fn store(data: &TempDir) -> Arc<dyn Store> {
    match std::env::var("CHATCORE_DOCUMENTS_STORE").as_deref() {
        Ok("sqlite") => {
            let url = format!("sqlite:{}", data.path().join("chat.db").display());
            chatcore::store::open(&url).await.unwrap()
        }
        Ok("memory") | Err(_) => Arc::new(MemoryStore::new()),
        Ok(other) => panic!("CHATCORE_DOCUMENTS_STORE must be sqlite or memory, not {other}"),
    }
}

/// What document 000 asks of who registers.
pub(crate) fn nickname_fields(user_name: &str) -> Value {
    json!({
        "nickName": format!("{user_name} the First"),
        "userName": user_name,
        "password": "sesame",
        "confirmPassword": "sesame",
    })
}

/// What document 003 asks of who registers; `id` is written out to 24 digits.
pub(crate) fn accountname_fields(accountname: &str, id: u64) -> Value {
    json!({
        "_id": format!("{id:024x}"),
        "username": "Ann Droid",
        "accountname": accountname,
        "password": "sesame88",
        "password2": "sesame88",
    })
}

/// `fields` with one of them changed, or taken out by `null`.
pub(crate) fn but(mut fields: Value, name: &str, value: Value) -> Value {
    if value.is_null() {
        fields.as_object_mut().unwrap().remove(name);
    } else {
        fields[name] = value;
    }
    fields
}

/// A host's own people, of whom only one is known and nothing can be told: the place where they are
/// kept does not answer.
#[derive(Debug)]
struct Unreachable;

#[async_trait]
impl Authenticator for Unreachable {
    async fn authenticate(&self, _: &str) -> Result<Identity, AccountError> {
        Ok(Identity { user: someone(), session: None, expires_at: None })
    }
}

#[async_trait]
impl Directory for Unreachable {
    async fn profiles(&self, _: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        Err(StoreError::Unavailable("at host secret.internal".into()))
    }

    async fn find(&self, _: &str) -> Result<Option<UserId>, StoreError> {
        Err(StoreError::Unavailable("at host secret.internal".into()))
    }
}

fn someone() -> UserId {
    UserId::parse("someone").unwrap()
}

/// A server that knows every token for someone's, who is in a room, and whose database is away.
pub(crate) async fn failing() -> Site {
    let site = Site::with(dialect::all, RateLimits::off(), |builder| {
        builder.authenticator(Arc::new(Unreachable)).directory(Arc::new(Unreachable))
    })
    .await;
    site.chat.as_user(&someone()).create_room(NewRoom::public("a room")).await.unwrap();
    site
}

/// Blobs in memory, said to be elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Addressed(MemoryBlobs);

#[async_trait]
impl BlobStore for Addressed {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        self.0.put(key, body).await
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        self.0.get(key, range).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.0.delete(key).await
    }

    fn url(&self, key: &BlobKey) -> Option<String> {
        Some(format!("https://bucket.example/{key}"))
    }

    async fn link(&self, key: &BlobKey, as_: &Presented) -> Result<Option<Link>, BlobError> {
        self.0.link(key, as_).await
    }
}

/// A file of a form.
pub(crate) fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Part {
    Part::bytes(bytes.into()).file_name(name.to_owned())
}

/// An image of one pixel.
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\
    \x89\0\0\0\rIDATx\x9cc\xf8\xff\xff?\x03\0\x08\xfc\x02\xfe\xa7\x9a\xa0\xa0\0\0\0\0IEND\xaeB`\x82";
