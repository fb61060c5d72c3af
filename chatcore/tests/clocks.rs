//! Three nodes over one PostgreSQL, whose clocks are an hour apart.
#![cfg(feature = "postgres")]

use std::sync::Arc;
use std::time::Duration;

use chatcore::account::{NewAccount, NewSession, Secret};
use chatcore::bus::{Bus, MemoryBus};
use chatcore::clock::{Clock, SystemClock, Timestamp};
use chatcore::id::{RoomId, Seq, UserId};
use chatcore::limits::Limits;
use chatcore::log::{Cursor, Draft, Entry};
use chatcore::room::NewRoom;
use chatcore::{Chat, store};
use chatcore_servers::Postgres;

const HOUR: i64 = 3_600_000;
/// How far the nodes' clocks are from the true time.
const OFF: [i64; 3] = [-HOUR, 0, HOUR];
/// What each node sends.
const SENT: usize = 60;

/// A clock that is wrong, and whose error changes in the middle: what an operator corrects jumps.
#[derive(Debug)]
struct Wrong(std::sync::atomic::AtomicI64);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

async fn node(postgres: &Postgres, bus: &Arc<MemoryBus>, off: i64) -> (Chat, Arc<Wrong>) {
    let clock = Arc::new(Wrong(off.into()));
    // Messages are kept for longer than clocks may differ; then nothing young is taken away.
    let mut limits = Limits::default();
    limits.retention = Some(Duration::from_secs(3 * 3600));
    let chat = Chat::builder(store::open(&postgres.url()).await.expect("the store opens"))
        .bus(Arc::clone(bus) as Arc<dyn Bus>)
        .clock(Arc::clone(&clock) as _)
        .limits(limits)
        .secret(Secret::new(vec![7; 32]).expect("long enough"));
    (chat.build().await.expect("it starts"), clock)
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_clocks_are_an_hour_apart_keep_one_order_and_lose_nothing() {
    let Some(postgres) = Postgres::start() else { return };
    let bus = Arc::new(MemoryBus::default());
    let mut nodes = Vec::new();
    for off in OFF {
        nodes.push(node(&postgres, &bus, off).await);
    }
    let ann = user("ann");
    let room = nodes[1].0.as_user(&ann).create_room(NewRoom::public("general")).await;
    let room = room.expect("made").room;
    let mut live = Vec::new();
    for (chat, _) in &nodes {
        let cursor = Cursor { epoch: None, seq: Seq(2) };
        live.push(chat.as_user(&ann).subscribe(&room, cursor).await.expect("she may read"));
    }
    let sending = nodes.iter().enumerate().map(|(number, (chat, clock))| {
        let (ann, room) = (chat.as_user(&ann), room.clone());
        let clock = Arc::clone(clock);
        tokio::spawn(async move {
            let mut sent = Vec::new();
            for index in 0..SENT {
                if index == SENT / 2 {
                    // From an hour behind to an hour ahead, and the other way round.
                    let off = -OFF[number];
                    clock.0.store(off, std::sync::atomic::Ordering::SeqCst);
                }
                let name = format!("{number}-{index}");
                let draft = Draft::text(name.as_str()).once(&name).expect("a name");
                sent.push((name, ann.send(&room, draft).await.expect("sent").seq));
            }
            sent
        })
    });
    let mut sent = Vec::new();
    for sending in sending.collect::<Vec<_>>() {
        sent.extend(sending.await.expect("no panic"));
    }
    let logs = [
        log(&nodes[0].0, &room).await,
        log(&nodes[1].0, &room).await,
        log(&nodes[2].0, &room).await,
    ];
    assert!(logs[0].iter().map(|entry| entry.seq.0).eq(1..=(2 + 3 * SENT) as u64), "dense");
    assert!(logs[0] == logs[1] && logs[1] == logs[2], "one order on all nodes");
    // The times tell of the clocks; the order does not.
    let times: Vec<_> = logs[0].iter().map(|entry| entry.ts.0).collect();
    assert!(times.windows(2).any(|two| two[1] + HOUR / 2 < two[0]), "the clocks do differ");
    for live in &mut live {
        for expected in &logs[0][2..] {
            let next = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
            let entry = next.expect("it arrives").expect("the store works").expect("more comes");
            assert_eq!(entry.seq, expected.seq);
        }
    }
    // A retry through a node with another time is the same message.
    for (at, (name, seq)) in sent.iter().enumerate().step_by(7) {
        let draft = Draft::text(name.as_str()).once(name).expect("a name");
        let again = nodes[at % 3].0.as_user(&ann).send(&room, draft).await.expect("sent before");
        assert_eq!((again.seq, again.duplicate), (*seq, true), "{name}");
    }
    let left = log(&nodes[2].0, &room).await;
    assert_eq!(left.len(), 2 + 3 * SENT, "nothing is taken away before its time");
}

/// An access token is for 15 minutes of the clock of who looks at it: on a node an hour ahead it is over, and never
/// good for longer than the clocks differ beyond that. The refresh token brings a new one on any node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_with_its_refresh_token_on_a_node_with_another_time() {
    let Some(postgres) = Postgres::start() else { return };
    let bus = Arc::new(MemoryBus::default());
    let mut nodes = Vec::new();
    for off in OFF {
        nodes.push(node(&postgres, &bus, off).await.0);
    }
    let account = NewAccount::handle("ann", "correct horse battery");
    let account = nodes[1].accounts().register(account).await.expect("registered").account();
    let account = account.expect("no address to confirm").id;
    let started = nodes[1].accounts().start_session(&account, NewSession::default()).await;
    let mut tokens = started.expect("a session").tokens;
    let valid = async |node: &Chat, token: &str| node.authenticate(token).await.is_ok();
    assert!(valid(&nodes[1], &tokens.access).await);
    assert!(valid(&nodes[0], &tokens.access).await, "made later than now, as it seems");
    assert!(!valid(&nodes[2], &tokens.access).await, "over for 45 minutes, as it seems");
    for at in [2, 0, 1, 0, 2] {
        let refreshed = nodes[at].accounts().refresh(&tokens.refresh).await;
        tokens = refreshed.expect("refresh tokens are good for weeks").tokens;
        assert!(valid(&nodes[at], &tokens.access).await, "on node {at}");
    }
}
