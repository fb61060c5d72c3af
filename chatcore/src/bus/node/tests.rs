//! Several nodes over one store, in one process, on time that only moves when all is quiet.

mod people;
mod properties;
mod rooms;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::account::{NewAccount, NewSession, PasswordParams, PasswordSettings, SignedIn};
use crate::bus::{Bus, MemoryBus, Topic};
use crate::chat::Chat;
use crate::hub::Listener;
use crate::id::{ClientMsgId, RoomId, Seq, UserId};
use crate::log::{Body, Cursor, Draft, Entry};
use crate::room::{MemberAction, NewRoom};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::testing::RuntimeClock;

/// What a poll and the reading that follows it may take.
const POLL: Duration = Duration::from_millis(900);

/// What is told by a hint is there by then: no poll comes so soon.
const AT_ONCE: Duration = Duration::from_millis(20);

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

/// Nodes over one store and one bus.
struct Nodes {
    chats: Vec<Chat>,
    bus: Arc<MemoryBus>,
    store: Arc<MemoryStore>,
}

impl Nodes {
    async fn start(count: usize, bus: MemoryBus) -> Self {
        let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(bus));
        let mut nodes = Self { chats: Vec::new(), bus, store };
        for _ in 0..count {
            nodes.add().await;
        }
        nodes
    }

    async fn add(&mut self) {
        let secret = crate::account::Secret::new(vec![7; 32]).expect("long enough");
        let settings = crate::account::AccountSettings {
            passwords: PasswordSettings { params: PasswordParams::cheap(), ..Default::default() },
            ..Default::default()
        };
        let chat = Chat::builder(Arc::clone(&self.store) as Arc<dyn Store>)
            .bus(Arc::clone(&self.bus) as Arc<dyn Bus>)
            .clock(Arc::new(RuntimeClock::default()))
            .secret(secret)
            .account_settings(settings)
            .build()
            .await
            .expect("it starts");
        self.chats.push(chat);
    }

    /// A room of `members`, the first of whom makes it, on the first node.
    async fn room(&self, members: &[&str]) -> RoomId {
        let new = NewRoom::public("general");
        let owner = self.chats[0].as_user(&user(members[0]));
        let room = owner.create_room(new).await.expect("made").room;
        for member in &members[1..] {
            self.chats[0].as_user(&user(member)).enter(&room).await.expect("entered");
        }
        room
    }

    async fn send(&self, node: usize, who: &str, room: &RoomId, text: &str) -> Seq {
        let caller = self.chats[node].as_user(&user(who));
        caller.send(room, Draft::text(text)).await.expect("sent").seq
    }
}

/// Someone who reads a room from its beginning, or from `after`, and what they were given.
struct Reader {
    seen: Arc<Mutex<Vec<Entry>>>,
    task: JoinHandle<()>,
}

impl Reader {
    async fn open(chat: &Chat, who: &str, room: &RoomId, after: u64) -> Self {
        let cursor = Cursor { epoch: None, seq: Seq(after) };
        let live = chat.as_user(&user(who)).subscribe(room, cursor).await.expect("they may read");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut live = live;
            while let Ok(Some(entry)) = live.next().await {
                told.lock().expect("no panic").push(entry);
            }
        });
        Self { seen, task }
    }

    fn seqs(&self) -> Vec<u64> {
        self.seen.lock().expect("no panic").iter().map(|entry| entry.seq.0).collect()
    }

    fn texts(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        let text = |entry: &Entry| match &entry.body {
            Body::Message { text, .. } => Some(text.clone()),
            _ => None,
        };
        seen.iter().filter_map(text).collect()
    }

    fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `holds`, at most for `most`; returns how long that was.
async fn within(most: Duration, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() <= most, "not within {most:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

/// Lets everything that is under way come to rest: topics are followed, hints have arrived.
async fn settle() {
    tokio::time::sleep(AT_ONCE).await;
}
