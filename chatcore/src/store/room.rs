//! Reading rooms and members.

use async_trait::async_trait;

use super::StoreError;
use crate::id::{RoomId, Seq, UserId};
use crate::room::{InviteHash, InviteLink, Member, Room};

/// Which rooms to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomFilter {
    /// Those that the user is in.
    Joined,
    /// Those that the user may know of: public ones, and those that they are in or asked to.
    Visible,
}

/// Which rooms to look through for messages that are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retained {
    /// Those that say themselves how long messages are kept.
    Own,
    /// All that are there.
    All,
}

/// Counts of all that was ever made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// Rooms, deleted ones included.
    pub rooms: u64,
    /// Messages, deleted ones included.
    pub messages: u64,
}

/// How far a room's log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The room.
    pub room: RoomId,
    /// Its last entry.
    pub head_seq: Seq,
    /// The room has come to its end.
    pub deleted: bool,
}

/// Reads rooms and members.
///
/// # Contract
/// Every read sees all that was committed before it was called (promise G6). Deleted rooms are
/// returned by [`room`](Self::room), with `deleted_at` set, by [`heads`](Self::heads), and by nothing else.
#[async_trait]
pub trait RoomStore: std::fmt::Debug + Send + Sync + 'static {
    /// The room, and how `user` stands to it; none if there has never been one of this id.
    async fn room(
        &self,
        room: &RoomId,
        user: Option<&UserId>,
    ) -> Result<Option<(Room, Option<Member>)>, StoreError>;

    /// Up to `limit` rooms of `user` with an id above `after`, in the order of ids.
    async fn rooms(
        &self,
        user: &UserId,
        filter: RoomFilter,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<(Room, Option<Member>)>, StoreError>;

    /// Up to `limit` people in `room` (joined) with an id above `after`, in the order of ids.
    async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Member>, StoreError>;

    /// The invite links of a room, those that are over among them, in the order of their ids. There
    /// are no more than [`Limits::invite_links`](crate::limits::Limits::invite_links).
    async fn invite_links(&self, room: &RoomId) -> Result<Vec<InviteLink>, StoreError>;

    /// The link with this hash, and its room; none if there is none.
    async fn invited_to(&self, hash: &InviteHash)
    -> Result<Option<(Room, InviteLink)>, StoreError>;

    /// Up to `limit` rooms with an id above `after`, in the order of ids.
    async fn retained(
        &self,
        which: Retained,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<Room>, StoreError>;

    /// How far the logs of those of the rooms go that exist, each once, in any order. At most 1,000 are
    /// asked for at once; cheap, for every node asks about all that is listened to, about once a second.
    async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<Head>, StoreError>;

    /// Up to `limit` people whom `user` blocks, with an id above `after`, in the order of ids.
    async fn blocked(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError>;

    /// Counts of all that was ever made.
    async fn counts(&self) -> Result<RoomCounts, StoreError>;
}
