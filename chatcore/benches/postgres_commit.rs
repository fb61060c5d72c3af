//! What a PostgreSQL store takes to commit messages, every batch flushed to the disk, beside a bare
//! statement that inserts as many rows with as many flushes.
//!
//! `cargo bench -p chatcore --features postgres,testing --bench postgres_commit [-- 64 256 1-room nodes-2]`,
//! with the sizes of batches, the numbers of rooms and of nodes to measure; on a server that it starts itself, in
//! `TMPDIR`. The batches are made before the clock runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore::room::Command;
use chatcore::store::postgres::PostgresStore;
use chatcore::testing::scene::Scene;
use chatcore_servers::Postgres;
use sqlx::{Connection as _, PgConnection};

const SENDERS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
/// How long each figure is measured for.
const TIME: Duration = Duration::from_secs(3);
/// The bare statement and the store take turns of this length, so that a busy moment hits both.
const TURN: Duration = Duration::from_millis(250);
/// Batches that are made at once.
const AHEAD: usize = 256;

const BARE: &str = "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
                    $4::text[], $5::text[], $6::text[])";

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    let mut sizes: Vec<usize> = given.iter().filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1, 64, 256];
    }
    let names = ["1-room", "1000-rooms"];
    let all = !given.iter().any(|name| names.contains(&name.as_str()));
    let Some(server) = Postgres::start() else { return };
    println!("texts of 200 B, rooms of 10; the bare statement and the store in turns");
    for (name, number) in names.into_iter().zip([1, 1000]) {
        if !all && !given.iter().any(|given| given == name) {
            continue;
        }
        for &size in &sizes {
            let url = format!("{}&schema=s_{number}_{size}", server.url());
            let scene = Scene::of(PostgresStore::open(&url).await.expect("the store opens"));
            let mut rooms = Vec::new();
            for index in 0..number {
                rooms.push(scene.public(&format!("room-{index}"), "a", &SENDERS[1..]).await);
            }
            let bare = Bare::on(&server).await;
            measure(&scene, bare, &rooms, name, size).await;
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

/// Commits batches of `size` for some time, and says what that took.
async fn measure(scene: &Scene, mut bare: Bare, rooms: &[RoomId], name: &str, size: usize) {
    let (mut took, mut bare_took) = (Vec::new(), Vec::new());
    let mut sent = 0;
    while took.iter().sum::<Duration>() < TIME {
        let batches: Vec<_> =
            (0..AHEAD).map(|b| batch(scene, rooms, sent + b * size, size)).collect();
        let turn = Instant::now();
        for batch in &batches {
            let begun = Instant::now();
            let committed = scene.commit(batch).await;
            took.push(begun.elapsed());
            assert!(committed.outcomes.iter().all(Result::is_ok));
            sent += size;
            if turn.elapsed() > TURN {
                break;
            }
        }
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            let begun = Instant::now();
            bare.insert(size).await;
            bare_took.push(begun.elapsed());
        }
    }
    let rate = |took: &[Duration]| {
        (took.len() * size) as f64 / took.iter().sum::<Duration>().as_secs_f64()
    };
    let (store, insert) = (rate(&took), rate(&bare_took));
    took.sort_unstable();
    bare_took.sort_unstable();
    let ms = |took: &[Duration], part: usize| took[took.len() * part / 100].as_secs_f64() * 1e3;
    println!(
        "{name:>10}, batches of {size:>3}: {store:>7.0} messages/s, the bare statement {insert:>7.0} \
         ({:.2} of it); a commit takes {:.2} ms (p50), {:.2} ms (p99), the statement {:.2} and {:.2}",
        store / insert,
        ms(&took, 50),
        ms(&took, 99),
        ms(&bare_took, 50),
        ms(&bare_took, 99),
    );
}

fn batch(scene: &Scene, rooms: &[RoomId], from: usize, size: usize) -> Vec<Command> {
    let text = "x".repeat(200);
    (from..from + size)
        .map(|index| {
            let who = SENDERS[index / rooms.len() % SENDERS.len()];
            let once = format!("{size}-{index}");
            scene.message(who, &rooms[index % rooms.len()], &once, Draft::text(text.as_str()))
        })
        .collect()
}
