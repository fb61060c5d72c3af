//! One step of fan-out: a few messages committed in memory, and on their way to a thousand
//! connections, each with a pipe in place of a socket.
//!
//! `cargo bench -p chatcore --features testing --bench fanout`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::connection::Connection;
use chatcore::id::{RoomId, UserId};
use chatcore::limits::Limits;
use chatcore::log::Draft;
use chatcore::protocol::Wire;
use chatcore::protocol::session::Config;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore::testing::{MemoryPeer, memory_transport};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::{Notify, broadcast};

const MEMBERS: u64 = 1_000;
/// What a client may leave unacked, by default.
const WINDOW: u64 = 1_024;

/// Takes a token for the name of a user.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        let user = UserId::parse(token).map_err(|_| AccountError::Unauthenticated)?;
        Ok(Identity { user, session: None, expires_at: None })
    }
}

/// A room, and everybody in it.
struct Hall {
    chat: Chat,
    room: RoomId,
    /// Frames that have come to anybody.
    heard: Arc<AtomicU64>,
    /// There are as many as are waited for.
    all: Arc<Notify>,
    /// How many are waited for.
    wanted: Arc<AtomicU64>,
    /// Tells all clients to ack up to a place.
    acks: broadcast::Sender<u64>,
    sent: u64,
    acked: u64,
}

impl Hall {
    async fn open() -> Self {
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        let chat = Chat::builder(Arc::new(MemoryStore::new()))
            .limits(limits)
            .authenticator(Arc::new(ByName))
            .build()
            .await
            .expect("memory opens");
        let owner = UserId::parse("owner").expect("a sound id");
        let made = chat.as_user(&owner).create_room(NewRoom::public("hall")).await;
        let hall = Self {
            chat,
            room: made.expect("it is made").room,
            heard: Arc::default(),
            all: Arc::default(),
            wanted: Arc::new(AtomicU64::new(u64::MAX)),
            acks: broadcast::channel(16).0,
            sent: 0,
            acked: 0,
        };
        for number in 0..MEMBERS {
            hall.come_in(&format!("member-{number}")).await;
        }
        hall
    }

    async fn come_in(&self, name: &str) {
        let (transport, mut peer) = memory_transport(Wire::WebSocketJson, 256 << 10);
        let connection = Connection::new(self.chat.clone(), transport, Arc::new(Config::default()));
        tokio::spawn(connection.run());
        peer.send(&json!({ "op": "hello", "versions": [1], "token": name, "device": "bench" }))
            .await;
        peer.next_op("welcome").await;
        peer.send(&json!({ "op": "subscribe", "id": 1, "room": self.room.as_str() })).await;
        peer.next_op("result").await;
        let (heard, wanted, all) =
            (Arc::clone(&self.heard), Arc::clone(&self.wanted), Arc::clone(&self.all));
        tokio::spawn(listen(peer, heard, wanted, all, self.acks.subscribe(), self.room.clone()));
    }

    /// Sends `count` messages, and waits until everybody has them.
    async fn step(&mut self, count: u64) {
        self.wanted.store(self.heard.load(Ordering::Relaxed) + count * MEMBERS, Ordering::Relaxed);
        let owner = self.chat.as_user(&UserId::parse("owner").expect("a sound id"));
        let text = "x".repeat(128);
        let pending: Vec<_> = (0..count)
            .map(|_| owner.submit_send(&self.room, Draft::text(text.as_str())).expect("taken in"))
            .collect();
        for pending in pending {
            self.sent += 1;
            pending.outcome().await.expect("sent");
        }
        self.all.notified().await;
    }

    /// Has everybody ack, when half of the window is used up.
    async fn ack(&mut self) {
        if self.sent - self.acked >= WINDOW / 4 {
            self.acked = self.sent;
            // The room's own making and its owner's coming in are the first two entries.
            let _ = self.acks.send(self.sent + 2);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn listen(
    mut peer: MemoryPeer,
    heard: Arc<AtomicU64>,
    wanted: Arc<AtomicU64>,
    all: Arc<Notify>,
    mut acks: broadcast::Receiver<u64>,
    room: RoomId,
) {
    loop {
        tokio::select! {
            frame = peer.pass_over() => {
                if frame.is_none() {
                    return;
                }
                let count = heard.fetch_add(1, Ordering::Relaxed) + 1;
                if count == wanted.load(Ordering::Relaxed) {
                    all.notify_one();
                }
            }
            Ok(seq) = acks.recv() => {
                peer.send(&json!({ "op": "ack", "rooms": { room.as_str(): seq } })).await;
            }
        }
    }
}

fn fanout(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut hall = runtime.block_on(Hall::open());
    let mut group = c.benchmark_group("to 1000 connections");
    for count in [1, 16, 64] {
        group.throughput(Throughput::Elements(count * MEMBERS));
        group.bench_function(format!("{count} messages at once"), |b| {
            b.iter_custom(|turns| {
                let mut took = Duration::ZERO;
                for _ in 0..turns {
                    let began = Instant::now();
                    runtime.block_on(hall.step(count));
                    took += began.elapsed();
                    runtime.block_on(hall.ack());
                }
                took
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = fanout
}
criterion_main!(benches);
