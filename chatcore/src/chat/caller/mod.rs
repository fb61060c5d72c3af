//! What someone does with rooms.

mod blocks;
mod export;
mod invites;
mod oversight;
mod read;
mod readers;
mod search;

pub use export::{Export, Exported};
pub use invites::{Invitation, InviteLinkSummary, MadeInviteLink};
pub use readers::Readers;
pub use search::{Hit, SearchQuery, SearchResult};

use super::mentions::mentioned_handles;
use super::{Chat, Pending};
use crate::clock::Timestamp;
use crate::error::{Error, Invalid};
use crate::hub::Signal;
use crate::id::{ClientMsgId, Epoch, MessageId, RoomId, Seq, UserId};
use crate::log::{Draft, check_emoji, check_text};
use crate::room::{
    Action, Actor, Command, MemberAction, NewRoom, NotifySetting, Outcome, Rejection, RoomUpdate,
    SendAction, check_until,
};

/// Someone acting on a chat; see [`Chat::as_user`] and [`Chat::as_system`].
///
/// Every write returns once it is durable. Dropping its future does not take the write back: it may
/// or may not take effect, and the same call with the same `client_msg_id` settles it.
#[derive(Clone, Debug)]
pub struct Caller {
    chat: Chat,
    actor: Actor,
}

/// A room that one is in now.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Created {
    /// The room.
    pub room: RoomId,
    /// Which life of the log places count in.
    pub epoch: Epoch,
    /// The end of its log.
    pub head_seq: Seq,
}

/// A room that one is out of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Left {
    /// One was the last: the room is gone.
    pub deleted: bool,
}

/// A message, edit or deletion that is in the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sent {
    /// Its place.
    pub seq: Seq,
    /// The message's count; 0 for edits and deletions.
    pub n: u64,
    /// The message.
    pub message_id: MessageId,
    /// When it took effect first.
    pub ts: Timestamp,
    /// It had taken effect before; this call changed nothing.
    pub duplicate: bool,
}

impl Caller {
    pub(super) fn new(chat: Chat, actor: Actor) -> Self {
        Self { chat, actor }
    }

    /// Hands `action` in without waiting. What one caller hands in keeps its order.
    ///
    /// # Errors
    /// [`Error::RateLimited`] for a user who does too much at once; [`Error::Unavailable`] if the
    /// queue is full or the chat is shut down. The outcome's own
    /// errors come from [`Pending::outcome`].
    pub fn submit(&self, room: &RoomId, action: Action) -> Result<Pending, Error> {
        if !matches!(action, Action::Mark { .. }) {
            self.take_turn()?;
        }
        let command = Command {
            room: room.clone(),
            actor: self.actor.clone(),
            at: self.chat.inner.clock.now(),
            action,
            inbox: None,
        };
        match &self.chat.inner.judge {
            Some(judge) => self.chat.submit_judged(judge, command),
            None => self.chat.inner.submit(command),
        }
    }

    /// Counts one deed against the user's rate.
    fn take_turn(&self) -> Result<(), Error> {
        let Actor::User(user) = &self.actor else { return Ok(()) };
        self.actor.check()?;
        let turns = &self.chat.inner.turns;
        turns.check(user).map_err(|e| Error::RateLimited { retry_after: e.retry_after })
    }

    async fn run(&self, room: &RoomId, action: Action) -> Result<Outcome, Error> {
        self.submit(room, action)?.outcome().await
    }

    /// Who reads. The host itself reads as nobody in particular.
    fn viewer(&self) -> UserId {
        self.actor.id()
    }

    /// Makes a room and enters it. A direct room that is there already is entered.
    ///
    /// # Errors
    /// [`Invalid`] for a name or topic out of bounds; [`Rejection::TooMany`] for one room too many.
    pub async fn create_room(&self, new: NewRoom) -> Result<Created, Error> {
        new.check(&self.chat.inner.limits)?;
        self.chat.inner.check_known(&new.members).await?;
        let room = new.id_for(&self.actor, &*self.chat.inner.random)?;
        self.create_as(room, new).await
    }

    /// The lobby: a public, kept room, made at its first use. The caller enters it.
    ///
    /// # Errors
    /// [`Rejection::Banned`], and the store's.
    pub async fn lobby(&self) -> Result<Created, Error> {
        let lobby = RoomId::lobby();
        if self.chat.inner.store.room(&lobby, None).await?.is_none() {
            let host = self.chat.as_system();
            host.create_as(lobby.clone(), NewRoom::public("Lobby").kept()).await?;
        }
        self.enter(&lobby).await
    }

    async fn create_as(&self, room: RoomId, new: NewRoom) -> Result<Created, Error> {
        match self.run(&room, Action::Create(new)).await? {
            Outcome::Entered { head_seq, .. } => Ok(self.created(room, head_seq)),
            _ => Err(Error::Internal),
        }
    }

    fn created(&self, room: RoomId, head_seq: Seq) -> Created {
        Created { room, epoch: self.chat.inner.epoch.clone(), head_seq }
    }

    /// Enters a room; to one already in it this is no news.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`], also for a private room that the caller was not asked to;
    /// [`Rejection::Banned`]; [`Rejection::TooMany`].
    pub async fn enter(&self, room: &RoomId) -> Result<Created, Error> {
        match self.run(room, Action::Enter).await? {
            Outcome::Entered { head_seq, .. } => Ok(self.created(room.clone(), head_seq)),
            _ => Err(Error::Internal),
        }
    }

    /// Leaves a room, or turns an invitation down. The last to leave ends the room, unless it is
    /// kept; the last owner to leave makes the highest, longest-serving member owner.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`], [`Rejection::NotJoined`].
    pub async fn leave(&self, room: &RoomId) -> Result<Left, Error> {
        match self.run(room, Action::Leave).await? {
            Outcome::Left { deleted } => Ok(Left { deleted }),
            _ => Err(Error::Internal),
        }
    }

    /// Sends a message. Under the same `client_msg_id` it takes effect once, for ever.
    ///
    /// # Errors
    /// [`Invalid`] or [`Rejection`], in which case nothing was sent.
    pub async fn send(&self, room: &RoomId, draft: Draft) -> Result<Sent, Error> {
        draft.check(&self.chat.inner.limits)?;
        let handles = mentioned_handles(&draft.text);
        let lanes = &self.chat.inner.lanes;
        // Names are looked up first; whatever the same sender hands in meanwhile waits behind it.
        let turn = lanes.turn(&self.actor.id(), !handles.is_empty()).await;
        let named = self.chat.inner.named(handles).await?;
        let pending = self.submit_mentioning(room, draft, named)?;
        drop(turn);
        sent(pending.outcome().await?)
    }

    /// Hands a message in without waiting for it to be durable; see [`submit`](Self::submit). It
    /// mentions those of [`Draft::mentions`] alone: names in its text are not looked up.
    ///
    /// # Errors
    /// [`Invalid`] for a draft out of bounds, and as [`submit`](Self::submit).
    pub fn submit_send(&self, room: &RoomId, draft: Draft) -> Result<Pending, Error> {
        draft.check(&self.chat.inner.limits)?;
        self.submit_mentioning(room, draft, Vec::new())
    }

    fn submit_mentioning(
        &self,
        room: &RoomId,
        draft: Draft,
        named: Vec<UserId>,
    ) -> Result<Pending, Error> {
        let mut send = SendAction::new(room, &self.actor, draft, &*self.chat.inner.random)?;
        send.mentions.extend(named);
        send.mentions.truncate(self.chat.inner.limits.mentions);
        self.submit(room, Action::Send(send))
    }

    /// Changes the text of one's own message.
    ///
    /// # Errors
    /// [`Rejection::NotTheAuthor`], [`Rejection::MessageDeleted`], [`Rejection::NoSuchMessage`], …
    pub async fn edit(
        &self,
        room: &RoomId,
        message: &MessageId,
        client_msg_id: ClientMsgId,
        text: String,
    ) -> Result<Sent, Error> {
        check_text("text", &text, &self.chat.inner.limits)?;
        let action = Action::Edit { message: message.clone(), client_msg_id, text };
        sent(self.run(room, action).await?)
    }

    /// Deletes one's own message, or, as moderator, another's. Its text and files are gone; its
    /// place in the log stays.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`], [`Rejection::MessageDeleted`], [`Rejection::NoSuchMessage`], …
    pub async fn delete(
        &self,
        room: &RoomId,
        message: &MessageId,
        client_msg_id: ClientMsgId,
    ) -> Result<Sent, Error> {
        let action = Action::Delete { message: message.clone(), client_msg_id };
        sent(self.run(room, action).await?)
    }

    /// Adds (`on`) or takes back a reaction.
    ///
    /// # Errors
    /// [`Invalid`] unless `emoji` is one short text; [`Rejection::TooMany`] different ones.
    pub async fn react(
        &self,
        room: &RoomId,
        message: &MessageId,
        emoji: &str,
        on: bool,
    ) -> Result<Seq, Error> {
        check_emoji(emoji)?;
        let action = Action::React { message: message.clone(), emoji: emoji.to_owned(), on };
        self.done(room, action).await
    }

    /// Pins (`on`) or unpins a message, as moderator.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`], [`Rejection::TooMany`] pins.
    pub async fn pin(&self, room: &RoomId, message: &MessageId, on: bool) -> Result<Seq, Error> {
        self.done(room, Action::Pin { message: message.clone(), on }).await
    }

    /// Does something to someone in a room.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`], [`Rejection::LastOwner`], [`Rejection::NoSuchMember`], …
    pub async fn member(
        &self,
        room: &RoomId,
        target: &UserId,
        what: MemberAction,
    ) -> Result<Seq, Error> {
        what.check(self.chat.inner.clock.now(), &self.chat.inner.limits)?;
        if what == MemberAction::Invite {
            // Who may not know of the room must not learn from this who there is.
            self.joined(room).await?;
            self.chat.inner.check_known(std::slice::from_ref(target)).await?;
        }
        self.done(room, Action::Member { target: target.clone(), what }).await
    }

    /// Describes a room anew, as owner.
    ///
    /// # Errors
    /// [`Invalid`] for texts out of bounds; [`Rejection::RoleTooLow`].
    pub async fn update_room(&self, room: &RoomId, update: RoomUpdate) -> Result<Seq, Error> {
        update.check(&self.chat.inner.limits)?;
        self.done(room, Action::Update(update)).await
    }

    /// Marks all up to `seq` as read. A mark only moves forward; an older one changes nothing.
    ///
    /// # Errors
    /// [`Rejection::BeyondHead`], [`Rejection::NotJoined`].
    pub async fn mark_read(&self, room: &RoomId, seq: Seq) -> Result<(), Error> {
        self.done(room, Action::Mark { read: Some(seq), delivered: None }).await.map(|_| ())
    }

    /// Says what of a room the caller, a member, wants to be told of, on all their devices.
    ///
    /// # Errors
    /// [`Invalid`] for an end that is past or too far away; [`Rejection::NotJoined`].
    pub async fn notify(&self, room: &RoomId, notify: NotifySetting) -> Result<(), Error> {
        let (now, limits) = (self.chat.inner.clock.now(), &self.chat.inner.limits);
        check_until("snooze_until", notify.snooze_until, now, limits)?;
        self.done(room, Action::Notify(notify)).await.map(|_| ())
    }

    /// Marks all up to `seq` as delivered to one of the caller's devices.
    ///
    /// # Errors
    /// [`Rejection::BeyondHead`], [`Rejection::NotJoined`].
    pub async fn mark_delivered(&self, room: &RoomId, seq: Seq) -> Result<(), Error> {
        self.done(room, Action::Mark { read: None, delivered: Some(seq) }).await.map(|_| ())
    }

    async fn done(&self, room: &RoomId, action: Action) -> Result<Seq, Error> {
        match self.run(room, action).await? {
            Outcome::Done { head_seq } => Ok(head_seq),
            _ => Err(Error::Internal),
        }
    }

    /// Tells the others in a room something of the moment. It is never stored, and may be lost.
    ///
    /// # Errors
    /// [`Invalid`] for an unknown kind; [`Rejection::NotJoined`], [`Rejection::Muted`].
    pub async fn signal(
        &self,
        room: &RoomId,
        kind: &str,
        on: bool,
        ttl_ms: u32,
    ) -> Result<(), Error> {
        self.take_turn()?;
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if !(1..=32).contains(&kind.len()) || !kind.bytes().all(word) || kind == "presence" {
            let problem =
                "kind must be 1 to 32 of a-z 0-9 _ -, such as typing; presence is the server's";
            return Err(Invalid::new("kind", problem).into());
        }
        let (_, member) = self.joined(room).await?;
        let now = self.chat.inner.clock.now();
        if member.as_ref().and_then(|m| m.muted_until).is_some_and(|until| now < until) {
            return Err(Rejection::Muted.into());
        }
        let ttl_ms = ttl_ms.min(crate::limits::SIGNAL_TTL_MS);
        let (room, user) = (room.clone(), self.viewer());
        let signal = Signal { room, user, kind: kind.to_owned(), on, ttl_ms };
        self.chat.inner.hub.signal(&signal);
        if let Some(node) = self.chat.inner.node() {
            node.signal(signal);
        }
        Ok(())
    }

    /// The chat that this acts on.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// The answer to a message, edit or deletion.
pub(crate) fn sent(outcome: Outcome) -> Result<Sent, Error> {
    match outcome {
        Outcome::Sent { seq, n, message_id, ts, duplicate } => {
            Ok(Sent { seq, n, message_id, ts, duplicate })
        }
        _ => Err(Error::Internal),
    }
}
