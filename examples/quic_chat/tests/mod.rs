//! What the screen shows after what happened, and what is asked for.

mod flow;
mod hostile;
#[cfg(unix)]
mod panic;
mod screen;
mod writing;

use chatcore::chat::{RoomSummary, Sent};
use chatcore::clock::Timestamp;
use chatcore::id::{MessageId, RoomId, Seq, UserId};
use chatcore::log::{Body, Cursor, Entry, HistoryPage, Message};
use chatcore::protocol::frame::Event;
use chatcore::room::RoomKind;
use chatcore_quic::client::{State, Unsent, Update, Write};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::day::Zone;
use crate::model::news::{News, Task};
use crate::model::{Ids, Model};
use crate::{update, view};

/// 2026-11-21T12:00:00Z.
const NOON: i64 = 1_795_262_400_000;

/// A model, and all that it asked for.
struct World {
    model: Model,
    tasks: Vec<Task>,
    seq: u64,
}

fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn id(n: u64) -> MessageId {
    MessageId::parse(&format!("{n:022}")).unwrap()
}

fn summary(name: &str, head: u64, read: u64) -> RoomSummary {
    RoomSummary {
        room: room(name),
        kind: RoomKind::Public,
        name: Some(name.to_owned()),
        topic: None,
        state: None,
        role: None,
        members: 2,
        created_at: Timestamp(NOON),
        epoch: "e".parse().unwrap(),
        head_seq: Seq(head),
        head_n: head,
        floor_seq: Seq(0),
        floor_n: 0,
        read_seq: Seq(read),
        read_n: read,
        delivered_seq: Seq(read),
        unread: head - read,
        mentions: 0,
        slow_mode: 0,
        pins: 0,
        notify: Default::default(),
        muted: false,
        badge: head - read,
        retention: 0,
    }
}

fn message(seq: u64, author: &str, text: &str) -> Message {
    Message {
        seq: Seq(seq),
        n: seq,
        message_id: id(seq),
        user: user(author),
        ts: Timestamp(NOON + i64::try_from(seq).unwrap() * 60_000),
        text: text.to_owned(),
        reply_to: None,
        attachments: Vec::new(),
        mentions: Vec::new(),
        meta: None,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
        pinned: false,
    }
}

fn page(messages: Vec<Message>, found_oldest: bool) -> HistoryPage {
    HistoryPage { messages, found_oldest, found_newest: true }
}

/// The draft of a write that was asked for.
fn written(task: &Task) -> Option<(&Unsent, &str)> {
    match task {
        Task::Write(unsent) => match &unsent.write {
            Write::Send(send) => Some((unsent, &send.text)),
            Write::Edit { body, .. } => Some((unsent, &body.text)),
            _ => Some((unsent, "")),
        },
        _ => None,
    }
}

impl World {
    /// Ann is logged in and connected.
    fn new() -> Self {
        let ids = Ids::new("id".to_owned());
        let model = Model::new("chat.example:4433".into(), ids, Zone::Utc);
        let mut world = Self { model, tasks: Vec::new(), seq: 0 };
        world.model.size = (72, 16);
        world.hear(News::Time(Timestamp(NOON + 3_600_000)));
        world.hear(News::LoggedIn { user: user("1"), name: "Ann".into() });
        world.hear(News::Name(user("2"), "Ben".into()));
        world.hear(News::State { state: State::Connected, retry_at: None, spare: false });
        world
    }

    /// Ann looks at a room in which there are these messages.
    fn with(messages: Vec<Message>) -> Self {
        let mut world = Self::new();
        let head = messages.last().map_or(0, |last| last.seq.0);
        world.seq = head;
        world.hear(News::Rooms(vec![summary("general", head, head), summary("tea", 0, 0)]));
        let page = Ok(page(messages, true));
        world.hear(News::Page { room: room("general"), before: None, page });
        world.tasks.clear();
        world
    }

    fn hear(&mut self, news: News) {
        self.tasks.extend(update::update(&mut self.model, news));
    }

    fn press(&mut self, code: KeyCode) {
        self.hear(News::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn press_with(&mut self, modifiers: KeyModifiers, code: KeyCode) {
        self.hear(News::Key(KeyEvent::new(code, modifiers)));
    }

    fn write(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    fn enter(&mut self, text: &str) {
        self.write(text);
        self.press(KeyCode::Enter);
    }

    /// The next entry of a room arrives.
    fn event(&mut self, to: &str, author: &str, body: Body) {
        self.seq += 1;
        let (ts, seq) =
            (Timestamp(NOON + 60_000 * i64::try_from(self.seq).unwrap()), Seq(self.seq));
        let n = matches!(body, Body::Message { .. }).then_some(self.seq);
        let (room, user) = (room(to), user(author));
        let epoch = "e".parse().unwrap();
        let entry = Entry { room, epoch, seq, user, ts, n, client_msg_id: None, body };
        let update = Update::Event(Box::new(Event::Entry(entry)));
        self.hear(News::Update(self::room(to), update));
    }

    fn said(&mut self, to: &str, author: &str, text: &str) {
        let message_id = id(self.seq + 1);
        let body = Body::Message {
            message_id,
            text: text.to_owned(),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            meta: None,
            edited_at: None,
            deleted_at: None,
        };
        self.event(to, author, body);
    }

    fn buffer(&self) -> ratatui::buffer::Buffer {
        let (columns, rows) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| view::draw(&self.model, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The screen as text, without the space at the ends of lines.
    fn screen(&self) -> String {
        let buffer = self.buffer();
        let columns = usize::from(buffer.area.width);
        let rows = buffer.content.chunks(columns).map(|row| {
            let mut skip = 0;
            let mut line = String::new();
            for cell in row {
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = crate::text::width(cell.symbol());
                }
                skip = skip.saturating_sub(1);
            }
            line.trim_end().to_owned()
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn shows(&self, what: &str) {
        let screen = self.screen();
        assert!(screen.contains(what), "no {what:?} in\n{screen}");
    }

    #[track_caller]
    fn hides(&self, what: &str) {
        let screen = self.screen();
        assert!(!screen.contains(what), "{what:?} in\n{screen}");
    }
}

fn sent(seq: u64) -> Sent {
    let ts = Timestamp(NOON);
    Sent { seq: Seq(seq), n: seq, message_id: id(seq), ts, duplicate: false }
}

fn from(head: u64) -> Cursor {
    Cursor { epoch: Some("e".parse().unwrap()), seq: Seq(head) }
}
