//! The live end of one room's log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use bytes::Bytes;

use super::{Hub, Listener, Notice, PRESENCE_AUDIENCE, Signal, lock};
use crate::id::{RoomId, Seq, UserId};
use crate::log::{Body, Entry};
use crate::protocol::Wire;

/// Entries that one room keeps at hand.
const RING_ENTRIES: usize = 1024;
/// Bytes (estimated) that one room keeps at hand.
const RING_BYTES: usize = 1 << 20;
/// Bytes (estimated) that all rooms together keep at hand; beyond it rings are kept short.
const ALL_BYTES: usize = 256 << 20;
/// What is kept of a ring when memory is short.
const SHORT_RING: usize = 16;

/// An entry at hand, with its frames as they are asked for.
pub struct Live {
    entry: Entry,
    frames: [OnceLock<Bytes>; Wire::ALL.len()],
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("room", &self.entry.room)
            .field("seq", &self.entry.seq)
            .finish()
    }
}

impl Live {
    fn new(entry: Entry) -> Self {
        Self { entry, frames: Default::default() }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its `event` frame for `wire`: encoded once, shared by all who ask.
    pub fn frame(&self, wire: Wire) -> &Bytes {
        self.frames[wire.index()].get_or_init(|| wire.event(&self.entry))
    }

    /// About what it takes in memory, with its frames in two encodings.
    fn weight(entry: &Entry) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        600 + 3 * match &entry.body {
            Body::Message { text, attachments, meta, .. } => {
                let files = attachments.iter().map(|file| 200 + file.name.len()).sum::<usize>();
                text.len() + files + meta.as_ref().map_or(0, value_weight)
            }
            Body::Edit { text, .. } => text.len(),
            Body::Kick { reason, .. } | Body::Ban { reason, .. } | Body::Mute { reason, .. } => {
                length(reason)
            }
            Body::Room { name, topic, .. } => length(name) + length(topic),
            _ => 0,
        }
    }
}

/// About what a JSON value takes in memory. Its depth is bounded where it comes in.
fn value_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_weight).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| 48 + name.len() + value_weight(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[derive(Debug)]
struct Seat {
    listener: Weak<Listener>,
    user: UserId,
    state: Arc<SeatState>,
}

#[derive(Debug)]
struct SeatState {
    /// The bell has rung and was not answered yet.
    rung: AtomicBool,
    /// Whether the user is a member, or reads a public room from outside.
    joined: AtomicBool,
    /// From this place on nothing is for this seat.
    end: Mutex<Option<Seq>>,
}

impl Seat {
    /// Whether a member sits here who was not put out.
    fn is_member(&self) -> bool {
        self.state.joined.load(Ordering::Acquire) && lock(&self.state.end).is_none()
    }
}

#[derive(Debug, Default)]
struct Ring {
    live: VecDeque<Arc<Live>>,
    bytes: usize,
    seats: Vec<Seat>,
}

impl Ring {
    /// Those who are there and have not been put out.
    fn listeners(&self) -> impl Iterator<Item = Arc<Listener>> {
        let seats = self.seats.iter().filter(|seat| lock(&seat.state.end).is_none());
        seats.filter_map(|seat| seat.listener.upgrade())
    }

    /// Whether `user` is there as a member.
    fn has_member(&self, user: &UserId) -> bool {
        self.seats.iter().any(|seat| seat.user == *user && seat.is_member())
    }
}

/// The latest entries of a room with subscribers.
#[derive(Debug)]
pub(super) struct Tail {
    room: RoomId,
    ring: Mutex<Ring>,
    all_bytes: Arc<AtomicUsize>,
}

impl Tail {
    pub(super) fn new(room: RoomId, all_bytes: Arc<AtomicUsize>) -> Self {
        Self { room, ring: Mutex::default(), all_bytes }
    }

    pub(super) fn is_deserted(&self) -> bool {
        lock(&self.ring).seats.is_empty()
    }

    pub(super) fn push(&self, entry: Entry) {
        let weight = Live::weight(&entry);
        let mut ring = lock(&self.ring);
        if ring.live.back().is_some_and(|last| last.entry.seq.next() != entry.seq) {
            // Should never be; the log then serves what the ring cannot.
            tracing::error!(room = %self.room, seq = %entry.seq, "entries published out of order");
            self.forget(&mut ring, usize::MAX);
        }
        ring.live.push_back(Arc::new(Live::new(entry)));
        ring.bytes += weight;
        let all = self.all_bytes.fetch_add(weight, Ordering::Relaxed) + weight;
        let most = if all > ALL_BYTES { SHORT_RING } else { RING_ENTRIES };
        let surplus = ring.live.len().saturating_sub(most);
        self.forget(&mut ring, surplus);
        while ring.bytes > RING_BYTES && ring.live.len() > 1 {
            self.forget(&mut ring, 1);
        }
    }

    /// Replaces a message by its new form. Of a deleted one, its edits say nothing any more either.
    pub(super) fn rewrite(&self, entry: Entry) {
        let mut ring = lock(&self.ring);
        let deleted = match &entry.body {
            Body::Message { message_id, deleted_at: Some(_), .. } => Some(message_id.clone()),
            _ => None,
        };
        for at in 0..ring.live.len() {
            let old = &ring.live[at].entry;
            let new = match &old.body {
                Body::Message { .. } if old.seq == entry.seq => entry.clone(),
                Body::Edit { message_id, .. } if deleted.as_ref() == Some(message_id) => {
                    let (message_id, text) = (message_id.clone(), String::new());
                    Entry { body: Body::Edit { message_id, text }, ..old.clone() }
                }
                _ => continue,
            };
            let (before, after) = (Live::weight(old), Live::weight(&new));
            ring.live[at] = Arc::new(Live::new(new));
            ring.bytes = (ring.bytes + after).saturating_sub(before);
            self.all_bytes.fetch_add(after, Ordering::Relaxed);
            self.all_bytes.fetch_sub(before, Ordering::Relaxed);
        }
    }

    fn forget(&self, ring: &mut Ring, count: usize) {
        for _ in 0..count.min(ring.live.len()) {
            if let Some(old) = ring.live.pop_front() {
                let weight = Live::weight(&old.entry);
                ring.bytes = ring.bytes.saturating_sub(weight);
                self.all_bytes.fetch_sub(weight, Ordering::Relaxed);
            }
        }
    }

    /// Rings the bell of every seat that has answered its last one.
    pub(super) fn wake(&self) {
        let ring = lock(&self.ring);
        for seat in &ring.seats {
            if !seat.state.rung.swap(true, Ordering::AcqRel)
                && let Some(listener) = seat.listener.upgrade()
            {
                listener.room_has_news(&self.room);
            }
        }
    }

    /// Lets nothing from `seq` on reach the seats that `who` picks by user and whether they joined.
    pub(super) fn end(&self, seq: Seq, who: impl Fn(&UserId, bool) -> bool) {
        for seat in &lock(&self.ring).seats {
            if who(&seat.user, seat.state.joined.load(Ordering::Acquire)) {
                let mut end = lock(&seat.state.end);
                *end = Some(end.map_or(seq, |old| old.min(seq)));
            }
        }
    }

    /// The user of a seat turns out to be a member. Unless they are there already, on another
    /// device, the others are told.
    fn appear(&self, state: &Arc<SeatState>) {
        let ring = lock(&self.ring);
        let told = ring.seats.len() <= PRESENCE_AUDIENCE;
        let seat = ring.seats.iter().find(|seat| Arc::ptr_eq(&seat.state, state));
        if let Some(seat) = seat.filter(|seat| told && !ring.has_member(&seat.user)) {
            self.tell_presence(&ring, &seat.user, true);
        }
        state.joined.store(true, Ordering::Release);
    }

    /// Takes a seat away; returns whether it was the last one.
    fn stand_up(&self, state: &Arc<SeatState>) -> bool {
        let mut ring = lock(&self.ring);
        let Some(at) = ring.seats.iter().position(|seat| Arc::ptr_eq(&seat.state, state)) else {
            return ring.seats.is_empty();
        };
        let seat = ring.seats.swap_remove(at);
        let told = ring.seats.len() < PRESENCE_AUDIENCE;
        if told && seat.is_member() && !ring.has_member(&seat.user) {
            self.tell_presence(&ring, &seat.user, false);
        }
        ring.seats.is_empty()
    }

    fn tell_presence(&self, ring: &Ring, user: &UserId, on: bool) {
        let (room, kind) = (self.room.clone(), "presence".to_owned());
        let signal = Notice::Signal(Signal { room, user: user.clone(), kind, on, ttl_ms: 0 });
        ring.listeners().filter(|l| l.user() != user).for_each(|l| l.notify(signal.clone()));
    }

    pub(super) fn joined(&self, user: &UserId) {
        let ring = lock(&self.ring);
        let mut seats = ring.seats.iter().filter(|seat| seat.user == *user).peekable();
        if seats.peek().is_some() && ring.seats.len() <= PRESENCE_AUDIENCE && !ring.has_member(user)
        {
            self.tell_presence(&ring, user, true);
        }
        for seat in seats {
            seat.state.joined.store(true, Ordering::Release);
        }
    }

    pub(super) fn each(&self, mut tell: impl FnMut(&Listener)) {
        self.each_if_at_most(usize::MAX, &mut tell);
    }

    pub(super) fn each_if_at_most(&self, most: usize, mut tell: impl FnMut(&Listener)) {
        let ring = lock(&self.ring);
        if ring.seats.len() <= most {
            ring.listeners().for_each(|listener| tell(&listener));
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let ring = self.ring.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.all_bytes.fetch_sub(ring.bytes, Ordering::Relaxed);
    }
}

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
    hub: Weak<Hub>,
}

impl Subscription {
    pub(super) fn new(tail: Arc<Tail>, listener: &Arc<Listener>, hub: Weak<Hub>) -> Self {
        let state = Arc::new(SeatState {
            rung: AtomicBool::new(false),
            joined: AtomicBool::new(false),
            end: Mutex::new(None),
        });
        lock(&tail.ring).seats.push(Seat {
            listener: Arc::downgrade(listener),
            user: listener.user().clone(),
            state: Arc::clone(&state),
        });
        Self { tail, state, hub }
    }

    /// The room.
    pub fn room(&self) -> &RoomId {
        &self.tail.room
    }

    /// Notes that the user was found to be a member, not a reader from outside, and tells those who
    /// are there of it. One who was found not to be may have come in since: this seat was told.
    pub fn set_joined(&self, joined: bool) {
        if joined {
            self.tail.appear(&self.state);
        }
    }

    /// The members who are there now, each once; nobody in a room in which more than
    /// [`PRESENCE_AUDIENCE`](super::PRESENCE_AUDIENCE) listen.
    pub fn present(&self) -> Vec<UserId> {
        let ring = lock(&self.tail.ring);
        if ring.seats.len() > PRESENCE_AUDIENCE {
            return Vec::new();
        }
        let mut present: Vec<_> =
            ring.seats.iter().filter(|s| s.is_member()).map(|s| s.user.clone()).collect();
        present.sort_unstable();
        present.dedup();
        present
    }

    /// Answers the bell: news after this call rings it again. Call before reading.
    pub fn answer(&self) {
        self.state.rung.store(false, Ordering::Release);
    }

    /// Hands out entries after `cursor`, oldest first, until `take` says that it has enough by
    /// returning `false` (the entry that it was given is taken all the same).
    pub fn read(&self, cursor: Seq, mut take: impl FnMut(&Arc<Live>) -> bool) -> Read {
        let ring = lock(&self.tail.ring);
        let end = *lock(&self.state.end);
        if end.is_some_and(|end| cursor.next() >= end) {
            return Read::Ended;
        }
        let Some(first) = ring.live.front().map(|live| live.entry.seq) else {
            return if end.is_some() { Read::Ended } else { Read::Nothing };
        };
        if cursor.next() < first {
            return Read::Behind(Seq(first.0 - 1));
        }
        let skip = usize::try_from(cursor.next().0 - first.0).unwrap_or(usize::MAX);
        let mut upto = None;
        for live in ring.live.iter().skip(skip) {
            if end.is_some_and(|end| live.entry.seq >= end) {
                break;
            }
            upto = Some(live.entry.seq);
            if !take(live) {
                break;
            }
        }
        match upto {
            Some(seq) => Read::Upto(seq),
            None if end.is_some() => Read::Ended,
            None => Read::Nothing,
        }
    }

    /// The newest entry at hand; none if there is none.
    ///
    /// What is in the log beyond it is committed but not yet told of, and may put this reader out:
    /// look here before handing on what was read from the log, and then at [`end`](Self::end).
    pub fn newest(&self) -> Option<Seq> {
        lock(&self.tail.ring).live.back().map(|live| live.entry.seq)
    }

    /// From which place on nothing is for this reader, if it was put out. Look before handing on
    /// what was read from the log.
    pub fn end(&self) -> Option<Seq> {
        *lock(&self.state.end)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let deserted = self.tail.stand_up(&self.state);
        if deserted && let Some(hub) = self.hub.upgrade() {
            hub.unsubscribed(&self.tail.room);
        }
    }
}
