//! A chat for attacks on the library, over any store.

use std::sync::Arc;

use async_trait::async_trait;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::clock::Clock;
use chatcore::id::{MessageId, RoomId, Seq, UserId};
use chatcore::limits::Limits;
use chatcore::log::{Body, Cursor, Draft, Entry, HistoryPage, HistoryQuery};
use chatcore::room::{MemberAction, NewRoom};
use chatcore::store::Store;
use chatcore::store::memory::MemoryStore;
use chatcore::store::sqlite::SqliteStore;
use chatcore::testing::ManualClock;
use chatcore::{Caller, Chat, Code, Error};
use tempfile::TempDir;

/// Which store a world stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ground {
    /// Memory.
    Memory,
    /// A SQLite file.
    Sqlite,
}

/// Runs each scenario, an `async fn(Ground)` of the module, over every store.
macro_rules! over_every_store {
    ($($scenario:ident),+ $(,)?) => {
        mod over_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() { super::$scenario(crate::world::Ground::Memory).await })+
        }
        mod over_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() { super::$scenario(crate::world::Ground::Sqlite).await })+
        }
    };
}
pub(crate) use over_every_store;

/// A chat whose host takes everyone at their word, so that a name is all that a person needs.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chat: Chat,
    pub(crate) clock: Arc<ManualClock>,
    store: Held,
    limits: Limits,
    held: Option<TempDir>,
}

#[derive(Debug)]
enum Held {
    Memory(Arc<MemoryStore>),
    Sqlite(Arc<SqliteStore>),
}

impl World {
    /// A chat without limits of rate.
    pub(crate) async fn new(ground: Ground) -> Self {
        Self::limited(ground, |_| {}).await
    }

    /// A chat with other limits.
    pub(crate) async fn limited(ground: Ground, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        limits.reports_per_user = None;
        change(&mut limits);
        let (store, held) = match ground {
            Ground::Memory => (Held::Memory(Arc::new(MemoryStore::new())), None),
            Ground::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                (Held::Sqlite(open(&directory).await), Some(directory))
            }
        };
        let clock = Arc::new(ManualClock::at(1_790_000_000_000));
        let chat = build(&store, &clock, &limits).await;
        Self { chat, clock, store, limits, held }
    }

    /// Ends the chat and opens it again, as a new process would.
    pub(crate) async fn restart(&mut self) {
        self.chat.shutdown().await;
        if let (Held::Sqlite(store), Some(directory)) = (&self.store, &self.held) {
            store.close().await.unwrap();
            self.store = Held::Sqlite(open(directory).await);
        }
        self.chat = build(&self.store, &self.clock, &self.limits).await;
    }

    /// Someone by this name.
    pub(crate) fn person(&self, name: &str) -> Caller {
        self.chat.as_user(&user(name))
    }

    /// A public room of `owner` which `members` have entered.
    pub(crate) async fn public(&self, owner: &str, members: &[&str]) -> RoomId {
        let room = self.person(owner).create_room(NewRoom::public("square")).await.unwrap().room;
        for member in members {
            self.person(member).enter(&room).await.unwrap();
        }
        room
    }

    /// A private room of `owner` to which `members` were asked, and came.
    pub(crate) async fn private(&self, owner: &str, members: &[&str]) -> RoomId {
        let new = NewRoom::private("cellar").invite(members.iter().map(|name| user(name)));
        let room = self.person(owner).create_room(new).await.unwrap().room;
        for member in members {
            self.person(member).enter(&room).await.unwrap();
        }
        room
    }

    /// `owner` does something to `target`.
    pub(crate) async fn act(&self, owner: &str, room: &RoomId, target: &str, what: MemberAction) {
        self.person(owner).member(room, &user(target), what).await.unwrap();
    }

    /// All of a room's log, as the host sees it; it has no gap.
    pub(crate) async fn log(&self, room: &RoomId) -> Vec<Entry> {
        let host = self.chat.as_system();
        let mut log: Vec<Entry> = Vec::new();
        loop {
            let after = log.last().map_or(Seq::START, |entry| entry.seq);
            let page = host.log(room, after, self.limits.page).await.unwrap();
            if page.is_empty() {
                return log;
            }
            for entry in page {
                if let Some(last) = log.last() {
                    assert_eq!(entry.seq, last.seq.next(), "the log has a gap");
                }
                log.push(entry);
            }
        }
    }
}

async fn open(directory: &TempDir) -> Arc<SqliteStore> {
    let url = format!("sqlite:{}", directory.path().join("chat.db").display());
    Arc::new(SqliteStore::open(&url).await.unwrap())
}

async fn build(store: &Held, clock: &Arc<ManualClock>, limits: &Limits) -> Chat {
    let store: Arc<dyn Store> = match store {
        Held::Memory(store) => Arc::clone(store) as _,
        Held::Sqlite(store) => Arc::clone(store) as _,
    };
    Chat::builder(store)
        .authenticator(Arc::new(ByName))
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .limits(limits.clone())
        .build()
        .await
        .unwrap()
}

/// A token is the name of its owner.
#[derive(Debug)]
struct ByName;

#[async_trait]
impl Authenticator for ByName {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        let user = UserId::parse(token).map_err(|_| AccountError::Unauthenticated)?;
        Ok(Identity { user, session: None, expires_at: None })
    }
}

/// The id of someone by this name.
pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

/// A message under a name of its own.
pub(crate) fn draft(text: &str, once: &str) -> Draft {
    Draft::text(text).once(once).unwrap()
}

/// The newest messages.
pub(crate) fn newest(limit: u32) -> HistoryQuery {
    HistoryQuery::new(None, None, None, Some(limit), 200).unwrap()
}

/// A kick without a reason.
pub(crate) fn kick() -> MemberAction {
    MemberAction::Kick { reason: None }
}

/// A ban without end or reason.
pub(crate) fn ban() -> MemberAction {
    MemberAction::Ban { until: None, reason: None }
}

/// The code with which it was refused.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.expect_err("it is refused").code()
}

/// All that a caller is told by an error: what an attacker may compare.
pub(crate) fn told(error: &Error) -> (Code, Option<String>, String) {
    (error.code(), error.field().map(str::to_owned), error.public_message())
}

/// The messages of a page, as text.
pub(crate) fn texts(page: &HistoryPage) -> Vec<&str> {
    page.messages.iter().map(|message| message.text.as_str()).collect()
}

/// A message that someone has sent.
pub(crate) async fn say(person: &Caller, room: &RoomId, text: &str) -> MessageId {
    person.send(room, Draft::text(text)).await.unwrap().message_id
}

/// From the beginning.
pub(crate) fn start() -> Cursor {
    Cursor::start()
}

/// Whether an entry is a message with this text.
pub(crate) fn says(entry: &Entry, wanted: &str) -> bool {
    matches!(&entry.body, Body::Message { text, .. } if text == wanted)
}
