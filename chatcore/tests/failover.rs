//! PostgreSQL dies for good, and its standby takes over.
#![cfg(all(feature = "postgres", unix))]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chatcore::account::Secret;
use chatcore::id::{RoomId, Seq, UserId};
use chatcore::limits::Limits;
use chatcore::log::{Body, Cursor, Draft, Entry};
use chatcore::room::NewRoom;
use chatcore::{Chat, Error, store};
use chatcore_servers::Postgres;

/// Who sends at once.
const SENDERS: usize = 8;
/// How soon sends go on after the standby has taken over.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a standby, and the place where nodes look for the one that writes, as behind a name or an
/// address that moves.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    place: tempfile::TempDir,
}

impl Pair {
    fn start() -> Option<Self> {
        let primary = Postgres::start()?;
        let standby = primary.standby();
        let pair = Self { primary, standby, place: tempfile::tempdir().expect("a folder") };
        pair.point_to(&pair.primary);
        Some(pair)
    }

    fn link(&self) -> PathBuf {
        self.place.path().join("pg")
    }

    fn point_to(&self, server: &Postgres) {
        let next = self.place.path().join("next");
        std::os::unix::fs::symlink(server.folder(), &next).expect("a link");
        std::fs::rename(next, self.link()).expect("in place of the other");
    }

    fn fail_over(&self) {
        self.standby.promote();
        self.point_to(&self.standby);
    }

    async fn node(&self) -> Chat {
        let url = format!("postgres://postgres@localhost/postgres?host={}", self.link().display());
        let store = store::open(&url).await.expect("the store opens");
        let secret = Secret::new(vec![7; 32]).expect("long enough");
        // One person sends as fast as the database goes.
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        Chat::builder(store).secret(secret).limits(limits).build().await.expect("it starts")
    }
}

fn ann() -> UserId {
    UserId::parse("ann").expect("a sound id")
}

async fn log(chat: &Chat, room: &RoomId) -> Vec<Entry> {
    let (mut all, mut after) = (Vec::new(), Seq::START);
    loop {
        let page = chat.as_system().log(room, after, 100).await.expect("it can be read");
        let Some(last) = page.last() else { return all };
        after = last.seq;
        all.extend(page);
    }
}

/// Sends until it is acknowledged.
async fn send(chat: &Chat, room: &RoomId, name: &str) -> Seq {
    let began = Instant::now();
    loop {
        let draft = Draft::text(name).once(name).expect("a name");
        match chat.as_user(&ann()).send(room, draft).await {
            Ok(sent) => return sent.seq,
            Err(Error::Store(_) | Error::Unavailable) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_a_synchronous_standby_loses_nothing_and_the_node_goes_on_by_itself() {
    let Some(pair) = Pair::start() else { return };
    pair.primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    pair.primary.run("SELECT pg_reload_conf()");
    let chat = pair.node().await;
    let room =
        chat.as_user(&ann()).create_room(NewRoom::public("general")).await.expect("made").room;
    let epoch = log(&chat, &room).await[0].epoch.clone();
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let senders = (0..SENDERS).map(|sender| {
        let (chat, room, over) = (chat.clone(), room.clone(), over.clone());
        tokio::spawn(async move {
            let mut acked = Vec::new();
            for index in 0.. {
                let name = format!("{sender}-{index}");
                acked.push((send(&chat, &room, &name).await, name));
                if over.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
            }
            acked
        })
    });
    let senders: Vec<_> = senders.collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    tokio::task::block_in_place(|| {
        pair.primary.kill();
        pair.fail_over();
    });
    let began = Instant::now();
    send(&chat, &room, "the first after it").await;
    println!("sends go on {:?} after the standby has taken over", began.elapsed());
    tokio::time::sleep(Duration::from_millis(500)).await;
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut acked = Vec::new();
    for sender in senders {
        acked.extend(sender.await.expect("no panic"));
    }
    let after = log(&chat, &room).await;
    assert!(after.iter().map(|entry| entry.seq.0).eq(1..=after.len() as u64), "dense");
    for (seq, name) in &acked {
        match &after[seq.0 as usize - 1].body {
            Body::Message { text, .. } => {
                assert_eq!(text, name, "what was acknowledged stands there")
            }
            other => panic!("{other:?}"),
        }
    }
    // The first two are the room and its owner.
    assert_eq!(after.len(), 2 + acked.len() + 1, "none twice");
    assert!(after.iter().all(|entry| entry.epoch == epoch), "it is the same log");
    println!("{} acknowledged over a failover, none lost", acked.len());
    let since = Cursor { epoch: Some(epoch), seq: Seq(3) };
    let mut live = chat.as_user(&ann()).subscribe(&room, since).await.expect("it is carried on");
    let next = live.next().await.expect("the store works").expect("more comes");
    assert_eq!(next.seq, Seq(4));
}

/// The standby had not got everything: acknowledged messages are gone, which nothing can mend. Once the operator has
/// taken the epoch away, no cursor of the lost log is taken for one of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_that_lost_something_old_cursors_are_not_carried_on() {
    let Some(pair) = Pair::start() else { return };
    let chat = pair.node().await;
    let room =
        chat.as_user(&ann()).create_room(NewRoom::public("general")).await.expect("made").room;
    send(&chat, &room, "it gets this").await;
    let head = log(&chat, &room).await.pop().expect("entries");
    let lsn = "DO $do$ BEGIN FOR i IN 1..1000 LOOP \
               EXIT WHEN EXISTS (SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()); \
               PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END $do$";
    pair.primary.run(lsn);
    pair.standby.kill();
    for index in 0..3 {
        send(&chat, &room, &format!("it does not get this {index}")).await;
    }
    let lost = log(&chat, &room).await.pop().expect("entries");
    assert_eq!(lost.seq.0, head.seq.0 + 3);
    chat.shutdown().await;
    tokio::task::block_in_place(|| {
        pair.primary.kill();
        pair.standby.restart();
        pair.fail_over();
        pair.standby.run("DELETE FROM chatcore.meta WHERE name = 'epoch'");
    });
    let chat = pair.node().await;
    for text in ["another 0", "another 1", "another 2", "another 3"] {
        send(&chat, &room, text).await;
    }
    let after = log(&chat, &room).await;
    assert_eq!(after.len() as u64, head.seq.0 + 4);
    assert_ne!(after[0].epoch, lost.epoch, "it is another log");
    let cursor = Cursor { epoch: Some(lost.epoch), seq: lost.seq };
    let refused = chat.as_user(&ann()).resume(&room, Some(&cursor)).await.expect("she may read");
    assert!(!refused.recovered, "a place of the lost log is none of this one");
}
