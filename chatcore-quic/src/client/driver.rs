//! The task that runs a core over links.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use chatcore::id::RoomId;
use chatcore::log::Cursor;
use chatcore::protocol::frame::{Answer, ClientFrame, Request, Signal, Token};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::core::{CallId, Core, Output, Unsent};
use super::error::Error;
use super::link::{
    Early, FileStreams, Incoming, Link, LinkError, LinkReceiver as _, LinkSender, Opened,
};
use super::state::{Notice, State, Update};
use super::subscription::{Bell, Reader};

/// Frames that wait in a link's writer.
const WRITER: usize = 16;

/// Where a new token comes from.
pub(super) type TokenSource = Arc<dyn Fn() -> BoxFuture<'static, Option<Token>> + Send + Sync>;

/// Whom an answer goes to. One who has gone does not mind.
type Reply = oneshot::Sender<Result<Answer, Error>>;

/// What a [`Client`](super::Client) asks its driver for.
pub(super) enum Command {
    Call(Request, Reply),
    /// The first tells whether there was room for it.
    Write(Unsent, oneshot::Sender<bool>, Reply),
    Subscribe(RoomId, Option<Cursor>, oneshot::Sender<Result<Stream, Error>>),
    Signal(Signal),
    Unsent(oneshot::Sender<Vec<Unsent>>),
    TakeUnsent(oneshot::Sender<Vec<Unsent>>),
    Token(Token),
    Nudge,
    /// The streams of the link, if it has such; none if there is no link.
    Files(oneshot::Sender<Option<Option<Arc<dyn FileStreams>>>>),
    ShutDown(oneshot::Sender<Vec<Unsent>>),
}

/// The driver's end of a subscription.
type Updates = mpsc::Sender<Result<Update, Error>>;

/// What a subscription is made of.
pub(super) type Stream = (mpsc::Receiver<Result<Update, Error>>, Arc<Reader>);

/// A link of this kind that takes frames.
type Way<L> = Opened<<L as Link>::Sender, <L as Link>::Receiver>;
type Opening<L> = BoxFuture<'static, Result<Way<L>, LinkError>>;
type Handshake<L> = BoxFuture<'static, Early<<L as Link>::Sender, <L as Link>::Receiver>>;

/// The link that there is.
enum Carrier<L: Link> {
    None,
    Opening(Opening<L>),
    Open {
        receiver: L::Receiver,
        writer: mpsc::Sender<Box<ClientFrame>>,
        files: Option<Arc<dyn FileStreams>>,
        /// Its end, if it is not done.
        handshake: Option<Handshake<L>>,
        /// Dropped, it ends the writer.
        _hang_up: oneshot::Sender<()>,
    },
}

impl<L: Link> Carrier<L> {
    /// Begins to write to a link.
    fn of(opened: Way<L>) -> Self {
        let Opened { sender, receiver, handshake } = opened;
        let (writer, frames) = mpsc::channel(WRITER);
        let (hang_up, hung_up) = oneshot::channel();
        let files = sender.files();
        tokio::spawn(write(sender, frames, hung_up));
        Self::Open { receiver, writer, files, handshake, _hang_up: hang_up }
    }
}

/// What happened.
enum Happened<S, R> {
    Command(Option<Command>),
    Token(Option<Token>),
    Opened(Result<Opened<S, R>, LinkError>),
    Handshake(Early<S, R>),
    Incoming(Result<Incoming, super::link::Ended>),
    Writable(bool),
    Read,
    Time,
}

pub(super) struct Driver<L: Link> {
    pub(super) core: Core,
    pub(super) link: Arc<L>,
    pub(super) window: u32,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) state: watch::Sender<State>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) tokens: Option<TokenSource>,
    pub(super) book: Book,
}

/// Whom to tell what.
#[derive(Default)]
pub(super) struct Book {
    bell: Arc<Bell>,
    next_call: u64,
    replies: HashMap<CallId, Reply>,
    streams: HashMap<RoomId, (Updates, Arc<Reader>)>,
    outgoing: std::collections::VecDeque<Box<ClientFrame>>,
}

impl<L: Link> fmt::Debug for Driver<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("link", &self.link).finish_non_exhaustive()
    }
}

fn now() -> Instant {
    // The runtime's time, which a test can pause.
    tokio::time::Instant::now().into_std()
}

impl<L: Link> Driver<L> {
    pub(super) async fn run(mut self) {
        let mut carrier = Carrier::None;
        let mut renewing: Option<BoxFuture<'static, Option<Token>>> = None;
        let bell = Arc::clone(&self.book.bell);
        loop {
            if self.core.poll_timeout().is_some_and(|at| at <= now()) {
                self.core.handle_timeout(now());
            }
            self.work(&mut carrier, &mut renewing);
            let at = self.core.poll_timeout();
            let happened = tokio::select! {
                command = self.commands.recv() => Happened::Command(command),
                () = bell.ring() => Happened::Read,
                token = or_never(renewing.as_mut()) => Happened::Token(token),
                happened = next(&mut carrier, !self.book.outgoing.is_empty()) => happened,
                () = until(at) => Happened::Time,
            };
            match happened {
                Happened::Command(Some(Command::ShutDown(reply))) => {
                    let unsent = self.core.shut_down();
                    self.work(&mut carrier, &mut renewing);
                    let _ = reply.send(unsent);
                    return;
                }
                // Nobody is left to ask for anything.
                Happened::Command(None) => {
                    self.core.shut_down();
                    return self.work(&mut carrier, &mut renewing);
                }
                Happened::Command(Some(Command::Files(reply))) => {
                    let _ = reply.send(match &carrier {
                        Carrier::Open { files, .. } => Some(files.clone()),
                        _ => None,
                    });
                }
                Happened::Command(Some(command)) => self.command(command),
                Happened::Read => self.read(),
                Happened::Token(token) => {
                    renewing = None;
                    self.core.handle_token(now(), token);
                }
                Happened::Opened(Ok(opened)) => {
                    let early = opened.handshake.is_some();
                    carrier = Carrier::of(opened);
                    if early {
                        self.core.handle_linked_early(now());
                    } else {
                        self.core.handle_linked(now());
                    }
                }
                Happened::Handshake(Early::Taken) => {
                    if let Carrier::Open { handshake, .. } = &mut carrier {
                        *handshake = None;
                    }
                    self.core.handle_proven(now());
                }
                Happened::Handshake(Early::Rejected(sender, receiver)) => {
                    tracing::debug!("what was said early was not taken; it is said again");
                    self.hang_up(&mut carrier);
                    carrier = Carrier::of(Opened { sender, receiver, handshake: None });
                    self.core.handle_rejected(now());
                }
                Happened::Opened(Err(problem)) => {
                    tracing::debug!("{problem}");
                    carrier = Carrier::None;
                    self.core.handle_lost(now(), None);
                }
                Happened::Incoming(Ok(Incoming::Frame(frame))) => {
                    self.core.handle_received(now(), frame);
                }
                Happened::Incoming(Ok(Incoming::Unreadable(id))) => {
                    self.core.handle_unreadable(now(), id);
                }
                Happened::Incoming(Err(ended)) => {
                    self.hang_up(&mut carrier);
                    self.core.handle_lost(now(), ended.code);
                }
                Happened::Writable(true) => self.write_out(&carrier),
                Happened::Writable(false) => {
                    // What the server said before it went is still to be heard.
                    self.book.outgoing.clear();
                }
                Happened::Time => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = now();
        match command {
            Command::Call(request, reply) => {
                let id = self.book.await_answer(reply);
                self.core.handle_call(now, id, request);
            }
            Command::Write(unsent, taken, reply) => {
                let id = self.book.await_answer(reply);
                let there_was_room = self.core.handle_write(now, id, unsent);
                if !there_was_room {
                    self.book.replies.remove(&id);
                }
                let _ = taken.send(there_was_room);
            }
            Command::Subscribe(room, since, reply) => {
                // One that was dropped just now is no longer there.
                self.read();
                let _ = reply.send(if self.book.streams.contains_key(&room) {
                    Err(Error::Subscribed)
                } else {
                    let stream = self.book.stream(&room, self.window);
                    self.core.handle_subscribe(now, room, since);
                    Ok(stream)
                });
            }
            Command::Signal(signal) => self.core.handle_signal(now, signal),
            Command::Unsent(reply) => {
                let _ = reply.send(self.core.unsent());
            }
            Command::TakeUnsent(reply) => {
                let _ = reply.send(self.core.take_unsent());
            }
            Command::Token(token) => self.core.handle_token(now, Some(token)),
            Command::Nudge => self.core.handle_nudge(now),
            // The loop has seen to it.
            Command::Files(_) | Command::ShutDown(_) => {}
        }
    }

    /// Looks what the application has read, and what it has dropped.
    fn read(&mut self) {
        for reader in self.book.bell.take() {
            let (taken, dropped) = reader.look();
            let current = self.book.streams.get(reader.room());
            // Not one that ended, and has a successor by now.
            if current.is_none_or(|(_, current)| !Arc::ptr_eq(current, &reader)) {
                continue;
            }
            if dropped {
                self.book.streams.remove(reader.room());
                self.core.handle_unsubscribe(now(), reader.room());
            } else {
                self.core.handle_read(now(), reader.room(), taken);
            }
        }
    }

    /// Carries out what the core wants.
    fn work(
        &mut self,
        carrier: &mut Carrier<L>,
        renewing: &mut Option<BoxFuture<'static, Option<Token>>>,
    ) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Connect { early } => {
                    let link = Arc::clone(&self.link);
                    let opening = async move {
                        if early {
                            return link.open_early().await;
                        }
                        let (sender, receiver) = link.open().await?;
                        Ok(Opened { sender, receiver, handshake: None })
                    };
                    *carrier = Carrier::Opening(opening.boxed());
                }
                Output::Send(frame) => self.book.outgoing.push_back(frame),
                Output::Hangup => self.hang_up(carrier),
                Output::WantToken => {
                    if let (Some(source), None) = (&self.tokens, &renewing) {
                        *renewing = Some(source());
                    }
                }
                Output::State(state) => {
                    self.state.send_replace(state);
                }
                Output::Notice(notice) => {
                    // Nobody may be listening.
                    let _ = self.notices.send(notice);
                }
                Output::Answer(id, result) => {
                    if let Some(reply) = self.book.replies.remove(&id) {
                        let _ = reply.send(result);
                    }
                }
                Output::Update(room, update) => self.book.update(&room, update),
                Output::Ended(room, failure) => {
                    if let Some((stream, _)) = self.book.streams.remove(&room) {
                        let _ = stream.try_send(Err(failure.into()));
                    }
                }
            }
        }
    }

    fn hang_up(&mut self, carrier: &mut Carrier<L>) {
        *carrier = Carrier::None;
        self.book.outgoing.clear();
    }

    /// Hands the writer as much as it takes.
    fn write_out(&mut self, carrier: &Carrier<L>) {
        let Carrier::Open { writer, .. } = carrier else { return };
        while let Ok(permit) = writer.try_reserve() {
            let Some(frame) = self.book.outgoing.pop_front() else { return };
            if matches!(*frame, ClientFrame::Signal(_)) {
                self.core.signal_written();
            }
            permit.send(frame);
        }
    }
}

impl Book {
    fn await_answer(&mut self, reply: Reply) -> CallId {
        self.next_call += 1;
        let id = CallId(self.next_call);
        self.replies.insert(id, reply);
        id
    }

    fn stream(&mut self, room: &RoomId, window: u32) -> Stream {
        // The core lets two windows of updates lie at most; the last place is for the end.
        let (sender, updates) = mpsc::channel(2 * window.max(1) as usize + 3);
        let reader = Reader::new(room.clone(), window, Arc::clone(&self.bell));
        self.streams.insert(room.clone(), (sender, Arc::clone(&reader)));
        (updates, reader)
    }

    fn update(&mut self, room: &RoomId, update: Update) {
        let Some((stream, _)) = self.streams.get(room) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = stream.try_send(Ok(update)) {
            // The bound is the core's to keep. Better no more than one left out.
            tracing::error!(%room, "a subscription overflowed");
            self.streams.remove(room);
        }
    }
}

/// Writes what comes until there is no more, it fails, or the driver hangs up.
async fn write<S: LinkSender>(
    mut sender: S,
    mut frames: mpsc::Receiver<Box<ClientFrame>>,
    hung_up: oneshot::Receiver<()>,
) {
    let writing = async {
        while let Some(frame) = frames.recv().await {
            if let Err(problem) = sender.send(&frame).await {
                tracing::debug!("{problem}");
                // The receiver finds out what the server had to say.
                return pending().await;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        _ = hung_up => {}
    }
    sender.close().await;
}

/// What happens on the link.
async fn next<L: Link>(
    carrier: &mut Carrier<L>,
    outgoing: bool,
) -> Happened<L::Sender, L::Receiver> {
    match carrier {
        Carrier::None => pending().await,
        Carrier::Opening(opening) => Happened::Opened(opening.await),
        Carrier::Open { receiver, writer, handshake, .. } => {
            let writable =
                async { if outgoing { writer.reserve().await.is_ok() } else { pending().await } };
            tokio::select! {
                // What it decides comes before what follows from it.
                biased;
                early = or_never(handshake.as_mut()) => Happened::Handshake(early),
                incoming = receiver.receive() => Happened::Incoming(incoming),
                writable = writable => Happened::Writable(writable),
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

async fn or_never<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}
