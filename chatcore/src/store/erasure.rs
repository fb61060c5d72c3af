//! Erasing people: what is noted of it, and what rooms know of them.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::id::{RoomId, Seq, UserId};

/// Someone who is being erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Who.
    pub user: UserId,
    /// Since when.
    pub begun_at: Timestamp,
    /// How far it is: what they wrote in this room up to this entry is erased.
    pub place: Option<(RoomId, Seq)>,
}

/// Keeps who is to be erased and who was, so that neither a crash nor a restart leaves half of it.
///
/// # Contract
/// - Each method takes effect as a whole or not at all, and is durable when it returns.
/// - Whoever was noted stays so for ever: an id is never somebody else's.
#[async_trait]
pub trait ErasureStore: fmt::Debug + Send + Sync + 'static {
    /// Notes that someone is to be erased. Whether they were not noted before.
    async fn begin_erasure(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError>;

    /// Up to `limit` erasures that are not finished, the oldest first.
    async fn unfinished_erasures(&self, limit: u32) -> Result<Vec<Erasure>, StoreError>;

    /// Notes how far the erasure of someone is.
    async fn advance_erasure(
        &self,
        user: &UserId,
        room: &RoomId,
        upto: Seq,
    ) -> Result<(), StoreError>;

    /// Notes that all of someone is erased.
    async fn finish_erasure(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError>;

    /// Those of `users` who were noted. At most 1,000 are asked for at once.
    async fn erased(&self, users: &[UserId]) -> Result<Vec<UserId>, StoreError>;

    /// Up to `limit` rooms with an id above `after`, in the order of ids, that know someone, however
    /// they stand to it; deleted ones too.
    async fn rooms_that_know(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomId>, StoreError>;

    /// Has a room forget someone who is neither in it nor asked in, or of whom a deleted one knows:
    /// their marks, and how they stood to it. Whether it does not know them now.
    async fn forget_member(&self, room: &RoomId, user: &UserId) -> Result<bool, StoreError>;

    /// Releases up to `limit` files of someone that are in no message; returns how many.
    async fn release_attachments_of(&self, user: &UserId, limit: u32) -> Result<u32, StoreError>;
}
