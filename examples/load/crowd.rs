//! People to put load on a server with: accounts, connections, rooms.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::http;
use crate::link::{Frame, Link, Sender};
use crate::options::Server;
use crate::quic::Quic;
use crate::websocket::WebSocket;

/// Connections that are opened at the same time.
const AT_ONCE: usize = 64;
/// Accounts that are made at the same time: each takes a password's worth of the server's time.
const REGISTERED_AT_ONCE: usize = 2;
/// How long the server may take to answer while nothing else goes on.
const PATIENCE: Duration = Duration::from_secs(30);
/// Each connection says so often that it is there: the server expects it every 25 s.
const PING_EVERY: u64 = 15;
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Everybody of one run.
pub(crate) struct Crowd {
    /// A number that no other run has.
    pub(crate) run: u32,
    address: SocketAddr,
    transport: Transport,
    tokens: Vec<String>,
    senders: Rc<RefCell<Vec<Weak<dyn Sender>>>>,
}

/// What carries the frames.
enum Transport {
    WebSocket(Rc<WebSocket>),
    Quic(Quic),
}

/// One connection, past its `hello`.
pub(crate) struct Client {
    pub(crate) link: Link,
    /// Unacked events per room that the server sends.
    pub(crate) window: u32,
    next: Cell<u64>,
}

impl Crowd {
    /// Makes the accounts.
    ///
    /// # Errors
    /// If the server does not make them.
    pub(crate) async fn gather(server: &Server) -> Result<Self, Fault> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let run = since.as_millis() as u32 ^ std::process::id().rotate_right(8);
        let address = server.url.0;
        let tokens = iter(0..server.accounts)
            .map(async |number| http::register(address, &format!("load{run:08x}n{number}")).await)
            .buffered(REGISTERED_AT_ONCE)
            .try_collect()
            .await?;
        let senders = Rc::default();
        tokio::task::spawn_local(keep_alive(Rc::clone(&senders)));
        let transport = match (server.quic, server.pin.clone()) {
            (Some(address), Some(pin)) => Transport::Quic(Quic::new(address, pin)?),
            _ => Transport::WebSocket(WebSocket::new()),
        };
        Ok(Self { run, address, transport, tokens, senders })
    }

    /// Opens a connection; its number chooses the account.
    ///
    /// # Errors
    /// If the server does not let it in.
    pub(crate) async fn connect(&self, number: u32) -> Result<Client, Fault> {
        self.connect_with(number, json!({})).await
    }

    /// The same, with further fields of the `hello`.
    pub(crate) async fn connect_with(&self, number: u32, more: Value) -> Result<Client, Fault> {
        let link = match &self.transport {
            Transport::WebSocket(websocket) => websocket.open(self.address).await?,
            Transport::Quic(quic) => quic.open().await?,
        };
        let mut client = Client { link, window: 0, next: Cell::new(1 << 40) };
        let token = &self.tokens[number as usize % self.tokens.len()];
        let mut hello = json!({ "op": "hello", "versions": [1], "token": token, "device": format!("load-{number}") });
        if let (Some(hello), Some(more)) = (hello.as_object_mut(), more.as_object()) {
            hello.extend(more.clone());
        }
        client.link.sender.send(&hello.to_string());
        let welcome = client.wait(|frame| match frame {
            Frame::Other { whole } => {
                parsed(whole).filter(|frame| frame["op"] == "welcome").map(Ok)
            }
            Frame::Refused { whole, .. } => Some(Err(refused("hello", whole))),
            _ => None,
        });
        let welcome = welcome.await??;
        client.window = welcome["limits"]["window"].as_u64().map_or(64, |window| window as u32);
        self.senders.borrow_mut().push(Rc::downgrade(&client.link.sender));
        Ok(client)
    }

    /// Opens `count` connections and brings number `n` into `rooms[n / each]`.
    ///
    /// # Errors
    /// If one of them is not let in.
    pub(crate) async fn fill(&self, rooms: &[String], each: u32) -> Result<Vec<Client>, Fault> {
        let count = rooms.len() as u32 * each;
        let (started, told, done) = (Instant::now(), Cell::new(Instant::now()), Cell::new(0_u32));
        let clients = iter(0..count)
            .map(async |number| {
                let mut client = self.connect(number).await?;
                let room = &rooms[(number / each) as usize];
                client.subscribe(room, None).await?;
                done.set(done.get() + 1);
                if told.get().elapsed() >= TOLD_EVERY {
                    told.set(Instant::now());
                    eprintln!("       {} of {count} connections", done.get());
                }
                Ok::<_, Fault>(client)
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let took = started.elapsed().as_secs_f64();
        eprintln!("       {count} connections in {took:.1} s");
        Ok(clients)
    }

    /// Makes rooms of which each is to have `each` connections, and lets their accounts in.
    ///
    /// That comes before the connections, because all connections of an account are told of every
    /// room that it enters.
    ///
    /// # Errors
    /// If the server does not.
    pub(crate) async fn make_rooms(&self, count: u32, each: u32) -> Result<Vec<String>, Fault> {
        let mut host = self.connect(0).await?;
        let mut rooms = Vec::new();
        for number in 0..count {
            let name = format!("load {number}");
            let made = host.ask("create_room", json!({ "kind": "public", "name": name })).await?;
            let room = made["room"].as_str();
            rooms.push(room.ok_or_else(|| Fault::new(format!("no room in {made}")))?.to_owned());
        }
        let accounts = self.tokens.len() as u32;
        let entered = iter(0..accounts).map(async |account| {
            let mut client = self.connect(account).await?;
            for (number, room) in rooms.iter().enumerate() {
                // The accounts of `each` connections in a row.
                let first = number as u32 * each % accounts;
                if (account + accounts - first) % accounts < each {
                    client.enter(room).await?;
                }
            }
            Ok::<_, Fault>(())
        });
        entered.buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
        Ok(rooms)
    }
}

impl Client {
    /// Asks for something, and waits for the result. What comes before it is passed over.
    ///
    /// # Errors
    /// If it is refused, or does not come.
    pub(crate) async fn ask(&mut self, op: &str, fields: Value) -> Result<Value, Fault> {
        let id = self.next.replace(self.next.get() + 1);
        let mut request = json!({ "op": op, "id": id });
        if let (Some(request), Some(fields)) = (request.as_object_mut(), fields.as_object()) {
            request.extend(fields.clone());
        }
        self.link.sender.send(&request.to_string());
        let answer = self.wait(|frame| match frame {
            Frame::Done { id: of, whole, .. } if of == id => parsed(whole).map(Ok),
            Frame::Refused { whole, .. } => Some(Err(refused(op, whole))),
            _ => None,
        });
        answer.await?
    }

    pub(crate) async fn enter(&mut self, room: &str) -> Result<(), Fault> {
        self.ask("enter", json!({ "room": room })).await.map(|_| ())
    }

    pub(crate) async fn subscribe(
        &mut self,
        room: &str,
        since: Option<Value>,
    ) -> Result<Value, Fault> {
        let mut fields = json!({ "room": room });
        if let Some(since) = since {
            fields["since"] = since;
        }
        self.ask("subscribe", fields).await
    }

    /// Reads until `found` has found what it looks for.
    pub(crate) async fn wait<T>(
        &mut self,
        mut found: impl FnMut(Frame<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let reading = async {
            let mut result = None;
            while result.is_none() {
                let each = |frame: Frame<'_>| {
                    if result.is_none() {
                        result = found(frame);
                    }
                };
                self.link.receive(each).await.map_err(|ended| Fault::new(ended.to_string()))?;
            }
            result.ok_or_else(|| Fault::new("nothing was found"))
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.map_err(|_| Fault::new(format!("the server said nothing for {PATIENCE:?}")))?
    }
}

/// A frame as a value; none if it is no JSON.
pub(crate) fn parsed(whole: &[u8]) -> Option<Value> {
    serde_json::from_slice(whole).ok()
}

fn refused(op: &str, whole: &[u8]) -> Fault {
    let said = String::from_utf8_lossy(whole);
    let limited = ["rate_limited", "limit_reached"].iter().any(|code| said.contains(code));
    let hint = if limited { ": start the server with `--limits off`" } else { "" };
    Fault::new(format!("the server refused `{op}`{hint}: {said}"))
}

/// Sends a ping on every connection now and then, some each second.
async fn keep_alive(senders: Rc<RefCell<Vec<Weak<dyn Sender>>>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for turn in 0_u64.. {
        ticks.tick().await;
        senders.borrow_mut().retain(|sender| sender.strong_count() > 0);
        for (number, sender) in senders.borrow().iter().enumerate() {
            if (number as u64 + turn).is_multiple_of(PING_EVERY)
                && let Some(sender) = sender.upgrade()
            {
                sender.send(r#"{"op":"ping","ts":0}"#);
            }
        }
    }
}
