//! Reports and the audit in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::corrupt;
use super::rows::{Fields, signed};
use super::sql::Args;
use crate::clock::Timestamp;
use crate::id::{MessageId, RoomId, UserId};
use crate::oversight::{AuditEntry, AuditRecord, NewReport, Report};
use crate::store::{OversightStore, Reported, StoreError};

/// The columns of [`report`], of `r`.
macro_rules! columns {
    () => {
        "r.id, r.at, r.reporter, r.room, r.message, r.seq, r.author, r.reason, r.text, \
         r.resolved_at, r.resolved_by"
    };
}

const PUT: &str = "\
INSERT INTO $.reports (at, reporter, room, message, seq, author, reason, text) \
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1";

const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM $.reports r WHERE r.resolved_at IS NULL AND r.id < $1 ORDER BY r.id DESC LIMIT $2"
);

const ALL: &str =
    concat!("SELECT ", columns!(), " FROM $.reports r WHERE r.id < $1 ORDER BY r.id DESC LIMIT $2");

const RESOLVE: &str = concat!(
    "UPDATE $.reports r SET resolved_by = CASE WHEN r.resolved_at IS NULL THEN $1 \
     ELSE r.resolved_by END, resolved_at = coalesce(r.resolved_at, $2) WHERE r.id = $3 RETURNING ",
    columns!()
);

const EMPTY: &str = "\
UPDATE $.reports r SET text = CASE WHEN r.author = $1 THEN '' ELSE r.text END, \
reason = CASE WHEN r.reporter = $1 THEN '' ELSE r.reason END \
WHERE r.author = $1 OR r.reporter = $1";

const NOTE: &str = "INSERT INTO $.audit (at, room, record) VALUES ($1, $2, $3)";

const OF_ROOM: &str = "\
SELECT a.id, a.record FROM $.audit a WHERE a.room = $3 AND a.id < $1 ORDER BY a.id DESC LIMIT $2";

const OF_ALL: &str =
    "SELECT a.id, a.record FROM $.audit a WHERE a.id < $1 ORDER BY a.id DESC LIMIT $2";

const SWEEP: &str = "\
WITH r AS (DELETE FROM $.reports WHERE id IN (\
  SELECT id FROM $.reports WHERE at < $1 LIMIT $2) RETURNING 1), \
a AS (DELETE FROM $.audit WHERE id IN (\
  SELECT id FROM $.audit WHERE at < $1 LIMIT $2) RETURNING 1) \
SELECT (SELECT count(*) FROM r) + (SELECT count(*) FROM a)";

fn report(row: &PgRow) -> Result<Report, StoreError> {
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

#[async_trait]
impl OversightStore for PostgresStore {
    async fn put_report(&self, report: &NewReport) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(report.at.0).bind(report.by.as_str().to_owned());
        args.bind(report.room.as_str().to_owned()).bind(report.message.as_str().to_owned());
        args.bind(signed(report.seq.0)).bind(report.author.as_str().to_owned());
        args.bind(report.reason.clone()).bind(report.text.clone());
        Ok(!self.client.write(PUT, args.done()?).await?.is_empty())
    }

    async fn reports(
        &self,
        which: Reported,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, StoreError> {
        let mut args = Args::default();
        args.bind(before.map_or(i64::MAX, signed)).bind(i64::from(limit));
        let text = if which == Reported::Open { OPEN } else { ALL };
        self.client.read(text, args.done()?).await?.iter().map(report).collect()
    }

    async fn resolve_report(
        &self,
        id: u64,
        by: &UserId,
        at: Timestamp,
    ) -> Result<Option<Report>, StoreError> {
        let mut args = Args::default();
        args.bind(by.as_str().to_owned()).bind(at.0).bind(signed(id));
        self.client.write(RESOLVE, args.done()?).await?.first().map(report).transpose()
    }

    async fn empty_reports_of(&self, user: &UserId) -> Result<(), StoreError> {
        let args = Args::default().bind(user.as_str().to_owned()).done()?;
        self.client.write(EMPTY, args).await.map(drop)
    }

    async fn put_audit(&self, record: &AuditRecord) -> Result<(), StoreError> {
        let mut args = Args::default();
        args.bind(record.at.0).bind(record.room.as_ref().map(|room| room.as_str().to_owned()));
        args.bind(serde_json::to_string(record).map_err(corrupt)?);
        self.client.write(NOTE, args.done()?).await.map(drop)
    }

    async fn audit(
        &self,
        room: Option<&RoomId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut args = Args::default();
        args.bind(before.map_or(i64::MAX, signed)).bind(i64::from(limit));
        let text = match room {
            Some(room) => {
                args.bind(room.as_str().to_owned());
                OF_ROOM
            }
            None => OF_ALL,
        };
        let rows = self.client.read(text, args.done()?).await?;
        rows.iter()
            .map(|row| {
                let mut row = Fields::of(row);
                let id = row.number()?;
                Ok(AuditEntry { id, record: serde_json::from_str(row.take()?).map_err(corrupt)? })
            })
            .collect()
    }

    async fn sweep_oversight(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let args = Args::default().bind(before.0).bind(i64::from(limit)).done()?;
        let rows = self.client.write(SWEEP, args).await?;
        rows.first().map_or(Ok(0), |row| Fields::of(row).number())
    }
}

#[cfg(test)]
mod tests {
    use crate::oversight_store_suite;
    use crate::store::postgres::tests::fresh;

    oversight_store_suite!(in one, fresh);
}
