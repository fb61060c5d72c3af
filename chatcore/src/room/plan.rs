//! A batch of commands, decided in order, as one set of changes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::decide::{Decision, Outcome, decide};
use super::view::Views;
use super::{
    Action, Blocks, Command, InviteLink, Member, NotifySetting, PriorSend, ReactionCount,
    Rejection, Room,
};
use crate::id::{AttachmentId, InviteLinkId, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Body, Entry};
use crate::oversight::AuditRecord;

/// What becomes of a batch.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// For each command, in order, what it came to.
    pub outcomes: Vec<Result<Outcome, Rejection>>,
    /// What to write, all of it or nothing.
    pub changes: Changes,
}

/// What a store writes in one transaction. Later entries of a map replace earlier ones, so that each
/// row is written once however many commands touched it.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Rooms as they are now.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Members as they are now.
    pub members: BTreeMap<(RoomId, UserId), Member>,
    /// How many more (or fewer) rooms people are in.
    pub joined_counts: BTreeMap<UserId, i64>,
    /// New entries, in order; within a room their `seq` is dense.
    pub entries: Vec<Entry>,
    /// Older messages in their new form. A message that is new in this batch is changed in `entries`.
    pub rewritten: BTreeMap<(RoomId, Seq), Entry>,
    /// Messages that were edited and are deleted now: older [`Body::Edit`]s of them lose their text.
    /// Those that are new in this batch have lost it in `entries`.
    pub emptied: BTreeSet<(RoomId, MessageId)>,
    /// Names that have taken effect.
    pub sends: BTreeMap<(RoomId, MessageId), PriorSend>,
    /// Uploads that are in a message now.
    pub bound: BTreeMap<AttachmentId, (RoomId, Seq)>,
    /// Files that no message needs any more.
    pub released: Vec<AttachmentId>,
    /// Reactions given (`true`) or taken back.
    pub reactions: BTreeMap<(RoomId, Seq, String, UserId), bool>,
    /// How many have given each reaction now. Written after `reactions`.
    pub reaction_counts: BTreeMap<(RoomId, Seq, String), ReactionCount>,
    /// Messages pinned or unpinned.
    pub pins: BTreeMap<(RoomId, Seq), bool>,
    /// Links by which people come in, as they are now; none where one is gone. Those of a room that
    /// comes to its end go with it.
    pub invite_links: BTreeMap<(RoomId, InviteLinkId), Option<InviteLink>>,
    /// Whether the first of a pair blocks the second now.
    pub blocks: BTreeMap<(UserId, UserId), bool>,
    /// What members want to be told of now.
    pub notify: BTreeMap<(RoomId, UserId), NotifySetting>,
    /// What was done to others, to be kept for moderators and admins.
    pub audit: Vec<AuditRecord>,
    /// Places of the inbox that wait no longer; with a reason, those that were refused.
    pub settled: BTreeMap<u64, Option<Rejection>>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty() && self.members.is_empty() && self.settled.is_empty()
    }
}

/// Decides `commands` in order, each against what the earlier ones left in `views`.
///
/// The caller holds the lock of every room named, from before it fills `views` until
/// [`Plan::changes`] are written, in one transaction.
pub fn plan(views: &mut Views, commands: &[Command], limits: &Limits) -> Plan {
    let mut plan = Plan::default();
    let referred: HashSet<_> = commands.iter().filter_map(refers_to).collect();
    for command in commands {
        if command.inbox.is_some_and(|place| !views.inbox.remove(&place)) {
            plan.outcomes.push(Err(Rejection::Settled));
            continue;
        }
        let outcome = decide(views, command, limits).map(|decision| {
            let Decision { outcome, changes } = decision;
            apply(views, &changes, &referred);
            plan.changes.merge(changes);
            outcome
        });
        if let Some(place) = command.inbox {
            plan.changes.settled.insert(place, outcome.as_ref().err().cloned());
        }
        plan.outcomes.push(outcome);
    }
    plan
}

/// The message that a command is about.
fn refers_to(command: &Command) -> Option<&MessageId> {
    match &command.action {
        Action::Send(send) => send.draft.reply_to.as_ref(),
        Action::Edit { message, .. }
        | Action::Delete { message, .. }
        | Action::React { message, .. }
        | Action::Retract { message, .. }
        | Action::Pin { message, .. } => Some(message),
        _ => None,
    }
}

/// Makes `views` what they will be once `changes` are written. Of messages, only those that a command
/// of the batch is about are worth a copy.
fn apply(views: &mut Views, changes: &Changes, referred: &HashSet<&MessageId>) {
    for (user, by) in &changes.joined_counts {
        if let Some(count) = views.joined_counts.get_mut(user) {
            *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
        }
    }
    for (pair, on) in &changes.blocks {
        let Blocks { pairs, counts } = &mut views.blocks;
        let changed = if *on { pairs.insert(pair.clone()) } else { pairs.remove(pair) };
        if let Some(count) = counts.get_mut(&pair.0).filter(|_| changed) {
            *count = if *on { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
    }
    for id in changes.bound.keys() {
        views.uploads.remove(id);
    }
    for (id, room) in &changes.rooms {
        let view = views.rooms.entry(id.clone()).or_default();
        view.room = Some(room.clone());
        if room.deleted_at.is_some() {
            view.invite_links.clear();
        }
    }
    for ((room, id), link) in &changes.invite_links {
        let links = &mut views.rooms.entry(room.clone()).or_default().invite_links;
        match link {
            Some(link) => links.insert(id.clone(), link.clone()),
            None => links.remove(id),
        };
    }
    for ((room, user), member) in &changes.members {
        views.rooms.entry(room.clone()).or_default().members.insert(user.clone(), member.clone());
    }
    for ((room, id), send) in &changes.sends {
        views.rooms.entry(room.clone()).or_default().sends.insert(id.clone(), send.clone());
    }
    for entry in changes.entries.iter().chain(changes.rewritten.values()) {
        let view = views.rooms.entry(entry.room.clone()).or_default();
        view.counted(entry);
        if entry.body.message_id().is_some_and(|id| referred.contains(id)) {
            view.changed(entry);
        }
    }
    for ((room, seq), on) in &changes.pins {
        let view = views.rooms.entry(room.clone()).or_default();
        if let Some(state) = view.messages.values_mut().find(|m| m.entry.seq == *seq) {
            state.pinned = *on;
        }
    }
    for ((room, seq, emoji, user), on) in &changes.reactions {
        let view = views.rooms.entry(room.clone()).or_default();
        if let Some(count) = changes.reaction_counts.get(&(room.clone(), *seq, emoji.clone())) {
            view.reacted(*seq, emoji, user, *on, *count);
        }
    }
}

impl Changes {
    fn merge(&mut self, later: Self) {
        for room in later.rooms.values().filter(|room| room.deleted_at.is_some()) {
            self.invite_links.retain(|(of, _), _| *of != room.id);
        }
        self.invite_links.extend(later.invite_links);
        self.blocks.extend(later.blocks);
        self.notify.extend(later.notify);
        self.rooms.extend(later.rooms);
        self.members.extend(later.members);
        for (user, by) in later.joined_counts {
            *self.joined_counts.entry(user).or_default() += by;
        }
        self.entries.extend(later.entries);
        for (key, entry) in later.rewritten {
            // A message of this very batch is not written yet: change it where it waits.
            match self.entries.iter_mut().find(|e| e.seq == key.1 && e.room == key.0) {
                Some(waiting) => *waiting = entry,
                None => {
                    self.rewritten.insert(key, entry);
                }
            }
        }
        for (room, id) in &later.emptied {
            for entry in self.entries.iter_mut().filter(|entry| entry.room == *room) {
                if let Body::Edit { message_id, text } = &mut entry.body
                    && message_id == id
                {
                    text.clear();
                }
            }
        }
        self.emptied.extend(later.emptied);
        self.sends.extend(later.sends);
        self.bound.extend(later.bound);
        self.released.extend(later.released);
        self.reactions.extend(later.reactions);
        self.reaction_counts.extend(later.reaction_counts);
        self.pins.extend(later.pins);
        self.audit.extend(later.audit);
        self.settled.extend(later.settled);
    }
}
