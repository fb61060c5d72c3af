use super::login::bound;
use super::{Accounts, settle};
use crate::account::password::Checked;
use crate::account::{AccountError, DisplayName, Password, Purpose};
use crate::id::UserId;

/// What someone who was erased is called.
const ERASED: &str = "deleted user";

impl Accounts {
    /// Checks the password of someone who is signed in, before what cannot be taken back. Counts as a
    /// try to log in.
    ///
    /// # Errors
    /// [`WrongPassword`](AccountError::WrongPassword); [`NotFound`](AccountError::NotFound);
    /// [`RateLimited`](AccountError::RateLimited).
    pub async fn check_password(
        &self,
        user: &UserId,
        password: &Password,
    ) -> Result<(), AccountError> {
        bound(password, "password")?;
        self.inner.throttles.login(user.as_str(), None)?;
        let record = self.record(user).await?;
        match self.inner.hasher.check(password, Some(&record.password)).await? {
            Checked::Wrong => Err(AccountError::WrongPassword),
            Checked::Right | Checked::RightButOutdated => Ok(()),
        }
    }

    /// Takes from an account all that it says of a person, and ends its sessions. The address is free
    /// for whoever proves that it is theirs; the handle is nobody's again, so that nobody can pass for
    /// the one who had it. Calling it again does no harm.
    ///
    /// What they wrote is not touched by this: see [`Chat::erase`](crate::Chat::erase).
    pub(crate) async fn erase(&self, user: &UserId) -> Result<(), AccountError> {
        let (this, user) = (self.clone(), user.clone());
        settle(async move {
            let parts = &this.inner.parts;
            let record = parts.accounts.account(&user).await?;
            this.end_all(&user, None).await?;
            if let Some(email) = record.and_then(|record| record.account.email) {
                for purpose in [Purpose::Confirm, Purpose::Reset] {
                    parts.verifications.remove_verifications(purpose, &email.key().key).await?;
                }
            }
            parts.accounts.erase_account(&user, &DisplayName::parse(ERASED)?).await?;
            // Those that were opened meanwhile, with a password that was still good.
            this.end_all(&user, None).await.map(drop)
        })
        .await
    }
}
