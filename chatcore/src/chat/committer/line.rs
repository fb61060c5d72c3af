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

    /// How many more jobs may be taken in now. None while no further batch could be written: what comes
    /// then is taken in together, and wakes nobody.
    pub(super) fn space(&self) -> usize {
        if self.batches >= self.writers {
            return 0;
        }
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::clock::Timestamp;
    use crate::room::{Action, Actor};

    /// A command on each of these rooms, to be committed together; `n` tells them apart.
    fn job(rooms: &[&str], n: i64) -> Job {
        let mut each = rooms.iter().map(|room| {
            let room = RoomId::parse(room).expect("valid");
            let (at, action) = (Timestamp(n), Action::Leave);
            (Command { room, actor: Actor::System, at, action, inbox: None }, oneshot::channel().0)
        });
        let (command, reply) = each.next().expect("a room");
        Job { command, reply, more: each.collect() }
    }

    fn line(writers: usize) -> Line {
        Line::new(writers)
    }

    /// What the next batch holds, and its commands.
    fn next(line: &mut Line) -> Option<(Vec<String>, Vec<Command>)> {
        let (Batch { commands, .. }, _) = line.next(Instant::now())?;
        let names = commands.iter().map(|c| format!("{}{}", c.room.as_str(), c.at.0)).collect();
        Some((names, commands))
    }

    #[test]
    fn one_writer_takes_what_came_meanwhile_and_no_more_before_it_is_done() {
        let mut line = line(1);
        line.extend(vec![job(&["a"], 1), job(&["b"], 1)]);
        let (names, first) = next(&mut line).expect("a batch");
        assert_eq!((names, line.space()), (vec!["a1".into(), "b1".into()], 0));
        line.extend(vec![job(&["a"], 2)]);
        assert!(next(&mut line).is_none(), "one is being written");
        line.written(first);
        assert_eq!(next(&mut line).expect("a batch").0, ["a2"]);
        assert!(line.is_empty());
    }

    #[test]
    fn batches_side_by_side_have_no_room_in_common() {
        let mut line = line(3);
        line.extend(vec![job(&["a"], 1)]);
        let (_, first) = next(&mut line).expect("a batch");
        line.extend(vec![job(&["a"], 2), job(&["b"], 1), job(&["a"], 3)]);
        let (names, second) = next(&mut line).expect("a batch beside it");
        assert_eq!(names, ["b1"]);
        assert!(next(&mut line).is_none(), "the rest is behind the first");
        line.written(second);
        assert!(next(&mut line).is_none());
        line.written(first);
        assert_eq!(next(&mut line).expect("a batch").0, ["a2", "a3"], "in their order");
    }

    #[test]
    fn what_is_of_several_rooms_keeps_its_place_in_each() {
        let mut line = line(3);
        line.extend(vec![job(&["a"], 1)]);
        let (_, first) = next(&mut line).expect("a batch");
        // The second waits for `a`; what comes later in `b` must not pass it.
        line.extend(vec![job(&["a", "b"], 2), job(&["b"], 3), job(&["c"], 4)]);
        let (names, second) = next(&mut line).expect("a batch beside it");
        assert_eq!(names, ["c4"]);
        line.written(first);
        line.written(second);
        assert_eq!(next(&mut line).expect("a batch").0, ["a2", "b2", "b3"]);
    }

    #[test]
    fn a_small_batch_is_not_written_beside_a_large_one() {
        let mut line = line(2);
        line.extend((1..=8).map(|n| job(&["a"], n)).collect());
        let (_, large) = next(&mut line).expect("a batch");
        line.extend((1..=3).map(|n| job(&["b"], n)).collect());
        assert!(next(&mut line).is_none());
        line.extend(vec![job(&["c"], 1)]);
        assert_eq!(next(&mut line).expect("half as large").0.len(), 4);
        assert!(line.space() == 0 && next(&mut line).is_none(), "two are being written");
        line.written(large);
        assert!(line.space() > 0);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut line = line(2);
        line.extend(vec![job(&["a"], 0)]);
        let (_, first) = next(&mut line).expect("a batch");
        let mut taken = 0;
        while line.space() > 0 {
            line.extend(vec![job(&["a"], taken)]);
            taken += 1;
        }
        assert_eq!(usize::try_from(taken), Ok(BEHIND));
        line.written(first);
        assert_eq!(next(&mut line).expect("a batch").0.len(), BATCH);
        assert!(!line.is_empty(), "the rest comes after it");
    }
}
