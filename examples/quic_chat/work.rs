//! Does what `update` asks for, and tells what came of it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chatcore::clock::{Clock as _, SystemClock, Timestamp};
use chatcore::id::{ClientMsgId, MessageId, RoomId, UserId};
use chatcore::log::{AttachmentRef, Cursor};
use chatcore::protocol::frame::{
    CreateRoom, History, MemberChange, MemberVerb, Request, Send, Token,
};
use chatcore_quic::client::{
    Client, ClientBuilder, Error, Fallback, Link, Offline, QuicLink, State, Unsent, Write, WsLink,
    link::{LinkError, Opened},
};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::AbortHandle;

use crate::Fault;
use crate::account::{Accounts, DEVICE, SignedIn};
use crate::files;
use crate::kept::{Kept, Session};
use crate::model::news::{News, Task};

/// Messages of a page.
const PAGE: u32 = 50;
/// How long others take the user for typing, in milliseconds.
const TYPING: u32 = 5_000;
/// Names that are asked for at once.
const NAMES: usize = 4;
/// Writes that are on their way to the outbox.
const WRITES: usize = 64;

/// Where the server is, and where things are kept.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) way: Way,
    pub(crate) accounts: Accounts,
    pub(crate) state: PathBuf,
    pub(crate) downloads: PathBuf,
    pub(crate) server: String,
}

/// How to get there.
#[derive(Clone)]
pub(crate) enum Way {
    Quic(QuicLink),
    /// Over WebSocket where QUIC does not get through.
    Either(Fallback<QuicLink, WsLink>),
}

impl Way {
    fn connect(
        &self,
        builder: ClientBuilder,
        problems: watch::Sender<Option<String>>,
    ) -> Result<Client, Fault> {
        Ok(match self.clone() {
            Self::Quic(link) => builder.connect(Watched { link, problems })?,
            Self::Either(link) => builder.connect(Watched { link, problems })?,
        })
    }

    /// Whether it goes over WebSocket now.
    fn on_spare(&self) -> bool {
        matches!(self, Self::Either(link) if link.on_spare())
    }
}

/// Who has logged in, under which name.
pub(crate) type LoggedIn = (String, SignedIn);

pub(crate) struct Worker {
    place: Place,
    news: mpsc::Sender<News>,
    logins: mpsc::Sender<LoggedIn>,
    active: Option<Active>,
}

/// A session, and what runs for it.
struct Active {
    client: Client,
    kept: Arc<Kept>,
    user: UserId,
    token: Token,
    writes: mpsc::Sender<Unsent>,
    followed: HashMap<RoomId, AbortHandle>,
    /// Ended with the session.
    running: Vec<AbortHandle>,
    names: Arc<Semaphore>,
}

impl Worker {
    pub(crate) fn new(
        place: Place,
        news: mpsc::Sender<News>,
        logins: mpsc::Sender<LoggedIn>,
    ) -> Self {
        Self { place, news, logins, active: None }
    }

    /// Begins with a login of an earlier start, if there is one.
    pub(crate) fn resume(&mut self, login: &str) -> Result<bool, Fault> {
        let kept = Kept::open(&self.place.state, &self.place.server, login)?;
        let Some(Session { user, name, token }) = kept.session()? else { return Ok(false) };
        self.start(kept, SignedIn { user, name, token })?;
        Ok(true)
    }

    /// Begins with a login of just now.
    pub(crate) fn begin(&mut self, (login, signed_in): LoggedIn) {
        let SignedIn { user, name, token } = signed_in.clone();
        let begun = Kept::open(&self.place.state, &self.place.server, &login).and_then(|kept| {
            kept.keep_session(&Session { user, name, token })?;
            self.start(kept, signed_in)
        });
        if let Err(problem) = begun {
            self.tell(News::NotLoggedIn(problem.to_string()));
        }
    }

    fn start(&mut self, kept: Kept, signed_in: SignedIn) -> Result<(), Fault> {
        let SignedIn { user, name, token } = signed_in;
        let kept = Arc::new(kept);
        let unsent = kept.outbox(&user)?;
        let (problems, problem) = watch::channel(None);
        let builder = Client::builder().token(token.expose()).device(DEVICE);
        let client = self.place.way.connect(builder, problems)?;
        let (writes, queue) = mpsc::channel(WRITES);
        let changed = Arc::new(Notify::new());
        let running = [
            tokio::spawn(tell_state(client.clone(), self.place.way.clone(), self.news.clone())),
            tokio::spawn(tell_problems(problem, self.news.clone())),
            tokio::spawn(tell_notices(client.clone(), self.news.clone())),
            tokio::spawn(write(
                client.clone(),
                unsent.clone(),
                queue,
                changed.clone(),
                self.news.clone(),
            )),
            tokio::spawn(keep(
                client.clone(),
                kept.clone(),
                user.clone(),
                changed,
                self.news.clone(),
            )),
        ];
        let running = running.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        self.tell(News::LoggedIn { user: user.clone(), name });
        self.tell(News::Unsent(unsent));
        let names = Arc::new(Semaphore::new(NAMES));
        let followed = HashMap::new();
        self.active = Some(Active { client, kept, user, token, writes, followed, running, names });
        Ok(())
    }

    /// Ends the session, and keeps what was not sent.
    pub(crate) async fn end(&mut self) -> Result<(), Fault> {
        let Some(active) = self.active.take() else { return Ok(()) };
        for task in active.running.into_iter().chain(active.followed.into_values()) {
            task.abort();
        }
        let unsent = active.client.shut_down().await;
        active.kept.keep_outbox(&active.user, unsent)
    }

    fn tell(&self, news: News) {
        let sender = self.news.clone();
        tokio::spawn(async move { sender.send(news).await });
    }

    /// Does one thing; what takes time goes on beside.
    pub(crate) async fn carry_out(&mut self, task: Task) -> Result<(), Fault> {
        match task {
            Task::LogIn { name, password, register } => {
                let (accounts, news) = (self.place.accounts.clone(), self.news.clone());
                let logins = self.logins.clone();
                tokio::spawn(async move {
                    match accounts.log_in(&name, &password.0, register).await {
                        Ok(signed_in) => drop(logins.send((name, signed_in)).await),
                        Err(why) => drop(news.send(News::NotLoggedIn(why.to_string())).await),
                    }
                });
            }
            Task::LogOut => {
                if let Some(active) = &self.active {
                    let ended = self.place.accounts.log_out(&active.token).await;
                    active.kept.forget_session()?;
                    self.end().await?;
                    let said = match ended {
                        Ok(()) => "You are logged out.".to_owned(),
                        Err(why) => format!("Logged out here; the server was not told: {why}"),
                    };
                    self.tell(News::LoggedOut(said));
                }
            }
            Task::Over => {
                if let Some(active) = &self.active {
                    active.kept.forget_session()?;
                }
                self.end().await?;
            }
            Task::Follow { room, since } => self.follow(room, since),
            Task::Unfollow(room) => {
                let followed = self.active.as_mut().and_then(|a| a.followed.remove(&room));
                followed.inspect(AbortHandle::abort);
            }
            Task::Write(unsent) => {
                if let Some(active) = &self.active {
                    active.writes.send(*unsent).await?;
                }
            }
            Task::Upload { room, id, path, reply_to } => {
                if let Some(active) = &self.active {
                    let (client, writes) = (active.client.clone(), active.writes.clone());
                    let news = self.news.clone();
                    tokio::spawn(async move {
                        let named = (room.clone(), id.clone());
                        match files::upload(&client, named, &path, &news).await {
                            Ok(file) => {
                                let write = attached(id, file, reply_to);
                                // A session that has ended sends nothing more.
                                let _ = writes.send(Unsent { room, write }).await;
                            }
                            Err(why) => {
                                let result = Err(why.to_string());
                                let _ = news.send(News::Sent { room, id, result }).await;
                            }
                        }
                    });
                }
            }
            Task::Download(file) => {
                if let Some(active) = &self.active {
                    let (client, news) = (active.client.clone(), self.news.clone());
                    let dir = self.place.downloads.clone();
                    tokio::spawn(async move {
                        let saved = files::download(&client, &file, &dir, &news).await;
                        let saved = saved.map_err(|why| why.to_string());
                        let _ = news.send(News::Saved { file: file.id, saved }).await;
                    });
                }
            }
            task => {
                if let Some(active) = &self.active {
                    let doing = ask(active, self.place.accounts.clone(), task);
                    let news = self.news.clone();
                    tokio::spawn(async move {
                        if let Some(told) = doing.await {
                            // Nobody listens once the program ends.
                            let _ = news.send(told).await;
                        }
                    });
                }
            }
        }
        Ok(())
    }

    fn follow(&mut self, room: RoomId, since: Cursor) {
        let Some(active) = &mut self.active else { return };
        let task = follow(active.client.clone(), room.clone(), since, self.news.clone());
        let task = tokio::spawn(task).abort_handle();
        if let Some(earlier) = active.followed.insert(room, task) {
            earlier.abort();
        }
    }
}

/// A message that is a file.
fn attached(id: ClientMsgId, file: AttachmentRef, reply_to: Option<MessageId>) -> Write {
    let (text, attachments) = (String::new(), vec![file.id]);
    Write::Send(Send {
        client_msg_id: id,
        text,
        reply_to,
        attachments,
        mentions: Vec::new(),
        meta: None,
    })
}

/// Asks the server for something, and returns what there is to tell.
fn ask(active: &Active, accounts: Accounts, task: Task) -> BoxFuture<'static, Option<News>> {
    let (client, token, names) =
        (active.client.clone(), active.token.clone(), active.names.clone());
    Box::pin(async move {
        let done = match task {
            Task::Nudge => {
                client.nudge().await;
                return None;
            }
            Task::Rooms => client.rooms().await.map(|rooms| Some(News::Rooms(rooms))),
            Task::Visible => {
                return Some(match accounts.visible(&token).await {
                    Ok(rooms) => News::Visible(rooms),
                    Err(why) => News::Failed(why.to_string()),
                });
            }
            Task::Name(user) => {
                let _permit = names.acquire().await.ok()?;
                // An id is shown until somebody asks again, at the next start.
                let name = accounts.name(&token, &user).await.ok()?;
                return Some(News::Name(user, name));
            }
            Task::Page { room, before } => {
                let asked = History { before, limit: Some(PAGE), ..History::default() };
                let page = client.history(&room, asked).await.map_err(|why| why.to_string());
                return Some(News::Page { room, before, page });
            }
            Task::Reread { room, seq } => {
                let asked = History { around: Some(seq), limit: Some(1), ..History::default() };
                let page = client.history(&room, asked).await;
                page.map(|page| {
                    let message = page.messages.into_iter().find(|message| message.seq == seq);
                    message.map(|message| News::Reread(room, Box::new(message)))
                })
            }
            Task::React { room, message, emoji, on } => {
                client.react(&room, &message, &emoji, on).await.map(|()| None)
            }
            Task::Create { kind, name, with } => {
                let new = CreateRoom { name, kind, topic: None, members: with };
                client.create_room(new).await.map(|made| Some(News::Entered(made.room)))
            }
            Task::Enter(room) => {
                client.enter(&room).await.map(|entered| Some(News::Entered(entered.room)))
            }
            Task::Leave(room) => client.leave(&room).await.map(|_| Some(News::Left(room))),
            Task::Invite { room, user } => {
                let (role, until, reason) = (None, None, None);
                let body = MemberChange { action: MemberVerb::Invite, role, until, reason };
                let asked = client.request(Request::Member { room, user, body }).await;
                asked.map(|_| Some(News::Done("asked in".into())))
            }
            Task::Read { room, seq } => client.mark_read(&room, seq).await.map(|()| None),
            Task::Typing { room, on } => {
                client.signal(&room, "typing", on, TYPING).await;
                return None;
            }
            _ => return None,
        };
        match done {
            Ok(told) => told,
            Err(Error::ShutDown) => None,
            Err(why) => Some(News::Failed(why.to_string())),
        }
    })
}

/// Hands on what a room brings.
async fn follow(client: Client, room: RoomId, since: Cursor, news: mpsc::Sender<News>) {
    let ended = match client.subscribe(&room, Some(since)).await {
        Err(why) => why,
        Ok(mut updates) => loop {
            match updates.next().await {
                Some(Ok(update)) => {
                    if news.send(News::Update(room.clone(), update)).await.is_err() {
                        return;
                    }
                }
                Some(Err(why)) => break why,
                None => return,
            }
        },
    };
    let _ = news.send(News::Unfollowed(room, ended.to_string())).await;
}

async fn tell_state(client: Client, way: Way, news: mpsc::Sender<News>) {
    let mut states = client.state();
    loop {
        let state = *states.borrow_and_update();
        let retry_at = match state {
            State::Offline(Offline::Waiting { until }) => {
                let left = until.saturating_duration_since(Instant::now());
                Some(now().after(left))
            }
            _ => None,
        };
        let spare = way.on_spare();
        if news.send(News::State { state, retry_at, spare }).await.is_err() {
            return;
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

async fn tell_problems(mut problem: watch::Receiver<Option<String>>, news: mpsc::Sender<News>) {
    while problem.changed().await.is_ok() {
        let why = problem.borrow_and_update().clone();
        if let Some(why) = why
            && news.send(News::Unreachable(why)).await.is_err()
        {
            return;
        }
    }
}

async fn tell_notices(client: Client, news: mpsc::Sender<News>) {
    let mut notices = client.notices();
    drop(client);
    while let Some(notice) = notices.next().await {
        if news.send(News::Told(notice)).await.is_err() {
            return;
        }
    }
}

/// Puts writes into the outbox in the order in which they come: those of last time first.
async fn write(
    client: Client,
    kept: Vec<Unsent>,
    mut queue: mpsc::Receiver<Unsent>,
    changed: Arc<Notify>,
    news: mpsc::Sender<News>,
) {
    let mut kept = kept.into_iter();
    loop {
        let next = kept.next();
        let Some(unsent) = (if next.is_some() { next } else { queue.recv().await }) else { return };
        let room = unsent.room.clone();
        let id = match &unsent.write {
            Write::Send(send) => send.client_msg_id.clone(),
            Write::Edit { body, .. } => body.client_msg_id.clone(),
            Write::Delete { body, .. } => body.client_msg_id.clone(),
            _ => continue,
        };
        let sending = client.put_back([unsent]).await;
        changed.notify_one();
        let (changed, news) = (changed.clone(), news.clone());
        tokio::spawn(async move {
            let result = match sending {
                Ok(mut sending) => match sending.pop() {
                    Some(sending) => sending.sent().await,
                    None => return,
                },
                Err(why) => Err(why),
            };
            changed.notify_one();
            // Those taken out are kept, and go another time.
            if !matches!(result, Err(Error::Withdrawn | Error::ShutDown)) {
                let result = result.map_err(|why| why.to_string());
                let _ = news.send(News::Sent { room, id, result }).await;
            }
        });
    }
}

/// Keeps the outbox in its file, as it changes.
async fn keep(
    client: Client,
    kept: Arc<Kept>,
    user: UserId,
    changed: Arc<Notify>,
    news: mpsc::Sender<News>,
) {
    loop {
        changed.notified().await;
        let Ok(unsent) = client.outbox().await else { return };
        let (kept, user) = (kept.clone(), user.clone());
        let written = tokio::task::spawn_blocking(move || {
            kept.keep_outbox(&user, unsent).map_err(|why| why.to_string())
        });
        if let Ok(Err(why)) = written.await {
            let why = format!("unsent messages are not kept on disk: {why}");
            let _ = news.send(News::Failed(why)).await;
        }
    }
}

/// A link that tells why it could not be opened.
#[derive(Debug)]
struct Watched<L> {
    link: L,
    problems: watch::Sender<Option<String>>,
}

impl<L: Link> Link for Watched<L> {
    type Sender = L::Sender;
    type Receiver = L::Receiver;

    async fn open(&self) -> Result<(Self::Sender, Self::Receiver), LinkError> {
        self.link.open().await.inspect_err(|why| self.tell(why))
    }

    async fn open_early(&self) -> Result<Opened<Self::Sender, Self::Receiver>, LinkError> {
        self.link.open_early().await.inspect_err(|why| self.tell(why))
    }
}

impl<L> Watched<L> {
    fn tell(&self, LinkError(why): &LinkError) {
        self.problems.send_replace(Some(why.to_string()));
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
