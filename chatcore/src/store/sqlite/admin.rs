//! Admins, and what they count, in SQLite.

use async_trait::async_trait;

use super::SqliteStore;
use super::account::{find, record};
use super::error::failed;
use super::rows::Fields;
use crate::account::Account;
use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::{AdminStore, Day, Numbers, StoreError};

const NUMBERS: &str = "\
SELECT (SELECT count(*) FROM rooms WHERE deleted_at IS NULL), \
(SELECT count(*) FROM accounts WHERE NOT erased), \
(SELECT count(*) FROM sessions WHERE expires_at > ?), \
(SELECT coalesce(sum(size), 0) FROM attachments WHERE state BETWEEN 2 AND 5), \
(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)";

#[async_trait]
impl AdminStore for SqliteStore {
    async fn add_admin(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done =
            sqlx::query("INSERT INTO admins (user, since) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(user.as_str())
                .bind(at.0)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM admins WHERE user = ?")
            .bind(user.as_str())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn is_admin(&self, user: &UserId) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT 1 FROM admins WHERE user = ?")
            .bind(user.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        Ok(found.is_some())
    }

    async fn find_accounts(
        &self,
        name: &str,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(find!())
            .bind(name)
            .bind(after.map_or("", UserId::as_str))
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Ok(record(row)?.account)).collect()
    }

    async fn numbers(&self, now: Timestamp) -> Result<Numbers, StoreError> {
        let row = sqlx::query(NUMBERS)
            .bind(now.0)
            .fetch_one(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        let mut row = Fields::of(&row);
        Ok(Numbers {
            rooms: row.number()?,
            users: row.number()?,
            sessions: row.number()?,
            file_bytes: row.number()?,
            store_bytes: row.number()?,
        })
    }

    async fn keep_day(&self, day: Day) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO days (day, messages) VALUES (?, ?) \
             ON CONFLICT (day) DO UPDATE SET messages = excluded.messages",
        )
        .bind(day.day)
        .bind(i64::try_from(day.messages).unwrap_or(i64::MAX))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn days(&self, limit: u32) -> Result<Vec<Day>, StoreError> {
        let rows = sqlx::query("SELECT day, messages FROM days ORDER BY day DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
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
    use crate::store::sqlite::tests::fresh;

    admin_store_suite!(fresh);
}
