//! A line that takes only so much, and drops the rest.

use std::time::{Duration, Instant};

use chatcore::id::Seq;
use chatcore::log::{Cursor, Draft};
use chatcore_quic::client::{Link, Update};
use chatcore_tests::PATIENCE;
use chatcore_tests::lab::{Conditions, Rate, Way};

use crate::site::{Site, either, user};

/// 8 Mbit/s, and 60 ms of it in a queue, behind 20 ms each way.
const LINE: Rate = Rate { bytes: 1_000_000, queue: 60_000 };

/// Catches up on a long absence, and returns the share of the line that was used, and of packets that
/// were sent for nothing.
async fn catch_up<L: Link>(site: &Site, link: L) -> (f64, f64) {
    let entries = either(6_000, 40_000);
    let room = site.room().await;
    let bob = user("bob");
    let bob = site.local.chat.as_user(&bob);
    for _ in 0..entries / 50 {
        let sends = (0..50).map(|_| bob.send(&room, Draft::text("x".repeat(300))));
        futures_util::future::try_join_all(sends).await.expect("sent");
    }
    let client = site.connect(site.alice().await.window(1_024), link).await;
    client.rooms().await.expect("it stands");
    let before = site.lab.counts(Way::Down);
    let began = Instant::now();
    let mut updates = client.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let mut last = Seq::START;
    while last < Seq(3 + entries) {
        let update = tokio::time::timeout(PATIENCE, updates.next()).await.expect("in time");
        if let Update::Event(event) = update.expect("open").expect("not refused") {
            assert_eq!(event.seq(), last.next(), "the next one, once");
            last = event.seq();
        }
    }
    let took = began.elapsed();
    client.shut_down().await;
    let after = site.lab.counts(Way::Down);
    let used = (after.bytes - before.bytes) as f64 / took.as_secs_f64() / f64::from(LINE.bytes);
    let dropped = (after.crowded_out - before.crowded_out) as f64;
    (used, dropped / (dropped + (after.passed - before.passed) as f64))
}

#[tokio::test]
async fn a_narrow_line_is_used_and_not_flooded() {
    let Some(site) = Site::open(6, Duration::from_secs(25)).await else { return };
    site.lab.set(Conditions::delay(Duration::from_millis(20)).with_rate(LINE));
    let quic = catch_up(&site, site.quic().await).await;
    let wss = catch_up(&site, site.wss()).await;
    for (name, (used, dropped)) in [("QUIC", quic), ("TLS, WebSocket", wss)] {
        println!("{name}: {:.0} % of the line, {:.1} % dropped", used * 100.0, dropped * 100.0);
    }
    assert!(quic.0 >= 0.7, "a line is there to be used");
    assert!(quic.1 <= 0.1, "and not to be flooded");
}
