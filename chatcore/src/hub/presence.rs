//! Who is there, on this node and on others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::seat::{Seat, SeatState};
use super::tail::{Tail, told};
use super::{Hub, Notice, PRESENCE, PRESENCE_AUDIENCE, Signal, lock};
use crate::id::{RoomId, UserId};

/// Other nodes whose people one room keeps in mind.
const NODES: usize = 64;

/// What a node says of who is there: whom, or how many of them where it is a crowd, and how many listen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) users: Vec<UserId>,
    pub(crate) online: u64,
    pub(crate) audience: usize,
}

/// Those who are there on other nodes, as these said last.
#[derive(Debug, Default)]
pub(super) struct Away(BTreeMap<String, There>);

/// What a node says of one room.
#[derive(Debug)]
struct There {
    /// Who is there; nobody in a crowd.
    users: BTreeSet<UserId>,
    /// How many members are.
    online: u64,
    /// How many listen.
    audience: usize,
}

impl Away {
    fn has(&self, user: &UserId) -> bool {
        self.0.values().any(|there| there.users.contains(user))
    }

    fn users(&self) -> BTreeSet<UserId> {
        self.0.values().flat_map(|there| &there.users).cloned().collect()
    }

    fn audience(&self) -> usize {
        self.0.values().fold(0, |sum, there| sum.saturating_add(there.audience))
    }

    fn online(&self) -> u64 {
        self.0.values().fold(0, |sum, there| sum.saturating_add(there.online))
    }
}

impl Tail {
    /// The user of a seat turns out to be a member. Unless they are there already, on another
    /// device, the others are told.
    pub(super) fn appear(&self, state: &Arc<SeatState>) {
        self.changes(state, |state| state.joined.store(true, Ordering::Release));
    }

    /// A seat that was hidden is no more.
    pub(super) fn show(&self, state: &Arc<SeatState>) {
        self.changes(state, |state| state.hidden.store(false, Ordering::Release));
    }

    /// Changes a seat, and tells the others if that is how its user comes to be seen.
    fn changes(&self, state: &Arc<SeatState>, change: impl Fn(&SeatState)) {
        let seats = lock(&self.seats);
        let seat = seats.get(state.at.load(Ordering::Relaxed));
        let seat = seat.filter(|seat| Arc::ptr_eq(&seat.state, state));
        let before = seat.is_none_or(|seat| is_seen(&seats, &seat.user));
        change(state);
        if let Some(seat) = seat
            && !before
            && seat.is_seen()
        {
            self.comes_or_goes(&seats, &seat.user, true);
        }
    }

    /// Someone is seen here now, or is no more: those who are here are told of each, or of how many.
    fn comes_or_goes(&self, seats: &[Seat], user: &UserId, on: bool) {
        // What counts is whether it was a crowd with the one who goes.
        let others = seats.len() + usize::from(!on) + self.elsewhere();
        if others <= PRESENCE_AUDIENCE {
            self.tell_presence(seats, user, on);
        } else {
            self.crowds.changed(&self.room);
        }
    }

    /// Someone has become a member, who may be there as a reader from outside.
    pub(super) fn joined(&self, user: &UserId) {
        let seats = lock(&self.seats);
        let before = is_seen(&seats, user);
        for seat in seats.iter().filter(|seat| seat.user == *user) {
            seat.state.joined.store(true, Ordering::Release);
        }
        if !before && is_seen(&seats, user) {
            self.comes_or_goes(&seats, user, true);
        }
    }

    /// A seat was taken away from among `seats`.
    pub(super) fn disappeared(&self, seats: &[Seat], seat: &Seat) {
        if seat.is_seen() && !is_seen(seats, &seat.user) {
            self.comes_or_goes(seats, &seat.user, false);
        }
    }

    fn elsewhere(&self) -> usize {
        if self.calls.is_some() { lock(&self.away).audience() } else { 0 }
    }

    pub(super) fn online_elsewhere(&self) -> u64 {
        if self.calls.is_some() { lock(&self.away).online() } else { 0 }
    }

    pub(super) fn is_small(&self, seats: &[Seat]) -> bool {
        seats.len() + self.elsewhere() <= PRESENCE_AUDIENCE
    }

    /// Someone comes here, or goes from here: those who are here are told unless the same one is there
    /// on another node; and other nodes will be.
    fn tell_presence(&self, seats: &[Seat], user: &UserId, on: bool) {
        if let Some(calls) = &self.calls {
            calls.presence_changed(&self.room);
            if lock(&self.away).has(user) {
                return;
            }
        }
        self.signal_presence(seats, user, on);
    }

    fn signal_presence(&self, seats: &[Seat], user: &UserId, on: bool) {
        let (room, kind) = (self.room.clone(), PRESENCE.to_owned());
        let signal = Notice::Signal(Signal { room, user: user.clone(), kind, on, ttl_ms: 0 });
        told(seats).filter(|l| l.user() != user).for_each(|l| l.notify(signal.clone()));
    }

    /// The members who are there now, on any node, each once; none in a crowd.
    pub(super) fn present_if_small(&self) -> Option<Vec<UserId>> {
        let seats = lock(&self.seats);
        if !self.is_small(&seats) {
            return None;
        }
        let mut present = members(&seats);
        if self.calls.is_some() {
            present.extend(lock(&self.away).users());
        }
        Some(present.into_iter().collect())
    }

    /// Another node says who is there now. Those to whom it is news are told.
    fn present_elsewhere(&self, node: &str, said: Said) {
        let Said { users, online, audience } = said;
        let seats = lock(&self.seats);
        let mut away = lock(&self.away);
        let before = away.users();
        if audience == 0 {
            away.0.remove(node);
        } else if away.0.contains_key(node) || away.0.len() < NODES {
            let users = users.into_iter().take(PRESENCE_AUDIENCE).collect();
            away.0.insert(node.to_owned(), There { users, online, audience });
        }
        let after = away.users();
        drop(away);
        if !self.is_small(&seats) {
            return self.crowds.changed(&self.room);
        }
        for user in before.symmetric_difference(&after).filter(|user| !is_seen(&seats, user)) {
            self.signal_presence(&seats, user, after.contains(user));
        }
    }
}

impl Hub {
    /// The members who are connected to this node, for others; nobody in a crowd.
    pub(crate) fn present_here(&self, room: &RoomId) -> Vec<UserId> {
        let Some(tail) = lock(&self.tails).get(room).cloned() else { return Vec::new() };
        let seats = lock(&tail.seats);
        if seats.len() > PRESENCE_AUDIENCE {
            return Vec::new();
        }
        members(&seats).into_iter().collect()
    }

    /// Another node says who of a room is connected to it.
    pub(crate) fn present_elsewhere(&self, room: &RoomId, node: &str, said: Said) {
        if let Some(tail) = lock(&self.tails).get(room).cloned() {
            tail.present_elsewhere(node, said);
        }
    }

    /// Another node is gone, and all who were connected to it.
    pub(crate) fn forget_node(&self, node: &str) {
        let tails: Vec<_> = lock(&self.tails).values().cloned().collect();
        for tail in tails {
            tail.present_elsewhere(node, Said::default());
        }
    }
}

fn members(seats: &[Seat]) -> BTreeSet<UserId> {
    seats.iter().filter(|seat| seat.is_seen()).map(|seat| seat.user.clone()).collect()
}

/// Whether `user` is seen there as a member.
fn is_seen(seats: &[Seat], user: &UserId) -> bool {
    seats.iter().any(|seat| seat.user == *user && seat.is_seen())
}
