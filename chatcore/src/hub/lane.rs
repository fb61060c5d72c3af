//! A connection's lane: the way to its socket, on which the hub writes by itself what is the same
//! for many, while the connection's own task has nothing to write.
//!
//! Waking a task for each message costs more than the message: its queue, its state, its timers and
//! its socket are all fetched into the cache for one write. So a task that has caught up opens its
//! lane and grants the rooms that it follows (see [`Seat`](super::seat::SeatState)); the hub then
//! writes to its socket without it. As soon as something does not go smoothly, a socket that takes
//! no more, a window that is used up, an end, the lane is shut and the task rung.
//!
//! ```text
//!   SHUT ── the task has written all that it had ──► OPEN
//!    ▲                                                │
//!    └── the socket is full, or the task writes ──────┘
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use bytes::Bytes;

use super::lock;
use crate::protocol::Wire;

/// The way to a peer that can be written to beside the task that serves it.
///
/// # Contract
/// Bytes leave in the order of the calls, whichever thread makes them; nobody calls while the task
/// itself writes.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Writes what the peer takes now, from the front, without waiting; returns how many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if it takes nothing now. After any other error the task finds the
    /// same when it writes.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Pieces that one write takes.
const SLICES: usize = 32;

/// Bytes that may be gathered for one write. One more piece is taken before it is exceeded.
const GATHERED: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Lane(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    sink: Option<(Arc<dyn Sink>, Wire)>,
    open: bool,
    /// Pieces of whole frames that are to leave before anything else.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Bytes of the first of them that have left.
    begun: usize,
}

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// All of it has left, or waits to be flushed.
    All,
    /// It was taken, and the task has to go on.
    Part,
    /// Nothing of it was taken.
    Nothing,
}

impl Lane {
    /// Says how the peer is written to.
    pub(crate) fn attach(&self, sink: Option<Arc<dyn Sink>>, wire: Wire) {
        lock(&self.0).sink = sink.map(|sink| (sink, wire));
    }

    /// Keeps the hub off for as long as the guard is held.
    pub(crate) fn hold(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// The lane if it is open and nobody else is on it.
    pub(super) fn enter(&self) -> Option<MutexGuard<'_, State>> {
        let state = match self.0.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        state.open.then_some(state)
    }

    /// Takes the hub off for good.
    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.open = false;
        state.sink = None;
    }
}

/// What the task does.
impl State {
    /// Takes over what the hub has begun, to be written before anything else: the pieces in order,
    /// and how much of the first has left.
    pub(crate) fn reclaim(&mut self) -> Option<(VecDeque<Bytes>, usize)> {
        if self.waiting.is_empty() {
            return None;
        }
        self.waiting_bytes = 0;
        Some((std::mem::take(&mut self.waiting), std::mem::take(&mut self.begun)))
    }

    /// Lets the hub write if `idle`: if the task itself has nothing to write.
    pub(crate) fn settle(&mut self, idle: bool) {
        self.open = idle && self.sink.is_some();
    }
}

/// What the hub does.
impl State {
    pub(super) fn wire(&self) -> Option<Wire> {
        self.sink.as_ref().map(|(_, wire)| *wire)
    }

    /// Has `bytes` wait for a [`flush`](Self::flush), which may be now; says what came of that.
    pub(super) fn gather(&mut self, bytes: Bytes) -> Wrote {
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(bytes);
        if self.waiting_bytes < GATHERED { Wrote::All } else { self.flush() }
    }

    /// Writes `bytes` after what waits.
    pub(super) fn write(&mut self, bytes: &Bytes) -> Wrote {
        if !self.waiting.is_empty() {
            self.gather(bytes.clone());
            return self.flush();
        }
        let Some((sink, _)) = &self.sink else { return Wrote::Nothing };
        match sink.try_write(&[IoSlice::new(bytes)]) {
            Ok(written) if written == bytes.len() => Wrote::All,
            Ok(written @ 1..) => {
                self.open = false;
                self.begun = written;
                self.waiting_bytes = bytes.len();
                self.waiting.push_back(bytes.clone());
                Wrote::Part
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.write(bytes),
            Ok(_) | Err(_) => {
                self.open = false;
                Wrote::Nothing
            }
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Wrote {
        while let (false, Some((sink, _))) = (self.waiting.is_empty(), &self.sink) {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.waiting.iter().zip(&mut slices);
            let filled = filled.map(|(piece, slice)| *slice = IoSlice::new(piece)).count();
            slices[0] = IoSlice::new(&self.waiting[0][self.begun..]);
            match sink.try_write(&slices[..filled]) {
                Ok(written @ 1..) => self.took(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.open = false;
                    return Wrote::Part;
                }
            }
        }
        Wrote::All
    }

    fn took(&mut self, written: usize) {
        self.begun += written;
        while let Some(first) = self.waiting.front()
            && self.begun >= first.len()
        {
            self.begun -= first.len();
            self.waiting_bytes -= first.len();
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Takes so many bytes, and no more.
    #[derive(Debug, Default)]
    struct Narrow {
        room: AtomicUsize,
        taken: Mutex<Vec<u8>>,
    }

    impl Sink for Narrow {
        fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let room = self.room.load(Ordering::SeqCst);
            if room == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).take(room).collect();
            self.room.fetch_sub(bytes.len(), Ordering::SeqCst);
            lock(&self.taken).extend_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    fn lane(room: usize) -> (Lane, Arc<Narrow>) {
        let sink = Arc::new(Narrow { room: room.into(), ..Narrow::default() });
        let lane = Lane::default();
        lane.attach(Some(Arc::clone(&sink) as _), Wire::WebSocketJson);
        lane.hold().settle(true);
        (lane, sink)
    }

    #[test]
    fn what_a_full_socket_did_not_take_is_left_to_the_task() {
        let (lane, sink) = lane(5);
        assert_eq!(lane.enter().expect("open").write(&"abc".into()), Wrote::All);
        assert_eq!(lane.enter().expect("open").write(&"defg".into()), Wrote::Part);
        assert!(lane.enter().is_none(), "the task goes first");
        let (rest, begun) = lane.hold().reclaim().expect("something is left");
        assert_eq!((rest, begun), (VecDeque::from([Bytes::from("defg")]), 2));
        lane.hold().settle(true);
        assert_eq!(lane.enter().expect("open").write(&"hi".into()), Wrote::Nothing);
        assert!(lane.enter().is_none() && lane.hold().reclaim().is_none());
        assert_eq!(*lock(&sink.taken), b"abcde");
    }

    #[test]
    fn pieces_of_several_rooms_leave_in_one_write_and_in_order() {
        let (lane, sink) = lane(8);
        let mut state = lane.enter().expect("open");
        assert_eq!(state.gather("abc".into()), Wrote::All);
        assert_eq!(state.gather("def".into()), Wrote::All);
        assert!(lock(&sink.taken).is_empty(), "nothing leaves before it is flushed");
        assert_eq!(state.write(&"ghi".into()), Wrote::Part);
        assert_eq!(state.reclaim(), Some((VecDeque::from([Bytes::from("ghi")]), 2)));
        assert_eq!(*lock(&sink.taken), b"abcdefgh");
    }

    #[test]
    fn a_closed_lane_takes_nothing() {
        let (lane, sink) = lane(100);
        lane.close();
        lane.hold().settle(true);
        assert!(lane.enter().is_none());
        assert!(lock(&sink.taken).is_empty());
    }
}
