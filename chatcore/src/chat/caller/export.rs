//! All that is kept of someone, for themselves.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Caller;
use crate::account::{Profile, Session};
use crate::chat::RoomSummary;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::hub::Listener;
use crate::id::{DeviceId, RoomId, Seq, SessionId, UserId};
use crate::log::{AttachmentRef, Message};
use crate::room::{Access, Rejection};

/// Rooms that are asked for at once.
const ROOMS: u32 = 100;
/// Entries of a log that are looked at in one step.
const ENTRIES: u32 = 500;

/// One line of an export, in the order of this list: who they are, where they are signed in, and for
/// each room that knows them the room, their messages oldest first, and behind each its files.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exported {
    /// The first line.
    Profile {
        /// The version of this form: 1. What it does not know, a reader passes over.
        version: u32,
        /// When the export began.
        exported_at: Timestamp,
        /// Who they are.
        user: UserId,
        /// The name they are mentioned by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<String>,
        /// Their address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// What others see.
        display_name: String,
        /// Where their picture is; left out where the adapter knows no links.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avatar_url: Option<String>,
    },
    /// One login on one device.
    Session {
        /// Its id; no secret.
        id: SessionId,
        /// The device it was made on.
        device: DeviceId,
        /// What the client said it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_agent: Option<String>,
        /// Where the login came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// When it was made.
        created_at: Timestamp,
        /// When it was last renewed.
        renewed_at: Timestamp,
        /// From when on it is dead, unless it is renewed.
        expires_at: Timestamp,
    },
    /// A room that they are in or were in.
    Room {
        /// Which.
        room: RoomId,
        /// All that they may know of it; left out of one that they may know nothing of any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<Box<RoomSummary>>,
    },
    /// A message of theirs that is not deleted, without what others did to it.
    Message {
        /// In which room.
        room: RoomId,
        /// As it stands now.
        message: Box<Message>,
    },
    /// A file of the message before.
    File {
        /// In which room.
        room: RoomId,
        /// The message's place.
        seq: Seq,
        /// What it is.
        file: AttachmentRef,
        /// Where it is; left out where the adapter knows no links.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// The last line: without it, an export was cut off.
    End {
        /// Rooms listed.
        rooms: u64,
        /// Messages listed.
        messages: u64,
    },
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    Profile,
    Sessions,
    Rooms { after: Option<RoomId> },
    Log { rooms: VecDeque<RoomId>, room: RoomId, after: Seq },
    Over,
}

/// An export under way. It holds a page of a log at most, whatever there is.
#[derive(Debug)]
pub struct Export {
    caller: Caller,
    user: UserId,
    listener: Arc<Listener>,
    stage: Stage,
    ready: VecDeque<Exported>,
    rooms: u64,
    messages: u64,
}

impl Caller {
    /// Begins an export of all that is kept of the caller: their own, not what others wrote. It ends early,
    /// with an error, when `session` does.
    ///
    /// # Errors
    /// [`Error::RateLimited`], see [`Limits::exports_per_user`](crate::limits::Limits::exports_per_user).
    pub fn export(&self, session: Option<&SessionId>) -> Result<Export, Error> {
        let user = self.viewer();
        let exports = &self.chat.inner.exports;
        exports.check(&user).map_err(|e| Error::RateLimited { retry_after: e.retry_after })?;
        Ok(Export {
            caller: self.clone(),
            listener: self.chat.hub().watch(user.clone(), session.cloned()),
            user,
            stage: Stage::Profile,
            ready: VecDeque::new(),
            rooms: 0,
            messages: 0,
        })
    }
}

impl Export {
    /// The next line; none after the last.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the session ended or the chat is drained; the store's. Either ends it.
    pub async fn next(&mut self) -> Result<Option<Exported>, Error> {
        loop {
            if self.listener.closing().is_some() {
                return Err(Error::Unavailable);
            }
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Profile => self.profile().await?,
                Stage::Sessions => self.sessions().await?,
                Stage::Rooms { after } => self.page_of_rooms(after).await?,
                Stage::Log { rooms, room, after } => self.log(rooms, room, after).await?,
                Stage::Over => return Ok(None),
            }
        }
    }

    async fn profile(&mut self) -> Result<(), Error> {
        let chat = &self.caller.chat;
        let Profile { handle, email, display_name, .. } = chat.profile(&self.user).await?;
        self.ready.push_back(Exported::Profile {
            version: 1,
            exported_at: chat.clock().now(),
            user: self.user.clone(),
            handle,
            email,
            display_name,
            avatar_url: None,
        });
        self.stage = Stage::Sessions;
        Ok(())
    }

    async fn sessions(&mut self) -> Result<(), Error> {
        let line = |session: Session| Exported::Session {
            id: session.id,
            device: session.device,
            user_agent: session.user_agent,
            address: session.addr.map(|addr| addr.to_string()),
            created_at: session.created_at,
            renewed_at: session.renewed_at,
            expires_at: session.expires_at,
        };
        let sessions = self.caller.chat.accounts().sessions(&self.user).await?;
        self.ready.extend(sessions.into_iter().map(line));
        self.stage = Stage::Rooms { after: None };
        Ok(())
    }

    async fn page_of_rooms(&mut self, after: Option<RoomId>) -> Result<(), Error> {
        let store = self.caller.chat.store();
        let rooms = store.rooms_that_know(&self.user, after.as_ref(), ROOMS).await?;
        self.go_on(rooms.into(), after).await
    }

    /// Goes on with the first of `rooms`; behind the last of them, `before`, with the next page.
    async fn go_on(
        &mut self,
        mut rooms: VecDeque<RoomId>,
        before: Option<RoomId>,
    ) -> Result<(), Error> {
        let Some(room) = rooms.pop_front() else {
            self.ready.push_back(Exported::End { rooms: self.rooms, messages: self.messages });
            return Ok(());
        };
        debug_assert!(before.is_none_or(|before| before < room));
        let summary = match self.caller.reach(&room, Access::Know).await {
            Ok((known, member, _)) => {
                let chat = &self.caller.chat;
                let (epoch, now) = (chat.epoch(), chat.inner.clock.now());
                Some(Box::new(RoomSummary::new(known, member.as_ref(), epoch, now)))
            }
            Err(Error::Rejected(Rejection::NoSuchRoom)) => None,
            Err(other) => return Err(other),
        };
        self.rooms += 1;
        self.ready.push_back(Exported::Room { room: room.clone(), summary });
        self.stage = Stage::Log { rooms, room, after: Seq::START };
        Ok(())
    }

    async fn log(
        &mut self,
        rooms: VecDeque<RoomId>,
        room: RoomId,
        after: Seq,
    ) -> Result<(), Error> {
        let entries = self.caller.chat.store().entries(&room, after, ENTRIES).await?;
        let Some(last) = entries.last().map(|entry| entry.seq) else {
            // A page that is used up is followed by one that may be there.
            if rooms.is_empty() {
                self.stage = Stage::Rooms { after: Some(room) };
                return Ok(());
            }
            return self.go_on(rooms, Some(room)).await;
        };
        let own = entries.iter().filter(|entry| entry.user == self.user);
        for message in own.filter_map(Message::from_entry) {
            if message.deleted_at.is_some() {
                continue;
            }
            self.messages += 1;
            let (seq, files) = (message.seq, message.attachments.clone());
            let message = Box::new(message);
            self.ready.push_back(Exported::Message { room: room.clone(), message });
            let file = |file| Exported::File { room: room.clone(), seq, file, url: None };
            self.ready.extend(files.into_iter().map(file));
        }
        self.stage = Stage::Log { rooms, room, after: last };
        Ok(())
    }
}
