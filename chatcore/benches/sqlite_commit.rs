//! How many messages a second a SQLite store commits, every batch flushed to the disk.
//!
//! `cargo bench -p chatcore --features sqlite,testing --bench sqlite_commit`

use std::time::{Duration, Instant};

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore::store::sqlite::SqliteStore;
use chatcore::testing::scene::Scene;

const SENDERS: [&str; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("chat.db").display());
    let scene = Scene::of(SqliteStore::open(&url).await.expect("the store opens"));
    let mut rooms = Vec::new();
    for index in 0..16 {
        rooms.push(scene.public(&format!("room-{index}"), "owner", &SENDERS).await);
    }
    println!("200 B texts, 16 senders; median and range of 5 windows of 2 s");
    for (name, rooms) in [("1 room", &rooms[..1]), ("16 rooms", &rooms[..])] {
        for size in [1, 16, 64, 256, 512] {
            let mut rates = Vec::new();
            for window in 0..5 {
                rates.push(
                    rate(&scene, rooms, &format!("{}-{size}-{window}", rooms.len()), size).await,
                );
            }
            rates.sort_by(f64::total_cmp);
            println!(
                "{name:>8}, batches of {size:>3}: {:>8.0} messages/s ({:.0} to {:.0})",
                rates[2], rates[0], rates[4]
            );
        }
    }
}

/// Messages a second in batches of `size`.
async fn rate(scene: &Scene, rooms: &[RoomId], name: &str, size: usize) -> f64 {
    let text = "x".repeat(200);
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < Duration::from_secs(2) {
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
    sent as f64 / started.elapsed().as_secs_f64()
}
