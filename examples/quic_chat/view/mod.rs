//! Draws a model. Text of others passes `text::clean` or `text::label` on its way in.

pub(crate) mod conversation;
mod line;
mod login;
mod over;
mod rooms;
mod status;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::model::{Composer, Model, Purpose, Room};
use crate::text;

/// Below so many columns the list of rooms is left out.
const NARROW: u16 = 60;
/// Rows that a message may take while it is written.
const COMPOSER: usize = 6;
/// What stands before what is written.
const PROMPT: &str = "› ";

pub(crate) const DIM: Style = Style::new().fg(Color::DarkGray);
pub(crate) const BAD: Style = Style::new().fg(Color::Red);
pub(crate) const GOOD: Style = Style::new().fg(Color::Green);
pub(crate) const WARN: Style = Style::new().fg(Color::Yellow);
pub(crate) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Where the parts of the screen are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Areas {
    rooms: Rect,
    header: Rect,
    pub(crate) conversation: Rect,
    typing: Rect,
    composer: Rect,
    status: Rect,
}

/// Divides the screen.
pub(crate) fn areas(model: &Model) -> Areas {
    let (columns, rows) = model.size;
    let all = Rect::new(0, 0, columns, rows);
    let [main, status] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(all);
    let list = if columns < NARROW { 0 } else { (columns / 4).clamp(16, 28) };
    let [rooms, main] =
        Layout::horizontal([Constraint::Length(list), Constraint::Fill(1)]).areas(main);
    let writing = model.current().map_or(1, |room| {
        let composer = &room.conversation.composer;
        let fields = text::rows(composer.field.text(), usize::from(field_width(main.width)));
        fields.len().min(COMPOSER) + usize::from(composer.purpose != Purpose::Message)
    });
    let writing = u16::try_from(writing).unwrap_or(1) + 1;
    let [header, conversation, typing, composer] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(writing),
    ])
    .areas(main);
    Areas { rooms, header, conversation, typing, composer, status }
}

fn field_width(composer: u16) -> u16 {
    composer.saturating_sub(4).max(2)
}

pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let areas = areas(model);
    if let Some(login) = &model.login {
        login::draw(model, login, frame);
    } else {
        rooms::draw(model, areas.rooms, frame);
        match model.current() {
            Some(room) => draw_room(model, room, areas, frame),
            None => draw_no_room(model, areas, frame),
        }
        if let Some(over) = &model.over {
            over::draw(model, over, frame);
        }
    }
    status::draw(model, areas.status, frame);
}

fn draw_room(model: &Model, room: &Room, areas: Areas, frame: &mut Frame<'_>) {
    status::draw_header(model, room, areas.header, frame);
    conversation::draw(model, room, areas.conversation, frame);
    put(frame, areas.typing, 0, &status::typing(model, room, usize::from(areas.typing.width)));
    draw_composer(model, room, areas.composer, frame);
}

fn draw_no_room(model: &Model, areas: Areas, frame: &mut Frame<'_>) {
    let lines = if model.listed {
        vec![
            "You are in no room yet.",
            "",
            "/join         shows rooms to enter",
            "/new NAME     makes one",
        ]
    } else {
        vec!["Waiting for the list of rooms …"]
    };
    for (row, line) in (0..areas.conversation.height).zip(lines) {
        put(frame, areas.conversation, row, &Line::styled(format!("  {line}"), DIM));
    }
    let command = text::clean(model.command.text());
    put(frame, areas.composer, 1, &Line::raw(format!(" {PROMPT}{command}")));
    let x = areas.composer.x + 3 + u16::try_from(text::width(&command)).unwrap_or(0);
    frame.set_cursor_position((x.min(areas.composer.right()), areas.composer.y + 1));
}

fn draw_composer(model: &Model, room: &Room, area: Rect, frame: &mut Frame<'_>) {
    let Composer { field, purpose } = &room.conversation.composer;
    put(frame, area, 0, &Line::styled("─".repeat(usize::from(area.width)), DIM));
    let mut top = 1;
    if *purpose != Purpose::Message {
        put(frame, area, top, &purpose_line(model, room, usize::from(area.width)));
        top += 1;
    }
    let columns = usize::from(field_width(area.width));
    let rows = text::rows(field.text(), columns);
    let (row, column) = field.cursor(columns);
    let height = usize::from(area.height.saturating_sub(top)).max(1);
    let first = (row + 1).saturating_sub(height);
    for (at, range) in rows.iter().enumerate().skip(first).take(height) {
        let prompt = if at == 0 { PROMPT } else { "  " };
        let shown = text::clean(&field.text()[range.clone()]);
        let line = Line::from(vec![Span::styled(format!(" {prompt}"), DIM), Span::raw(shown)]);
        put(frame, area, top + u16::try_from(at - first).unwrap_or(0), &line);
    }
    if field.is_empty() {
        let hint = match purpose {
            Purpose::React(_) => "an emoji, then Enter",
            _ => "write a message, or /help",
        };
        put(frame, Rect { x: area.x + 3, ..area }, top, &Line::styled(hint, DIM));
    }
    if model.over.is_none() && room.conversation.chosen.is_none() {
        let x = area.x + 3 + u16::try_from(column).unwrap_or(0);
        let y = area.y + top + u16::try_from(row - first).unwrap_or(0);
        frame.set_cursor_position((x.min(area.right().saturating_sub(1)), y.min(area.bottom())));
    }
}

fn purpose_line(model: &Model, room: &Room, columns: usize) -> Line<'static> {
    let (verb, id) = match &room.conversation.composer.purpose {
        Purpose::Message => return Line::default(),
        Purpose::Reply(id) => ("answer to", id),
        Purpose::Edit(id) => ("change", id),
        Purpose::React(id) => ("react to", id),
    };
    let about = room
        .conversation
        .message_by_id(id)
        .map(|message| format!("{}: {}", model.name(&message.user), text::label(&message.text)));
    let line = format!(" {verb} {}", about.unwrap_or_default());
    let hint = "   Esc: do not";
    let shown = text::cut(&line, columns.saturating_sub(hint.len()));
    Line::from(vec![Span::styled(shown, WARN), Span::styled(hint, DIM)])
}

/// Draws one row of an area, of which there may be less than one thinks.
fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: &Line<'_>) {
    let area = area.intersection(frame.area());
    if row < area.height {
        frame.buffer_mut().set_line(area.x, area.y + row, line, area.width);
    }
}

/// Draws something that ends at the right edge of an area.
fn put_right(frame: &mut Frame<'_>, area: Rect, row: u16, line: &Line<'_>) {
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX).min(area.width);
    put(frame, Rect { x: area.right() - width, width, ..area }, row, line);
}
