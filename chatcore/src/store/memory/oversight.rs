//! Reports and the audit in memory.

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::clock::Timestamp;
use crate::id::{RoomId, UserId};
use crate::oversight::{AuditEntry, AuditRecord, NewReport, Report};
use crate::store::{OversightStore, Reported, StoreError};

/// All that is kept, in order.
#[derive(Debug, Default)]
pub(super) struct Oversight {
    reports: Vec<Report>,
    audit: Vec<AuditEntry>,
    last: u64,
}

impl Oversight {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn note(&mut self, record: AuditRecord) {
        let id = self.next();
        self.audit.push(AuditEntry { id, record });
    }
}

#[async_trait]
impl OversightStore for MemoryStore {
    async fn put_report(&self, report: &NewReport) -> Result<bool, StoreError> {
        let mut all = lock(&self.oversight);
        let same =
            |old: &Report| old.report.message == report.message && old.report.by == report.by;
        if all.reports.iter().any(same) {
            return Ok(false);
        }
        let (id, report) = (all.next(), report.clone());
        all.reports.push(Report { id, report, resolved_at: None, resolved_by: None });
        Ok(true)
    }

    async fn reports(
        &self,
        which: Reported,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let all = lock(&self.oversight);
        let listed = all.reports.iter().rev().filter(|report| {
            before.is_none_or(|before| report.id < before)
                && (which == Reported::All || report.resolved_at.is_none())
        });
        Ok(listed.take(limit as usize).cloned().collect())
    }

    async fn resolve_report(
        &self,
        id: u64,
        by: &UserId,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        let mut all = lock(&self.oversight);
        let Some(report) = all.reports.iter_mut().find(|report| report.id == id) else {
            return Ok(None);
        };
        if report.resolved_at.is_none() {
            (report.resolved_at, report.resolved_by) = (Some(at), Some(by.clone()));
        }
        Ok(Some(report.clone()))
    }

    async fn empty_reports_of(&self, user: &UserId) -> Result<(), StoreError> {
        for Report { report, .. } in &mut lock(&self.oversight).reports {
            if report.author == *user {
                report.text.clear();
            }
            if report.by == *user {
                report.reason.clear();
            }
        }
        Ok(())
    }

    async fn put_audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        lock(&self.oversight).note(record.clone());
        Ok(())
    }

    async fn audit(
        &self,
        room: Option<&RoomId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let all = lock(&self.oversight);
        let listed = all.audit.iter().rev().filter(|entry| {
            before.is_none_or(|before| entry.id < before)
                && (room.is_none() || entry.record.room.as_ref() == room)
        });
        Ok(listed.take(limit as usize).cloned().collect())
    }

    async fn sweep_oversight(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut all = lock(&self.oversight);
        let old = all.reports.iter().filter(|report| report.report.at < before);
        let old: Vec<u64> = old.map(|report| report.id).take(limit as usize).collect();
        all.reports.retain(|report| !old.contains(&report.id));
        let past = all.audit.iter().filter(|entry| entry.record.at < before);
        let past: Vec<u64> = past.map(|entry| entry.id).take(limit as usize).collect();
        all.audit.retain(|entry| !past.contains(&entry.id));
        Ok(u32::try_from(old.len() + past.len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::oversight_store_suite!(async || (MemoryStore::new(), ()));
}
