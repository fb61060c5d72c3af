//! Admins, and what they count, in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgArguments;

use super::PostgresStore;
use super::account::{find, record};
use super::error::corrupt;
use super::rows::{Fields, signed};
use super::sql::{Args, holds_nul};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{AdminStore, Day, Numbers, StoreError};

const ADD: &str = "\
INSERT INTO $.admins (\"user\", since) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1";

const REMOVE: &str = "DELETE FROM $.admins a WHERE a.user = $1 RETURNING 1";

const NUMBERS: &str = "\
SELECT (SELECT count(*) FROM $.rooms WHERE deleted_at IS NULL), \
(SELECT count(*) FROM $.accounts WHERE NOT erased), \
(SELECT count(*) FROM $.sessions WHERE expires_at > $1), \
(SELECT coalesce(sum(size), 0)::bigint FROM $.attachments WHERE state BETWEEN 2 AND 5), \
(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_class c \
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
 WHERE n.nspname = $2 AND c.relkind = 'r')";

const KEEP: &str = "\
INSERT INTO $.days (day, messages) VALUES ($1, $2) \
ON CONFLICT (day) DO UPDATE SET messages = excluded.messages";

#[async_trait]
impl AdminStore for PostgresStore {
    async fn add_admin(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let args = Args::default().bind(user.as_str().to_owned()).bind(at.0).done()?;
        Ok(!self.client.write(ADD, args).await?.is_empty())
    }

    async fn remove_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        let args = Args::default().bind(user.as_str().to_owned()).done()?;
        Ok(!self.client.write(REMOVE, args).await?.is_empty())
    }

    async fn is_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        let find = "SELECT 1 FROM $.admins a WHERE a.user = $1";
        let args = Args::default().bind(user.as_str().to_owned()).done()?;
        Ok(!self.client.read(find, args).await?.is_empty())
    }

    async fn find_accounts(
        &self,
        name: &str,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        if holds_nul(name) {
            return Ok(Vec::new());
        }
        let mut args = Args::default();
        args.bind(name.to_owned()).bind(after.map_or("", UserId::as_str).to_owned());
        let rows = self.client.read(find!(), args.bind(i64::from(limit)).done()?).await?;
        rows.iter().map(|row| Ok(record(row)?.account)).collect()
    }

    async fn numbers(&self, now: Timestamp) -> Result<Numbers, StoreError> {
        let args = Args::default().bind(now.0).bind(self.client.schema.clone()).done()?;
        let rows = self.client.read(NUMBERS, args).await?;
        let mut row = Fields::of(rows.first().ok_or_else(|| corrupt("no answer"))?);
        Ok(Numbers {
            rooms: row.number()?,
            users: row.number()?,
            sessions: row.number()?,
            file_bytes: row.number()?,
            store_bytes: row.number()?,
        })
    }

    async fn keep_day(&self, day: Day) -> Result<(), StoreError> {
        let mut args = Args::default();
        args.bind(i64::from(day.day)).bind(signed(day.messages));
        self.client.write(KEEP, args.done()?).await.map(drop)
    }

    async fn days(&self, limit: u32) -> Result<Vec<Day>, StoreError> {
        let find = "SELECT d.day, d.messages FROM $.days d ORDER BY d.day DESC LIMIT $1";
        let args: PgArguments = Args::default().bind(i64::from(limit)).done()?;
        let rows = self.client.read(find, args).await?;
        rows.iter()
            .map(|row| {
                let mut row = Fields::of(row);
                Ok(Day { day: row.number()?, messages: row.number()? })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::admin_store_suite;
    use crate::store::postgres::tests::fresh;

    admin_store_suite!(in one, fresh);
}
