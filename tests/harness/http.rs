//! A client for the HTTP side.

use std::net::SocketAddr;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Sends requests to one server, as one person or as nobody.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    address: SocketAddr,
    token: Option<String>,
}

/// Someone with an account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name to log in with.
    pub handle: String,
    /// The password to log in with.
    pub password: String,
    /// The id that events carry.
    pub user: String,
    /// A token that lives as long as the session.
    pub token: String,
    /// A client that acts as them.
    pub http: Http,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The same answer, if it has this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Http {
    /// A client without a credential. It follows no redirect and keeps no cookie.
    pub fn new(address: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { client, address, token: None }
    }

    /// The same client with a bearer token.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// A request to be filled in and sent; `path` begins with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends what was filled in.
    pub async fn send(request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("it broke off: {error:?}"));
        Reply { status, headers, body }
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Self::send(self.request(Method::POST, path).json(&body)).await
    }

    /// Sends JSON by another method.
    pub async fn json(&self, method: Method, path: &str, body: Value) -> Reply {
        Self::send(self.request(method, path).json(&body)).await
    }

    /// Makes an account.
    pub async fn register(&self, handle: &str) -> Person {
        let password = format!("correct horse of {handle}");
        let body = json!({ "handle": handle, "password": password, "device": "harness" });
        let made = self.post("/api/v1/accounts", body).await.expect(201).json();
        self.person(handle, &password, &made)
    }

    /// Logs in to an account, for a further session.
    pub async fn log_in(&self, handle: &str, password: &str) -> Person {
        let body = json!({ "login": handle, "password": password, "device": "harness" });
        let made = self.post("/api/v1/sessions", body).await.expect(201).json();
        self.person(handle, password, &made)
    }

    fn person(&self, handle: &str, password: &str, made: &Value) -> Person {
        let text = |pointer| {
            let found = made.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_else(|| panic!("no {pointer} in {made}")).to_owned()
        };
        let token = text("/session_token");
        Person {
            handle: handle.to_owned(),
            password: password.to_owned(),
            user: text("/user/id"),
            http: self.with_token(token.clone()),
            token,
        }
    }

    /// Makes several accounts, `<prefix>0` and on, at the same time.
    pub async fn register_many(&self, prefix: &str, count: usize) -> Vec<Person> {
        let handles: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
        futures_util::future::join_all(handles.iter().map(|handle| self.register(handle))).await
    }
}

impl Person {
    /// Makes a room of theirs, and returns its id.
    pub async fn create_room(&self, kind: &str, name: &str) -> String {
        let body = json!({ "kind": kind, "name": name });
        let room = self.http.post("/api/v1/rooms", body).await.expect(201).json();
        room["room"].as_str().unwrap_or_else(|| panic!("no room in {room}")).to_owned()
    }

    /// Enters a room.
    pub async fn enter(&self, room: &str) {
        self.http.post(&format!("/api/v1/rooms/{room}/enter"), json!({})).await.expect(200);
    }

    /// Sends a message over REST.
    pub async fn send(&self, room: &str, client_msg_id: &str, text: &str) -> Reply {
        let body = json!({ "client_msg_id": client_msg_id, "text": text });
        self.http.post(&format!("/api/v1/rooms/{room}/messages"), body).await
    }

    /// All of a room's log, read page by page.
    pub async fn log(&self, room: &str) -> Vec<Value> {
        let mut entries: Vec<Value> = Vec::new();
        loop {
            let after = entries.last().map_or(0, seq);
            let path = format!("/api/v1/rooms/{room}/log?after={after}&limit=200");
            let page = self.http.get(&path).await.expect(200).json();
            let page = page["entries"].as_array().unwrap_or_else(|| panic!("no entries in {page}"));
            if page.is_empty() {
                return entries;
            }
            entries.extend_from_slice(page);
        }
    }
}

/// The place of an entry or an event in its room's log.
pub fn seq(entry: &Value) -> u64 {
    entry["seq"].as_u64().unwrap_or_else(|| panic!("no seq in {entry}"))
}
