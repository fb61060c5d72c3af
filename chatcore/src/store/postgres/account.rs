//! Accounts in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};

use super::PostgresStore;
use super::error::{corrupt, failed};
use super::rows::Fields;
use super::sql::{Args, holds_nul};
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

/// Names that are wanted, `$1` and `$2`, and the kinds of those that others hold, among them handles of
/// which only the hash is left, `$13`. A name that another takes at the same moment breaks the key, and is found when this is tried again.
const CREATE: &str = "\
WITH want AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS w (kind, key)), \
     taken AS MATERIALIZED (SELECT DISTINCT n.kind \
       FROM (SELECT * FROM want UNION ALL SELECT 1, unnest($13::text[])) w (kind, key) \
       JOIN $.account_names n ON n.kind = w.kind AND n.key = w.key), \
     new AS (INSERT INTO $.accounts (id, handle, email, display_name, external_id, avatar, \
       created_at, disabled, password, generation) \
       SELECT $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 WHERE NOT EXISTS (SELECT 1 FROM taken) \
       RETURNING pk), \
     named AS (INSERT INTO $.account_names SELECT w.kind, w.key, new.pk FROM new, want w), \
     counted AS (UPDATE $.account_total SET made = made + 1 FROM new) \
     SELECT kind FROM taken ORDER BY kind";

/// The first row says whether there is such an account.
const SET_EMAIL: &str = "WITH own AS MATERIALIZED (SELECT pk FROM $.accounts WHERE id = $3 AND NOT erased FOR UPDATE), \
     taken AS MATERIALIZED (SELECT DISTINCT n.kind FROM $.account_names n \
       WHERE n.kind = 2 AND n.key = $2 AND NOT EXISTS (SELECT 1 FROM own WHERE own.pk = n.account)), \
     free AS MATERIALIZED (SELECT pk FROM own WHERE NOT EXISTS (SELECT 1 FROM taken)), \
     gone AS (DELETE FROM $.account_names n USING free \
       WHERE n.account = free.pk AND n.kind = 2 AND n.key <> $2), \
     named AS (INSERT INTO $.account_names SELECT 2, $2, free.pk FROM free WHERE NOT EXISTS ( \
       SELECT 1 FROM $.account_names n WHERE n.kind = 2 AND n.key = $2)), \
     set AS (UPDATE $.accounts a SET email = $1 FROM free WHERE a.pk = free.pk) \
     SELECT NULL::bigint FROM own UNION ALL SELECT kind FROM taken, own";

/// A handle never changes, so that what was read of it before is what is removed.
const ERASE: &str = "\
WITH gone AS (UPDATE $.accounts SET handle = NULL, email = NULL, display_name = $2, \
       external_id = NULL, avatar = NULL, password = $3, disabled = true, \
       generation = generation + 1, erased = true WHERE id = $1 AND NOT erased RETURNING pk), \
     freed AS (DELETE FROM $.account_names n USING gone WHERE n.account = gone.pk), \
     retired AS (INSERT INTO $.account_names SELECT 1, e.key, gone.pk \
       FROM gone, unnest($4::text[]) AS e (key)) \
     SELECT 1 FROM gone";

/// Accounts that hold `$1` in a name, behind the id `$2`.
macro_rules! find {
    () => {
        concat!(
            "SELECT ",
            $crate::store::postgres::account::columns!(),
            " FROM $.accounts a WHERE a.id > $2 AND NOT a.erased AND (a.id = $1 \
             OR strpos(lower(a.display_name), lower($1)) > 0 \
             OR strpos(lower(coalesce(a.handle, '')), lower($1)) > 0 \
             OR strpos(lower(coalesce(a.email, '')), lower($1)) > 0) ORDER BY a.id LIMIT $3"
        )
    };
}
pub(super) use {columns, find};

pub(super) fn record(row: &PgRow) -> Result<AccountRecord, StoreError> {
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

#[async_trait]
impl AccountStore for PostgresStore {
    async fn create_account(&self, record: &AccountRecord) -> Result<Naming, StoreError> {
        let AccountRecord { account, password, generation: of } = record;
        let keys = account.keys();
        let mut args = Args::default();
        args.bind(keys.iter().map(|name| name_kind_number(name.kind)).collect::<Vec<_>>());
        args.bind(keys.iter().map(|name| name.key.clone()).collect::<Vec<_>>());
        args.bind(account.id.as_str().to_owned());
        args.bind(account.handle.as_ref().map(|handle| handle.as_str().to_owned()));
        args.bind(account.email.as_ref().map(|email| email.as_str().to_owned()));
        args.bind(account.display_name.as_str().to_owned());
        args.bind(account.external_id.as_ref().map(|id| id.as_str().to_owned()));
        args.bind(account.avatar.as_ref().map(|avatar| avatar.as_str().to_owned()));
        args.bind(account.created_at.0).bind(account.disabled);
        args.bind(password.as_str().to_owned()).bind(generation(*of));
        args.bind(account.retired_keys().into_iter().map(|name| name.key).collect::<Vec<_>>());
        let taken = self.client.write_first(CREATE, args.done()?).await?;
        if taken.is_empty() {
            return Ok(Naming::Done);
        }
        let kinds = taken.iter().map(|row| name_kind_from(Fields::of(row).take()?));
        Ok(Naming::Taken(kinds.collect::<Result<_, StoreError>>()?))
    }

    async fn account(&self, user: &UserId) -> Result<Option<AccountRecord>, StoreError> {
        let find = concat!("SELECT ", columns!(), " FROM $.accounts a WHERE a.id = $1");
        let user = Args::default().bind(user.as_str().to_owned()).done()?;
        self.client.read(find, user).await?.first().map(record).transpose()
    }

    async fn account_by_name(&self, key: &NameKey) -> Result<Option<AccountRecord>, StoreError> {
        if holds_nul(&key.key) {
            return Ok(None);
        }
        let find = concat!(
            "SELECT ",
            columns!(),
            " FROM $.account_names n JOIN $.accounts a ON a.pk = n.account \
             WHERE n.kind = $1 AND n.key = $2"
        );
        let key = Args::default().bind(name_kind_number(key.kind)).bind(key.key.clone()).done()?;
        self.client.read(find, key).await?.first().map(record).transpose()
    }

    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, StoreError> {
        let find = concat!("SELECT ", columns!(), " FROM $.accounts a WHERE a.id = ANY ($1)");
        let users: Vec<_> = users.iter().map(|user| user.as_str().to_owned()).collect();
        let rows = self.client.read(find, Args::default().bind(users).done()?).await?;
        rows.iter().map(|row| Ok(record(row)?.account)).collect()
    }

    async fn change_profile(
        &self,
        user: &UserId,
        change: &ProfileChange,
    ) -> Result<Option<Account>, StoreError> {
        let set = concat!(
            "UPDATE $.accounts a SET display_name = coalesce($1, a.display_name), \
             avatar = CASE WHEN $2 THEN $3 ELSE a.avatar END WHERE a.id = $4 AND NOT a.erased RETURNING ",
            columns!()
        );
        let avatar = change.avatar.as_ref();
        let mut args = Args::default();
        args.bind(change.display_name.as_ref().map(|name| name.as_str().to_owned()));
        args.bind(avatar.is_some());
        args.bind(avatar.and_then(|avatar| avatar.as_ref()).map(|id| id.as_str().to_owned()));
        args.bind(user.as_str().to_owned());
        let rows = self.client.write(set, args.done()?).await?;
        rows.first().map(|row| Ok(record(row)?.account)).transpose()
    }

    async fn set_email(&self, user: &UserId, email: &Email) -> Result<Naming, StoreError> {
        let mut args = Args::default();
        args.bind(email.as_str().to_owned()).bind(email.key().key);
        args.bind(user.as_str().to_owned());
        let rows = self.client.write_first(SET_EMAIL, args.done()?).await?;
        let found: Vec<Option<i64>> =
            rows.iter().map(|row| Fields::of(row).take()).collect::<Result<_, StoreError>>()?;
        let taken = found.iter().flatten().map(|kind| name_kind_from(*kind));
        let taken: Vec<NameKind> = taken.collect::<Result<_, StoreError>>()?;
        Ok(match (found.is_empty(), taken.is_empty()) {
            (true, _) => Naming::NoSuchAccount,
            (false, true) => Naming::Done,
            (false, false) => Naming::Taken(taken),
        })
    }

    async fn set_password(
        &self,
        user: &UserId,
        expected: u64,
        password: &PasswordHash,
        renew: bool,
    ) -> Result<bool, StoreError> {
        let set = "UPDATE $.accounts SET password = $1, generation = generation + $2 \
                   WHERE id = $3 AND generation = $4 RETURNING 1";
        let mut args = Args::default();
        args.bind(password.as_str().to_owned()).bind(i64::from(renew));
        args.bind(user.as_str().to_owned()).bind(generation(expected));
        Ok(!self.client.write(set, args.done()?).await?.is_empty())
    }

    async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<bool, StoreError> {
        let set = "UPDATE $.accounts SET disabled = $1, generation = generation + 1 \
                   WHERE id = $2 AND NOT erased RETURNING 1";
        let args = Args::default().bind(disabled).bind(user.as_str().to_owned()).done()?;
        Ok(!self.client.write(set, args).await?.is_empty())
    }

    async fn erase_account(&self, user: &UserId, shown: &DisplayName) -> Result<bool, StoreError> {
        let Some(record) = self.account(user).await? else { return Ok(false) };
        let mut args = Args::default();
        args.bind(user.as_str().to_owned()).bind(shown.as_str().to_owned());
        args.bind(PasswordHash::none().as_str().to_owned());
        let retired = record.account.retired_keys();
        args.bind(retired.into_iter().map(|name| name.key).collect::<Vec<_>>());
        Ok(!self.client.write(ERASE, args.done()?).await?.is_empty())
    }

    async fn count_accounts(&self) -> Result<u64, StoreError> {
        let ever = "SELECT made FROM $.account_total";
        let rows = self.client.read(ever, PgArguments::default()).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound).map_err(failed)?;
        Fields::of(row).number()
    }
}

#[cfg(test)]
mod tests {
    use crate::account_store_suite;
    use crate::store::postgres::tests::fresh;

    account_store_suite!(in one, fresh);
}
