//! Putting a chat together.

use std::sync::Arc;

use tokio::sync::Notify;

use super::committer::Committer;
use super::filing::keep_filed;
use super::mentions::Lanes;
use super::people::{Anyone, EndConnections};
use super::upkeep::keep_up;
use super::{Chat, Inner};
use crate::account::{AccountParts, AccountSettings, Accounts, Authenticator, Directory, Secret};
use crate::attachment::blobs::{BlobStore, MemoryBlobs};
use crate::attachment::{AttachmentLimits, Attachments};
use crate::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::error::Error;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::mail::{Mailer, NoMail};
use crate::store::Store;
use crate::throttle::Throttle;

/// What a chat is made of. Only the store has no default.
#[derive(Debug)]
pub struct ChatBuilder {
    store: Arc<dyn Store>,
    blobs: Option<Arc<dyn BlobStore>>,
    mailer: Arc<dyn Mailer>,
    secret: Option<Secret>,
    accounts: AccountSettings,
    attachments: AttachmentLimits,
    authenticator: Option<Arc<dyn Authenticator>>,
    directory: Option<Arc<dyn Directory>>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl ChatBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            blobs: None,
            mailer: Arc::new(NoMail),
            secret: None,
            accounts: AccountSettings::default(),
            attachments: AttachmentLimits::default(),
            authenticator: None,
            directory: None,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// Where the bytes of files go. Default: memory.
    #[must_use]
    pub fn blobs(mut self, blobs: Arc<dyn BlobStore>) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// Who carries mail. Default: nobody, and what needs mail fails with a sentence that says so.
    #[must_use]
    pub fn mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.mailer = mailer;
        self
    }

    /// What tokens are signed with. Default: a random one, so that logins end with the process.
    #[must_use]
    pub fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// How accounts behave.
    #[must_use]
    pub fn account_settings(mut self, settings: AccountSettings) -> Self {
        self.accounts = settings;
        self
    }

    /// Bounds on files.
    #[must_use]
    pub fn attachment_limits(mut self, limits: AttachmentLimits) -> Self {
        self.attachments = limits;
        self
    }

    /// Has the host say who a token belongs to. Unless the host also brings a
    /// [`directory`](Self::directory), every user id is then taken for someone's, and shown as it is.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// Has the host say how people are shown, and who there is.
    #[must_use]
    pub fn directory(mut self, directory: Arc<dyn Directory>) -> Self {
        self.directory = Some(directory);
        self
    }

    /// Bounds on rooms and messages.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A clock other than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Randomness other than the system's.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Opens the chat and starts its background tasks on the current tokio runtime.
    ///
    /// # Errors
    /// The store's, if it does not answer.
    pub async fn build(self) -> Result<Chat, Error> {
        let Self { store, clock, random, .. } = self;
        let epoch = store.epoch().await?;
        let hub = Arc::new(Hub::new(tokio::runtime::Handle::current().metrics().num_workers()));
        let fan_out = (0..hub.workers())
            .map(|worker| tokio::spawn(Arc::clone(&hub).fan_out(worker)).abort_handle())
            .collect();
        let limits = Arc::new(self.limits);
        let accounts = Accounts::new(
            AccountParts {
                accounts: Arc::clone(&store) as _,
                sessions: Arc::clone(&store) as _,
                verifications: Arc::clone(&store) as _,
                mailer: self.mailer,
                clock: Arc::clone(&clock),
                random: Arc::clone(&random),
                secret: self.secret.unwrap_or_else(|| Secret::random(&*random)),
            },
            self.accounts,
        );
        accounts.listen(Arc::new(EndConnections(Arc::clone(&hub))));
        let directory: Arc<dyn Directory> = match (self.directory, &self.authenticator) {
            (Some(directory), _) => directory,
            (None, Some(_)) => Arc::new(Anyone),
            (None, None) => Arc::new(accounts.clone()),
        };
        let authenticator = self.authenticator.unwrap_or_else(|| Arc::new(accounts.clone()));
        let blobs = self.blobs.unwrap_or_else(|| Arc::new(MemoryBlobs::default()));
        let attachments = Attachments::new(Arc::clone(&store) as _, blobs)
            .with_limits(self.attachments)
            .with_clock(Arc::clone(&clock))
            .with_random(Arc::clone(&random));
        let news = Arc::new(Notify::new());
        let (committer, writing) = Committer::start(
            Arc::clone(&store),
            Arc::clone(&hub),
            Arc::clone(&limits),
            Arc::clone(&news),
        );
        let inner = Arc::new_cyclic(|chat| Inner {
            turns: Throttle::new(limits.turns_per_user, &clock),
            invite_codes: Throttle::new(limits.invite_codes, &clock),
            lanes: Lanes::default(),
            store,
            hub,
            limits,
            clock,
            random,
            epoch,
            accounts,
            attachments,
            authenticator,
            directory,
            committer: Some(committer).into(),
            writing: Some(writing).into(),
            fan_out,
            upkeep: tokio::spawn(keep_up(chat.clone())).abort_handle(),
            filing: tokio::spawn(keep_filed(chat.clone(), news)).abort_handle(),
        });
        Ok(Chat { inner })
    }
}
