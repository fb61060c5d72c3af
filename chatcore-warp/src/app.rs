//! What all handlers share.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chatcore::Chat;
use chatcore::protocol::limits::Announced;
use chatcore::protocol::session::Config as SessionConfig;

use crate::Config;
use crate::metrics::Metrics;
use crate::router::Router;

/// The chat and what is set about serving it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) chat: Chat,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    /// The times and bounds of each WebSocket's session.
    pub(crate) session: Arc<SessionConfig>,
    /// The OpenAPI document, once the endpoints that it describes are mounted.
    pub(crate) openapi: OnceLock<Bytes>,
}

impl App {
    pub(crate) fn new(chat: Chat, config: Config) -> Self {
        let session = config.session.clone();
        let session = session.unwrap_or_else(|| SessionConfig::new(Announced::new(chat.limits())));
        Self(Arc::new(Parts {
            chat,
            config,
            metrics: Arc::default(),
            session: Arc::new(session),
            openapi: OnceLock::new(),
        }))
    }

    /// A table without routes, under this application's settings.
    pub(crate) fn router(&self) -> Router {
        Router::new(
            self.config.origins.clone(),
            self.config.body.clone(),
            Arc::clone(&self.metrics),
        )
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
