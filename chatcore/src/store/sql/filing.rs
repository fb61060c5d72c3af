//! What an index of messages is made of, alike in every SQL database.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::id::{MessageId, UserId, hash_parts};
use crate::log::Body;
use crate::search::index_terms;

/// A run that is not filed yet, or the rest of one: its place, its room's number, its first and its last
/// entry.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::store) struct Unfiled(
    pub(in crate::store) i64,
    pub(in crate::store) i64,
    pub(in crate::store) i64,
    pub(in crate::store) i64,
);

/// Of `runs`, which follow one another from the place `pos` on, and of which the first is filed up to the
/// entry `last`: whole ones, until there are `limit` entries.
pub(in crate::store) fn unfiled(
    mut runs: Vec<Unfiled>,
    (pos, last): (i64, i64),
    limit: u32,
) -> Vec<Unfiled> {
    let mut entries = 0;
    runs.retain_mut(|run| {
        if run.0 == pos {
            run.2 = run.2.max(last + 1);
        }
        let whole = entries < i64::from(limit) && run.2 <= run.3;
        entries += if whole { run.3 - run.2 + 1 } else { 0 };
        whole
    });
    runs
}

/// A row of a log that matters to an index.
#[derive(Debug)]
pub(in crate::store) struct Line {
    pub(in crate::store) room: i64,
    pub(in crate::store) seq: i64,
    pub(in crate::store) user: UserId,
    pub(in crate::store) body: Body,
}

impl Line {
    /// Everything that a message is filed under, with spaces between; none for one that is deleted.
    pub(in crate::store) fn terms(&self) -> Option<String> {
        let Body::Message { text, deleted_at: None, .. } = &self.body else { return None };
        let mut terms = format!("{} {}", room_term(self.room), author_term(&self.user));
        for term in index_terms(text) {
            terms.push(' ');
            terms.push_str(&term);
        }
        Some(terms)
    }
}

/// What some lines of the order of commits mean to an index.
#[derive(Debug, Default)]
pub(in crate::store) struct Slice {
    /// New messages: their rooms, their places, and their terms.
    pub(in crate::store) new: Vec<(i64, i64, String)>,
    /// Messages that were edited or deleted.
    pub(in crate::store) changed: BTreeSet<(i64, MessageId)>,
}

impl Slice {
    pub(in crate::store) fn of(lines: &[Line]) -> Self {
        let mut slice = Self::default();
        for line in lines {
            match &line.body {
                Body::Edit { message_id, .. } | Body::Delete { message_id } => {
                    slice.changed.insert((line.room, message_id.clone()));
                }
                _ => slice.new.extend(line.terms().map(|terms| (line.room, line.seq, terms))),
            }
        }
        slice
    }

    /// Of `lines`, messages in their present form, those to be filed again, and under what; none for one
    /// that is to be forgotten.
    pub(in crate::store) fn again(&self, lines: &[Line]) -> Vec<(i64, i64, Option<String>)> {
        let new: BTreeSet<_> = self.new.iter().map(|(room, seq, _)| (*room, *seq)).collect();
        lines
            .iter()
            .filter(|line| !new.contains(&(line.room, line.seq)))
            // A name that is being filed may be asked for at a place where something else stands.
            .filter(|line| {
                let id = line.body.message_id();
                id.is_some_and(|id| self.changed.contains(&(line.room, id.clone())))
            })
            .map(|line| (line.room, line.seq, line.terms()))
            .collect()
    }
}

/// The term under which everything of an author is filed. It is short; who it is is compared.
pub(in crate::store) fn author_term(user: &UserId) -> String {
    let hash = hash_parts(&[b"author", user.as_str().as_bytes()]);
    let short = hash.first_chunk().copied().map_or(0, u64::from_be_bytes);
    format!("_u{short:016x}")
}

/// The term under which everything of a room is filed.
pub(in crate::store) fn room_term(room: i64) -> String {
    format!("_r{room}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_filed_whole_from_where_it_stopped() {
        let runs = || vec![Unfiled(3, 1, 1, 10), Unfiled(4, 2, 1, 5), Unfiled(5, 1, 11, 12)];
        let places = |(pos, last), limit| {
            let taken = unfiled(runs(), (pos, last), limit);
            taken.iter().map(|run| (run.0, run.2, run.3)).collect::<Vec<_>>()
        };
        assert_eq!(places((3, 4), 100), [(3, 5, 10), (4, 1, 5), (5, 11, 12)]);
        assert_eq!(places((3, 10), 1), [(4, 1, 5)]);
        assert_eq!(places((3, 10), 6), [(4, 1, 5), (5, 11, 12)]);
        assert_eq!(places((2, 7), 0), []);
    }
}
