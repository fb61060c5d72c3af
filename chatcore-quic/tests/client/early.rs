//! A client that comes back: in its first packets, with what it has to say.

use chatcore::id::Seq;
use chatcore::log::{Body, Cursor, Draft};
use chatcore::protocol::frame::{CreateRoom, History};
use chatcore::room::RoomKind;
use chatcore_quic::client::{State, Subscription, Update};

use crate::cuttable::{House, soon};
use crate::relay::{Mode, Relay};

/// The text of the next message.
async fn next_text(entries: &mut Subscription) -> (Seq, String) {
    loop {
        let update = soon("an entry", entries.next()).await.expect("open").expect("not refused");
        if let Update::Event(event) = update
            && let Some(Body::Message { text, .. }) = event.entry().map(|entry| &entry.body)
        {
            return (event.seq(), text.clone());
        }
    }
}

fn public() -> CreateRoom {
    serde_json::from_value(serde_json::json!({"kind": "public"})).expect("a room")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_told_what_it_missed_and_has_sent_before_its_handshake_is_done() {
    let house = House::open().await;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    let relay = Relay::to(house.address).await;
    let (link, scissors) = house.link(relay.address);
    let client = house.client(&ann).connect(link).expect("sound settings");
    let room = client.create_room(public()).await.expect("made").room;
    let bob = house.chat.as_user(&bob.account.id);
    bob.enter(&room).await.expect("entered");
    let mut entries = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    bob.send(&room, Draft::text("before")).await.expect("sent");
    let (before, _) = next_text(&mut entries).await;

    relay.begin(Mode::FirstFlight).await;
    scissors.cut();
    let missed = bob.send(&room, Draft::text("meanwhile")).await.expect("sent");
    let sending = client.enqueue(&room, Draft::text("unsent")).await.expect("taken");
    assert_eq!(next_text(&mut entries).await, (missed.seq, "meanwhile".into()));
    let sent = soon("the answer", sending.sent()).await.expect("sent");
    assert!(!sent.duplicate && missed.seq == before.next());
    soon("the second flight", relay.holds()).await;
    assert_eq!((house.counters.early(), house.counters.accepted()), (1, 1));
    // What might hurt waits, and is done once it can be.
    let other = tokio::spawn({
        let client = client.clone();
        async move { client.create_room(public()).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!other.is_finished());
    relay.release().await;
    soon("another room", other).await.expect("no panic").expect("made");
    assert_eq!(next_text(&mut entries).await.1, "unsent");
    let page = client.history(&room, History::default()).await.expect("read");
    assert_eq!(page.messages.len(), 3);

    // And again: each time with the ticket that it was given.
    for round in 2..5_u64 {
        relay.begin(Mode::FirstFlight).await;
        scissors.cut();
        client.send(&room, Draft::text(round.to_string())).await.expect("sent");
        assert_eq!(next_text(&mut entries).await.1, round.to_string());
        relay.release().await;
        let settled = async {
            while house.counters.accepted() < round + 1 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        soon("the handshake", settled).await;
        client.rooms().await.expect("read");
        assert_eq!(house.counters.early(), round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_rejects_is_said_again_on_the_same_connection() {
    let house = House::open().await;
    let ann = house.person("ann").await;
    let relay = Relay::to(house.address).await;
    let (link, scissors) = house.link(relay.address);
    let client = house.client(&ann).connect(link).expect("sound settings");
    let room = client.create_room(public()).await.expect("made").room;
    let mut entries = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    client.send(&room, Draft::text("0")).await.expect("sent");
    assert_eq!(next_text(&mut entries).await.1, "0");
    for round in 1..4_u64 {
        // The same once more: the server forgets its sessions, as it does when it is started anew.
        let made = &house.made;
        let same = house.certificate.replace(made.chain.as_bytes(), made.key.as_bytes());
        same.expect("usable");
        relay.begin(Mode::Pass).await;
        scissors.cut();
        let sent = client.send(&room, Draft::text(round.to_string())).await.expect("sent");
        assert!(!sent.duplicate, "nothing of the first has arrived");
        assert_eq!(next_text(&mut entries).await.1, round.to_string());
        assert_eq!((house.counters.early(), house.counters.accepted()), (0, round + 1));
    }
    assert_eq!(*client.state().borrow(), State::Connected);
    let page = client.history(&room, History::default()).await.expect("read");
    assert_eq!(page.messages.len(), 4, "each once");
    assert_eq!(client.rooms().await.expect("read")[0].kind, RoomKind::Public);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_ticket_gone_it_comes_in_by_its_token() {
    let house = House::open().await;
    let ann = house.person("ann").await;
    let (link, scissors) = house.link(house.address);
    let client = house.client(&ann).connect(link).expect("sound settings");
    let room = client.create_room(public()).await.expect("made").room;
    // Newer ones have pushed it out.
    for _ in 0..16 {
        house.chat.accounts().issue_ticket(&ann.session.id).await.expect("the session lives");
    }
    scissors.cut();
    let sent = soon("sending", client.send(&room, Draft::text("hi"))).await.expect("sent");
    assert!(!sent.duplicate);
    assert_eq!(client.rooms().await.expect("read").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_lose_nothing_and_double_nothing() {
    let house = House::open().await;
    let ann = house.person("ann").await;
    let (link, scissors) = house.link(house.address);
    let client = house.client(&ann).connect(link).expect("sound settings");
    let room = client.create_room(public()).await.expect("made").room;
    let mut entries = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let sender = client.clone();
    let to = room.clone();
    let sends = tokio::spawn(async move {
        for n in 0..300 {
            sender.send(&to, Draft::text(format!("{n:03}"))).await.expect("sent in the end");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    let cuts = tokio::spawn(async move {
        for cut in 0..100_u64 {
            tokio::time::sleep(std::time::Duration::from_micros(1_000 + (cut * 7_919) % 9_000))
                .await;
            scissors.cut();
        }
    });
    for n in 0..300 {
        assert_eq!(next_text(&mut entries).await.1, format!("{n:03}"));
    }
    sends.await.expect("no panic");
    cuts.await.expect("no panic");
    println!("{} of {} connections began early", house.counters.early(), house.counters.accepted());
    // Some of the others were faster than what they said.
    assert!(house.counters.early() > 0);
}
