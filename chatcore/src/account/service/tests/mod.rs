//! Scenarios over the memory store, with a clock that is turned by hand and cheap hashes.

mod attacks;
mod confirming;
#[cfg(feature = "sqlite")]
mod durable;
mod logging_in;
mod passwords;
mod registering;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::account::{
    Account, AccountError, AccountParts, AccountSettings, Accounts, CodeAttempt, Login, LoginName,
    NewAccount, NewSession, PasswordParams, PasswordSettings, RateLimits, Registered,
    RevocationListener, Secret, SignedIn,
};
use crate::clock::Random;
use crate::id::{DeviceId, SessionId, UserId};
use crate::mail::MemoryMailer;
use crate::store::memory::MemoryStore;
use crate::testing::{ManualClock, SeededRandom};

const PASSWORD: &str = "correct horse";
const NOW: i64 = 1_700_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

struct House {
    accounts: Accounts,
    clock: Arc<ManualClock>,
    mailer: Arc<MemoryMailer>,
    store: Arc<MemoryStore>,
    revoked: Arc<Revoked>,
}

#[derive(Debug, Default)]
struct Revoked(Mutex<Vec<SessionId>>);

impl RevocationListener for Revoked {
    fn on_revoked(&self, _user: &UserId, session: &SessionId) {
        self.0.lock().unwrap().push(session.clone());
    }
}

impl Revoked {
    fn all(&self) -> Vec<SessionId> {
        self.0.lock().unwrap().clone()
    }
}

fn settings() -> AccountSettings {
    let passwords =
        PasswordSettings { params: PasswordParams::cheap(), ..PasswordSettings::default() };
    AccountSettings { passwords, rates: RateLimits::off(), ..AccountSettings::default() }
}

fn house() -> House {
    house_with(settings())
}

fn house_with(settings: AccountSettings) -> House {
    let (clock, mailer) = (Arc::new(ManualClock::at(NOW)), Arc::new(MemoryMailer::new()));
    let (store, revoked) = (Arc::new(MemoryStore::new()), Arc::new(Revoked::default()));
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(42));
    let parts = AccountParts {
        accounts: store.clone(),
        sessions: store.clone(),
        verifications: store.clone(),
        mailer: mailer.clone(),
        clock: clock.clone(),
        secret: Secret::random(random.as_ref()),
        random,
    };
    let accounts = Accounts::new(parts, settings);
    assert!(accounts.listen(revoked.clone()));
    House { accounts, clock, mailer, store, revoked }
}

impl House {
    async fn register(&self, handle: &str) -> Account {
        let registered = self.accounts.register(NewAccount::handle(handle, PASSWORD)).await;
        registered.unwrap().account().unwrap()
    }

    /// Registers and confirms an account with an address alone.
    async fn register_email(&self, email: &str) -> Account {
        let registered = self.accounts.register(NewAccount::email(email, PASSWORD)).await.unwrap();
        assert!(matches!(registered, Registered::Pending { .. }));
        self.confirm(email, &self.mailed(email)).await.unwrap()
    }

    async fn confirm(&self, email: &str, code: &str) -> Result<Account, AccountError> {
        self.accounts.confirm_code(CodeAttempt::new(email, code)).await
    }

    /// The code or the link of the newest mail.
    fn mailed(&self, email: &str) -> String {
        self.mailer.last_to(email).unwrap().key.unwrap()
    }

    /// The token of the link of the newest mail.
    fn mailed_token(&self, email: &str) -> String {
        self.mailed(email).split_once("?token=").unwrap().1.to_owned()
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<SignedIn, AccountError> {
        self.accounts.login(login(name, password)).await
    }

    async fn is_signed_in(&self, token: &str) -> bool {
        match self.accounts.authenticate(token).await {
            Ok(_) => true,
            Err(AccountError::Unauthenticated) => false,
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn login(name: &str, password: &str) -> Login {
    let session = NewSession::on(DeviceId::parse("laptop").unwrap());
    Login::new(LoginName::Any(name.into()), password, session)
}
