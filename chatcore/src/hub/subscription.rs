//! A connection's side of a seat: reading, and letting the hub write by itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::live::{Batch, Live, Span};
use super::seat::SeatState;
use super::tail::Tail;
use super::{Hub, Listener};
use crate::id::{RoomId, Seq, UserId};
use crate::protocol::Wire;

/// Entries that one read looks at.
const READ: usize = 256;

/// What a reader finds at its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Entries were handed out; the cursor is now after this one. There may be more.
    Upto(Seq),
    /// Nothing newer is here. If the log's head is above the cursor, read the log.
    Nothing,
    /// The cursor is older than the ring, which begins after this place: read the log up to there.
    Behind(Seq),
    /// Nothing more is for this reader.
    Ended,
}

/// One connection's place in one room. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    tail: Arc<Tail>,
    state: Arc<SeatState>,
    listener: Arc<Listener>,
    hub: Weak<Hub>,
}

impl Subscription {
    pub(super) fn new(tail: Arc<Tail>, listener: &Arc<Listener>, hub: Weak<Hub>) -> Self {
        let state = Arc::new(SeatState::new());
        tail.sit_down(listener, &state);
        listener.sits(true);
        Self { tail, state, listener: Arc::clone(listener), hub }
    }

    /// The room.
    pub fn room(&self) -> &RoomId {
        &self.tail.room
    }

    /// Notes that the user may read the room, as was found when its log ended at `head`, and whether
    /// as a member, not as a reader from outside; then those who are there are told of it. One who was
    /// found not to be a member may have come in since: this seat was told.
    pub fn let_in(&self, joined: bool, head: Seq) {
        self.state.checked_at(head);
        if joined {
            self.tail.appear(&self.state);
        }
        if let Some(hub) = self.hub.upgrade()
            && let Some(calls) = &hub.calls
            && self.tail.let_in(head)
        {
            calls.is_behind(&self.tail.room);
        }
    }

    /// Keeps the others from knowing of it, until [`show`](Self::show): for one of whom it is not proven
    /// yet that they are there. To be called before [`let_in`](Self::let_in).
    pub(crate) fn hide(&self) {
        self.state.hidden.store(true, Ordering::Release);
    }

    /// Hides it no more, and tells those who are there of it, if they were not told.
    pub(crate) fn show(&self) {
        if self.state.hidden.load(Ordering::Acquire) {
            self.tail.show(&self.state);
        }
    }

    /// The members who are there now, each once; nobody in a room in which more than
    /// [`PRESENCE_AUDIENCE`](super::PRESENCE_AUDIENCE) listen.
    ///
    /// One who is blocked by the other of a direct room is told of themselves alone.
    pub fn present(&self) -> Vec<UserId> {
        let mut present = self.tail.present_if_small().unwrap_or_default();
        if self.state.barred.load(Ordering::Acquire) {
            present.retain(|user| user == self.listener.user());
        }
        present
    }

    /// How many members are there now, in a room of any size; see [`present`](Self::present). Of a crowd
    /// some seconds ago, and with those twice who are connected to two nodes.
    pub fn online(&self) -> u64 {
        if self.state.barred.load(Ordering::Acquire) {
            return self.present().len() as u64;
        }
        self.tail.online()
    }

    /// Notes that the user is blocked by the other of a direct room, and is told nothing of the moment.
    pub(crate) fn bar(&self) {
        self.state.barred.store(true, Ordering::Release);
    }

    /// Answers the bell: news after this call rings it again. Call before reading.
    pub fn answer(&self) {
        self.state.rung.store(false, Ordering::Release);
    }

    /// Hands out entries after `cursor`, oldest first, until `take` says that it has enough by
    /// returning `false` (the entry that it was given is taken all the same).
    pub fn read(&self, cursor: Seq, mut take: impl FnMut(&Arc<Live>) -> bool) -> Read {
        let lives = match self.look(cursor) {
            Ok(to) => self.tail.lives(cursor.next(), to, READ),
            Err(read) => return read,
        };
        let mut upto = None;
        for live in lives.into_iter().flatten() {
            upto = Some(live.entry().seq);
            if !take(&live) {
                break;
            }
        }
        upto.map_or(Read::Nothing, Read::Upto)
    }

    /// Frames of entries after `cursor` in one piece: at most `entries` of them, and no further one
    /// once there are `bytes` of them. Also whether there are more at hand after it.
    ///
    /// # Errors
    /// Why there is nothing: never [`Read::Upto`].
    pub fn draw(
        &self,
        cursor: Seq,
        wire: Wire,
        entries: u32,
        bytes: usize,
    ) -> Result<(Batch, bool), Read> {
        let to = self.look(cursor)?;
        let span = Span {
            wire,
            from: cursor.next(),
            to: to.min(Seq(cursor.0.saturating_add(entries.into()))),
            most: bytes,
        };
        let batch = self.tail.batch(span).ok_or(Read::Nothing)?;
        let more = batch.upto < to;
        Ok((batch, more))
    }

    /// The last entry at hand that is for this reader, if there is one after `cursor`.
    fn look(&self, cursor: Seq) -> Result<Seq, Read> {
        let end = self.state.end();
        if end.is_some_and(|end| cursor.next() >= end) {
            return Err(Read::Ended);
        }
        let nothing = if end.is_some() { Read::Ended } else { Read::Nothing };
        let Some((first, newest)) = self.tail.bounds() else { return Err(nothing) };
        if cursor.next() < first {
            return Err(Read::Behind(Seq(first.0 - 1)));
        }
        let to = end.map_or(newest, |end| newest.min(Seq(end.0 - 1)));
        if cursor < to { Ok(to) } else { Err(nothing) }
    }

    /// The newest entry at hand; none if there is none.
    ///
    /// What is in the log beyond it is committed but not yet told of, and may put this reader out:
    /// look here before handing on what was read from the log, and then at [`end`](Self::end).
    pub fn newest(&self) -> Option<Seq> {
        self.tail.newest()
    }

    /// From which place on nothing is for this reader, if it was put out. Look before handing on
    /// what was read from the log.
    pub fn end(&self) -> Option<Seq> {
        self.state.end()
    }
}

/// What the hub does by itself.
impl Subscription {
    /// Lets the hub write entries from `next` to `limit` whenever the lane is open.
    pub(crate) fn grant(&self, next: Seq, limit: Seq) {
        let _held = self.listener.lane().hold();
        self.state.grant(next, limit);
    }

    /// Lets the hub write up to `limit`, if it writes at all.
    pub(crate) fn extend(&self, limit: Seq) {
        let _held = self.listener.lane().hold();
        if let Some((next, _)) = self.state.granted() {
            self.state.grant(next, limit);
        }
    }

    /// The entry that the hub is to write next, if it writes by itself.
    pub(crate) fn written(&self) -> Option<Seq> {
        let _held = self.listener.lane().hold();
        self.state.granted().map(|(next, _)| next)
    }

    /// Has the hub write no more; returns the entry that it would have written next.
    pub(crate) fn take_back(&self) -> Option<Seq> {
        let _held = self.listener.lane().hold();
        let (next, _) = self.state.granted()?;
        self.state.grant(next, Seq::START);
        Some(next)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.take_back();
        self.listener.sits(false);
        let deserted = self.tail.stand_up(&self.state);
        if deserted && let Some(hub) = self.hub.upgrade() {
            hub.unsubscribed(&self.tail.room);
        }
    }
}
