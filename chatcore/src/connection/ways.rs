//! A way of its own to the peer for each room: a lost packet, or a reader who does not read, in one
//! of them is no matter to the others.
//!
//! ```text
//!   open ── push ──► busy ◄──► at rest ── end ──► finished, or cut off ──► forgotten
//! ```
//!
//! What waits is bounded: [`WAY_BYTES`] and one piece for each way, [`ALL_BYTES`] and one piece for
//! all. Where much waits, only ways at rest are given more, an entry at a time, so that readers who
//! do not read cannot take the room of those who do. When all is taken even so, the way that has
//! stood still for longest loses its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::pieces::Pieces;
use crate::clock::Timestamp;
use crate::protocol::Wire;
use crate::protocol::session::Slot;

/// Bytes that wait on one way before it is given no more.
const WAY_BYTES: usize = 32 * 1024;

/// Bytes of a page of the log that one way takes.
const PAGE_BYTES: usize = 64 * 1024;

/// Bytes that wait on all ways.
const ALL_BYTES: usize = 256 * 1024;

/// Above this, only ways at rest are given more.
const MUCH: usize = ALL_BYTES / 2;

/// Ways whose subscription is over and whose last bytes the peer does not take; above that the
/// oldest is cut off.
const LINGERING: usize = 32;

/// How long a way may stand still while others have no room.
pub(super) const STANDSTILL: Duration = Duration::from_secs(1);

/// One way, which no other of the connection shares its number with, then or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way(u64);

/// How a way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After what is on it.
    Finished,
    /// At once; what has not arrived does not have to.
    CutOff,
}

/// All ways of one connection.
#[derive(Debug, Default)]
pub struct Ways {
    ways: BTreeMap<Way, State>,
    by_slot: BTreeMap<Slot, Way>,
    /// Those with something to write, or to end.
    busy: BTreeSet<Way>,
    /// Those that were refused more, and are to be told when there is room.
    waiting: BTreeSet<Slot>,
    /// Those that the peer did not want.
    refused: Vec<Slot>,
    bytes: usize,
    lingering: BTreeSet<Way>,
    next: u64,
}

#[derive(Debug, Default)]
struct State {
    pieces: Pieces,
    slot: Option<Slot>,
    live: bool,
    /// Something of it has left.
    begun: bool,
    ending: Option<Ending>,
    /// Since when nothing has left, if that was looked at.
    still: Option<Timestamp>,
}

/// What a transport does.
impl Ways {
    /// The next way after `last` with something to write or to end.
    pub fn next_busy(&self, last: Option<Way>) -> Option<Way> {
        match last {
            Some(Way(last)) => self.busy.range(Way(last + 1)..).next().copied(),
            None => self.busy.first().copied(),
        }
    }

    /// What is to be written on `way`.
    pub fn pieces(&self, way: Way) -> Option<&Pieces> {
        self.ways.get(&way).map(|state| &state.pieces)
    }

    /// Whether what is on `way` comes as it happens, and goes before what was long ago.
    pub fn is_live(&self, way: Way) -> bool {
        self.ways.get(&way).is_some_and(|state| state.live)
    }

    /// How `way` is to end, if it is. The transport says [`ended`](Self::ended) once it has.
    pub fn ending(&self, way: Way) -> Option<Ending> {
        self.ways.get(&way)?.ending
    }

    /// `written` bytes have left on `way`.
    pub fn advance(&mut self, way: Way, written: usize) {
        let Some(state) = self.ways.get_mut(&way) else { return };
        state.pieces.advance(written);
        if written > 0 {
            state.begun = true;
            state.still = None;
        }
        self.bytes -= written;
        self.settle(way);
    }

    /// `way` has ended as it was to.
    pub fn ended(&mut self, way: Way) {
        if let Some(state) = self.ways.remove(&way) {
            self.bytes -= state.pieces.len();
            if let Some(slot) = state.slot {
                self.by_slot.remove(&slot);
                self.waiting.remove(&slot);
            }
        }
        self.busy.remove(&way);
        self.lingering.remove(&way);
    }

    /// The peer wants nothing on `way`.
    pub fn refused(&mut self, way: Way) {
        self.refused.extend(self.ways.get(&way).and_then(|state| state.slot));
        self.ended(way);
    }

    fn settle(&mut self, way: Way) {
        let Some(state) = self.ways.get(&way) else { return };
        if state.pieces.is_empty() && state.ending.is_none() {
            self.busy.remove(&way);
        } else {
            self.busy.insert(way);
        }
    }
}

/// What the connection does.
impl Ways {
    /// A new way for `slot`, instead of the one that it had. It begins with `preamble`, which leaves
    /// with what is first pushed.
    pub(super) fn open(&mut self, slot: Slot, preamble: Bytes) {
        self.end(slot, Ending::CutOff);
        let way = Way(self.next);
        self.next += 1;
        let mut state = State { slot: Some(slot), ..State::default() };
        self.bytes += preamble.len();
        state.pieces.push(preamble);
        self.ways.insert(way, state);
        self.by_slot.insert(slot, way);
    }

    /// Adds whole frames to the way of `slot`.
    pub(super) fn push(&mut self, slot: Slot, piece: Bytes) {
        let Some(way) = self.by_slot.get(&slot) else { return };
        if let Some(state) = self.ways.get_mut(way) {
            self.bytes += piece.len();
            state.pieces.push(piece);
            self.busy.insert(*way);
        }
    }

    /// What comes on the way of `slot` from now on is live, or is not.
    pub(super) fn set_live(&mut self, slot: Slot, live: bool) {
        if let Some(state) = self.by_slot.get(&slot).and_then(|way| self.ways.get_mut(way)) {
            state.live = live;
        }
    }

    /// Bytes that the way of `slot` takes now; if it is none, [`roomy`](Self::roomy) tells of it.
    pub(super) fn room(&mut self, slot: Slot) -> usize {
        let room = self.room_now(slot);
        if room == 0 {
            self.waiting.insert(slot);
        }
        room
    }

    fn room_now(&self, slot: Slot) -> usize {
        let Some(way) = self.by_slot.get(&slot) else { return 0 };
        let (Some(state), busy) = (self.ways.get(way), self.busy.contains(way)) else { return 0 };
        if state.ending.is_some() || self.bytes >= ALL_BYTES {
            0
        } else if self.bytes >= MUCH {
            // One entry, whatever its length.
            usize::from(!busy)
        } else {
            WAY_BYTES.saturating_sub(state.pieces.len())
        }
    }

    /// Whether the way of `slot` takes one more entry of a page.
    pub(super) fn takes_more(&self, slot: Slot) -> bool {
        let state = self.by_slot.get(&slot).and_then(|way| self.ways.get(way));
        self.bytes < ALL_BYTES && state.is_some_and(|state| state.pieces.len() < PAGE_BYTES)
    }

    /// Those that were refused more and have room now.
    pub(super) fn roomy(&mut self) -> Vec<Slot> {
        let waiting = self.waiting.iter().copied();
        let roomy: Vec<_> = waiting.filter(|slot| self.room_now(*slot) > 0).collect();
        for slot in &roomy {
            self.waiting.remove(slot);
        }
        roomy
    }

    /// Those whose way the peer did not want, each once.
    pub(super) fn take_refused(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.refused)
    }

    /// Ends the way of `slot`, if it has one.
    pub(super) fn end(&mut self, slot: Slot, ending: Ending) {
        self.waiting.remove(&slot);
        let Some(way) = self.by_slot.remove(&slot) else { return };
        let Some(state) = self.ways.get_mut(&way) else { return };
        state.slot = None;
        if !state.begun && !self.busy.contains(&way) {
            // The peer has not heard of it.
            return self.ended(way);
        }
        state.ending = Some(ending);
        if ending == Ending::CutOff {
            self.drop_pieces(way);
        }
        self.busy.insert(way);
        self.lingering.insert(way);
        while self.lingering.len() > LINGERING
            && let Some(oldest) = self.lingering.pop_first()
        {
            self.cut_off(oldest);
        }
    }

    /// Ends the way of `slot` with `frame`, and without what has not been begun. Gives the frame back
    /// if the peer has not heard of that way.
    pub(super) fn end_with(&mut self, slot: Slot, frame: Bytes, wire: Wire) -> Option<Bytes> {
        let Some(way) = self.by_slot.get(&slot).copied() else { return Some(frame) };
        let Some(state) = self.ways.get_mut(&way) else { return Some(frame) };
        self.bytes -= state.pieces.len();
        state.pieces.abandon(wire);
        self.bytes += state.pieces.len();
        let heard_of = state.begun;
        if heard_of {
            self.push(slot, frame.clone());
        }
        self.end(slot, if heard_of { Ending::Finished } else { Ending::CutOff });
        (!heard_of).then_some(frame)
    }

    /// Ends all, each after what is on it.
    pub(super) fn finish(&mut self) {
        let slots: Vec<_> = self.by_slot.keys().copied().collect();
        for slot in slots {
            self.end(slot, Ending::Finished);
        }
    }

    fn cut_off(&mut self, way: Way) {
        self.drop_pieces(way);
        if let Some(state) = self.ways.get_mut(&way) {
            state.ending = Some(Ending::CutOff);
        }
    }

    fn drop_pieces(&mut self, way: Way) {
        if let Some(state) = self.ways.get_mut(&way) {
            self.bytes -= std::mem::take(&mut state.pieces).len();
        }
    }

    /// Bytes on all of them, and one for each that is busy.
    pub(super) fn work(&self) -> usize {
        self.busy.iter().map(|way| 1 + self.pieces(*way).map_or(0, Pieces::len)).sum()
    }

    /// Whether there is no room for anything.
    pub(super) fn is_crowded(&self) -> bool {
        self.bytes >= ALL_BYTES
    }

    /// Notes which stand still, while it may come to matter.
    pub(super) fn note(&mut self, now: Timestamp) {
        if self.bytes < MUCH {
            return;
        }
        for way in &self.busy {
            let Some(state) = self.ways.get_mut(way) else { continue };
            state.still.get_or_insert(now);
        }
    }

    /// Makes room where there is none: cuts off one whose subscription is over, or else names the one
    /// that has stood still for longest.
    pub(super) fn make_room(&mut self, now: Timestamp) -> Option<Slot> {
        if !self.is_crowded() {
            return None;
        }
        if let Some(oldest) = self.lingering.pop_first() {
            self.cut_off(oldest);
            return None;
        }
        let still = self.by_slot.iter().filter_map(|(slot, way)| {
            let state = self.ways.get(way).filter(|state| !state.pieces.is_empty())?;
            let since = state.still?;
            (since.after(STANDSTILL) <= now).then_some((since, *slot))
        });
        let slot = still.min().map(|(_, slot)| slot)?;
        if let Some(state) = self.by_slot.get(&slot).and_then(|way| self.ways.get_mut(way)) {
            // Whatever comes of it, it is not named again at once.
            state.still = Some(now);
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests;
