//! How much of an index a search looks through at a time, and when its page has to be given.

use std::time::{Duration, Instant};

/// After this, a page is given with what it holds.
const TIME: Duration = Duration::from_millis(25);
/// What a step is to take: one that is on its way cannot be interrupted, and may be the last.
const STEP: Duration = Duration::from_millis(5);
/// What is read and compared in one step, at most.
const PROPOSED: usize = 256;

/// The steps of one search.
#[derive(Debug)]
pub(in crate::store) struct Steps {
    begun: Instant,
    step: Instant,
    size: i64,
    most: usize,
}

impl Steps {
    /// The first one looks through `size` parts of the index, for a page of so many messages.
    pub(in crate::store) fn new(size: i64, page: u32) -> Self {
        let now = Instant::now();
        // Some of what is proposed may not be so.
        let most = page as usize + page as usize / 4 + 1;
        Self { begun: now, step: now, size, most: most.min(PROPOSED) }
    }

    /// How many parts of the index the next step looks through, and how many proposals it takes.
    pub(in crate::store) fn next(&mut self) -> (i64, usize) {
        self.step = Instant::now();
        (self.size, self.most)
    }

    /// Ends a step; returns whether there is time for another one.
    pub(in crate::store) fn go_on(&mut self) -> bool {
        let now = Instant::now();
        self.size = paced(self.size, now - self.step);
        // Where much of what is proposed is not so, more is looked at together.
        self.most = (self.most * 2).min(PROPOSED);
        now - self.begun < TIME
    }
}

/// What would take as long as a step is to, going by the last one; twice as much at most.
fn paced(size: i64, took: Duration) -> i64 {
    let took = i64::try_from(took.as_micros()).unwrap_or(i64::MAX).max(1);
    let fits = i64::try_from(STEP.as_micros()).unwrap_or(i64::MAX).saturating_mul(size) / took;
    fits.clamp(1, size.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_grows_while_steps_are_quick_and_shrinks_when_one_is_slow() {
        assert_eq!(paced(100, Duration::ZERO), 200);
        assert_eq!(paced(100, Duration::from_millis(4)), 125);
        assert_eq!(paced(100, Duration::from_millis(50)), 10);
        assert_eq!(paced(1, Duration::from_secs(9)), 1, "a step always goes on");
        assert_eq!(paced(i64::MAX, Duration::ZERO), i64::MAX);
    }

    #[test]
    fn more_is_proposed_from_step_to_step() {
        let mut steps = Steps::new(4, 20);
        assert_eq!(steps.next(), (4, 26));
        steps.go_on();
        assert_eq!(steps.next().1, 52);
        assert_eq!(Steps::new(4, 1_000).next().1, PROPOSED);
    }
}
