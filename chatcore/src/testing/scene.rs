//! A store with a clock, and short ways to ask things of its rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::{ClientMsgId, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Draft, Entry, Message};
use crate::room::{
    Action, Actor, Command, Member, MemberAction, NewRoom, Outcome, Rejection, Role, Room,
    SendAction,
};
use crate::store::{Committed, LogStore, RoomFilter, RoomStore, SearchStore, Toward};

/// A store of rooms and their logs.
pub trait Rooms: LogStore + RoomStore + SearchStore {}
impl<T: LogStore + RoomStore + SearchStore> Rooms for T {}

/// What a message became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub seq: Seq,
    /// Its count.
    pub n: u64,
    /// Its name.
    pub id: MessageId,
    /// When.
    pub ts: Timestamp,
    /// Whether it had been sent before.
    pub duplicate: bool,
}

/// A store under test. Faults of the store end the test.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The store.
    pub store: Arc<dyn Rooms>,
    /// What commands are bound by.
    pub limits: Limits,
    now: Arc<AtomicI64>,
    names: Arc<AtomicU64>,
}

/// Someone.
pub fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a sound id")
}

/// Something to be done to someone.
pub fn to(target: &str, what: MemberAction) -> Action {
    Action::Member { target: user(target), what }
}

/// A new role for someone.
pub fn role(target: &str, role: Role) -> Action {
    to(target, MemberAction::Role(role))
}

/// Sends someone out.
pub fn kick(target: &str) -> Action {
    to(target, MemberAction::Kick { reason: None })
}

/// A reaction given, or taken back.
pub fn react(message: &MessageId, emoji: &str, on: bool) -> Action {
    Action::React { message: message.clone(), emoji: emoji.to_owned(), on }
}

/// A message pinned, or unpinned.
pub fn pin(message: &MessageId, on: bool) -> Action {
    Action::Pin { message: message.clone(), on }
}

/// A message changed, under a name of its own.
pub fn edit(message: &MessageId, once: &str, text: &str) -> Action {
    Action::Edit { message: message.clone(), client_msg_id: name(once), text: text.to_owned() }
}

/// A message deleted, under a name of its own.
pub fn delete(message: &MessageId, once: &str) -> Action {
    Action::Delete { message: message.clone(), client_msg_id: name(once) }
}

/// A mark moved.
pub fn mark(read: u64) -> Action {
    Action::Mark { read: Some(Seq(read)), delivered: None }
}

fn name(once: &str) -> ClientMsgId {
    ClientMsgId::parse(once).expect("a sound id")
}

impl Scene {
    /// A scene over an empty store.
    pub fn of(store: impl Rooms) -> Self {
        Self::on(Arc::new(store))
    }

    /// A scene over an empty store that the test holds as well.
    pub fn on(store: Arc<dyn Rooms>) -> Self {
        Self {
            store,
            limits: Limits::default(),
            now: Arc::new(AtomicI64::new(1_700_000_000_000)),
            names: Arc::default(),
        }
    }

    /// Changes what commands are bound by.
    #[must_use]
    pub fn bound(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// The moment that the next command is asked at.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub fn wait(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).expect("a test's duration fits");
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// A command of `who`.
    pub fn command(&self, who: &str, room: &RoomId, action: Action) -> Command {
        let actor = Actor::User(user(who));
        Command { room: room.clone(), actor, at: self.now(), action, inbox: None }
    }

    /// A message as a command.
    pub fn message(&self, who: &str, room: &RoomId, once: &str, draft: Draft) -> Command {
        let client_msg_id = name(once);
        let message_id = MessageId::derive(room, &user(who), &client_msg_id);
        let mentions = draft.mentions.clone();
        let send = SendAction { draft, client_msg_id, message_id, mentions, original: None };
        self.command(who, room, Action::Send(send))
    }

    /// Commits a batch.
    pub async fn commit(&self, batch: &[Command]) -> Committed {
        self.store.commit(batch, &self.limits).await.expect("the store works")
    }

    /// Commits one command.
    pub async fn run(&self, command: Command) -> Result<Outcome, Rejection> {
        let committed = self.commit(&[command]).await;
        let [outcome] = <[_; 1]>::try_from(committed.outcomes).expect("one outcome");
        outcome
    }

    /// Asks something of a room.
    pub async fn ask(
        &self,
        who: &str,
        room: &RoomId,
        action: Action,
    ) -> Result<Outcome, Rejection> {
        self.run(self.command(who, room, action)).await
    }

    /// Asks something of a room, which must be granted.
    pub async fn does(&self, who: &str, room: &RoomId, action: Action) -> Outcome {
        let said = format!("{who} {action:?}");
        self.ask(who, room, action).await.unwrap_or_else(|why| panic!("{said}: {why}"))
    }

    /// Asks something in the name of the host.
    pub async fn host(&self, room: &RoomId, action: Action) -> Result<Outcome, Rejection> {
        self.run(Command { actor: Actor::System, ..self.command("nobody", room, action) }).await
    }

    /// Makes a room whose id is its name, and brings people into it.
    pub async fn room(&self, id: &str, new: NewRoom, owner: &str, members: &[&str]) -> RoomId {
        let room = RoomId::parse(id).expect("a sound id");
        self.does(owner, &room, Action::Create(new)).await;
        for who in members {
            self.does(who, &room, Action::Enter).await;
        }
        room
    }

    /// Makes a public room.
    pub async fn public(&self, id: &str, owner: &str, members: &[&str]) -> RoomId {
        self.room(id, NewRoom::public(id), owner, members).await
    }

    /// Sends a text under a name.
    pub async fn send(
        &self,
        who: &str,
        room: &RoomId,
        once: &str,
        text: &str,
    ) -> Result<Sent, Rejection> {
        sent(self.run(self.message(who, room, once, Draft::text(text))).await)
    }

    /// Sends a text under a fresh name, which must be granted.
    pub async fn says(&self, who: &str, room: &RoomId, text: &str) -> Sent {
        let once = format!("fresh-{}", self.names.fetch_add(1, Ordering::SeqCst));
        self.send(who, room, &once, text).await.unwrap_or_else(|why| panic!("{who}: {why}"))
    }

    /// The room as it is.
    pub async fn see(&self, room: &RoomId) -> Room {
        self.store.room(room, None).await.expect("the store works").expect("it was made").0
    }

    /// How someone stands to a room that they have had to do with.
    pub async fn member(&self, room: &RoomId, who: &str) -> Member {
        let found = self.store.room(room, Some(&user(who))).await.expect("the store works");
        found.and_then(|(_, member)| member).expect("the room has heard of them")
    }

    /// Who is in a room, in the order of ids.
    pub async fn members(&self, room: &RoomId) -> Vec<String> {
        let members = self.store.members(room, None, 1_000).await.expect("the store works");
        members.into_iter().map(|member| member.user.to_string()).collect()
    }

    /// The rooms that someone lists, in the order of ids.
    pub async fn rooms(&self, who: &str, filter: RoomFilter) -> Vec<String> {
        let rooms = self.store.rooms(&user(who), filter, None, 1_000).await;
        rooms.expect("the store works").into_iter().map(|(room, _)| room.id.to_string()).collect()
    }

    /// The whole log of a room.
    pub async fn log(&self, room: &RoomId) -> Vec<Entry> {
        self.store.entries(room, Seq::START, 10_000).await.expect("the store works")
    }

    /// The kinds of a room's entries.
    pub async fn kinds(&self, room: &RoomId) -> Vec<&'static str> {
        self.log(room).await.iter().map(|entry| entry.body.kind().as_str()).collect()
    }

    /// All messages of a room as someone sees them.
    pub async fn history(&self, room: &RoomId, viewer: &str) -> Vec<Message> {
        let newest = Toward::Older(Seq::MAX);
        let page = self.store.messages(room, newest, 10_000, &user(viewer)).await;
        page.expect("the store works")
    }

    /// The pinned messages of a room, in pages of one.
    pub async fn pinned(&self, room: &RoomId, viewer: &str) -> Vec<Message> {
        let mut pinned: Vec<Message> = Vec::new();
        loop {
            let after = pinned.last().map_or(Seq::START, |message| message.seq);
            let page = self.store.pinned(room, after, 1, &user(viewer)).await;
            let page = page.expect("the store works");
            if page.is_empty() {
                return pinned;
            }
            pinned.extend(page);
        }
    }

    /// A message as someone sees it.
    pub async fn shown(&self, room: &RoomId, id: &MessageId, viewer: &str) -> Message {
        let found = self.store.message(room, id, &user(viewer)).await.expect("the store works");
        found.expect("the message is there")
    }
}

/// What a message became.
pub fn sent(outcome: Result<Outcome, Rejection>) -> Result<Sent, Rejection> {
    match outcome? {
        Outcome::Sent { seq, n, message_id: id, ts, duplicate } => {
            Ok(Sent { seq, n, id, ts, duplicate })
        }
        other => panic!("not sent: {other:?}"),
    }
}
