//! A place of one connection in one room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::Listener;
use crate::id::{Seq, UserId};

/// What a room knows of one who listens.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) listener: Arc<Listener>,
    pub(super) user: UserId,
    pub(super) state: Arc<SeatState>,
}

/// What both sides of a seat look at.
#[derive(Debug)]
pub(super) struct SeatState {
    /// The bell has rung and was not answered yet.
    pub(super) rung: AtomicBool,
    /// Whether the user is a member, or reads a public room from outside.
    pub(super) joined: AtomicBool,
    /// Whether the others are not to know of it.
    pub(super) hidden: AtomicBool,
    /// Whether it is told nothing of the moment: its user is blocked by the other of a direct room.
    pub(super) barred: AtomicBool,
    /// From this place on nothing is for this seat.
    end: AtomicU64,
    /// The end of the log when its access was found: what an entry up to there did counts already.
    checked: AtomicU64,
    /// Which of the room's seats it is; changed under the lock of those.
    pub(super) at: AtomicUsize,
    /// What the hub may write by itself: the entry that is next, and the last that the window
    /// allows, which is 0 while it may write none. Looked at under the lock of the lane.
    next: AtomicU64,
    limit: AtomicU64,
}

/// No place at all.
const NO_END: u64 = u64::MAX;

impl SeatState {
    pub(super) fn new() -> Self {
        Self {
            rung: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            hidden: AtomicBool::new(false),
            barred: AtomicBool::new(false),
            end: AtomicU64::new(NO_END),
            checked: AtomicU64::new(0),
            at: AtomicUsize::new(0),
            next: AtomicU64::new(0),
            limit: AtomicU64::new(0),
        }
    }

    pub(super) fn end(&self) -> Option<Seq> {
        let end = self.end.load(Ordering::Acquire);
        (end != NO_END).then_some(Seq(end))
    }

    /// Notes that access was found when the log ended at `head`.
    pub(super) fn checked_at(&self, head: Seq) {
        self.checked.store(head.0, Ordering::Release);
    }

    /// Lets nothing from `seq` on reach this seat. The first end counts.
    pub(super) fn end_at(&self, seq: Seq) {
        if seq.0 <= self.checked.load(Ordering::Acquire) {
            return;
        }
        self.end.fetch_min(seq.0, Ordering::AcqRel);
    }

    /// What the hub may write: from which entry on, and up to which. Under the lock of the lane.
    pub(super) fn granted(&self) -> Option<(Seq, Seq)> {
        let limit = self.limit.load(Ordering::Relaxed);
        (limit > 0).then(|| (Seq(self.next.load(Ordering::Relaxed)), Seq(limit)))
    }

    /// Lets the hub write from `next` to `limit`. Under the lock of the lane.
    pub(super) fn grant(&self, next: Seq, limit: Seq) {
        self.next.store(next.0, Ordering::Relaxed);
        self.limit.store(limit.0, Ordering::Relaxed);
    }

    /// The hub has written all before `next`. Under the lock of the lane.
    pub(super) fn advance(&self, next: Seq) {
        self.next.store(next.0, Ordering::Relaxed);
    }
}

impl Seat {
    /// Whether a member is seen here who was not put out.
    pub(super) fn is_seen(&self) -> bool {
        let SeatState { joined, hidden, .. } = &*self.state;
        let seen = joined.load(Ordering::Acquire) && !hidden.load(Ordering::Acquire);
        seen && self.state.end().is_none()
    }
}
