//! Entries at hand, and what they look like on a wire.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::id::Seq;
use crate::log::{Body, Entry};
use crate::protocol::Wire;

/// Joined frames that a ring remembers, for all readers who stand at the same place.
const JOINED: usize = 4;

/// An entry at hand, with its frames as they are asked for.
pub struct Live {
    entry: Entry,
    frames: [OnceLock<Bytes>; Wire::ALL.len()],
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("room", &self.entry.room)
            .field("seq", &self.entry.seq)
            .finish()
    }
}

impl Live {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry, frames: Default::default() }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its `event` frame for `wire`: encoded once, shared by all who ask.
    pub fn frame(&self, wire: Wire) -> &Bytes {
        self.frames[wire.index()].get_or_init(|| wire.event(&self.entry))
    }

    /// About what it takes in memory, with its frames in two encodings.
    pub(crate) fn weight(entry: &Entry) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        600 + 3 * match &entry.body {
            Body::Message { text, attachments, mentions, meta, .. } => {
                let files = attachments.iter().map(|file| 200 + file.name.len()).sum::<usize>();
                let called = mentions.iter().map(|user| 24 + user.as_str().len()).sum::<usize>();
                text.len() + files + called + meta.as_ref().map_or(0, value_weight)
            }
            Body::Edit { text, .. } => text.len(),
            Body::Kick { reason, .. } | Body::Ban { reason, .. } | Body::Mute { reason, .. } => {
                length(reason)
            }
            Body::Room { name, topic, .. } => length(name) + length(topic),
            _ => 0,
        }
    }
}

/// About what a JSON value takes in memory. Its depth is bounded where it comes in.
fn value_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_weight).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| 48 + name.len() + value_weight(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Frames of entries that follow one another, ready to be written in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The frames, one after another.
    pub bytes: Bytes,
    /// The last entry in it.
    pub upto: Seq,
    /// How many entries it holds.
    pub entries: u32,
}

/// Which entries a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) wire: Wire,
    pub(super) from: Seq,
    pub(super) to: Seq,
    /// Bytes above which no further entry is added.
    pub(super) most: usize,
}

/// The latest entries of one room, oldest first and dense.
#[derive(Debug, Default)]
pub(super) struct Ring {
    live: VecDeque<Arc<Live>>,
    /// About what they take.
    pub(super) bytes: usize,
    /// Counts changes, so that what was read before one is known to be old.
    changes: u64,
    /// What was joined since the last change.
    joined: VecDeque<(Span, Batch)>,
}

impl Ring {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn oldest(&self) -> Option<Seq> {
        self.live.front().map(|live| live.entry.seq)
    }

    pub(super) fn newest(&self) -> Option<Seq> {
        self.live.back().map(|live| live.entry.seq)
    }

    /// Notes that what was joined is not to be handed out again.
    fn changed(&mut self) {
        self.changes += 1;
        self.joined.clear();
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.changed();
        self.bytes += Live::weight(&entry);
        self.live.push_back(Arc::new(Live::new(entry)));
    }

    /// Takes the oldest away; returns what it took.
    pub(super) fn pop(&mut self) -> usize {
        let weight = self.live.pop_front().map_or(0, |old| Live::weight(&old.entry));
        self.bytes = self.bytes.saturating_sub(weight);
        weight
    }

    pub(super) fn get(&self, at: usize) -> Option<&Arc<Live>> {
        self.live.get(at)
    }

    /// Puts `entry` in the place of another; returns what the old and the new one take.
    pub(super) fn replace(&mut self, at: usize, entry: Entry) -> (usize, usize) {
        self.changed();
        let (before, after) = (Live::weight(&self.live[at].entry), Live::weight(&entry));
        self.live[at] = Arc::new(Live::new(entry));
        self.bytes = (self.bytes + after).saturating_sub(before);
        (before, after)
    }

    /// Those from `from` on, if that is not older than the ring.
    pub(super) fn from(&self, from: Seq) -> Option<impl Iterator<Item = &Arc<Live>>> {
        let back = from.0.checked_sub(self.oldest()?.0)?;
        Some(self.live.iter().skip(usize::try_from(back).unwrap_or(usize::MAX)))
    }

    /// What was joined for the same span before.
    pub(super) fn joined(&self, span: &Span) -> Option<Batch> {
        self.joined.iter().find(|(of, _)| of == span).map(|(_, batch)| batch.clone())
    }

    /// Remembers a batch, unless something has changed since it was begun: it may be made of what
    /// was taken back.
    pub(super) fn remember(&mut self, span: Span, batch: &Batch, changes: u64) {
        if self.changes == changes {
            if self.joined.len() >= JOINED {
                self.joined.pop_front();
            }
            self.joined.push_back((span, batch.clone()));
        }
    }

    pub(super) fn forget_joined(&mut self) {
        self.joined = VecDeque::new();
    }
}

impl Batch {
    /// Joins what `lives` look like, as far as the span goes; none if there are none.
    pub(super) fn join(lives: &[Arc<Live>], span: &Span) -> Option<Self> {
        let mut taken = 0;
        let mut length = 0;
        for live in lives {
            length += live.frame(span.wire).len();
            taken += 1;
            if length >= span.most {
                break;
            }
        }
        let (lives, last) = (&lives[..taken], lives[..taken].last()?);
        let bytes = match lives {
            [one] => one.frame(span.wire).clone(),
            several => {
                let mut bytes = BytesMut::with_capacity(length);
                several.iter().for_each(|live| bytes.extend_from_slice(live.frame(span.wire)));
                bytes.freeze()
            }
        };
        let entries = u32::try_from(taken).unwrap_or(u32::MAX);
        Some(Self { bytes, upto: last.entry.seq, entries })
    }
}
