//! How far those who are told after commits have come.

use std::time::Duration;

use async_trait::async_trait;

use super::{Run, StoreError};
use crate::id::Seq;

/// A place in the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookCursor {
    /// All runs before this one are done.
    pub pos: u64,
    /// Of this one, all entries up to here are done.
    pub seq: Seq,
    /// Up to this run, and this entry of it, it was being told when this was kept.
    pub end: Option<(u64, Seq)>,
}

/// Keeps cursors over the order of commits, each by a name.
///
/// # Contract
/// - [`runs_from`](Self::runs_from) sees all that was committed before it was called. What stands before the
///   last run that it has ever given never changes, and that one only grows.
/// - Of several nodes, at most one has a cursor at a time, until it lets go of it or its time is over. A store
///   that only one process can open need not keep who that is.
#[async_trait]
pub trait HookStore: std::fmt::Debug + Send + Sync + 'static {
    /// Up to `limit` runs from the place `pos` on, the oldest first.
    async fn runs_from(&self, pos: u64, limit: u32) -> Result<Vec<Run>, StoreError>;

    /// Takes the cursor of this name for `holder` for a while; none if another has it. A new one stands at
    /// the end of all that is committed.
    async fn take_hook(
        &self,
        name: &str,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<HookCursor>, StoreError>;

    /// Moves the cursor, if `holder` has it, and has it for another while; whether it did.
    async fn move_hook(
        &self,
        name: &str,
        holder: &str,
        cursor: &HookCursor,
        lease: Duration,
    ) -> Result<bool, StoreError>;

    /// Lets go of a cursor, if `holder` has it.
    async fn free_hook(&self, name: &str, holder: &str) -> Result<(), StoreError>;
}
