//! Sessions and tickets in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::account::{SecretHash, Session, SessionRecord, Ticket};
use crate::clock::Timestamp;
use crate::id::{DeviceId, SessionId, UserId};
use crate::store::{SessionStore, StoreError};

/// The columns of [`record`].
macro_rules! columns {
    () => {
        "id, user, device, user_agent, addr, created_at, renewed_at, expires_at, family, refresh"
    };
}

fn session_id(fields: &mut Fields<'_>) -> Result<SessionId, StoreError> {
    SessionId::parse(fields.take()?).map_err(corrupt)
}

fn session_ids(rows: &[SqliteRow]) -> Result<Vec<SessionId>, StoreError> {
    rows.iter().map(|row| session_id(&mut Fields::of(row))).collect()
}

fn record(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let mut fields = Fields::of(row);
    let session = Session {
        id: session_id(&mut fields)?,
        user: fields.user()?,
        device: DeviceId::parse(fields.take()?).map_err(corrupt)?,
        user_agent: fields.take()?,
        addr: fields.take::<Option<&str>>()?.map(str::parse).transpose().map_err(corrupt)?,
        created_at: fields.time()?,
        renewed_at: fields.time()?,
        expires_at: fields.time()?,
    };
    let (family, refresh) = (fields.bytes()?, fields.bytes()?);
    let (family, refresh) = (SecretHash::from_bytes(family), SecretHash::from_bytes(refresh));
    Ok(SessionRecord { session, family, refresh })
}

fn ticket(hash: &SecretHash, row: &SqliteRow) -> Result<Ticket, StoreError> {
    let mut fields = Fields::of(row);
    let (session, expires_at) = (session_id(&mut fields)?, fields.time()?);
    Ok(Ticket { hash: hash.clone(), session, expires_at })
}

/// How many rows stay beside a new one, as SQLite takes it.
pub(super) fn older_ones(keep: usize) -> i64 {
    i64::try_from(keep.saturating_sub(1)).unwrap_or(i64::MAX)
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create_session(
        &self,
        record: &SessionRecord,
        keep: usize,
    ) -> Result<Vec<SessionId>, StoreError> {
        let SessionRecord { session, family, refresh } = record;
        let mut tx = self.write().await?;
        let removed = sqlx::query(
            "DELETE FROM sessions WHERE pk IN (SELECT pk FROM sessions WHERE user = ? \
             ORDER BY created_at DESC, pk DESC LIMIT -1 OFFSET ?) RETURNING id",
        )
        .bind(session.user.as_str())
        .bind(older_ones(keep))
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
        sqlx::query(concat!(
            "INSERT INTO sessions (",
            columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))
        .bind(session.id.as_str())
        .bind(session.user.as_str())
        .bind(session.device.as_str())
        .bind(session.user_agent.as_deref())
        .bind(session.addr.map(|addr| addr.to_string()))
        .bind(session.created_at.0)
        .bind(session.renewed_at.0)
        .bind(session.expires_at.0)
        .bind(family.as_bytes().as_slice())
        .bind(refresh.as_bytes().as_slice())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        session_ids(&removed)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let found = sqlx::query(concat!("SELECT ", columns!(), " FROM sessions WHERE id = ?"))
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        found.as_ref().map(record).transpose()
    }

    async fn live_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let rows =
            sqlx::query("SELECT id FROM sessions WHERE id IN (SELECT value FROM json_each(?))")
                .bind(serde_json::to_string(ids).map_err(corrupt)?)
                .fetch_all(&mut *self.read().await?)
                .await
                .map_err(failed)?;
        session_ids(&rows)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM sessions WHERE user = ? ORDER BY created_at DESC, pk DESC"
        ))
        .bind(user.as_str())
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(record).collect()
    }

    async fn renew_session(
        &self,
        id: &SessionId,
        renewed_at: Timestamp,
        expires_at: Timestamp,
        refresh: Option<(&SecretHash, &SecretHash)>,
    ) -> Result<bool, StoreError> {
        let (expected, next) = refresh.unzip();
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE sessions SET renewed_at = ?1, expires_at = ?2, refresh = coalesce(?3, refresh) \
             WHERE id = ?4 AND (?5 IS NULL OR refresh = ?5)",
        )
        .bind(renewed_at.0)
        .bind(expires_at.0)
        .bind(next.map(|hash| hash.as_bytes().as_slice()))
        .bind(id.as_str())
        .bind(expected.map(|hash| hash.as_bytes().as_slice()))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_session(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM sessions WHERE id = ? AND user = ?")
            .bind(id.as_str())
            .bind(user.as_str())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_sessions(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut tx = self.write().await?;
        let removed =
            sqlx::query("DELETE FROM sessions WHERE user = ? AND id IS NOT ? RETURNING id")
                .bind(user.as_str())
                .bind(except.map(SessionId::as_str))
                .fetch_all(&mut *tx)
                .await
                .map_err(failed)?;
        tx.commit().await?;
        session_ids(&removed)
    }

    async fn put_ticket(&self, ticket: &Ticket, keep: usize) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let session = ticket.session.as_str();
        let put = sqlx::query(
            "INSERT INTO tickets (hash, session, expires_at) \
             SELECT ?, id, ? FROM sessions WHERE id = ?",
        )
        .bind(ticket.hash.as_bytes().as_slice())
        .bind(ticket.expires_at.0)
        .bind(session)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        if put.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "DELETE FROM tickets WHERE pk IN (SELECT pk FROM tickets WHERE session = ? \
             ORDER BY pk DESC LIMIT -1 OFFSET ?)",
        )
        .bind(session)
        .bind(older_ones(keep).saturating_add(1))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(true)
    }

    async fn ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        let found = sqlx::query("SELECT session, expires_at FROM tickets WHERE hash = ?")
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        found.map(|row| ticket(hash, &row)).transpose()
    }

    async fn take_ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        let mut tx = self.write().await?;
        let taken = sqlx::query("DELETE FROM tickets WHERE hash = ? RETURNING session, expires_at")
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        taken.map(|row| ticket(hash, &row)).transpose()
    }

    async fn remove_expired_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let mut removed = 0;
        for expired in [
            "DELETE FROM tickets WHERE expires_at <= ?",
            "DELETE FROM sessions WHERE expires_at <= ?",
        ] {
            let done = sqlx::query(expired).bind(now.0).execute(&mut *tx).await.map_err(failed)?;
            removed += done.rows_affected();
        }
        tx.commit().await?;
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use crate::session_store_suite;
    use crate::store::sqlite::tests::fresh;

    session_store_suite!(fresh);
}
