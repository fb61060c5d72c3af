//! How often someone may do something.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::{Clock, Timestamp};

/// A rate: `burst` at once, and from then on one each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once. At least 1.
    pub burst: NonZeroU32,
    /// How long until one more is allowed.
    pub every: Duration,
}

impl Rate {
    /// `burst` at once, then one each `every`. 0 counts as 1.
    pub const fn new(burst: u32, every: Duration) -> Self {
        let burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        Self { burst, every }
    }
}

/// Refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {} s", retry_after.as_secs().max(1))]
pub struct TooFast {
    /// How long until the same may succeed, if nobody else takes the turn.
    pub retry_after: Duration,
}

type Limiter = RateLimiter<u32, DashMapStateStore<u32>, Ticks, NoOpMiddleware<Nanos>>;

/// Counts what each key does against one [`Rate`].
///
/// Memory is bounded whatever keys arrive: keys share 2^17 places by a hash that is seeded anew at
/// each start, so that nobody can choose whom to share a place with; places that have recovered are
/// given back as checks go by. A jump of the clock backwards stands still here.
pub struct Throttle {
    limiter: Option<Limiter>,
    hasher: RandomState,
    checks: AtomicU32,
}

const PLACES: u64 = 1 << 17;
const CHECKS_BETWEEN_SWEEPS: u32 = 1 << 14;

impl Throttle {
    /// Lets each key act at `rate`; `None` lets all through. A rate with no time to wait does too.
    pub fn new(rate: Option<Rate>, clock: &Arc<dyn Clock>) -> Self {
        let quota = rate
            .and_then(|rate| Some(Quota::with_period(rate.every)?.allow_burst(rate.burst)))
            .map(|quota| {
                RateLimiter::new(quota, DashMapStateStore::default(), Ticks::new(clock.clone()))
            });
        Self { limiter: quota, hasher: RandomState::new(), checks: AtomicU32::new(0) }
    }

    /// Takes one turn of `key`.
    ///
    /// # Errors
    /// [`TooFast`] if it has none left; then nothing is taken.
    pub fn check(&self, key: &impl Hash) -> Result<(), TooFast> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS
            == CHECKS_BETWEEN_SWEEPS - 1
        {
            limiter.retain_recent();
        }
        let place = u32::try_from(self.hasher.hash_one(key) % PLACES).unwrap_or_default();
        limiter.check_key(&place).map_err(|not_until| TooFast {
            retry_after: not_until.wait_time_from(limiter.clock().now()),
        })
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("on", &self.limiter.is_some()).finish_non_exhaustive()
    }
}

/// Time since the start that never runs backwards, from a clock that may.
#[derive(Clone, Debug)]
struct Ticks {
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    last: Timestamp,
    passed: Duration,
}

impl Ticks {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let seen = Seen { last: clock.now(), passed: Duration::ZERO };
        Self { clock, seen: Arc::new(Mutex::new(seen)) }
    }
}

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.passed = seen.passed.saturating_add(seen.last.until(now));
        seen.last = now;
        Nanos::new(u64::try_from(seen.passed.as_nanos()).unwrap_or(u64::MAX / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    fn throttle(burst: u32, every: Duration) -> (Throttle, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let dyn_clock: Arc<dyn Clock> = clock.clone();
        (Throttle::new(Some(Rate::new(burst, every)), &dyn_clock), clock)
    }

    #[test]
    fn a_burst_passes_then_one_per_period() {
        let (throttle, clock) = throttle(3, Duration::from_secs(10));
        for _ in 0..3 {
            throttle.check(&"ann").unwrap();
        }
        let refused = throttle.check(&"ann").unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(10));
        clock.advance(Duration::from_secs(10));
        throttle.check(&"ann").unwrap();
        throttle.check(&"ann").unwrap_err();
    }

    #[test]
    fn keys_do_not_pay_for_each_other() {
        let (throttle, _) = throttle(1, Duration::from_secs(10));
        throttle.check(&"ann").unwrap();
        throttle.check(&"bob").unwrap();
        throttle.check(&"ann").unwrap_err();
    }

    #[test]
    fn a_million_keys_fill_no_more_than_the_places() {
        let (throttle, _) = throttle(1, Duration::from_secs(3600));
        for key in 0..1_000_000_u32 {
            let _ = throttle.check(&key);
        }
        assert!(throttle.limiter.as_ref().unwrap().len() as u64 <= PLACES);
    }

    #[test]
    fn places_are_given_back_once_they_have_recovered() {
        let (throttle, clock) = throttle(1, Duration::from_secs(1));
        for key in 0..1_000_u32 {
            // Two keys may share a place, and then one of them is refused.
            let _ = throttle.check(&key);
        }
        clock.advance(Duration::from_secs(60));
        for _ in 0..CHECKS_BETWEEN_SWEEPS {
            let _ = throttle.check(&"ann");
        }
        assert!(throttle.limiter.as_ref().unwrap().len() < 10);
    }

    #[test]
    fn without_a_rate_all_pass() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let throttle = Throttle::new(None, &clock);
        for _ in 0..10_000 {
            throttle.check(&"ann").unwrap();
        }
    }

    #[derive(Debug)]
    struct Swinging(Mutex<i64>);

    impl Clock for Swinging {
        fn now(&self) -> Timestamp {
            Timestamp(*self.0.lock().unwrap())
        }
    }

    #[test]
    fn a_clock_set_back_does_not_lock_anyone_out() {
        let clock = Arc::new(Swinging(Mutex::new(10_000_000)));
        let dyn_clock: Arc<dyn Clock> = clock.clone();
        let throttle = Throttle::new(Some(Rate::new(1, Duration::from_secs(1))), &dyn_clock);
        throttle.check(&"ann").unwrap();
        *clock.0.lock().unwrap() = 0;
        throttle.check(&"ann").unwrap_err();
        *clock.0.lock().unwrap() = 1_000;
        throttle.check(&"ann").unwrap();
    }
}
