//! Putting a chat together.

use std::sync::Arc;

use super::committer::Committer;
use super::{Chat, Inner};
use crate::clock::{Clock, Random, SystemClock, SystemRandom};
use crate::error::Error;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::store::Store;

/// What a chat is made of. Only the store has no default.
#[derive(Debug)]
pub struct ChatBuilder {
    store: Arc<dyn Store>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl ChatBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// Bounds other than the default ones.
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
        let epoch = self.store.epoch().await?;
        let hub = Arc::new(Hub::default());
        let limits = Arc::new(self.limits);
        let (committer, writing) =
            Committer::start(Arc::clone(&self.store), Arc::clone(&hub), Arc::clone(&limits));
        let inner = Inner {
            store: self.store,
            hub,
            limits,
            clock: self.clock,
            random: self.random,
            epoch,
            committer: Some(committer).into(),
            tasks: vec![writing].into(),
        };
        Ok(Chat { inner: Arc::new(inner) })
    }
}
