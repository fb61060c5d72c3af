//! Two nodes over a real PostgreSQL, each with a pool of its own, and a real NATS, which dies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use chatcore::account::{NewAccount, NewSession, Secret};
use chatcore::bus::{Bus, BusError, Following, NatsBus, Report, Topic};
use chatcore::chat::LiveEntries;
use chatcore::hub::{Closing, Listener, Notice, Subscription};
use chatcore::id::{RoomId, Seq, UserId};
use chatcore::log::{Body, Cursor, Draft, Entry};
use chatcore::room::{MemberAction, NewRoom};
use chatcore::{Chat, store};
use chatcore_servers::{Nats, Postgres};
use serde_json::{Value, json};

/// How long anything may take that is done at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What holds with the bus dead: so soon one hears of what another node did.
const PROMISED: Duration = Duration::from_secs(2);

/// Two nodes and what they share.
struct Nodes {
    here: Chat,
    there: Chat,
    nats: Nats,
    _postgres: Postgres,
}

impl Nodes {
    /// Starts them; none, having said so, where a server is not installed.
    async fn start() -> Option<Self> {
        Self::with(|bus| bus).await
    }

    /// The same, with the bus of the first node as `bus` makes it.
    async fn with(bus: impl FnOnce(Arc<dyn Bus>) -> Arc<dyn Bus>) -> Option<Self> {
        let (postgres, nats) = (Postgres::start()?, Nats::start()?);
        let here = node(&postgres, bus(connect(&nats).await)).await;
        let there = node(&postgres, connect(&nats).await).await;
        let nodes = Self { here, there, nats, _postgres: postgres };
        until("both are connected", || nodes.here().up && nodes.there().up).await;
        Some(nodes)
    }

    fn here(&self) -> Report {
        self.here.bus().expect("a bus")
    }

    fn there(&self) -> Report {
        self.there.bus().expect("a bus")
    }

    /// A public room of both, made on the first node.
    async fn room(&self) -> RoomId {
        let made = self.here.as_user(&user("ann")).create_room(NewRoom::public("general")).await;
        let room = made.expect("made").room;
        self.here.as_user(&user("ben")).enter(&room).await.expect("it is public");
        room
    }

    /// Sends on the first node.
    async fn send(&self, room: &RoomId, text: &str) -> Seq {
        self.here.as_user(&user("ann")).send(room, Draft::text(text)).await.expect("sent").seq
    }

    /// Reads a room on the second node from now on, once its hints arrive there.
    async fn listen(&self, room: &RoomId) -> LiveEntries {
        let from = self.here.as_user(&user("ann")).room(room).await.expect("it is there").head_seq;
        let cursor = Cursor { epoch: None, seq: from };
        let live = self.there.as_user(&user("ben")).subscribe(room, cursor).await;
        let mut live = live.expect("he may read");
        let began = Instant::now();
        let heard = self.there().heard;
        // The subject may be followed a moment later than someone listens. Presence is heard of too.
        while self.there().heard < heard + 10 {
            assert!(began.elapsed() < PATIENCE, "hints do not arrive");
            let sent = self.send(room, "is anybody there?").await;
            assert_eq!(next(&mut live).await.seq, sent);
        }
        live
    }
}

async fn connect(nats: &Nats) -> Arc<dyn Bus> {
    Arc::new(NatsBus::open(&nats.url()).await.expect("a sound URL"))
}

async fn node(postgres: &Postgres, bus: Arc<dyn Bus>) -> Chat {
    let store = store::open(&postgres.url()).await.expect("the store opens");
    let secret = Secret::new(vec![7; 32]).expect("long enough");
    Chat::builder(store).bus(bus).secret(secret).build().await.expect("it starts")
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

async fn until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

async fn next(live: &mut LiveEntries) -> Entry {
    let next = tokio::time::timeout(PATIENCE, live.next()).await.expect("it arrives");
    next.expect("the store works").expect("more comes")
}

fn text(entry: &Entry) -> &str {
    match &entry.body {
        Body::Message { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_sent_on_one_node_is_delivered_on_the_other_by_its_hint() {
    let Some(nodes) = Nodes::start().await else { return };
    let room = nodes.room().await;
    let mut live = nodes.listen(&room).await;
    let before = nodes.there();
    let mut took = Vec::new();
    for turn in 0..50 {
        let began = Instant::now();
        let sent = nodes.send(&room, &turn.to_string()).await;
        let entry = next(&mut live).await;
        took.push(began.elapsed());
        assert_eq!((entry.seq, text(&entry)), (sent, turn.to_string().as_str()));
    }
    took.sort_unstable();
    eprintln!("send to delivery: {:?} at the median, {:?} at most", took[25], took[49]);
    let after = nodes.there();
    assert!(after.heard >= before.heard + 50, "{before:?} {after:?}");
    // A poll may look in the moment between a commit and its hint; it does so once in 0.7 s.
    assert!(after.read <= before.read + 5, "hints bring the entries: {before:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nats_killed_an_entry_is_delivered_within_two_seconds_by_the_poll() {
    let Some(nodes) = Nodes::start().await else { return };
    let room = nodes.room().await;
    let mut live = nodes.listen(&room).await;
    for round in 0..2 {
        nodes.nats.kill();
        let heard = nodes.there().heard;
        for turn in 0..3 {
            let began = Instant::now();
            let sent = nodes.send(&room, "by the log").await;
            assert_eq!(next(&mut live).await.seq, sent, "each once, and in order");
            eprintln!("round {round}.{turn}: {:?}", began.elapsed());
            assert!(began.elapsed() <= PROMISED, "{:?}", began.elapsed());
        }
        assert_eq!(nodes.there().heard, heard, "nothing was heard");
        nodes.nats.restart();
        until("both are back", || nodes.here().up && nodes.there().up).await;
    }
    let heard = nodes.there().heard;
    let began = Instant::now();
    while nodes.there().heard < heard + 10 {
        assert!(began.elapsed() < PATIENCE, "hints do not arrive again");
        let sent = nodes.send(&room, "by a hint").await;
        assert_eq!(next(&mut live).await.seq, sent);
    }
}

/// It takes what is said and passes nothing on, and for a while nobody can know that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_hangs_sends_are_acknowledged_as_ever_and_delivered_within_two_seconds() {
    let Some(nodes) = Nodes::start().await else { return };
    let room = nodes.room().await;
    let mut live = nodes.listen(&room).await;
    nodes.nats.pause();
    let hung = Instant::now();
    // Until well after it was given up, which takes two pings without an answer.
    while hung.elapsed() < Duration::from_secs(6) {
        let began = Instant::now();
        let sent = nodes.send(&room, "through").await;
        assert!(began.elapsed() < Duration::from_secs(1), "sent in {:?}", began.elapsed());
        assert_eq!(next(&mut live).await.seq, sent);
        assert!(began.elapsed() <= PROMISED, "{:?}", began.elapsed());
    }
    nodes.nats.resume();
    until("both are back", || nodes.here().up && nodes.there().up).await;
    // What waited in it comes late, and takes no effect twice.
    for _ in 0..20 {
        let sent = nodes.send(&room, "after").await;
        assert_eq!(next(&mut live).await.seq, sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_on_one_node_ends_delivery_on_the_other_within_two_seconds_with_nats_dead() {
    let Some(nodes) = Nodes::start().await else { return };
    let room = nodes.room().await;
    let mut live = nodes.listen(&room).await;
    nodes.nats.kill();
    let began = Instant::now();
    let kick = MemberAction::Kick { reason: None };
    let ann = nodes.here.as_user(&user("ann"));
    let kicked = ann.member(&room, &user("ben"), kick).await.expect("kicked");
    nodes.send(&room, "not for ben").await;
    loop {
        let next = tokio::time::timeout(PROMISED, live.next()).await.expect("it ends");
        let Some(entry) = next.expect("the store works") else { break };
        assert!(entry.seq < kicked, "{entry:?}");
    }
    eprintln!("out after {:?}", began.elapsed());
    assert!(began.elapsed() <= PROMISED, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_revoked_on_one_node_is_cut_off_on_the_other_within_two_seconds_with_nats_dead() {
    let Some(nodes) = Nodes::start().await else { return };
    let accounts = nodes.here.accounts();
    let account = NewAccount::handle("ann", "correct horse battery");
    let account = accounts.register(account).await.expect("registered").account();
    let account = account.expect("no address to confirm").id;
    let start = || accounts.start_session(&account, NewSession::default());
    let (one, two) = (start().await.expect("signed in"), start().await.expect("signed in"));
    // Found alive the moment before: what was found is believed for a second.
    let token = &one.tokens.access;
    nodes.there.authenticate(token).await.expect("it lives");
    let hub = nodes.there.hub();
    let ends = hub.connect(account.clone(), Some(one.session.id.clone()));
    let stays = hub.connect(account.clone(), Some(two.session.id.clone()));
    nodes.nats.kill();
    let began = Instant::now();
    accounts.revoke(&account, &one.session.id).await.expect("revoked");
    let cut = until("it is cut off", || ends.closing() == Some(Closing::Revoked)).await;
    eprintln!("cut off after {cut:?}");
    assert!(began.elapsed() <= PROMISED, "{:?}", began.elapsed());
    let again = nodes.there.authenticate(token).await;
    assert!(again.is_err(), "and nobody comes in by it again");
    tokio::time::sleep(PROMISED).await;
    assert_eq!(stays.closing(), None, "the other session lives");
}

/// A client of `who` that listens to a room, as a member of it.
async fn comes(chat: &Chat, who: &str, room: &RoomId) -> (Arc<Listener>, Subscription) {
    let listener = chat.hub().connect(user(who), None);
    let subscription = chat.hub().subscribe(&listener, room);
    let resume = chat.as_user(&user(who)).resume(room, None).await.expect("they may read");
    subscription.let_in(resume.joined(), resume.head_seq);
    (listener, subscription)
}

/// Whether `who` was told to do so, among what a connection is told until then.
async fn hears(listener: &Listener, kind: &str, who: &str, on: bool) {
    let of = |notice: &Notice| match notice {
        Notice::Signal(signal) => {
            signal.kind == kind && signal.user == user(who) && signal.on == on
        }
        _ => false,
    };
    until(kind, || listener.take().notices.iter().any(of)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_and_who_types_is_known_on_both_nodes() {
    let Some(nodes) = Nodes::start().await else { return };
    let room = nodes.room().await;
    let (anns, here) = comes(&nodes.here, "ann", &room).await;
    let (bens, there) = comes(&nodes.there, "ben", &room).await;
    hears(&anns, "presence", "ben", true).await;
    until("ann is seen there", || there.present() == [user("ann"), user("ben")]).await;
    assert_eq!(here.present(), [user("ann"), user("ben")]);
    let ann = nodes.here.as_user(&user("ann"));
    for on in [true, false] {
        ann.signal(&room, "typing", on, 5_000).await.expect("signalled");
        hears(&bens, "typing", "ann", on).await;
    }
    drop(there);
    hears(&anns, "presence", "ben", false).await;
    assert_eq!(here.present(), [user("ann")]);
}

/// Says what the release after this one may say: more fields, other kinds of hints, and hints of another
/// version.
#[derive(Debug)]
struct Newer(Arc<dyn Bus>);

/// Puts fields that nobody knows into an object, and into those within it.
fn grow(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(grow);
            fields.insert("of_tomorrow".to_owned(), json!({ "n": [1, null, "x"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(grow),
        _ => {}
    }
}

#[async_trait]
impl Bus for Newer {
    async fn tell(&self, topic: &Topic, hint: Bytes) -> Result<(), BusError> {
        let mut hint: Value = serde_json::from_slice(&hint).expect("an object");
        grow(&mut hint);
        let mut other = hint.clone();
        other["op"] = json!("of_tomorrow");
        let mut later = hint.clone();
        later["v"] = json!(2);
        for hint in [other, later, hint] {
            self.0.tell(topic, hint.to_string().into()).await?;
        }
        Ok(())
    }

    async fn follow(&self, topic: &Topic) -> Result<Following, BusError> {
        self.0.follow(topic).await
    }

    fn largest(&self) -> usize {
        self.0.largest()
    }

    fn is_up(&self) -> bool {
        self.0.is_up()
    }

    fn lost(&self) -> u64 {
        self.0.lost()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_of_the_next_version_are_understood_with_fields_that_nobody_here_knows() {
    let Some(nodes) = Nodes::with(|bus| Arc::new(Newer(bus))).await else { return };
    let room = nodes.room().await;
    let mut live = nodes.listen(&room).await;
    let (bens, _there) = comes(&nodes.there, "ben", &room).await;
    let before = nodes.there();
    for turn in 0..30 {
        let sent = nodes.send(&room, &turn.to_string()).await;
        let entry = next(&mut live).await;
        assert_eq!((entry.seq, text(&entry)), (sent, turn.to_string().as_str()));
    }
    nodes.here.as_user(&user("ann")).signal(&room, "typing", true, 5_000).await.expect("signalled");
    hears(&bens, "typing", "ann", true).await;
    let after = nodes.there();
    let (heard, read) = (after.heard - before.heard, after.read - before.read);
    assert!(heard >= 31, "{before:?} {after:?}");
    assert!(read <= 5, "the entries were taken from the hints: {before:?} {after:?}");
    // Two with each that is understood; of the last one of all they came before it.
    assert!(after.unreadable - before.unreadable >= 2 * heard - 2, "{before:?} {after:?}");
}
