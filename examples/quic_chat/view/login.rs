//! The form to log in with.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget as _};

use super::{BAD, BOLD, DIM, put};
use crate::model::Model;
use crate::model::login::{Field, Login};
use crate::text;

/// Columns for the names of fields.
const LABEL: u16 = 11;

pub(super) fn draw(model: &Model, login: &Login, frame: &mut Frame<'_>) {
    let all = frame.area();
    let all = Rect { height: all.height.saturating_sub(1), ..all };
    let area = all.centered(Constraint::Length(60), Constraint::Length(10));
    let title = if login.register { " a new account " } else { " log in " };
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    block.render(area, frame.buffer_mut());
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };

    put(frame, inner, 0, &Line::styled(format!("at {}", model.server), DIM));
    let dots = "•".repeat(login.password.0.text().chars().count());
    let columns = usize::from(inner.width.saturating_sub(LABEL + 1));
    let fields = [
        (Field::Name, "name", tail(login.name.text(), columns)),
        (Field::Password, "password", tail(&dots, columns)),
    ];
    for (row, (field, label, shown)) in (2..).zip(fields) {
        let style = if field == login.field { BOLD } else { DIM };
        let width = u16::try_from(text::width(&shown)).unwrap_or(0);
        let spans = vec![
            Span::styled(format!("{label:<width$}", width = usize::from(LABEL)), style),
            Span::raw(shown),
        ];
        put(frame, inner, row, &Line::from(spans));
        if field == login.field && !login.asking {
            frame.set_cursor_position((inner.x + LABEL + width, inner.y + row));
        }
    }
    let doing = if login.register { "register" } else { "log in" };
    let other = if login.register { "log in instead" } else { "register instead" };
    let line = match (login.asking, &login.problem) {
        (true, _) => Line::raw("asking the server …"),
        (_, Some(problem)) => Line::styled(text::label(problem), BAD),
        _ => Line::styled(format!("Enter: {doing}    F2: {other}"), DIM),
    };
    let wrapped = text::wrap(&line.to_string(), usize::from(inner.width));
    for (row, part) in (5..).zip(wrapped) {
        let style = line.style;
        put(frame, inner, row, &Line::styled(part, style));
    }
}

/// The end of what is too long for its field, where the cursor is.
fn tail(shown: &str, columns: usize) -> String {
    let shown = text::clean(shown);
    let rows = text::rows(&shown, columns);
    rows.last().map(|row| shown[row.clone()].to_owned()).unwrap_or_default()
}
