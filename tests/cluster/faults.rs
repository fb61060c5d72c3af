//! What was acknowledged arrives everywhere, once and in order, whatever dies.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chatcore_tests::count;

use crate::crowd::{Crowd, READERS, SENDERS};
use crate::site::Site;

/// How soon after the last fault everybody has everything.
const CAUGHT_UP: Duration = Duration::from_secs(5);

/// What happens to the site in the course of the run, in this order, at even distances.
#[derive(Clone, Copy, Debug)]
enum Fault {
    NatsDies,
    NodeDies(usize),
    PostgresDies,
    PostgresHangs,
}

const FAULTS: [Fault; 6] = [
    Fault::NatsDies,
    Fault::NodeDies(1),
    Fault::PostgresDies,
    Fault::NodeDies(2),
    Fault::NatsDies,
    Fault::PostgresHangs,
];

impl Fault {
    /// Lets it happen, and mends it after a while.
    async fn happen(self, site: &mut Site, away: Duration) {
        match self {
            Self::NatsDies => {
                site.nats.kill();
                tokio::time::sleep(away).await;
                site.nats.restart();
            }
            Self::NodeDies(node) => {
                site.nodes[node].kill();
                tokio::time::sleep(away).await;
                site.nodes[node].restart().await;
            }
            Self::PostgresDies => {
                site.postgres.kill();
                tokio::time::sleep(away / 2).await;
                site.postgres.restart();
            }
            Self::PostgresHangs => {
                site.postgres.pause();
                tokio::time::sleep(away).await;
                site.postgres.resume();
            }
        }
    }
}

/// `CHATCORE_CLUSTER_SECS` seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order_while_nodes_nats_and_postgres_die() {
    let seconds = count("CHATCORE_CLUSTER_SECS", 18);
    let Some(mut site) = Site::start().await else { return };
    let mut crowd = Crowd::gather(&site).await;
    crowd.talk(false);
    let began = Instant::now();
    crowd.caught_up(Duration::from_secs(20)).await;
    let step = Duration::from_secs(seconds as u64) / (FAULTS.len() as u32 + 1);
    for (fault, number) in FAULTS.into_iter().zip(1_u32..) {
        tokio::time::sleep((step * number).saturating_sub(began.elapsed())).await;
        let acks = crowd.history.acks();
        println!("{:>5.1} s: {fault:?}, {acks} acknowledged", began.elapsed().as_secs_f64());
        fault.happen(&mut site, (step / 3).min(Duration::from_secs(3))).await;
        println!("{:>5.1} s: mended", began.elapsed().as_secs_f64());
    }
    let caught_up = crowd.caught_up(Duration::from_secs(60)).await;
    println!("{:>5.1} s: everybody caught up, {caught_up:?} after", began.elapsed().as_secs_f64());
    tokio::time::sleep((step * 7).saturating_sub(began.elapsed())).await;
    let refused = crowd.refused.load(Ordering::Relaxed);
    let connections = crowd.connections.load(Ordering::Relaxed);
    let report = crowd.finish().await;
    println!(
        "{SENDERS} senders, {READERS} readers, {:.0} s: {report}; {refused} sends were refused for the moment \
         and went again; {connections} connections of 16 who send over WebSocket",
        began.elapsed().as_secs_f64()
    );
    report.assert_sound();
    assert!(report.acked >= SENDERS * seconds / 4, "most of the time they could talk: {report}");
    assert!(caught_up <= CAUGHT_UP, "{caught_up:?}");
}
