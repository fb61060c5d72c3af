//! Any link, that can be cut; and a server with accounts.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use chatcore::Chat;
use chatcore::account::{NewAccount, NewSession, SignedIn};
use chatcore::id::DeviceId;
use chatcore::protocol::frame::ClientFrame;
use chatcore::store::memory::MemoryStore;
use chatcore_quic::client::link::{
    Early, Ended, FileStreams, Incoming, Link, LinkError, LinkReceiver, LinkSender, Opened,
};
use chatcore_quic::client::{Client, ClientBuilder, QuicLink, Trust};
use chatcore_quic::server::SelfSigned;
use chatcore_quic::{Certificate, Config, Counters, serve};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::memory::Scissors;

/// Longer than anything here takes.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(20), future).await;
    done.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// A server of this crate, with accounts.
pub(crate) struct House {
    pub(crate) chat: Chat,
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Certificate,
    pub(crate) made: SelfSigned,
    pub(crate) counters: Arc<Counters>,
    task: tokio::task::JoinHandle<std::io::Result<chatcore_quic::Stopped>>,
}

impl House {
    pub(crate) async fn open() -> Self {
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.expect("memory opens");
        let made = SelfSigned::make().expect("made");
        let certificate = Certificate::from_pem(made.chain.as_bytes(), made.key.as_bytes());
        let certificate = certificate.expect("usable");
        let config = Config::new(certificate.clone());
        let counters = config.counters();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = socket.local_addr().expect("bound");
        let task = tokio::spawn(serve(socket, chat.clone(), config, std::future::pending()));
        Self { chat, address, certificate, made, counters, task }
    }

    /// Someone with an account, signed in on `native`.
    pub(crate) async fn person(&self, name: &str) -> SignedIn {
        let account = NewAccount::handle(name, "correct horse battery");
        let registered = self.chat.accounts().register(account).await.expect("registered");
        let user = registered.account().expect("no address to confirm").id;
        let device = NewSession::on(DeviceId::parse("native").expect("valid"));
        self.chat.accounts().start_session(&user, device).await.expect("signed in")
    }

    pub(crate) fn link(&self, address: SocketAddr) -> (Cuttable, Scissors) {
        let trust: Trust = self.certificate.fingerprint().parse().expect("a fingerprint");
        let scissors = Scissors::default();
        let inner = QuicLink::new(&address.to_string(), trust).expect("a socket");
        (Cuttable { inner, scissors: scissors.clone() }, scissors)
    }

    /// A client that comes back within milliseconds.
    pub(crate) fn client(&self, signed: &SignedIn) -> ClientBuilder {
        let quick = (Duration::from_millis(1), Duration::from_millis(8));
        Client::builder().token(&signed.tokens.access).backoff(quick.0, quick.1)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A link whose connections can be cut, without the server being told.
#[derive(Debug)]
pub(crate) struct Cuttable {
    inner: QuicLink,
    scissors: Scissors,
}

type Inner = QuicLink;
type Cut = watch::Receiver<u64>;
pub(crate) struct Sender(<Inner as Link>::Sender, Cut);
pub(crate) struct Receiver(<Inner as Link>::Receiver, Cut);

impl Cuttable {
    fn wrap(
        cut: &Cut,
        (sender, receiver): (<Inner as Link>::Sender, <Inner as Link>::Receiver),
    ) -> (Sender, Receiver) {
        (Sender(sender, cut.clone()), Receiver(receiver, cut.clone()))
    }
}

impl Link for Cuttable {
    type Sender = Sender;
    type Receiver = Receiver;

    async fn open(&self) -> Result<(Sender, Receiver), LinkError> {
        let cut = self.scissors.subscribe();
        Ok(Self::wrap(&cut, self.inner.open().await?))
    }

    async fn open_early(&self) -> Result<Opened<Sender, Receiver>, LinkError> {
        let cut = self.scissors.subscribe();
        let Opened { sender, receiver, handshake } = self.inner.open_early().await?;
        let (sender, receiver) = Self::wrap(&cut, (sender, receiver));
        let handshake = handshake.map(|handshake| {
            let wrapped = handshake.map(move |early| match early {
                Early::Taken => Early::Taken,
                Early::Rejected(sender, receiver) => {
                    let (sender, receiver) = Self::wrap(&cut, (sender, receiver));
                    Early::Rejected(sender, receiver)
                }
            });
            wrapped.boxed()
        });
        Ok(Opened { sender, receiver, handshake })
    }
}

impl LinkSender for Sender {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        if self.1.has_changed().unwrap_or(true) {
            return Err(LinkError::new("cut"));
        }
        self.0.send(frame).await
    }

    fn files(&self) -> Option<Arc<dyn FileStreams>> {
        self.0.files()
    }

    async fn close(self) {
        self.0.close().await;
    }
}

impl LinkReceiver for Receiver {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        tokio::select! {
            incoming = self.0.receive() => incoming,
            _ = self.1.changed() => Err(Ended::CUT),
        }
    }
}
