//! The list of rooms.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::{BOLD, DIM, WARN, put, put_right};
use crate::model::Model;
use crate::text;

pub(super) fn draw(model: &Model, area: Rect, frame: &mut Frame<'_>) {
    if area.width == 0 {
        return;
    }
    let inner = area.width.saturating_sub(1);
    for row in 0..area.height {
        let line = if row == 1 { "┼" } else { "│" };
        put_right(frame, area, row, &Line::styled(line, DIM));
    }
    let list = Rect { width: inner, ..area };
    put(frame, list, 0, &Line::styled(" rooms", BOLD));
    put(frame, list, 1, &Line::styled("─".repeat(usize::from(inner)), DIM));
    let height = usize::from(list.height.saturating_sub(2));
    let open = model.rooms.iter().position(|room| model.open.as_ref() == Some(&room.summary.room));
    let first = (open.unwrap_or(0) + 1).saturating_sub(height);
    for (row, room) in model.rooms.iter().skip(first).take(height).enumerate() {
        let is_open = open == Some(first + row);
        let unread = room.summary.unread;
        let badge = if unread > 0 { format!(" {unread} ") } else { String::new() };
        let columns = usize::from(inner).saturating_sub(3 + badge.len());
        let name = text::cut(&model.room_name(&room.summary), columns);
        let pad = " ".repeat(columns.saturating_sub(text::width(&name)));
        let style = match (is_open, unread > 0) {
            (true, _) => BOLD,
            (_, true) => Style::new(),
            _ => DIM,
        };
        let line = Line::from(vec![
            Span::styled(if is_open { " ▸ " } else { "   " }, WARN),
            Span::styled(name, style),
            Span::raw(pad),
            Span::styled(badge, WARN.add_modifier(Modifier::REVERSED)),
        ]);
        put(frame, list, u16::try_from(row + 2).unwrap_or(u16::MAX), &line);
    }
}
