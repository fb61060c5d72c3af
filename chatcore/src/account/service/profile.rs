use async_trait::async_trait;

use super::login::bound;
use super::{Accounts, settle};
use crate::account::password::Checked;
use crate::account::{
    Account, AccountError, AccountRecord, Directory, DisplayName, LoginName, Password,
    PasswordHash, PasswordRules, Profile, ProfileChange,
};
use crate::error::Invalid;
use crate::id::{AttachmentId, SessionId, UserId};
use crate::store::StoreError;

impl Accounts {
    /// An account.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound), [`Store`](AccountError::Store).
    pub async fn account(&self, user: &UserId) -> Result<Account, AccountError> {
        Ok(self.record(user).await?.account)
    }

    /// Those of the accounts that exist, in any order. At most 1,000 may be asked for at once.
    ///
    /// # Errors
    /// [`Store`](AccountError::Store).
    pub async fn accounts(&self, users: &[UserId]) -> Result<Vec<Account>, AccountError> {
        Ok(self.inner.parts.accounts.accounts(users).await?)
    }

    /// Whose name that is: compared as at login, so that a look-alike finds nobody.
    ///
    /// # Errors
    /// [`Store`](AccountError::Store).
    pub async fn find(&self, name: &LoginName) -> Result<Option<Account>, AccountError> {
        let Some(name) = name.parse() else { return Ok(None) };
        Ok(self.record_of(&name).await?.map(|record| record.account))
    }

    /// How many accounts were ever made.
    ///
    /// # Errors
    /// [`Store`](AccountError::Store).
    pub async fn count(&self) -> Result<u64, AccountError> {
        Ok(self.inner.parts.accounts.count_accounts().await?)
    }

    /// Changes what others see.
    ///
    /// # Errors
    /// [`Invalid`](AccountError::Invalid), [`NotFound`](AccountError::NotFound),
    /// [`Store`](AccountError::Store).
    pub async fn set_display_name(
        &self,
        user: &UserId,
        name: &str,
    ) -> Result<Account, AccountError> {
        let change = ProfileChange { display_name: Some(DisplayName::parse(name)?), avatar: None };
        self.update_profile(user, change).await
    }

    /// Sets the picture, or takes it away.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound), [`Store`](AccountError::Store).
    pub async fn set_avatar(
        &self,
        user: &UserId,
        avatar: Option<AttachmentId>,
    ) -> Result<Account, AccountError> {
        self.update_profile(user, ProfileChange { display_name: None, avatar: Some(avatar) }).await
    }

    /// Changes a profile in one go.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound), [`Store`](AccountError::Store).
    pub async fn update_profile(
        &self,
        user: &UserId,
        change: ProfileChange,
    ) -> Result<Account, AccountError> {
        let changed = self.inner.parts.accounts.change_profile(user, &change).await?;
        changed.ok_or(AccountError::NotFound)
    }

    /// Replaces a password, and ends all sessions but the one that is named.
    ///
    /// # Errors
    /// [`WrongPassword`](AccountError::WrongPassword) if `current` is not it;
    /// [`Invalid`](AccountError::Invalid); [`NotFound`](AccountError::NotFound);
    /// [`RateLimited`](AccountError::RateLimited).
    pub async fn change_password(
        &self,
        user: &UserId,
        current: &Password,
        new: &Password,
        keep: Option<&SessionId>,
    ) -> Result<(), AccountError> {
        bound(current, "current")?;
        PasswordRules::NATIVE
            .check(new)
            .map_err(|invalid| Invalid { field: "new".into(), ..invalid })?;
        self.inner.throttles.login(user.as_str(), None)?;
        let AccountRecord { password, generation, .. } = self.record(user).await?;
        if self.inner.hasher.check(current, Some(&password)).await? == Checked::Wrong {
            return Err(AccountError::WrongPassword);
        }
        let hash = self.inner.hasher.hash(new).await?;
        let (this, user, keep) = (self.clone(), user.clone(), keep.cloned());
        settle(async move {
            // If someone else was faster, `current` is not the password any more.
            let replaced = this.replace_password(&user, generation, &hash, keep.as_ref()).await?;
            if replaced { Ok(()) } else { Err(AccountError::WrongPassword) }
        })
        .await
    }

    /// Puts a new password in the place of the one of that generation, and ends all sessions but
    /// one. Whether it was still of that generation.
    ///
    /// Sessions end before and after: what a failure in the middle leaves is an account that must log
    /// in again, never a new password beside sessions that the old one opened.
    pub(super) async fn replace_password(
        &self,
        user: &UserId,
        generation: u64,
        hash: &PasswordHash,
        keep: Option<&SessionId>,
    ) -> Result<bool, AccountError> {
        self.end_all(user, keep).await?;
        let accounts = &self.inner.parts.accounts;
        let replaced = accounts.set_password(user, generation, hash, true).await?;
        if replaced {
            self.end_all(user, keep).await?;
        }
        Ok(replaced)
    }

    /// Switches an account off, which ends all of its sessions, or on again.
    ///
    /// # Errors
    /// [`NotFound`](AccountError::NotFound), [`Store`](AccountError::Store).
    pub async fn set_disabled(&self, user: &UserId, disabled: bool) -> Result<(), AccountError> {
        let (this, user) = (self.clone(), user.clone());
        settle(async move {
            if !this.inner.parts.accounts.set_disabled(&user, disabled).await? {
                return Err(AccountError::NotFound);
            }
            this.end_all(&user, None).await.map(drop)
        })
        .await
    }

    pub(super) async fn record(&self, user: &UserId) -> Result<AccountRecord, AccountError> {
        let record = self.inner.parts.accounts.account(user).await?;
        record.ok_or(AccountError::NotFound)
    }
}

#[async_trait]
impl Directory for Accounts {
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let accounts = self.inner.parts.accounts.accounts(users).await?;
        Ok(accounts.into_iter().map(Profile::from).collect())
    }

    async fn find(&self, name: &str) -> Result<Option<UserId>, StoreError> {
        match Self::find(self, &LoginName::Any(name.into())).await {
            Ok(found) => Ok(found.map(|account| account.id)),
            Err(AccountError::Store(error)) => Err(error),
            Err(other) => Err(StoreError::Unavailable(other.into())),
        }
    }
}
