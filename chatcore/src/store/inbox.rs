//! What a host hands in within transactions of its own.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::StoreError;
use crate::clock::Timestamp;
use crate::id::{MessageId, RoomId, UserId};
use crate::limits::Limits;
use crate::room::{Action, Actor};

/// A command that a committed transaction of the host's has left, and that waits for its turn.
#[derive(Clone, Debug)]
pub struct Handed {
    /// Its place in the inbox.
    pub place: u64,
    /// Which room.
    pub room: RoomId,
    /// Who asks, and what; or, if it was written by another version and cannot be read, why.
    pub asked: Result<(Actor, Action), String>,
}

/// A command that was handed in, and refused when its turn came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the inbox; what was handed in later has a higher one.
    pub place: u64,
    /// Which room.
    pub room: RoomId,
    /// Who asked; none if it cannot be read.
    pub by: Option<UserId>,
    /// The message that it would have been, if it was one.
    pub message_id: Option<MessageId>,
    /// Why, as a stable [`Code`](crate::Code), such as `forbidden`.
    pub code: String,
    /// Why, in a sentence.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// What was asked: JSON, for people to read.
    pub asked: String,
}

/// Keeps what was handed in until it is settled: done, or refused.
///
/// # Contract
/// - A place that [`commit`](super::LogStore::commit) finds in a command's `inbox` is settled by that
///   commit, in the same transaction: at most one commit ever settles it, on whichever node. What is
///   done is gone from here; what is refused stays, with the reason.
/// - [`waiting`](Self::waiting) lists in the order of places. Of two commands of which one was committed
///   before the other was handed in, that one's place is lower.
#[async_trait]
pub trait InboxStore: std::fmt::Debug + Send + Sync + 'static {
    /// Rung when something is being handed in by this process, which its transaction will commit a while
    /// later or not at all; none if this store takes nothing from transactions of a host's.
    fn bell(&self) -> Option<Arc<Notify>>;

    /// Says by which bounds what is handed in from now on is checked.
    fn bind(&self, limits: Arc<Limits>);

    /// Up to `limit` commands that wait, the oldest first.
    async fn waiting(&self, limit: u32) -> Result<Vec<Handed>, StoreError>;

    /// Refuses a command that waits; whether it still did.
    async fn refuse(&self, place: u64, code: &str, why: &str) -> Result<bool, StoreError>;

    /// Up to `limit` refused commands behind the place `after`, the oldest first.
    async fn refused(&self, after: u64, limit: u32) -> Result<Vec<Refused>, StoreError>;

    /// Why this message was refused, if it was.
    async fn refusal(
        &self,
        room: &RoomId,
        message: &MessageId,
    ) -> Result<Option<Refused>, StoreError>;

    /// Forgets a refused command; whether it was there.
    async fn forget(&self, place: u64) -> Result<bool, StoreError>;

    /// Clears away what is settled, and all but the newest `keep` refused commands; how many of those
    /// were dropped.
    async fn tidy(&self, keep: u32) -> Result<u64, StoreError>;
}
