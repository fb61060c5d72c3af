//! Putting a chat together.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::committer::Committer;
use super::erasing::keep_erasing;
use super::filing::keep_filed;
use super::mentions::Lanes;
use super::people::{Anyone, EndConnections};
use super::sequencer::{sequence, tidy};
use super::upkeep::keep_up;
use super::{Chat, Hooks, Inner};
use crate::account::{AccountParts, AccountSettings, Accounts, Authenticator, Directory, Secret};
use crate::attachment::blobs::{BlobStore, MemoryBlobs};
use crate::attachment::{AttachmentLimits, Attachments};
use crate::bus::Bus;
use crate::bus::node::{Node, NodeParts};
use crate::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::error::{Error, Invalid};
use crate::hook::{AfterCommit, Before, BeforeOptions, Judge, Runner};
use crate::hub::{Calls, Hub};
use crate::limits::Limits;
use crate::mail::{Mailer, NoMail};
use crate::store::Store;
use crate::throttle::Throttle;

/// What a chat is made of. Only the store has no default.
#[derive(Debug)]
pub struct ChatBuilder {
    store: Arc<dyn Store>,
    blobs: Option<Arc<dyn BlobStore>>,
    bus: Option<Arc<dyn Bus>>,
    mailer: Arc<dyn Mailer>,
    secret: Option<Secret>,
    accounts: AccountSettings,
    attachments: AttachmentLimits,
    #[cfg(feature = "thumbnails")]
    thumbnails: Option<crate::attachment::Thumbnails>,
    authenticator: Option<Arc<dyn Authenticator>>,
    directory: Option<Arc<dyn Directory>>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    before: Vec<(Arc<dyn Before>, BeforeOptions)>,
    after: Vec<(String, Arc<dyn AfterCommit>)>,
}

impl ChatBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            blobs: None,
            bus: None,
            mailer: Arc::new(NoMail),
            secret: None,
            accounts: AccountSettings::default(),
            attachments: AttachmentLimits::default(),
            #[cfg(feature = "thumbnails")]
            thumbnails: None,
            authenticator: None,
            directory: None,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Where the bytes of files go. Default: memory.
    #[must_use]
    pub fn blobs(mut self, blobs: Arc<dyn BlobStore>) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// How this node and others over the same store tell each other what happens; see
    /// [`bus`](crate::bus). Default: there are no others.
    #[must_use]
    pub fn bus(mut self, bus: impl Into<Option<Arc<dyn Bus>>>) -> Self {
        self.bus = bus.into();
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

    /// Makes thumbnails of images that are uploaded. Default: there are none.
    #[cfg(feature = "thumbnails")]
    #[must_use]
    pub fn thumbnails(
        mut self,
        thumbnails: impl Into<Option<crate::attachment::Thumbnails>>,
    ) -> Self {
        self.thumbnails = thumbnails.into();
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

    /// Asks `hook` before anything is said, changed, entered or made; with several, one after another.
    #[must_use]
    pub fn before(mut self, hook: Arc<dyn Before>, options: BeforeOptions) -> Self {
        self.before.push((hook, options));
        self
    }

    /// Tells `hook` of everything once it is durable. How far it has come is kept under `name`, which says
    /// for ever which hook it is: up to 64 bytes, another for each.
    #[must_use]
    pub fn after_commit(mut self, name: impl Into<String>, hook: Arc<dyn AfterCommit>) -> Self {
        self.after.push((name.into(), hook));
        self
    }

    /// Opens the chat and starts its background tasks on the current tokio runtime.
    ///
    /// # Errors
    /// The store's, if it does not answer; [`Invalid`] for two hooks of the same name.
    pub async fn build(self) -> Result<Chat, Error> {
        check_names(&self.after)?;
        let Self { store, clock, random, .. } = self;
        let epoch = store.epoch().await?;
        let mut hub = Hub::new(tokio::runtime::Handle::current().metrics().num_workers());
        let calls = Arc::new(Calls::default());
        if self.bus.is_some() {
            hub.share(Arc::clone(&calls));
        }
        let hub = Arc::new(hub);
        let counting = tokio::spawn(Hub::count_crowds(Arc::downgrade(&hub))).abort_handle();
        let fan_out = (0..hub.workers())
            .map(|worker| tokio::spawn(Arc::clone(&hub).fan_out(worker)).abort_handle())
            .chain([counting])
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
        let own_sessions = self.authenticator.is_none();
        let running = self.bus.map(|bus| {
            let (store, hub, accounts) = (Arc::clone(&store), Arc::clone(&hub), accounts.clone());
            let epoch = epoch.clone();
            Node::start(NodeParts { bus, store, hub, calls, epoch, accounts, own_sessions })
        });
        let node = running.as_ref().map(|running| Arc::clone(running.node()));
        let others = node.as_ref().map(Arc::downgrade).unwrap_or_default();
        accounts.listen(Arc::new(EndConnections { hub: Arc::clone(&hub), node: others }));
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
        #[cfg(feature = "thumbnails")]
        let attachments = attachments.with_thumbnails(self.thumbnails);
        let news = Arc::new(Notify::new());
        let to_erase = Arc::new(Notify::new());
        let (committer, writing) = Committer::start(
            Arc::clone(&store),
            Arc::clone(&hub),
            node,
            Arc::clone(&limits),
            Arc::clone(&news),
        );
        store.bind(Arc::clone(&limits));
        let bell = store.bell();
        let holder = Runner::holder(&*random);
        let hooks = self.after.into_iter().map(|(name, hook)| {
            let (store, random) = (Arc::clone(&store), Arc::clone(&random));
            let (epoch, holder) = (epoch.clone(), holder.clone());
            let runner = Runner { name: name.clone(), hook, store, random, epoch, holder };
            (name, tokio::spawn(runner.run()).abort_handle())
        });
        let hooks = Hooks { told: hooks.collect(), holder };
        let inner = Arc::new_cyclic(|chat| Inner {
            turns: Throttle::new(limits.turns_per_user, &clock),
            invite_codes: Throttle::new(limits.invite_codes, &clock),
            reports: Throttle::new(limits.reports_per_user, &clock),
            exports: Throttle::new(limits.exports_per_user, &clock),
            lanes: Lanes::default(),
            store,
            hub,
            running,
            limits,
            clock,
            random,
            epoch,
            accounts,
            attachments,
            authenticator,
            directory,
            judge: Judge::new(self.before),
            hooks,
            committer: Some(committer).into(),
            writing: Some(writing).into(),
            fan_out,
            upkeep: tokio::spawn(keep_up(chat.clone())).abort_handle(),
            filing: tokio::spawn(keep_filed(chat.clone(), news)).abort_handle(),
            erasing: tokio::spawn(keep_erasing(chat.clone(), Arc::clone(&to_erase))).abort_handle(),
            to_erase,
            sequencer: OnceLock::new(),
        });
        if let Some(bell) = bell {
            // Not before the chat is there for them.
            inner.sequencer.get_or_init(|| {
                let chat = Arc::downgrade(&inner);
                let turns = tokio::spawn(sequence(chat.clone(), bell));
                [turns.abort_handle(), tokio::spawn(tidy(chat)).abort_handle()]
            });
        }
        // What an earlier run has left; not before the chat is there for it.
        inner.to_erase.notify_one();
        Ok(Chat { inner })
    }
}

/// The longest name of a hook, in bytes.
const HOOK_NAME: usize = 64;

fn check_names(hooks: &[(String, Arc<dyn AfterCommit>)]) -> Result<(), Invalid> {
    for (index, (name, _)) in hooks.iter().enumerate() {
        if !(1..=HOOK_NAME).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(Invalid::new("after_commit", "a hook's name is of 1 to 64 bytes"));
        }
        if hooks[..index].iter().any(|(other, _)| other == name) {
            return Err(Invalid::new("after_commit", "two hooks have the same name"));
        }
    }
    Ok(())
}
