//! Reports and the audit.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::id::{RoomId, UserId};
use crate::oversight::{AuditEntry, AuditRecord, NewReport, Report};

/// Which reports to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Those that nobody has dealt with.
    Open,
    /// All.
    All,
}

/// Keeps reports, and who did what to whom. What happens within a room is written by the
/// [`LogStore`](super::LogStore), in the transaction in which it happens.
///
/// # Contract
/// - Each method takes effect as a whole or not at all, and is durable when it returns.
/// - Numbers grow, and none is given twice.
#[async_trait]
pub trait OversightStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps a report; `false`, and nothing is kept, if the same user has reported the message before.
    async fn put_report(&self, report: &NewReport) -> Result<bool, StoreError>;

    /// Up to `limit` reports with a number below `before`, the newest first.
    async fn reports(
        &self,
        which: Reported,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError>;

    /// Notes that a report was dealt with, unless it was before; returns it as it is then, or none if
    /// there is none.
    async fn resolve_report(
        &self,
        id: u64,
        by: &UserId,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError>;

    /// Empties the texts of messages of `user` in all reports, and the reasons that `user` gave.
    async fn empty_reports_of(&self, user: &UserId) -> Result<(), StoreError>;

    /// Keeps a record.
    async fn put_audit(&self, record: &AuditRecord) -> Result<(), StoreError>;

    /// Up to `limit` records with a number below `before`, the newest first; those of one room, if it
    /// is named.
    async fn audit(
        &self,
        room: Option<&RoomId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError>;

    /// Removes up to `limit` records and as many reports from before `before`; returns how many.
    async fn sweep_oversight(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;
}
