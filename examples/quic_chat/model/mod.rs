//! What the screen shows. Changed by `update` alone, drawn by `view` alone; neither waits for anything.

pub(crate) mod conversation;
pub(crate) mod login;
pub(crate) mod news;

use std::collections::BTreeMap;

use chatcore::chat::RoomSummary;
use chatcore::clock::Timestamp;
use chatcore::id::{AttachmentId, ClientMsgId, MessageId, RoomId, UserId};
use chatcore::room::RoomKind;
use chatcore_quic::client::{Progress, State, Unsent};

use self::conversation::{Conversation, Key, Outgoing, Sending};
use self::login::Login;
use crate::day::Zone;
use crate::editor::Editor;
use crate::text;

/// Names of people that are remembered.
const NAMES: usize = 2_000;

/// All of it.
#[derive(Debug)]
pub(crate) struct Model {
    /// The server's address, for the eye.
    pub(crate) server: String,
    pub(crate) now: Timestamp,
    pub(crate) zone: Zone,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// Asked for while nobody is logged in.
    pub(crate) login: Option<Login>,
    pub(crate) me: Option<UserId>,
    pub(crate) connection: Connection,
    /// In the order in which they are shown.
    pub(crate) rooms: Vec<Room>,
    pub(crate) open: Option<RoomId>,
    pub(crate) names: BTreeMap<UserId, Option<String>>,
    pub(crate) over: Option<Over>,
    pub(crate) notice: Option<Notice>,
    /// Names for messages, each used once.
    pub(crate) ids: Ids,
    /// Whether the rooms were listed at all.
    pub(crate) listed: bool,
    /// What is written while no room is open.
    pub(crate) command: Editor,
    /// Files on their way here.
    pub(crate) downloads: BTreeMap<AttachmentId, Progress>,
    /// Writes of last time whose rooms are not listed yet.
    pub(crate) unplaced: Vec<Unsent>,
    /// The user has just been told that to quit now gives files up.
    pub(crate) warned: bool,
}

/// How the connection stands.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) state: State,
    /// When the next attempt is due.
    pub(crate) retry_at: Option<Timestamp>,
    /// It goes over WebSocket rather than QUIC.
    pub(crate) spare: bool,
    /// Why the last attempt failed.
    pub(crate) problem: Option<String>,
}

/// A room, and what was said there.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) summary: RoomSummary,
    pub(crate) conversation: Conversation,
}

/// Something in front of the conversation.
#[derive(Debug)]
pub(crate) enum Over {
    Help,
    /// Rooms that one may enter.
    Rooms {
        rooms: Vec<RoomSummary>,
        at: usize,
    },
}

/// A sentence for a while.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) bad: bool,
    pub(crate) until: Timestamp,
}

/// What the text that is being written will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    #[default]
    Message,
    Reply(MessageId),
    Edit(MessageId),
    React(MessageId),
}

/// A field, and what is in it for.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    pub(crate) field: Editor,
    pub(crate) purpose: Purpose,
}

/// Makes names for messages: a prefix that is random for each start, and a count.
#[derive(Debug)]
pub(crate) struct Ids {
    prefix: String,
    count: u64,
}

impl Ids {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, count: 0 }
    }

    pub(crate) fn next(&mut self) -> ClientMsgId {
        self.count += 1;
        ClientMsgId::parse(&format!("{}-{}", self.prefix, self.count))
            .expect("hexadecimal digits and a count are a sound id")
    }
}

impl Model {
    pub(crate) fn new(server: String, ids: Ids, zone: Zone) -> Self {
        let state = State::Connecting;
        Self {
            server,
            now: Timestamp(0),
            zone,
            size: (80, 24),
            login: None,
            me: None,
            connection: Connection { state, retry_at: None, spare: false, problem: None },
            rooms: Vec::new(),
            open: None,
            names: BTreeMap::new(),
            over: None,
            notice: None,
            ids,
            listed: false,
            command: Editor::default(),
            downloads: BTreeMap::new(),
            unplaced: Vec::new(),
            warned: false,
        }
    }

    /// Files that are not sent yet. Unlike texts they do not outlive the program.
    pub(crate) fn outgoing(&self) -> impl Iterator<Item = &Outgoing> {
        let waiting = self.rooms.iter().flat_map(|room| &room.conversation.waiting);
        let pending = waiting.filter(|waiting| waiting.state == Sending::Pending);
        pending.filter_map(|waiting| waiting.file.as_ref())
    }

    pub(crate) fn room(&self, room: &RoomId) -> Option<&Room> {
        self.rooms.iter().find(|known| known.summary.room == *room)
    }

    pub(crate) fn room_mut(&mut self, room: &RoomId) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|known| known.summary.room == *room)
    }

    /// The room that is looked at.
    pub(crate) fn current(&self) -> Option<&Room> {
        self.open.as_ref().and_then(|room| self.room(room))
    }

    pub(crate) fn current_mut(&mut self) -> Option<&mut Room> {
        let open = self.open.clone()?;
        self.room_mut(&open)
    }

    pub(crate) fn is_me(&self, user: &UserId) -> bool {
        self.me.as_ref() == Some(user)
    }

    /// What to call someone, fit to be shown.
    pub(crate) fn name(&self, user: &UserId) -> String {
        match self.names.get(user) {
            Some(Some(name)) => text::label(name),
            // An id is all that is known.
            _ => text::label(user.as_str()),
        }
    }

    /// Whether someone's name should be asked for; true once for each.
    pub(crate) fn stranger(&mut self, user: &UserId) -> bool {
        if self.names.contains_key(user) || user.as_str().starts_with('~') {
            return false;
        }
        if self.names.len() >= NAMES {
            // Whoever is met again is asked for again.
            self.names.retain(|_, name| name.is_none());
        }
        self.names.insert(user.clone(), None);
        true
    }

    /// Tells something for a few seconds.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.note(text.into(), false);
    }

    /// The same, of something that went wrong.
    pub(crate) fn complain(&mut self, text: impl Into<String>) {
        self.note(text.into(), true);
    }

    fn note(&mut self, text: String, bad: bool) {
        let until = Timestamp(self.now.0 + if bad { 12_000 } else { 6_000 });
        self.notice = Some(Notice { text: text::label(&text), bad, until });
    }

    /// Unread messages in all rooms.
    pub(crate) fn unread(&self) -> u64 {
        self.rooms.iter().map(|room| room.summary.unread).sum()
    }

    /// Writes that no server has confirmed.
    pub(crate) fn waiting(&self) -> usize {
        let placed: usize = self.rooms.iter().map(|room| room.conversation.unsent()).sum();
        placed + self.unplaced.len()
    }

    /// What a room is called, fit to be shown. A direct room is called by the other one.
    pub(crate) fn room_name(&self, summary: &RoomSummary) -> String {
        if let Some(name) = &summary.name {
            return text::label(name);
        }
        let others = |user: &&UserId| !self.is_me(user);
        let conversation = self.room(&summary.room).map(|room| &room.conversation);
        match (summary.kind, conversation.and_then(|c| c.people().find(others))) {
            (RoomKind::Direct, Some(other)) => format!("@{}", self.name(other)),
            (RoomKind::Direct, None) => "@…".to_owned(),
            _ => text::label(summary.room.as_str()),
        }
    }
}

impl Room {
    pub(crate) fn new(summary: RoomSummary) -> Self {
        Self { summary, conversation: Conversation::default() }
    }

    /// The message that a key names, if it is one.
    pub(crate) fn message(&self, key: &Key) -> Option<&chatcore::log::Message> {
        match key {
            Key::Entry(seq) => self.conversation.message(*seq),
            Key::Waiting(_) => None,
        }
    }
}
