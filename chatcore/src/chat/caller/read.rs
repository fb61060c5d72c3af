//! What someone reads of rooms.

use super::Caller;
use crate::attachment::{Attachment, AttachmentError, Usage};
use crate::chat::{LiveEntries, MemberSummary, Resume, RoomSummary};
use crate::error::{Error, Invalid};
use crate::id::{AttachmentId, MessageId, RoomId, Seq, UserId};
use crate::log::{Anchor, Cursor, Entry, HistoryPage, HistoryQuery, Message};
use crate::room::{Access, Actor, Member, Rejection, Room, Standing};
use crate::store::{RoomFilter, Toward};

impl Caller {
    /// The room, if the caller may do at least `needed` with it.
    pub(super) async fn reach(
        &self,
        room: &RoomId,
        needed: Access,
    ) -> Result<(Room, Option<Member>, Access), Error> {
        let user = match &self.actor {
            Actor::User(user) => Some(user),
            Actor::System => None,
        };
        let Some((room, member)) = self.chat.inner.store.room(room, user).await? else {
            return Err(Rejection::NoSuchRoom.into());
        };
        let now = self.chat.inner.clock.now();
        let access = match &self.actor {
            Actor::System if room.deleted_at.is_none() => Access::Joined,
            Actor::System => Access::None,
            Actor::User(_) => Access::of(&room, member.as_ref(), now),
        };
        if access == Access::None {
            return Err(Rejection::NoSuchRoom.into());
        }
        if access < needed {
            return Err(match member.map(|m| m.standing) {
                Some(Standing::Banned { until }) => Rejection::Banned { until }.into(),
                _ => Rejection::NotJoined.into(),
            });
        }
        Ok((room, member, access))
    }

    pub(super) async fn joined(&self, room: &RoomId) -> Result<(Room, Option<Member>), Error> {
        let (room, member, _) = self.reach(room, Access::Joined).await?;
        Ok((room, member))
    }

    /// Whether the caller may read the room: what guards its files.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`], [`Rejection::NotJoined`], [`Rejection::Banned`], and the store's.
    pub async fn may_read(&self, room: &RoomId) -> Result<(), Error> {
        self.reach(room, Access::Read).await.map(|_| ())
    }

    /// A file, if the caller may read it: its owner, while it is in no message; those who may read
    /// the room, once it is in one; everyone, if it is a picture of someone.
    ///
    /// # Errors
    /// [`AttachmentError::NotFound`], whether it is not there or not for the caller.
    pub async fn readable_attachment(&self, id: &AttachmentId) -> Result<Attachment, Error> {
        let file = self.chat.attachments().get(id).await?;
        let allowed = match (&file.usage, &self.actor) {
            (Usage::Message { room, seq }, _) => match self.reach(room, Access::Read).await {
                // What is too old to be read is gone, also before it is swept.
                Ok((known, ..)) => *seq > known.floor_seq,
                Err(Error::Rejected(_)) => false,
                Err(other) => return Err(other),
            },
            (Usage::Avatar | Usage::Shared, _) | (_, Actor::System) => true,
            (Usage::Waiting, Actor::User(user)) => file.owner == *user,
        };
        if allowed { Ok(file) } else { Err(AttachmentError::NotFound.into()) }
    }

    /// A room, as the caller sees it.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`], also if the caller may not know of it.
    pub async fn room(&self, room: &RoomId) -> Result<RoomSummary, Error> {
        let (room, member, _) = self.reach(room, Access::Know).await?;
        Ok(RoomSummary::new(
            room,
            member.as_ref(),
            &self.chat.inner.epoch,
            self.chat.inner.clock.now(),
        ))
    }

    /// Up to `limit` rooms with an id above `after`, in the order of ids.
    ///
    /// # Errors
    /// [`Invalid`] for a limit of 0 or above [`Limits::page`](crate::limits::Limits::page).
    pub async fn rooms(
        &self,
        filter: RoomFilter,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomSummary>, Error> {
        self.check_page(limit)?;
        let rooms = self.chat.inner.store.rooms(&self.viewer(), filter, after, limit).await?;
        let (epoch, now) = (&self.chat.inner.epoch, self.chat.inner.clock.now());
        Ok(rooms.into_iter().map(|(r, m)| RoomSummary::new(r, m.as_ref(), epoch, now)).collect())
    }

    /// Up to `limit` members of a room that the caller may read, with an id above `after`.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read); [`Invalid`] for a limit out of bounds.
    pub async fn members(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<MemberSummary>, Error> {
        self.check_page(limit)?;
        let members = self.chat.inner.store.members(room, after, limit).await?;
        // Checked after it was read: who was put out meanwhile gets nothing of it.
        self.may_read(room).await?;
        Ok(members.into_iter().map(MemberSummary::from).collect())
    }

    pub(in crate::chat) fn check_page(&self, limit: u32) -> Result<(), Invalid> {
        let most = self.chat.inner.limits.page;
        if (1..=most).contains(&limit) {
            Ok(())
        } else {
            Err(Invalid::new("limit", format!("limit must be from 1 to {most}")))
        }
    }

    /// A page of messages.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read); [`Invalid`] for a limit out of bounds.
    pub async fn history(&self, room: &RoomId, query: HistoryQuery) -> Result<HistoryPage, Error> {
        self.check_page(query.limit)?;
        let (known, ..) = self.reach(room, Access::Read).await?;
        let viewer = self.viewer();
        let store = &self.chat.inner.store;
        // One more than asked for tells whether the page ends where the room does.
        let older = |at, limit: u32| {
            let viewer = &viewer;
            async move {
                let mut page = store.messages(room, Toward::Older(at), limit + 1, viewer).await?;
                let oldest = page.len() <= limit as usize;
                if !oldest {
                    page.remove(0);
                }
                Ok::<_, Error>((page, oldest))
            }
        };
        let newer = |at, limit: u32| {
            let viewer = &viewer;
            async move {
                let mut page = store.messages(room, Toward::Newer(at), limit + 1, viewer).await?;
                let newest = page.len() <= limit as usize;
                page.truncate(limit as usize);
                Ok::<_, Error>((page, newest))
            }
        };
        let page = match query.anchor {
            Anchor::Newest => {
                let (messages, found_oldest) = older(Seq::MAX, query.limit).await?;
                HistoryPage { messages, found_oldest, found_newest: true }
            }
            Anchor::Before(seq) => {
                let (messages, found_oldest) = older(seq, query.limit).await?;
                let found_newest = seq > known.head_seq;
                HistoryPage { messages, found_oldest, found_newest }
            }
            Anchor::After(seq) => {
                let (messages, found_newest) = newer(seq, query.limit).await?;
                let found_oldest = seq <= known.floor_seq;
                HistoryPage { messages, found_oldest, found_newest }
            }
            Anchor::Around(seq) => {
                // The anchor itself, half of the rest before it, and what is left after it.
                let before = (query.limit - 1) / 2;
                let (mut messages, found_oldest) =
                    older(Seq(seq.0.saturating_add(1)), before + 1).await?;
                let left = query.limit.saturating_sub(messages.len() as u32);
                let (mut after, mut found_newest) = newer(seq, left.max(1)).await?;
                if left == 0 {
                    // Read for the flag alone.
                    found_newest = after.is_empty();
                    after.clear();
                }
                messages.extend(after);
                HistoryPage { messages, found_oldest, found_newest }
            }
        };
        // Who was put out while it was read gets nothing of it.
        self.may_read(room).await?;
        Ok(page)
    }

    /// Up to `limit` pinned messages that stand after `after`, oldest first.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read); [`Invalid`] for a limit out of bounds.
    pub async fn pinned(
        &self,
        room: &RoomId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Message>, Error> {
        self.check_page(limit)?;
        let pinned = self.chat.inner.store.pinned(room, after, limit, &self.viewer()).await?;
        self.may_read(room).await?;
        Ok(pinned)
    }

    /// One message.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read); [`Rejection::NoSuchMessage`].
    pub async fn message(&self, room: &RoomId, id: &MessageId) -> Result<Message, Error> {
        let message = self.chat.inner.store.message(room, id, &self.viewer()).await?;
        self.may_read(room).await?;
        Ok(message.ok_or(Rejection::NoSuchMessage)?)
    }

    /// Up to `limit` entries of the log after `after`, oldest first.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read); [`Invalid`] for a limit out of bounds.
    pub async fn log(&self, room: &RoomId, after: Seq, limit: u32) -> Result<Vec<Entry>, Error> {
        self.check_page(limit)?;
        let entries = self.chat.inner.store.entries(room, after, limit).await?;
        self.may_read(room).await?;
        Ok(entries)
    }

    /// All that happens in a room after `cursor`: first what is in the log, then live, with no gap
    /// between. Without an epoch the cursor counts in the present one.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read).
    pub async fn subscribe(&self, room: &RoomId, cursor: Cursor) -> Result<LiveEntries, Error> {
        LiveEntries::open(self, room, cursor).await
    }

    /// Where a subscription from `cursor` would begin; checks that the caller may read.
    ///
    /// # Errors
    /// As [`may_read`](Self::may_read).
    pub async fn resume(&self, room: &RoomId, cursor: Option<&Cursor>) -> Result<Resume, Error> {
        let (room, member, access) = self.reach(room, Access::Read).await?;
        let barred = member.as_ref().is_some_and(|member| member.barred);
        let marks = member.filter(|m| m.joined()).map(|m| m.marks);
        let resume = Resume::new(&room, &self.chat.inner.epoch, cursor, access, marks);
        Ok(Resume { barred, ..resume })
    }
}
