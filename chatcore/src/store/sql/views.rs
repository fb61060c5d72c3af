//! What a batch needs to be decided, and what the database says to it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::corrupt;
use super::rows::{
    EntryCells, InviteLinkCells, MemberCells, RoomCells, entry_from, hex, invite_link_from,
    member_from, room_from, unhex,
};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, MessageId, RoomId, Seq, UserId};
use crate::log::{AttachmentRef, Thumbnail};
use crate::room::{
    Command, Member, MessageState, PriorSend, ReactionCount, Room, Upload, View, Views,
};
use crate::store::StoreError;
use serde::{Deserialize, Serialize};

/// A room as a database keeps it.
#[derive(Clone, Debug)]
pub(in crate::store) struct RoomRow {
    /// The number that stands for it in other tables.
    pub(in crate::store) pk: i64,
    /// How often it was changed; 0 where nobody else changes it.
    pub(in crate::store) version: i64,
    /// Where in its table this version of it lies, if that is known: PostgreSQL finds it there
    /// at once, however many older ones somebody's long transaction keeps.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite keeps one version"))]
    pub(in crate::store) place: Option<Box<str>>,
    pub(in crate::store) room: Room,
}

/// Rows as they were, so that only what differs is written.
#[derive(Debug, Default)]
pub(in crate::store) struct Before {
    pub(in crate::store) rooms: HashMap<RoomId, RoomRow>,
    pub(in crate::store) members: HashMap<(RoomId, UserId), Member>,
}

impl Before {
    /// Whether nothing of a room is new but the ends of its log.
    pub(in crate::store) fn only_longer(&self, room: &Room) -> bool {
        self.rooms.get(&room.id).is_some_and(|RoomRow { room: old, .. }| {
            let mut longer = old.clone();
            (longer.head_seq, longer.head_n) = (room.head_seq, room.head_n);
            *room == longer
        })
    }

    /// Whether nothing of a member is new but the marks.
    pub(in crate::store) fn only_marks(&self, room: &RoomId, member: &Member) -> bool {
        let old = self.members.get(&(room.clone(), member.user.clone()));
        old.is_some_and(|old| *member == Member { marks: member.marks, ..old.clone() })
    }
}

/// What to read, each thing once. A row of a result names the question by its index here.
#[derive(Debug, Default)]
pub(in crate::store) struct Questions {
    pub(in crate::store) rooms: Vec<RoomId>,
    pub(in crate::store) members: Vec<(RoomId, UserId)>,
    pub(in crate::store) sends: Vec<(RoomId, MessageId)>,
    pub(in crate::store) messages: Vec<(RoomId, MessageId)>,
    reactions: Vec<(RoomId, MessageId, UserId)>,
    pub(in crate::store) counts_at: Vec<(RoomId, Seq)>,
    successors: Vec<RoomId>,
    invite_links: Vec<RoomId>,
    blocks: Vec<(UserId, UserId, bool)>,
    pub(in crate::store) joined: Vec<UserId>,
    uploads: Vec<AttachmentId>,
    inbox: Vec<u64>,
    /// Where messages stand that are not in `sends` yet.
    pub(in crate::store) places: HashMap<MessageId, Seq>,
}

/// Rows to be found, for one [`Part`].
#[derive(Debug)]
pub(in crate::store) struct Question {
    pub(in crate::store) part: Part,
    /// What to look for: a JSON array.
    pub(in crate::store) rows: String,
    /// The most rows for each of them, where that is to be said.
    pub(in crate::store) most: Option<i64>,
}

impl Question {
    /// None if there is nothing to look for.
    fn about<T: Serialize>(part: Part, rows: &[T]) -> Result<Option<Self>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let rows = serde_json::to_string(rows).map_err(corrupt)?;
        Ok(Some(Self { part, rows, most: None }))
    }
}

/// A column of the one row that answers all: a JSON array of arrays.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Part {
    Rooms,
    Members,
    Sends,
    Messages,
    Reactions,
    CountsAt,
    Successors,
    InviteLinks,
    Blocks,
    Joined,
    Uploads,
    Inbox,
}

impl Part {
    #[cfg(test)]
    pub(in crate::store) const ALL: [Self; 12] = [
        Self::Rooms,
        Self::Members,
        Self::Sends,
        Self::Messages,
        Self::Reactions,
        Self::CountsAt,
        Self::Successors,
        Self::InviteLinks,
        Self::Blocks,
        Self::Joined,
        Self::Uploads,
        Self::Inbox,
    ];
}

impl Questions {
    pub(in crate::store) fn of(batch: &[Command]) -> Self {
        let mut all = Self::default();
        for command in batch {
            let needs = command.needs();
            let room = &command.room;
            let of = |id: &MessageId| (room.clone(), id.clone());
            all.rooms.push(room.clone());
            all.members.extend(needs.members.into_iter().map(|user| (room.clone(), user)));
            all.sends.extend(needs.sends.iter().map(of));
            all.messages.extend(needs.messages.iter().map(of));
            let actor = command.actor.id();
            let reactions = needs.reactions.into_iter();
            all.reactions.extend(reactions.map(|id| (room.clone(), id, actor.clone())));
            all.counts_at.extend(needs.n_at.map(|seq| (room.clone(), seq)));
            all.blocks.extend(needs.blocks);
            all.joined.extend(needs.joined_counts);
            all.uploads.extend(needs.uploads);
            all.inbox.extend(needs.inbox);
            if needs.successors {
                all.successors.push(room.clone());
            }
            if needs.invite_links {
                all.invite_links.push(room.clone());
            }
        }
        once(&mut all.rooms);
        once(&mut all.members);
        once(&mut all.sends);
        once(&mut all.messages);
        once(&mut all.reactions);
        once(&mut all.counts_at);
        once(&mut all.successors);
        once(&mut all.invite_links);
        once(&mut all.blocks);
        once(&mut all.joined);
        once(&mut all.uploads);
        all
    }

    /// Whether nothing but names is asked for.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn are_names(&self) -> bool {
        self.rooms.is_empty()
            && self.members.is_empty()
            && self.messages.is_empty()
            && self.reactions.is_empty()
            && self.counts_at.is_empty()
            && self.successors.is_empty()
            && self.invite_links.is_empty()
            && self.blocks.is_empty()
            && self.joined.is_empty()
            && self.uploads.is_empty()
            && self.inbox.is_empty()
    }

    /// What is asked, in an order in which the answers can be taken in.
    pub(in crate::store) fn asking(&self, commands: usize) -> Result<Vec<Question>, StoreError> {
        let reactions: Vec<_> = self
            .reactions
            .iter()
            .map(|(room, id, user)| (room, hex(&id.to_bytes()), self.places.get(id), user))
            .collect();
        // Each command can take a successor away; the next must still be there.
        let most = i64::try_from(commands).unwrap_or(i64::MAX).saturating_add(1);
        let mut asking = Vec::new();
        asking.extend(Question::about(Part::Rooms, &self.rooms)?);
        asking.extend(Question::about(Part::Members, &self.members)?);
        asking.extend(Question::about(Part::Sends, &self.keyed(&self.sends))?);
        asking.extend(Question::about(Part::Messages, &self.keyed(&self.messages))?);
        asking.extend(Question::about(Part::Reactions, &reactions)?);
        asking.extend(Question::about(Part::CountsAt, &self.counts_at)?);
        let successors = Question::about(Part::Successors, &self.successors)?;
        asking.extend(successors.map(|question| Question { most: Some(most), ..question }));
        asking.extend(Question::about(Part::InviteLinks, &self.invite_links)?);
        asking.extend(Question::about(Part::Blocks, &self.blocks)?);
        asking.extend(Question::about(Part::Joined, &self.joined)?);
        asking.extend(Question::about(Part::Uploads, &self.uploads)?);
        asking.extend(Question::about(Part::Inbox, &self.inbox)?);
        Ok(asking)
    }

    fn keyed<'a>(
        &'a self,
        ids: &'a [(RoomId, MessageId)],
    ) -> Vec<(&'a RoomId, String, Option<&'a Seq>)> {
        ids.iter().map(|(room, id)| (room, hex(&id.to_bytes()), self.places.get(id))).collect()
    }

    /// Takes in the answer of `part`.
    pub(in crate::store) fn answer(
        &self,
        part: Part,
        answer: &str,
        views: &mut Views,
        before: &mut Before,
    ) -> Result<(), StoreError> {
        match part {
            Part::Rooms => {
                for (pk, version, cells) in rows::<(i64, i64, RoomCells)>(answer)? {
                    let room = room_from(cells)?;
                    view(views, &room.id)?.room = Some(room.clone());
                    before
                        .rooms
                        .insert(room.id.clone(), RoomRow { pk, version, place: None, room });
                }
            }
            Part::Members => {
                for (index, cells) in rows::<(usize, MemberCells)>(answer)? {
                    let (room, _) = asked(&self.members, index)?;
                    known(room, member_from(cells)?, views, before)?;
                }
            }
            Part::Successors => {
                for (index, cells) in rows::<(usize, MemberCells)>(answer)? {
                    known(asked(&self.successors, index)?, member_from(cells)?, views, before)?;
                }
            }
            Part::InviteLinks => {
                for (index, cells) in rows::<(usize, InviteLinkCells)>(answer)? {
                    let link = invite_link_from(cells)?;
                    let room = asked(&self.invite_links, index)?;
                    view(views, room)?.invite_links.insert(link.id.clone(), link);
                }
            }
            Part::Sends => {
                for (index, seq, n, ts, print) in rows::<(usize, u64, u64, i64, &str)>(answer)? {
                    let (room, id) = asked(&self.sends, index)?;
                    let (seq, ts, fingerprint) = (Seq(seq), Timestamp(ts), unhex(print)?);
                    let send = PriorSend { seq, n, ts, fingerprint };
                    view(views, room)?.sends.insert(id.clone(), send);
                }
            }
            Part::Messages => {
                for (index, pinned, cells) in rows::<(usize, u8, EntryCells)>(answer)? {
                    let (room, id) = asked(&self.messages, index)?;
                    let entry = entry_from(cells, room, &views.epoch)?;
                    if entry.body.message_id() == Some(id) {
                        let state = MessageState { entry, pinned: pinned != 0 };
                        view(views, room)?.messages.insert(id.clone(), state);
                    }
                }
            }
            Part::Reactions => {
                for row in rows::<(usize, String, u32, u64, u8)>(answer)? {
                    let (index, emoji, count, first, held) = row;
                    let (room, id, actor) = asked(&self.reactions, index)?;
                    let state = view(views, room)?.reactions.entry(id.clone()).or_default();
                    let count = ReactionCount { count, first: Seq(first) };
                    state.counts.insert(emoji.clone(), count);
                    if held != 0 {
                        state.held.insert((emoji, actor.clone()));
                    }
                }
            }
            Part::CountsAt => {
                for (index, n) in rows::<(usize, u64)>(answer)? {
                    let (room, seq) = asked(&self.counts_at, index)?;
                    view(views, room)?.n_at.insert(*seq, n);
                }
            }
            Part::Blocks => {
                for (index, held, count) in rows::<(usize, u8, u32)>(answer)? {
                    let (user, other, counted) = asked(&self.blocks, index)?;
                    if held != 0 {
                        views.blocks.pairs.insert((user.clone(), other.clone()));
                    }
                    if *counted {
                        views.blocks.counts.insert(user.clone(), count);
                    }
                }
            }
            Part::Joined => {
                for (index, rooms) in rows::<(usize, u32)>(answer)? {
                    views.joined_counts.insert(asked(&self.joined, index)?.clone(), rooms);
                }
            }
            Part::Uploads => {
                type Sides = (Option<u32>, Option<u32>, Option<Thumbnail>);
                type Cells = (AttachmentId, UserId, String, String, u64, Sides);
                for (id, owner, name, content_type, size, sides) in rows::<Cells>(answer)? {
                    let (width, height, thumbnail) = sides;
                    let file = AttachmentRef {
                        id: id.clone(),
                        name,
                        content_type,
                        size,
                        width,
                        height,
                        thumbnail,
                    };
                    views.uploads.insert(id, Upload { owner, file });
                }
            }
            Part::Inbox => views.inbox.extend(rows::<u64>(answer)?),
        }
        Ok(())
    }
}

/// The rows of an answer.
fn rows<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(answer).map_err(corrupt)
}

/// Takes in how someone stands to a room.
fn known(
    room: &RoomId,
    member: Member,
    views: &mut Views,
    before: &mut Before,
) -> Result<(), StoreError> {
    before.members.insert((room.clone(), member.user.clone()), member.clone());
    view(views, room)?.members.insert(member.user.clone(), member);
    Ok(())
}

/// Drops what was there before; keeps the order.
fn once<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
    let mut seen = HashSet::with_capacity(all.len());
    all.retain(|one| seen.insert(one.clone()));
}

/// The question that a row answers.
fn asked<T>(questions: &[T], index: usize) -> Result<&T, StoreError> {
    questions.get(index).ok_or_else(|| corrupt("an answer to no question"))
}

pub(in crate::store) fn view<'v>(
    views: &'v mut Views,
    room: &RoomId,
) -> Result<&'v mut View, StoreError> {
    views.rooms.get_mut(room).ok_or_else(|| corrupt("a room that was not asked for"))
}
