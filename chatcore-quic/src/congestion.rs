//! How fast to send: CUBIC, which here takes a loss for congestion only where something else says so.
//!
//! A radio loses packets without being full. CUBIC cannot know, and gives way at each: at a loss of 2 %
//! and a round trip of 100 ms it comes down to about a packet a round trip, however empty the line, and
//! what people say in a few busy rooms no longer fits through. So in the manner of TCP Veno (Fu and
//! Liew 2003) a loss counts only if
//!
//! - it is the first: until then CUBIC doubles its window with each round trip, and only a loss says that
//!   this was too much, also where what is too much is dropped at once (a policer); or
//! - round trips have become longer, as they do where a queue has formed on the way; or
//! - so much is lost that no radio explains it; or
//! - nothing got through for long, or the network says itself that it is congested (ECN).

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

/// A queue is one that makes a round trip longer by a quarter. Less than the first of these is no
/// queue, as clocks and machines are not that even; more than the second is one however long the way is,
/// as many that are full hold no more.
const QUEUE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(12));
/// More is lost than a radio loses: one byte of so many, in the last two round trips,
const SHARE: u64 = 10;
/// and so many bytes at least.
const MANY: u64 = 8 * 1024;

/// Makes a controller for each path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Discerning;

impl ControllerFactory for Discerning {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let cubic = Arc::new(CubicConfig::default()).build(now, mtu);
        Box::new(Discerner { cubic, signs: Signs::default() })
    }
}

/// CUBIC, and what it is told of.
struct Discerner {
    cubic: Box<dyn Controller>,
    signs: Signs,
}

/// What tells congestion from a bad line.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    /// CUBIC has given way once.
    has_yielded: bool,
    /// There is a queue on the way.
    queued: bool,
    /// When the round trip began that is counted now.
    began: Option<Instant>,
    this: Count,
    last: Count,
}

/// Bytes of one round trip.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    arrived: u64,
    lost: u64,
}

impl Signs {
    /// What was sent at `sent` has arrived. A round trip takes `rtt` now, and took `least` at best.
    fn arrived(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        (rtt, least): (Duration, Duration),
    ) {
        if self.began.is_none_or(|began| sent >= began) {
            self.began = Some(now);
            self.last = std::mem::take(&mut self.this);
        }
        self.this.arrived += bytes;
        self.queued = rtt.saturating_sub(least) > (least / 4).clamp(QUEUE.0, QUEUE.1);
    }

    /// So much is lost. Whether that is for congestion.
    fn lost(&mut self, bytes: u64) -> bool {
        self.this.lost += bytes;
        let lost = self.this.lost + self.last.lost;
        let all = lost + self.this.arrived + self.last.arrived;
        !self.has_yielded || self.queued || (lost >= MANY && lost * SHARE > all)
    }
}

impl Controller for Discerner {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.signs.arrived(now, sent, bytes, (rtt.get(), rtt.min()));
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_acked: Option<u64>,
    ) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost: u64) {
        let told_by_the_network = lost == 0;
        if self.signs.lost(lost) || persistent || told_by_the_network {
            self.signs.has_yielded = true;
            self.cubic.on_congestion_event(now, sent, persistent, lost);
        }
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.cubic.on_mtu_update(mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { cubic: self.cubic.clone_box(), signs: self.signs })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(100);

    /// A path on which `lost` of a hundred packets are lost for so many round trips, each of which
    /// takes `rtt`. Returns the window at its end, and at its beginning.
    fn travel(lost: usize, rtt: Duration, packet: u64) -> (u64, u64) {
        let mut now = Instant::now();
        let mut controller = Discerner {
            cubic: Arc::new(CubicConfig::default()).build(now, 1_200),
            signs: Signs::default(),
        };
        let before = controller.window();
        for _ in 0..20 {
            let sent = now;
            now += TRIP;
            for n in 0..100 {
                if n < lost {
                    controller.on_congestion_event(now, sent, false, packet);
                } else {
                    controller.signs.arrived(now, sent, packet, (rtt, TRIP));
                }
            }
        }
        (controller.window(), before)
    }

    #[test]
    fn a_bad_line_is_not_a_full_one() {
        let (after, before) = travel(2, TRIP + Duration::from_millis(11), 1_200);
        assert_eq!(after, yielded_once(before));
        let (after, before) = travel(30, TRIP, 20);
        assert_eq!(after, yielded_once(before), "too little to be in anybody's way");
    }

    /// What CUBIC makes of a window at a loss.
    fn yielded_once(before: u64) -> u64 {
        let now = Instant::now();
        let mut cubic = Arc::new(CubicConfig::default()).build(now, 1_200);
        assert_eq!(cubic.window(), before);
        cubic.on_congestion_event(now + TRIP, now, false, 1_200);
        assert!(cubic.window() < before);
        cubic.window()
    }

    #[test]
    fn a_queue_is_given_way_to() {
        let (after, before) = travel(1, TRIP + Duration::from_millis(13), 1_200);
        assert!(after < before / 2, "{after} of {before}");
        // Nor is a short way's queue short of what it takes.
        let mut signs = Signs::default();
        let now = Instant::now();
        let least = Duration::from_millis(2);
        signs.arrived(now, now, 1_200, (least + Duration::from_millis(6), least));
        assert!(signs.queued);
        signs.arrived(now, now, 1_200, (least + Duration::from_millis(4), least));
        assert!(!signs.queued, "but what a machine adds by itself");
    }

    #[test]
    fn so_is_one_that_drops_without_a_queue() {
        let (after, before) = travel(20, TRIP, 1_200);
        assert!(after < before / 2, "{after} of {before}");
    }

    #[test]
    fn what_the_network_says_itself_counts_and_so_does_silence() {
        let now = Instant::now();
        for (persistent, lost) in [(false, 0), (true, 1_200)] {
            let mut controller = Arc::new(Discerning).build(now, 1_200);
            let before = controller.window();
            controller.on_congestion_event(now + TRIP, now, persistent, lost);
            assert!(controller.clone_box().window() < before);
        }
    }
}
