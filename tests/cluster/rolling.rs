//! New versions come one node after another, and nobody notices.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_restarted_one_after_another_under_load_are_noticed_by_nobody() {
    let Some(mut site) = Site::start().await else { return };
    let mut crowd = Crowd::gather(&site).await;
    crowd.talk(true);
    crowd.caught_up(Duration::from_secs(20)).await;
    for node in &mut site.nodes {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let status = node.stop().await;
        assert!(status.success(), "{status}: {}", node.output());
        assert!(node.output().contains("everything acknowledged is on disk"), "{}", node.output());
        println!("drained in {:?}", began.elapsed());
        node.restart().await;
    }
    let caught_up = crowd.caught_up(Duration::from_secs(20)).await;
    let refused = crowd.refused.load(Ordering::Relaxed);
    let report = crowd.finish().await;
    println!("caught up {caught_up:?} after; {report}; {refused} refused on the way out");
    report.assert_sound();
}
