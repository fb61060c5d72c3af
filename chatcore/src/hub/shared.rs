//! Rooms that other nodes write to as well.
//!
//! What is committed here, what the bus tells and what is read from the log reach a tail in any order
//! and more than once. Each entry is taken where it follows the last one, and nowhere else: a tail
//! counts how far it has come, under a lock that is held while entries are taken.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::tail::Tail;
use super::{Hub, Moved, Notice, lock};
use crate::id::{MessageId, RoomId, Seq, SessionId, UserId};
use crate::log::{Body, Entry};

/// Into how many parts people are shared out, so that a node need not follow each of its own by name.
const SHARDS: u8 = u8::MAX;

/// The part that `user` belongs to: the same on every node.
pub(crate) fn shard(user: &UserId) -> u8 {
    let hash = crate::id::hash_parts(&[b"shard", user.as_str().as_bytes()]);
    hash[0] % SHARDS
}

/// What the hub asks of whoever connects it to other nodes.
#[derive(Debug)]
pub(crate) struct Calls {
    asked: Mutex<Asked>,
    bell: Notify,
    /// How many are connected, of each part of the people.
    connected: Box<[AtomicUsize]>,
}

/// Each at most once, so that this is bounded by the rooms that are listened to.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Rooms that have got their first seat or lost their last.
    pub(crate) rooms: HashSet<RoomId>,
    /// Parts of the people likewise.
    pub(crate) shards: HashSet<u8>,
    /// Rooms whose log holds what is not known here.
    pub(crate) behind: HashSet<RoomId>,
    /// Rooms whose members here are not the same any more.
    pub(crate) presence: HashSet<RoomId>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            bell: Notify::new(),
            connected: (0..=SHARDS).map(|_| AtomicUsize::new(0)).collect(),
        }
    }
}

impl Calls {
    /// Waits until something is asked for, and takes it.
    pub(crate) async fn next(&self) -> Asked {
        self.bell.notified().await;
        std::mem::take(&mut *lock(&self.asked))
    }

    /// Whether anyone of that part of the people is connected.
    pub(crate) fn has_people(&self, shard: u8) -> bool {
        self.connected[usize::from(shard)].load(Ordering::Acquire) > 0
    }

    fn ask(&self, ask: impl FnOnce(&mut Asked) -> bool) {
        if ask(&mut lock(&self.asked)) {
            self.bell.notify_one();
        }
    }

    pub(super) fn room_changed(&self, room: &RoomId) {
        self.ask(|asked| asked.rooms.insert(room.clone()));
    }

    pub(crate) fn presence_changed(&self, room: &RoomId) {
        self.ask(|asked| asked.presence.insert(room.clone()));
    }

    pub(crate) fn is_behind(&self, room: &RoomId) {
        self.ask(|asked| asked.behind.insert(room.clone()));
    }

    pub(super) fn comes(&self, user: &UserId) {
        let shard = shard(user);
        if self.connected[usize::from(shard)].fetch_add(1, Ordering::AcqRel) == 0 {
            self.ask(|asked| asked.shards.insert(shard));
        }
    }

    pub(super) fn goes(&self, user: &UserId) {
        let shard = shard(user);
        if self.connected[usize::from(shard)].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ask(|asked| asked.shards.insert(shard));
        }
    }
}

/// How far a room's log has been told of here.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// All entries up to this one, from `base` on. None before anyone was let in.
    upto: Option<Seq>,
    /// Where that began.
    base: Seq,
    /// Entries came before anyone was let in.
    missed: bool,
    /// Someone was let in on what was known before `base`: those between may be what puts them out.
    unchecked: Option<Seq>,
}

/// What became of entries that were offered.
#[derive(Debug)]
pub(crate) enum Offered {
    /// All that was new was taken.
    Taken,
    /// There was nothing new.
    Old,
    /// Something before them is missing here, or someone was faster: read the log, or look again.
    Apart(Vec<Entry>),
}

impl Tail {
    /// Someone was let in who was found to have access when the log ended at `head`. Returns whether
    /// the log is to be looked at.
    pub(super) fn let_in(&self, head: Seq) -> bool {
        let mut told = lock(&self.told);
        match told.upto {
            None => {
                (told.upto, told.base) = (Some(head), head);
                std::mem::take(&mut told.missed)
            }
            Some(_) if head < told.base => {
                told.unchecked = Some(told.unchecked.map_or(head, |from| from.min(head)));
                true
            }
            Some(_) => false,
        }
    }

    pub(super) fn upto(&self) -> Option<Seq> {
        lock(&self.told).upto
    }

    /// Entries that were never held against someone who sits here: those after the first and up to
    /// the second place. They are taken to be from now on.
    pub(super) fn take_unchecked(&self) -> Option<(Seq, Seq)> {
        let mut told = lock(&self.told);
        let from = told.unchecked.take()?;
        Some((from, told.base))
    }

    /// They could not be: someone else is to.
    pub(super) fn put_unchecked(&self, from: Seq) {
        let mut told = lock(&self.told);
        told.unchecked = Some(told.unchecked.map_or(from, |other| from.min(other)));
    }

    /// Takes the entries that follow the last one, if that is still `upto` (whatever it is, if none is
    /// given), and older messages in the form that they have since.
    fn offer(&self, upto: Option<Seq>, entries: Vec<Entry>, forms: Vec<Entry>) -> Offered {
        let mut told = lock(&self.told);
        let Some(last) = told.upto else {
            told.missed = true;
            return Offered::Old;
        };
        let new = entries.partition_point(|entry| entry.seq <= last);
        if new == entries.len() {
            return Offered::Old;
        }
        if entries[new].seq != last.next() || upto.is_some_and(|upto| upto != last) {
            return Offered::Apart(entries);
        }
        for form in forms {
            self.rewrite(form);
        }
        for entry in entries.into_iter().skip(new) {
            if told.upto.is_some_and(|last| last.next() != entry.seq) {
                break;
            }
            self.hold_against(&entry);
            told.upto = Some(entry.seq);
            self.push(entry);
        }
        Offered::Taken
    }

    /// Goes on from `upto`, with nothing at hand: what was between is gone from the log, and with it
    /// what may have put people out.
    fn skip_to(&self, upto: Seq) {
        let mut told = lock(&self.told);
        let Some(last) = told.upto.filter(|last| *last < upto) else { return };
        // Those who were let in since then at its end.
        self.end(last.next(), |_, _| true);
        self.end(upto, |_, _| true);
        self.forget_all();
        (told.upto, told.base) = (Some(upto), upto);
    }

    /// The room ended with its last entry.
    fn ended_at(&self, head: Seq) {
        self.end(head.next(), |_, _| true);
    }
}

/// What comes from elsewhere.
impl Hub {
    /// Has the hub say what it needs from other nodes. Called once, before anyone connects.
    pub(crate) fn share(&mut self, calls: Arc<Calls>) {
        self.calls = Some(calls);
    }

    /// Tells of what was committed here, and of older messages in their new form.
    pub(crate) fn committed(&self, entries: Vec<Entry>, rewritten: Vec<Entry>) {
        let Some(calls) = &self.calls else {
            self.rewrite(rewritten);
            return self.publish(entries);
        };
        self.traffic.published(entries.len());
        let mut left = entries.into_iter().peekable();
        while let Some(first) = left.next() {
            let room = first.room.clone();
            let mut run = vec![first];
            while let Some(entry) = left.next_if(|entry| entry.room == room) {
                run.push(entry);
            }
            let moved: Vec<_> = run.iter().filter_map(Moved::by).collect();
            let tail = lock(&self.tails).get(&room).cloned();
            if let Some(tail) = tail {
                // Whoever is put out is out now, whether or not what came before is known here.
                run.iter().for_each(|entry| tail.hold_against(entry));
                let forms = rewritten.iter().filter(|entry| entry.room == room).cloned().collect();
                if let Offered::Apart(_) = tail.offer(None, run, forms) {
                    calls.is_behind(&room);
                }
                self.fanout.due(tail);
            }
            self.tell_moved(&room, moved);
        }
    }

    fn tell_moved(&self, room: &RoomId, moved: Vec<Moved>) {
        for Moved { user, state } in moved {
            self.notify(&user, &Notice::Membership { room: room.clone(), state });
        }
    }

    /// Offers entries of one room that were committed elsewhere, in order, to those who listen; `forms`
    /// are messages at hand that they changed, as they are now, read since the log here ended at `upto`.
    pub(crate) fn offer(
        &self,
        room: &RoomId,
        upto: Seq,
        entries: Vec<Entry>,
        forms: Vec<Entry>,
    ) -> Offered {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return Offered::Old };
        let moved: Vec<_> = entries.iter().filter(|e| e.seq > upto).filter_map(Moved::by).collect();
        let offered = tail.offer(Some(upto), entries, forms);
        if let Offered::Taken = offered {
            self.fanout.due(tail);
            self.tell_moved(room, moved);
        }
        offered
    }

    /// How far a room is known here; none if nobody listens.
    pub(crate) fn upto(&self, room: &RoomId) -> Option<Seq> {
        lock(&self.tails).get(room)?.upto()
    }

    /// There is more in a room's log than is known here. If nobody was let in yet, it is read once
    /// someone is.
    pub(crate) fn missed(&self, room: &RoomId) {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return };
        let mut told = lock(&tail.told);
        told.missed |= told.upto.is_none();
    }

    /// Whether anyone listens to a room who was not put out.
    pub(crate) fn has_readers(&self, room: &RoomId) -> bool {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return false };
        let seats = lock(&tail.seats);
        seats.iter().any(|seat| seat.state.end().is_none())
    }

    /// Whether a client of `user` is connected here.
    pub(crate) fn is_connected(&self, user: &UserId) -> bool {
        lock(&self.people).contains_key(user)
    }

    /// The rooms that are listened to, and how far they are known.
    pub(crate) fn known(&self) -> Vec<(RoomId, Seq)> {
        let tails = lock(&self.tails);
        tails.iter().filter_map(|(room, tail)| Some((room.clone(), tail.upto()?))).collect()
    }

    /// The places of those of the messages that are at hand.
    pub(crate) fn at_hand(&self, room: &RoomId, messages: &HashSet<&MessageId>) -> Vec<Seq> {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return Vec::new() };
        tail.places_of(messages)
    }

    /// See [`Tail::take_unchecked`].
    pub(crate) fn take_unchecked(&self, room: &RoomId) -> Option<(Seq, Seq)> {
        lock(&self.tails).get(room)?.take_unchecked()
    }

    /// See [`Tail::put_unchecked`].
    pub(crate) fn put_unchecked(&self, room: &RoomId, from: Seq) {
        if let Some(tail) = lock(&self.tails).get(room) {
            tail.put_unchecked(from);
        }
    }

    /// Holds entries against those who sit in a room, and tells nothing.
    pub(crate) fn hold_against(&self, room: &RoomId, entries: &[Entry]) {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return };
        entries.iter().for_each(|entry| tail.hold_against(entry));
        self.fanout.due(tail);
    }

    /// What a room had before `upto`, and is not known here, is gone for good.
    pub(crate) fn skip_to(&self, room: &RoomId, upto: Seq) {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return };
        tail.skip_to(upto);
        self.fanout.due(tail);
    }

    /// A room has come to its end elsewhere, with `head` as its last entry.
    pub(crate) fn ended_at(&self, room: &RoomId, head: Seq) {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return };
        tail.ended_at(head);
        tail.skip_to(head);
        self.fanout.due(tail);
    }

    /// The sessions that are connected, each once.
    pub(crate) fn sessions(&self) -> Vec<(SessionId, UserId)> {
        let people = lock(&self.people);
        let all = people.values().flatten().filter_map(std::sync::Weak::upgrade);
        let all: Vec<_> = all.collect();
        drop(people);
        let of = |l: &Arc<super::Listener>| Some((l.session()?.clone(), l.user().clone()));
        let mut sessions: Vec<_> = all.iter().filter_map(of).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }
}

/// Which messages entries changed.
pub(crate) fn changed(entries: &[Entry]) -> HashSet<&MessageId> {
    let of = |entry: &'_ Entry| matches!(entry.body, Body::Edit { .. } | Body::Delete { .. });
    entries.iter().filter(|entry| of(entry)).filter_map(|entry| entry.body.message_id()).collect()
}
