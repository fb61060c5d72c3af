//! The rules: what becomes of a command, given what is known of the room.

mod blocking;
mod invite_links;
mod membership;
mod message;
mod moderation;

use super::plan::Changes;
use super::view::{View, Views};
use super::{Action, Actor, Command, Member, Rejection, Room};
use crate::clock::Timestamp;
use crate::id::{ClientMsgId, Epoch, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Body, Entry};
use crate::oversight::{Act, AuditRecord};

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// In the room now, or before already.
    Entered {
        /// The end of the room's log.
        head_seq: Seq,
        /// The room was made by this.
        created: bool,
    },
    /// Out of the room.
    Left {
        /// The last one: the room is gone.
        deleted: bool,
    },
    /// A message, edit or deletion is in the log.
    Sent {
        /// At this place.
        seq: Seq,
        /// The message's count; 0 for edits and deletions.
        n: u64,
        /// The message.
        message_id: MessageId,
        /// When it took effect first.
        ts: Timestamp,
        /// It had taken effect before.
        duplicate: bool,
    },
    /// Done, or as asked already.
    Done {
        /// The end of the room's log.
        head_seq: Seq,
    },
}

/// What becomes of one command.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) outcome: Outcome,
    pub(super) changes: Changes,
}

/// Decides one command.
///
/// # Errors
/// [`Rejection`]; then nothing becomes of it.
pub(super) fn decide(
    views: &Views,
    command: &Command,
    limits: &Limits,
) -> Result<Decision, Rejection> {
    let absent = View::default();
    let view = views.rooms.get(&command.room).unwrap_or(&absent);
    let case = Case { views, view, command, limits };
    match &command.action {
        Action::Create(new) => membership::create(&case, new),
        Action::Enter => membership::enter(&case),
        Action::Leave => membership::leave(&case),
        Action::Send(send) => message::send(&case, send),
        Action::Edit { message, client_msg_id, text } => {
            message::edit(&case, message, client_msg_id, text)
        }
        Action::Delete { message, client_msg_id } => message::delete(&case, message, client_msg_id),
        Action::React { message, emoji, on } => message::react(&case, message, emoji, *on),
        Action::Retract { message, emoji } => message::retract(&case, message, emoji),
        Action::Pin { message, on } => message::pin(&case, message, *on),
        Action::Member { target, what } => moderation::act(&case, target, what),
        Action::AddInviteLink(link) => invite_links::add(&case, link),
        Action::RevokeInviteLink(link) => invite_links::revoke(&case, link),
        Action::EnterByLink(hash) => invite_links::enter(&case, hash),
        Action::Block { target, on } => blocking::block(&case, target, *on),
        Action::Notify(notify) => membership::notify(&case, *notify),
        Action::Update(update) => moderation::update(&case, update),
        Action::Expire { upto, edited } => moderation::expire(&case, *upto, edited),
        Action::Mark { read, delivered } => membership::mark(&case, *read, *delivered),
    }
}

/// A command and all that it is judged by.
struct Case<'a> {
    views: &'a Views,
    view: &'a View,
    command: &'a Command,
    limits: &'a Limits,
}

impl Case<'_> {
    fn actor(&self) -> &Actor {
        &self.command.actor
    }

    fn now(&self) -> Timestamp {
        self.command.at
    }

    /// The acting user. The host itself is no member of anything.
    fn user(&self) -> Result<&UserId, Rejection> {
        match self.actor() {
            Actor::User(user) => Ok(user),
            Actor::System => Err(Rejection::NotJoined),
        }
    }

    /// The room, which the actor must be in.
    fn joined(&self) -> Result<&Room, Rejection> {
        self.view.joined(self.actor(), self.now())
    }

    /// The room, which the actor must be in and allowed to write to.
    fn writable(&self) -> Result<&Room, Rejection> {
        let room = self.joined()?;
        let Actor::User(user) = self.actor() else { return Ok(room) };
        let member = self.view.member(user);
        if member.barred {
            return Err(Rejection::Unwanted);
        }
        match member.muted_until {
            Some(until) if self.now() < until => Err(Rejection::Muted),
            _ => Ok(room),
        }
    }

    /// Whether `user` has blocked the actor.
    fn is_blocked_by(&self, user: &UserId) -> bool {
        self.views.blocks.pairs.contains(&(user.clone(), self.actor().id()))
    }

    /// Starts collecting what happens to `room`.
    fn story(&self, room: Room) -> Story<'_> {
        Story {
            room,
            epoch: &self.views.epoch,
            author: self.actor().id(),
            at: self.now(),
            changes: Changes::default(),
        }
    }

    fn unchanged(&self, room: &Room) -> Decision {
        let outcome = Outcome::Done { head_seq: room.head_seq };
        Decision { outcome, changes: Changes::default() }
    }
}

/// The changes of one command, as they gather.
struct Story<'a> {
    room: Room,
    epoch: &'a Epoch,
    author: UserId,
    at: Timestamp,
    changes: Changes,
}

impl Story<'_> {
    fn id(&self) -> RoomId {
        self.room.id.clone()
    }

    /// Adds the actor's entry to the log.
    fn append(&mut self, body: Body) -> Seq {
        self.append_as(self.author.clone(), body, None)
    }

    fn append_as(&mut self, user: UserId, body: Body, client_msg_id: Option<ClientMsgId>) -> Seq {
        let seq = self.room.head_seq.next();
        self.room.head_seq = seq;
        let n = matches!(body, Body::Message { .. }).then(|| {
            self.room.head_n += 1;
            self.room.head_n
        });
        self.changes.entries.push(Entry {
            room: self.id(),
            epoch: self.epoch.clone(),
            seq,
            user,
            ts: self.at,
            n,
            client_msg_id,
            body,
        });
        seq
    }

    /// Notes that the actor did something to `target`.
    fn note(&mut self, act: Act, target: UserId) -> &mut AuditRecord {
        let record = AuditRecord::new(self.at, self.author.clone(), act);
        let room = Some(self.room.id.clone());
        self.changes.audit.push(AuditRecord { room, target: Some(target), ..record });
        let last = self.changes.audit.len() - 1;
        &mut self.changes.audit[last]
    }

    fn put(&mut self, member: Member) {
        self.changes.members.insert((self.id(), member.user.clone()), member);
    }

    fn count_rooms(&mut self, user: &UserId, by: i64) {
        *self.changes.joined_counts.entry(user.clone()).or_default() += by;
    }

    fn done(self) -> Decision {
        let outcome = Outcome::Done { head_seq: self.room.head_seq };
        self.end(outcome)
    }

    fn end(mut self, outcome: Outcome) -> Decision {
        self.changes.rooms.insert(self.id(), self.room);
        Decision { outcome, changes: self.changes }
    }
}
