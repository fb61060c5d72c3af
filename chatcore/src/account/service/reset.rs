use std::net::IpAddr;

use super::{Accounts, settle};
use crate::account::secret_code::{RESET_DIGITS, SecretCodes};
use crate::account::{
    AccountError, Email, Password, PasswordRules, Pending, Purpose, Verification,
};
use crate::id::{UserId, random_string};

/// How many reset codes of one address are good at once: whoever asks for another does not void the
/// one that its owner is typing.
const CODES_PER_EMAIL: usize = 3;

/// A new password, and the code that allows it.
#[derive(Clone)]
pub struct PasswordReset {
    /// The address that the code was mailed to.
    pub email: String,
    /// The code.
    pub code: String,
    /// The new password.
    pub password: Password,
    /// Where the request came from. Without it no limit per address applies.
    pub addr: Option<IpAddr>,
}

impl std::fmt::Debug for PasswordReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordReset").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Mails a code with which a new password can be chosen. An address that no account has is
    /// answered alike, in the same time, and is mailed that it has none.
    ///
    /// # Errors
    /// [`Invalid`](AccountError::Invalid) for what is no address;
    /// [`RateLimited`](AccountError::RateLimited); [`Mail`](AccountError::Mail).
    pub async fn request_password_reset(
        &self,
        email: &str,
        addr: Option<IpAddr>,
    ) -> Result<(), AccountError> {
        let email = Email::parse(email)?;
        self.inner.throttles.mail(&email.key().key, addr)?;
        let this = self.clone();
        settle(async move { this.mail_reset(&email).await }).await
    }

    async fn mail_reset(&self, email: &Email) -> Result<(), AccountError> {
        let inner = &self.inner;
        let record = inner.parts.accounts.account_by_name(&email.key()).await?;
        let id = random_string::<12>(self.random());
        let secret = SecretCodes::code(self.random(), RESET_DIGITS);
        let ttl = inner.settings.reset_ttl;
        let (user, generation) = match record {
            Some(record) => (Some(record.account.id), record.generation),
            None => (None, 0),
        };
        let (code, mail) = match &user {
            Some(_) => {
                let hash = inner.codes.hash(Purpose::Reset.as_str(), &id, &secret);
                (Some(hash), inner.templates.reset_code(email, &secret, ttl))
            }
            None => (None, inner.templates.reset_unknown(email)),
        };
        let now = self.now();
        let verification = Verification {
            id,
            email: email.clone(),
            pending: Pending::Reset { user, generation },
            code,
            link: None,
            tries: 0,
            created_at: now,
            expires_at: now.after(ttl),
        };
        inner.parts.verifications.put_verification(&verification, CODES_PER_EMAIL).await?;
        self.mail(mail).await
    }

    /// Sets a new password by a mailed code, and ends all sessions.
    ///
    /// # Errors
    /// [`WrongCode`](AccountError::WrongCode) if it is wrong, expired or used, if the password was
    /// changed since it was mailed, or after five wrong tries; [`Invalid`](AccountError::Invalid)
    /// for the password, without spending the code; [`RateLimited`](AccountError::RateLimited).
    pub async fn reset_password(&self, reset: PasswordReset) -> Result<UserId, AccountError> {
        PasswordRules::NATIVE.check(&reset.password)?;
        let email = Email::parse(&reset.email).map_err(|_| AccountError::WrongCode)?;
        self.inner.throttles.code(&email.key().key, reset.addr)?;
        let proved = self.matching(Purpose::Reset, &email, &reset.code).await?;
        let Pending::Reset { user: Some(user), generation } = proved.pending else {
            return Err(AccountError::WrongCode);
        };
        let hash = self.inner.hasher.hash(&reset.password).await?;
        let this = self.clone();
        settle(async move {
            let parts = &this.inner.parts;
            // The code is spent first: a crash costs another mail, never a second use.
            let ours = parts.verifications.remove_verification(&proved.id).await?;
            let current = this.record(&user).await?.generation;
            if !ours
                || current != generation
                || !this.replace_password(&user, generation, &hash, None).await?
            {
                return Err(AccountError::WrongCode);
            }
            parts.verifications.remove_verifications(Purpose::Reset, &email.key().key).await?;
            Ok(user)
        })
        .await
    }
}
