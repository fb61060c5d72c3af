//! What a PostgreSQL store takes to commit messages, every batch flushed to the disk, beside a bare
//! statement that inserts as many rows with as many flushes.
//!
//! `cargo bench -p chatcore --features postgres,testing --bench postgres_commit [-- 64 256 1-room 1000-rooms]`,
//! with the numbers of senders and of rooms to measure; on a server that it starts itself, in `TMPDIR`. Every sender
//! waits for the acknowledgement of a message before the next one. The bare statement inserts batches of the size
//! that the senders' had in the turn before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatcore::Chat;
use chatcore::id::{RoomId, UserId};
use chatcore::limits::Limits;
use chatcore::log::Draft;
use chatcore::store::SearchStore as _;
use chatcore::store::postgres::PostgresStore;
use chatcore::testing::scene::Scene;
use chatcore_servers::Postgres;
use sqlx::{Connection as _, PgConnection};

const PEOPLE: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
/// How long each figure is measured for.
const TIME: Duration = Duration::from_secs(4);
/// The bare statement and the store take turns of this length, so that a busy moment hits both.
const TURN: Duration = Duration::from_millis(400);

const BARE: &str = "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
                    $4::text[], $5::text[], $6::text[])";

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    let mut senders: Vec<usize> = given.iter().filter_map(|number| number.parse().ok()).collect();
    if senders.is_empty() {
        senders = vec![1, 64, 256];
    }
    let names = ["1-room", "1000-rooms"];
    let all = !given.iter().any(|name| names.contains(&name.as_str()));
    let Some(server) = Postgres::start() else { return };
    println!("texts of 200 B, rooms of 10; the bare statement and the store in turns");
    for (name, number) in names.into_iter().zip([1, 1000]) {
        if !all && !given.iter().any(|given| given == name) {
            continue;
        }
        let url = format!("{}&schema=s_{number}", server.url());
        let store = Arc::new(PostgresStore::open(&url).await.expect("the store opens"));
        let scene = Scene::on(Arc::clone(&store) as _);
        let mut rooms = Vec::new();
        for index in 0..number {
            rooms.push(scene.public(&format!("room-{index}"), "a", &PEOPLE[1..]).await);
        }
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        let chat = Chat::builder(Arc::clone(&store) as _).limits(limits).build().await;
        let (chat, rooms) = (chat.expect("a chat"), rooms.into());
        let crowd = Crowd { chat, store, rooms, next: Arc::default() };
        for &senders in &senders {
            measure(&crowd, Bare::on(&server).await, name, senders).await;
        }
    }
}

/// A connection of its own, and a table of messages with nothing around it.
struct Bare {
    connection: PgConnection,
    next: i64,
    text: Arc<str>,
}

impl Bare {
    async fn on(server: &Postgres) -> Self {
        let mut connection = PgConnection::connect(&server.url()).await.expect("a connection");
        let table = "DROP TABLE IF EXISTS bare; CREATE TABLE bare (room bigint, seq bigint, ts bigint, \
                     who text, once text, body text, PRIMARY KEY (room, seq))";
        sqlx::raw_sql(table).execute(&mut connection).await.expect("a table");
        Self { connection, next: 0, text: "x".repeat(300).into() }
    }

    async fn insert(&mut self, size: usize) {
        let first = self.next;
        self.next += size as i64;
        let onces: Vec<_> = (first..self.next).map(|seq| format!("{size}-{seq}")).collect();
        sqlx::query(BARE)
            .bind(vec![1_i64; size])
            .bind(Vec::from_iter(first..self.next))
            .bind(vec![1_700_000_000_000_i64; size])
            .bind(vec!["a"; size])
            .bind(onces)
            .bind(vec![&*self.text; size])
            .execute(&mut self.connection)
            .await
            .expect("inserted");
    }
}

/// Those who send.
#[derive(Clone)]
struct Crowd {
    chat: Chat,
    store: Arc<PostgresStore>,
    rooms: Arc<[RoomId]>,
    next: Arc<AtomicUsize>,
}

/// What came of some time.
#[derive(Default)]
struct Rate {
    messages: usize,
    commits: usize,
    time: Duration,
    took: Vec<Duration>,
}

impl Rate {
    fn per_second(&self) -> f64 {
        self.messages as f64 / self.time.as_secs_f64()
    }

    fn size(&self) -> usize {
        self.messages.div_ceil(self.commits.max(1))
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.commits += other.commits;
        self.time += other.time;
        self.took.extend(other.took);
    }

    fn ms(&mut self, part: usize) -> f64 {
        self.took.sort_unstable();
        self.took[self.took.len() * part / 100].as_secs_f64() * 1e3
    }
}

impl Crowd {
    /// Sends for a turn.
    async fn turn(&self, senders: usize) -> Rate {
        let sizes = || self.chat.hub().traffic().commit_sizes().read().count;
        let (before, begun) = (sizes(), Instant::now());
        let over = Arc::new(AtomicBool::new(false));
        let senders = (0..senders).map(|_| tokio::spawn(self.clone().send(Arc::clone(&over))));
        let senders: Vec<_> = senders.collect();
        tokio::time::sleep(TURN).await;
        over.store(true, Ordering::Relaxed);
        let mut rate = Rate::default();
        for sender in senders {
            rate.took.extend(sender.await.expect("it sends"));
        }
        rate.time = begun.elapsed();
        rate.messages = rate.took.len();
        rate.commits = usize::try_from(sizes() - before).expect("a count");
        rate
    }

    /// Waits until what was sent is filed for searches: the bare statement has none of that beside it.
    async fn filed(&self) {
        while self.store.file(512).await.expect("it is filed") > 0 {}
    }

    async fn send(self, over: Arc<AtomicBool>) -> Vec<Duration> {
        let text = "x".repeat(200);
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let who = PEOPLE[index / self.rooms.len() % PEOPLE.len()];
            let who = self.chat.as_user(&UserId::parse(who).expect("a sound id"));
            let room = &self.rooms[index % self.rooms.len()];
            let draft = Draft::text(text.as_str()).once(&format!("once-{index}")).expect("sound");
            let begun = Instant::now();
            who.send(room, draft).await.expect("it is sent");
            took.push(begun.elapsed());
        }
        took
    }
}

/// Sends for some time, and says what that took.
async fn measure(crowd: &Crowd, mut bare: Bare, name: &str, senders: usize) {
    // What is asked for the first time is not what is measured.
    let mut size = crowd.turn(senders).await.size();
    let (mut store, mut insert) = (Rate::default(), Rate::default());
    while store.time < TIME {
        crowd.filed().await;
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            let begun = Instant::now();
            bare.insert(size).await;
            let took = begun.elapsed();
            insert.add(Rate { messages: size, commits: 1, time: took, took: vec![took] });
        }
        let turn = crowd.turn(senders).await;
        size = turn.size();
        store.add(turn);
    }
    println!(
        "{name:>10}, {senders:>3} senders: {:>6.0} messages/s in {:.0} commits/s of {}, the bare statement \
         {:>6.0} ({:.2} of it); a message takes {:.2} ms (p50), {:.2} ms (p99), the statement {:.2} and {:.2}",
        store.per_second(),
        store.commits as f64 / store.time.as_secs_f64(),
        store.size(),
        insert.per_second(),
        store.per_second() / insert.per_second(),
        store.ms(50),
        store.ms(99),
        insert.ms(50),
        insert.ms(99),
    );
}
