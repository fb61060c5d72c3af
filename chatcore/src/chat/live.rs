//! A room's log as a stream: replay, then live, with no gap between.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::Stream;

use super::{Caller, Chat};
use crate::error::Error;
use crate::hub::{Listener, Read, Subscription};
use crate::id::{Epoch, RoomId, Seq};
use crate::log::{Cursor, Entry};
use crate::room::{Access, Marks, Room};

/// Entries fetched from the log, or taken from the ring, at once.
const PAGE: u32 = 100;

/// Where a subscription begins.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resume {
    /// Whether everything after the cursor will come. If not, the reader has to read the room anew
    /// and goes on from `head_seq`.
    pub recovered: bool,
    /// Which life of the log places count in.
    pub epoch: Epoch,
    /// The end of the log.
    pub head_seq: Seq,
    /// Entries up to here are gone.
    pub floor_seq: Seq,
    /// How far the caller is, if they are a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Marks>,
    /// The cursor to go on from.
    #[serde(skip)]
    pub(crate) from: Seq,
    /// Whether the caller is a member.
    #[serde(skip)]
    pub(crate) joined: bool,
    /// Whether the other of a direct room has blocked the caller.
    #[serde(skip)]
    pub(crate) barred: bool,
}

impl Resume {
    pub(super) fn new(
        room: &Room,
        epoch: &Epoch,
        cursor: Option<&Cursor>,
        access: Access,
        marks: Option<Marks>,
    ) -> Self {
        let recovered = cursor.is_none_or(|cursor| {
            cursor.epoch.as_ref().is_none_or(|e| e == epoch)
                && (room.floor_seq..=room.head_seq).contains(&cursor.seq)
        });
        let from = cursor.filter(|_| recovered).map_or(room.head_seq, |cursor| cursor.seq);
        Self {
            recovered,
            epoch: epoch.clone(),
            head_seq: room.head_seq,
            floor_seq: room.floor_seq,
            marks,
            from,
            joined: access == Access::Joined,
            barred: false,
        }
    }

    /// The cursor to go on from: the caller's own if it was recovered, else the head.
    pub fn from(&self) -> Seq {
        self.from
    }

    /// Whether the caller is a member, not a reader from outside.
    pub fn joined(&self) -> bool {
        self.joined
    }
}

/// The entries of a room from a cursor on, without end.
///
/// It ends when the caller may not read the room any more, when what comes next was too old to be kept,
/// or when the chat is drained. A reader that
/// lags is served from the log; it costs no memory but its place.
#[derive(Debug)]
pub struct LiveEntries {
    chat: Chat,
    room: RoomId,
    resume: Resume,
    cursor: Seq,
    ready: VecDeque<Entry>,
    listener: Arc<Listener>,
    subscription: Subscription,
}

impl LiveEntries {
    pub(super) async fn open(
        caller: &Caller,
        room: &RoomId,
        cursor: Cursor,
    ) -> Result<Self, Error> {
        let hub = caller.chat().hub();
        let listener = hub.listen(caller.actor().id());
        // Register first, check second: who is put out in between is told.
        let subscription = hub.subscribe(&listener, room);
        let resume = caller.resume(room, Some(&cursor)).await?;
        subscription.let_in(resume.joined, resume.head_seq);
        Ok(Self {
            chat: caller.chat().clone(),
            room: room.clone(),
            cursor: resume.from,
            resume,
            ready: VecDeque::new(),
            listener,
            subscription,
        })
    }

    /// Where it began, and whether that is where the cursor asked.
    pub fn resume(&self) -> &Resume {
        &self.resume
    }

    /// The next entry, or none when nothing more may come. Cancel-safe.
    ///
    /// # Errors
    /// The store's; calling again tries again.
    pub async fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if self.listener.closing().is_some() {
                return Ok(None);
            }
            if let Some(entry) = self.ready.pop_front() {
                self.cursor = entry.seq;
                return Ok(Some(entry));
            }
            // Taken before the bell is answered, so that what rings after is heard.
            self.listener.take();
            self.subscription.answer();
            let ready = &mut self.ready;
            let found = self.subscription.read(self.cursor, |live| {
                ready.push_back(live.entry().clone());
                ready.len() < PAGE as usize
            });
            match found {
                Read::Upto(_) => {}
                Read::Ended => return Ok(None),
                Read::Behind(_) => {
                    // What the ring has no more, the log has; unless the room is gone.
                    if !self.page().await? || self.ready.is_empty() {
                        return Ok(None);
                    }
                }
                Read::Nothing => {
                    if !self.page().await? {
                        return Ok(None);
                    }
                    if self.ready.is_empty() {
                        self.listener.ring().await;
                    }
                }
            }
        }
    }

    /// Reads on in the log. Whether what comes next is there: what was too old for the room is not, and
    /// is not passed over in silence.
    async fn page(&mut self) -> Result<bool, Error> {
        let page = self.chat.store().entries(&self.room, self.cursor, PAGE).await?;
        if page.first().is_some_and(|next| next.seq != self.cursor.next()) {
            return Ok(false);
        }
        // What is committed but not yet told of waits: it may be what puts the caller out.
        let told = self.subscription.newest().unwrap_or_default().max(self.resume.head_seq);
        let end = self.subscription.end().unwrap_or(Seq::MAX);
        self.ready
            .extend(page.into_iter().take_while(|entry| entry.seq <= told && entry.seq < end));
        Ok(true)
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Entry, Error>> + Send {
        futures_util::stream::unfold(self, |mut live| async move {
            live.next().await.transpose().map(|entry| (entry, live))
        })
    }
}
