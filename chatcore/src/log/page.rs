//! Reading a log: cursors, and pages of messages.

use super::{AttachmentRef, Entry};
use crate::clock::Timestamp;
use crate::error::Invalid;
use crate::id::{Epoch, MessageId, Seq, UserId};

/// Where a reader stands in a room's log: all up to `seq` is known to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The life of the log that `seq` counts in; without one, whichever it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The last entry that the reader has.
    pub seq: Seq,
}

impl Cursor {
    /// Before the first entry.
    pub const fn start() -> Self {
        Self { epoch: None, seq: Seq::START }
    }
}

/// From where a page of messages is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The newest messages.
    Newest,
    /// Those just before this place, which is left out.
    Before(Seq),
    /// Those just after this place, which is left out.
    After(Seq),
    /// Those around this place, itself included.
    Around(Seq),
}

/// Which page of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// From where.
    pub anchor: Anchor,
    /// At most how many; 1 to [`Limits::page`](crate::limits::Limits::page).
    pub limit: u32,
}

impl HistoryQuery {
    /// Builds a query from the wire's fields, of which at most one anchor may be given.
    ///
    /// # Errors
    /// [`Invalid`], for more than one anchor, or a limit of 0 or above `max`.
    pub fn new(
        before: Option<Seq>,
        after: Option<Seq>,
        around: Option<Seq>,
        limit: Option<u32>,
        max: u32,
    ) -> Result<Self, Invalid> {
        let anchor = match (before, after, around) {
            (None, None, None) => Anchor::Newest,
            (Some(seq), None, None) => Anchor::Before(seq),
            (None, Some(seq), None) => Anchor::After(seq),
            (None, None, Some(seq)) => Anchor::Around(seq),
            _ => return Err(Invalid::new("before", "give one of before, after and around")),
        };
        let limit = limit.unwrap_or(50.min(max));
        if !(1..=max).contains(&limit) {
            return Err(Invalid::new("limit", format!("limit must be from 1 to {max}")));
        }
        Ok(Self { anchor, limit })
    }
}

/// Messages in the order of the log, oldest first.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<Message>,
    /// Nothing older is there to be read.
    pub found_oldest: bool,
    /// Nothing newer was there when this was read.
    pub found_newest: bool,
}

/// A message as it stands now.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Its place in the room's order.
    pub seq: Seq,
    /// Its count among the room's messages.
    pub n: u64,
    /// Its name, for ever.
    pub message_id: MessageId,
    /// Its author.
    pub user: UserId,
    /// When it was sent.
    pub ts: Timestamp,
    /// Its text; empty once deleted.
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentRef>,
    /// Members whom it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// The host's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
    /// When its text was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Reactions to it, in the order of their first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Whether it is pinned.
    #[serde(default)]
    pub pinned: bool,
}

/// One emoji on a message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reaction {
    /// Which.
    pub emoji: String,
    /// From how many.
    pub count: u32,
    /// Whether the reader is one of them.
    pub mine: bool,
}

impl Message {
    /// The message that `entry` carries, without its reactions; none for other kinds of entries.
    pub fn from_entry(entry: &Entry) -> Option<Self> {
        let super::Body::Message {
            message_id,
            text,
            reply_to,
            attachments,
            mentions,
            meta,
            edited_at,
            deleted_at,
        } = &entry.body
        else {
            return None;
        };
        Some(Self {
            seq: entry.seq,
            n: entry.n?,
            message_id: message_id.clone(),
            user: entry.user.clone(),
            ts: entry.ts,
            text: text.clone(),
            reply_to: reply_to.clone(),
            attachments: attachments.clone(),
            mentions: mentions.clone(),
            meta: meta.clone(),
            edited_at: *edited_at,
            deleted_at: *deleted_at,
            reactions: Vec::new(),
            pinned: false,
        })
    }
}
