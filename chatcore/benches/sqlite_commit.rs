//! How many messages a second a SQLite store commits, every batch flushed to the disk.
//!
//! `cargo bench -p chatcore --features sqlite,testing --bench sqlite_commit [-- 64]`, with the sizes of
//! batches to measure; in `TMPDIR`.

use std::time::{Duration, Instant};

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore::store::sqlite::SqliteStore;
use chatcore::testing::scene::Scene;

const SENDERS: [&str; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

#[tokio::main]
async fn main() {
    let given = std::env::args().filter_map(|argument| argument.parse().ok());
    let mut sizes: Vec<usize> = given.collect();
    if sizes.is_empty() {
        sizes = vec![1, 16, 64, 256, 512];
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("chat.db").display());
    let scene = Scene::of(SqliteStore::open(&url).await.expect("the store opens"));
    let mut rooms = Vec::new();
    for index in 0..16 {
        rooms.push(scene.public(&format!("room-{index}"), "owner", &SENDERS).await);
    }
    println!("200 B texts, 16 senders; median and range of 5 windows of 1 s; CPU of all threads");
    for (name, rooms) in [("1 room", &rooms[..1]), ("16 rooms", &rooms[..])] {
        for &size in &sizes {
            let mut rates = Vec::new();
            let mut sent = 0.0;
            let before = cpu();
            for window in 0..5 {
                let name = format!("{}-{size}-{window}", rooms.len());
                let started = Instant::now();
                let messages = commit_for(&scene, rooms, &name, size, Duration::from_secs(1)).await;
                sent += messages as f64;
                rates.push(messages as f64 / started.elapsed().as_secs_f64());
            }
            rates.sort_by(f64::total_cmp);
            println!(
                "{name:>8}, batches of {size:>3}: {:>8.0} messages/s ({:.0} to {:.0}), {:.0} µs each",
                rates[2],
                rates[0],
                rates[4],
                (cpu() - before).as_secs_f64() * 1e6 / sent
            );
        }
    }
}

/// The processor time that this process has used: 0 where `/proc` does not tell it.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // utime and stime, in ticks of 10 ms.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Commits batches of `size` for some time; says how many messages that were.
async fn commit_for(
    scene: &Scene,
    rooms: &[RoomId],
    name: &str,
    size: usize,
    time: Duration,
) -> usize {
    let text = "x".repeat(200);
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < time {
        let batch: Vec<_> = (sent..sent + size)
            .map(|index| {
                let draft = Draft::text(text.as_str());
                let who = SENDERS[index % SENDERS.len()];
                scene.message(who, &rooms[index % rooms.len()], &format!("{name}-{index}"), draft)
            })
            .collect();
        let committed = scene.commit(&batch).await;
        assert!(committed.outcomes.iter().all(Result::is_ok));
        sent += size;
    }
    sent
}
