use std::net::IpAddr;

use super::{Accounts, settle};
use crate::account::{
    Account, AccountError, AccountRecord, CodeAttempt, Disclosure, Email, Pending, Purpose,
    Verification,
};
use crate::id::UserId;
use crate::store::Naming;

/// How many codes may be tried for one mail.
pub(super) const MAX_TRIES: u32 = 5;
/// No code of ours is longer.
pub(super) const MAX_CODE_BYTES: usize = 16;

impl Accounts {
    /// Proves an address by the code that was mailed to it. Returns the account that it belongs to
    /// from then on.
    ///
    /// # Errors
    /// [`WrongCode`](AccountError::WrongCode) if it is wrong, expired or used, or after five wrong
    /// tries; [`Taken`](AccountError::Taken) if another account has got the address or a name that
    /// was registered with it; [`AlreadyConfirmed`](AccountError::AlreadyConfirmed) if the caller
    /// asked to be told; [`RateLimited`](AccountError::RateLimited).
    pub async fn confirm_code(&self, attempt: CodeAttempt) -> Result<Account, AccountError> {
        let email = Email::parse(&attempt.email).map_err(|_| AccountError::WrongCode)?;
        let inner = &self.inner;
        inner.throttles.code(&email.key().key, attempt.addr)?;
        if attempt.disclosure == Disclosure::Tell
            && inner.parts.accounts.account_by_name(&email.key()).await?.is_some()
        {
            return Err(AccountError::AlreadyConfirmed);
        }
        let found = self.matching(Purpose::Confirm, &email, &attempt.code).await?;
        let this = self.clone();
        settle(async move { this.complete(found).await }).await
    }

    /// Proves an address by the token of the link that was mailed to it. Returns the account that it
    /// belongs to from then on.
    ///
    /// # Errors
    /// As [`confirm_code`](Self::confirm_code).
    pub async fn confirm_link(
        &self,
        token: &str,
        addr: Option<IpAddr>,
    ) -> Result<Account, AccountError> {
        let inner = &self.inner;
        inner.throttles.link(addr)?;
        if token.len() > 256 {
            return Err(AccountError::WrongCode);
        }
        let hash = inner.codes.hash("link", "", token);
        let found = inner.parts.verifications.verification_by_link(&hash, self.now()).await?;
        let found = found.ok_or(AccountError::WrongCode)?;
        let this = self.clone();
        settle(async move { this.complete(found).await }).await
    }

    /// The verification that `code` proves. Counts a try on each that it might have been for.
    pub(super) async fn matching(
        &self,
        purpose: Purpose,
        email: &Email,
        code: &str,
    ) -> Result<Verification, AccountError> {
        let code = code.trim();
        if code.len() > MAX_CODE_BYTES {
            return Err(AccountError::WrongCode);
        }
        let inner = &self.inner;
        let subject = email.key().key;
        let tried = inner
            .parts
            .verifications
            .try_verifications(purpose, &subject, MAX_TRIES, self.now())
            .await?;
        // All are compared, so that the time does not tell which matched.
        let mut found = None;
        for verification in tried {
            let hash = inner.codes.hash(purpose.as_str(), &verification.id, code);
            if verification.code.as_ref().is_some_and(|stored| stored.matches(&hash)) {
                found = Some(verification);
            }
        }
        found.ok_or(AccountError::WrongCode)
    }

    /// Does what was waiting for the proof. Only then is the verification removed: a crash in between
    /// leaves it to be used again, and then the address is found to be taken, by the same person.
    async fn complete(&self, proved: Verification) -> Result<Account, AccountError> {
        let subject = proved.subject();
        let Verification { id, email, pending, .. } = proved;
        let done = match pending {
            Pending::Register { password, display_name, external_id } => {
                let account = Account {
                    id: UserId::random(self.random()),
                    handle: None,
                    email: Some(email),
                    display_name,
                    external_id,
                    avatar: None,
                    created_at: self.now(),
                    disabled: false,
                };
                let record = AccountRecord { account: account.clone(), password, generation: 0 };
                self.create(record).await.map(|()| account)
            }
            Pending::AddEmail { user } => {
                match self.inner.parts.accounts.set_email(&user, &email).await? {
                    Naming::Done => self.account(&user).await,
                    Naming::Taken(kinds) => Err(AccountError::Taken(kinds)),
                    Naming::NoSuchAccount => Err(AccountError::WrongCode),
                }
            }
            Pending::Reset { .. } => return Err(AccountError::WrongCode),
        };
        let verifications = &self.inner.parts.verifications;
        match &done {
            // The address is someone's now: nothing else that waits for it can come true.
            Ok(_) => verifications.remove_verifications(Purpose::Confirm, &subject).await?,
            Err(_) => {
                verifications.remove_verification(&id).await?;
            }
        }
        done
    }
}
