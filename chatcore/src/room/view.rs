//! What a store knows of the rooms that a batch of commands touches.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Access, Actor, InviteLink, Member, Rejection, Room};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, Epoch, InviteLinkId, MessageId, RoomId, Seq, UserId};
use crate::log::{AttachmentRef, Body, Entry};

/// All that a batch of commands needs, loaded under lock.
#[derive(Clone, Debug)]
pub struct Views {
    /// The life of the log that new entries belong to.
    pub epoch: Epoch,
    /// One view for each room that the batch names.
    pub rooms: HashMap<RoomId, View>,
    /// How many rooms people are in.
    pub joined_counts: HashMap<UserId, u32>,
    /// Uploads not yet in a message. One that is absent is not to be had.
    pub uploads: HashMap<AttachmentId, Upload>,
    /// Who blocks whom.
    pub blocks: Blocks,
    /// Places of the inbox that still wait.
    pub inbox: HashSet<u64>,
}

/// Who blocks whom, as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Of the pairs asked for, those of which the first blocks the second.
    pub pairs: BTreeSet<(UserId, UserId)>,
    /// How many people block, of those of whom it was asked.
    pub counts: BTreeMap<UserId, u32>,
}

/// What was done before under a name that takes effect once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorSend {
    /// The entry that it made.
    pub seq: Seq,
    /// The message's count; 0 for edits and deletions.
    pub n: u64,
    /// When.
    pub ts: Timestamp,
    /// What tells its content from another's.
    pub fingerprint: [u8; 16],
}

/// An uploaded file that waits for its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Who uploaded it.
    pub owner: UserId,
    /// What the message will show of it.
    pub file: AttachmentRef,
}

/// What is known of one room: all that the commands' [`Needs`](super::Needs) name, and no more.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The room; none if there has never been one of this id.
    pub room: Option<Room>,
    /// How people stand to it. One that was asked for and is absent is a stranger.
    pub members: HashMap<UserId, Member>,
    /// What was done under a name.
    pub sends: HashMap<MessageId, PriorSend>,
    /// Messages as they stand now.
    pub messages: HashMap<MessageId, MessageState>,
    /// Reactions to messages.
    pub reactions: HashMap<MessageId, ReactionState>,
    /// Counts of messages at the places asked for.
    pub n_at: HashMap<Seq, u64>,
    /// The links by which people come in.
    pub invite_links: BTreeMap<InviteLinkId, InviteLink>,
}

/// A message as it stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageState {
    /// Its entry, in its current form.
    pub entry: Entry,
    /// Whether it is pinned.
    pub pinned: bool,
}

/// How many have given a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReactionCount {
    /// How many; 0: none, and so nothing to keep.
    pub count: u32,
    /// Where in the log the first of them stands: the order in which reactions are shown.
    pub first: Seq,
}

/// The reactions of a message, as far as a command needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReactionState {
    /// How many have given each; none with a count of 0.
    pub counts: BTreeMap<String, ReactionCount>,
    /// Of the pairs asked for, those that are there.
    pub held: BTreeSet<(String, UserId)>,
}

impl View {
    /// The room, if `actor` may know of it at `now`; and what they may do with it.
    pub(super) fn access(
        &self,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(&Room, Access), Rejection> {
        let room = self.room.as_ref().ok_or(Rejection::NoSuchRoom)?;
        let access = match actor {
            Actor::User(user) => Access::of(room, self.members.get(user), now),
            Actor::System if room.deleted_at.is_none() => Access::Joined,
            Actor::System => Access::None,
        };
        if access == Access::None { Err(Rejection::NoSuchRoom) } else { Ok((room, access)) }
    }

    /// The room, if `actor` is in it.
    pub(super) fn joined(&self, actor: &Actor, now: Timestamp) -> Result<&Room, Rejection> {
        let (room, access) = self.access(actor, now)?;
        if access == Access::Joined {
            return Ok(room);
        }
        match actor {
            Actor::User(user) => Err(self.why_not_joined(user, now)),
            Actor::System => Err(Rejection::NotJoined),
        }
    }

    fn why_not_joined(&self, user: &UserId, now: Timestamp) -> Rejection {
        match self.members.get(user) {
            Some(member) if member.banned(now) => banned(member),
            _ => Rejection::NotJoined,
        }
    }

    /// How `user` stands to the room.
    pub(super) fn member(&self, user: &UserId) -> Member {
        self.members.get(user).cloned().unwrap_or_else(|| Member::stranger(user.clone()))
    }

    /// The message, if it is here. One from below the floor is not: a room that was made anew under
    /// its old name has nothing to do with what was said in the old one.
    pub(super) fn message(&self, id: &MessageId) -> Result<&MessageState, Rejection> {
        let floor = self.room.as_ref().map_or(Seq::START, |room| room.floor_seq);
        self.messages.get(id).filter(|m| m.entry.seq > floor).ok_or(Rejection::NoSuchMessage)
    }
}

pub(super) fn banned(member: &Member) -> Rejection {
    match member.standing {
        super::Standing::Banned { until } => Rejection::Banned { until },
        _ => Rejection::NotJoined,
    }
}

impl View {
    /// Takes in the count of a new entry.
    pub(super) fn counted(&mut self, entry: &Entry) {
        if let Some(n) = entry.n {
            for (_, count) in self.n_at.iter_mut().filter(|(seq, _)| **seq >= entry.seq) {
                *count = n.max(*count);
            }
        }
    }

    /// Takes in a new or rewritten message.
    pub(super) fn changed(&mut self, entry: &Entry) {
        if let Body::Message { message_id, .. } = &entry.body {
            let pinned = self.messages.get(message_id).is_some_and(|m| m.pinned);
            let state = MessageState { entry: entry.clone(), pinned };
            self.messages.insert(message_id.clone(), state);
        }
    }

    /// Takes in a reaction given or taken back.
    pub(super) fn reacted(
        &mut self,
        seq: Seq,
        emoji: &str,
        user: &UserId,
        on: bool,
        count: ReactionCount,
    ) {
        let Some(id) = self
            .messages
            .values()
            .find(|m| m.entry.seq == seq)
            .and_then(|m| m.entry.body.message_id().cloned())
        else {
            return;
        };
        let state = self.reactions.entry(id).or_default();
        let held = (emoji.to_owned(), user.clone());
        if on {
            state.held.insert(held)
        } else {
            state.held.remove(&held)
        };
        match count.count {
            0 => state.counts.remove(emoji),
            _ => state.counts.insert(emoji.to_owned(), count),
        };
    }
}
