//! What waits for the proof of an e-mail address, in PostgreSQL.

use std::cmp::Reverse;

use async_trait::async_trait;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::error::corrupt;
use super::rows::Fields;
use super::session::{bytes, older_ones};
use super::sql::{Args, holds_nul};
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

const PUT: &str = concat!(
    "WITH old AS (DELETE FROM $.verifications WHERE pk IN (SELECT pk FROM $.verifications \
       WHERE purpose = $1 AND subject = $2 ORDER BY created_at DESC, pk DESC OFFSET $11)) \
     INSERT INTO $.verifications (purpose, subject, ",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM $.verifications WHERE purpose = $1 AND subject = $2 AND expires_at > $3 \
     ORDER BY created_at DESC, pk DESC"
);

const TRY: &str = concat!(
    "UPDATE $.verifications SET tries = tries + 1 \
     WHERE purpose = $1 AND subject = $2 AND expires_at > $3 AND tries < $4 RETURNING pk, ",
    columns!()
);

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

fn all(rows: &[PgRow]) -> Result<Vec<Verification>, StoreError> {
    rows.iter().map(|row| verification(&mut Fields::of(row))).collect()
}

fn of(purpose: Purpose, subject: &str) -> Args {
    let mut args = Args::default();
    args.bind(purpose_number(purpose)).bind(subject.to_owned());
    args
}

#[async_trait]
impl VerificationStore for PostgresStore {
    async fn put_verification(
        &self,
        verification: &Verification,
        keep: usize,
    ) -> Result<(), StoreError> {
        let subject = verification.subject();
        let mut args = of(verification.purpose(), &subject);
        args.bind(verification.id.clone()).bind(verification.email.as_str().to_owned());
        args.bind(serde_json::to_string(&verification.pending).map_err(corrupt)?);
        args.bind(verification.code.as_ref().map(bytes));
        args.bind(verification.link.as_ref().map(bytes));
        args.bind(i64::from(verification.tries));
        args.bind(verification.created_at.0).bind(verification.expires_at.0);
        args.bind(older_ones(keep));
        self.client.write_alone(("verifications", &subject), PUT, args.done()?).await.map(drop)
    }

    async fn verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        if holds_nul(subject) {
            return Ok(Vec::new());
        }
        let args = of(purpose, subject).bind(now.0).done()?;
        all(&self.client.read(FIND, args).await?)
    }

    async fn try_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        max_tries: u32,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError> {
        if holds_nul(subject) {
            return Ok(Vec::new());
        }
        let args = of(purpose, subject).bind(now.0).bind(i64::from(max_tries)).done()?;
        let rows = self.client.write(TRY, args).await?;
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
        let find = concat!(
            "SELECT ",
            columns!(),
            " FROM $.verifications WHERE link = $1 AND expires_at > $2"
        );
        let args = Args::default().bind(bytes(link)).bind(now.0).done()?;
        let rows = self.client.read(find, args).await?;
        rows.first().map(|row| verification(&mut Fields::of(row))).transpose()
    }

    async fn remove_verification(&self, id: &str) -> Result<bool, StoreError> {
        if holds_nul(id) {
            return Ok(false);
        }
        let remove = "DELETE FROM $.verifications WHERE id = $1 RETURNING 1";
        let id = Args::default().bind(id.to_owned()).done()?;
        Ok(!self.client.write(remove, id).await?.is_empty())
    }

    async fn remove_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
    ) -> Result<(), StoreError> {
        if holds_nul(subject) {
            return Ok(());
        }
        let remove = "DELETE FROM $.verifications WHERE purpose = $1 AND subject = $2";
        let args = of(purpose, subject).done()?;
        self.client.write_alone(("verifications", subject), remove, args).await.map(drop)
    }

    async fn remove_expired_verifications(&self, now: Timestamp) -> Result<u64, StoreError> {
        let remove = "DELETE FROM $.verifications WHERE expires_at <= $1 RETURNING 1";
        let now = Args::default().bind(now.0).done()?;
        Ok(self.client.write(remove, now).await?.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::postgres::tests::fresh;
    use crate::verification_store_suite;

    verification_store_suite!(in one, fresh);
}
