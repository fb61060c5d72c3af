//! Counting values by size, for whoever watches over a server.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many values were at most so large, for fixed bounds. To take a value in costs two atomic additions.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram holds at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Bounds in order, each with how many values were at most as large.
    pub upto: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// Times in microseconds: from 100 µs to 10 s.
    pub const TIMES: &'static [u64] = &[
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 10_000_000,
    ];
    /// Numbers of things that are done together: up to 512.
    pub const BATCHES: &'static [u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

    /// An empty one with these bounds, which are in order.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Takes a value in.
    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Takes a time in, in whole microseconds.
    pub fn observe_time(&self, time: std::time::Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2));
    }

    /// What it holds. Values that are taken in meanwhile may be missing in part.
    pub fn read(&self) -> Distribution {
        let mut count = 0;
        let mut next = |at: &AtomicU64| {
            count += at.load(Ordering::Relaxed);
            count
        };
        let upto = self.bounds.iter().zip(&self.counts).map(|(bound, at)| (*bound, next(at)));
        let upto = upto.collect();
        let above = self.counts.get(self.bounds.len()).map_or(0, &mut next);
        Distribution { upto, count: above, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_each_bound() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 1_000] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read.upto, [(1, 2), (10, 4), (100, 5)]);
        assert_eq!((read.count, read.sum), (6, 1_024));
    }

    #[test]
    fn times_are_counted_in_microseconds() {
        let histogram = Histogram::new(Histogram::TIMES);
        histogram.observe_time(std::time::Duration::from_millis(3));
        let read = histogram.read();
        assert_eq!((read.count, read.sum), (1, 3_000));
        assert!(read.upto.contains(&(2_500, 0)) && read.upto.contains(&(5_000, 1)));
    }
}
