use std::sync::atomic::Ordering;

use super::{Accounts, settle};
use crate::account::names::ParsedName;
use crate::account::password::Checked;
use crate::account::{
    AccountError, AccountRecord, Disclosure, Email, LoginName, NewSession, Password, PasswordHash,
    Pending, Purpose, SignedIn,
};
use crate::error::Invalid;

/// Someone who says who they are.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who they say they are.
    pub name: LoginName,
    /// What is to prove it.
    pub password: Password,
    /// Where from, and on which device.
    pub session: NewSession,
    /// Whether it is told what is wrong.
    pub disclosure: Disclosure,
}

impl Login {
    /// A login that is told nothing but whether it worked.
    pub fn new(name: LoginName, password: impl Into<Password>, session: NewSession) -> Self {
        Self { name, password: password.into(), session, disclosure: Disclosure::Hide }
    }

    /// For a contract whose clients are told what is wrong.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.disclosure = Disclosure::Tell;
        self
    }
}

impl Accounts {
    /// Checks a name and a password, and opens a session.
    ///
    /// One password is hashed whoever is asked for: the time tells nothing.
    ///
    /// # Errors
    /// [`BadCredentials`](AccountError::BadCredentials), or, where the caller asked to be told,
    /// [`UnknownAccount`](AccountError::UnknownAccount),
    /// [`WrongPassword`](AccountError::WrongPassword) or
    /// [`Unconfirmed`](AccountError::Unconfirmed) (the password was right);
    /// [`Disabled`](AccountError::Disabled) only to those who know the password;
    /// [`Invalid`](AccountError::Invalid) for a password that is too long to be one;
    /// [`RateLimited`](AccountError::RateLimited).
    pub async fn login(&self, login: Login) -> Result<SignedIn, AccountError> {
        let done = self.try_login(login).await;
        if done.as_ref().is_err_and(|error| {
            use AccountError::{Internal, Store};
            !matches!(error, Store(_) | Internal)
        }) {
            self.inner.refused.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    async fn try_login(&self, login: Login) -> Result<SignedIn, AccountError> {
        let Login { name, password, session, disclosure } = login;
        bound(&password, "password")?;
        let name = name.parse();
        let key = name.as_ref().map(ParsedName::key);
        // All names that cannot be anyone's share one allowance.
        let throttled = key.as_ref().map_or("", |key| key.key.as_str());
        self.inner.throttles.login(throttled, session.addr)?;

        let record = match &name {
            Some(name) => self.record_of(name).await?,
            None => None,
        };
        let pending = match &name {
            Some(ParsedName::Email(email)) => self.pending_password(email).await?,
            _ => None,
        };
        let hash = record.as_ref().map(|record| &record.password).or(pending.as_ref());
        let checked = self.inner.hasher.check(&password, hash).await?;

        let told = |error| match disclosure {
            Disclosure::Hide => AccountError::BadCredentials,
            Disclosure::Tell => error,
        };
        let record = match (record, checked) {
            (Some(_), Checked::Wrong) => return Err(told(AccountError::WrongPassword)),
            (None, Checked::Wrong) if pending.is_some() => {
                return Err(told(AccountError::WrongPassword));
            }
            (None, Checked::Wrong) => return Err(told(AccountError::UnknownAccount)),
            (None, _) => return Err(told(AccountError::Unconfirmed)),
            (Some(record), _) if record.account.disabled => return Err(AccountError::Disabled),
            (Some(record), Checked::Right) => record,
            (Some(record), Checked::RightButOutdated) => {
                self.rehash(&record, &password).await;
                record
            }
        };
        let this = self.clone();
        settle(async move { this.open_session(record, session).await }).await
    }

    /// The account that someone may log in to under that name.
    pub(super) async fn record_of(
        &self,
        name: &ParsedName,
    ) -> Result<Option<AccountRecord>, AccountError> {
        let found = self.inner.parts.accounts.account_by_name(&name.key()).await?;
        Ok(match name {
            // A twin finds whom it looks like, and is not them.
            ParsedName::Handle(asked) => found.filter(|record| {
                record.account.handle.as_ref().is_some_and(|handle| handle.same_as(asked))
            }),
            ParsedName::Email(_) | ParsedName::ExternalId(_) => found,
        })
    }

    /// The password of the newest registration of an address that is not yet proved.
    async fn pending_password(&self, email: &Email) -> Result<Option<PasswordHash>, AccountError> {
        let waiting = self
            .inner
            .parts
            .verifications
            .verifications(Purpose::Confirm, &email.key().key, self.now())
            .await?;
        Ok(waiting.into_iter().find_map(|verification| match verification.pending {
            Pending::Register { password, .. } => Some(password),
            Pending::AddEmail { .. } | Pending::Reset { .. } => None,
        }))
    }

    /// Hashes a password anew at today's cost. The login does not depend on it.
    async fn rehash(&self, record: &AccountRecord, password: &Password) {
        let Ok(hash) = self.inner.hasher.hash(password).await else { return };
        let (user, generation) = (&record.account.id, record.generation);
        let stored = self.inner.parts.accounts.set_password(user, generation, &hash, false).await;
        if let Err(error) = stored {
            tracing::warn!(%user, %error, "a password hash was not brought up to date");
        }
    }
}

/// Refuses what is too long to be hashed, before anything is done with it.
pub(super) fn bound(password: &Password, field: &'static str) -> Result<(), Invalid> {
    if password.expose().len() > Password::MAX_BYTES {
        return Err(Invalid::new(field, "is too long to be a password"));
    }
    Ok(())
}
