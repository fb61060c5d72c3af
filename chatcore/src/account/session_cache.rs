//! Sessions that were found alive a moment ago, so that not each request reads the store.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

const SHARDS: usize = 16;

/// What is known of a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) user: UserId,
    pub(crate) expires_at: Timestamp,
    /// When the store said so.
    pub(crate) seen_at: Timestamp,
}

/// A bounded map of live sessions.
///
/// Each shard has a young and an old half. What is used moves to the young one; when that is full it
/// becomes the old one, and what was old and unused goes. A revocation takes effect at once: it also
/// voids every read of the store that was under way when it came ([`Reading`]).
#[derive(Debug)]
pub(crate) struct SessionCache {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    half: usize,
    fresh_for: Duration,
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<SessionId, Live>,
    old: HashMap<SessionId, Live>,
    revocations: u64,
}

/// A read of the store that began at some point among the revocations.
#[derive(Debug)]
pub(crate) struct Reading(u64);

impl SessionCache {
    /// Holds about `capacity` sessions, each for `fresh_for` after it was read.
    pub(crate) fn new(capacity: usize, fresh_for: Duration) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            half: (capacity / SHARDS / 2).max(1),
            fresh_for,
        }
    }

    /// The session, if it was read less than `fresh_for` ago; else how to hand in a new reading.
    pub(crate) fn find(&self, id: &SessionId, now: Timestamp) -> Result<Live, Reading> {
        let mut shard = self.shard(id);
        let found = match shard.young.get(id) {
            Some(live) => Some(live.clone()),
            None => match shard.old.remove(id) {
                Some(live) => {
                    self.keep(&mut shard, id.clone(), live.clone());
                    Some(live)
                }
                None => None,
            },
        };
        // A clock that was set back makes nothing fresh for longer.
        let fresh = |live: &Live| {
            now >= live.seen_at && live.seen_at.until(now) < self.fresh_for && now < live.expires_at
        };
        found.filter(fresh).ok_or(Reading(shard.revocations))
    }

    /// Keeps what a reading found, unless a session was revoked since it began.
    pub(crate) fn learn(&self, id: SessionId, live: Live, reading: &Reading) {
        let mut shard = self.shard(&id);
        if shard.revocations == reading.0 {
            self.keep(&mut shard, id, live);
        }
    }

    /// Forgets a session that was revoked.
    pub(crate) fn revoke(&self, id: &SessionId) {
        let mut shard = self.shard(id);
        shard.revocations += 1;
        shard.young.remove(id);
        shard.old.remove(id);
    }

    fn keep(&self, shard: &mut Shard, id: SessionId, live: Live) {
        if shard.young.len() >= self.half {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.young.insert(id, live);
    }

    fn shard(&self, id: &SessionId) -> MutexGuard<'_, Shard> {
        let index = (self.hasher.hash_one(id) % SHARDS as u64) as usize;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn live() -> Live {
        let user = UserId::parse("u").unwrap();
        Live { user, expires_at: NOW.after(Duration::from_secs(3600)), seen_at: NOW }
    }

    fn id(n: usize) -> SessionId {
        SessionId::parse(&format!("s{n}")).unwrap()
    }

    fn cache() -> SessionCache {
        SessionCache::new(1024, Duration::from_secs(2))
    }

    #[test]
    fn what_was_read_is_known_for_a_while() {
        let cache = cache();
        let reading = cache.find(&id(1), NOW).unwrap_err();
        cache.learn(id(1), live(), &reading);
        assert_eq!(cache.find(&id(1), NOW.after(Duration::from_millis(1999))).unwrap(), live());
        assert!(cache.find(&id(1), NOW.after(Duration::from_secs(2))).is_err());
        assert!(cache.find(&id(1), Timestamp(0)).is_err(), "a clock set back");
    }

    #[test]
    fn a_session_that_ends_is_not_known_past_its_end() {
        let cache = cache();
        let reading = cache.find(&id(1), NOW).unwrap_err();
        let ends = Live { expires_at: NOW.after(Duration::from_secs(1)), ..live() };
        cache.learn(id(1), ends, &reading);
        assert!(cache.find(&id(1), NOW.after(Duration::from_secs(1))).is_err());
    }

    #[test]
    fn a_reading_overtaken_by_a_revocation_is_not_kept() {
        let cache = cache();
        let reading = cache.find(&id(1), NOW).unwrap_err();
        cache.revoke(&id(1));
        cache.learn(id(1), live(), &reading);
        assert!(cache.find(&id(1), NOW).is_err());
    }

    #[test]
    fn a_revoked_session_is_forgotten_in_both_halves() {
        let cache = SessionCache::new(2 * SHARDS, Duration::from_secs(2));
        for n in 0..100 {
            let reading = cache.find(&id(n), NOW).unwrap_err();
            cache.learn(id(n), live(), &reading);
        }
        for n in 0..100 {
            cache.revoke(&id(n));
            assert!(cache.find(&id(n), NOW).is_err());
        }
    }

    #[test]
    fn many_sessions_fill_no_more_than_the_capacity() {
        let cache = cache();
        for n in 0..100_000 {
            let reading = cache.find(&id(n), NOW).unwrap_err();
            cache.learn(id(n), live(), &reading);
        }
        let held: usize = cache
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap())
            .map(|shard| shard.young.len() + shard.old.len())
            .sum();
        assert!(held <= 1024, "{held}");
    }

    #[test]
    fn a_session_in_use_outlives_those_that_pass_by() {
        let cache = cache();
        let reading = cache.find(&id(0), NOW).unwrap_err();
        cache.learn(id(0), live(), &reading);
        for n in 1..10_000 {
            let reading = cache.find(&id(n), NOW).unwrap_err();
            cache.learn(id(n), live(), &reading);
            assert!(cache.find(&id(0), NOW).is_ok(), "after {n}");
        }
    }
}
