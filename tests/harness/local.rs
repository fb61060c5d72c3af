//! A server within the test's own process: quick to start, with mail that can be read, and with the
//! chat itself at hand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chatcore::Chat;
use chatcore::account::{AccountSettings, PasswordParams, PasswordSettings, RateLimits};
use chatcore::chat::ChatBuilder;
use chatcore::limits::Limits;
use chatcore::mail::MemoryMailer;
use chatcore::store::memory::MemoryStore;
use chatcore_warp::Config;
use chatcore_warp::serve::{ServeConfig, Stopped, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Encoding, Http, PATIENCE, Person, WsClient};

/// A server on a free port, over the memory store, until it is dropped.
#[derive(Debug)]
pub struct Local {
    /// What it serves.
    pub chat: Chat,
    /// The mail that it sent.
    pub mail: Arc<MemoryMailer>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Stopped>,
}

/// What may be chosen about a [`Local`] server.
pub struct Choices {
    /// The accounts: cheap passwords, no rates.
    pub accounts: AccountSettings,
    /// The chat's own limits: the default ones, but for the rate of sends.
    pub limits: Limits,
    /// The routes: no limits per address.
    pub web: Config,
    /// The listener: its default.
    pub serving: ServeConfig,
    /// Anything else about the chat.
    pub chat: Box<dyn FnOnce(ChatBuilder) -> ChatBuilder + Send>,
}

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choices").finish_non_exhaustive()
    }
}

impl Default for Choices {
    fn default() -> Self {
        let passwords =
            PasswordSettings { params: PasswordParams::cheap(), ..PasswordSettings::default() };
        let rates = RateLimits::off();
        let mut limits = Limits::default();
        limits.turns_per_user = None;
        Self {
            accounts: AccountSettings { passwords, rates, ..AccountSettings::default() },
            limits,
            web: Config::default().without_limits(),
            serving: ServeConfig::default(),
            chat: Box::new(|builder| builder),
        }
    }
}

impl Local {
    /// Starts one without limits of rate.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts one with other choices.
    pub async fn with(change: impl FnOnce(&mut Choices)) -> Self {
        let mut choices = Choices::default();
        change(&mut choices);
        let mail = Arc::new(MemoryMailer::new());
        let builder = Chat::builder(Arc::new(MemoryStore::new()))
            .mailer(mail.clone())
            .account_settings(choices.accounts)
            .limits(choices.limits);
        let chat = (choices.chat)(builder).build().await.expect("sound choices");
        let routes = chatcore_warp::routes(chat.clone(), choices.web);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let draining = chat.clone();
        let serving = choices.serving;
        let served = tokio::spawn(async move {
            let end = async move {
                let _ = stopped.await;
                draining.drain();
            };
            serve(listener, routes, serving, end).await
        });
        Self { chat, mail, address, stop: Some(stop), served }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client for its HTTP side, with no credential.
    pub fn http(&self) -> Http {
        Http::new(self.address)
    }

    /// A WebSocket connection of `person`, past its `hello`.
    pub async fn connect(&self, person: &Person, encoding: Encoding) -> WsClient {
        let mut client = WsClient::open(self.address, encoding).await;
        client.hello(person).await;
        client
    }

    /// Ends it in order, waits until it has, and returns how its connections ended.
    pub async fn stop(mut self) -> Stopped {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let ended = tokio::time::timeout(PATIENCE, &mut self.served).await;
        let ended = ended.expect("it ends in time").expect("it ends in order");
        self.chat.shutdown().await;
        ended
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.served.abort();
    }
}
