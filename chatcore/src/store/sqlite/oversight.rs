//! Reports and the audit in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::clock::Timestamp;
use crate::id::{MessageId, RoomId, UserId};
use crate::oversight::{AuditEntry, AuditRecord, NewReport, Report};
use crate::store::{OversightStore, Reported, StoreError};

/// The columns of [`report`].
macro_rules! columns {
    () => {
        "id, at, reporter, room, message, seq, author, reason, text, resolved_at, resolved_by"
    };
}

const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM reports INDEXED BY reports_open WHERE resolved_at IS NULL AND id < ? \
     ORDER BY id DESC LIMIT ?"
);

const ALL: &str =
    concat!("SELECT ", columns!(), " FROM reports WHERE id < ? ORDER BY id DESC LIMIT ?");

fn report(row: &SqliteRow) -> Result<Report, StoreError> {
    let mut row = Fields::of(row);
    Ok(Report {
        id: row.number()?,
        report: NewReport {
            at: row.time()?,
            by: row.user()?,
            room: row.room_id()?,
            message: MessageId::parse(row.take()?).map_err(corrupt)?,
            seq: row.seq()?,
            author: row.user()?,
            reason: row.take()?,
            text: row.take()?,
        },
        resolved_at: row.take::<Option<i64>>()?.map(Timestamp),
        resolved_by: row.take::<Option<&str>>()?.map(UserId::parse).transpose().map_err(corrupt)?,
    })
}

/// A number as SQLite has it; without one, above all.
fn below(before: Option<u64>) -> i64 {
    before.and_then(|id| i64::try_from(id).ok()).unwrap_or(i64::MAX)
}

#[async_trait]
impl OversightStore for SqliteStore {
    async fn put_report(&self, report: &NewReport) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "INSERT INTO reports (at, reporter, room, message, seq, author, reason, text) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(report.at.0)
        .bind(report.by.as_str())
        .bind(report.room.as_str())
        .bind(report.message.as_str())
        .bind(i64::try_from(report.seq.0).map_err(corrupt)?)
        .bind(report.author.as_str())
        .bind(&report.reason)
        .bind(&report.text)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn reports(
        &self,
        which: Reported,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let rows = sqlx::query(if which == Reported::Open { OPEN } else { ALL })
            .bind(below(before))
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        rows.iter().map(report).collect()
    }

    async fn resolve_report(
        &self,
        id: u64,
        by: &UserId,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        let Ok(id) = i64::try_from(id) else { return Ok(None) };
        let mut tx = self.write().await?;
        let found = sqlx::query(concat!(
            "UPDATE reports SET resolved_by = CASE WHEN resolved_at IS NULL THEN ?1 \
             ELSE resolved_by END, resolved_at = coalesce(resolved_at, ?2) WHERE id = ?3 RETURNING ",
            columns!()
        ))
        .bind(by.as_str())
        .bind(at.0)
        .bind(id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        let found = found.as_ref().map(report).transpose()?;
        tx.commit().await?;
        Ok(found)
    }

    async fn empty_reports_of(&self, user: &UserId) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for sql in [
            "UPDATE reports SET text = '' WHERE author = ? AND text <> ''",
            "UPDATE reports SET reason = '' WHERE reporter = ? AND reason <> ''",
        ] {
            sqlx::query(sql).bind(user.as_str()).execute(&mut *tx).await.map_err(failed)?;
        }
        tx.commit().await
    }

    async fn put_audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO audit (at, room, record) VALUES (?, ?, ?)")
            .bind(record.at.0)
            .bind(record.room.as_ref().map(RoomId::as_str))
            .bind(serde_json::to_string(record).map_err(corrupt)?)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await
    }

    async fn audit(
        &self,
        room: Option<&RoomId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let query = match room {
            Some(room) => sqlx::query(
                "SELECT id, record FROM audit WHERE room = ? AND id < ? ORDER BY id DESC LIMIT ?",
            )
            .bind(room.as_str()),
            None => {
                sqlx::query("SELECT id, record FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?")
            }
        };
        let rows = query
            .bind(below(before))
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let mut row = Fields::of(row);
                let id = row.number()?;
                Ok(AuditEntry { id, record: serde_json::from_str(row.take()?).map_err(corrupt)? })
            })
            .collect()
    }

    async fn sweep_oversight(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut tx = self.write().await?;
        let mut removed = 0;
        for sql in [
            "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE at < ? LIMIT ?)",
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? LIMIT ?)",
        ] {
            let done = sqlx::query(sql).bind(before.0).bind(limit).execute(&mut *tx).await;
            removed += done.map_err(failed)?.rows_affected();
        }
        tx.commit().await?;
        Ok(u32::try_from(removed).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use crate::oversight_store_suite;
    use crate::store::sqlite::tests::fresh;

    oversight_store_suite!(fresh);
}
