//! Setting a client up.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chatcore::clock::{Random, SystemRandom};
use chatcore::error::Invalid;
use chatcore::id::DeviceId;
use chatcore::protocol::frame::Token;
use futures_util::FutureExt as _;
use tokio::sync::{broadcast, mpsc, watch};

use super::core::{Config, Core};
use super::driver::{Book, Driver, TokenSource};
use super::handle::Client;
use super::link::Link;
use super::state::{Offline, State};

/// Commands that wait for the driver.
const COMMANDS: usize = 64;
/// Notices that wait for whoever is slow to read them.
const NOTICES: usize = 256;

/// What a client is to be like. Everything has a default but the token.
pub struct ClientBuilder {
    device: String,
    token: Option<Token>,
    tokens: Option<TokenSource>,
    window: u32,
    outbox: usize,
    pipeline: usize,
    backoff: (Duration, Duration),
    heartbeat: Duration,
    random: Arc<dyn Random>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            device: "native".into(),
            token: None,
            tokens: None,
            window: 256,
            outbox: 1_000,
            pipeline: 1,
            backoff: (Duration::from_millis(500), Duration::from_secs(30)),
            heartbeat: Duration::MAX,
            random: Arc::new(SystemRandom),
        }
    }
}

impl ClientBuilder {
    /// The access token to say hello with.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }

    /// Where a newer token comes from: asked when there is none, a minute before one expires, and when
    /// the server refuses one. It may take its time; `None` means that there is none, and the client
    /// stays offline until [`Client::set_token`].
    #[must_use]
    pub fn renew_with<F, Fut>(mut self, source: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<String>> + Send + 'static,
    {
        self.tokens = Some(Arc::new(move || source().map(|token| token.map(Token::new)).boxed()));
        self
    }

    /// What this device is called. Tickets are good for the device that they were given to.
    #[must_use]
    pub fn device(mut self, device: impl Into<String>) -> Self {
        self.device = device.into();
        self
    }

    /// Unacked entries per room that may be on their way; 256 by default, at most 4,096.
    #[must_use]
    pub fn window(mut self, entries: u32) -> Self {
        self.window = entries;
        self
    }

    /// Writes that may wait in the outbox; 1,000 by default, and 4 MiB of text in any case.
    #[must_use]
    pub fn outbox(mut self, writes: usize) -> Self {
        self.outbox = writes;
        self
    }

    /// Writes to one room that may be on their way at once. By default one, which keeps their order
    /// in every case. With more, one that the server puts off, for being sent too fast, may be
    /// overtaken by those behind it.
    #[must_use]
    pub fn pipeline(mut self, writes: usize) -> Self {
        self.pipeline = writes;
        self
    }

    /// The shortest and the longest wait before another connection; half a second and half a minute
    /// by default, as the protocol asks. Shorter ones are for tests.
    #[must_use]
    pub fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.backoff = (shortest, longest);
        self
    }

    /// After how much silence of its own the client asks the server for a sign of life; as often as the
    /// server wants it by default (25 s), and never less often. A server that is gone without a word is
    /// noticed, at most, after this and the wait for the answer, which is as long, or 10 s if that is
    /// less. A shorter one finds another server sooner, and keeps a phone awake. At least a second.
    #[must_use]
    pub fn heartbeat(mut self, silence: Duration) -> Self {
        self.heartbeat = silence;
        self
    }

    /// Where randomness comes from; the operating system by default.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Starts the client on the runtime that this is called in. It connects by itself, and does not
    /// wait for that: watch [`Client::state`].
    ///
    /// # Errors
    /// [`Invalid`] names the setting that is out of bounds.
    pub fn connect<L: Link>(self, link: L) -> Result<Client, Invalid> {
        let mut config = Config::new(DeviceId::parse(&self.device)?);
        let between = |field, value: usize, most: usize| {
            let problem = format!("{field} must be from 1 to {most}");
            if (1..=most).contains(&value) { Ok(()) } else { Err(Invalid::new(field, problem)) }
        };
        between("window", self.window as usize, 4_096)?;
        between("outbox", self.outbox, 1_000_000)?;
        between("pipeline", self.pipeline, 1_000)?;
        if self.backoff.0 > self.backoff.1 {
            return Err(Invalid::new("backoff", "the shortest wait must not exceed the longest"));
        }
        if self.heartbeat < Duration::from_secs(1) {
            return Err(Invalid::new("heartbeat", "a heartbeat must be at least a second"));
        }
        config.window = self.window;
        config.outbox = self.outbox;
        config.pipeline = self.pipeline;
        config.backoff = self.backoff;
        config.heartbeat = self.heartbeat;
        let started = tokio::time::Instant::now().into_std();
        let mut core = Core::new(config, Arc::clone(&self.random), started);
        core.handle_token(started, self.token);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (state_sender, state) =
            watch::channel(State::Offline(Offline::Waiting { until: started }));
        let (notices, unread) = broadcast::channel(NOTICES);
        let driver = Driver {
            core,
            link: Arc::new(link),
            window: self.window,
            commands: receiver,
            state: state_sender,
            notices,
            tokens: self.tokens,
            book: Book::default(),
        };
        tokio::spawn(driver.run());
        let notices = Arc::new(unread);
        Ok(Client { commands, state, notices, random: self.random })
    }
}
