//! Passes over the seats of rooms with news.
//!
//! Each room belongs to one worker, so that its passes come one after another: what is committed
//! while one is on its way goes out, together, with the next.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::lane::Wrote;
use super::live::{Batch, Span};
use super::seat::Seat;
use super::tail::Tail;
use super::{Hub, Listener, lock};
use crate::id::Seq;

/// Seats that are looked at before others get a turn: about half a millisecond of writes.
const SLICE: usize = 64;

/// Bytes that one seat is given in a pass; the next pass goes on.
const PIECE: usize = 64 * 1024;

/// A room whose pass took this long rests before the next one, for [`REST`] percent of that time and
/// at most [`LONGEST_REST`]: where passes would follow one another without a break, each then has
/// several entries to tell, at hardly more than the price of one.
const LONG_PASS: Duration = Duration::from_millis(1);
const REST: u32 = 40;
const LONGEST_REST: Duration = Duration::from_millis(5);

/// How long rooms are left alone when a pass over one of them panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Rooms with news, by worker.
#[derive(Debug)]
pub(super) struct Fanout {
    queues: Box<[Queue]>,
}

#[derive(Debug, Default)]
struct Queue {
    due: Mutex<Vec<Arc<Tail>>>,
    bell: Notify,
}

impl Fanout {
    pub(super) fn new(workers: usize) -> Self {
        Self { queues: (0..workers.max(1)).map(|_| Queue::default()).collect() }
    }

    pub(super) fn workers(&self) -> usize {
        self.queues.len()
    }

    /// Asks for a pass over a room's seats. One that is asked for again before it has begun is one.
    pub(super) fn due(&self, tail: Arc<Tail>) {
        if tail.due.swap(true, Ordering::AcqRel) {
            return;
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&tail.room);
        let at = hash % self.queues.len() as u64;
        let queue = &self.queues[usize::try_from(at).unwrap_or(0)];
        lock(&queue.due).push(tail);
        queue.bell.notify_one();
    }
}

impl Queue {
    /// The rooms whose turn it is, once there are any; those that rest are kept in `waiting`.
    async fn next(&self, waiting: &mut Vec<Arc<Tail>>) -> Vec<Arc<Tail>> {
        loop {
            waiting.append(&mut lock(&self.due));
            let now = Instant::now();
            let rests = |tail: &Arc<Tail>| lock(&tail.rests_until).filter(|until| *until > now);
            let due: Vec<_> = waiting.extract_if(.., |tail| rests(tail).is_none()).collect();
            if !due.is_empty() {
                return due;
            }
            match waiting.iter().filter_map(rests).min() {
                // Whether it rang or the time has come: both are looked for above.
                Some(until) => drop(timeout_at(until, self.bell.notified()).await),
                None => self.bell.notified().await,
            }
        }
    }
}

impl Hub {
    /// Serves the rooms of one worker, for ever.
    pub(crate) async fn fan_out(self: Arc<Self>, worker: usize) {
        let Some(queue) = self.fanout.queues.get(worker) else { return };
        let mut waiting = Vec::new();
        loop {
            let due = queue.next(&mut waiting).await;
            if AssertUnwindSafe(self.serve(&due)).catch_unwind().await.is_err() {
                tracing::error!("telling of entries panicked; trying again");
                let later = Instant::now() + AFTER_PANIC;
                for tail in due {
                    // Those whose pass had not begun are not to blame.
                    if !tail.due.swap(false, Ordering::AcqRel) {
                        *lock(&tail.rests_until) = Some(later);
                    }
                    self.fanout.due(tail);
                }
            }
        }
    }

    /// Makes a pass over each of these rooms.
    async fn serve(&self, due: &[Arc<Tail>]) {
        let mut turn = Turn::new(self, due.len() > 1);
        for tail in due {
            let begun = Instant::now();
            let mut pass = turn.begin(tail);
            while turn.go_on(&mut pass) {
                turn.flush();
                tokio::task::yield_now().await;
            }
            let took = begun.elapsed();
            if took >= LONG_PASS {
                let rest = (took * REST / 100).min(LONGEST_REST);
                *lock(&tail.rests_until) = Some(begun + took + rest);
            }
        }
        turn.flush();
        if turn.rang {
            // Those who were rung draw now what they share.
            tokio::task::yield_now().await;
        }
        due.iter().for_each(|tail| tail.forget_joined());
    }

    /// Serves what is due in all queues, here and now.
    #[cfg(test)]
    pub(super) fn serve_all(&self) {
        for queue in &self.fanout.queues {
            let mut turn = Turn::new(self, true);
            for tail in std::mem::take(&mut *lock(&queue.due)) {
                let mut pass = turn.begin(&tail);
                while turn.go_on(&mut pass) {}
            }
            turn.flush();
        }
    }
}

/// What a worker does before it looks for more.
struct Turn<'a> {
    hub: &'a Hub,
    /// More than one room is due, and a connection may follow several of them.
    several: bool,
    /// Seats looked at since others had a turn.
    looked_at: usize,
    /// Connections with something that waits for one write for all rooms.
    gathered: Vec<Arc<Listener>>,
    /// A bell was rung.
    rang: bool,
    delivered: u32,
}

impl Drop for Turn<'_> {
    /// What was gathered and not flushed, because something panicked, is for the tasks to write.
    fn drop(&mut self) {
        self.gathered.iter().for_each(|listener| listener.rouse());
    }
}

/// One room's pass over each of its seats.
///
/// It goes round like a hand: what is committed while it is on its way is given to the seats that are
/// still to come, and to the others at the beginning of the next. So an entry waits for one round at
/// most, and not for the rest of one and then another.
struct Pass<'a> {
    tail: &'a Arc<Tail>,
    /// The newest entry, when seats were last looked at.
    upto: Seq,
    /// Seats below this one are still to come.
    below: usize,
    /// Someone has not had all of it.
    again: bool,
    /// What the last seat was given: nearly always what the next one is to have.
    last: Option<(Span, Batch)>,
}

impl Pass<'_> {
    /// The frames of a span; none if the ring does not reach back so far: the log does.
    fn batch(&mut self, span: Span) -> Option<&Batch> {
        if !self.last.as_ref().is_some_and(|(of, _)| *of == span) {
            self.last = Some((span, self.tail.batch(span)?));
        }
        self.last.as_ref().map(|(_, batch)| batch)
    }
}

impl<'a> Turn<'a> {
    fn new(hub: &'a Hub, several: bool) -> Self {
        Self { hub, several, looked_at: 0, gathered: Vec::new(), rang: false, delivered: 0 }
    }

    fn begin<'t>(&self, tail: &'t Arc<Tail>) -> Pass<'t> {
        // From here on news ask for the next pass.
        tail.due.store(false, Ordering::Release);
        Pass { tail, upto: Seq::START, below: usize::MAX, again: false, last: None }
    }

    /// Serves some seats; returns whether others should have a turn before it is called again.
    fn go_on(&mut self, pass: &mut Pass<'_>) -> bool {
        // Meanwhile something of it may have been taken back, and more have come.
        pass.last = None;
        pass.upto = pass.tail.newest().unwrap_or(Seq::START);
        while pass.below > 0 {
            if self.looked_at >= SLICE {
                self.looked_at = 0;
                return true;
            }
            let (tail, most) = (pass.tail, SLICE - self.looked_at);
            pass.below = tail.visit(pass.below, most, |seat| self.give(pass, seat));
        }
        if std::mem::take(&mut pass.again) {
            self.hub.fanout.due(Arc::clone(pass.tail));
        }
        false
    }

    /// Writes to one connection what is due to it, or rings its bell.
    fn give(&mut self, pass: &mut Pass<'_>, seat: &Seat) {
        self.looked_at += 1;
        if !self.wrote(pass, seat) && !seat.state.rung.swap(true, Ordering::AcqRel) {
            seat.listener.room_has_news(&pass.tail.room);
            self.rang = true;
        }
    }

    /// Whether the connection needs no bell.
    fn wrote(&mut self, pass: &mut Pass<'_>, seat: &Seat) -> bool {
        let (listener, state) = (&seat.listener, &*seat.state);
        let Some(mut lane) = listener.lane().enter() else { return false };
        let (Some((next, limit)), Some(wire)) = (state.granted(), lane.wire()) else {
            return false;
        };
        let end = state.end();
        if next > pass.upto {
            return end.is_none();
        }
        let to = end.map_or(pass.upto, |end| pass.upto.min(Seq(end.0.saturating_sub(1))));
        let span = Span { wire, from: next, to: to.min(limit), most: PIECE };
        if span.to < next {
            return false;
        }
        let Some(batch) = pass.batch(span) else { return false };
        let wrote = if self.several && listener.sits_in_several() {
            let wrote = lane.gather(batch.bytes.clone());
            if wrote == Wrote::All {
                self.gathered.push(Arc::clone(listener));
            }
            wrote
        } else {
            lane.write(&batch.bytes)
        };
        if wrote == Wrote::Nothing {
            return false;
        }
        let upto = batch.upto;
        self.delivered += batch.entries;
        state.advance(upto.next());
        if wrote == Wrote::Part {
            return false;
        }
        pass.again |= upto < span.to;
        // What the window or an end holds back is for the task to see to.
        let held_back = upto == span.to && span.to < pass.upto;
        !held_back && end.is_none()
    }

    /// Writes what was gathered, each connection's in one go.
    fn flush(&mut self) {
        for listener in self.gathered.drain(..) {
            let Some(mut lane) = listener.lane().enter() else {
                // Its task is at it, or has to go on with it.
                listener.rouse();
                continue;
            };
            if lane.flush() != Wrote::All {
                listener.rouse();
            }
        }
        self.hub.traffic.delivered(std::mem::take(&mut self.delivered));
    }
}
