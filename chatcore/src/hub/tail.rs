//! The live end of one room's log, and who sits at it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::Calls;
use super::crowd::{Count, Crowds};
use super::live::{Batch, Live, Ring, Span};
use super::presence::Away;
use super::seat::{Seat, SeatState};
use super::shared::Told;
use super::{Listener, Membership, Moved, lock};
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::log::{Body, Entry};
use crate::room::RoomKind;

/// Entries that one room keeps at hand.
const RING_ENTRIES: usize = 1024;
/// Bytes (estimated) that one room keeps at hand.
const RING_BYTES: usize = 1 << 20;
/// Bytes (estimated) that all rooms together keep at hand; beyond it rings are kept short.
const ALL_BYTES: usize = 256 << 20;
/// What is kept of a ring when memory is short.
const SHORT_RING: usize = 16;

/// The latest entries of a room with subscribers, and its seats.
///
/// Locks are taken in this order: how far it was told, the seats, who is away, a lane, the ring.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) room: RoomId,
    /// How far, where other nodes write to the room too.
    pub(super) told: Mutex<Told>,
    ring: Mutex<Ring>,
    pub(super) seats: Mutex<Vec<Seat>>,
    /// Who is there on other nodes.
    pub(super) away: Mutex<Away>,
    /// How many are there, where that is what is told.
    pub(super) count: Mutex<Count>,
    pub(super) crowds: Arc<Crowds>,
    pub(super) calls: Option<Arc<Calls>>,
    /// How many seats there are, for whoever need not know to the last one.
    audience: AtomicUsize,
    /// A pass over the seats is asked for and has not begun.
    pub(super) due: AtomicBool,
    /// No pass before then.
    pub(super) rests_until: Mutex<Option<Instant>>,
    all_bytes: Arc<AtomicUsize>,
}

impl Tail {
    pub(super) fn new(
        room: RoomId,
        all_bytes: Arc<AtomicUsize>,
        crowds: Arc<Crowds>,
        calls: Option<Arc<Calls>>,
    ) -> Self {
        Self {
            room,
            told: Mutex::default(),
            ring: Mutex::default(),
            seats: Mutex::default(),
            away: Mutex::default(),
            count: Mutex::default(),
            crowds,
            calls,
            audience: AtomicUsize::new(0),
            due: AtomicBool::new(false),
            rests_until: Mutex::default(),
            all_bytes,
        }
    }
}

/// Entries.
impl Tail {
    pub(super) fn push(&self, entry: Entry) {
        if let Body::Expire { upto } = entry.body {
            self.expire(upto);
        }
        let mut ring = lock(&self.ring);
        if ring.newest().is_some_and(|last| last.next() != entry.seq) {
            // Should never be; the log then serves what the ring cannot.
            tracing::error!(room = %self.room, seq = %entry.seq, "entries published out of order");
            self.forget(&mut ring, usize::MAX);
        }
        let weight = Live::weight(&entry);
        ring.push(entry);
        let all = self.all_bytes.fetch_add(weight, Ordering::Relaxed) + weight;
        let most = if all > ALL_BYTES { SHORT_RING } else { RING_ENTRIES };
        let surplus = ring.len().saturating_sub(most);
        self.forget(&mut ring, surplus);
        while ring.bytes > RING_BYTES && ring.len() > 1 {
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
        for at in 0..ring.len() {
            let Some(old) = ring.get(at).map(|live| live.entry()) else { break };
            let new = match &old.body {
                Body::Message { .. } if old.seq == entry.seq => entry.clone(),
                Body::Edit { message_id, .. } if deleted.as_ref() == Some(message_id) => {
                    let (message_id, text) = (message_id.clone(), String::new());
                    Entry { body: Body::Edit { message_id, text }, ..old.clone() }
                }
                _ => continue,
            };
            let (before, after) = ring.replace(at, new);
            self.all_bytes.fetch_add(after, Ordering::Relaxed);
            self.all_bytes.fetch_sub(before, Ordering::Relaxed);
        }
    }

    /// Lets go of all up to `upto`, and of edits that may be of messages there. Whoever has not had
    /// what stands beyond reads it in the log.
    fn expire(&self, upto: Seq) {
        let mut ring = lock(&self.ring);
        let mut here = HashSet::new();
        let (mut gone, mut at) = (0, 0);
        while let Some(entry) = ring.get(at).map(|live| live.entry()) {
            at += 1;
            match &entry.body {
                _ if entry.seq <= upto => gone = at,
                Body::Message { message_id, .. } => {
                    here.insert(message_id.clone());
                }
                Body::Edit { message_id, .. } if !here.contains(message_id) => gone = at,
                _ => {}
            }
        }
        self.forget(&mut ring, gone);
        ring.forget_joined();
    }

    /// Ends the seats that an entry puts out, and notes who it makes a member. Ends come first: whoever
    /// finds an entry at hand, or a later one in the log, must find that it is not theirs.
    pub(super) fn hold_against(&self, entry: &Entry) {
        match Moved::by(entry) {
            Some(Moved { user, state: Membership::Joined }) => self.joined(&user),
            Some(Moved { user, state }) if state != Membership::Invited => {
                self.end(entry.seq, |who, _| *who == user);
            }
            _ => {}
        }
        if matches!(&entry.body, Body::Room { visibility, .. } if *visibility != RoomKind::Public) {
            self.end(entry.seq, |_, joined| !joined);
        }
    }

    /// The places of those of the messages that are at hand.
    pub(super) fn places_of(&self, messages: &HashSet<&MessageId>) -> Vec<Seq> {
        if messages.is_empty() {
            return Vec::new();
        }
        let ring = lock(&self.ring);
        let entries = (0..ring.len()).filter_map(|at| ring.get(at)).map(|live| live.entry());
        let theirs = entries.filter(|entry| match &entry.body {
            Body::Message { message_id, .. } => messages.contains(message_id),
            _ => false,
        });
        theirs.map(|entry| entry.seq).collect()
    }

    pub(super) fn forget_all(&self) {
        self.forget(&mut lock(&self.ring), usize::MAX);
    }

    fn forget(&self, ring: &mut Ring, count: usize) {
        for _ in 0..count.min(ring.len()) {
            self.all_bytes.fetch_sub(ring.pop(), Ordering::Relaxed);
        }
    }

    /// The oldest and the newest at hand.
    pub(super) fn bounds(&self) -> Option<(Seq, Seq)> {
        let ring = lock(&self.ring);
        ring.oldest().zip(ring.newest())
    }

    pub(super) fn newest(&self) -> Option<Seq> {
        lock(&self.ring).newest()
    }

    /// Entries from `from` to `to`, oldest first, at most `most` of them; none if the ring does not
    /// reach back so far.
    pub(super) fn lives(&self, from: Seq, to: Seq, most: usize) -> Option<Vec<Arc<Live>>> {
        let ring = lock(&self.ring);
        let lives = ring.from(from)?.take_while(|live| live.entry().seq <= to).take(most);
        Some(lives.cloned().collect())
    }

    /// The frames of a span, in one piece; none if the ring does not hold its beginning.
    ///
    /// Readers who stand at the same place are handed the same piece. It is made outside the lock.
    pub(super) fn batch(&self, span: Span) -> Option<Batch> {
        let ring = lock(&self.ring);
        if let Some(batch) = ring.joined(&span) {
            return Some(batch);
        }
        let lives = ring.from(span.from)?.take_while(|live| live.entry().seq <= span.to);
        let lives: Vec<_> = lives.cloned().collect();
        let changes = ring.changes();
        drop(ring);
        let batch = Batch::join(&lives, &span)?;
        if batch.entries > 1 {
            lock(&self.ring).remember(span, &batch, changes);
        }
        Some(batch)
    }

    /// Lets go of joined pieces that whoever needed them has had.
    pub(super) fn forget_joined(&self) {
        lock(&self.ring).forget_joined();
    }
}

/// Seats.
impl Tail {
    pub(super) fn sit_down(&self, listener: &Arc<Listener>, state: &Arc<SeatState>) {
        let mut seats = lock(&self.seats);
        state.at.store(seats.len(), Ordering::Relaxed);
        seats.push(Seat {
            listener: Arc::clone(listener),
            user: listener.user().clone(),
            state: Arc::clone(state),
        });
        self.audience.store(seats.len(), Ordering::Relaxed);
    }

    /// Takes a seat away; returns whether it was the last one.
    pub(super) fn stand_up(&self, state: &Arc<SeatState>) -> bool {
        let mut seats = lock(&self.seats);
        let at = state.at.load(Ordering::Relaxed);
        if !seats.get(at).is_some_and(|seat| Arc::ptr_eq(&seat.state, state)) {
            return seats.is_empty();
        }
        let seat = seats.swap_remove(at);
        self.audience.store(seats.len(), Ordering::Relaxed);
        if let Some(moved) = seats.get(at) {
            moved.state.at.store(at, Ordering::Relaxed);
        }
        self.disappeared(&seats, &seat);
        seats.is_empty()
    }

    pub(super) fn is_deserted(&self) -> bool {
        lock(&self.seats).is_empty()
    }

    /// How many listen.
    pub(super) fn audience(&self) -> usize {
        self.audience.load(Ordering::Relaxed)
    }

    /// Calls `visit` with at most `most` seats, from `below` downwards; returns where to go on.
    ///
    /// Downwards, because a seat that is taken away between two calls is replaced by the last one,
    /// which has had its turn then.
    pub(super) fn visit(&self, below: usize, most: usize, visit: impl FnMut(&Seat)) -> usize {
        let seats = lock(&self.seats);
        let below = below.min(seats.len());
        let from = below.saturating_sub(most);
        seats[from..below].iter().rev().for_each(visit);
        from
    }

    /// Lets nothing from `seq` on reach the seats that `who` picks by user and whether they joined.
    pub(super) fn end(&self, seq: Seq, who: impl Fn(&UserId, bool) -> bool) {
        for seat in &*lock(&self.seats) {
            if who(&seat.user, seat.state.joined.load(Ordering::Acquire)) {
                seat.state.end_at(seq);
            }
        }
    }

    /// Calls `tell` for those who are told of the moment: who types, who comes and goes.
    pub(super) fn each_told(&self, tell: impl FnMut(&Listener)) {
        told(&lock(&self.seats)).for_each(tell);
    }

    /// Tells `user` here nothing of the moment from now on (`on`), or does so again.
    pub(super) fn bar(&self, user: &UserId, on: bool) {
        for seat in lock(&self.seats).iter().filter(|seat| seat.user == *user) {
            seat.state.barred.store(on, Ordering::Release);
        }
    }

    pub(super) fn each_if_at_most(&self, most: usize, mut tell: impl FnMut(&Listener)) {
        let seats = lock(&self.seats);
        if seats.len() <= most {
            listeners(&seats).for_each(&mut tell);
        }
    }
}

/// Those who are there and have not been put out.
pub(super) fn listeners(seats: &[Seat]) -> impl Iterator<Item = &Listener> {
    seats.iter().filter(|seat| seat.state.end().is_none()).map(|seat| &*seat.listener)
}

/// Those of them who are told of the moment.
pub(super) fn told(seats: &[Seat]) -> impl Iterator<Item = &Listener> {
    let seats = seats.iter().filter(|seat| !seat.state.barred.load(Ordering::Acquire));
    seats.filter(|seat| seat.state.end().is_none()).map(|seat| &*seat.listener)
}

impl Drop for Tail {
    fn drop(&mut self) {
        let ring = self.ring.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.all_bytes.fetch_sub(ring.bytes, Ordering::Relaxed);
    }
}
