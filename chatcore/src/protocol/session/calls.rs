//! Requests that await their answers.

use super::event::CallId;
use crate::id::RoomId;
use crate::protocol::frame::{Failure, RequestId};

/// What becomes of the answer to a call.
#[derive(Debug)]
pub(super) enum Pending {
    /// It is handed on.
    Plain(RequestId),
    /// It renews the client's token.
    Auth(RequestId),
    /// It begins a subscription, unless that has been refused since.
    Subscribe { id: RequestId, room: RoomId, refused: Option<Box<Failure>> },
}

/// The calls of one session, under small numbers that are used again.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<Option<Pending>>,
    open: usize,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.open
    }

    pub(super) fn insert(&mut self, pending: Pending) -> CallId {
        self.open += 1;
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[index] = Some(pending);
        // The table is as long as the cap on requests in flight, itself a `u32`.
        CallId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(super) fn take(&mut self, call: CallId) -> Option<Pending> {
        let pending = self.slots.get_mut(call.0 as usize)?.take()?;
        self.open -= 1;
        if self.open == 0 {
            self.slots = Vec::new();
        }
        Some(pending)
    }

    /// How many subscriptions are being made.
    pub(super) fn subscribing(&self) -> usize {
        let open = self.slots.iter().flatten();
        open.filter(|p| matches!(p, Pending::Subscribe { refused: None, .. })).count()
    }

    /// Lets every subscription to `room` that is being made come to nothing.
    pub(super) fn refuse(&mut self, room: &RoomId, failure: &Failure) {
        for pending in self.slots.iter_mut().flatten() {
            if let Pending::Subscribe { room: of, refused, .. } = pending
                && of == room
                && refused.is_none()
            {
                *refused = Some(Box::new(failure.clone()));
            }
        }
    }
}
