use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::{
    Account, AccountRecord, DisplayName, Email, NameKey, NameKind, PasswordHash, ProfileChange,
};
use crate::id::UserId;

/// What came of giving an account its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Done.
    Done,
    /// Nothing was done: others hold these, each kind once, in the order of [`NameKind`].
    Taken(Vec<NameKind>),
    /// Nothing was done: there is no such account.
    NoSuchAccount,
}

/// Keeps accounts and the names that they hold.
///
/// # Contract
/// - Each method takes effect as a whole or not at all, and is durable when it returns.
/// - A [`NameKey`] belongs to one account at most. The store compares keys byte by byte and decides
///   while it writes: of two calls that want one key, one gets it.
/// - `generation` changes only through this trait, and only upwards.
/// - An account that was erased stays as [`erase_account`](Self::erase_account) left it: for whatever
///   would change it, there is no such account.
#[async_trait]
pub trait AccountStore: fmt::Debug + Send + Sync + 'static {
    /// Adds an account with all of [`Account::keys`]. Names every kind that is taken; a handle is also
    /// taken where one of [`Account::retired_keys`] is held.
    ///
    /// The id is fresh: one that is already there is [`StoreError::Corrupt`].
    async fn create_account(&self, record: &AccountRecord) -> Result<Naming, StoreError>;

    /// The account of that id.
    async fn account(&self, user: &UserId) -> Result<Option<AccountRecord>, StoreError>;

    /// The account that holds that key.
    async fn account_by_name(&self, key: &NameKey) -> Result<Option<AccountRecord>, StoreError>;

    /// The accounts of those of the ids that exist, each once, in any order. At most 1,000 are asked
    /// for at once.
    async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, StoreError>;

    /// Changes a profile and returns the account as it is then; `None` if there is none.
    async fn change_profile(
        &self,
        user: &UserId,
        change: &ProfileChange,
    ) -> Result<Option<Account>, StoreError>;

    /// Gives an account an address, instead of the one that it had.
    async fn set_email(&self, user: &UserId, email: &Email) -> Result<Naming, StoreError>;

    /// Replaces the password's hash if the generation is still `expected`, and adds 1 to it if
    /// `renew`. Whether it was replaced.
    async fn set_password(
        &self,
        user: &UserId,
        expected: u64,
        password: &PasswordHash,
        renew: bool,
    ) -> Result<bool, StoreError>;

    /// Switches an account off or on, and adds 1 to its generation. Whether there is such an account.
    async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<bool, StoreError>;

    /// Erases what an account says of a person: all names, the picture, the password. It is called
    /// `shown` from then on, is switched off, of a new generation, and holds [`Account::retired_keys`]
    /// and no other name. Whether there was such an account, not yet erased.
    async fn erase_account(&self, user: &UserId, shown: &DisplayName) -> Result<bool, StoreError>;

    /// How many accounts were ever made.
    async fn count_accounts(&self) -> Result<u64, StoreError>;
}
