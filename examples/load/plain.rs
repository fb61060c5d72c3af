//! The straightforward way, to compare with: a QUIC server that keeps nothing, in which a task for
//! each member waits for the room's messages and writes each to its stream with `write_all`.
//!
//! It understands as much of the protocol as this generator speaks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chatcore_quic::Certificate;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::fault::Fault;
use crate::options::Plain;

/// Messages that a member may be behind before some are dropped.
const BEHIND: usize = 4096;

const EPOCH: &str = "0000000000000000000000";
const USER: &str = "0123456789abcdefghijkl";
const MESSAGE: &str = "0123456789abcdefghijkl";

#[derive(Default)]
struct Rooms {
    rooms: Mutex<HashMap<String, Arc<Room>>>,
    made: AtomicU64,
}

struct Room {
    seq: AtomicU64,
    messages: broadcast::Sender<Bytes>,
}

/// Serves until it is stopped.
pub(crate) async fn run(options: &Plain) -> Result<(), Fault> {
    let fault = |e: &dyn std::error::Error| Fault::new(e.to_string());
    let certificate = Certificate::self_signed().map_err(|e| fault(&e))?;
    println!("QUIC on {}, fingerprint {}", options.quic, certificate.fingerprint());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| fault(&e))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificate));
    tls.alpn_protocols = vec![chatcore_quic::ALPN.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(|e| fault(&e))?;
    let endpoint = Endpoint::server(ServerConfig::with_crypto(Arc::new(crypto)), options.quic)?;
    let accounts = TcpListener::bind(options.http).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = accounts.accept().await {
            tokio::spawn(account(stream));
        }
    });
    let rooms = Arc::new(Rooms::default());
    while let Some(incoming) = endpoint.accept().await {
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                // A connection that breaks is over.
                let _ = serve(&connection, &rooms).await;
            }
        });
    }
    Ok(())
}

/// Makes an account, which is nothing but the answer that says so.
async fn account(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    let body = r#"{"session_token":"plain"}"#;
    let head = format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

async fn serve(connection: &Connection, rooms: &Rooms) -> Result<(), Box<dyn std::error::Error>> {
    let (mut answers, mut requests) = connection.accept_bi().await?;
    loop {
        let request = read(&mut requests).await?;
        let room = request["room"].as_str().unwrap_or_default();
        let answer = match request["op"].as_str() {
            Some("hello") => json!({ "op": "welcome", "limits": { "window": 1024 } }),
            Some("create_room") => {
                json!({ "op": "result", "id": request["id"], "room": rooms.make() })
            }
            Some("enter") => json!({ "op": "result", "id": request["id"] }),
            Some("subscribe") => {
                if let Some(room) = rooms.get(room) {
                    tokio::spawn(tell(connection.open_uni().await?, room.messages.subscribe()));
                }
                json!({ "op": "result", "id": request["id"] })
            }
            Some("send") => match rooms.get(room) {
                Some(told) => {
                    let seq = told.seq.fetch_add(1, Ordering::Relaxed) + 1;
                    // As long as one of chatcore's.
                    let event = json!({ "op": "event", "room": room, "epoch": EPOCH, "seq": seq,
                        "n": seq, "kind": "message", "user": USER, "ts": 1_700_000_000_000_u64,
                        "client_msg_id": request["client_msg_id"], "message_id": MESSAGE,
                        "text": request["text"] });
                    // Fails only if nobody listens.
                    let _ = told.messages.send(frame(&event));
                    json!({ "op": "result", "id": request["id"], "seq": seq })
                }
                None => json!({ "op": "error", "id": request["id"], "code": "not_found" }),
            },
            _ => continue,
        };
        answers.write_all(&frame(&answer)).await?;
    }
}

/// What is compared with: each message, to each member, by itself.
async fn tell(mut stream: SendStream, mut messages: broadcast::Receiver<Bytes>) {
    while let Ok(message) = messages.recv().await {
        if stream.write_all(&message).await.is_err() {
            return;
        }
    }
}

async fn read(requests: &mut RecvStream) -> Result<Value, Box<dyn std::error::Error>> {
    let length = requests.read_u32().await?;
    let mut bytes = vec![0; length as usize];
    requests.read_exact(&mut bytes).await?;
    Ok(rmp_serde::from_slice(&bytes)?)
}

fn frame(value: &Value) -> Bytes {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, value).expect("JSON goes into MessagePack");
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.into()
}

impl Rooms {
    fn make(&self) -> String {
        let room = format!("room{}", self.made.fetch_add(1, Ordering::Relaxed));
        let (messages, _) = broadcast::channel(BEHIND);
        let made = Arc::new(Room { seq: AtomicU64::new(0), messages });
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).insert(room.clone(), made);
        room
    }

    fn get(&self, room: &str) -> Option<Arc<Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).get(room).cloned()
    }
}
