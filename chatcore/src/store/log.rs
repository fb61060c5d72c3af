//! Writing and reading the logs of rooms.

use async_trait::async_trait;

use super::StoreError;
use crate::id::{Epoch, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Entry, Message};
use crate::room::{Changes, Command, Marks, NotifySetting, Outcome, Rejection};

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Committed {
    /// For each command, in order.
    pub outcomes: Vec<Result<Outcome, Rejection>>,
    /// The entries that were written, in the order of the batch; dense within a room.
    pub entries: Vec<Entry>,
    /// Older messages in their new form.
    pub rewritten: Vec<Entry>,
    /// How far the members that were touched are now.
    pub marks: Vec<(RoomId, UserId, Marks)>,
    /// Rooms that came to their end.
    pub deleted: Vec<RoomId>,
    /// Who blocks whom now, or does so no more.
    pub blocks: Vec<(UserId, UserId, bool)>,
    /// What members want to be told of now.
    pub notify: Vec<(RoomId, UserId, NotifySetting)>,
}

impl Committed {
    /// What is to be told of `changes` once they are written.
    pub fn new(outcomes: Vec<Result<Outcome, Rejection>>, changes: Changes) -> Self {
        let deleted = changes.rooms.values().filter(|r| r.deleted_at.is_some());
        Self {
            outcomes,
            deleted: deleted.map(|room| room.id.clone()).collect(),
            blocks: changes.blocks.into_iter().map(|((u, o), on)| (u, o, on)).collect(),
            notify: changes.notify.into_iter().map(|((r, u), n)| (r, u, n)).collect(),
            marks: changes.members.into_iter().map(|((r, u), m)| (r, u, m.marks)).collect(),
            entries: changes.entries,
            rewritten: changes.rewritten.into_values().collect(),
        }
    }
}

/// Which way a page of messages runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// To the messages just before this place.
    Older(Seq),
    /// To the messages just after this place.
    Newer(Seq),
}

/// A stretch of one room's log with nothing of another room committed in between: a row of the order
/// of commits. The newest one grows, up to [`Run::ENTRIES`]; those before it stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its place in the order of commits, from 1.
    pub pos: u64,
    /// The room.
    pub room: RoomId,
    /// Its first entry.
    pub first: Seq,
    /// Its last entry.
    pub last: Seq,
}

impl Run {
    /// The most entries that one run spans, so that whoever reads whole runs reads a bounded number.
    pub const ENTRIES: u64 = 256;
}

/// Writes and reads the logs of rooms.
///
/// # Contract
/// - [`commit`](Self::commit) is atomic and durable: when it returns `Ok`, all of it is flushed to
///   the medium (promise G1); when it returns `Err`, either nothing of it was written or all of it
///   was, and sending the same commands again settles which (promise G2).
/// - Commands on one room are decided one after another, through [`plan`](crate::room::plan), under
///   the room's lock, which is held until they are written. A decision never sees a state that another
///   commit is about to change.
/// - Within a room `seq` and `n` are dense.
/// - Nothing at or below a room's `floor_seq` is read, and nothing of a deleted room, whether or not
///   [`sweep`](Self::sweep) has been by.
/// - Reads see all that was committed before they were called (promise G6).
#[async_trait]
pub trait LogStore: std::fmt::Debug + Send + Sync + 'static {
    /// Which life of the store this is.
    async fn epoch(&self) -> Result<Epoch, StoreError>;

    /// Decides and writes a batch, in order. Cancel-safe: a dropped future either commits or does
    /// not.
    async fn commit(&self, batch: &[Command], limits: &Limits) -> Result<Committed, StoreError>;

    /// How many batches it pays to write at the same time, at least 1. The library never writes two that
    /// have a room in common.
    fn writers(&self) -> usize;

    /// Up to `limit` entries after `after`, oldest first.
    async fn entries(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Up to `limit` messages next to a place, oldest first, with their reactions as `viewer` sees
    /// them. The cost does not depend on the length of the log.
    async fn messages(
        &self,
        room: &RoomId,
        toward: Toward,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError>;

    /// One message; none if it is not in this room.
    async fn message(
        &self,
        room: &RoomId,
        id: &MessageId,
        viewer: &UserId,
    ) -> Result<Option<Message>, StoreError>;

    /// Up to `limit` pinned messages after a place, oldest first, as [`messages`](Self::messages) shows
    /// them. The cost does not depend on the length of the log.
    async fn pinned(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError>;

    /// Up to `limit` runs before `before` in the order of commits, newest first.
    async fn runs_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<Run>, StoreError>;

    /// Removes up to `limit` rows that nothing can reach any more (logs of deleted rooms, entries
    /// below a room's floor); returns how many were removed.
    async fn sweep(&self, limit: u32) -> Result<u32, StoreError>;
}
