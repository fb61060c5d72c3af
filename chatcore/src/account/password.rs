//! Passwords: kept as scrypt hashes, made and checked off the async threads.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use scrypt::Scrypt;
use scrypt::password_hash::phc::{Output, PasswordHash as Phc, Salt};
use scrypt::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::account::AccountError;
use crate::clock::Random;
use crate::error::Invalid;

/// A password as someone typed it. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Password(String);

impl Password {
    /// The most bytes that are ever hashed; anything longer is refused unread.
    pub const MAX_BYTES: usize = 1024;

    /// The password itself, for rules that a [`PasswordRules`] cannot state.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(typed: String) -> Self {
        Self(typed)
    }
}

impl From<&str> for Password {
    fn from(typed: &str) -> Self {
        Self(typed.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Which passwords may be chosen. Those that were chosen before stay good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// The fewest characters.
    pub min_chars: usize,
    /// The most characters.
    pub max_chars: usize,
    /// Whether those that everyone tries first are refused.
    pub refuse_common: bool,
}

impl PasswordRules {
    /// What OWASP ASVS 6.2 asks: 8 to 128 characters of any kind, none of the commonest.
    pub const NATIVE: Self = Self { min_chars: 8, max_chars: 128, refuse_common: true };
    /// For contracts that state no bound of their own: 1 to 128 characters.
    pub const LENIENT: Self = Self { min_chars: 1, max_chars: 128, refuse_common: false };

    /// Checks a password that someone wants to take.
    ///
    /// # Errors
    /// Says which bound it breaks.
    pub fn check(&self, password: &Password) -> Result<(), Invalid> {
        let typed = password.expose();
        let Self { min_chars, max_chars, refuse_common } = *self;
        let fits = typed.len() <= Password::MAX_BYTES
            && (min_chars..=max_chars).contains(&typed.chars().count());
        if !fits {
            let problem = format!("must be {min_chars} to {max_chars} characters");
            return Err(Invalid::new("password", problem));
        }
        if refuse_common && is_common(typed) {
            return Err(Invalid::new("password", "is one of the first that anyone would try"));
        }
        Ok(())
    }
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self::NATIVE
    }
}

/// Lower case, sorted; only those long enough to pass the native bounds.
const COMMON: &str = include_str!("common_passwords.txt");

fn is_common(typed: &str) -> bool {
    let typed = typed.to_lowercase();
    COMMON.lines().any(|common| common == typed)
}

/// What one hash costs (RFC 7914).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PasswordParams(scrypt::Params);

impl PasswordParams {
    /// `N = 2^log_n`, `r`, `p`: 128·N·r bytes of memory, and time in proportion to N·r·p.
    ///
    /// # Errors
    /// If they are out of scrypt's range, or would take more than 1 GiB.
    pub fn new(log_n: u8, r: u32, p: u32) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("password_params", "must be sound scrypt parameters");
        let memory = 128_u64.checked_shl(log_n.into()).and_then(|n| n.checked_mul(r.into()));
        if log_n >= 32 || memory.is_none_or(|bytes| bytes > 1 << 30) {
            return Err(invalid());
        }
        scrypt::Params::new(log_n, r, p).map(Self).map_err(|_| invalid())
    }

    /// Worth nothing against a thief, and done in microseconds.
    #[cfg(any(test, feature = "testing"))]
    pub fn cheap() -> Self {
        Self(scrypt::Params::new(2, 1, 1).expect("these are in range"))
    }
}

impl Default for PasswordParams {
    /// N = 2^15, r = 8, p = 3: 32 MiB and about a quarter of a second (OWASP ASVS 5.0, appendix C).
    fn default() -> Self {
        Self(scrypt::Params::new(15, 8, 3).expect("these are in range"))
    }
}

/// A salted hash in PHC form. Kept from logs, although it is no password.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes what a store kept.
    pub fn from_stored(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The hash of no password at all: whatever is tried is wrong.
    pub fn none() -> Self {
        Self("!".into())
    }

    /// The PHC string, for a store to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How passwords are hashed, and how many at once.
#[derive(Clone, Copy, Debug)]
pub struct PasswordSettings {
    /// The cost of a hash. Weaker ones are replaced when their owner logs in.
    pub params: PasswordParams,
    /// How many are hashed at once; the machine's cores by default.
    pub parallel: NonZeroUsize,
    /// How many may wait for their turn; those beyond it are turned away at once.
    pub waiting: usize,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        let parallel = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { params: PasswordParams::default(), parallel, waiting: parallel.get() * 8 }
    }
}

/// Hashes and checks passwords, so many at once and so many waiting.
#[derive(Debug)]
pub(crate) struct PasswordHasher {
    params: PasswordParams,
    random: Arc<dyn Random>,
    /// Whoever is in the house, hashing or waiting; full means turned away.
    line: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    /// A hash of nothing, of the present cost: what those are checked against who do not exist.
    nobody: PasswordHash,
    /// How many hashes were made: what the time of an answer hangs on.
    #[cfg(test)]
    pub(crate) made: std::sync::atomic::AtomicU64,
}

/// What checking a password against a hash found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    Right,
    /// Right, but hashed at another cost than today's.
    RightButOutdated,
}

impl PasswordHasher {
    pub(crate) fn new(settings: PasswordSettings, random: Arc<dyn Random>) -> Self {
        let parallel = settings.parallel.get().min(Semaphore::MAX_PERMITS / 2);
        let line = parallel + settings.waiting.min(Semaphore::MAX_PERMITS / 2);
        let nobody = nobodys_hash(settings.params, random.as_ref());
        Self {
            params: settings.params,
            random,
            line: Arc::new(Semaphore::new(line)),
            turns: Arc::new(Semaphore::new(parallel)),
            nobody,
            #[cfg(test)]
            made: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Hashes a password that has passed its rules.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordHash, AccountError> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let (password, params) = (password.clone(), self.params.0);
        self.run(move || {
            Scrypt::default()
                .hash_password_customized(password.0.as_bytes(), &salt, None, None, params)
                .map(|phc| PasswordHash(phc.to_string()))
        })
        .await?
        .map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            AccountError::Internal
        })
    }

    /// Checks a password against `hash`, or, at the same cost, against nobody's.
    pub(crate) async fn check(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Checked, AccountError> {
        let hash = hash.filter(|hash| **hash != PasswordHash::none());
        let phc = Phc::from_str(&hash.unwrap_or(&self.nobody).0).map_err(|error| {
            tracing::error!(%error, "a stored password hash is unreadable");
            AccountError::Internal
        })?;
        let outdated = scrypt::Params::try_from(&phc.params)
            .ok()
            .is_none_or(|stored| PasswordParams(stored) != self.params);
        let password = password.clone();
        let right = self
            .run(move || Scrypt::default().verify_password(password.0.as_bytes(), &phc).is_ok())
            .await?;
        Ok(match (right && hash.is_some(), outdated) {
            (false, _) => Checked::Wrong,
            (true, false) => Checked::Right,
            (true, true) => Checked::RightButOutdated,
        })
    }

    /// Runs `work` on a blocking thread when its turn comes.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let place = self.line.clone().try_acquire_owned();
        let Ok(place) = place else {
            return Err(AccountError::RateLimited { retry_after: Duration::from_secs(2) });
        };
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| AccountError::Internal)?;
        #[cfg(test)]
        self.made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // Both are held by the work itself: it goes on when its caller is gone.
        let held: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (place, turn);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(held);
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "hashing a password failed");
            AccountError::Internal
        })
    }
}

fn nobodys_hash(params: PasswordParams, random: &dyn Random) -> PasswordHash {
    let (mut salt, mut output) = ([0; 16], [0; 32]);
    random.fill(&mut salt);
    random.fill(&mut output);
    let phc = Phc {
        algorithm: scrypt::phc::ALG_ID,
        version: None,
        params: params.0.try_into().expect("three decimals fit"),
        salt: Some(Salt::new(&salt).expect("16 bytes are a salt")),
        hash: Some(Output::new(&output).expect("32 bytes are an output")),
    };
    PasswordHash(phc.to_string())
}

#[cfg(test)]
mod tests;
