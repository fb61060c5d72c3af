//! A server at one end of a bad line, and clients at the other.

use std::sync::Arc;
use std::time::Duration;

use chatcore::account::{NewAccount, NewSession};
use chatcore::id::{DeviceId, RoomId, UserId};
use chatcore::log::Draft;
use chatcore::protocol::frame::ClientFrame;
use chatcore::protocol::limits::Announced;
use chatcore::protocol::session::Config as SessionConfig;
use chatcore::room::NewRoom;
use chatcore_quic::client::link::{
    Early, Ended, Incoming, Link, LinkError, LinkReceiver, LinkSender, Opened,
};
use chatcore_quic::client::{Client, ClientBuilder, QuicLink, WsLink};
use chatcore_tests::Local;
use chatcore_tests::lab::{Lab, SERVER};
use futures_util::FutureExt as _;
use tokio::sync::watch;

/// Whether this run is for figures rather than for a quick look.
pub(crate) fn long() -> bool {
    std::env::var_os("CHATCORE_LAB_LONG").is_some_and(|value| value == "1")
}

/// One number for a quick run, another for a long one.
pub(crate) fn either<T>(quick: T, at_length: T) -> T {
    if long() { at_length } else { quick }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

/// A chat served over both transports. Two people, alice and bob, have accounts.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    pub(crate) local: Arc<Local>,
}

impl Site {
    /// Starts one behind a line of its own, with this heartbeat.
    pub(crate) async fn open(seed: u64, heartbeat: Duration) -> Option<Self> {
        Self::open_with(seed, heartbeat, None).await
    }

    /// The same, whose server has TCP use this congestion control.
    pub(crate) async fn open_with(
        seed: u64,
        heartbeat: Duration,
        tcp_congestion: Option<&'static str>,
    ) -> Option<Self> {
        let lab = Lab::open(seed)?;
        let local = lab.server.run(async move {
            let local = Local::with(|choices| {
                let mut session = SessionConfig::new(Announced::new(&choices.limits));
                session.heartbeat = heartbeat;
                choices.web = std::mem::take(&mut choices.web).with_session(session.clone());
                choices.quic = Box::new(|config| config.with_session(session));
                (choices.ip, choices.tls) = (SERVER, true);
                choices.tcp_congestion = tcp_congestion;
            });
            let local = local.await;
            for name in ["alice", "bob"] {
                let account = NewAccount::handle(name, "correct horse");
                let account = NewAccount { id: Some(user(name)), ..account };
                local.chat.accounts().register(account).await.expect("registered");
            }
            local
        });
        Some(Self { local: Arc::new(local.await), lab })
    }

    /// Alice's session token, for a client that is not told of yet.
    pub(crate) async fn alice(&self) -> ClientBuilder {
        let device = DeviceId::parse("phone").expect("a sound id");
        let session = NewSession::on(device);
        let accounts = self.local.chat.accounts();
        let signed_in = accounts.start_session(&user("alice"), session).await.expect("signed in");
        Client::builder()
            .device("phone")
            .token(signed_in.tokens.session_token)
            .backoff(Duration::ZERO, Duration::ZERO)
    }

    /// A room of both.
    pub(crate) async fn room(&self) -> RoomId {
        let (alice, bob) = (user("alice"), user("bob"));
        let alice = self.local.chat.as_user(&alice);
        let room = alice.create_room(NewRoom::public("room")).await.expect("made").room;
        self.local.chat.as_user(&bob).enter(&room).await.expect("entered");
        room
    }

    /// Bob says something, right at the server.
    pub(crate) async fn say(&self, room: &RoomId, text: &str) {
        let sent = self.local.chat.as_user(&user("bob")).send(room, Draft::text(text)).await;
        sent.expect("sent");
    }

    /// A way over QUIC, from the client's end.
    pub(crate) async fn quic(&self) -> QuicLink {
        let local = Arc::clone(&self.local);
        self.lab.client.run(async move { local.link() }).await
    }

    /// A way over TCP, TLS 1.3 and WebSocket, from wherever its client runs.
    pub(crate) fn wss(&self) -> WsLink {
        self.local.websocket_link()
    }

    /// Starts a client at its end of the line.
    pub(crate) async fn connect<L: Link>(&self, builder: ClientBuilder, link: L) -> Client {
        let connecting = async move { builder.connect(link).expect("sound settings") };
        self.lab.client.run(connecting).await
    }
}

/// Cuts the links of one client, each as if its network had said that it is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scissors(Arc<watch::Sender<u64>>);

impl Scissors {
    pub(crate) fn cut(&self) {
        self.0.send_modify(|cuts| *cuts += 1);
    }

    /// `link`, to be cut by these.
    pub(crate) fn at<L: Link>(&self, link: L) -> Cuttable<L> {
        Cuttable { link, scissors: self.clone() }
    }
}

/// A link that can be cut.
#[derive(Debug)]
pub(crate) struct Cuttable<L> {
    link: L,
    scissors: Scissors,
}

pub(crate) struct Sender<S>(S);
pub(crate) struct Receiver<R>(R, Cut);

type Cut = watch::Receiver<u64>;

impl<L: Link> Link for Cuttable<L> {
    type Sender = Sender<L::Sender>;
    type Receiver = Receiver<L::Receiver>;

    async fn open(&self) -> Result<(Self::Sender, Self::Receiver), LinkError> {
        let cut = self.scissors.0.subscribe();
        let (sender, receiver) = self.link.open().await?;
        Ok((Sender(sender), Receiver(receiver, cut)))
    }

    async fn open_early(&self) -> Result<Opened<Self::Sender, Self::Receiver>, LinkError> {
        let cut = self.scissors.0.subscribe();
        let Opened { sender, receiver, handshake } = self.link.open_early().await?;
        let receiver = Receiver(receiver, cut.clone());
        let handshake = handshake.map(|handshake| {
            let wrapped = handshake.map(move |early| match early {
                Early::Taken => Early::Taken,
                Early::Rejected(sender, receiver) => {
                    Early::Rejected(Sender(sender), Receiver(receiver, cut))
                }
            });
            wrapped.boxed()
        });
        Ok(Opened { sender: Sender(sender), receiver, handshake })
    }
}

impl<S: LinkSender> LinkSender for Sender<S> {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        self.0.send(frame).await
    }

    async fn close(self) {
        self.0.close().await;
    }
}

impl<R: LinkReceiver> LinkReceiver for Receiver<R> {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        tokio::select! {
            incoming = self.0.receive() => incoming,
            _ = self.1.changed() => Err(Ended::CUT),
        }
    }
}
