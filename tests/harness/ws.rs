//! A WebSocket client of the native protocol, which shares no code with the server: frames are plain
//! values, encoded by the formats' own crates.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{PATIENCE, Person};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `chatcore.v1.json`, in text frames.
    Json,
    /// `chatcore.v1.msgpack`, in binary frames.
    Msgpack,
}

impl Encoding {
    /// The name of the subprotocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "chatcore.v1.json",
            Self::Msgpack => "chatcore.v1.msgpack",
        }
    }

    fn encode(self, frame: &Value) -> Message {
        match self {
            Self::Json => Message::text(frame.to_string()),
            Self::Msgpack => {
                Message::binary(rmp_serde::to_vec_named(frame).expect("any value can be written"))
            }
        }
    }

    /// # Panics
    /// If the message is not of this encoding: a text frame in a binary conversation, say.
    fn decode(self, message: &Message) -> Value {
        match (self, message) {
            (Self::Json, Message::Text(text)) => {
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
            }
            (Self::Msgpack, Message::Binary(bytes)) => {
                rmp_serde::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
            }
            _ => panic!("a frame that is not {self:?}: {message:?}"),
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The stable code.
    pub code: String,
    /// The whole `error` frame.
    pub frame: Value,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a close frame: its code and reason.
    Closed(u16, String),
    /// Without one.
    Lost(String),
}

type Replies = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A connection. Requests may be made from several tasks through [`WsClient::handle`]; what is not an
/// answer waits in a queue in the order of its arrival.
///
/// It acks events as they arrive and pings, as a good client does, unless told otherwise.
#[derive(Debug)]
pub struct WsClient {
    handle: Handle,
    frames: mpsc::UnboundedReceiver<Value>,
    ended: Option<oneshot::Receiver<Ended>>,
    reader: tokio::task::JoinHandle<()>,
}

/// Sends on a connection.
#[derive(Clone, Debug)]
pub struct Handle {
    encoding: Encoding,
    out: mpsc::UnboundedSender<Message>,
    replies: Replies,
    next: Arc<std::sync::atomic::AtomicU64>,
}

/// How a connection is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ack events as they arrive.
    pub ack: bool,
    /// Headers of the upgrade.
    pub headers: Vec<(String, String)>,
    /// The path that upgrades.
    pub path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { ack: true, headers: Vec::new(), path: "/ws".to_owned() }
    }
}

impl WsClient {
    /// Opens a connection, and sends nothing yet.
    pub async fn open(address: SocketAddr, encoding: Encoding) -> Self {
        let opened = Self::open_with(address, encoding, Options::default()).await;
        opened.unwrap_or_else(|error| panic!("no WebSocket: {error}"))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the server refuses the upgrade: then the error holds its answer.
    pub async fn open_with(
        address: SocketAddr,
        encoding: Encoding,
        options: Options,
    ) -> Result<Self, Box<Error>> {
        let request = upgrade(address, encoding, &options);
        let (socket, response) = tokio_tungstenite::connect_async_with_config(request, None, true)
            .await
            .map_err(Box::new)?;
        let agreed = response.headers().get("sec-websocket-protocol");
        let agreed = agreed.and_then(|value| value.to_str().ok());
        assert_eq!(agreed, Some(encoding.subprotocol()), "the subprotocol is agreed on");

        let (out, outgoing) = mpsc::unbounded_channel();
        let (frames_in, frames) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let handle = Handle { encoding, out, replies: Replies::default(), next: Arc::default() };
        let pump = Pump {
            socket,
            encoding,
            outgoing,
            frames: frames_in,
            replies: handle.replies.clone(),
            ack: options.ack,
            unacked: HashMap::new(),
            welcomed: false,
        };
        let reader = tokio::spawn(async move {
            let _ = end.send(pump.run().await);
        });
        Ok(Self { handle, frames, ended: Some(ended), reader })
    }

    /// Says who is there, and returns the `welcome`.
    pub async fn hello(&mut self, person: &Person) -> Value {
        self.hello_with(person, json!({})).await
    }

    /// Says who is there, with further fields of the `hello`.
    pub async fn hello_with(&mut self, person: &Person, fields: Value) -> Value {
        let hello = json!({ "versions": [1], "token": person.token, "device": "harness" });
        self.handle.post("hello", merged(hello, fields));
        self.next("welcome").await
    }

    /// To send through from elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Asks for something, and returns the `result`.
    pub async fn request(&self, op: &str, fields: Value) -> Value {
        self.handle.request(op, fields).await
    }

    /// Asks for something, and returns whichever answer comes.
    ///
    /// # Errors
    /// The `error` frame.
    pub async fn try_request(&self, op: &str, fields: Value) -> Result<Value, Refusal> {
        self.handle.try_request(op, fields).await
    }

    /// The next frame that is not an answer, whatever it is.
    pub async fn next_frame(&mut self) -> Value {
        let next = tokio::time::timeout(PATIENCE, self.frames.recv()).await;
        next.expect("a frame comes in time").expect("the connection is open")
    }

    /// The next frame of this op; those before it are passed over.
    pub async fn next(&mut self, op: &str) -> Value {
        let wanted = async {
            loop {
                match self.frames.recv().await {
                    Some(frame) if frame["op"] == op => return Some(frame),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wanted).await {
            Ok(Some(frame)) => frame,
            Ok(None) => panic!("the connection ended before a {op}: {:?}", self.end_now()),
            Err(_) => panic!("no {op} came within {PATIENCE:?}"),
        }
    }

    /// The next event of this room and kind; frames before it are passed over.
    pub async fn next_event(&mut self, room: &str, kind: &str) -> Value {
        loop {
            let event = self.next("event").await;
            if event["room"] == room && event["kind"] == kind {
                return event;
            }
        }
    }

    /// The next event of this room, or `None` if there is a gap instead; other frames are passed over.
    pub async fn next_event_or_gap(&mut self, room: &str) -> Option<Value> {
        loop {
            let frame = self.next_frame().await;
            match frame["op"].as_str() {
                Some("event") if frame["room"] == room => return Some(frame),
                Some("gap") if frame["room"] == room => return None,
                _ => {}
            }
        }
    }

    /// A frame that is there already or comes within `patience`; `None` if the connection ended or
    /// nothing came.
    pub async fn frame_within(&mut self, patience: Duration) -> Option<Value> {
        tokio::time::timeout(patience, self.frames.recv()).await.ok().flatten()
    }

    /// The next frame that is not an answer; none once the connection has ended. Cancel-safe.
    pub async fn frame(&mut self) -> Option<Value> {
        self.frames.recv().await
    }

    /// Waits until the server ends the connection, and returns how.
    pub async fn ended(mut self) -> Ended {
        let ended = self.ended.take().expect("only this takes it");
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => panic!("the client's own task ended"),
            Err(_) => panic!("the connection is still open after {PATIENCE:?}"),
        }
    }

    fn end_now(&mut self) -> Option<Ended> {
        self.ended.as_mut().and_then(|ended| ended.try_recv().ok())
    }

    /// Closes the connection in order.
    pub async fn close(self) {
        let _ = self.handle.out.send(Message::Close(None));
        let _ = self.ended().await;
    }

    /// Lets go of the connection in the middle of whatever it does.
    pub fn cut(self) {}
}

impl Drop for WsClient {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Handle {
    /// Asks for something, and returns the `result`.
    pub async fn request(&self, op: &str, fields: Value) -> Value {
        let answer = self.try_request(op, fields).await;
        answer.unwrap_or_else(|refusal| panic!("{op} was refused: {}", refusal.frame))
    }

    /// Asks for something, and returns whichever answer comes.
    ///
    /// # Errors
    /// The `error` frame.
    pub async fn try_request(&self, op: &str, fields: Value) -> Result<Value, Refusal> {
        let answer = self.ask(op, fields).await.expect("the connection holds until the answer");
        match answer["op"].as_str() {
            Some("result") => Ok(answer),
            _ => Err(Refusal {
                code: answer["code"].as_str().unwrap_or_default().to_owned(),
                frame: answer,
            }),
        }
    }

    /// Asks for something; `None` if the connection ended before the answer.
    pub async fn ask(&self, op: &str, fields: Value) -> Option<Value> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let (reply, answer) = oneshot::channel();
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(id, reply);
        if !self.try_post(op, merged(json!({ "id": id }), fields)) {
            return None;
        }
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.unwrap_or_else(|_| panic!("no answer to {op} within {PATIENCE:?}")).ok()
    }

    /// Sends a frame that has no answer.
    pub fn post(&self, op: &str, fields: Value) {
        // If the connection has ended, whoever waits for what follows will see that.
        let _ = self.try_post(op, fields);
    }

    fn try_post(&self, op: &str, fields: Value) -> bool {
        let frame = merged(json!({ "op": op }), fields);
        self.out.send(self.encoding.encode(&frame)).is_ok()
    }

    /// Sends bytes of any form: what no client should send.
    pub fn post_raw(&self, message: Message) {
        let _ = self.out.send(message);
    }
}

fn merged(mut base: Value, fields: Value) -> Value {
    let (Value::Object(into), Value::Object(from)) = (&mut base, fields) else {
        panic!("fields are an object");
    };
    into.extend(from);
    base
}

fn upgrade(address: SocketAddr, encoding: Encoding, options: &Options) -> Request<()> {
    let url = format!("ws://{address}{}", options.path);
    let mut request = url.into_client_request().expect("a sound URL");
    let headers = request.headers_mut();
    let protocol = encoding.subprotocol().parse().expect("a sound header");
    headers.insert("sec-websocket-protocol", protocol);
    for (name, value) in &options.headers {
        let name: reqwest::header::HeaderName = name.parse().expect("a sound name");
        headers.insert(name, value.parse().expect("a sound value"));
    }
    request
}

/// Moves frames between a socket and the queues.
struct Pump {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
    outgoing: mpsc::UnboundedReceiver<Message>,
    frames: mpsc::UnboundedSender<Value>,
    replies: Replies,
    ack: bool,
    /// Per room, how many events have come since the last ack.
    unacked: HashMap<String, u32>,
    welcomed: bool,
}

impl Drop for Pump {
    /// Whoever still waits for an answer learns that none comes; whoever asks from now on, at once.
    fn drop(&mut self) {
        self.outgoing.close();
        self.replies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Events of one room between two acks: below half of any window.
const ACK_EVERY: u32 = 16;

impl Pump {
    async fn run(mut self) -> Ended {
        let mut pings = tokio::time::interval(Duration::from_secs(10));
        loop {
            let sent = tokio::select! {
                incoming = self.socket.next() => match incoming {
                    Some(Ok(message)) => match self.take(message).await {
                        Some(ended) => return ended,
                        None => Ok(()),
                    },
                    Some(Err(error)) => return Ended::Lost(error.to_string()),
                    None => return Ended::Lost("the stream ended".to_owned()),
                },
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(message) => self.send(message).await,
                    None => return Ended::Lost("this client is gone".to_owned()),
                },
                _ = pings.tick(), if self.welcomed => {
                    let ping = json!({ "op": "ping", "ts": 0 });
                    self.socket.send(self.encoding.encode(&ping)).await
                }
            };
            if let Err(error) = sent {
                return self.last_words(error).await;
            }
        }
    }

    async fn send(&mut self, first: Message) -> Result<(), Error> {
        self.socket.feed(first).await?;
        while let Ok(message) = self.outgoing.try_recv() {
            self.socket.feed(message).await?;
        }
        self.socket.flush().await
    }

    /// What the server had said before it stopped listening.
    async fn last_words(&mut self, error: Error) -> Ended {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Some(ended) = self.take(message).await {
                return ended;
            }
        }
        Ended::Lost(error.to_string())
    }

    async fn take(&mut self, message: Message) -> Option<Ended> {
        match message {
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
            Message::Close(close) => {
                // The answer to it is written by the next read.
                let _ = self.socket.flush().await;
                return Some(match close {
                    Some(close) => Ended::Closed(close.code.into(), close.reason.to_string()),
                    None => Ended::Closed(CloseCode::Status.into(), String::new()),
                });
            }
            Message::Text(_) | Message::Binary(_) => {}
        }
        let frame = self.encoding.decode(&message);
        if let (Some("result" | "error"), Some(id)) = (frame["op"].as_str(), frame["id"].as_u64()) {
            let waiting = self.replies.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            match waiting {
                Some(waiting) => drop(waiting.send(frame)),
                None => panic!("a second answer to one request: {frame}"),
            }
            return None;
        }
        match frame["op"].as_str() {
            Some("welcome") => self.welcomed = true,
            Some("event") if self.ack => self.acked(&frame).await,
            // The answer to this client's own sign of life.
            Some("pong") if frame["ts"] == 0 => return None,
            _ => {}
        }
        let _ = self.frames.send(frame);
        None
    }

    async fn acked(&mut self, event: &Value) {
        let room = event["room"].as_str().unwrap_or_default();
        let count = self.unacked.entry(room.to_owned()).or_default();
        *count += 1;
        if *count >= ACK_EVERY {
            *count = 0;
            let ack = json!({ "op": "ack", "rooms": { room: event["seq"] } });
            let _ = self.socket.send(self.encoding.encode(&ack)).await;
        }
    }
}
