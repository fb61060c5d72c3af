//! Two ways to one chat, of which the better one comes and goes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatcore::Chat;
use chatcore::id::Seq;
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::Wire;
use chatcore_quic::client::link::{Early, LinkError, Opened};
use chatcore_quic::client::{Client, Error, Fallback, Link, Subscription, Update, Upload, Waits};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::cuttable::soon;
use crate::memory::{self, MemoryLink, Scissors, chat, quick, room_of};

/// How a way behaves when it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Opens,
    /// It answers nothing, as where packets are dropped.
    Silent,
    /// It takes what is said early, and then answers nothing.
    TakesAndIsSilent,
    Refuses,
}

/// A way that behaves as it is told.
#[derive(Clone, Debug)]
struct Way {
    link: Arc<MemoryLink>,
    scissors: Scissors,
    manner: Arc<watch::Sender<Manner>>,
    tries: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
}

impl Way {
    fn new(chat: &Chat, wire: Wire, manner: Manner) -> Self {
        let (link, scissors) = MemoryLink::new(chat, wire);
        let manner = Arc::new(watch::Sender::new(manner));
        Self { link: link.into(), scissors, manner, tries: Arc::default(), opened: Arc::default() }
    }

    fn become_now(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Link for Way {
    type Sender = memory::Sender;
    type Receiver = memory::Receiver;

    async fn open(&self) -> Result<(Self::Sender, Self::Receiver), LinkError> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let manner = *self.manner.borrow();
        match manner {
            Manner::Opens => {
                let opened = self.link.open().await?;
                self.opened.fetch_add(1, Ordering::SeqCst);
                Ok(opened)
            }
            Manner::Refuses => Err(LinkError::new("nobody is there")),
            Manner::Silent | Manner::TakesAndIsSilent => pending().await,
        }
    }

    async fn open_early(&self) -> Result<Opened<Self::Sender, Self::Receiver>, LinkError> {
        let manner = *self.manner.borrow();
        if manner != Manner::TakesAndIsSilent {
            let (sender, receiver) = self.open().await?;
            let handshake = Some(async { Early::Taken }.boxed());
            return Ok(Opened { sender, receiver, handshake });
        }
        let (sender, receiver) = memory::to_nobody();
        Ok(Opened { sender, receiver, handshake: Some(pending().boxed()) })
    }
}

/// Short ones.
fn waits() -> Waits {
    Waits {
        head_start: Duration::from_millis(200),
        retry: Duration::from_millis(400),
        longest_retry: Duration::from_secs(1),
    }
}

fn both(chat: &Chat, manners: (Manner, Manner)) -> (Way, Way, Fallback<Way, Way>) {
    let better = Way::new(chat, Wire::Quic, manners.0);
    let spare = Way::new(chat, Wire::WebSocketMsgpack, manners.1);
    let link = Fallback::with_waits(better.clone(), spare.clone(), waits());
    (better, spare, link)
}

/// Says so many things, one after the other, slowly enough for much to happen meanwhile.
fn talk(client: &Client, room: &chatcore::id::RoomId, count: usize) -> tokio::task::JoinHandle<()> {
    let (client, room) = (client.clone(), room.clone());
    tokio::spawn(async move {
        for n in 0..count {
            client.send(&room, Draft::text(format!("{n:04}"))).await.expect("sent in the end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
}

/// Reads until so many messages have come: each entry once, in order.
async fn hear(entries: &mut Subscription, count: usize) {
    let (mut texts, mut last) = (Vec::new(), Seq(0));
    while texts.len() < count {
        let update = soon("an entry", entries.next()).await.expect("open").expect("not refused");
        if let Update::Event(event) = update {
            assert_eq!(event.seq(), last.next(), "the next one, once");
            last = event.seq();
            if let Some(Body::Message { text, .. }) = event.entry().map(|entry| &entry.body) {
                texts.push(text.clone());
            }
        }
    }
    let all: Vec<_> = (0..count).map(|n| format!("{n:04}")).collect();
    assert_eq!(texts, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_better_way_is_silent_the_spare_one_serves_and_is_remembered() {
    let chat = chat().await;
    let (better, spare, link) = both(&chat, (Manner::Silent, Manner::Opens));
    assert!(!link.on_spare());
    let began = Instant::now();
    let ann = quick("ann").connect(link.clone()).expect("sound settings");
    soon("an answer", ann.rooms()).await.expect("it stands");
    assert!(began.elapsed() >= Duration::from_millis(200), "the better one had its chance");
    assert!(link.on_spare());
    let refused = ann.upload(Upload::bytes("a.txt", "a")).await;
    assert!(matches!(refused, Err(Error::NoFiles)), "{refused:?}");

    // After a cut nobody waits for the better one again.
    let began = Instant::now();
    spare.scissors.cut();
    let again = async {
        while spare.opened() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("the second link", again).await;
    assert!(began.elapsed() < Duration::from_millis(190), "{:?}", began.elapsed());
    assert_eq!(better.opened(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_better_way_serves_the_spare_one_is_not_tried() {
    let chat = chat().await;
    let (better, spare, link) = both(&chat, (Manner::Opens, Manner::Opens));
    let ann = quick("ann").connect(link.clone()).expect("sound settings");
    for cuts in 1..4 {
        soon("an answer", ann.rooms()).await.expect("it stands");
        assert_eq!((better.opened(), spare.tries()), (cuts, 0));
        better.scissors.cut();
        let mut state = ann.state();
        let lost = state.wait_for(|state| *state != chatcore_quic::client::State::Connected);
        soon("the cut", lost).await.expect("it lives");
    }
    assert!(!link.on_spare());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_better_way_is_back_it_is_gone_and_nothing_is_lost_or_doubled() {
    const MESSAGES: usize = 600;
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let (better, spare, link) = both(&chat, (Manner::Refuses, Manner::Opens));
    let ann = quick("ann").connect(link.clone()).expect("sound settings");
    let mut entries = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let talking = talk(&ann, &room, MESSAGES);
    let hearing = tokio::spawn(async move {
        hear(&mut entries, MESSAGES).await;
        entries
    });
    let on_spare = async {
        while spare.opened() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("the spare way", on_spare).await;
    soon("the talk", talking).await.expect("no panic");
    soon("what was said", hearing).await.expect("no panic");
    assert!(better.tries() >= 3, "it was tried from time to time: {}", better.tries());
    assert!(better.opened() == 0 && link.on_spare());

    better.become_now(Manner::Opens);
    let back = async {
        // Once to see whether it is there, once to stay.
        while better.opened() < 2 || link.on_spare() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the better way", back).await;
    soon("an answer", ann.rooms()).await.expect("it stands");
    assert_eq!(spare.opened(), 1, "the spare one was not needed again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn talk_that_never_pauses_does_not_lose_anything_when_the_way_changes() {
    const MESSAGES: usize = 500;
    let chat = chat().await;
    let room = room_of(&chat, &["ann"]).await;
    let (better, spare, link) = both(&chat, (Manner::Opens, Manner::Opens));
    let ann = quick("ann").connect(link.clone()).expect("sound settings");
    let mut entries = ann.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let talking = talk(&ann, &room, MESSAGES);
    let changing = tokio::spawn(async move {
        for n in 0..6 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let away = n % 2 == 0;
            better.become_now(if away { Manner::Refuses } else { Manner::Opens });
            if away { better.scissors.cut() } else { spare.scissors.cut() }
        }
        spare.opened()
    });
    hear(&mut entries, MESSAGES).await;
    soon("the talk", talking).await.expect("no panic");
    assert!(changing.await.expect("no panic") >= 2, "it went both ways");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_early_to_nobody_is_said_again_over_the_spare_way() {
    let house = crate::cuttable::House::open().await;
    let signed = house.person("ann").await;
    let room = room_of_house(&house, &signed).await;
    let (better, spare, link) = both(&house.chat, (Manner::Opens, Manner::Opens));
    let ann = house.client(&signed).device("native").connect(link.clone());
    let ann = ann.expect("sound settings");
    ann.send(&room, Draft::text("first")).await.expect("sent");
    assert!(!link.on_spare());
    // There is a ticket now, so the next link begins with what may be said twice.
    better.become_now(Manner::TakesAndIsSilent);
    let began = Instant::now();
    better.scissors.cut();
    let sent = soon("the second", ann.send(&room, Draft::text("second"))).await.expect("sent");
    assert!(!sent.duplicate);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(link.on_spare() && spare.opened() >= 1);
    let history = ann.history(&room, Default::default()).await.expect("read");
    let texts: Vec<_> = history.messages.iter().map(|message| &*message.text).collect();
    assert_eq!(texts, ["first", "second"]);
}

async fn room_of_house(
    house: &crate::cuttable::House,
    signed: &chatcore::account::SignedIn,
) -> chatcore::id::RoomId {
    let owner = house.chat.as_user(&signed.account.id);
    owner.create_room(chatcore::room::NewRoom::public("room")).await.expect("made").room
}
