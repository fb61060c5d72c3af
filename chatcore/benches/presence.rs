//! What it costs that people come and go in a room of 10,000: a measurement, not a comparison. It runs
//! for three minutes: one in which nobody comes or goes, one in which 1,000 do in turn, and one in which 500 go and
//! then as many come, which is as often as a crowd is told of anything.
//!
//! `cargo bench -p chatcore --features testing --bench presence`

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::connection::Connection;
use chatcore::id::{RoomId, UserId};
use chatcore::limits::Limits;
use chatcore::protocol::Wire;
use chatcore::protocol::session::Config;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;
use chatcore::testing::{MemoryPeer, memory_transport};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

const MEMBERS: u64 = 10_000;
/// So many come or go within the minute.
const MOVES: u32 = 1_000;
const WINDOW: Duration = Duration::from_secs(60);

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

/// What reached all clients together.
#[derive(Debug, Default)]
struct Heard {
    frames: AtomicU64,
    bytes: AtomicU64,
}

struct Hall {
    chat: Chat,
    room: RoomId,
    config: Arc<Config>,
    heard: Arc<Heard>,
    there: VecDeque<JoinHandle<()>>,
    came: u64,
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
        let room = made.expect("it is made").room;
        // Signs of life would be most of what an idle client costs.
        let mut config = Config::default();
        config.heartbeat = Duration::from_secs(3600);
        let mut hall = Self {
            chat,
            room,
            config: Arc::new(config),
            heard: Arc::default(),
            there: VecDeque::new(),
            came: 0,
        };
        for _ in 0..MEMBERS + u64::from(MOVES) {
            let name = UserId::parse(&format!("member-{}", hall.came)).expect("a sound id");
            hall.chat.as_user(&name).enter(&hall.room).await.expect("it is public");
            hall.came += 1;
        }
        hall.came = 0;
        for _ in 0..MEMBERS {
            hall.comes().await;
        }
        hall
    }

    /// The next member connects, and listens.
    async fn comes(&mut self) {
        let (transport, mut peer) = memory_transport(Wire::WebSocketJson, 256 << 10);
        tokio::spawn(Connection::new(self.chat.clone(), transport, self.config.clone()).run());
        let token = format!("member-{}", self.came);
        self.came += 1;
        peer.send(&json!({ "op": "hello", "versions": [1], "token": token, "device": "bench" }))
            .await;
        peer.next_op("welcome").await;
        peer.send(&json!({ "op": "subscribe", "id": 1, "room": self.room.as_str() })).await;
        peer.next_op("result").await;
        self.there.push_back(tokio::spawn(listen(peer, Arc::clone(&self.heard))));
    }

    /// The one who was there for longest is gone.
    fn goes(&mut self) {
        if let Some(client) = self.there.pop_front() {
            client.abort();
        }
    }

    /// Waits for a window in which people come and go, `goes` saying which; prints what that cost.
    async fn measure(&mut self, name: &str, moves: u32, goes: impl Fn(u32) -> bool) {
        let (cpu, frames, bytes) = (processor_time(), self.frames(), self.bytes());
        let began = Instant::now();
        for n in 0..moves {
            sleep_until(began + WINDOW * n / moves).await;
            if goes(n) {
                self.goes();
            } else {
                self.comes().await;
            }
        }
        sleep_until(began + WINDOW).await;
        let cpu = processor_time() - cpu;
        let per_member = |all: u64| all as f64 / MEMBERS as f64;
        println!(
            "{name}, {moves} in {WINDOW:?}: a member was told {:.2} frames, {:.0} B; \
             processor time of server and clients {:.2} s, {:.1} us a member",
            per_member(self.frames() - frames),
            per_member(self.bytes() - bytes),
            cpu.as_secs_f64(),
            per_member(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX)),
        );
    }

    fn frames(&self) -> u64 {
        self.heard.frames.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        self.heard.bytes.load(Ordering::Relaxed)
    }
}

async fn listen(mut peer: MemoryPeer, heard: Arc<Heard>) {
    while let Some(bytes) = peer.pass_over().await {
        heard.frames.fetch_add(1, Ordering::Relaxed);
        heard.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What this process has had of processors, in ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells");
    let fields = stat.rsplit_once(')').expect("a name in brackets").1;
    let tick = |at: usize| fields.split_whitespace().nth(at).and_then(|f| f.parse::<u64>().ok());
    // User and system time, fields 14 and 15 of proc(5).
    let ticks = tick(11).zip(tick(12)).map(|(user, system)| user + system);
    Duration::from_millis(10 * ticks.expect("numbers"))
}

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut hall = Hall::open().await;
        // What their coming is told as is not of the window.
        tokio::time::sleep(Duration::from_secs(15)).await;
        hall.measure("nobody", 0, |_| false).await;
        hall.measure("one goes, one comes", MOVES, |n| n % 2 == 0).await;
        hall.measure("half go, half come", MOVES, |n| n < MOVES / 2).await;
    });
}
