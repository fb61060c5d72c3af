//! Searching messages by what they say.
//!
//! A [`Query`] says what a text must hold. It is decided here, in one place, whether a text matches;
//! an index of a store only proposes (by [`index_terms`]), and the log disposes: what is proposed is
//! read in its present form and compared. So a search never shows what was edited away or deleted,
//! however far behind its index is.

mod excerpt;
mod query;
mod units;

pub use excerpt::{Excerpt, Piece};
pub(crate) use query::Parsed;
pub use query::{QUERY_CHARS, QUERY_PARTS, Query, Term, index_terms};

use crate::id::{RoomId, UserId};
use crate::log::{Body, Entry};

/// Rooms that one search can name.
pub const SEARCH_ROOMS: usize = 16;

/// A search, as stores carry it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// What the text must hold; empty: anything, then [`from`](Self::from) is given.
    pub query: Query,
    /// Who must have written it.
    pub from: Option<UserId>,
    /// Where.
    pub scope: Scope,
    /// Those after this place in the order of results: [`next`](crate::store::SearchPage::next) of the
    /// page before.
    pub after: Option<String>,
    /// At most how many.
    pub limit: u32,
}

/// The rooms that a search looks into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that this user is in.
    Joined(UserId),
    /// These, at most [`SEARCH_ROOMS`]; that they may be read is for the caller to see to.
    Rooms(Vec<RoomId>),
}

impl Search {
    /// Whether an entry, in its present form, is a message that is searched for. The room is not
    /// looked at.
    pub fn finds(&self, entry: &Entry) -> bool {
        let Body::Message { text, deleted_at: None, .. } = &entry.body else { return false };
        self.from.as_ref().is_none_or(|from| *from == entry.user) && self.query.matches(text)
    }
}
