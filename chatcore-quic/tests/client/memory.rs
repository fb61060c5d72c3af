//! A link to a chat in the same process, that can be cut.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::attachment::blobs::MemoryBlobs;
use chatcore::bus::{Bus, MemoryBus};
use chatcore::connection::Connection;
use chatcore::id::{RoomId, SessionId, UserId};
use chatcore::limits::Limits;
use chatcore::protocol::Wire;
use chatcore::protocol::frame::{ClientFrame, Received};
use chatcore::protocol::session::Config;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore::testing::{MemorySender, memory_transport};
use chatcore_quic::client::link::{Ended, Incoming, Link, LinkError, LinkReceiver, LinkSender};
use chatcore_quic::client::{Client, ClientBuilder};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// Takes every token for the name of its user; `nobody` is nobody's.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        if token == "nobody" {
            return Err(AccountError::Unauthenticated);
        }
        let user = UserId::parse(token).map_err(|_| AccountError::Unauthenticated)?;
        let session = SessionId::parse(&format!("s-{token}")).ok();
        Ok(Identity { user, session, expires_at: None })
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

pub(crate) async fn chat_with(change: impl FnOnce(&mut Limits)) -> Chat {
    let mut limits = Limits::default();
    limits.turns_per_user = None;
    change(&mut limits);
    let chat = Chat::builder(Arc::new(MemoryStore::new())).limits(limits);
    chat.authenticator(Arc::new(ByName)).build().await.expect("memory opens")
}

pub(crate) async fn chat() -> Chat {
    chat_with(|_| {}).await
}

/// One of several servers of a chat: they share all that is kept.
pub(crate) async fn node(
    store: Arc<MemoryStore>,
    bus: Arc<MemoryBus>,
    blobs: Arc<MemoryBlobs>,
) -> Chat {
    let mut limits = Limits::default();
    limits.turns_per_user = None;
    let bus: Arc<dyn Bus> = bus;
    let chat = Chat::builder(store).bus(bus).blobs(blobs).limits(limits);
    chat.authenticator(Arc::new(ByName)).build().await.expect("memory opens")
}

/// A public room of these people.
pub(crate) async fn room_of(chat: &Chat, people: &[&str]) -> RoomId {
    let owner = chat.as_user(&user(people[0]));
    let room = owner.create_room(NewRoom::public("room")).await.expect("made").room;
    for name in &people[1..] {
        chat.as_user(&user(name)).enter(&room).await.expect("entered");
    }
    room
}

/// Cuts the links of one client.
#[derive(Clone, Debug)]
pub(crate) struct Scissors(Arc<watch::Sender<u64>>);

impl Default for Scissors {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Scissors {
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    pub(crate) fn cut(&self) {
        self.0.send_modify(|cuts| *cuts += 1);
    }
}

/// The way to a chat in this process.
#[derive(Debug)]
pub(crate) struct MemoryLink {
    chat: Chat,
    wire: Wire,
    config: Arc<Config>,
    scissors: Scissors,
}

pub(crate) struct Receiver(mpsc::Receiver<Result<Incoming, Ended>>);
pub(crate) struct Sender(MemorySender, watch::Receiver<u64>);

impl MemoryLink {
    pub(crate) fn new(chat: &Chat, wire: Wire) -> (Self, Scissors) {
        let scissors = Scissors::default();
        let config = Arc::new(Config::default());
        (Self { chat: chat.clone(), wire, config, scissors: scissors.clone() }, scissors)
    }
}

impl Link for MemoryLink {
    type Sender = Sender;
    type Receiver = Receiver;

    async fn open(&self) -> Result<(Sender, Receiver), LinkError> {
        let (transport, mut peer) = memory_transport(self.wire, 1 << 14);
        let connection = Connection::new(self.chat.clone(), transport, Arc::clone(&self.config));
        tokio::spawn(connection.run());
        let sender = peer.sender();
        let cuts = self.scissors.0.subscribe();
        let mut cut = cuts.clone();
        let (forward, incoming) = mpsc::channel(4);
        tokio::spawn(async move {
            let reading = async {
                while let Some(frame) = peer.next().await {
                    let Value::Object(frame) = frame else { panic!("no map: {frame}") };
                    let frame = Received::read(frame).expect("a frame");
                    if forward.send(Ok(Incoming::Frame(frame))).await.is_err() {
                        return;
                    }
                }
                let _ = forward.send(Err(Ended { code: peer.closed() })).await;
            };
            tokio::select! {
                () = reading => {}
                _ = cut.changed() => {}
            }
        });
        Ok((Sender(sender, cuts), Receiver(incoming)))
    }
}

/// A link at whose other end is nobody: what is said is taken, and never answered.
pub(crate) fn to_nobody() -> (Sender, Receiver) {
    let (transport, peer) = memory_transport(Wire::Quic, 1 << 14);
    let (sender, cuts) = (peer.sender(), Scissors::default().subscribe());
    let (forward, incoming) = mpsc::channel(1);
    tokio::spawn(async move {
        let _held = (transport, peer, forward);
        std::future::pending::<()>().await
    });
    (Sender(sender, cuts), Receiver(incoming))
}

impl LinkSender for Sender {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        let cut = self.1.has_changed().unwrap_or(true);
        if cut || !self.0.send(frame).await {
            return Err(LinkError::new("cut"));
        }
        Ok(())
    }

    async fn close(self) {}
}

impl LinkReceiver for Receiver {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        self.0.recv().await.unwrap_or(Err(Ended::CUT))
    }
}

/// A client that comes back within milliseconds.
pub(crate) fn quick(name: &str) -> ClientBuilder {
    Client::builder().token(name).backoff(Duration::from_millis(1), Duration::from_millis(8))
}

pub(crate) fn client(chat: &Chat, name: &str) -> (Client, Scissors) {
    let (link, scissors) = MemoryLink::new(chat, Wire::Quic);
    (quick(name).connect(link).expect("sound settings"), scissors)
}
