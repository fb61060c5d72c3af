//! Where each subscription of a session stands.
//!
//! ```text
//!          subscribed            up to the head of then
//!   IDLE ─────────────► REPLAY ─────────────────────────► LIVE
//!    ▲  again               │                              │
//!    └───────────── GAP ◄───┴──── place lost ──────────────┘
//! ```

use std::collections::HashMap;
use std::time::Duration;

use super::event::Slot;
use crate::clock::Timestamp;
use crate::id::{RoomId, Seq};

/// What a subscription is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Made anew just now: nothing is sent until that is answered.
    Idle,
    /// Sends what was in the log when it was made.
    Replay,
    /// Sends what comes.
    Live,
    /// Has lost its place, and sends nothing until it is made anew.
    Gap,
}

/// One subscription: a cursor, and how far the client has followed.
#[derive(Debug)]
struct Delivery {
    room: RoomId,
    state: DeliveryState,
    /// The entry that is next.
    next: Seq,
    /// All up to here is acked.
    acked: Seq,
    /// The head when the subscription was made.
    replay_to: Seq,
    /// Since when entries are due and the window is shut.
    blocked_since: Option<Timestamp>,
}

/// The subscriptions of one session.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    slots: Vec<Option<Delivery>>,
    by_room: HashMap<RoomId, Slot>,
    free: Vec<Slot>,
    /// How many have `blocked_since` set, so that the usual none costs no search.
    blocked: usize,
}

impl Deliveries {
    pub(super) fn len(&self) -> usize {
        self.by_room.len()
    }

    pub(super) fn slot(&self, room: &RoomId) -> Option<Slot> {
        self.by_room.get(room).copied()
    }

    fn get(&self, slot: Slot) -> Option<&Delivery> {
        self.slots.get(slot.index())?.as_ref()
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut Delivery> {
        self.slots.get_mut(slot.index())?.as_mut()
    }

    pub(super) fn room(&self, slot: Slot) -> Option<&RoomId> {
        Some(&self.get(slot)?.room)
    }

    pub(super) fn state(&self, slot: Slot) -> Option<DeliveryState> {
        Some(self.get(slot)?.state)
    }

    pub(super) fn next(&self, slot: Slot) -> Option<Seq> {
        Some(self.get(slot)?.next)
    }

    /// How many entries may be written now.
    pub(super) fn allowance(&self, slot: Slot, window: u32) -> u32 {
        match self.get(slot) {
            Some(d) if matches!(d.state, DeliveryState::Replay | DeliveryState::Live) => {
                let unacked = (d.next.0 - 1).saturating_sub(d.acked.0);
                window.saturating_sub(u32::try_from(unacked).unwrap_or(u32::MAX))
            }
            _ => 0,
        }
    }

    /// Begins, or begins anew, after `after`; what is up to `head` is replay.
    pub(super) fn start(&mut self, room: &RoomId, after: Seq, head: Seq) -> Slot {
        let slot = self.slot(room).unwrap_or_else(|| {
            let slot = self.free.pop().unwrap_or_else(|| {
                // Many follow a single room.
                let more = self.slots.len().max(1);
                if self.slots.len() == self.slots.capacity() {
                    self.slots.reserve_exact(more);
                }
                self.slots.push(None);
                // As long as the cap on subscriptions, itself a `u32`.
                Slot(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
            });
            self.by_room.insert(room.clone(), slot);
            slot
        });
        self.unblock(slot);
        let state = if after < head { DeliveryState::Replay } else { DeliveryState::Live };
        self.slots[slot.index()] = Some(Delivery {
            room: room.clone(),
            state,
            next: after.next(),
            acked: after,
            replay_to: head,
            blocked_since: None,
        });
        slot
    }

    pub(super) fn set_state(&mut self, slot: Slot, state: DeliveryState) {
        if let Some(delivery) = self.get_mut(slot) {
            delivery.state = state;
        }
    }

    /// Entries up to `up_to` were written.
    pub(super) fn delivered(&mut self, slot: Slot, up_to: Seq) {
        let Some(delivery) = self.get_mut(slot) else { return };
        delivery.next = delivery.next.max(up_to.next());
        if delivery.state == DeliveryState::Replay && up_to >= delivery.replay_to {
            delivery.state = DeliveryState::Live;
        }
    }

    /// The client has all up to `seq`. Returns how far that is, if it is news, and whether entries
    /// were waiting for it.
    pub(super) fn acked(&mut self, slot: Slot, seq: Seq) -> Option<(Seq, bool)> {
        let delivery = self.get_mut(slot)?;
        // Whatever it claims, it cannot have more than was sent.
        let seq = seq.min(Seq(delivery.next.0 - 1));
        if seq <= delivery.acked {
            return None;
        }
        delivery.acked = seq;
        Some((seq, self.unblock(slot)))
    }

    /// Entries are due, and the window is shut.
    pub(super) fn block(&mut self, slot: Slot, now: Timestamp) {
        let Some(delivery) = self.get_mut(slot) else { return };
        if delivery.blocked_since.is_none() {
            delivery.blocked_since = Some(now);
            self.blocked += 1;
        }
    }

    /// Progress; returns whether there had been none.
    fn unblock(&mut self, slot: Slot) -> bool {
        let blocked = self.get_mut(slot).and_then(|d| d.blocked_since.take()).is_some();
        self.blocked -= usize::from(blocked);
        blocked
    }

    /// Ends the subscription to `room`. Its slot is not used again before [`Self::release`].
    pub(super) fn end(&mut self, room: &RoomId) -> Option<Slot> {
        let slot = self.by_room.remove(room)?;
        self.unblock(slot);
        self.slots[slot.index()] = None;
        Some(slot)
    }

    /// Lets `slot` be used again.
    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// When the first that is blocked now has been so for `stall`.
    pub(super) fn stalled_at(&self, stall: Duration) -> Option<Timestamp> {
        if self.blocked == 0 {
            return None;
        }
        let since = self.slots.iter().flatten().filter_map(|d| d.blocked_since).min();
        since.map(|since| since.after(stall))
    }
}
