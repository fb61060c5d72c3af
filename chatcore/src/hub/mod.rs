//! Live fan-out on one node: what was committed, to those who are connected.
//!
//! ```text
//! committer ─ publish ─► Tail (one per room with subscribers: a ring of framed entries)
//!                          │ is due, once
//!                          ▼
//!                        worker: a pass over the room's seats
//!                          │                        │
//!            lane open     ▼                        ▼   lane shut: behind, busy, or no such way
//!            write to the socket              ring the connection's bell, once
//!                                                   │
//!                          ring ◄── draw(cursor) ── the connection's task
//! ```
//!
//! Nothing is queued for a connection: it holds a cursor for each room. While it keeps up, its cursor
//! is lent to the hub, which writes the same bytes to one socket after another without waking a task
//! (see `lane.rs`). When it does not, its task draws from the ring as its socket takes more; a cursor
//! that has fallen off the ring reads the log. What an entry looks like on a wire is made once, at
//! the first read, and shared by all; entries that follow one another are joined into one piece.

mod crowd;
mod fanout;
mod lane;
mod listener;
mod live;
mod presence;
mod seat;
mod shared;
mod subscription;
mod tail;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use lane::Sink;
use listener::Hears;
pub use listener::{Closing, Listener, Membership, News, Notice, Signal};
pub use live::{Batch, Live};
pub use subscription::{Read, Subscription};
pub use traffic::Traffic;

use crate::id::{RoomId, Seq, SessionId, UserId};
use crate::log::{Body, Entry};
use crate::room::Marks;
use crowd::Crowds;
use fanout::Fanout;
pub(crate) use presence::Said;
pub(crate) use shared::{Calls, Offered, changed, shard};
use tail::Tail;

/// Who is connected here, and what they listen to.
#[derive(Debug)]
pub struct Hub {
    tails: Mutex<HashMap<RoomId, Arc<Tail>>>,
    people: Mutex<HashMap<UserId, Vec<Weak<Listener>>>>,
    ring_bytes: Arc<AtomicUsize>,
    fanout: Fanout,
    draining: AtomicBool,
    /// How many were connected when that began.
    to_go: AtomicUsize,
    crowds: Arc<Crowds>,
    traffic: Traffic,
    /// What is asked of other nodes, where there may be others.
    calls: Option<Arc<Calls>>,
}

/// Locks. Every critical section leaves the data whole at each step, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// A hub whose rooms are shared out among `workers`.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            tails: Mutex::default(),
            people: Mutex::default(),
            ring_bytes: Arc::default(),
            fanout: Fanout::new(workers),
            draining: AtomicBool::new(false),
            to_go: AtomicUsize::new(0),
            crowds: Arc::default(),
            traffic: Traffic::default(),
            calls: None,
        }
    }

    /// How many tasks are to serve it, each with [`fan_out`](Self::fan_out).
    pub(crate) fn workers(&self) -> usize {
        self.fanout.workers()
    }

    /// A connection of `user` comes in. It is forgotten when the last handle to it is dropped.
    pub fn connect(self: &Arc<Self>, user: UserId, session: Option<SessionId>) -> Arc<Listener> {
        self.admit(user, session, Hears::All)
    }

    /// A reader of `user` within the host's own program, who is told of entries and of no more.
    pub(crate) fn listen(self: &Arc<Self>, user: UserId) -> Arc<Listener> {
        self.admit(user, None, Hears::Entries)
    }

    /// Someone who is served for long without being a connection: told when their session ends, and
    /// of no more.
    pub(crate) fn watch(
        self: &Arc<Self>,
        user: UserId,
        session: Option<SessionId>,
    ) -> Arc<Listener> {
        self.admit(user, session, Hears::Entries)
    }

    fn admit(
        self: &Arc<Self>,
        user: UserId,
        session: Option<SessionId>,
        hears: Hears,
    ) -> Arc<Listener> {
        let listener = Arc::new(Listener::new(user.clone(), session, hears, Arc::downgrade(self)));
        if let (Some(calls), Hears::All) = (&self.calls, hears) {
            calls.comes(&user);
        }
        lock(&self.people).entry(user).or_default().push(Arc::downgrade(&listener));
        if self.draining.load(Ordering::SeqCst) {
            listener.close(Closing::Draining);
        }
        listener
    }

    /// Wakes `listener` for news of `room` from now on, until the subscription is dropped.
    ///
    /// Register first and check second: whoever is put out after this call finds the subscription
    /// and ends it.
    pub fn subscribe(self: &Arc<Self>, listener: &Arc<Listener>, room: &RoomId) -> Subscription {
        let mut tails = lock(&self.tails);
        let tail = tails.entry(room.clone()).or_insert_with(|| {
            if let Some(calls) = &self.calls {
                calls.room_changed(room);
            }
            let (bytes, crowds) = (Arc::clone(&self.ring_bytes), Arc::clone(&self.crowds));
            Arc::new(Tail::new(room.clone(), bytes, crowds, self.calls.clone()))
        });
        Subscription::new(Arc::clone(tail), listener, Arc::downgrade(self))
    }

    /// Forgets a room that nobody listens to any more.
    fn unsubscribed(&self, room: &RoomId) {
        let mut tails = lock(&self.tails);
        if tails.get(room).is_some_and(|tail| tail.is_deserted()) {
            tails.remove(room);
            if let Some(calls) = &self.calls {
                calls.room_changed(room);
            }
        }
    }

    /// Tells of committed entries; called in the order of commits, before anyone is told that the
    /// commit is done. Entries of one room are dense.
    pub fn publish(&self, entries: Vec<Entry>) {
        self.traffic.published(entries.len());
        let mut here: Option<(RoomId, Option<Arc<Tail>>)> = None;
        for entry in entries {
            // Entries of one room mostly come together.
            let tail = match here.take() {
                Some((room, tail)) if room == entry.room => tail,
                earlier => {
                    self.due(earlier);
                    lock(&self.tails).get(&entry.room).cloned()
                }
            };
            here = Some((entry.room.clone(), tail.clone()));
            self.tell(entry, tail.as_deref());
        }
        self.due(here);
    }

    fn due(&self, room: Option<(RoomId, Option<Arc<Tail>>)>) {
        if let Some((_, Some(tail))) = room {
            self.fanout.due(tail);
        }
    }

    fn tell(&self, entry: Entry, tail: Option<&Tail>) {
        let moved = Moved::by(&entry);
        let room = entry.room.clone();
        if let Some(tail) = tail {
            tail.hold_against(&entry);
            tail.push(entry);
        }
        if let Some(Moved { user, state }) = moved {
            self.notify(&user, &Notice::Membership { room, state });
        }
    }

    /// Puts messages that were edited or deleted into their new form wherever they are at hand, so
    /// that nobody who comes later is told what was taken back.
    pub fn rewrite(&self, entries: Vec<Entry>) {
        for entry in entries {
            let tail = lock(&self.tails).get(&entry.room).cloned();
            if let Some(tail) = tail {
                tail.rewrite(entry);
            }
        }
    }

    /// Ends all subscriptions to a room that is no more.
    pub fn deleted(&self, room: &RoomId) {
        if let Some(tail) = lock(&self.tails).get(room).cloned() {
            // One who was let in since it was made anew has nothing to do with its end.
            let end = tail.upto().map_or(Seq::MAX, Seq::next);
            tail.end(end, |_, _| true);
            self.fanout.due(tail);
        }
    }

    /// Tells all of `user`'s own connections.
    pub fn notify(&self, user: &UserId, notice: &Notice) {
        for listener in self.listeners(user) {
            listener.notify(notice.clone());
        }
    }

    /// Passes a signal on to those who listen to its room, its sender left out.
    pub fn signal(&self, signal: &Signal) {
        if let Some(tail) = lock(&self.tails).get(&signal.room).cloned() {
            tail.each_told(|listener| {
                if *listener.user() != signal.user {
                    listener.notify(Notice::Signal(signal.clone()));
                }
            });
        }
    }

    /// Tells `user` nothing of the moment in a room from now on (`on`), or does so again: the other of
    /// their direct room has blocked them.
    pub(crate) fn bar(&self, room: &RoomId, user: &UserId, on: bool) {
        if let Some(tail) = lock(&self.tails).get(room).cloned() {
            tail.bar(user, on);
        }
    }

    /// Tells how far a member is: their own connections always, others in the room while at most
    /// [`MARKS_AUDIENCE`] listen, so that a thousand readers never cost a million marks.
    pub fn marked(&self, room: &RoomId, user: &UserId, marks: Marks) {
        let notice = Notice::Mark { room: room.clone(), user: user.clone(), marks };
        self.notify(user, &notice);
        self.marked_here(room, user, marks);
    }

    /// Tells the others in the room here how far a member is.
    pub(crate) fn marked_here(&self, room: &RoomId, user: &UserId, marks: Marks) {
        let notice = Notice::Mark { room: room.clone(), user: user.clone(), marks };
        if let Some(tail) = lock(&self.tails).get(room).cloned() {
            tail.each_if_at_most(MARKS_AUDIENCE, |listener| {
                if listener.user() != user {
                    listener.notify(notice.clone());
                }
            });
        }
    }

    /// Ends the connections of one session, at once.
    pub fn revoke(&self, user: &UserId, session: &SessionId) {
        for listener in self.listeners(user) {
            if listener.session() == Some(session) {
                listener.close(Closing::Revoked);
            }
        }
    }

    /// Ends all connections of someone, at once.
    pub fn end(&self, user: &UserId) {
        for listener in self.listeners(user) {
            listener.close(Closing::Revoked);
        }
    }

    /// Asks every connection to go, now and from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        let all: Vec<_> = lock(&self.people).values().flatten().filter_map(Weak::upgrade).collect();
        self.to_go.store(all.len(), Ordering::SeqCst);
        for listener in all {
            listener.close(Closing::Draining);
        }
    }

    /// How many were asked to go when that began.
    pub(crate) fn to_go(&self) -> usize {
        self.to_go.load(Ordering::SeqCst)
    }

    /// How many connections listen to `room` here.
    pub fn audience(&self, room: &RoomId) -> usize {
        lock(&self.tails).get(room).map_or(0, |tail| tail.audience())
    }

    /// What went through since the start.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        let people = lock(&self.people);
        let all: Vec<_> = people.values().flatten().filter_map(Weak::upgrade).collect();
        drop(people);
        all.iter().filter(|listener| listener.hears() == Hears::All).count()
    }

    fn listeners(&self, user: &UserId) -> Vec<Arc<Listener>> {
        let people = lock(&self.people);
        people.get(user).into_iter().flatten().filter_map(Weak::upgrade).collect()
    }

    fn disconnected(&self, user: &UserId, hears: Hears) {
        if let (Some(calls), Hears::All) = (&self.calls, hears) {
            calls.goes(user);
        }
        let mut people = lock(&self.people);
        if let Some(listeners) = people.get_mut(user) {
            listeners.retain(|listener| listener.strong_count() > 0);
            if listeners.is_empty() {
                people.remove(user);
            }
        }
    }
}

/// Rooms in which at most so many listen are told how far their members are.
pub const MARKS_AUDIENCE: usize = 50;

/// Rooms in which at most so many listen are told who of their members comes and goes; others, how many
/// are there.
pub const PRESENCE_AUDIENCE: usize = 100;

/// The kind of signal that tells who of a room's members comes and goes.
pub const PRESENCE: &str = "presence";

/// Whom an entry brings in or puts out, or asks in.
pub(crate) fn is_move(entry: &Entry) -> Option<UserId> {
    Moved::by(entry).map(|moved| moved.user)
}

/// Someone's way in or out, as an entry tells it.
struct Moved {
    user: UserId,
    state: Membership,
}

impl Moved {
    fn by(entry: &Entry) -> Option<Self> {
        let (user, state) = match &entry.body {
            Body::Enter { .. } => (&entry.user, Membership::Joined),
            Body::Leave {} => (&entry.user, Membership::Left),
            Body::Invite { target } => (target, Membership::Invited),
            Body::Kick { target, .. } => (target, Membership::Kicked),
            Body::Ban { target, .. } => (target, Membership::Banned),
            _ => return None,
        };
        Some(Self { user: user.clone(), state })
    }
}
