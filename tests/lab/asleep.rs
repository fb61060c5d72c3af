//! A client that is away for so long that its connection dies, while much is said.

use std::time::{Duration, Instant};

use chatcore::id::Seq;
use chatcore::log::{Cursor, Draft};
use chatcore_quic::client::{Client, Link, State, Update};
use chatcore_tests::PATIENCE;
use chatcore_tests::lab::{Conditions, Way};

use crate::site::{Site, either, user};

/// Entries that pass meanwhile.
const MISSED: u64 = 100_000;

async fn sleep_and_wake<L: Link>(name: &str, site: Site, link: L) {
    let delay = either(Duration::from_millis(5), Duration::from_millis(50));
    site.lab.set(Conditions::delay(delay));
    let client: Client = site.connect(site.alice().await, link).await;
    let room = site.room().await;
    let mut entries = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let mut last = Seq::START;
    while last < Seq(3) {
        match entries.next().await.expect("open").expect("not refused") {
            Update::Began(began) => assert!(began.recovered),
            Update::Event(event) => last = event.seq(),
        }
    }

    site.lab.blackout(true);
    let asleep = Instant::now();
    let (bob, chat) = (user("bob"), site.local.chat.clone());
    let bob = chat.as_user(&bob);
    for _ in 0..MISSED / 50 {
        let sends = (0..50).map(|n| bob.send(&room, Draft::text(format!("entry {n}"))));
        futures_util::future::try_join_all(sends).await.expect("sent");
    }
    // Both ends have given up by then, each by itself.
    let mut state = client.state();
    let patience = either(PATIENCE, Duration::from_secs(120));
    let noticed = state.wait_for(|state| matches!(state, State::Offline(_) | State::Connecting));
    tokio::time::timeout(patience, noticed).await.expect("in time").expect("it lives");
    tokio::time::sleep(
        either(Duration::from_secs(12), Duration::from_secs(600)).saturating_sub(asleep.elapsed()),
    )
    .await;
    assert_eq!(chat.hub().connections(), 0, "the server has forgotten her");
    let before = site.lab.counts(Way::Down);

    site.lab.blackout(false);
    let awake = Instant::now();
    let (mut first, mut resumed) = (None, 0);
    while last < Seq(3 + MISSED) {
        let update = tokio::time::timeout(PATIENCE, entries.next()).await.expect("in time");
        match update.expect("open").expect("not refused") {
            Update::Began(began) => {
                assert!(began.recovered, "nothing is to be missed");
                resumed += 1;
            }
            Update::Event(event) => {
                assert_eq!(event.seq(), last.next(), "the next one, once");
                last = event.seq();
                first.get_or_insert(awake.elapsed());
            }
        }
    }
    let after = site.lab.counts(Way::Down);
    println!(
        "{name}: asleep for {:?}; awake, the first entry after {:?}, all {MISSED} after {:?} \
         ({resumed} subscriptions, {} KiB in {} packets)",
        asleep.elapsed() - awake.elapsed(),
        first.expect("some came"),
        awake.elapsed(),
        (after.bytes - before.bytes) / 1024,
        after.passed - before.passed,
    );
    assert_eq!(resumed, 1, "without a gap");
}

/// Ten minutes in a long run; in a quick one, long enough for a short heartbeat.
#[tokio::test]
async fn who_sleeps_while_a_hundred_thousand_entries_pass_resumes_without_a_gap() {
    let heartbeat = either(Duration::from_secs(1), Duration::from_secs(25));
    let Some(site) = Site::open(5, heartbeat).await else { return };
    let link = site.quic().await;
    sleep_and_wake("QUIC", site, link).await;
}
