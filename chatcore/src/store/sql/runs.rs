//! The order of commits, as it grows.

use crate::id::RoomId;
use crate::log::Entry;
use crate::store::{Run, StoreError};

/// A run as a row: its place, its room's number, where it begins and where it ends.
pub(in crate::store) type Stretch = (i64, i64, u64, u64);

/// What is new in the order of commits, the last one that was there among it if it has grown.
#[derive(Debug)]
pub(in crate::store) struct Runs {
    pub(in crate::store) new: Vec<Stretch>,
    pub(in crate::store) last: Stretch,
}

impl Runs {
    /// What goes on behind `last`.
    pub(in crate::store) fn behind(last: Stretch) -> Self {
        Self { new: Vec::new(), last }
    }

    /// What `entries` make of it.
    pub(in crate::store) fn of(
        last: Stretch,
        entries: &[Entry],
        number: impl Fn(&RoomId) -> Result<i64, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut runs = Self::behind(last);
        for entry in entries {
            runs.add(number(&entry.room)?, entry.seq.0, entry.seq.0);
        }
        Ok(runs)
    }

    /// Adds the entries of a room from `first` to `end`.
    pub(in crate::store) fn add(&mut self, of: i64, mut first: u64, end: u64) {
        while first <= end {
            let (pos, room, begin, last) = self.last;
            // The first run may go on with the last one that is there.
            let goes_on = room == of && last + 1 == first && first - begin < Run::ENTRIES;
            let (pos, begin) = if goes_on { (pos, begin) } else { (pos + 1, first) };
            self.last = (pos, of, begin, end.min(begin + Run::ENTRIES - 1));
            match self.new.last_mut().filter(|_| goes_on) {
                Some(run) => *run = self.last,
                None => self.new.push(self.last),
            }
            first = self.last.3 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_until_another_room_comes_between_or_it_is_full() {
        let mut runs = Runs::behind((7, 1, 1, 10));
        runs.add(1, 11, 300);
        runs.add(2, 1, 1);
        runs.add(1, 301, 301);
        let new = [(7, 1, 1, 256), (8, 1, 257, 300), (9, 2, 1, 1), (10, 1, 301, 301)];
        assert_eq!((runs.new, runs.last), (new.to_vec(), new[3]));
    }

    #[test]
    fn entries_of_a_room_that_do_not_meet_make_two_runs() {
        let mut runs = Runs::behind((0, 0, 0, 0));
        runs.add(1, 1, 3);
        runs.add(1, 7, 8);
        assert_eq!(runs.new, [(1, 1, 1, 3), (2, 1, 7, 8)]);
    }
}
