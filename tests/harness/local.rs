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
use chatcore_quic::client::{QuicLink, Trust, WsLink};
use chatcore_quic::server::SelfSigned;
use chatcore_quic::{Certificate, Counters};
use chatcore_warp::Config;
use chatcore_warp::serve::{ServeConfig, Stopped, Tls, serve, serve_with};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Encoding, Http, PATIENCE, Person, WsClient};

/// A server on free ports, for HTTP and for QUIC, over the memory store, until it is dropped.
#[derive(Debug)]
pub struct Local {
    /// What it serves.
    pub chat: Chat,
    /// The mail that it sent.
    pub mail: Arc<MemoryMailer>,
    /// What its QUIC side has seen.
    pub counters: Arc<Counters>,
    address: SocketAddr,
    quic: SocketAddr,
    identity: SelfSigned,
    tls: bool,
    stop: watch::Sender<bool>,
    served: JoinHandle<Stopped>,
    quic_served: JoinHandle<std::io::Result<chatcore_quic::Stopped>>,
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
    /// The address to listen on: that of this machine alone.
    pub ip: Ipv4Addr,
    /// The congestion control of TCP, by the kernel's name of it: the kernel's choice.
    pub tcp_congestion: Option<&'static str>,
    /// Whether HTTP is spoken over TLS: not.
    pub tls: bool,
    /// Anything else about the QUIC side.
    pub quic: Box<dyn FnOnce(chatcore_quic::Config) -> chatcore_quic::Config + Send>,
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
        limits.reports_per_user = None;
        Self {
            accounts: AccountSettings { passwords, rates, ..AccountSettings::default() },
            limits,
            web: Config::default().without_limits(),
            serving: ServeConfig::default(),
            ip: Ipv4Addr::LOCALHOST,
            tcp_congestion: None,
            tls: false,
            quic: Box::new(|config| config),
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
        let listener = TcpListener::bind((choices.ip, 0)).await.expect("a free port");
        if let Some(name) = choices.tcp_congestion {
            let set = socket2::SockRef::from(&listener).set_tcp_congestion(name.as_bytes());
            set.expect("the kernel has it");
        }
        let address = listener.local_addr().expect("it is bound");
        let socket = UdpSocket::bind((choices.ip, 0)).await.expect("a free port");
        let socket = socket.into_std().expect("it is open");
        let quic = socket.local_addr().expect("it is bound");
        let identity = SelfSigned::make().expect("a certificate");
        let (chain, key) = (identity.chain.as_bytes(), identity.key.as_bytes());
        let certificate = Certificate::from_pem(chain, key).expect("it was just made");
        let config = (choices.quic)(chatcore_quic::Config::new(certificate));
        let counters = config.counters();
        let stop = watch::Sender::new(false);
        let stopped = || {
            let mut stopping = stop.subscribe();
            // The sender going away means that the server was dropped.
            async move { drop(stopping.wait_for(|stopping| *stopping).await) }
        };
        let quic_served =
            tokio::spawn(chatcore_quic::serve(socket, chat.clone(), config, stopped()));
        let (draining, end, serving) = (chat.clone(), stopped(), choices.serving);
        let end = async move {
            end.await;
            draining.drain();
        };
        let served = if choices.tls {
            let tls = Tls::from_pem(chain, key).expect("it was just made");
            tokio::spawn(serve_with(listener, tls, routes, serving, end))
        } else {
            tokio::spawn(serve(listener, routes, serving, end))
        };
        let tls = choices.tls;
        Self { chat, mail, counters, address, quic, identity, tls, stop, served, quic_served }
    }

    /// Where it listens for HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for QUIC.
    pub fn quic(&self) -> SocketAddr {
        self.quic
    }

    /// What it shows to prove who it is: it calls itself `localhost`.
    pub fn identity(&self) -> &SelfSigned {
        &self.identity
    }

    /// A way to it over QUIC, from the network of the thread that calls.
    pub fn link(&self) -> QuicLink {
        QuicLink::new(&self.quic.to_string(), self.trust()).expect("a socket")
    }

    /// A way to it over WebSocket, with TLS if it has that.
    pub fn websocket_link(&self) -> WsLink {
        let scheme = if self.tls { "wss" } else { "ws" };
        let url = format!("{scheme}://{}/ws", self.address);
        WsLink::new(&url, self.trust()).expect("a sound URL")
    }

    /// The certificate that it shows, to serve under it elsewhere too.
    pub fn certificate(&self) -> Certificate {
        let (chain, key) = (self.identity.chain.as_bytes(), self.identity.key.as_bytes());
        Certificate::from_pem(chain, key).expect("it is served under")
    }

    /// Whom a client of it trusts.
    pub fn trust(&self) -> Trust {
        self.certificate().fingerprint().parse().expect("a fingerprint")
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
        self.stop.send_replace(true);
        let both = async { tokio::join!(&mut self.served, &mut self.quic_served) };
        let (ended, quic) = tokio::time::timeout(PATIENCE, both).await.expect("it ends in time");
        // Who is left there is cut, as everywhere.
        let _ = quic.expect("it ends in order").expect("its socket holds");
        let ended = ended.expect("it ends in order");
        self.chat.shutdown().await;
        ended
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.served.abort();
        self.quic_served.abort();
    }
}
