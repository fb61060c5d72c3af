//! Logs in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::id::{Epoch, InviteLinkId, MessageId, RoomId, Seq, UserId};
use crate::limits::Limits;
use crate::log::{Body, Entry, Message, Reaction};
use crate::room::{
    Blocks, Changes, Command, InviteHash, InviteLink, Member, MessageState, Plan, PriorSend,
    ReactionCount, Room, View, Views, plan,
};
use crate::store::{Committed, LogStore, Run, StoreError, Toward};

/// All rooms.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) rooms: BTreeMap<RoomId, RoomLog>,
    pub(super) joined: HashMap<UserId, BTreeSet<RoomId>>,
    pub(super) messages_ever: u64,
    pub(super) runs: Vec<Run>,
    /// By what is kept of their codes.
    pub(super) invites: HashMap<InviteHash, (RoomId, InviteLinkId)>,
    pub(super) blocks: BTreeSet<(UserId, UserId)>,
}

/// One room, with all that hangs on it.
#[derive(Debug)]
pub(super) struct RoomLog {
    pub(super) room: Room,
    pub(super) members: BTreeMap<UserId, Member>,
    /// Entry `seq` stands at `seq - base - 1`.
    entries: Vec<Entry>,
    base: u64,
    /// Places of messages, in order.
    messages: Vec<Seq>,
    sends: HashMap<MessageId, PriorSend>,
    pub(super) invite_links: BTreeMap<InviteLinkId, InviteLink>,
    pins: BTreeSet<Seq>,
    /// By place and emoji: since when, and whose.
    reactions: BTreeMap<Seq, BTreeMap<String, (Seq, BTreeSet<UserId>)>>,
}

impl RoomLog {
    fn new(room: Room) -> Self {
        Self {
            room,
            members: BTreeMap::new(),
            entries: Vec::new(),
            base: 0,
            messages: Vec::new(),
            sends: HashMap::new(),
            invite_links: BTreeMap::new(),
            pins: BTreeSet::new(),
            reactions: BTreeMap::new(),
        }
    }

    /// Nothing at or below this is there to be read.
    pub(super) fn floor(&self) -> Seq {
        if self.room.deleted_at.is_some() { self.room.head_seq } else { self.room.floor_seq }
    }

    fn index(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.0.checked_sub(self.base + 1)?).ok()
    }

    pub(super) fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.entries.get(self.index(seq)?)
    }

    fn message(&self, id: &MessageId) -> Option<&Entry> {
        let entry = self.entry(self.sends.get(id)?.seq)?;
        (entry.n.is_some() && entry.body.message_id() == Some(id)).then_some(entry)
    }

    fn shown(&self, seq: Seq, viewer: &UserId) -> Option<Message> {
        let mut message = Message::from_entry(self.entry(seq)?)?;
        message.pinned = self.pins.contains(&seq);
        let given = self.reactions.get(&seq);
        let mut given: Vec<_> = given.into_iter().flatten().collect();
        given.sort_by_key(|(_, (first, _))| *first);
        message.reactions = given
            .into_iter()
            .map(|(emoji, (_, users))| Reaction {
                emoji: emoji.clone(),
                count: u32::try_from(users.len()).unwrap_or(u32::MAX),
                mine: users.contains(viewer),
            })
            .collect();
        Some(message)
    }

    /// What `command` needs to know of this room.
    fn fill(&self, view: &mut View, command: &Command, successors: usize) {
        let needs = command.needs();
        view.room = Some(self.room.clone());
        for user in needs.members {
            if let Some(member) = self.members.get(&user) {
                view.members.insert(user, member.clone());
            }
        }
        for id in needs.sends {
            if let Some(send) = self.sends.get(&id) {
                view.sends.insert(id, send.clone());
            }
        }
        for id in needs.messages {
            if let Some(entry) = self.message(&id) {
                let pinned = self.pins.contains(&entry.seq);
                view.messages.insert(id, MessageState { entry: entry.clone(), pinned });
            }
        }
        for id in needs.reactions {
            if let Some(all) = self.message(&id).and_then(|m| self.reactions.get(&m.seq)) {
                let state = view.reactions.entry(id).or_default();
                for (emoji, (first, users)) in all {
                    let count = u32::try_from(users.len()).unwrap_or(u32::MAX);
                    let count = ReactionCount { count, first: *first };
                    state.counts.insert(emoji.clone(), count);
                    let actor = command.actor.id();
                    if users.contains(&actor) {
                        state.held.insert((emoji.clone(), actor));
                    }
                }
            }
        }
        if let Some(seq) = needs.n_at {
            let n = self.messages.partition_point(|m| *m <= seq);
            let before = self.room.head_n - self.messages.len() as u64;
            view.n_at.insert(seq, before + n as u64);
        }
        if needs.invite_links {
            view.invite_links.clone_from(&self.invite_links);
        }
        if needs.successors {
            let mut heirs: Vec<_> = self.members.values().filter(|m| m.joined()).collect();
            heirs.sort_by_key(|m| (std::cmp::Reverse(m.role), m.entered_seq));
            for heir in heirs.into_iter().take(successors + 1) {
                view.members.insert(heir.user.clone(), heir.clone());
            }
        }
    }
}

impl Logs {
    fn views(&self, epoch: &Epoch, batch: &[Command]) -> Views {
        let mut views = Views {
            epoch: epoch.clone(),
            rooms: HashMap::new(),
            joined_counts: HashMap::new(),
            uploads: HashMap::new(),
            inbox: Default::default(),
            blocks: Blocks::default(),
        };
        for command in batch {
            let view = views.rooms.entry(command.room.clone()).or_default();
            if let Some(log) = self.rooms.get(&command.room) {
                log.fill(view, command, batch.len());
            }
            for (user, other, counted) in command.needs().blocks {
                if counted {
                    let all = self.blocks.iter().filter(|(who, _)| *who == user).count();
                    let all = u32::try_from(all).unwrap_or(u32::MAX);
                    views.blocks.counts.insert(user.clone(), all);
                }
                if self.blocks.contains(&(user.clone(), other.clone())) {
                    views.blocks.pairs.insert((user, other));
                }
            }
            for user in command.needs().joined_counts {
                let count = self.joined.get(&user).map_or(0, BTreeSet::len);
                views.joined_counts.insert(user, u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        views
    }

    fn write(&mut self, changes: &Changes) {
        for (id, room) in &changes.rooms {
            match self.rooms.get_mut(id) {
                Some(log) => log.room = room.clone(),
                None => {
                    self.rooms.insert(id.clone(), RoomLog::new(room.clone()));
                }
            }
        }
        for ((room, user), member) in &changes.members {
            let rooms = self.joined.entry(user.clone()).or_default();
            if member.joined() {
                rooms.insert(room.clone());
            } else {
                rooms.remove(room);
            }
            if let Some(log) = self.rooms.get_mut(room) {
                log.members.insert(user.clone(), member.clone());
            }
        }
        for entry in &changes.entries {
            let Some(log) = self.rooms.get_mut(&entry.room) else { continue };
            if entry.n.is_some() {
                log.messages.push(entry.seq);
                self.messages_ever += 1;
            }
            log.entries.push(entry.clone());
            match self.runs.last_mut() {
                Some(run)
                    if run.room == entry.room
                        && run.last.next() == entry.seq
                        && entry.seq.0 - run.first.0 < Run::ENTRIES =>
                {
                    run.last = entry.seq;
                }
                _ => self.runs.push(Run {
                    pos: self.runs.len() as u64 + 1,
                    room: entry.room.clone(),
                    first: entry.seq,
                    last: entry.seq,
                }),
            }
        }
        for ((room, seq), entry) in &changes.rewritten {
            if let Some(log) = self.rooms.get_mut(room)
                && let Some(index) = log.index(*seq)
                && let Some(old) = log.entries.get_mut(index)
            {
                *old = entry.clone();
            }
        }
        for (room, id) in &changes.emptied {
            let Some(log) = self.rooms.get_mut(room) else { continue };
            for entry in &mut log.entries {
                if let Body::Edit { message_id, text } = &mut entry.body
                    && message_id == id
                {
                    text.clear();
                }
            }
        }
        for ((room, id), send) in &changes.sends {
            if let Some(log) = self.rooms.get_mut(room) {
                log.sends.insert(id.clone(), send.clone());
            }
        }
        for room in changes.rooms.values().filter(|room| room.deleted_at.is_some()) {
            let Some(log) = self.rooms.get_mut(&room.id) else { continue };
            for link in std::mem::take(&mut log.invite_links).into_values() {
                self.invites.remove(&link.hash);
            }
        }
        for (pair, on) in &changes.blocks {
            if *on {
                self.blocks.insert(pair.clone())
            } else {
                self.blocks.remove(pair)
            };
        }
        for ((room, id), link) in &changes.invite_links {
            let Some(log) = self.rooms.get_mut(room) else { continue };
            if let Some(old) = log.invite_links.remove(id) {
                self.invites.remove(&old.hash);
            }
            if let Some(link) = link {
                self.invites.insert(link.hash, (room.clone(), id.clone()));
                log.invite_links.insert(id.clone(), link.clone());
            }
        }
        for ((room, seq), on) in &changes.pins {
            if let Some(log) = self.rooms.get_mut(room) {
                if *on {
                    log.pins.insert(*seq)
                } else {
                    log.pins.remove(seq)
                };
            }
        }
        for ((room, seq, emoji, user), on) in &changes.reactions {
            let Some(log) = self.rooms.get_mut(room) else { continue };
            let given = log.reactions.entry(*seq).or_default();
            let (_, users) = given.entry(emoji.clone()).or_default();
            if *on {
                users.insert(user.clone())
            } else {
                users.remove(user)
            };
        }
        for ((room, seq, emoji), count) in &changes.reaction_counts {
            let Some(given) = self.rooms.get_mut(room).and_then(|log| log.reactions.get_mut(seq))
            else {
                continue;
            };
            if count.count == 0 {
                given.remove(emoji);
            } else if let Some((first, _)) = given.get_mut(emoji) {
                *first = count.first;
            }
        }
    }
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(self.epoch.clone())
    }

    async fn commit(&self, batch: &[Command], limits: &Limits) -> Result<Committed, StoreError> {
        let mut logs = lock(&self.logs);
        let mut files = lock(&self.attachments);
        let mut views = logs.views(&self.epoch, batch);
        for id in batch.iter().flat_map(|command| command.needs().uploads) {
            if let Some(upload) = files.upload(&id) {
                views.uploads.insert(id, upload);
            }
        }
        let Plan { outcomes, changes } = plan(&mut views, batch, limits);
        logs.write(&changes);
        files.write(&changes);
        for record in &changes.audit {
            lock(&self.oversight).note(record.clone());
        }
        Ok(Committed::new(outcomes, changes))
    }

    fn writers(&self) -> usize {
        1
    }

    async fn entries(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let logs = lock(&self.logs);
        let Some(log) = logs.rooms.get(room) else { return Ok(Vec::new()) };
        let after = after.max(log.floor()).max(Seq(log.base));
        let start = log.index(after.next()).unwrap_or(0);
        Ok(log.entries.iter().skip(start).take(limit as usize).cloned().collect())
    }

    async fn messages(
        &self,
        room: &RoomId,
        toward: Toward,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let logs = lock(&self.logs);
        let Some(log) = logs.rooms.get(room) else { return Ok(Vec::new()) };
        let floor = log.messages.partition_point(|m| *m <= log.floor());
        let limit = limit as usize;
        let range = match toward {
            Toward::Older(seq) => {
                let end = log.messages.partition_point(|m| *m < seq).max(floor);
                end.saturating_sub(limit).max(floor)..end
            }
            Toward::Newer(seq) => {
                let start = log.messages.partition_point(|m| *m <= seq).max(floor);
                start..log.messages.len().min(start + limit)
            }
        };
        Ok(log.messages[range].iter().filter_map(|seq| log.shown(*seq, viewer)).collect())
    }

    async fn message(
        &self,
        room: &RoomId,
        id: &MessageId,
        viewer: &UserId,
    ) -> Result<Option<Message>, StoreError> {
        let logs = lock(&self.logs);
        let Some(log) = logs.rooms.get(room) else { return Ok(None) };
        Ok(log
            .message(id)
            .filter(|entry| entry.seq > log.floor())
            .and_then(|entry| log.shown(entry.seq, viewer)))
    }

    async fn pinned(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
        viewer: &UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let logs = lock(&self.logs);
        let Some(log) = logs.rooms.get(room) else { return Ok(Vec::new()) };
        let pins = log.pins.range((Bound::Excluded(after.max(log.floor())), Bound::Unbounded));
        Ok(pins.take(limit as usize).filter_map(|seq| log.shown(*seq, viewer)).collect())
    }

    async fn runs_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let logs = lock(&self.logs);
        let end = before.map_or(usize::MAX, |pos| usize::try_from(pos).unwrap_or(usize::MAX));
        let end = end.saturating_sub(1).min(logs.runs.len());
        Ok(logs.runs[..end].iter().rev().take(limit as usize).cloned().collect())
    }

    async fn sweep(&self, limit: u32) -> Result<u32, StoreError> {
        let mut logs = lock(&self.logs);
        let mut left = limit as usize;
        for log in logs.rooms.values_mut() {
            let dead = log.index(log.floor().next()).unwrap_or(0).min(log.entries.len()).min(left);
            log.entries.drain(..dead);
            log.base += dead as u64;
            left -= dead;
            let base = Seq(log.base);
            log.messages.retain(|seq| *seq > base);
            log.pins.retain(|seq| *seq > base);
            log.reactions.retain(|seq, _| *seq > base);
            if dead > 0 {
                lock(&self.attachments).release_below(&log.room.id, base);
            }
        }
        Ok(limit - u32::try_from(left).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::log_store_suite!(async || (MemoryStore::new(), ()));
}
