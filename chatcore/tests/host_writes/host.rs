//! A host with a database of its own, and a chat beside it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chatcore::chat::Settled;
use chatcore::id::{MessageId, RoomId, UserId};
use chatcore::store::postgres::PostgresStore;
use chatcore::store::sqlite::{SqliteOptions, SqliteStore};
use chatcore::store::{HostWrites, Store};
use chatcore::{Chat, room::NewRoom};
use chatcore_servers::Postgres as Server;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Database, PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use tempfile::TempDir;

/// A host on one of the databases.
pub(crate) trait Host: Send + Sync + 'static {
    type Db: Database;
    type Store: HostWrites<Database = Self::Db> + Store;

    /// Opens the store once more: another node, or the process after a crash.
    fn open(&self) -> impl Future<Output = Arc<Self::Store>> + Send;

    fn begin(&self) -> impl Future<Output = Transaction<'static, Self::Db>> + Send;

    /// Runs something of the host's own in its transaction.
    fn run(
        &self,
        tx: &mut Transaction<'static, Self::Db>,
        sql: &str,
    ) -> impl Future<Output = ()> + Send;

    /// How many rows of the host's own are there.
    fn orders(&self) -> impl Future<Output = i64> + Send;

    /// Where what is handed in lies.
    fn handed_in(&self) -> String;
}

pub(crate) struct OnSqlite {
    folder: TempDir,
    pool: SqlitePool,
}

pub(crate) async fn sqlite() -> OnSqlite {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("shop.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE orders (id TEXT)").execute(&pool).await.unwrap();
    OnSqlite { folder, pool }
}

impl Host for OnSqlite {
    type Db = Sqlite;
    type Store = SqliteStore;

    async fn open(&self) -> Arc<SqliteStore> {
        let options = SqliteOptions::file(self.folder.path().join("chat.db"));
        Arc::new(options.host(self.pool.clone()).open().await.unwrap())
    }

    async fn begin(&self) -> Transaction<'static, Sqlite> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.unwrap()
    }

    async fn run(&self, tx: &mut Transaction<'static, Sqlite>, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut **tx).await.unwrap();
    }

    async fn orders(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.pool).await.unwrap()
    }

    fn handed_in(&self) -> String {
        "chatcore_outbox (name, room, key, command) VALUES (hex(randomblob(16)), ".into()
    }
}

pub(crate) struct OnPostgres {
    schema: String,
    pool: PgPool,
}

/// A host whose tables are in one schema of a database, and the chat's in another.
pub(crate) async fn postgres() -> Option<OnPostgres> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = Server::shared()?;
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let (shop, schema) = (format!("shop_{n}"), format!("rooms_{n}"));
    let make = PgPool::connect(&server.url()).await.unwrap();
    let sql = format!("CREATE SCHEMA {shop}; CREATE TABLE {shop}.orders (id text)");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&make).await.unwrap();
    make.close().await;
    let options: sqlx::postgres::PgConnectOptions = server.url().parse().unwrap();
    let options = options.options([("search_path", shop)]);
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(130).connect_with(options);
    Some(OnPostgres { schema, pool: pool.await.unwrap() })
}

impl Host for OnPostgres {
    type Db = Postgres;
    type Store = PostgresStore;

    async fn open(&self) -> Arc<PostgresStore> {
        Arc::new(PostgresStore::from_pool(self.pool.clone(), &self.schema).await.unwrap())
    }

    async fn begin(&self) -> Transaction<'static, Postgres> {
        self.pool.begin().await.unwrap()
    }

    async fn run(&self, tx: &mut Transaction<'static, Postgres>, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut **tx).await.unwrap();
    }

    async fn orders(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.pool).await.unwrap()
    }

    fn handed_in(&self) -> String {
        format!("{}.inbox (room, key, command) VALUES (", self.schema)
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(crate) async fn chat<S: Store>(store: &Arc<S>) -> Chat {
    Chat::builder(Arc::clone(store) as Arc<dyn Store>)
        .authenticator(Arc::new(Anyone))
        .build()
        .await
        .unwrap()
}

/// The host knows its people; the chat need not.
#[derive(Debug)]
struct Anyone;

#[async_trait::async_trait]
impl chatcore::account::Authenticator for Anyone {
    async fn authenticate(
        &self,
        _: &str,
    ) -> Result<chatcore::account::Identity, chatcore::account::AccountError> {
        Err(chatcore::account::AccountError::Unauthenticated)
    }
}

/// A public room with these people in it.
pub(crate) async fn room(chat: &Chat, owner: &str, members: &[&str]) -> RoomId {
    let room = chat.as_user(&user(owner)).create_room(NewRoom::public("general")).await.unwrap();
    for member in members {
        chat.as_user(&user(member)).enter(&room.room).await.unwrap();
    }
    room.room
}

/// The texts of a room's messages, in order.
pub(crate) async fn texts(chat: &Chat, room: &RoomId) -> Vec<String> {
    let (mut texts, mut after) = (Vec::new(), chatcore::id::Seq::START);
    loop {
        let log = chat.as_system().log(room, after, 200).await.unwrap();
        let Some(last) = log.last() else { return texts };
        after = last.seq;
        texts.extend(log.into_iter().filter_map(|entry| match entry.body {
            chatcore::log::Body::Message { text, .. } => Some(text),
            _ => None,
        }));
    }
}

pub(crate) async fn settled(chat: &Chat, room: &RoomId, message: &MessageId) -> Settled {
    chat.settled(room, message, Duration::from_secs(10)).await.unwrap()
}

/// Waits until nothing that was handed in waits any more.
pub(crate) async fn all_settled<S: Store>(store: &Arc<S>) {
    for _ in 0..1_000 {
        if store.waiting(1).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something waits for ever");
}
