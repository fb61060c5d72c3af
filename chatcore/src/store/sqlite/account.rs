//! Accounts in SQLite.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use crate::account::{
    Account, AccountRecord, DisplayName, Email, ExternalId, Handle, NameKey, NameKind,
    PasswordHash, ProfileChange,
};
use crate::id::{AttachmentId, UserId};
use crate::store::sql::rows::{generation, name_kind_from, name_kind_number};
use crate::store::{AccountStore, Naming, StoreError};

/// The columns of [`record`], of `a`.
macro_rules! columns {
    () => {
        "a.id, a.handle, a.email, a.display_name, a.external_id, a.avatar, a.created_at, \
         a.disabled, a.password, a.generation"
    };
}

/// Accounts that hold `?1` in a name, behind the id `?2`.
macro_rules! find {
    () => {
        concat!(
            "SELECT ",
            $crate::store::sqlite::account::columns!(),
            " FROM accounts AS a WHERE a.id > ?2 AND NOT a.erased AND (a.id = ?1 \
             OR instr(lower(a.display_name), lower(?1)) > 0 \
             OR instr(lower(coalesce(a.handle, '')), lower(?1)) > 0 \
             OR instr(lower(coalesce(a.email, '')), lower(?1)) > 0) ORDER BY a.id LIMIT ?3"
        )
    };
}
pub(super) use {columns, find};

pub(super) fn record(row: &SqliteRow) -> Result<AccountRecord, StoreError> {
    let mut fields = Fields::of(row);
    let account = Account {
        id: fields.user()?,
        handle: fields.take::<Option<&str>>()?.map(Handle::from_stored),
        email: fields.take::<Option<&str>>()?.map(Email::from_stored),
        display_name: DisplayName::from_stored(fields.take::<&str>()?),
        external_id: fields.take::<Option<&str>>()?.map(ExternalId::from_stored),
        avatar: fields
            .take::<Option<&str>>()?
            .map(AttachmentId::parse)
            .transpose()
            .map_err(corrupt)?,
        created_at: fields.time()?,
        disabled: fields.take()?,
    };
    let password = PasswordHash::from_stored(fields.take::<&str>()?);
    Ok(AccountRecord { account, password, generation: fields.number()? })
}

/// `[[kind, key], …]`, for `json_each`.
fn keys_json(keys: &[NameKey]) -> Result<String, StoreError> {
    let pairs: Vec<_> =
        keys.iter().map(|name| (name_kind_number(name.kind), name.key.as_str())).collect();
    serde_json::to_string(&pairs).map_err(corrupt)
}

/// The kinds of those keys that an account other than `own` holds, each once and in order.
async fn taken(
    tx: &mut SqliteConnection,
    keys: &str,
    own: Option<i64>,
) -> Result<Vec<NameKind>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT n.kind FROM json_each(?) AS w CROSS JOIN account_names AS n \
         ON n.kind = w.value ->> 0 AND n.key = w.value ->> 1 \
         WHERE n.account IS NOT ? ORDER BY n.kind",
    )
    .bind(keys)
    .bind(own)
    .fetch_all(tx)
    .await
    .map_err(failed)?;
    rows.iter().map(|row| name_kind_from(Fields::of(row).take()?)).collect()
}

async fn claim(tx: &mut SqliteConnection, keys: &str, account: i64) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO account_names SELECT value ->> 0, value ->> 1, ? FROM json_each(?)")
        .bind(account)
        .bind(keys)
        .execute(tx)
        .await
        .map(drop)
        .map_err(failed)
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create_account(&self, record: &AccountRecord) -> Result<Naming, StoreError> {
        let AccountRecord { account, password, generation: of } = record;
        let keys = keys_json(&account.keys())?;
        let mut tx = self.write().await?;
        let mut wanted = account.retired_keys();
        wanted.extend(account.keys());
        let taken = taken(&mut tx, &keys_json(&wanted)?, None).await?;
        if !taken.is_empty() {
            return Ok(Naming::Taken(taken));
        }
        let inserted = sqlx::query(
            "INSERT INTO accounts (id, handle, email, display_name, external_id, avatar, \
             created_at, disabled, password, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(account.id.as_str())
        .bind(account.handle.as_ref().map(Handle::as_str))
        .bind(account.email.as_ref().map(Email::as_str))
        .bind(account.display_name.as_str())
        .bind(account.external_id.as_ref().map(ExternalId::as_str))
        .bind(account.avatar.as_ref().map(AttachmentId::as_str))
        .bind(account.created_at.0)
        .bind(account.disabled)
        .bind(password.as_str())
        .bind(generation(*of))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        claim(&mut tx, &keys, inserted.last_insert_rowid()).await?;
        tx.commit().await?;
        Ok(Naming::Done)
    }

    async fn account(&self, user: &UserId) -> Result<Option<AccountRecord>, StoreError> {
        let found =
            sqlx::query(concat!("SELECT ", columns!(), " FROM accounts AS a WHERE a.id = ?"))
                .bind(user.as_str())
                .fetch_optional(&mut *self.read().await?)
                .await
                .map_err(failed)?;
        found.as_ref().map(record).transpose()
    }

    async fn account_by_name(&self, key: &NameKey) -> Result<Option<AccountRecord>, StoreError> {
        let found = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM account_names AS n CROSS JOIN accounts AS a ON a.pk = n.account \
             WHERE n.kind = ? AND n.key = ?"
        ))
        .bind(name_kind_number(key.kind))
        .bind(&key.key)
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        found.as_ref().map(record).transpose()
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(),
            " FROM accounts AS a WHERE a.id IN (SELECT value FROM json_each(?))"
        ))
        .bind(serde_json::to_string(users).map_err(corrupt)?)
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| Ok(record(row)?.account)).collect()
    }

    async fn change_profile(
        &self,
        user: &UserId,
        change: &ProfileChange,
    ) -> Result<Option<Account>, StoreError> {
        let mut tx = self.write().await?;
        let avatar = change.avatar.as_ref();
        let changed = sqlx::query(concat!(
            "UPDATE accounts AS a SET display_name = coalesce(?, display_name), \
             avatar = CASE WHEN ? THEN ? ELSE avatar END WHERE id = ? AND NOT erased RETURNING ",
            // RETURNING knows the table by its own name only, and its columns by theirs.
            "id, handle, email, display_name, external_id, avatar, created_at, disabled, \
             password, generation"
        ))
        .bind(change.display_name.as_ref().map(DisplayName::as_str))
        .bind(avatar.is_some())
        .bind(avatar.and_then(|avatar| avatar.as_ref()).map(AttachmentId::as_str))
        .bind(user.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        let account = changed.as_ref().map(record).transpose()?.map(|record| record.account);
        tx.commit().await?;
        Ok(account)
    }

    async fn set_email(&self, user: &UserId, email: &Email) -> Result<Naming, StoreError> {
        let mut tx = self.write().await?;
        let found = sqlx::query("SELECT pk, email FROM accounts WHERE id = ? AND NOT erased")
            .bind(user.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?;
        let Some(row) = found else { return Ok(Naming::NoSuchAccount) };
        let mut fields = Fields::of(&row);
        let pk: i64 = fields.take()?;
        let old = fields.take::<Option<&str>>()?.map(Email::from_stored);
        let keys = keys_json(&[email.key()])?;
        let taken = taken(&mut tx, &keys, Some(pk)).await?;
        if !taken.is_empty() {
            return Ok(Naming::Taken(taken));
        }
        if let Some(old) = old {
            sqlx::query("DELETE FROM account_names WHERE kind = ? AND key = ?")
                .bind(name_kind_number(NameKind::Email))
                .bind(old.key().key)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        claim(&mut tx, &keys, pk).await?;
        sqlx::query("UPDATE accounts SET email = ? WHERE pk = ?")
            .bind(email.as_str())
            .bind(pk)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await?;
        Ok(Naming::Done)
    }

    async fn set_password(
        &self,
        user: &UserId,
        expected: u64,
        password: &PasswordHash,
        renew: bool,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE accounts SET password = ?, generation = generation + ? \
             WHERE id = ? AND generation = ?",
        )
        .bind(password.as_str())
        .bind(renew)
        .bind(user.as_str())
        .bind(generation(expected))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "UPDATE accounts SET disabled = ?, generation = generation + 1 \
             WHERE id = ? AND NOT erased",
        )
        .bind(disabled)
        .bind(user.as_str())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn erase_account(&self, user: &UserId, shown: &DisplayName) -> Result<bool, StoreError> {
        let Some(record) = self.account(user).await? else { return Ok(false) };
        let mut tx = self.write().await?;
        let erased = sqlx::query(
            "UPDATE accounts SET handle = NULL, email = NULL, display_name = ?, \
             external_id = NULL, avatar = NULL, password = ?, disabled = 1, \
             generation = generation + 1, erased = 1 WHERE id = ? AND NOT erased RETURNING pk",
        )
        .bind(shown.as_str())
        .bind(PasswordHash::none().as_str().to_owned())
        .bind(user.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        let Some(row) = erased else { return Ok(false) };
        let pk: i64 = Fields::of(&row).take()?;
        sqlx::query("DELETE FROM account_names WHERE account = ?")
            .bind(pk)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        // A handle never changes, so that what was read before is what was removed.
        claim(&mut tx, &keys_json(&record.account.retired_keys())?, pk).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn count_accounts(&self) -> Result<u64, StoreError> {
        let ever = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'accounts'";
        let row = sqlx::query(ever).fetch_one(&mut *self.read().await?).await.map_err(failed)?;
        Fields::of(&row).number()
    }
}

#[cfg(test)]
mod tests {
    use crate::account_store_suite;
    use crate::store::sqlite::tests::fresh;

    account_store_suite!(fresh);
}
