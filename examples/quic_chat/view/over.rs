//! What stands in front of the conversation.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget as _};

use super::put;
use crate::model::{Model, Over};
use crate::text;

/// The keys and the commands.
const HELP: &str = "\
Tab, Shift-Tab      next room, the one before
Alt-N               next room with something unread
PgUp, PgDn, End     what was said before; back to the newest
↑ ↓                 choose a message: answer, react, change, delete
Enter, Alt-Enter    send; a line more
Ctrl-R              connect now
Ctrl-C              quit; what was not sent is kept

/join [NAME]        rooms to enter
/new NAME           makes a public room; /private NAME one by invitation
/dm NAME            talk to someone you have met here
/invite NAME        asks someone in
/file PATH          sends a file; s on a message saves its files
/leave              leaves this room
/logout             ends this session, here and on the server
/quit               as Ctrl-C";

pub(super) fn draw(model: &Model, over: &Over, frame: &mut Frame<'_>) {
    match over {
        Over::Help => {
            let lines: Vec<_> = HELP.lines().map(Line::raw).collect();
            let inner = window(" help ", lines.len(), 74, frame);
            for (row, line) in (0..).zip(&lines) {
                put(frame, inner, row, line);
            }
        }
        Over::Rooms { rooms, at } => {
            let inner = window(" rooms to enter: ↑ ↓ Enter Esc ", rooms.len().max(1), 60, frame);
            if rooms.is_empty() {
                put(frame, inner, 0, &Line::raw("There is none that you are not in. /new NAME"));
            }
            let height = usize::from(inner.height);
            let first = (at + 1).saturating_sub(height);
            for (row, room) in (0..).zip(rooms.iter().skip(first).take(height)) {
                let name = model.room_name(room);
                let topic = room.topic.as_deref().map(text::label).unwrap_or_default();
                let line = format!(" {name}  {} members  {topic}", room.members);
                let is_at = first + usize::from(row) == *at;
                let style = Style::new();
                let style = if is_at { style.add_modifier(Modifier::REVERSED) } else { style };
                let line = text::cut(&line, usize::from(inner.width));
                put(frame, inner, row, &Line::styled(line, style));
            }
        }
    }
}

/// Clears a frame in the middle, and returns what is inside.
fn window(title: &str, rows: usize, columns: u16, frame: &mut Frame<'_>) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2);
    let area = frame.area().centered(Constraint::Length(columns + 4), Constraint::Length(rows));
    let block = Block::bordered().title(title.to_owned());
    let inner = block.inner(area);
    Clear.render(area, frame.buffer_mut());
    block.render(area, frame.buffer_mut());
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}
