//! Nodes over one store and a real NATS, which is killed and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chatcore::Chat;
use chatcore::bus::{Bus, NatsBus, Topic};
use chatcore::chat::LiveEntries;
use chatcore::id::{RoomId, UserId};
use chatcore::log::{Cursor, Draft};
use chatcore::room::NewRoom;
use chatcore::store::Store;
use chatcore::store::memory::MemoryStore;
use chatcore_servers::Nats;
use futures_util::StreamExt as _;

/// How long anything may take that NATS does at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn bus(nats: &Nats) -> Arc<NatsBus> {
    Arc::new(NatsBus::open(&format!("{}/test", nats.url())).await.expect("a sound URL"))
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn node(store: &Arc<MemoryStore>, nats: &Nats) -> Chat {
    let bus = bus(nats).await as Arc<dyn Bus>;
    let chat = Chat::builder(Arc::clone(store) as Arc<dyn Store>).bus(bus);
    chat.build().await.expect("it starts")
}

fn is_up(chat: &Chat) -> bool {
    chat.bus().expect("a bus").up
}

fn topics(chat: &Chat) -> usize {
    chat.bus().expect("a bus").topics
}

/// Sends through one node, and takes it from the other; returns how long that took.
async fn crosses(from: &Chat, room: &RoomId, live: &mut LiveEntries, text: &str) -> Duration {
    let ann = from.as_user(&UserId::parse("ann").expect("sound"));
    let began = Instant::now();
    let sent = ann.send(room, Draft::text(text)).await.expect("sent");
    let next = tokio::time::timeout(PATIENCE, live.next()).await.expect("it arrives");
    let entry = next.expect("the store works").expect("more comes");
    assert_eq!(entry.seq, sent.seq, "each once, and in order");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_go_on_while_nats_is_killed_and_hear_of_each_other_when_it_is_back() {
    let Some(nats) = Nats::start() else { return };
    let store = Arc::new(MemoryStore::new());
    let (one, two) = (node(&store, &nats).await, node(&store, &nats).await);
    until("both are connected", || is_up(&one) && is_up(&two)).await;
    let ann = one.as_user(&UserId::parse("ann").expect("sound"));
    let room = ann.create_room(NewRoom::public("general")).await.expect("made").room;
    let ben = two.as_user(&UserId::parse("ben").expect("sound"));
    let mut live = ben.subscribe(&room, Cursor::start()).await.expect("a public room");
    for _ in 0..2 {
        live.next().await.expect("the store works").expect("it begins with its making");
    }
    until("the room and the sessions are followed", || topics(&two) >= 2).await;
    for round in 0..3 {
        let heard = two.bus().expect("a bus").heard;
        let mut took = Duration::MAX;
        let began = Instant::now();
        // The subject may be followed a moment later than the connection is up.
        while two.bus().expect("a bus").heard < heard + 20 {
            assert!(began.elapsed() < PATIENCE, "hints do not arrive");
            took = took.min(crosses(&one, &room, &mut live, "up").await);
        }
        eprintln!("round {round}: {took:?} by a hint at best");
        nats.kill();
        until("both have noticed", || !is_up(&one) && !is_up(&two)).await;
        let mut longest = Duration::ZERO;
        for _ in 0..3 {
            longest = longest.max(crosses(&one, &room, &mut live, "down").await);
        }
        eprintln!("round {round}: {longest:?} by the log at worst");
        assert!(longest < Duration::from_secs(2), "{longest:?}");
        nats.restart();
        until("both are back", || is_up(&one) && is_up(&two)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_heard_by_others_on_its_subject_alone() {
    let Some(nats) = Nats::start() else { return };
    let (one, two) = (bus(&nats).await, bus(&nats).await);
    until("both are connected", || one.is_up() && two.is_up()).await;
    let topic = |name: &str| Topic::Room(RoomId::parse(name).expect("sound"));
    let mut here = one.follow(&topic("a")).await.expect("it follows");
    let mut there = two.follow(&topic("a")).await.expect("it follows");
    let long = vec![b'x'; 256 * 1024];
    let began = Instant::now();
    let heard = loop {
        assert!(began.elapsed() < PATIENCE, "it does not arrive");
        one.tell(&topic("b"), "other".into()).await.expect("it is up");
        one.tell(&topic("a"), long.clone().into()).await.expect("it is up");
        match tokio::time::timeout(Duration::from_millis(200), there.next()).await {
            Ok(hint) => break hint.expect("it goes on"),
            Err(_later) => {}
        }
    };
    assert_eq!(heard, long);
    let own = tokio::time::timeout(Duration::from_millis(200), here.next()).await;
    assert!(own.is_err(), "nobody hears themselves");
    let too_long = vec![b'x'; one.largest() + 1];
    assert!(one.tell(&topic("a"), too_long.into()).await.is_err());
}
