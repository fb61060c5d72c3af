//! Writes that are not answered yet, in order for each room.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use chatcore::id::{MessageId, RoomId};
use chatcore::protocol::frame::{Delete, Edit, Request, RequestId, Send};
use serde::{Deserialize, Serialize};

use super::CallId;

/// A write that is not known to have taken effect. It carries its own `client_msg_id`, so that it
/// takes effect once however often it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unsent {
    /// Where to.
    pub room: RoomId,
    /// What.
    pub write: Write,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Write {
    /// A message.
    Send(Send),
    /// Another text for a message.
    Edit {
        /// Which.
        message_id: MessageId,
        /// What it is to be.
        body: Edit,
    },
    /// The end of a message.
    Delete {
        /// Which.
        message_id: MessageId,
        /// Under which name.
        body: Delete,
    },
}

impl Unsent {
    pub(crate) fn request(&self) -> Request {
        let room = self.room.clone();
        match self.write.clone() {
            Write::Send(body) => Request::Send { room, body },
            Write::Edit { message_id, body } => Request::Edit { room, message_id, body },
            Write::Delete { message_id, body } => Request::Delete { room, message_id, body },
        }
    }

    /// Whether it may go before a handshake is done.
    pub(super) fn may_come_early(&self) -> bool {
        // As the request that it makes.
        matches!(self.write, Write::Send(_))
    }

    /// About how many bytes it holds.
    fn weight(&self) -> usize {
        match &self.write {
            Write::Send(send) => {
                send.text.len() + send.meta.as_ref().map_or(0, |meta| meta.to_string().len())
            }
            Write::Edit { body, .. } => body.text.len(),
            Write::Delete { .. } => 0,
        }
    }
}

/// The unsent writes of all rooms.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lanes: BTreeMap<RoomId, Lane>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<Item>,
    on_their_way: usize,
    /// The server asked for a pause.
    held_until: Option<Instant>,
}

#[derive(Debug)]
struct Item {
    call: CallId,
    unsent: Unsent,
    weight: usize,
    /// The request that carries it now.
    sent_as: Option<RequestId>,
}

impl Outbox {
    /// Takes one more, if there is room for it.
    pub(super) fn push(
        &mut self,
        call: CallId,
        unsent: Unsent,
        (most, most_bytes): (usize, usize),
    ) -> bool {
        let weight = unsent.weight();
        if self.count >= most || self.bytes + weight > most_bytes {
            return false;
        }
        self.count += 1;
        self.bytes += weight;
        let lane = self.lanes.entry(unsent.room.clone()).or_default();
        lane.items.push_back(Item { call, unsent, weight, sent_as: None });
        true
    }

    /// The next that may go, which goes as `id`.
    pub(super) fn pop(
        &mut self,
        pipeline: usize,
        id: RequestId,
        may_go: impl Fn(&Unsent) -> bool,
    ) -> Option<Unsent> {
        for lane in self.lanes.values_mut() {
            if lane.held_until.is_some() || lane.on_their_way >= pipeline {
                continue;
            }
            let Some(at) = lane.items.iter().position(|item| item.sent_as.is_none()) else {
                continue;
            };
            // One that is to go again does so when those that went after it are answered.
            if lane.on_their_way == at && may_go(&lane.items[at].unsent) {
                lane.on_their_way += 1;
                lane.items[at].sent_as = Some(id);
                return Some(lane.items[at].unsent.clone());
            }
        }
        None
    }

    /// One is answered, for good: whose it was.
    pub(super) fn answered(&mut self, room: &RoomId, id: RequestId) -> Option<CallId> {
        let lane = self.lanes.get_mut(room)?;
        let at = lane.items.iter().position(|item| item.sent_as == Some(id))?;
        let item = lane.items.remove(at)?;
        lane.on_their_way -= 1;
        self.count -= 1;
        self.bytes -= item.weight;
        if lane.items.is_empty() {
            self.lanes.remove(room);
        }
        Some(item.call)
    }

    /// One is to go again, and none of its room before `until`.
    pub(super) fn again(&mut self, room: &RoomId, id: RequestId, until: Instant) {
        let Some(lane) = self.lanes.get_mut(room) else { return };
        if let Some(item) = lane.items.iter_mut().find(|item| item.sent_as == Some(id)) {
            item.sent_as = None;
            lane.on_their_way -= 1;
            lane.held_until = Some(until);
        }
    }

    /// The connection is lost: all are to go again.
    pub(super) fn rewind(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.on_their_way = 0;
            lane.items.iter_mut().for_each(|item| item.sent_as = None);
        }
    }

    /// Ends the pauses that are over.
    pub(super) fn release(&mut self, now: Instant) {
        for lane in self.lanes.values_mut() {
            lane.held_until = lane.held_until.filter(|until| *until > now);
        }
    }

    /// When the first pause ends.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.held_until).min()
    }

    /// All of it, for each room in order.
    pub(super) fn list(&self) -> Vec<Unsent> {
        self.lanes.values().flat_map(|lane| &lane.items).map(|item| item.unsent.clone()).collect()
    }

    /// Takes all of it out.
    pub(super) fn take(&mut self) -> Vec<(CallId, Unsent)> {
        let lanes = std::mem::take(&mut self.lanes);
        (self.count, self.bytes) = (0, 0);
        lanes.into_values().flat_map(|lane| lane.items).map(|i| (i.call, i.unsent)).collect()
    }
}
