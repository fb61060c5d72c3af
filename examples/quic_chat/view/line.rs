//! The rows that one message takes:
//!
//! ```text
//!             ──── yesterday ────
//! 12:04    Ann │ the words, broken
//!              │ where they must be (changed)
//!              │ 👍 2
//! ```

use chatcore::id::UserId;
use chatcore::log::{Body, Entry, Message};
use chatcore::room::{Role, RoomKind};
use chatcore_quic::client::Progress;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::{BAD, BOLD, DIM, GOOD, WARN};
use crate::model::conversation::{Line as Item, Outgoing, Sending, Waiting};
use crate::model::{Model, Room};
use crate::text;

/// Columns for names, of so many.
const fn name_columns(width: usize) -> usize {
    if width < 56 { 8 } else { 12 }
}

/// Columns before the words, of so many: a space, the time, a space, the name, a line.
const fn margin(width: usize) -> usize {
    1 + 5 + 1 + name_columns(width) + 3
}

/// The rows of the item at `index`, and of what announces it.
pub(super) fn rows(
    model: &Model,
    room: &Room,
    items: &[Item<'_>],
    index: usize,
    width: u16,
) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let before = index.checked_sub(1).map(|before| items[before]);
    let mut rows = Vec::new();
    if let (Some(moment), earlier) = (moment(items[index]), before.and_then(moment))
        && earlier.is_none_or(|earlier| model.zone.day(earlier) != model.zone.day(moment))
    {
        rows.push(rule(&model.zone.name(moment, model.now), width, DIM));
    }
    if let Item::Message(message) = items[index]
        && room.conversation.new_from == Some(message.seq)
    {
        rows.push(rule("new", width, WARN));
    }
    match items[index] {
        Item::Message(message) => said(model, room, message, before, width, &mut rows),
        Item::Note(entry) => rows.extend(note(model, entry, width)),
        Item::Waiting(waiting) => unconfirmed(model, room, waiting, width, &mut rows),
    }
    rows
}

fn moment(item: Item<'_>) -> Option<chatcore::clock::Timestamp> {
    match item {
        Item::Message(message) => Some(message.ts),
        Item::Note(entry) => Some(entry.ts),
        Item::Waiting(_) => None,
    }
}

fn rule(what: &str, width: usize, style: Style) -> Line<'static> {
    let what = format!(" {what} ");
    let side = width.saturating_sub(text::width(&what)) / 2;
    let dashes = "─".repeat(side.min(24));
    Line::styled(format!("{}{dashes}{what}{dashes}", " ".repeat(side.saturating_sub(24))), style)
}

fn said(
    model: &Model,
    room: &Room,
    message: &Message,
    before: Option<Item<'_>>,
    width: usize,
    rows: &mut Vec<Line<'static>>,
) {
    let time = model.zone.time(message.ts);
    let announced = !rows.is_empty();
    let goes_on = matches!(before, Some(Item::Message(earlier)) if !announced
        && earlier.user == message.user && model.zone.time(earlier.ts) == time);
    let mut lines = quote(model, room, message.reply_to.as_ref(), width);
    if message.deleted_at.is_some() {
        lines.push(Line::styled("deleted", DIM.add_modifier(Modifier::ITALIC)));
    } else if !message.text.is_empty() {
        lines.extend(words(&message.text, width, Style::new()));
    }
    for attached in &message.attachments {
        let at = model.downloads.get(&attached.id);
        lines.push(file(&attached.name, attached.size, at, width));
    }
    let mut end = Vec::new();
    if message.edited_at.is_some() && message.deleted_at.is_none() {
        end.push(Span::styled(" (changed)", DIM));
    }
    if message.pinned {
        end.push(Span::styled(" (pinned)", WARN));
    }
    if model.is_me(&message.user) {
        let read = room.conversation.read.iter();
        let by = read.filter(|(user, seq)| !model.is_me(user) && **seq >= message.seq).count();
        end.push(if by > 0 { Span::styled(" ✓✓", GOOD) } else { Span::styled(" ✓", DIM) });
    }
    append(&mut lines, end, width);
    if !message.reactions.is_empty() && message.deleted_at.is_none() {
        let all = message.reactions.iter().map(|reaction| {
            let style = if reaction.mine { BOLD } else { DIM };
            let emoji = text::cut(&text::label(&reaction.emoji), 8);
            Span::styled(format!("{emoji} {}  ", reaction.count), style)
        });
        lines.push(all.collect());
    }
    let name = model.name(&message.user);
    let (time, name) = if goes_on { ("", "") } else { (time.as_str(), name.as_str()) };
    let color = color(model, &message.user);
    hang(lines, time, &Span::styled(name.to_owned(), color), width, rows);
}

fn unconfirmed(
    model: &Model,
    room: &Room,
    waiting: &Waiting,
    width: usize,
    rows: &mut Vec<Line<'static>>,
) {
    let mut lines = quote(model, room, waiting.reply_to.as_ref(), width);
    let (style, end) = match &waiting.state {
        Sending::Pending => (DIM, Span::styled(" … waiting", WARN)),
        Sending::Sent(_) => (Style::new(), Span::styled(" ✓", DIM)),
        Sending::Refused(_) => (DIM, Span::styled(" ✗ refused", BAD)),
    };
    if let Some(Outgoing { path, at }) = &waiting.file {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        lines.push(file(&name, at.total, Some(at), width));
    } else {
        lines.extend(words(&waiting.text, width, style));
    }
    append(&mut lines, vec![end], width);
    if let Sending::Refused(why) = &waiting.state {
        lines.extend(words(&text::label(why), width, BAD));
    }
    let me = model.me.as_ref().map(|me| Span::styled(model.name(me), color(model, me)));
    hang(lines, "", &me.unwrap_or_default(), width, rows);
}

/// A file, and how far it is on its way.
fn file(name: &str, size: u64, at: Option<&Progress>, width: usize) -> Line<'static> {
    const BAR: usize = 10;
    let mut end = format!("  {}", text::bytes(size));
    if let Some(Progress { done, total }) = at {
        let share = |of: u64| done.saturating_mul(of).checked_div(*total).unwrap_or(0).min(of);
        let full = usize::try_from(share(BAR as u64)).unwrap_or(BAR);
        let (bar, rest) = ("█".repeat(full), "░".repeat(BAR - full));
        end.push_str(&format!("  {bar}{rest} {} %", share(100)));
    }
    let room = width.saturating_sub(margin(width) + 2 + text::width(&end)).max(8);
    let name = text::cut(&text::label(name), room);
    Line::from(vec![Span::styled("▤ ", WARN), Span::raw(name), Span::styled(end, DIM)])
}

/// What is answered, in one row.
fn quote(
    model: &Model,
    room: &Room,
    to: Option<&chatcore::id::MessageId>,
    width: usize,
) -> Vec<Line<'static>> {
    let Some(id) = to else { return Vec::new() };
    let shown = match room.conversation.message_by_id(id) {
        Some(message) => {
            format!("↳ {}: {}", model.name(&message.user), text::label(&message.text))
        }
        None => "↳ an earlier message".to_owned(),
    };
    vec![Line::styled(text::cut(&shown, width.saturating_sub(margin(width))), DIM)]
}

/// What happened beside messages.
fn note(model: &Model, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let who = model.name(&entry.user);
    let why = |reason: &Option<String>| {
        reason.as_ref().map(|why| format!(" ({})", text::label(why))).unwrap_or_default()
    };
    let what = match &entry.body {
        Body::Enter { link: None } => format!("{who} came in"),
        Body::Enter { link: Some(_) } => format!("{who} came in by a link"),
        Body::Link { .. } => format!("{who} made an invite link"),
        Body::Unlink { .. } => format!("{who} revoked an invite link"),
        Body::Leave {} => format!("{who} went"),
        Body::Invite { target } => format!("{who} asked {} in", model.name(target)),
        Body::Kick { target, reason } => {
            format!("{who} sent {} out{}", model.name(target), why(reason))
        }
        Body::Ban { target, reason, .. } => {
            format!("{who} shut {} out{}", model.name(target), why(reason))
        }
        Body::Unban { target } => format!("{who} lifted the ban on {}", model.name(target)),
        Body::Mute { target, reason, .. } => {
            format!("{who} muted {}{}", model.name(target), why(reason))
        }
        Body::Unmute { target } => format!("{who} lets {} speak again", model.name(target)),
        Body::Role { target, role } => {
            let role = match role {
                Role::Member => "a member",
                Role::Moderator => "a moderator",
                Role::Owner => "an owner",
            };
            format!("{who} made {} {role}", model.name(target))
        }
        Body::Room { name, topic, visibility, .. } => {
            let kind = match visibility {
                RoomKind::Public => "public",
                RoomKind::Private => "private",
                RoomKind::Direct => "direct",
            };
            let name = name.as_deref().map(text::label).unwrap_or_default();
            let topic = topic.as_deref().map(|topic| format!(": {}", text::label(topic)));
            format!("{who} described the {kind} room {name}{}", topic.unwrap_or_default())
        }
        _ => return Vec::new(),
    };
    let lines = words(&what, width, DIM);
    let mut rows = Vec::new();
    hang(lines, &model.zone.time(entry.ts), &Span::styled("·", DIM), width, &mut rows);
    rows
}

fn words(what: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let wrapped = text::wrap(&text::clean(what), width.saturating_sub(margin(width)));
    wrapped.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// Puts something behind the last line, or on a line of its own where it does not fit.
fn append(lines: &mut Vec<Line<'static>>, end: Vec<Span<'static>>, width: usize) {
    let room = width.saturating_sub(margin(width));
    for span in end {
        match lines.last_mut() {
            Some(last) if last.width() + span.width() <= room => {
                // A line's own style would be that of what is appended, too.
                let style = std::mem::take(&mut last.style);
                last.spans.iter_mut().for_each(|known| known.style = style.patch(known.style));
                last.spans.push(span);
            }
            _ => lines.push(Line::styled(span.content.trim_start().to_owned(), span.style)),
        }
    }
}

/// Puts time and name before the first line, and as much space before the others.
fn hang(
    lines: Vec<Line<'static>>,
    time: &str,
    name: &Span<'_>,
    width: usize,
    rows: &mut Vec<Line<'static>>,
) {
    let columns = name_columns(width);
    for (at, line) in lines.into_iter().enumerate() {
        let (time, name, style) = if at == 0 {
            (time, text::cut(&name.content, columns), name.style)
        } else {
            ("", String::new(), DIM)
        };
        let pad = " ".repeat(columns.saturating_sub(text::width(&name)));
        let mut spans = vec![
            Span::styled(format!(" {time:5} "), DIM),
            Span::raw(pad),
            Span::styled(name, style),
            Span::styled(" │ ", DIM),
        ];
        let style = line.style;
        spans.extend(line.spans.into_iter().map(|span| {
            let style = style.patch(span.style);
            span.style(style)
        }));
        rows.push(Line::from(spans));
    }
}

/// Each person has a colour, the same everywhere.
pub(super) fn color(model: &Model, user: &UserId) -> Style {
    const COLORS: [Color; 10] = [
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Yellow,
        Color::Red,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::LightYellow,
        Color::LightRed,
    ];
    if model.is_me(user) {
        return GOOD.add_modifier(Modifier::BOLD);
    }
    let sum = user
        .as_str()
        .bytes()
        .fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    BOLD.fg(COLORS[sum % COLORS.len()])
}
