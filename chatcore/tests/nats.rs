//! Nodes over one store and a real NATS, which is killed and comes back.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
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
use futures_util::StreamExt as _;

/// How long anything may take that NATS does at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A NATS of this test's own, killed when dropped.
struct Nats {
    program: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Nats {
    /// Starts one; none, having said so, where it is not installed.
    fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file());
        let Some(program) = program else {
            let required = std::env::var_os("CHATCORE_REQUIRE_SERVICES");
            assert!(
                required.is_none_or(|value| value != "1"),
                "nats-server is not installed, and CHATCORE_REQUIRE_SERVICES=1"
            );
            eprintln!("skipped: nats-server is not installed");
            return None;
        };
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        drop(socket);
        let mut nats = Self { program, port, process: None };
        nats.launch();
        Some(nats)
    }

    fn launch(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--user", "ann", "--pass", "p@ss"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("nats-server starts"));
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be waited for");
        }
    }

    async fn bus(&self) -> Arc<NatsBus> {
        let url = format!("nats://ann:p%40ss@127.0.0.1:{}/test", self.port);
        Arc::new(NatsBus::open(&url).await.expect("a sound URL"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn node(store: &Arc<MemoryStore>, nats: &Nats) -> Chat {
    let bus = nats.bus().await as Arc<dyn Bus>;
    let chat = Chat::builder(Arc::clone(store) as Arc<dyn Store>).bus(bus);
    chat.build().await.expect("it starts")
}

fn is_up(chat: &Chat) -> bool {
    chat.bus().expect("a bus").up
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
    let Some(mut nats) = Nats::start() else { return };
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
    let topics = two.bus().expect("a bus").topics;
    assert!(topics >= 2, "the room and the sessions: {topics}");
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
        nats.launch();
        until("both are back", || is_up(&one) && is_up(&two)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_heard_by_others_on_its_subject_alone() {
    let Some(nats) = Nats::start() else { return };
    let (one, two) = (nats.bus().await, nats.bus().await);
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
