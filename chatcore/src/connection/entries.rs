//! Entries of rooms, from the hub's rings and from the log into an outbox.

use std::collections::VecDeque;

use futures_util::{FutureExt as _, TryFutureExt as _};

use super::pump::{OUTBOX_BYTES, Pump};
use super::work::{Done, guarded};
use crate::chat::Resume;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::hub::{Read, Subscription};
use crate::id::{RoomId, Seq};
use crate::log::Entry;
use crate::protocol::Wire;
use crate::protocol::frame::{Ack, ClientFrame, Failure, GapReason};
use crate::protocol::session::{DeliveryState, Notice, Slot};

/// Entries that are read from a log at once.
const PAGE: u32 = 64;

/// One room that a connection follows.
#[derive(Debug)]
pub(super) struct Place {
    subscription: Subscription,
    /// The last entry that is known to be there.
    head: Seq,
    /// It waits for its turn.
    due: bool,
    /// It waits to be lent to the hub.
    caught_up: bool,
}

impl Place {
    /// Lets it be seen who listens: it is known now that it is them.
    pub(super) fn show(&self) {
        self.subscription.show();
    }
}

/// What is next for a place.
enum Turn {
    /// Nothing; the bell will ring.
    Done,
    /// Nothing, for it has all that is there.
    CaughtUp,
    /// More, once there is room in the outbox.
    Later,
    /// These are in the log only.
    Page { after: Seq, limit: u32 },
    /// Its place is lost.
    Lost,
}

impl Pump {
    /// Follows a room from now on, if the session agrees.
    pub(super) fn follow(
        &mut self,
        wire: Wire,
        now: Timestamp,
        slot: Option<Slot>,
        begun: (Subscription, Resume),
    ) {
        let Some(slot) = slot else { return };
        let (subscription, resume) = begun;
        if subscription.end().is_some() {
            return self.session.handle_notice(now, Notice::Ended(slot));
        }
        self.leave(slot);
        if !self.session.is_early() {
            // It may have been begun when that was not known.
            subscription.show();
        }
        let missing = (slot.index() + 1).saturating_sub(self.places.len());
        if self.places.len() + missing > self.places.capacity() {
            // Many follow a single room.
            self.places.reserve_exact(missing.max(self.places.len()));
        }
        self.places.extend(std::iter::repeat_with(|| None).take(missing));
        self.open_way(slot, subscription.room(), &resume, wire);
        self.places[slot.index()] =
            Some(Place { subscription, head: resume.head_seq, due: false, caught_up: false });
        self.mark_due(slot);
    }

    /// Lets go of a room.
    pub(super) fn leave(&mut self, slot: Slot) {
        let place = self.places.get_mut(slot.index()).and_then(Option::take);
        if place.is_some_and(|place| place.caught_up) {
            self.caught_up.retain(|other| *other != slot);
        }
    }

    pub(super) fn mark_due(&mut self, slot: Slot) {
        if let Some(Some(place)) = self.places.get_mut(slot.index())
            && !place.due
        {
            place.due = true;
            self.due.push_back(slot);
        }
    }

    fn caught_up(&mut self, slot: Slot) {
        if let Some(Some(place)) = self.places.get_mut(slot.index())
            && !place.caught_up
        {
            place.caught_up = true;
            self.caught_up.push(slot);
        }
    }

    /// There are entries in `room`, or no more for this client.
    pub(super) fn room_has_news(&mut self, now: Timestamp, room: &RoomId) {
        let Some(slot) = self.session.slot(room) else { return };
        let Some(Some(place)) = self.places.get(slot.index()) else { return };
        if place.subscription.end().is_some() {
            self.session.handle_notice(now, Notice::Ended(slot));
        } else {
            self.mark_due(slot);
        }
    }

    /// Gives every place that is due its turn, while there is room in the outbox. Returns whether
    /// the session has something to say about it.
    pub(super) fn fill(&mut self, wire: Wire, now: Timestamp) -> bool {
        let mut lost = self.make_room(now);
        for _ in 0..self.due.len() {
            if self.outbox.ways().is_none() && self.outbox.len() >= OUTBOX_BYTES {
                break;
            }
            let Some(slot) = self.due.pop_front() else { break };
            let Some(Some(place)) = self.places.get_mut(slot.index()) else { continue };
            place.due = false;
            match self.draw(slot, wire, now) {
                Turn::Done => {}
                Turn::CaughtUp => self.caught_up(slot),
                Turn::Later => self.mark_due(slot),
                Turn::Page { .. } if self.paging => self.mark_due(slot),
                Turn::Page { after, limit } => self.page(slot, after, limit),
                Turn::Lost => {
                    self.lose(now, slot, GapReason::Slow);
                    lost = true;
                }
            }
        }
        if self.due.is_empty() {
            self.due = VecDeque::new();
        }
        lost
    }

    /// Takes what one place may have now.
    fn draw(&mut self, slot: Slot, wire: Wire, now: Timestamp) -> Turn {
        self.take_back(slot);
        let Self { chat, session, outbox, places, .. } = self;
        let Some(Some(place)) = places.get_mut(slot.index()) else { return Turn::Done };
        let Some(next) = session.next(slot) else { return Turn::Done };
        let cursor = Seq(next.0 - 1);
        let allowance = session.allowance(slot);
        // Answer first, read second: what comes after the reading rings again.
        place.subscription.answer();
        let room = match outbox.ways_mut() {
            Some(ways) => {
                ways.set_live(slot, session.delivery(slot) == Some(DeliveryState::Live));
                ways.room(slot)
            }
            None => OUTBOX_BYTES.saturating_sub(outbox.len()),
        };
        if allowance == 0 || room == 0 {
            let (due, fell_off) = match place.subscription.read(cursor, |_| false) {
                Read::Upto(_) => (true, false),
                Read::Behind(_) => (true, session.delivery(slot) == Some(DeliveryState::Live)),
                Read::Nothing => (cursor < place.head, false),
                Read::Ended => (false, false),
            };
            // A way on which nothing moves is a matter of that room alone, and no stall.
            if due && allowance == 0 {
                session.handle_blocked(now, slot);
            }
            return if fell_off { Turn::Lost } else { Turn::Done };
        }
        match place.subscription.draw(cursor, wire, allowance, room) {
            Ok((batch, more)) => {
                chat.hub().traffic().delivered(batch.entries);
                session.delivered(slot, batch.upto);
                place.head = place.head.max(batch.upto);
                match outbox.ways_mut() {
                    Some(ways) => ways.push(slot, batch.bytes),
                    None => outbox.push(batch.bytes),
                }
                if more { Turn::Later } else { Turn::CaughtUp }
            }
            Err(Read::Behind(_)) => Turn::Page { after: cursor, limit: allowance },
            Err(Read::Nothing) if cursor < place.head => {
                Turn::Page { after: cursor, limit: allowance }
            }
            Err(Read::Nothing) => Turn::CaughtUp,
            Err(Read::Ended | Read::Upto(_)) => Turn::Done,
        }
    }

    /// Lets the hub write by itself to the places that have caught up, once all is written.
    pub(super) fn lend(&mut self) {
        if self.caught_up.is_empty() || !self.outbox.is_empty() || self.closing.is_some() {
            return;
        }
        for slot in std::mem::take(&mut self.caught_up) {
            let Some(Some(place)) = self.places.get_mut(slot.index()) else { continue };
            // One that is due is drawn from first.
            if std::mem::take(&mut place.caught_up)
                && !place.due
                && let (Some(next), Some(limit)) =
                    (self.session.next(slot), self.session.limit(slot))
            {
                place.subscription.grant(next, limit);
            }
        }
    }

    /// The client has entries up to some places, which the hub may have written since.
    pub(super) fn acked(&mut self, now: Timestamp, ack: Ack) {
        let slots: Vec<_> = ack.rooms.keys().filter_map(|room| self.session.slot(room)).collect();
        for slot in &slots {
            self.catch_up(*slot, Subscription::written);
        }
        self.session.handle_frame(now, Ok(ClientFrame::Ack(ack)));
        for slot in slots {
            if let (Some(Some(place)), Some(limit)) =
                (self.places.get(slot.index()), self.session.limit(slot))
            {
                place.subscription.extend(limit);
            }
        }
    }

    /// Has a place written to by this connection alone, from now on.
    pub(super) fn take_back(&mut self, slot: Slot) {
        self.catch_up(slot, Subscription::take_back);
    }

    /// Tells the session how far the hub has written.
    fn catch_up(&mut self, slot: Slot, written: impl Fn(&Subscription) -> Option<Seq>) {
        if let Some(Some(place)) = self.places.get_mut(slot.index())
            && let Some(next) = written(&place.subscription)
        {
            let upto = Seq(next.0 - 1);
            place.head = place.head.max(upto);
            self.session.delivered(slot, upto);
        }
    }

    fn page(&mut self, slot: Slot, after: Seq, limit: u32) {
        let Some(Some(place)) = self.places.get(slot.index()) else { return };
        let (room, chat) = (place.subscription.room().clone(), self.chat.clone());
        self.paging = true;
        let page = async move {
            let read = chat.store().entries(&room, after, limit.min(PAGE)).map_err(Error::from);
            let page = guarded(read.map_err(Failure::from)).await;
            Done::Page { slot, room, after, page }
        };
        self.work.push(page.boxed());
    }

    /// A page of the log has come.
    pub(super) fn paged(
        &mut self,
        wire: Wire,
        now: Timestamp,
        (slot, room, after): (Slot, RoomId, Seq),
        page: Result<Vec<Entry>, Failure>,
    ) {
        self.paging = false;
        // Meanwhile the client may have gone elsewhere.
        let same_room = self.session.room(slot) == Some(&room);
        if !same_room || self.session.next(slot) != Some(after.next()) {
            return self.mark_due(slot);
        }
        let Some(Some(place)) = self.places.get_mut(slot.index()) else { return };
        let page = match page {
            Ok(page) => page,
            Err(failure) => {
                let code = failure.code;
                tracing::warn!(%room, %code, "a log could not be read for a subscriber");
                return self.session.handle_notice(now, Notice::Unavailable);
            }
        };
        if page.first().map(|entry| entry.seq) != Some(after.next()) {
            return self.lose(now, slot, GapReason::Retention);
        }
        // What is committed but not yet told of waits: it may be what puts the client out.
        let told = place.subscription.newest().unwrap_or_default().max(place.head);
        let end = place.subscription.end().unwrap_or(Seq::MAX);
        let allowance = self.session.allowance(slot) as usize;
        let theirs = |entry: &&Entry| entry.seq <= told && entry.seq < end;
        let entries = page.iter().take(allowance).take_while(theirs);
        let mut delivered = 0;
        for entry in entries {
            match self.outbox.ways_mut() {
                Some(ways) if !ways.takes_more(slot) => break,
                Some(ways) => ways.push(slot, wire.event(entry)),
                None => self.outbox.push(wire.event(entry)),
            }
            delivered += 1;
            self.session.delivered(slot, entry.seq);
            place.head = place.head.max(entry.seq);
        }
        self.chat.hub().traffic().delivered(delivered);
        self.mark_due(slot);
    }

    /// A place cannot go on: the client is told, and is to come again.
    pub(super) fn lose(&mut self, now: Timestamp, slot: Slot, reason: GapReason) {
        let Some(Some(place)) = self.places.get(slot.index()) else { return };
        let newest = place.subscription.newest().unwrap_or(place.head);
        let (epoch, head_seq) = (self.chat.epoch().clone(), place.head.max(newest));
        self.chat.hub().traffic().gap();
        self.session.handle_notice(now, Notice::Lost { slot, epoch, head_seq, reason });
        self.leave(slot);
    }
}
