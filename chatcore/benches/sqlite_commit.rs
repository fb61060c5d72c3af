//! What a SQLite store takes to commit messages, every batch flushed to the disk.
//!
//! `cargo bench -p chatcore --features sqlite,testing --bench sqlite_commit [-- 64 512 1-room]`, with
//! the sizes of batches and the numbers of rooms to measure; in `TMPDIR`. The batches are made before
//! the clock runs. With `filed`, messages are filed for searches beside it, as a chat does.

use std::time::{Duration, Instant};

use chatcore::id::RoomId;
use chatcore::log::Draft;
use chatcore::room::Command;
use chatcore::store::sqlite::SqliteStore;
use chatcore::testing::scene::Scene;

const SENDERS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
/// How long each figure is measured for.
const TIME: Duration = Duration::from_secs(3);
/// Messages that are made at once.
const AHEAD: usize = 16 * 1024;

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    let mut sizes: Vec<usize> = given.iter().filter_map(|size| size.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1, 16, 64, 512];
    }
    let names = ["1-room", "16-rooms", "1000-rooms"];
    let all = !given.iter().any(|name| names.contains(&name.as_str()));
    println!("texts of 200 B, rooms of 10; CPU of all threads");
    for (name, number) in names.into_iter().zip([1, 16, 1000]) {
        if !all && !given.iter().any(|given| given == name) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("chat.db").display());
        let scene = Scene::of(SqliteStore::open(&url).await.expect("the store opens"));
        let filing =
            given.iter().any(|word| word == "filed").then(|| tokio::spawn(file(scene.clone())));
        let mut rooms = Vec::new();
        for index in 0..number {
            rooms.push(scene.public(&format!("room-{index}"), "a", &SENDERS[1..]).await);
        }
        for &size in &sizes {
            measure(&scene, &rooms, name, size).await;
        }
        if let Some(filing) = filing {
            filing.abort();
        }
    }
}

/// Files what is committed, at the pace of a chat that is written to all the time.
async fn file(scene: Scene) {
    loop {
        let begun = Instant::now();
        scene.store.file(512).await.expect("the store works");
        tokio::time::sleep((begun.elapsed() * 3).max(Duration::from_millis(1))).await;
    }
}

/// Commits batches of `size` for some time, and says what that took.
async fn measure(scene: &Scene, rooms: &[RoomId], name: &str, size: usize) {
    let (mut took, mut used) = (Vec::new(), Duration::ZERO);
    let mut sent = 0;
    let mut batches = Vec::new().into_iter();
    let mut started = cpu();
    while took.iter().sum::<Duration>() < TIME {
        let Some(batch) = batches.next() else {
            used += cpu().saturating_sub(started);
            let count = AHEAD.min(size * 1024).div_ceil(size);
            let made: Vec<_> =
                (0..count).map(|b| batch(scene, rooms, sent + b * size, size)).collect();
            batches = made.into_iter();
            started = cpu();
            continue;
        };
        let begun = Instant::now();
        let committed = scene.commit(&batch).await;
        took.push(begun.elapsed());
        assert!(committed.outcomes.iter().all(Result::is_ok));
        sent += size;
    }
    used += cpu().saturating_sub(started);
    let time: Duration = took.iter().sum();
    took.sort_unstable();
    println!(
        "{name:>10}, batches of {size:>3}: {:>7.0} messages/s, {:>5.1} µs CPU each; a commit takes \
         {:.2} ms (p50), {:.2} ms (p99), {:.1} ms (most)",
        sent as f64 / time.as_secs_f64(),
        used.as_secs_f64() * 1e6 / sent as f64,
        took[took.len() / 2].as_secs_f64() * 1e3,
        took[took.len() * 99 / 100].as_secs_f64() * 1e3,
        took[took.len() - 1].as_secs_f64() * 1e3,
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

/// The processor time of all threads that live: 0 where `/proc` does not tell it.
fn cpu() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let used = threads.flatten().filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(used.sum())
}
