//! Which way what is written goes, over a transport with several.

use super::pump::Pump;
use crate::chat::Resume;
use crate::clock::Timestamp;
use crate::hub::PRESENCE;
use crate::id::RoomId;
use crate::protocol::Wire;
use crate::protocol::frame::{GapReason, ServerFrame, StreamFrame};
use crate::protocol::session::Slot;

impl Pump {
    /// Writes a frame: a `gap` on the way of its room, a signal wherever it may be lost.
    ///
    /// Presence is a state, which holds until the next signal of it comes: it goes with what arrives.
    pub(super) fn put(&mut self, frame: &ServerFrame, wire: Wire) {
        let mut bytes = wire.frame(frame);
        if self.outbox.ways().is_some() {
            match frame {
                ServerFrame::Signal(signal) if signal.kind != PRESENCE => {
                    return self.outbox.push_signal(bytes);
                }
                ServerFrame::Gap(gap) => {
                    let slot = self.session.slot(&gap.room);
                    if let (Some(slot), Some(ways)) = (slot, self.outbox.ways_mut()) {
                        match ways.end_with(slot, bytes, wire) {
                            Some(unheard) => bytes = unheard,
                            None => return,
                        }
                    }
                }
                _ => {}
            }
        }
        self.outbox.push(bytes);
    }

    /// Gives a subscription that begins a way of its own, where there are such.
    pub(super) fn open_way(&mut self, slot: Slot, room: &RoomId, resume: &Resume, wire: Wire) {
        let Some(ways) = self.outbox.ways_mut() else { return };
        let (room, epoch, after) = (room.clone(), resume.epoch.clone(), resume.from());
        ways.open(slot, wire.frame(&ServerFrame::Stream(StreamFrame { room, epoch, after })));
    }

    /// Some of what was on the ways may have left. Returns whether a room has lost its way.
    pub(super) fn ways_moved(&mut self) -> bool {
        let now = self.chat.clock().now();
        let Some(ways) = self.outbox.ways_mut() else { return false };
        ways.note(now);
        let (roomy, refused) = (ways.roomy(), ways.take_refused());
        for slot in roomy {
            self.mark_due(slot);
        }
        let lost = !refused.is_empty();
        for slot in refused {
            self.lose(now, slot, GapReason::Slow);
        }
        lost
    }

    /// Takes its place from a room that keeps the others waiting. Returns whether it did.
    pub(super) fn make_room(&mut self, now: Timestamp) -> bool {
        let slot = self.outbox.ways_mut().and_then(|ways| ways.make_room(now));
        let Some(slot) = slot else { return false };
        self.lose(now, slot, GapReason::Slow);
        true
    }
}
