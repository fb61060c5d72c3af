//! What was said, from the lower edge upwards: only what is in view is laid out.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::line::rows;
use super::{DIM, put};
use crate::model::conversation::{Key, Line as Item, Loaded, Place};
use crate::model::{Model, Room};

/// A row, and what it belongs to.
pub(crate) type Row = (Key, Line<'static>);

pub(super) fn draw(model: &Model, room: &Room, area: Rect, frame: &mut Frame<'_>) {
    let shown = visible(model, room, &room.conversation.place, area.width, area.height);
    let top = area.height.saturating_sub(u16::try_from(shown.len()).unwrap_or(area.height));
    if shown.is_empty() {
        let what = match room.conversation.loaded {
            Loaded::Yes => "  Nothing was said here yet.",
            _ => "  …",
        };
        put(frame, area, area.height.saturating_sub(1), &Line::styled(what, DIM));
    } else if room.conversation.asking && top == 0 {
        // Drawn over by the conversation where that reaches so high.
        put(frame, area, 0, &Line::styled("  …", DIM));
    }
    for (row, (key, line)) in (top..).zip(&shown) {
        put(frame, area, row, line);
        if room.conversation.chosen.as_ref() == Some(key) {
            let chosen = Style::new().add_modifier(Modifier::REVERSED);
            let line = Rect::new(area.x, area.y + row, area.width, 1);
            let line = line.intersection(frame.area());
            frame.buffer_mut().set_style(line, chosen);
        }
    }
}

/// The rows in view when `place` is at the lower edge, from the top.
pub(crate) fn visible(
    model: &Model,
    room: &Room,
    place: &Place,
    width: u16,
    height: u16,
) -> Vec<Row> {
    let items = room.conversation.lines();
    let (mut hidden, mut at) = match locate(&items, place) {
        Some((at, hidden)) => (hidden, Some(at)),
        None => (0, items.len().checked_sub(1)),
    };
    let height = usize::from(height);
    let mut from_below = Vec::new();
    while let Some(index) = at
        && from_below.len() < height
    {
        let rows = rows(model, room, &items, index, width);
        let key = items[index].key();
        let shown = rows.into_iter().rev().skip(hidden).take(height - from_below.len());
        from_below.extend(shown.map(|line| (key.clone(), line)));
        hidden = 0;
        at = index.checked_sub(1);
    }
    from_below.reverse();
    from_below
}

/// Which item lies at the lower edge, and how many of its rows below it.
fn locate(items: &[Item<'_>], place: &Place) -> Option<(usize, usize)> {
    match place {
        Place::End => None,
        Place::At { key, hidden } => {
            let at = items.iter().position(|item| item.key() == *key)?;
            Some((at, *hidden))
        }
    }
}

/// The place `by` rows above `place`; below, if negative. Stops where the first row is at the top.
pub(crate) fn moved(model: &Model, room: &Room, place: &Place, by: isize) -> Place {
    let area = super::areas(model).conversation;
    let items = room.conversation.lines();
    let Some(last) = items.len().checked_sub(1) else { return Place::End };
    let (mut at, mut hidden) = locate(&items, place).unwrap_or((last, 0));
    let count = |at: usize| rows(model, room, &items, at, area.width).len();
    let mut left = by.unsigned_abs();
    if by >= 0 {
        while at > 0 && hidden + left >= count(at) {
            left -= count(at) - hidden;
            (at, hidden) = (at - 1, 0);
        }
        hidden = (hidden + left).min(count(at).saturating_sub(1));
        let place = Place::At { key: items[at].key(), hidden };
        let shown = visible(model, room, &place, area.width, area.height).len();
        let short = usize::from(area.height).saturating_sub(shown);
        if short > 0 {
            return moved(model, room, &place, -isize::try_from(short).unwrap_or(0));
        }
        return place;
    }
    while left > hidden {
        if at == last {
            return Place::End;
        }
        left -= hidden;
        at += 1;
        hidden = count(at);
    }
    hidden -= left;
    if at == last && hidden == 0 { Place::End } else { Place::At { key: items[at].key(), hidden } }
}
