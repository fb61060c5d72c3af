//! One subscription: where it stands, and what its application has read of it.
//!
//! ```text
//!            asked            answered
//!  WANTED ─────────► ASKED ─────────────► LIVE
//!    ▲  ▲── refused ───┘                   │
//!    │  └── gap, link lost, out of step ───┤
//!    └────── read ────── PARKED ◄─ unread ─┘
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chatcore::id::Seq;
use chatcore::log::Cursor;
use chatcore::protocol::frame::{Event, RequestId, Subscribed};

use super::config::{ACK_DELAY, PARK_AFTER};
use crate::client::state::Update;

/// What a subscription is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be asked for, from then on.
    Wanted { at: Option<Instant> },
    /// Asked for under this id, or, without one, in the hello.
    Asked { by: Option<RequestId> },
    /// Entries come.
    Live,
    /// The application is behind; nothing is asked for until it has read.
    Parked,
}

/// One room's subscription.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) phase: Phase,
    /// The last entry that is here; none before a subscription from now on is answered.
    place: Option<Cursor>,
    /// Where the unbroken run of entries begins, after which nothing is missing.
    run_start: Seq,
    /// From where it was asked for last: from there the server counts what is unacked.
    asked_from: Seq,
    /// All up to here is acked.
    acked: Seq,
    /// Updates that the application has not taken yet.
    unread: u64,
    /// Unacked entries that the server lets out.
    window: u64,
    pub(super) ack_at: Option<Instant>,
    pub(super) park_at: Option<Instant>,
    /// Entries that came before the answer that says where they belong: the two may travel on
    /// different streams.
    early: BTreeMap<Seq, Event>,
    /// How often in a row it lost its place without an entry in between.
    fruitless: u32,
}

/// What follows from an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// It is the next one.
    Next,
    /// It is not needed, or not yet.
    Drop,
    /// One before it is missing.
    Lost,
}

impl Room {
    pub(super) fn new(since: Option<Cursor>, window: u32) -> Self {
        let seq = since.as_ref().map_or(Seq::START, |since| since.seq);
        Self {
            phase: Phase::Wanted { at: None },
            place: since,
            run_start: seq,
            asked_from: seq,
            acked: seq,
            unread: 0,
            window: u64::from(window.max(1)),
            ack_at: None,
            park_at: None,
            early: BTreeMap::new(),
            fruitless: 0,
        }
    }

    /// It is asked for under this id, or in the hello; from where.
    pub(super) fn ask(&mut self, by: Option<RequestId>) -> Option<Cursor> {
        self.phase = Phase::Asked { by };
        self.asked_from = self.last();
        self.place.clone()
    }

    /// Whether it has a place, so that a hello can name it.
    pub(super) fn placed(&self) -> bool {
        self.place.is_some()
    }

    pub(super) fn set_window(&mut self, window: u32) {
        self.window = u64::from(window.max(1));
    }

    fn last(&self) -> Seq {
        self.place.as_ref().map_or(Seq::START, |place| place.seq)
    }

    /// All up to here has been read. Updates are read in order, and entries are dense: so many are
    /// unread, so many places before the last that is here. A [`Update::Began`] among them only
    /// makes it less.
    fn read_up_to(&self) -> Seq {
        Seq(self.last().0.saturating_sub(self.unread)).max(self.run_start)
    }

    /// What to make of `event`.
    pub(super) fn step(&self, event: &Event) -> Step {
        let asked = matches!(self.phase, Phase::Asked { .. });
        let lost = if self.phase == Phase::Live { Step::Lost } else { Step::Drop };
        let Some(place) = &self.place else { return Step::Drop };
        let (epoch, seq) = (event.epoch(), event.seq());
        match &place.epoch {
            Some(known) if known == epoch => {}
            // Of which life its place is, the answer will say.
            None if asked => return Step::Drop,
            _ => return lost,
        }
        if seq <= place.seq {
            Step::Drop
        } else if seq > place.seq.next() {
            lost
        } else if self.unread >= 2 * self.window {
            // More than was ever let out: a server that does not keep to its window.
            lost
        } else {
            Step::Next
        }
    }

    /// Keeps an entry that came before the answer it belongs to, if it is one.
    pub(super) fn keep_early(&mut self, event: Event) {
        let asked = matches!(self.phase, Phase::Asked { .. });
        let place = self.place.as_ref();
        let known = place.is_some_and(|place| {
            place.epoch.as_ref() == Some(event.epoch()) && event.seq() <= place.seq
        });
        if asked && !known && (self.early.len() as u64) < self.window {
            self.early.insert(event.seq(), event);
        }
    }

    /// Takes the next entry.
    pub(super) fn apply(&mut self, now: Instant, event: Event) -> Update {
        if let Some(place) = &mut self.place {
            place.seq = event.seq();
        }
        self.fruitless = 0;
        self.unread += 1;
        self.shut(now);
        Update::Event(Box::new(event))
    }

    /// Notes since when the server's window is shut, if it is.
    fn shut(&mut self, now: Instant) {
        let unacked = self.last().0.saturating_sub(self.acked.0);
        if self.phase == Phase::Live && unacked >= self.window {
            self.park_at.get_or_insert(now + PARK_AFTER);
        }
    }

    /// The subscription stands. `asked` is from where it was asked for. What came early follows.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        subscribed: Subscribed,
    ) -> (Update, BTreeMap<Seq, Event>) {
        self.phase = Phase::Live;
        let head = subscribed.head_seq;
        match &mut self.place {
            Some(place) if subscribed.recovered => {
                place.epoch = Some(subscribed.epoch.clone());
                self.acked = self.asked_from;
            }
            _ => {
                self.place = Some(Cursor { epoch: Some(subscribed.epoch.clone()), seq: head });
                (self.run_start, self.acked) = (head, head);
            }
        }
        (self.ack_at, self.park_at) = (None, None);
        self.unread += 1;
        self.shut(now);
        self.read(now, 0);
        (Update::Began(Box::new(subscribed)), std::mem::take(&mut self.early))
    }

    /// It is to be asked for again, when the application has read most of what is here.
    pub(super) fn lose(&mut self, now: Instant) {
        let wait = match self.fruitless {
            0 => None,
            n => Some(now + Duration::from_millis(250) * 2_u32.pow(n.min(7))),
        };
        self.fruitless = self.fruitless.saturating_add(1);
        self.unlink();
        if let Phase::Wanted { at } = &mut self.phase {
            *at = wait;
        }
    }

    /// The server knows of it no more.
    pub(super) fn unlink(&mut self) {
        (self.ack_at, self.park_at) = (None, None);
        self.early.clear();
        self.phase = if self.behind() { Phase::Parked } else { Phase::Wanted { at: None } };
    }

    /// Whether too little was read to ask for more.
    fn behind(&self) -> bool {
        self.unread > self.window / 2
    }

    /// The application has taken so many updates.
    pub(super) fn read(&mut self, now: Instant, count: u64) {
        self.unread = self.unread.saturating_sub(count);
        if self.phase == Phase::Parked && !self.behind() {
            self.phase = Phase::Wanted { at: None };
        }
        let unacked = self.read_up_to().0.saturating_sub(self.acked.0);
        if self.phase != Phase::Live || unacked == 0 {
            return;
        }
        if unacked >= (self.window / 2).max(1) {
            self.ack_at = Some(now);
        } else {
            self.ack_at.get_or_insert(now + ACK_DELAY);
        }
    }

    /// What is to be acked, if anything; from then on it is.
    pub(super) fn ack(&mut self) -> Option<Seq> {
        let read = self.read_up_to();
        self.ack_at = None;
        if self.phase != Phase::Live || read <= self.acked {
            return None;
        }
        self.acked = read;
        self.park_at = None;
        Some(read)
    }

    /// When something is due by itself.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let wanted = match self.phase {
            Phase::Wanted { at } => at,
            _ => None,
        };
        [wanted, self.ack_at, self.park_at].into_iter().flatten().min()
    }
}
