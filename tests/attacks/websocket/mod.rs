//! The protocol over WebSocket, spoken by clients that do not keep to it.

mod bounds;
mod endings;
mod frames;
mod hidden;
mod opening;
mod resume;

use std::time::Duration;

use chatcore_tests::{Encoding, PATIENCE, Person};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::site::Site;

/// A WebSocket that answers nothing, acks nothing and checks nothing by itself.
#[derive(Debug)]
struct Bare {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
}

impl Bare {
    /// Past the upgrade.
    async fn open(site: &Site, encoding: Encoding) -> Self {
        let mut request = format!("ws://{}/ws", site.address).into_client_request().unwrap();
        let protocol = encoding.subprotocol().parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { socket, encoding }
    }

    /// Past the `hello`.
    async fn welcomed(site: &Site, person: &Person) -> Self {
        let mut bare = Self::open(site, Encoding::Json).await;
        bare.say(json!({ "op": "hello", "versions": [1], "token": person.token, "device": "d" }))
            .await;
        assert_eq!(bare.hear().await["op"], "welcome");
        bare
    }

    async fn say(&mut self, frame: Value) {
        let message = match self.encoding {
            Encoding::Json => Message::text(frame.to_string()),
            Encoding::Msgpack => Message::binary(rmp_serde::to_vec_named(&frame).unwrap()),
        };
        self.post(message).await;
    }

    /// That the other side has gone is for the next reading to find out.
    async fn post(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// The next frame.
    async fn hear(&mut self) -> Value {
        match self.next().await {
            Next::Frame(frame) => frame,
            Next::Closed(code) => panic!("closed with {code:?}"),
        }
    }

    /// The answer to the request of this id; what comes before it is passed over.
    async fn answer(&mut self, id: u64) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["id"] == id {
                return frame;
            }
        }
    }

    async fn next(&mut self) -> Next {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("something comes in time") {
                Some(Ok(Message::Text(text))) => {
                    return Next::Frame(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Binary(bytes))) => {
                    return Next::Frame(rmp_serde::from_slice(&bytes).unwrap());
                }
                Some(Ok(Message::Close(close))) => {
                    return Next::Closed(close.map(|close| close.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Next::Closed(None),
            }
        }
    }

    /// How the server ends it; frames before that are passed over.
    async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Next::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// That the connection still serves, in order: the answer to a ping comes.
    async fn lives(&mut self) {
        let ts = 4711;
        self.say(json!({ "op": "ping", "ts": ts })).await;
        loop {
            let frame = self.hear().await;
            if frame["op"] == "pong" && frame["ts"] == ts {
                return;
            }
        }
    }
}

#[derive(Debug)]
enum Next {
    Frame(Value),
    Closed(Option<u16>),
}

/// Waits until `done`, which something outside of this task brings about.
async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes about in time");
}
