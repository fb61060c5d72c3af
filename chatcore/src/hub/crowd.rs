//! How many are there, in rooms in which so many listen that nobody is told of each.
//!
//! A room is noted when someone comes or goes, which costs nothing more; every few seconds those that
//! are noted are counted, and those who listen are told if the number has changed enough to matter. So
//! what a member is told, and what telling costs, does not grow with how many come and go.

use std::collections::HashSet;
use std::sync::{Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::seat::Seat;
use super::tail::Tail;
use super::{Hub, Notice, lock};
use crate::id::{RoomId, UserId};

/// How often rooms are counted.
const EVERY: Duration = Duration::from_secs(5);

/// A smaller change than this part of the number that was told is told after a while only.
const MATTERS: u64 = 100;

/// The while.
const SETTLED: Duration = Duration::from_secs(60);

/// Seats that are told at a stretch: others want them too.
const STRETCH: usize = 256;

/// Crowded rooms in which someone has come or gone since they were counted.
#[derive(Debug, Default)]
pub(super) struct Crowds(Mutex<HashSet<RoomId>>);

impl Crowds {
    pub(super) fn changed(&self, room: &RoomId) {
        let mut rooms = lock(&self.0);
        if !rooms.contains(room) {
            rooms.insert(room.clone());
        }
    }
}

/// What is known of a crowd.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Members who are there on this node, as counted last.
    pub(super) here: u64,
    /// What those who listen were told last, and when.
    told: Option<(u64, Instant)>,
}

impl Tail {
    /// How many members are there, on all nodes together: those of a crowd as they were counted last.
    /// There, one who is connected to two nodes counts twice.
    pub(super) fn online(&self) -> u64 {
        if let Some(present) = self.present_if_small() {
            return present.len() as u64;
        }
        if let Some((told, _)) = lock(&self.count).told {
            return told;
        }
        // Nobody was told yet.
        let here = distinct(&lock(&self.seats));
        here + self.online_elsewhere()
    }

    /// Counts a crowd; what to tell those who listen, if anything, and whether to count again.
    fn recount(&self, now: Instant) -> (Option<u64>, bool) {
        let seats = lock(&self.seats);
        if self.is_small(&seats) {
            // Who comes and goes is told again one by one.
            lock(&self.count).told = None;
            return (None, false);
        }
        let here = distinct(&seats);
        drop(seats);
        let online = here + self.online_elsewhere();
        let mut count = lock(&self.count);
        if let Some(calls) = &self.calls
            && here != count.here
        {
            calls.presence_changed(&self.room);
        }
        count.here = here;
        let due = match count.told {
            None => true,
            Some((told, _)) if told == online => return (None, false),
            Some((told, at)) => told.abs_diff(online) * MATTERS >= told || now - at >= SETTLED,
        };
        if due {
            count.told = Some((online, now));
        }
        (due.then_some(online), !due)
    }
}

impl Hub {
    /// Counts crowds every few seconds, for as long as the hub is there.
    pub(crate) async fn count_crowds(hub: Weak<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(hub) = hub.upgrade() else { return };
            hub.count_changed();
        }
    }

    pub(super) fn count_changed(&self) {
        let now = Instant::now();
        let rooms = std::mem::take(&mut *lock(&self.crowds.0));
        for room in rooms {
            let Some(tail) = lock(&self.tails).get(&room).cloned() else { continue };
            let (tell, again) = tail.recount(now);
            if again {
                self.crowds.changed(&room);
            }
            let Some(count) = tell else { continue };
            let notice = Notice::Online { room, count };
            let mut below = usize::MAX;
            while below > 0 {
                below = tail.visit(below, STRETCH, |seat| {
                    if seat.state.end().is_none() {
                        seat.listener.notify(notice.clone());
                    }
                });
            }
        }
    }

    /// How many members of a room are there on this node, for others.
    pub(crate) fn online_here(&self, room: &RoomId) -> u64 {
        let tail = lock(&self.tails).get(room).cloned();
        tail.map_or(0, |tail| distinct(&lock(&tail.seats)))
    }
}

/// How many members are seen there, each once.
fn distinct(seats: &[Seat]) -> u64 {
    let seen = seats.iter().filter(|seat| seat.is_seen()).map(|seat| &seat.user);
    seen.collect::<HashSet<&UserId>>().len() as u64
}
