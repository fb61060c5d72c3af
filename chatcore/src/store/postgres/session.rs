//! Sessions and tickets in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::corrupt;
use super::rows::Fields;
use super::sql::Args;
use crate::account::{SecretHash, Session, SessionRecord, Ticket};
use crate::clock::Timestamp;
use crate::id::{DeviceId, SessionId, UserId};
use crate::store::{SessionStore, StoreError};

/// The columns of [`record`].
macro_rules! columns {
    () => {
        "id, \"user\", device, user_agent, addr, created_at, renewed_at, expires_at, family, refresh"
    };
}

const CREATE: &str = concat!(
    "WITH new AS (INSERT INTO $.sessions (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)) \
     DELETE FROM $.sessions WHERE pk IN (SELECT pk FROM $.sessions WHERE \"user\" = $2 \
     ORDER BY created_at DESC, pk DESC OFFSET $11) RETURNING id"
);

const PUT_TICKET: &str = "\
WITH of AS (SELECT id FROM $.sessions WHERE id = $2 FOR KEY SHARE), \
new AS (INSERT INTO $.tickets (hash, session, expires_at) SELECT $1, id, $3 FROM of RETURNING 1), \
old AS (DELETE FROM $.tickets WHERE pk IN (SELECT t.pk FROM of JOIN $.tickets t ON t.session = of.id \
        ORDER BY t.pk DESC OFFSET $4)) \
SELECT 1 FROM new";

/// By the index of ids, one look for each that is asked for.
pub(super) const LIVE: &str = "SELECT id FROM $.sessions WHERE id = ANY($1::text[])";

fn session_id(fields: &mut Fields<'_>) -> Result<SessionId, StoreError> {
    SessionId::parse(fields.take()?).map_err(corrupt)
}

fn session_ids(rows: &[PgRow]) -> Result<Vec<SessionId>, StoreError> {
    rows.iter().map(|row| session_id(&mut Fields::of(row))).collect()
}

fn record(row: &PgRow) -> Result<SessionRecord, StoreError> {
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

/// The ticket of that hash, of a row that says whose it is and how long it lasts.
fn ticket(row: &PgRow, hash: &SecretHash) -> Result<Ticket, StoreError> {
    let mut fields = Fields::of(row);
    let (session, expires_at) = (session_id(&mut fields)?, fields.time()?);
    Ok(Ticket { hash: hash.clone(), session, expires_at })
}

/// How many rows stay beside a new one.
pub(super) fn older_ones(keep: usize) -> i64 {
    i64::try_from(keep.saturating_sub(1)).unwrap_or(i64::MAX)
}

pub(super) fn bytes(hash: &SecretHash) -> Vec<u8> {
    hash.as_bytes().to_vec()
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn create_session(
        &self,
        record: &SessionRecord,
        keep: usize,
    ) -> Result<Vec<SessionId>, StoreError> {
        let SessionRecord { session, family, refresh } = record;
        let user = session.user.as_str().to_owned();
        let mut args = Args::default();
        args.bind(session.id.as_str().to_owned()).bind(user.clone());
        args.bind(session.device.as_str().to_owned()).bind(session.user_agent.clone());
        args.bind(session.addr.map(|addr| addr.to_string())).bind(session.created_at.0);
        args.bind(session.renewed_at.0).bind(session.expires_at.0);
        args.bind(bytes(family)).bind(bytes(refresh)).bind(older_ones(keep));
        let key = ("sessions", user.as_str());
        session_ids(&self.client.write_alone(key, CREATE, args.done()?).await?)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let find = concat!("SELECT ", columns!(), " FROM $.sessions WHERE id = $1");
        let id = Args::default().bind(id.as_str().to_owned()).done()?;
        self.client.read(find, id).await?.first().map(record).transpose()
    }

    async fn live_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let ids: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        let ids = Args::default().bind(ids).done()?;
        session_ids(&self.client.read(LIVE, ids).await?)
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        let find = concat!(
            "SELECT ",
            columns!(),
            " FROM $.sessions WHERE \"user\" = $1 ORDER BY created_at DESC, pk DESC"
        );
        let user = Args::default().bind(user.as_str().to_owned()).done()?;
        self.client.read(find, user).await?.iter().map(record).collect()
    }

    async fn renew_session(
        &self,
        id: &SessionId,
        renewed_at: Timestamp,
        expires_at: Timestamp,
        refresh: Option<(&SecretHash, &SecretHash)>,
    ) -> Result<bool, StoreError> {
        let (expected, next) = refresh.unzip();
        let mut args = Args::default();
        args.bind(renewed_at.0).bind(expires_at.0).bind(next.map(bytes));
        args.bind(id.as_str().to_owned()).bind(expected.map(bytes));
        let renew = "UPDATE $.sessions SET renewed_at = $1, expires_at = $2, \
                     refresh = coalesce($3, refresh) \
                     WHERE id = $4 AND ($5 IS NULL OR refresh = $5) RETURNING 1";
        Ok(!self.client.write(renew, args.done()?).await?.is_empty())
    }

    async fn remove_session(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        let mut args = Args::default();
        args.bind(id.as_str().to_owned()).bind(user.as_str().to_owned());
        let remove = "DELETE FROM $.sessions WHERE id = $1 AND \"user\" = $2 RETURNING 1";
        Ok(!self.client.write(remove, args.done()?).await?.is_empty())
    }

    async fn remove_sessions(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let user = user.as_str().to_owned();
        let mut args = Args::default();
        args.bind(user.clone()).bind(except.map(|id| id.as_str().to_owned()));
        let remove = "DELETE FROM $.sessions WHERE \"user\" = $1 AND id IS DISTINCT FROM $2 \
                      RETURNING id";
        // One that is being made at the same moment is before this or after it.
        let key = ("sessions", user.as_str());
        session_ids(&self.client.write_alone(key, remove, args.done()?).await?)
    }

    async fn put_ticket(&self, ticket: &Ticket, keep: usize) -> Result<bool, StoreError> {
        let session = ticket.session.as_str().to_owned();
        let mut args = Args::default();
        args.bind(bytes(&ticket.hash)).bind(session.clone());
        args.bind(ticket.expires_at.0).bind(older_ones(keep));
        let key = ("tickets", session.as_str());
        Ok(!self.client.write_alone(key, PUT_TICKET, args.done()?).await?.is_empty())
    }

    async fn ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        let find = "SELECT session, expires_at FROM $.tickets WHERE hash = $1";
        let args = Args::default().bind(bytes(hash)).done()?;
        let found = self.client.read(find, args).await?;
        found.first().map(|row| ticket(row, hash)).transpose()
    }

    async fn take_ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError> {
        let take = "DELETE FROM $.tickets WHERE hash = $1 RETURNING session, expires_at";
        let args = Args::default().bind(bytes(hash)).done()?;
        let taken = self.client.write(take, args).await?;
        taken.first().map(|row| ticket(row, hash)).transpose()
    }

    async fn remove_expired_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        // Tickets that go with their session are counted if they have expired themselves.
        let remove = "\
            WITH t AS (DELETE FROM $.tickets WHERE expires_at <= $1 RETURNING 1), \
            s AS (DELETE FROM $.sessions WHERE expires_at <= $1 RETURNING 1) \
            SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM s)";
        let now = Args::default().bind(now.0).done()?;
        let rows = self.client.write(remove, now).await?;
        rows.first().map_or(Ok(0), |row| Fields::of(row).number())
    }
}

#[cfg(test)]
mod tests {
    use crate::session_store_suite;
    use crate::store::postgres::tests::fresh;

    session_store_suite!(in one, fresh);
}
