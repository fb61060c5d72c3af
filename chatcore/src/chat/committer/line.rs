//! What waits to be written, and what may be written beside what.

use std::collections::{HashSet, VecDeque};

use tokio::time::Instant;

use super::super::pace::Pace;
use super::{Job, Reply};
use crate::id::RoomId;
use crate::room::Command;

/// Commands of one transaction.
const BATCH: usize = 512;

/// Jobs that may wait for a batch that is being written, before no more are taken in.
const BEHIND: usize = 4 * BATCH;

/// Commands that are committed together, and where their outcomes go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) commands: Vec<Command>,
    pub(super) replies: Vec<Reply>,
}

impl Batch {
    fn push(&mut self, Job { command, reply, more }: Job) {
        for (command, reply) in std::iter::once((command, reply)).chain(more) {
            self.commands.push(command);
            self.replies.push(reply);
        }
    }
}

/// Commands on their way into batches.
///
/// Batches that are written at the same time have no room in common, so that none waits for
/// the lock of another, and commands on one room keep their order.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pace: Pace,
    /// Batches that may be written at once.
    writers: usize,
    /// What goes next.
    next: Batch,
    /// Until when that waits for more, if it does.
    held_until: Option<Instant>,
    /// Commands of it that were asked whether they may wait.
    seen: usize,
    /// What waits for a room that is being written, or for something before it that does.
    behind: VecDeque<Job>,
    /// Rooms of what waits so.
    rooms_behind: HashSet<RoomId>,
    /// Rooms that are being written, if batches may be beside each other.
    rooms_written: HashSet<RoomId>,
    /// Batches that are being written, and commands in them.
    batches: usize,
    commands: usize,
}

impl Line {
    /// For a store that writes so many batches at once.
    pub(super) fn new(writers: usize) -> Self {
        Self {
            pace: Pace::default(),
            writers: writers.max(1),
            next: Batch::default(),
            held_until: None,
            seen: 0,
            behind: VecDeque::new(),
            rooms_behind: HashSet::new(),
            rooms_written: HashSet::new(),
            batches: 0,
            commands: 0,
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.next.commands.is_empty() && self.behind.is_empty()
    }

    /// How many more jobs may be taken in now.
    pub(super) fn space(&self) -> usize {
        let space = BATCH.saturating_sub(self.next.commands.len());
        space.min(BEHIND.saturating_sub(self.behind.len()))
    }

    /// Takes jobs in.
    pub(super) fn extend(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            self.place(job);
        }
    }

    /// Puts a job where it belongs, behind all that came before it in its rooms.
    fn place(&mut self, job: Job) {
        let waits = self.writers > 1 && {
            let is_taken =
                |room| self.rooms_written.contains(room) || self.rooms_behind.contains(room);
            self.next.commands.len() >= BATCH || rooms(&job).any(is_taken)
        };
        if waits {
            self.rooms_behind.extend(rooms(&job).cloned());
            self.behind.push_back(job);
        } else {
            self.next.push(job);
        }
    }

    /// The batch that is to be written now, and whether it was held for more.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Batch, bool)> {
        let waiting = self.next.commands.len();
        // Beside others only one that is at least half as large: two small ones cost more than one.
        let is_worth = waiting * 2 * self.batches >= self.commands;
        if waiting == 0 || self.batches >= self.writers || !is_worth {
            return None;
        }
        let began = self.held_until.is_some();
        if waiting < BATCH && self.holds(now) {
            return None;
        }
        let batch = std::mem::take(&mut self.next);
        (self.held_until, self.seen) = (None, 0);
        self.batches += 1;
        self.commands += waiting;
        if self.writers > 1 {
            self.rooms_written.extend(batch.commands.iter().map(|command| command.room.clone()));
            self.place_behind();
        }
        Some((batch, began))
    }

    /// Whether the next batch still waits for more; not once something came that is not to wait.
    fn holds(&mut self, now: Instant) -> bool {
        let new = &self.next.commands[self.seen..];
        self.seen += new.len();
        match self.held_until {
            None => {
                self.held_until = self.pace.hold(new, now);
                self.held_until.is_some()
            }
            Some(until) => now < until && (new.is_empty() || self.pace.hold(new, now).is_some()),
        }
    }

    /// Until when the next batch waits for more.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until.filter(|_| self.batches < self.writers)
    }

    /// Notes that a batch is written: what waited for its rooms may go.
    pub(super) fn written(&mut self, commands: Vec<Command>) {
        self.batches -= 1;
        self.commands -= commands.len();
        for command in &commands {
            self.rooms_written.remove(&command.room);
        }
        self.place_behind();
    }

    /// Puts what waits behind something where it belongs now.
    fn place_behind(&mut self) {
        self.rooms_behind.clear();
        for job in std::mem::take(&mut self.behind) {
            self.place(job);
        }
    }
}

/// The rooms of a job.
fn rooms(job: &Job) -> impl Iterator<Item = &RoomId> {
    std::iter::once(&job.command.room).chain(job.more.iter().map(|(command, _)| &command.room))
}
