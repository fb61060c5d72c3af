//! Whether everybody got everything, once, in order, and nothing else.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::text::Stamp;

/// What is wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It was delivered before.
    Doubled,
    /// A later one of the same sender was delivered before.
    Misplaced,
    /// It is of another room, or of another run.
    Foreign,
}

/// How often what went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) misplaced: u64,
    pub(crate) foreign: u64,
    /// Texts that are not as they were sent.
    pub(crate) damaged: u64,
    /// Requests that were refused.
    pub(crate) refused: u64,
    /// Requests that were not answered, or more than once.
    pub(crate) answers: u64,
    /// Connections that ended, and rooms that ran away from a member that reads.
    pub(crate) broken: u64,
    /// The first of them, for people.
    pub(crate) first: Option<String>,
}

impl Faults {
    /// Keeps the first, which is usually what the others follow from.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.first.is_none() {
            self.first = Some(what());
        }
    }

    pub(crate) fn delivery(&mut self, wrong: Wrong, receiver: usize, stamp: &Stamp) {
        *match wrong {
            Wrong::Doubled => &mut self.doubled,
            Wrong::Misplaced => &mut self.misplaced,
            Wrong::Foreign => &mut self.foreign,
        } += 1;
        self.note(|| format!("{wrong:?} at connection {receiver}: {stamp:?}"));
    }

    pub(crate) fn count(&self) -> u64 {
        let Self { lost, doubled, misplaced, foreign, .. } = self;
        lost + doubled
            + misplaced
            + foreign
            + self.damaged
            + self.refused
            + self.answers
            + self.broken
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "lost": self.lost, "doubled": self.doubled, "misplaced": self.misplaced,
            "foreign": self.foreign, "damaged": self.damaged, "refused": self.refused,
            "answers": self.answers, "broken": self.broken })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.lost, "lost"),
            (self.doubled, "doubled"),
            (self.misplaced, "out of order"),
            (self.foreign, "of another room or run"),
            (self.damaged, "damaged"),
            (self.refused, "requests refused"),
            (self.answers, "requests answered never or twice"),
            (self.broken, "connections broken or left behind"),
        ];
        let mut some = all.iter().filter(|(count, _)| *count > 0).peekable();
        if some.peek().is_none() {
            return f.write_str("nothing lost, doubled or out of order");
        }
        for (at, (count, what)) in some.enumerate() {
            write!(f, "{}{count} {what}", if at > 0 { ", " } else { "" })?;
        }
        match &self.first {
            Some(first) => write!(f, "; the first: {first}"),
            None => Ok(()),
        }
    }
}

/// Follows the numbers of every sender at every receiver.
#[derive(Debug)]
pub(crate) struct Checker {
    run: u32,
    /// The room that each receiver is in.
    rooms: Vec<u32>,
    senders: u32,
    /// By receiver, then by sender.
    tracks: Vec<Track>,
}

/// One sender, as one receiver hears it.
#[derive(Clone, Debug, Default)]
struct Track {
    next: u32,
    /// Numbers below `next` that did not come. In a run without faults there are never any.
    missing: BTreeSet<u32>,
}

impl Checker {
    /// One for a run whose rooms have `senders` each.
    pub(crate) fn new(run: u32, senders: u32) -> Self {
        Self { run, rooms: Vec::new(), senders, tracks: Vec::new() }
    }

    /// A receiver comes in, after each sender of its room has sent so many.
    pub(crate) fn join(&mut self, room: u32, sent: impl Fn(u32) -> u32) {
        self.rooms.push(room);
        let tracks =
            (0..self.senders).map(|sender| Track { next: sent(sender), missing: BTreeSet::new() });
        self.tracks.extend(tracks);
    }

    /// The receiver has got this.
    pub(crate) fn delivery(&mut self, receiver: usize, stamp: &Stamp) -> Result<(), Wrong> {
        if stamp.run != self.run
            || stamp.room != self.rooms[receiver]
            || stamp.sender >= self.senders
        {
            return Err(Wrong::Foreign);
        }
        let track = &mut self.tracks[receiver * self.senders as usize + stamp.sender as usize];
        if stamp.number == track.next {
            track.next += 1;
            return Ok(());
        }
        if stamp.number > track.next {
            // Lost, unless they come yet; this one is in order.
            track.missing.extend(track.next..stamp.number);
            track.next = stamp.number + 1;
            return Ok(());
        }
        let late = track.missing.remove(&stamp.number);
        Err(if late { Wrong::Misplaced } else { Wrong::Doubled })
    }

    /// How many never came, of those that the senders of a room have `sent`; they count once.
    pub(crate) fn lost(&mut self, sent: impl Fn(u32, u32) -> u32) -> u64 {
        let mut lost = 0;
        for (receiver, room) in self.rooms.iter().enumerate() {
            for sender in 0..self.senders {
                let track = &mut self.tracks[receiver * self.senders as usize + sender as usize];
                lost += std::mem::take(&mut track.missing).len() as u64;
                let sent = sent(*room, sender);
                lost += u64::from(sent.saturating_sub(track.next));
                track.next = track.next.max(sent);
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 0xabcd;

    fn stamp(room: u32, sender: u32, number: u32) -> Stamp {
        Stamp { run: RUN, room, sender, number, due: 0 }
    }

    /// Two rooms of two members and two senders; ten messages of each sender, all delivered.
    fn heard() -> Checker {
        let mut checker = Checker::new(RUN, 2);
        for room in [0, 0, 1, 1] {
            checker.join(room, |_| 0);
        }
        for number in 0..10 {
            for (receiver, room) in [0, 0, 1, 1].into_iter().enumerate() {
                for sender in 0..2 {
                    assert_eq!(checker.delivery(receiver, &stamp(room, sender, number)), Ok(()));
                }
            }
        }
        checker
    }

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        assert_eq!(heard().lost(|_, _| 10), 0);
    }

    #[test]
    fn what_is_lost_is_counted_once() {
        let mut checker = heard();
        assert_eq!(checker.delivery(1, &stamp(0, 1, 13)), Ok(()), "10, 11 and 12 are missing");
        let sent = |room, sender| if (room, sender) == (0, 1) { 15 } else { 10 };
        // The second receiver misses three and the last; the first misses all five.
        assert_eq!(checker.lost(sent), 3 + 1 + 5);
        assert_eq!(checker.lost(sent), 0);
        assert_eq!(checker.delivery(0, &stamp(0, 1, 15)), Ok(()), "the next window goes on");
    }

    #[test]
    fn a_doubled_delivery_is_found() {
        let mut checker = heard();
        assert_eq!(checker.delivery(2, &stamp(1, 0, 9)), Err(Wrong::Doubled));
        assert_eq!(checker.delivery(2, &stamp(1, 0, 0)), Err(Wrong::Doubled));
        assert_eq!(checker.lost(|_, _| 10), 0);
    }

    #[test]
    fn a_misplaced_delivery_is_found_and_not_lost() {
        let mut checker = heard();
        assert_eq!(checker.delivery(0, &stamp(0, 0, 11)), Ok(()));
        assert_eq!(checker.delivery(0, &stamp(0, 0, 10)), Err(Wrong::Misplaced));
        assert_eq!(checker.delivery(0, &stamp(0, 0, 10)), Err(Wrong::Doubled), "it came already");
        let sent = |room, sender| if (room, sender) == (0, 0) { 12 } else { 10 };
        assert_eq!(checker.lost(sent), 2, "both, at the other member");
    }

    #[test]
    fn a_foreign_room_run_or_sender_is_found() {
        let mut checker = heard();
        assert_eq!(checker.delivery(0, &stamp(1, 0, 10)), Err(Wrong::Foreign));
        assert_eq!(checker.delivery(0, &stamp(0, 2, 0)), Err(Wrong::Foreign));
        let other = Stamp { run: 1, ..stamp(0, 0, 10) };
        assert_eq!(checker.delivery(0, &other), Err(Wrong::Foreign));
    }

    #[test]
    fn one_who_joins_late_misses_nothing_that_came_before() {
        let mut checker = heard();
        checker.join(1, |_| 10);
        assert_eq!(checker.lost(|_, _| 10), 0);
        assert_eq!(checker.delivery(4, &stamp(1, 1, 10)), Ok(()));
    }

    #[test]
    fn faults_are_told_with_the_first() {
        let mut faults = Faults::default();
        assert_eq!(faults.to_string(), "nothing lost, doubled or out of order");
        faults.delivery(Wrong::Doubled, 3, &stamp(0, 1, 2));
        faults.lost += 4;
        let said = faults.to_string();
        assert!(
            said.starts_with("4 lost, 1 doubled; the first: Doubled at connection 3"),
            "{said}"
        );
        assert_eq!(faults.count(), 5);
    }
}
