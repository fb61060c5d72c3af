//! Nothing that others write does anything to the terminal.

use chatcore::id::AttachmentId;
use chatcore::log::{AttachmentRef, Reaction};
use crossterm::event::KeyCode;

use super::*;
use crate::text;

/// Clears the screen, sets a title, turns the writing, rings, overwrites.
const EVIL: &str =
    "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}gnp\u{2066}\r\u{8}\u{7f}\u{0}\u{feff}end";

#[test]
fn text_of_others_reaches_the_terminal_as_text() {
    let mut world = World::new();
    world.model.size = (140, 40);
    let mut rooms = vec![summary("general", 2, 2), summary("evil", 0, 0)];
    rooms.iter_mut().for_each(|room| room.topic = Some(EVIL.into()));
    rooms[0].name = Some(format!("a{EVIL}"));
    rooms[1].name = Some(EVIL.into());
    world.hear(News::Rooms(rooms));
    world.hear(News::Name(user("2"), EVIL.into()));
    let mut evil = message(2, "2", EVIL);
    evil.reply_to = Some(id(1));
    evil.reactions = vec![Reaction { emoji: EVIL.into(), count: 1, mine: false }];
    let (id, content_type, size) = (AttachmentId::parse("f").unwrap(), EVIL.into(), 1);
    let (name, width, height) = (EVIL.into(), None, None);
    evil.attachments =
        vec![AttachmentRef { id, name, content_type, size, width, height, thumbnail: None }];
    let messages = vec![message(1, "2", EVIL), evil];
    world.hear(News::Page { room: room("general"), before: None, page: Ok(page(messages, true)) });
    world.seq = 2;
    let (target, reason) = (user("2"), Some(EVIL.to_owned()));
    world.event("general", "2", Body::Kick { target, reason });
    let (name, topic) = (Some(EVIL.to_owned()), Some(EVIL.to_owned()));
    world.event(
        "general",
        "2",
        Body::Room { name, topic, visibility: RoomKind::Public, slow_mode: 0, retention: 0 },
    );
    let signal = chatcore::protocol::frame::SignalFrame {
        room: room("general"),
        kind: "typing".into(),
        user: user("2"),
        on: true,
        ttl_ms: 5_000,
    };
    world.hear(News::Told(chatcore_quic::client::Notice::Signal(signal)));
    world.hear(News::Pasted(EVIL.into()));
    world.hear(News::Failed(EVIL.into()));
    world.hear(News::Unreachable(EVIL.into()));
    world.hear(News::State { state: State::Connecting, retry_at: None, spare: false });
    looks_harmless(&world);
    world.shows("␛[2J␛]0;x␇<U+009B>31m<U+202E>gnp<U+2066>");

    world.press(KeyCode::Up);
    world.press(KeyCode::Char('r'));
    looks_harmless(&world);
    world.hear(News::Visible(vec![summary("x", 0, 0), {
        let mut evil = summary("y", 0, 0);
        (evil.name, evil.topic) = (Some(EVIL.into()), Some(EVIL.into()));
        evil
    }]));
    looks_harmless(&world);
    world.hear(News::LoggedOut(EVIL.into()));
    world.hear(News::NotLoggedIn(EVIL.into()));
    looks_harmless(&world);
}

#[track_caller]
fn looks_harmless(world: &World) {
    let buffer = world.buffer();
    let acting = |symbol: &str| symbol.chars().any(text::acts);
    let found = buffer.content.iter().find(|cell| acting(cell.symbol()));
    assert!(found.is_none(), "{found:?} in\n{}", world.screen());
}

#[test]
fn what_one_pastes_is_sent_without_what_acts() {
    let mut world = World::with(vec![message(1, "2", "hello")]);
    world.hear(News::Pasted("one\r\ntwo\u{1b}[31m\u{202e}".into()));
    world.press(KeyCode::Enter);
    assert_eq!(world.tasks.iter().find_map(written).expect("it is sent").1, "one\ntwo[31m");
}
