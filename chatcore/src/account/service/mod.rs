//! The account module's one door, split by what is done behind it.

mod confirm;
mod erase;
mod login;
mod profile;
mod register;
mod reset;
mod sessions;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use login::Login;
pub use reset::PasswordReset;

use crate::account::password::PasswordHasher;
use crate::account::rates::Throttles;
use crate::account::secret_code::SecretCodes;
use crate::account::session_cache::SessionCache;
use crate::account::token::Tokens as TokenSigner;
use crate::account::{AccountError, PasswordSettings, RateLimits, Secret};
use crate::clock::{Clock, Random, Timestamp};
use crate::id::{SessionId, UserId};
use crate::mail::{Mail, Mailer, Templates};
use crate::store::{AccountStore, SessionStore, VerificationStore};

/// What can be set about accounts. The defaults are for a server that strangers reach.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// What tokens are made out for (`aud`): two installations that share a secret tell theirs apart
    /// by it.
    pub audience: String,
    /// The name that mails are sent in.
    pub product: String,
    /// What a mailed link starts with; the token is appended.
    pub confirm_link: String,
    /// How passwords are hashed.
    pub passwords: PasswordSettings,
    /// How often people may try.
    pub rates: RateLimits,
    /// How long an access token is good.
    pub access_ttl: Duration,
    /// How long a session lives after its login or its last refresh.
    pub session_ttl: Duration,
    /// How long a session lives at most, however often it is refreshed.
    pub session_max: Duration,
    /// How many sessions one account may have; a login beyond it ends the oldest.
    pub max_sessions: usize,
    /// How long a ticket is good.
    pub ticket_ttl: Duration,
    /// How long a code that confirms an address is good.
    pub code_ttl: Duration,
    /// How long a link that confirms an address is good.
    pub link_ttl: Duration,
    /// How long a code that resets a password is good.
    pub reset_ttl: Duration,
    /// How long a session that was found alive is taken to be so without asking the store again.
    /// Revocations on this node count at once; those on other nodes after this.
    pub session_recheck: Duration,
    /// How many live sessions are remembered for that.
    pub session_cache: usize,
}

impl Default for AccountSettings {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            audience: "chatcore".into(),
            product: "chatcore".into(),
            confirm_link: "http://127.0.0.1:3030/auth/confirm?token=".into(),
            passwords: PasswordSettings::default(),
            rates: RateLimits::default(),
            access_ttl: 15 * MINUTE,
            session_ttl: 30 * DAY,
            session_max: 365 * DAY,
            max_sessions: 50,
            ticket_ttl: 15 * MINUTE,
            code_ttl: 15 * MINUTE,
            link_ttl: DAY,
            reset_ttl: 15 * MINUTE,
            session_recheck: Duration::from_secs(1),
            session_cache: 1 << 16,
        }
    }
}

/// What [`Accounts`] is made of.
#[derive(Clone, Debug)]
pub struct AccountParts {
    /// Keeps accounts.
    pub accounts: Arc<dyn AccountStore>,
    /// Keeps sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Keeps what waits for a proof.
    pub verifications: Arc<dyn VerificationStore>,
    /// Carries mail.
    pub mailer: Arc<dyn Mailer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids, codes and tokens.
    pub random: Arc<dyn Random>,
    /// Signs tokens, and keys the hashes of codes.
    pub secret: Secret,
}

/// Is told of each session that ends before its time.
///
/// # Contract
/// Called when the end is stored, and before the call that caused it returns: a listener that cuts
/// the session's connections keeps the promise that nothing leaves for it afterwards. It must not
/// block, and may be called from several tasks at once.
pub trait RevocationListener: fmt::Debug + Send + Sync + 'static {
    /// `session` of `user` was logged out, revoked or pushed out, or its account got a new password or was
    /// switched off.
    fn on_revoked(&self, user: &UserId, session: &SessionId);
}

/// Who people are. Cheap to clone; all clones are one.
///
/// A call that changes something runs to its end even if the caller stops waiting for it, so that no
/// hang-up leaves a password changed and its sessions alive.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    parts: AccountParts,
    settings: AccountSettings,
    hasher: PasswordHasher,
    signer: TokenSigner,
    codes: SecretCodes,
    throttles: Throttles,
    templates: Templates,
    live: SessionCache,
    listener: OnceLock<Arc<dyn RevocationListener>>,
    refused: AtomicU64,
}

impl Accounts {
    /// The account module over its parts.
    pub fn new(parts: AccountParts, settings: AccountSettings) -> Self {
        let inner = Inner {
            hasher: PasswordHasher::new(settings.passwords, parts.random.clone()),
            signer: TokenSigner::new(&parts.secret, settings.audience.as_str()),
            codes: SecretCodes::new(&parts.secret),
            throttles: Throttles::new(&settings.rates, &parts.clock),
            templates: Templates::new(&settings.product, &settings.confirm_link),
            live: SessionCache::new(settings.session_cache, settings.session_recheck),
            listener: OnceLock::new(),
            refused: AtomicU64::new(0),
            parts,
            settings,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Has `listener` told of each revocation from now on. There can be one; whether it was taken.
    pub fn listen(&self, listener: Arc<dyn RevocationListener>) -> bool {
        self.inner.listener.set(listener).is_ok()
    }

    /// Logins that this node has refused since it started, for whatever reason but a fault of its own.
    pub fn logins_refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Removes sessions, tickets and codes that have expired; returns how many. Call it now and then.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub async fn sweep(&self) -> Result<u64, AccountError> {
        let now = self.now();
        let sessions = self.inner.parts.sessions.remove_expired_sessions(now).await?;
        let codes = self.inner.parts.verifications.remove_expired_verifications(now).await?;
        Ok(sessions + codes)
    }

    /// A session was found to have ended, on another node: nobody is let in by it here any more.
    pub(crate) fn ended_elsewhere(&self, session: &SessionId) {
        self.inner.live.revoke(session);
    }

    fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }

    fn random(&self) -> &dyn Random {
        self.inner.parts.random.as_ref()
    }

    async fn mail(&self, mail: Mail) -> Result<(), AccountError> {
        self.inner.parts.mailer.send(mail).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "a mail was not sent");
            AccountError::Mail(error)
        })
    }

    /// Tells this node that a session, already gone from the store, has ended.
    fn ended(&self, user: &UserId, session: &SessionId) {
        self.inner.live.revoke(session);
        if let Some(listener) = self.inner.listener.get() {
            listener.on_revoked(user, session);
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Runs `work` to its end, whether or not the caller waits for it.
async fn settle<T: Send + 'static>(
    work: impl Future<Output = Result<T, AccountError>> + Send + 'static,
) -> Result<T, AccountError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change to an account was cut short");
        Err(AccountError::Internal)
    })
}
