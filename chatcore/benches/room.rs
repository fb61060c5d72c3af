//! A room's own work: deciding, appending, reading a page.
//!
//! `cargo bench -p chatcore --features sqlite,testing --bench room`; the file is in `TMPDIR`.

use std::collections::HashMap;

use chatcore::id::{RoomId, Seq};
use chatcore::limits::Limits;
use chatcore::log::Draft;
use chatcore::room::{Command, View, Views, plan};
use chatcore::store::Toward;
use chatcore::store::memory::MemoryStore;
use chatcore::store::sqlite::SqliteStore;
use chatcore::testing::scene::{Rooms, Scene, user};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const SENDERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const BATCH: usize = 64;
const PAGE: u32 = 50;
/// Messages of a room that pages are read from.
const DEPTH: usize = 20_000;

/// Sends of 128 B, by all senders in turn, under names that begin with `first`.
fn sends(scene: &Scene, room: &RoomId, first: usize, count: usize) -> Vec<Command> {
    let text = "x".repeat(128);
    let send = |number: usize| {
        let who = SENDERS[number % SENDERS.len()];
        scene.message(who, room, &format!("bench-{number}"), Draft::text(text.as_str()))
    };
    (first..first + count).map(send).collect()
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// What a store knows when it decides plain sends: the room and who is in it.
async fn views(scene: &Scene, room: &RoomId) -> Views {
    let mut view = View { room: Some(scene.see(room).await), ..View::default() };
    for who in SENDERS {
        view.members.insert(user(who), scene.member(room, who).await);
    }
    Views {
        epoch: scene.store.epoch().await.expect("memory works"),
        rooms: HashMap::from([(room.clone(), view)]),
        joined_counts: HashMap::new(),
        uploads: HashMap::new(),
        blocks: Default::default(),
        inbox: Default::default(),
    }
}

fn decide(c: &mut Criterion) {
    let runtime = runtime();
    let scene = Scene::of(MemoryStore::new());
    let room = runtime.block_on(scene.public("decide", "owner", &SENDERS));
    let views = runtime.block_on(views(&scene, &room));
    let batch = sends(&scene, &room, 0, BATCH);
    let limits = Limits::default();
    let mut group = c.benchmark_group("decide");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("64 sends", |b| {
        let decide = |mut views: Views| plan(&mut views, &batch, &limits);
        b.iter_batched(|| views.clone(), decide, BatchSize::SmallInput);
    });
}

fn append(c: &mut Criterion) {
    let runtime = runtime();
    let scene = Scene::of(MemoryStore::new());
    let room = runtime.block_on(scene.public("append", "owner", &SENDERS));
    let mut next = 0;
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(BATCH as u64));
    // On SQLite: the bench `sqlite_commit`, which also says what of it the disk takes.
    group.bench_function("64 sends to memory", |b| {
        let batch = || {
            next += BATCH;
            sends(&scene, &room, next, BATCH)
        };
        let commit = |batch: Vec<Command>| runtime.block_on(scene.commit(&batch));
        b.iter_batched(batch, commit, BatchSize::SmallInput);
    });
}

fn page(c: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("chat.db").display());
    let sqlite = runtime.block_on(SqliteStore::open(&url)).expect("the store opens");
    page_of(c, &runtime, "memory", MemoryStore::new());
    page_of(c, &runtime, "SQLite", sqlite);
}

fn page_of(c: &mut Criterion, runtime: &Runtime, name: &str, store: impl Rooms) {
    let scene = Scene::of(store);
    let room = runtime.block_on(async {
        let room = scene.public("page", "owner", &SENDERS).await;
        for first in (0..DEPTH).step_by(500) {
            scene.commit(&sends(&scene, &room, first, 500)).await;
        }
        room
    });
    let viewer = user("a");
    let mut group = c.benchmark_group("page of 50");
    group.throughput(Throughput::Elements(PAGE.into()));
    let places =
        [("newest", Toward::Older(Seq::MAX)), ("middle", Toward::Older(Seq(DEPTH as u64 / 2)))];
    for (place, toward) in places {
        group.bench_function(format!("{name}, {place}"), |b| {
            b.iter(|| {
                let page = scene.store.messages(&room, toward, PAGE, &viewer);
                runtime.block_on(page).expect("the store works")
            });
        });
    }
}

criterion_group!(benches, decide, append, page);
criterion_main!(benches);
