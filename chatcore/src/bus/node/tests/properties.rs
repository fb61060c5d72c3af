//! Whatever becomes of the hints.

use proptest::prelude::*;

use super::*;
use crate::bus::Fault;

const NODES: usize = 3;

/// Something that happens to the nodes.
#[derive(Clone, Debug)]
enum Step {
    /// Someone sends, through a node.
    Send(usize),
    /// Several send at once, through all of them.
    Burst(usize),
    /// Someone begins to read, at a node: from the beginning, or from here on.
    Read(usize, bool),
    /// The one who reads longest stops.
    Stop,
    /// Ben is sent out through one node and comes back through another.
    OutAndIn(usize, usize),
    /// The first message is changed through a node.
    Edit(usize),
    /// The bus goes down, or up.
    Bus(bool),
    /// Time passes, in milliseconds.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..NODES).prop_map(Step::Send),
        2 => (1..40_usize).prop_map(Step::Burst),
        3 => ((0..NODES), any::<bool>()).prop_map(|(node, all)| Step::Read(node, all)),
        1 => Just(Step::Stop),
        1 => ((0..NODES), (0..NODES)).prop_map(|(out, back)| Step::OutAndIn(out, back)),
        1 => (0..NODES).prop_map(Step::Edit),
        1 => any::<bool>().prop_map(Step::Bus),
        3 => (0..900_u64).prop_map(Step::Wait),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Lose),
        1 => Just(Fault::Double),
        1 => Just(Fault::Delay),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Every reader is given each entry once and in order, and has all of them within a poll once the
    /// bus is dead.
    #[test]
    fn every_reader_gets_each_entry_once_whatever_becomes_of_hints(
        steps in prop::collection::vec(step(), 1..40),
        faults in prop::collection::vec(fault(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(steps, faults))?;
    }
}

async fn run(steps: Vec<Step>, faults: Vec<Fault>) -> Result<(), TestCaseError> {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let bus = MemoryBus::with_faults(move |_| {
        faults[turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % faults.len()]
    });
    let nodes = Nodes::start(NODES, bus).await;
    let room = nodes.room(&["ann", "ben", "cat"]).await;
    let first = nodes.chats[0].as_user(&user("ann")).send(&room, Draft::text("0")).await;
    let first = first.expect("sent").message_id;
    let mut readers: Vec<(u64, Reader)> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Send(node) => drop(nodes.send(node, "ann", &room, &number.to_string()).await),
            Step::Burst(count) => {
                let sends = (0..count).map(|turn| nodes.send(turn % NODES, "ann", &room, "x"));
                futures_util::future::join_all(sends).await;
            }
            Step::Read(node, all) => {
                let head = nodes.chats[0].as_system().room(&room).await.expect("there").head_seq.0;
                let from = if all { 0 } else { head };
                let reader = Reader::open(&nodes.chats[node], "cat", &room, from).await;
                readers.push((from, reader));
            }
            Step::Stop if readers.is_empty() => {}
            Step::Stop => drop(readers.remove(0)),
            Step::OutAndIn(out, back) => {
                let ann = nodes.chats[out].as_user(&user("ann"));
                let kick = MemberAction::Kick { reason: None };
                ann.member(&room, &user("ben"), kick).await.expect("kicked");
                nodes.chats[back].as_user(&user("ben")).enter(&room).await.expect("entered");
            }
            Step::Edit(node) => {
                let ann = nodes.chats[node].as_user(&user("ann"));
                let once = ClientMsgId::parse(&format!("e{number}")).expect("a sound id");
                ann.edit(&room, &first, once, format!("edit {number}")).await.expect("edited");
            }
            Step::Bus(down) => nodes.bus.set_down(down),
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }
    nodes.bus.set_down(true);
    tokio::time::sleep(POLL).await;
    let head = nodes.chats[0].as_system().room(&room).await.expect("there").head_seq.0;
    for (from, reader) in &readers {
        let expected: Vec<_> = (from + 1..=head).collect();
        prop_assert_eq!(reader.seqs(), expected);
        prop_assert!(!reader.has_ended());
    }
    // What is at hand says the same as the log, on every node.
    let log = nodes.store_log(&room).await;
    for chat in &nodes.chats {
        let late = Reader::open(chat, "cat", &room, 0).await;
        tokio::time::sleep(POLL).await;
        prop_assert_eq!(&*late.seen.lock().expect("no panic"), &log);
    }
    Ok(())
}

impl Nodes {
    async fn store_log(&self, room: &RoomId) -> Vec<Entry> {
        use crate::store::LogStore as _;
        self.store.entries(room, Seq::START, 100_000).await.expect("memory works")
    }
}
