//! For tests of this crate and of stores made elsewhere: conformance suites, a clock to turn by hand.

pub mod account_suite;
pub mod admin_suite;
pub mod attachment_suite;
pub mod blob_suite;
pub mod erasure_suite;
pub mod hook_suite;
pub mod log_suite;
pub mod oversight_suite;
pub mod room_suite;
pub mod scene;
pub mod search_suite;
pub mod session_suite;
mod transport;
pub mod verification_suite;

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::clock::{Clock, Random, Timestamp};
/// A PNG file: one red pixel.
pub const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\
    \x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00\x0cIDATx\xdac\xf8\xcf\xc0\x00\x00\x03\x01\x01\
    \x00\xf7\x03AC\x00\x00\x00\x00IEND\xaeB`\x82";

pub use transport::{MemoryPeer, MemorySender, MemoryTransport, memory_transport};

/// A clock that stands still until it is turned.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `ms` since 1970.
    pub fn at(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).expect("a test's duration fits");
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Shows the time of the tokio runtime, which a test can pause: it then jumps to the next timer
/// whenever there is nothing else to do.
#[derive(Debug)]
pub struct RuntimeClock(tokio::time::Instant);

impl RuntimeClock {
    /// What the clock shows when it is made: a day in 2033.
    pub const START: Timestamp = Timestamp(2_000_000_000_000);
}

impl Default for RuntimeClock {
    /// # Panics
    /// Outside a tokio runtime.
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Self::START.after(self.0.elapsed())
    }
}

/// Dice that fall alike for the same seed. Never for anything but tests.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// Dice for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().expect("no holder of this lock panics");
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let out = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&out[..chunk.len()]);
        }
    }
}

/// Writes each of `cases`, functions of a module of this one, as a test on a store freshly opened.
#[doc(hidden)]
#[macro_export]
macro_rules! store_cases {
    ($suite:ident, $open:expr, [$($case:ident),* $(,)?]) => {$(
        #[tokio::test]
        async fn $case() {
            // The second is what must outlive the store, such as its directory.
            let (store, _held) = ($open)().await;
            $crate::testing::$suite::$case(store).await;
        }
    )*};
}

/// Writes all of `cases` as one test, for stores with a server that is dear to start: each case on a store
/// of its own, some at a time. `$open` is an async function that gives what it does for [`store_cases`], or
/// nothing where the server is not to be had, having said so.
#[doc(hidden)]
#[macro_export]
macro_rules! store_cases_in_one {
    ($suite:ident, $open:expr, [$($case:ident),* $(,)?]) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_case_of_the_suite_holds() {
            let mut cases = $crate::testing::Together::default();
            $(
                cases.add(stringify!($case), async {
                    if let Some((store, _held)) = ($open)().await {
                        $crate::testing::$suite::$case(store).await;
                    }
                });
            )*
            cases.run().await;
        }
    };
}

type Case = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Cases that run in one test.
#[derive(Default)]
pub struct Together(Vec<(&'static str, Case)>);

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Together {
    /// How many run at a time.
    const AT_ONCE: usize = 4;

    /// Adds a case.
    pub fn add(&mut self, name: &'static str, case: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, Box::pin(case)));
    }

    /// Runs them all.
    ///
    /// # Panics
    /// With the names of those that failed.
    pub async fn run(self) {
        let all = self.0.len();
        let failed: Vec<_> = futures_util::stream::iter(self.0)
            .map(async |(name, case)| tokio::spawn(case).await.is_err().then_some(name))
            .buffer_unordered(Self::AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        assert!(failed.is_empty(), "{} of {all} cases failed: {failed:?}", failed.len());
    }
}

#[cfg(test)]
mod tests {
    use super::Together;

    #[tokio::test]
    #[should_panic(expected = "1 of 3 cases failed: [\"fails\"]")]
    async fn a_case_that_fails_is_named_and_fails_the_test() {
        let mut cases = Together::default();
        cases.add("holds", async {});
        cases.add("fails", async { panic!("as it should") });
        cases.add("holds too", async {});
        cases.run().await;
    }
}
