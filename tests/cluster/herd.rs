//! A node dies, and all its clients come to the others at once.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::site::{NODES, Site};

/// Who reads: a third of them on each node.
const HERD: usize = 1_000;
/// How soon all of them have everything again.
const BACK: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_whose_node_dies_are_back_on_the_others_and_have_missed_nothing() {
    let Some(mut site) = Site::start().await else { return };
    let mut crowd = Crowd::gather_of(&site, HERD, Duration::from_secs(3)).await;
    crowd.talk(false);
    let gathered = crowd.caught_up(Duration::from_secs(60)).await;
    println!("{HERD} are there after {gathered:?}");
    let before = crowd.arrivals.load(Ordering::Relaxed);
    site.nodes[1].kill();
    let began = Instant::now();
    // Those over WebSocket who were there: they come by themselves, and none of them to the dead node.
    let moved = (HERD - 150) / NODES;
    while crowd.arrivals.load(Ordering::Relaxed) < before + moved {
        assert!(
            began.elapsed() < BACK,
            "{} of {moved}",
            crowd.arrivals.load(Ordering::Relaxed) - before
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("{moved} of them are back after {:?}", began.elapsed());
    let caught_up = crowd.caught_up(BACK).await;
    println!("everybody has everything {:?} after the node died ({caught_up:?})", began.elapsed());
    site.nodes[1].restart().await;
    let report = crowd.finish().await;
    println!("{HERD} readers: {report}");
    report.assert_sound();
}
