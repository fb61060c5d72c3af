//! What was said in a room, as far as it is here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, MessageId, Seq, UserId};
use chatcore::log::{Entry, Message};
use chatcore_quic::client::Progress;

use super::Composer;

/// Entries that are kept; those far from what is looked at go first, and can be read again.
const KEPT: usize = 1_000;
/// Members whose marks and presence are kept.
const PEOPLE: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Conversation {
    entries: BTreeMap<Seq, Item>,
    /// The user's own, which no server has confirmed yet.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) loaded: Loaded,
    /// There is nothing older.
    pub(crate) complete: bool,
    /// Older messages were asked for.
    pub(crate) asking: bool,
    /// The newest were let go of, to make room for old ones.
    pub(crate) detached: bool,
    pub(crate) place: Place,
    pub(crate) chosen: Option<Key>,
    /// Deletion was asked for once.
    pub(crate) deleting: bool,
    /// The first that was unread when the room was opened.
    pub(crate) new_from: Option<Seq>,
    pub(crate) composer: Composer,
    pub(crate) present: BTreeSet<UserId>,
    /// Who is typing, and until when to believe it.
    pub(crate) typing: BTreeMap<UserId, Timestamp>,
    /// How far others have read.
    pub(crate) read: BTreeMap<UserId, Seq>,
    /// How far the user was said to have read.
    pub(crate) marked: Seq,
    /// When others were last told that the user is typing.
    pub(crate) told_typing: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Loaded {
    #[default]
    No,
    Asked,
    Yes,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Message(Box<Message>),
    /// Someone came, went, changed something.
    Note(Box<Entry>),
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) id: ClientMsgId,
    pub(crate) text: String,
    pub(crate) reply_to: Option<MessageId>,
    pub(crate) state: Sending,
    /// The file that it is.
    pub(crate) file: Option<Outgoing>,
}

/// A file on its way to the server.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) path: PathBuf,
    pub(crate) at: Progress,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Pending,
    /// Confirmed; its entry has not come yet.
    Sent(Seq),
    Refused(String),
}

/// Names something that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Entry(Seq),
    Waiting(ClientMsgId),
}

/// What of it is in view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// The end, whatever comes.
    #[default]
    End,
    /// This one lies at the lower edge, with so many of its rows below it.
    At { key: Key, hidden: usize },
}

/// What lies in the conversation, from the oldest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    Message(&'a Message),
    Note(&'a Entry),
    Waiting(&'a Waiting),
}

impl Line<'_> {
    pub(crate) fn key(&self) -> Key {
        match self {
            Self::Message(message) => Key::Entry(message.seq),
            Self::Note(entry) => Key::Entry(entry.seq),
            Self::Waiting(waiting) => Key::Waiting(waiting.id.clone()),
        }
    }
}

impl Conversation {
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let entries = self.entries.values().map(|item| match item {
            Item::Message(message) => Line::Message(message),
            Item::Note(entry) => Line::Note(entry),
        });
        entries.chain(self.waiting.iter().map(Line::Waiting)).collect()
    }

    pub(crate) fn message(&self, seq: Seq) -> Option<&Message> {
        match self.entries.get(&seq)? {
            Item::Message(message) => Some(message),
            Item::Note(_) => None,
        }
    }

    pub(crate) fn message_by_id(&self, id: &MessageId) -> Option<&Message> {
        self.messages().find(|message| message.message_id == *id)
    }

    pub(crate) fn message_by_id_mut(&mut self, id: &MessageId) -> Option<&mut Message> {
        self.entries.values_mut().find_map(|item| match item {
            Item::Message(message) if message.message_id == *id => Some(&mut **message),
            _ => None,
        })
    }

    pub(crate) fn messages(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.entries.values().filter_map(|item| match item {
            Item::Message(message) => Some(&**message),
            Item::Note(_) => None,
        })
    }

    /// Everyone who is known to be about.
    pub(crate) fn people(&self) -> impl Iterator<Item = &UserId> {
        let writers = self.messages().map(|message| &message.user);
        self.present.iter().chain(self.read.keys()).chain(writers)
    }

    pub(crate) fn oldest(&self) -> Option<Seq> {
        self.messages().next().map(|message| message.seq)
    }

    pub(crate) fn newest(&self) -> Option<Seq> {
        self.entries.keys().next_back().copied()
    }

    /// Own messages that are not confirmed.
    pub(crate) fn unsent(&self) -> usize {
        self.waiting.iter().filter(|waiting| waiting.state == Sending::Pending).count()
    }

    /// Puts an entry in its place.
    pub(crate) fn put(&mut self, seq: Seq, item: Item) {
        self.waiting.retain(|waiting| waiting.state != Sending::Sent(seq));
        if self.detached && self.newest().is_some_and(|newest| seq > newest) {
            return;
        }
        self.entries.insert(seq, item);
        self.trim();
    }

    /// Forgets what is far from the place in view.
    fn trim(&mut self) {
        while self.entries.len() > KEPT {
            let at_end = match &self.place {
                Place::End => true,
                Place::At { key: Key::Waiting(_), .. } => true,
                Place::At { key: Key::Entry(seq), .. } => {
                    self.entries.range(..seq).count() > KEPT / 2
                }
            };
            if at_end {
                self.entries.pop_first();
                self.complete = false;
            } else {
                self.entries.pop_last();
                self.detached = true;
            }
        }
    }

    /// Forgets all entries, to read them anew.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        (self.place, self.chosen) = (Place::End, None);
        (self.complete, self.detached, self.asking) = (false, false, false);
        self.loaded = Loaded::No;
    }

    /// Someone has read so far.
    pub(crate) fn has_read(&mut self, user: &UserId, seq: Seq) {
        if self.read.len() < PEOPLE || self.read.contains_key(user) {
            let mark = self.read.entry(user.clone()).or_default();
            *mark = (*mark).max(seq);
        }
    }

    /// Someone has come or gone.
    pub(crate) fn is_present(&mut self, user: &UserId, present: bool) {
        if !present {
            self.present.remove(user);
            self.typing.remove(user);
        } else if self.present.len() < PEOPLE {
            self.present.insert(user.clone());
        }
    }

    /// Someone types, or has stopped.
    pub(crate) fn is_typing(&mut self, user: &UserId, until: Option<Timestamp>) {
        match until {
            Some(until) if self.typing.len() < PEOPLE => {
                self.typing.insert(user.clone(), until);
            }
            _ => {
                self.typing.remove(user);
            }
        }
    }
}
