use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::Timestamp;
use crate::id::{Epoch, MessageId};
use crate::protocol::Wire;
use crate::room::RoomKind;

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

fn room() -> RoomId {
    RoomId::parse("room").expect("a sound id")
}

fn entry(seq: u64, user_name: &str, body: Body) -> Entry {
    Entry {
        room: room(),
        epoch: Epoch::parse("e").expect("a sound id"),
        seq: Seq(seq),
        user: user(user_name),
        ts: Timestamp(0),
        n: None,
        client_msg_id: None,
        body,
    }
}

fn message(seq: u64) -> Entry {
    let body = Body::Message {
        message_id: MessageId::from_bytes([0; 16]),
        text: "x".repeat(100),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
        meta: None,
        edited_at: None,
        deleted_at: None,
    };
    entry(seq, "ann", body)
}

fn seqs(subscription: &Subscription, cursor: u64) -> (Read, Vec<u64>) {
    let mut seen = Vec::new();
    let mut found = Read::Nothing;
    loop {
        let cursor = Seq(seen.last().copied().unwrap_or(cursor));
        let read = subscription.read(cursor, |live| {
            seen.push(live.entry().seq.0);
            true
        });
        match read {
            Read::Upto(_) => found = read,
            _ if seen.is_empty() => return (read, seen),
            _ => return (found, seen),
        }
    }
}

#[test]
fn a_reader_whose_cursor_fell_off_the_ring_is_sent_to_the_log() {
    let hub = Arc::new(Hub::new(1));
    let ben = hub.connect(user("ben"), None);
    let subscription = hub.subscribe(&ben, &room());
    hub.publish((1..=3_000).map(message).collect());
    let (read, seen) = seqs(&subscription, 0);
    let Read::Behind(at) = read else { panic!("{read:?}") };
    assert!(seen.is_empty());
    let (read, seen) = seqs(&subscription, at.0);
    assert_eq!(read, Read::Upto(Seq(3_000)));
    assert_eq!(seen, ((at.0 + 1)..=3_000).collect::<Vec<_>>());
    assert_eq!(seqs(&subscription, 3_000).0, Read::Nothing);
}

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Tally {
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

impl Sink for Tally {
    fn try_write(&self, slices: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(bytes)
    }
}

#[tokio::test]
async fn what_comes_during_a_pass_goes_to_those_still_to_come_with_what_they_get() {
    let hub = Arc::new(Hub::new(1));
    let tallies: Vec<_> = (0..200).map(|_| Arc::new(Tally::default())).collect();
    let mut listening = Vec::new();
    for tally in &tallies {
        let listener = hub.connect(user("ben"), None);
        listener.lane().attach(Some(Arc::clone(tally) as _), Wire::WebSocketJson);
        listener.lane().hold().settle(true);
        let subscription = hub.subscribe(&listener, &room());
        subscription.grant(Seq(1), Seq(100));
        listening.push((listener, subscription));
    }
    let worker = tokio::spawn(Arc::clone(&hub).fan_out(0));
    hub.publish(vec![message(1)]);
    tokio::task::yield_now().await;
    hub.publish(vec![message(2)]);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    worker.abort();
    let wrote = |times| move |tally: &&Arc<Tally>| tally.writes.load(Ordering::SeqCst) == times;
    let count = |times| tallies.iter().filter(wrote(times)).count();
    assert!(count(2) > 0 && count(1) > count(2), "{tallies:?}");
    let bytes = tallies[0].bytes.load(Ordering::SeqCst);
    assert!(tallies.iter().all(|tally| tally.bytes.load(Ordering::SeqCst) == bytes));
}

#[test]
fn the_bell_rings_once_until_it_is_answered() {
    let hub = Arc::new(Hub::new(1));
    let ben = hub.connect(user("ben"), None);
    let subscription = hub.subscribe(&ben, &room());
    hub.publish(vec![message(1)]);
    hub.publish(vec![message(2)]);
    hub.serve_all();
    assert_eq!(ben.take().rooms, [room()]);
    hub.publish(vec![message(3)]);
    hub.serve_all();
    assert!(ben.take().rooms.is_empty());
    subscription.answer();
    hub.publish(vec![message(4)]);
    hub.serve_all();
    assert_eq!(ben.take().rooms, [room()]);
}

#[test]
fn who_is_banned_gets_nothing_from_the_ban_on() {
    let hub = Arc::new(Hub::new(1));
    let (ann, ben) = (hub.connect(user("ann"), None), hub.connect(user("ben"), None));
    let (first, second) = (hub.subscribe(&ann, &room()), hub.subscribe(&ben, &room()));
    let ban = Body::Ban { target: user("ben"), until: None, reason: None };
    hub.publish(vec![message(1), entry(2, "ann", ban), message(3)]);
    assert_eq!(seqs(&second, 0), (Read::Upto(Seq(1)), vec![1]));
    assert_eq!(seqs(&second, 1).0, Read::Ended);
    assert_eq!(second.end(), Some(Seq(2)));
    assert_eq!(seqs(&first, 0).1, [1, 2, 3]);
    let told = Notice::Membership { room: room(), state: Membership::Banned };
    assert_eq!(ben.take().notices, [told]);
}

#[test]
fn a_room_that_becomes_private_ends_readers_from_outside() {
    let hub = Arc::new(Hub::new(1));
    let (ann, ben) = (hub.connect(user("ann"), None), hub.connect(user("ben"), None));
    let (inside, outside) = (hub.subscribe(&ann, &room()), hub.subscribe(&ben, &room()));
    inside.let_in(true, Seq::START);
    let body = Body::Room {
        name: None,
        topic: None,
        visibility: RoomKind::Private,
        slow_mode: 0,
        retention: 0,
    };
    hub.publish(vec![entry(1, "ann", body), message(2)]);
    assert_eq!(seqs(&inside, 0).1, [1, 2]);
    assert_eq!(seqs(&outside, 0).0, Read::Ended);
}

#[test]
fn a_revoked_session_is_told_at_once_and_no_other() {
    let hub = Arc::new(Hub::new(1));
    let session = |name: &str| SessionId::parse(name).expect("a sound id");
    let one = hub.connect(user("ben"), Some(session("one")));
    let two = hub.connect(user("ben"), Some(session("two")));
    hub.revoke(&user("ben"), &session("one"));
    assert_eq!((one.closing(), two.closing()), (Some(Closing::Revoked), None));
    hub.drain();
    assert_eq!((one.closing(), two.closing()), (Some(Closing::Revoked), Some(Closing::Draining)));
    assert_eq!(hub.connect(user("cid"), None).closing(), Some(Closing::Draining));
}

#[test]
fn notices_are_bounded_and_the_latest_mark_of_a_member_replaces_the_one_before() {
    let hub = Arc::new(Hub::new(1));
    let ben = hub.connect(user("ben"), None);
    for read in 0..1_000 {
        let marks = Marks { read_seq: Seq(read), ..Marks::default() };
        hub.marked(&room(), &user("ben"), marks);
    }
    assert_eq!(ben.take().notices.len(), 1);
    for i in 0..300 {
        let room = RoomId::parse(&format!("r{i}")).expect("a sound id");
        hub.notify(&user("ben"), &Notice::Membership { room, state: Membership::Joined });
    }
    assert_eq!(ben.closing(), Some(Closing::Slow));
    assert!(ben.take().notices.len() <= 256);
}

#[test]
fn nothing_is_kept_of_a_room_or_a_person_that_has_gone() {
    let hub = Arc::new(Hub::new(1));
    let ben = hub.connect(user("ben"), None);
    let subscription = hub.subscribe(&ben, &room());
    hub.publish(vec![message(1)]);
    hub.serve_all();
    assert_eq!(hub.connections(), 1);
    drop(subscription);
    drop(ben);
    assert!(lock(&hub.tails).is_empty() && lock(&hub.people).is_empty());
    assert_eq!(hub.ring_bytes.load(Ordering::SeqCst), 0);
}

fn presence(listener: &Listener) -> Vec<(String, bool)> {
    let signals = listener.take().notices.into_iter().filter_map(|notice| match notice {
        Notice::Signal(signal) if signal.kind == "presence" => {
            Some((signal.user.as_str().to_owned(), signal.on))
        }
        _ => None,
    });
    signals.collect()
}

#[test]
fn a_member_is_there_from_the_first_device_to_the_last() {
    let hub = Arc::new(Hub::new(1));
    let ann = hub.connect(user("ann"), None);
    let anns = hub.subscribe(&ann, &room());
    anns.let_in(true, Seq::START);
    assert_eq!(presence(&ann), [], "nobody is told of themselves");
    let ben = hub.connect(user("ben"), None);
    let first = hub.subscribe(&ben, &room());
    assert_eq!(presence(&ann), [], "one who only reads is not shown");
    first.let_in(true, Seq::START);
    assert_eq!(presence(&ann), [("ben".into(), true)]);
    let second = hub.subscribe(&ben, &room());
    second.let_in(true, Seq::START);
    assert_eq!(anns.present(), [user("ann"), user("ben")]);
    drop(first);
    assert_eq!(presence(&ann), []);
    drop(second);
    assert_eq!(presence(&ann), [("ben".into(), false)]);
    assert_eq!(anns.present(), [user("ann")]);
}

#[test]
fn one_who_enters_while_reading_appears() {
    let hub = Arc::new(Hub::new(1));
    let ann = hub.connect(user("ann"), None);
    let anns = hub.subscribe(&ann, &room());
    anns.let_in(true, Seq::START);
    let ben = hub.connect(user("ben"), None);
    let _bens = hub.subscribe(&ben, &room());
    hub.publish(vec![entry(1, "ben", Body::Enter { link: None })]);
    assert_eq!(presence(&ann), [("ben".into(), true)]);
    assert_eq!(anns.present(), [user("ann"), user("ben")]);
}

#[test]
fn one_who_was_put_out_hears_no_signal_any_more() {
    let hub = Arc::new(Hub::new(1));
    let ben = hub.connect(user("ben"), None);
    let _bens = hub.subscribe(&ben, &room());
    let kick = Body::Kick { target: user("ben"), reason: None };
    hub.publish(vec![entry(1, "ann", kick)]);
    let ann = hub.connect(user("ann"), None);
    hub.subscribe(&ann, &room()).let_in(true, Seq::START);
    assert_eq!(presence(&ben), []);
}

#[test]
fn nobody_is_named_in_a_crowd() {
    let hub = Arc::new(Hub::new(1));
    let crowd: Vec<_> = (0..=PRESENCE_AUDIENCE)
        .map(|n| {
            let listener = hub.connect(user(&format!("user{n}")), None);
            let subscription = hub.subscribe(&listener, &room());
            subscription.let_in(true, Seq::START);
            (listener, subscription)
        })
        .collect();
    let (first, subscription) = &crowd[0];
    assert_eq!(presence(first).len(), PRESENCE_AUDIENCE - 1);
    assert_eq!(subscription.present(), []);
}

/// How many are there, as a connection was told.
fn counts(listener: &Listener) -> Vec<u64> {
    let told = listener.take().notices.into_iter().filter_map(|notice| match notice {
        Notice::Online { count, .. } => Some(count),
        _ => None,
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_told_how_many_it_is_and_not_at_every_change() {
    let hub = Arc::new(Hub::new(1));
    let comes = |name: String| {
        let listener = hub.connect(user(&name), None);
        let subscription = hub.subscribe(&listener, &room());
        subscription.let_in(true, Seq::START);
        (listener, subscription)
    };
    let mut crowd: Vec<_> = (0..300).map(|n| comes(format!("user{n}"))).collect();
    let (first, subscription) = &crowd[0];
    assert_eq!(subscription.online(), 300, "before anyone was told");
    hub.count_changed();
    assert_eq!(counts(first), [300]);
    hub.count_changed();
    assert!(counts(first).is_empty(), "that is no news");
    // On a second device: neither is that.
    let second = comes("user7".to_owned());
    hub.count_changed();
    assert!(counts(&crowd[0].0).is_empty());
    drop(second);
    crowd.truncate(298);
    hub.count_changed();
    assert!(counts(&crowd[0].0).is_empty(), "less than a hundredth is not told at once");
    crowd.truncate(290);
    hub.count_changed();
    assert_eq!(counts(&crowd[0].0), [290]);
    crowd.truncate(289);
    hub.count_changed();
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    hub.count_changed();
    assert_eq!(counts(&crowd[0].0), [289], "but after a minute it is");
    assert_eq!(crowd[0].1.online(), 289);
    // Until it is no crowd any more: then everyone is named again.
    crowd.truncate(PRESENCE_AUDIENCE);
    hub.count_changed();
    assert_eq!(crowd[0].1.online(), PRESENCE_AUDIENCE as u64);
    assert_eq!(crowd[0].1.present().len(), PRESENCE_AUDIENCE);
    let _ = crowd[0].0.take();
    crowd.pop();
    assert_eq!(presence(&crowd[0].0), [(format!("user{}", PRESENCE_AUDIENCE - 1), false)]);
    drop(crowd);
    assert!(lock(&hub.tails).is_empty());
}

/// A way to a peer that fails in a manner that no way should.
#[derive(Debug)]
struct Panics;

impl Sink for Panics {
    fn try_write(&self, _slices: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        panic!("a test's sink")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_pass_leaves_no_room_silent() {
    let hub = Arc::new(Hub::new(1));
    let worker = tokio::spawn(Arc::clone(&hub).fan_out(0));
    let (ann, ben) = (hub.connect(user("ann"), None), hub.connect(user("ben"), None));
    let other = RoomId::parse("other").expect("a sound id");
    let bad = hub.subscribe(&ann, &room());
    let _good = hub.subscribe(&ben, &other);
    ann.lane().attach(Some(Arc::new(Panics)), crate::protocol::Wire::WebSocketJson);
    bad.grant(Seq(1), Seq(100));
    ann.lane().hold().settle(true);
    hub.publish(vec![message(1), Entry { room: other.clone(), ..message(1) }]);
    tokio::time::timeout(std::time::Duration::from_secs(60), ben.ring()).await.expect("rung");
    assert_eq!(ben.take().rooms, [other]);
    worker.abort();
}
