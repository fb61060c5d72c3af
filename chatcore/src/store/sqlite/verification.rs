//! What waits for the proof of an e-mail address, in SQLite.

use std::cmp::Reverse;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use super::session::older_ones;
use crate::account::{Email, Purpose, SecretHash, Verification};
use crate::clock::Timestamp;
use crate::store::sql::rows::purpose_number;
use crate::store::{StoreError, VerificationStore};

/// The columns of [`verification`].
macro_rules! columns {
    () => {
        "id, email, pending, code, link, tries, created_at, expires_at"
    };
}

fn verification(fields: &mut Fields<'_>) -> Result<Verification, StoreError> {
    let hash = |bytes: Option<&[u8]>| {
        let bytes = bytes.map(<[u8; 32]>::try_from).transpose().map_err(corrupt)?;
        Ok::<_, StoreError>(bytes.map(SecretHash::from_bytes))
    };
    Ok(Verification {
        id: fields.take()?,
        email: Email::from_stored(fields.take::<&str>()?),
        pending: serde_json::from_str(fields.take()?).map_err(corrupt)?,
        code: hash(fields.take()?)?,
        link: hash(fields.take()?)?,
        tries: fields.number()?,
        created_at: fields.time()?,
        expires_at: fields.time()?,
    })
}

fn all(rows: &[SqliteRow]) -> Result<Vec<Verification>, StoreError> {
    rows.iter().map(|row| verification(&mut Fields::of(row))).collect()
}

#[async_trait]
impl VerificationStore for SqliteStore {
    async fn put_verification(
        &self,
        verification: &Verification,
        keep: usize,
    ) -> Result<(), StoreError> {
        let (purpose, subject) = (purpose_number(verification.purpose()), verification.subject());
        let pending = serde_json::to_string(&verification.pending).map_err(corrupt)?;
        let mut tx = self.write().await?;
        sqlx::query(
            "DELETE FROM verifications WHERE pk IN (SELECT pk FROM verifications \
             WHERE purpose = ? AND subject = ? \
             ORDER BY created_at DESC, pk DESC LIMIT -1 OFFSET ?)",
        )
        .bind(purpose)
        .bind(&subject)
        .bind(older_ones(keep))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        sqlx::query(concat!(
            "INSERT INTO verifications (purpose, subject, ",
            columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))
        .bind(purpose)
        .bind(subject)
        .bind(&verification.id)
        .bind(verification.email.as_str())
        .bind(pending)
        .bind(verification.code.as_ref().map(|hash| hash.as_bytes().as_slice()))
        .bind(verification.link.as_ref().map(|hash| hash.as_bytes().as_slice()))
        .bind(verification.tries)
        .bind(verification.created_at.0)
        .bind(verification.expires_at.0)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM verifications WHERE purpose = ? AND subject = ? AND expires_at > ? \
             ORDER BY created_at DESC, pk DESC"
        ))
        .bind(purpose_number(purpose))
        .bind(subject)
        .bind(now.0)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        all(&rows)
    }

    async fn try_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        max_tries: u32,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(concat!(
            "UPDATE verifications SET tries = tries + 1 \
             WHERE purpose = ? AND subject = ? AND expires_at > ? AND tries < ? RETURNING pk, ",
            columns!()
        ))
        .bind(purpose_number(purpose))
        .bind(subject)
        .bind(now.0)
        .bind(max_tries)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        // RETURNING gives them in no order.
        let mut tried = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut fields = Fields::of(row);
            let pk: i64 = fields.take()?;
            tried.push((pk, verification(&mut fields)?));
        }
        tried.sort_by_key(|(pk, verification)| Reverse((verification.created_at, *pk)));
        Ok(tried.into_iter().map(|(_, verification)| verification).collect())
    }

    async fn verification_by_link(
        &self,
        link: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<Verification>, StoreError> {
        let found = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM verifications WHERE link = ? AND expires_at > ?"
        ))
        .bind(link.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        found.map(|row| verification(&mut Fields::of(&row))).transpose()
    }

    async fn remove_verification(&self, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM verifications WHERE id = ?")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn remove_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM verifications WHERE purpose = ? AND subject = ?")
            .bind(purpose_number(purpose))
            .bind(subject)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await
    }

    async fn remove_expired_verifications(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM verifications WHERE expires_at <= ?")
            .bind(now.0)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::sqlite::tests::fresh;
    use crate::verification_store_suite;

    verification_store_suite!(fresh);
}
