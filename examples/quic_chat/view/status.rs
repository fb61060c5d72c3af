//! The lines around the conversation: which room, who is there, who types, how the connection stands.

use chatcore::protocol::CloseCode;
use chatcore_quic::client::{Offline, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{BAD, BOLD, DIM, GOOD, NARROW, WARN, put, put_right};
use crate::model::conversation::{Key, Place};
use crate::model::{Model, Room};
use crate::text;

pub(super) fn draw_header(model: &Model, room: &Room, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let here = room.conversation.present.len();
    let right = if here > 0 { format!("● {here} here ") } else { String::new() };
    let left = width.saturating_sub(text::width(&right) + 1);
    let name = text::cut(&model.room_name(&room.summary), left.saturating_sub(1));
    let rest = left.saturating_sub(text::width(&name) + 3);
    let topic = room.summary.topic.as_deref().map(text::label).unwrap_or_default();
    let topic = if topic.is_empty() { topic } else { format!("  {}", text::cut(&topic, rest)) };
    let spans = vec![Span::raw(" "), Span::styled(name, BOLD), Span::styled(topic, DIM)];
    put(frame, area, 0, &Line::from(spans));
    put_right(frame, area, 0, &Line::styled(right, GOOD));
    put(frame, area, 1, &Line::styled("─".repeat(width), DIM));
}

/// Who is typing; or, above the end, that there is more below.
pub(super) fn typing(model: &Model, room: &Room, columns: usize) -> Line<'static> {
    if room.conversation.place != Place::End {
        let more = format!("   ↓ {}End: to the newest", below(room));
        return Line::styled(more, WARN);
    }
    let names: Vec<_> = room.conversation.typing.keys().map(|user| model.name(user)).collect();
    let line = match &names[..] {
        [] => return Line::default(),
        [one] => format!("{one} is typing …"),
        [one, two] => format!("{one} and {two} are typing …"),
        [one, rest @ ..] => format!("{one} and {} others are typing …", rest.len()),
    };
    Line::styled(text::cut(&format!("   {line}"), columns.saturating_sub(2)), DIM)
}

/// How many unread ones lie below.
fn below(room: &Room) -> String {
    match room.summary.unread {
        0 => String::new(),
        1 => "1 new message · ".to_owned(),
        more => format!("{more} new messages · "),
    }
}

pub(super) fn draw(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    let (dot, state, style) = connection(model);
    let waiting = match model.waiting() {
        0 => String::new(),
        waiting => format!("{waiting} waiting · "),
    };
    let right = format!(" {waiting}{dot} {state} ");
    let right_width = text::width(&right);
    let (left, left_style) = match &model.notice {
        Some(notice) => (notice.text.clone(), if notice.bad { BAD } else { WARN }),
        None => (hints(model), DIM),
    };
    let columns = usize::from(area.width).saturating_sub(right_width + 2);
    put(frame, area, 0, &Line::styled(format!(" {}", text::cut(&left, columns)), left_style));
    let shown = text::cut(&right, usize::from(area.width));
    put_right(frame, area, 0, &Line::styled(shown, style));
}

fn hints(model: &Model) -> String {
    let chosen = model.current().and_then(|room| Some((room, room.conversation.chosen.as_ref()?)));
    let own = |key: &Key, room: &Room| match room.message(key) {
        Some(message) => model.is_me(&message.user),
        None => true,
    };
    if model.login.is_some() {
        return "Tab: next field · Enter: go · F2: log in or register · Ctrl-C: quit".to_owned();
    }
    match chosen {
        Some((_, Key::Waiting(_))) => "r: send again · d: discard · Esc: back".to_owned(),
        Some((room, key)) => {
            let message = room.message(key);
            let save = message.is_some_and(|message| !message.attachments.is_empty());
            let save = if save { " · s: save" } else { "" };
            let own = if own(key, room) { " · e: change · d: delete" } else { "" };
            format!("Esc: back · r: answer · +: react{save}{own}")
        }
        None if model.size.0 < NARROW && model.unread() > 0 => {
            format!("{} unread · Tab: rooms", model.unread())
        }
        None if matches!(model.connection.state, State::Offline(_)) => {
            "Ctrl-R: connect now · F1: help".to_owned()
        }
        None => "Tab: rooms · ↑: choose · PgUp: back · F1: help".to_owned(),
    }
}

/// A dot, a few words, and their colour.
fn connection(model: &Model) -> (&'static str, String, Style) {
    let connection = &model.connection;
    let why = connection.problem.as_ref().map(|why| format!(" ({})", text::cut(why, 50)));
    match connection.state {
        State::Connected if connection.spare => ("●", "connected (WebSocket)".to_owned(), GOOD),
        State::Connected => ("●", "connected".to_owned(), GOOD),
        State::Resuming => ("◐", "resuming".to_owned(), WARN),
        State::Connecting => ("◐", format!("connecting{}", why.unwrap_or_default()), WARN),
        State::Offline(Offline::NoToken) => ("○", "not logged in".to_owned(), BAD),
        State::Offline(Offline::ShutDown) => ("○", "ended".to_owned(), DIM),
        State::Offline(Offline::Closed(code)) => ("○", closed(code), BAD),
        State::Offline(_) => {
            let left = connection.retry_at.map_or(0, |at| at.0.saturating_sub(model.now.0));
            let seconds = left.max(0).unsigned_abs().div_ceil(1_000);
            let soon = if seconds == 0 { "now".to_owned() } else { format!("in {seconds} s") };
            let why = why.unwrap_or_default();
            ("○", format!("offline{why}, again {soon}"), BAD)
        }
    }
}

fn closed(code: CloseCode) -> String {
    match code {
        CloseCode::Unauthenticated | CloseCode::Revoked => "logged out by the server".to_owned(),
        CloseCode::UnsupportedVersion => "the server speaks another version".to_owned(),
        code => format!("closed by the server: {code}"),
    }
}
