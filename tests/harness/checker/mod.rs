//! Holds what clients were told against what was sent: finds what is lost, doubled, out of order, made
//! up, told to the wrong people, or told too late to be told at all.
//!
//! A [`History`] is fed by all clients of a run as things happen; [`check`] looks at it afterwards. Each
//! reader reads a room from one place on, without a hole, over as many connections as it takes. A
//! room's log, read at the end, is a reader too.

mod check;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use check::check;

/// For how long after someone was put out what was on its way may still arrive, on another node.
pub const OUT_WITHIN: Duration = Duration::from_secs(2);

/// A room, by its id.
pub type Room = Arc<str>;

/// A message, by the name that its sender gave it.
pub type Name = Arc<str>;

/// One who reads a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reader(pub u32);

/// What a client saw, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Someone is about to send.
    Sent {
        /// Where.
        room: Room,
        /// What.
        name: Name,
    },
    /// They were told that it is durable.
    Acked {
        /// Where.
        room: Room,
        /// What.
        name: Name,
        /// At which place.
        seq: u64,
    },
    /// Someone may read, and does.
    Admitted {
        /// Who.
        reader: Reader,
        /// Where.
        room: Room,
        /// From behind which place.
        after: u64,
    },
    /// The call that puts a reader out of a room, or ends their session, has returned.
    Out {
        /// Whom.
        reader: Reader,
        /// Of what.
        room: Room,
    },
    /// An entry was told to a reader.
    Delivered {
        /// To whom.
        reader: Reader,
        /// Of which room.
        room: Room,
        /// Its place there.
        seq: u64,
        /// Its name, if it is a message.
        name: Option<Name>,
    },
}

/// Something seen, and when, from the beginning of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Duration,
    /// What.
    pub seen: Seen,
}

/// What is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reader was not told of a place that the room has; or nobody was, of what was acknowledged.
    Lost(Option<Reader>, Room, u64),
    /// A reader was told of a place twice, or of one before where they began; or a message has two places.
    Doubled(Option<Reader>, Room, u64),
    /// A reader was told of a place after a later one.
    Reordered(Reader, Room, u64),
    /// What nobody had sent was told or acknowledged.
    Phantom(Room, Name),
    /// A reader was told of a room that they may not read, or of a message of another room.
    Foreign(Option<Reader>, Room, u64),
    /// A reader was told of an entry so long after they were out.
    Stale(Reader, Room, u64, Duration),
    /// Two were told of different things at one place.
    Forked(Room, u64),
}

impl Fault {
    fn kind(&self) -> &'static str {
        match self {
            Self::Lost(..) => "lost",
            Self::Doubled(..) => "doubled",
            Self::Reordered(..) => "out of order",
            Self::Phantom(..) => "never sent",
            Self::Foreign(..) => "foreign",
            Self::Stale(..) => "stale",
            Self::Forked(..) => "forked",
        }
    }
}

/// What a history holds, in numbers, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages that were sent.
    pub sent: usize,
    /// Those that were acknowledged, and again if they were so twice.
    pub acked: usize,
    /// Entries that were told to someone.
    pub delivered: usize,
    /// Who was told anything, room by room.
    pub readers: usize,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acked, delivered, readers, faults } = self;
        write!(
            f,
            "{sent} sent, {acked} acknowledged, {delivered} deliveries to {readers} readers"
        )?;
        let kinds = ["lost", "doubled", "out of order", "never sent", "foreign", "stale", "forked"];
        for kind in kinds {
            let count = faults.iter().filter(|fault| fault.kind() == kind).count();
            write!(f, ", {count} {kind}")?;
        }
        for fault in faults.iter().take(20) {
            write!(f, "\n  {fault:?}")?;
        }
        Ok(())
    }
}

impl Report {
    /// # Panics
    /// If anything is wrong, with what it is.
    pub fn assert_sound(&self) {
        assert!(self.faults.is_empty(), "{self}");
    }
}

/// What all clients of a run have seen so far. A handle: clones share it.
#[derive(Clone, Debug)]
pub struct History {
    began: Instant,
    records: Arc<Mutex<Vec<Record>>>,
    /// How far each reader is, to be looked at while the run goes on.
    upto: Arc<Mutex<HashMap<(Reader, Room), u64>>>,
}

impl Default for History {
    fn default() -> Self {
        Self { began: Instant::now(), records: Arc::default(), upto: Arc::default() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl History {
    /// Takes something down. What is sent is taken down before it goes, what arrives after it came.
    pub fn note(&self, seen: Seen) {
        let mut records = lock(&self.records);
        // Under the lock, so that times are in the order of records.
        records.push(Record { at: self.began.elapsed(), seen });
    }

    /// Takes down that a message goes.
    pub fn sent(&self, room: &Room, name: &Name) {
        self.note(Seen::Sent { room: room.clone(), name: name.clone() });
    }

    /// Takes down that one was acknowledged.
    pub fn acked(&self, room: &Room, name: &Name, seq: u64) {
        self.note(Seen::Acked { room: room.clone(), name: name.clone(), seq });
    }

    /// Takes down that someone reads from now on.
    pub fn admitted(&self, reader: Reader, room: &Room, after: u64) {
        lock(&self.upto).insert((reader, room.clone()), after);
        self.note(Seen::Admitted { reader, room: room.clone(), after });
    }

    /// Takes down that someone may read no more.
    pub fn out(&self, reader: Reader, room: &Room) {
        lock(&self.upto).remove(&(reader, room.clone()));
        self.note(Seen::Out { reader, room: room.clone() });
    }

    /// Takes down that an entry arrived.
    pub fn delivered(&self, reader: Reader, room: &Room, seq: u64, name: Option<&str>) {
        if let Some(upto) = lock(&self.upto).get_mut(&(reader, room.clone())) {
            *upto = seq.max(*upto);
        }
        self.note(Seen::Delivered { reader, room: room.clone(), seq, name: name.map(Arc::from) });
    }

    /// How many were acknowledged so far.
    pub fn acks(&self) -> usize {
        lock(&self.records).iter().filter(|r| matches!(r.seen, Seen::Acked { .. })).count()
    }

    /// Those who read `room` and are not there yet.
    pub fn behind(&self, room: &Room, seq: u64) -> Vec<Reader> {
        let upto = lock(&self.upto);
        let of = upto.iter().filter(|((_, of), _)| of == room);
        of.filter(|(_, upto)| **upto < seq).map(|((who, _), _)| *who).collect()
    }

    /// Looks at all of it.
    pub fn check(&self) -> Report {
        check(&lock(&self.records))
    }
}
