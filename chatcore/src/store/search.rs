//! Searching messages.

use async_trait::async_trait;

use super::StoreError;
use crate::log::Entry;
use crate::search::Search;

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    /// Messages in their present form, the newest first.
    pub found: Vec<Entry>,
    /// More may follow: search again with this as `after`. At most 64 characters of `A-Z a-z 0-9 - _`.
    pub next: Option<String>,
    /// Whether the index was behind what was committed before the search began, so that something
    /// new may be missing.
    pub behind: bool,
}

/// Searches messages.
///
/// # Contract
/// - Everything that [`Search::finds`] in the rooms of the scope, and that was committed before
///   [`search`](Self::search) was called, is found (promise G6), unless the page says that the index
///   was [`behind`](SearchPage::behind).
/// - Nothing is found that is not so at present: an edited message by its old words, a deleted one,
///   one at or below its room's floor, one of a deleted room, or one of a room outside the scope.
/// - Within a room newer messages come first; between rooms about so. Pages that follow
///   [`next`](SearchPage::next) show each message that stays as it is once.
/// - The work of one page is bounded: it may hold less than asked for, even nothing, and have a `next`.
/// - A cursor that this store did not give, or gave before it made its index anew, finds what it may.
///   It is no error.
#[async_trait]
pub trait SearchStore: std::fmt::Debug + Send + Sync + 'static {
    /// Searches.
    async fn search(&self, search: &Search) -> Result<SearchPage, StoreError>;

    /// Files a bounded step of what was committed and is not in the index yet, about `limit` entries;
    /// returns how many. 0: nothing is left to do, as always in a store that files with each commit.
    /// Cancel-safe.
    async fn file(&self, limit: u32) -> Result<u32, StoreError>;
}
