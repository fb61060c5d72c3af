//! What the keys do.

use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, MessageId, RoomId};
use chatcore::protocol::frame::{Edit, Send};
use chatcore_quic::client::{Unsent, Write};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{commands, rooms};
use crate::editor::Editor;
use crate::model::conversation::{Key, Line, Loaded, Place, Sending, Waiting};
use crate::model::login::Field;
use crate::model::news::{Secret, Task};
use crate::model::{Model, Over, Purpose};
use crate::view;

/// Others are told that the user is typing this often, in milliseconds; they believe it a little
/// longer.
const TYPING_EVERY: i64 = 3_000;

pub(super) fn pressed(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && matches!(key.code, KeyCode::Char('c' | 'q')) {
        return quit(model, tasks);
    }
    model.warned = false;
    match key.code {
        KeyCode::Char('r') if control => return tasks.push(Task::Nudge),
        _ => {}
    }
    if model.login.is_some() {
        return login(model, key, tasks);
    }
    if model.over.is_some() {
        return over(model, key, tasks);
    }
    if model.current().is_some_and(|room| room.conversation.chosen.is_some()) {
        return choosing(model, key, tasks);
    }
    anywhere(model, key, tasks);
}

/// Quits, but not with files on their way before the user knows.
pub(super) fn quit(model: &mut Model, tasks: &mut Vec<Task>) {
    let files = model.outgoing().count();
    if files == 0 || model.warned {
        return tasks.push(Task::Quit);
    }
    model.warned = true;
    let files = if files == 1 { "a file is".to_owned() } else { format!("{files} files are") };
    model.complain(format!("{files} not sent: Ctrl-C quits anyway"));
}

pub(super) fn pasted(model: &mut Model, text: &str, tasks: &mut Vec<Task>) {
    if let Some(login) = &mut model.login {
        let line = text.lines().next().unwrap_or_default();
        return login.editor().insert(line);
    }
    if let Some(room) = model.current_mut() {
        room.conversation.composer.field.insert(text);
        typing(model, tasks);
    }
}

fn login(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    let Some(login) = model.login.as_mut().filter(|login| !login.asking) else { return };
    match key.code {
        KeyCode::F(2) => login.register = !login.register,
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Up | KeyCode::Down => {
            login.field = match login.field {
                Field::Name => Field::Password,
                Field::Password => Field::Name,
            };
        }
        KeyCode::Enter if login.field == Field::Name => login.field = Field::Password,
        KeyCode::Enter if !login.name.is_empty() && !login.password.0.is_empty() => {
            (login.asking, login.problem) = (true, None);
            tasks.push(Task::LogIn {
                name: login.name.text().trim().to_owned(),
                password: Secret(login.password.0.take()),
                register: login.register,
            });
        }
        _ => {
            edit(login.editor(), key);
        }
    }
}

fn over(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    match (&mut model.over, key.code) {
        (Some(Over::Rooms { rooms, at }), KeyCode::Down | KeyCode::Tab) => {
            *at = (*at + 1).min(rooms.len().saturating_sub(1));
        }
        (Some(Over::Rooms { at, .. }), KeyCode::Up) => *at = at.saturating_sub(1),
        (Some(Over::Rooms { rooms, at }), KeyCode::Enter) => {
            if let Some(room) = rooms.get(*at) {
                tasks.push(Task::Enter(room.room.clone()));
            }
            model.over = None;
        }
        (Some(Over::Rooms { .. }), KeyCode::Esc) | (Some(Over::Help), _) => model.over = None,
        _ => {}
    }
}

fn anywhere(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    let page = isize::try_from(model.size.1 / 2).unwrap_or(10);
    match key.code {
        KeyCode::F(1) => model.over = Some(Over::Help),
        KeyCode::Tab => switch(model, 1, tasks),
        KeyCode::BackTab => switch(model, -1, tasks),
        KeyCode::Char('n') if alt => next_unread(model, tasks),
        KeyCode::PageUp => scroll(model, page, tasks),
        KeyCode::PageDown => scroll(model, -page, tasks),
        _ => writing(model, key, tasks),
    }
}

/// Keys for the field in which a message is written.
fn writing(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    let (alt, control) =
        (key.modifiers.contains(KeyModifiers::ALT), key.modifiers.contains(KeyModifiers::CONTROL));
    let Some(room) = model.current_mut() else {
        return commands::without_room(model, key, tasks);
    };
    let composer = &mut room.conversation.composer;
    match key.code {
        KeyCode::Enter if alt => composer.field.insert("\n"),
        KeyCode::Char('j') if control => composer.field.insert("\n"),
        KeyCode::Enter => enter(model, tasks),
        KeyCode::Esc => {
            if composer.purpose != Purpose::Message {
                (composer.purpose, composer.field) = (Purpose::Message, Editor::default());
            }
            room.conversation.place = Place::End;
        }
        KeyCode::Up if composer.field.cursor(usize::MAX).0 == 0 => choose(model, -1, tasks),
        KeyCode::End if composer.field.is_empty() => to_end(model, tasks),
        _ => {
            if edit(&mut composer.field, key) {
                typing(model, tasks);
            }
        }
    }
}

/// What one does to text. Returns whether it changed.
pub(super) fn edit(field: &mut Editor, key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Left if control || alt => field.word_left(),
        KeyCode::Right if control || alt => field.word_right(),
        KeyCode::Left => field.left(),
        KeyCode::Right => field.right(),
        KeyCode::Home => field.home(),
        KeyCode::End => field.end(),
        KeyCode::Char('a') if control => field.home(),
        KeyCode::Char('e') if control => field.end(),
        KeyCode::Char('b') if alt => field.word_left(),
        KeyCode::Char('f') if alt => field.word_right(),
        KeyCode::Char(c) if !control && !alt => {
            field.insert(c.encode_utf8(&mut [0; 4]));
            return true;
        }
        code => {
            let before = field.text().len();
            match code {
                KeyCode::Backspace if alt || control => field.delete_word(),
                KeyCode::Backspace => field.backspace(),
                KeyCode::Delete => field.delete(),
                KeyCode::Char('w') if control => field.delete_word(),
                KeyCode::Char('u') if control => field.delete_to_start(),
                _ => {}
            }
            return field.text().len() != before;
        }
    }
    false
}

/// Sends what was written, or does what it says.
fn enter(model: &mut Model, tasks: &mut Vec<Task>) {
    let id = model.ids.next();
    let Some(room) = model.current_mut() else { return };
    let to = room.summary.room.clone();
    let composer = &mut room.conversation.composer;
    let text = composer.field.take();
    let text = text.trim().to_owned();
    let purpose = std::mem::take(&mut composer.purpose);
    room.conversation.told_typing = None;
    if text.is_empty() {
        return;
    }
    let reply_to = match purpose {
        Purpose::Edit(message_id) => {
            let body = Edit { client_msg_id: id, text };
            return write(to, Write::Edit { message_id, body }, tasks);
        }
        Purpose::React(message) => {
            return tasks.push(Task::React { room: to, message, emoji: text, on: true });
        }
        Purpose::Reply(message) => Some(message),
        Purpose::Message => None,
    };
    let text = match text.strip_prefix('/') {
        // Two slashes begin a message that begins with one.
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        Some(command) => return commands::run(model, command, tasks),
        None => text,
    };
    room.conversation.waiting.push(Waiting {
        id: id.clone(),
        text: text.clone(),
        reply_to: reply_to.clone(),
        state: Sending::Pending,
        file: None,
    });
    write(to, message(id, text, reply_to), tasks);
    to_end(model, tasks);
}

/// A message of text alone.
pub(super) fn message(id: ClientMsgId, text: String, reply_to: Option<MessageId>) -> Write {
    Write::Send(Send {
        client_msg_id: id,
        text,
        reply_to,
        attachments: Vec::new(),
        mentions: Vec::new(),
        meta: None,
    })
}

pub(super) fn write(room: RoomId, write: Write, tasks: &mut Vec<Task>) {
    tasks.push(Task::Write(Box::new(Unsent { room, write })));
}

/// Tells the others that the user is typing, now and then.
fn typing(model: &mut Model, tasks: &mut Vec<Task>) {
    let now = model.now;
    let Some(room) = model.current_mut() else { return };
    let conversation = &mut room.conversation;
    let composer = &conversation.composer;
    let message = matches!(composer.purpose, Purpose::Message | Purpose::Reply(_));
    if !message || composer.field.is_empty() || composer.field.text().starts_with('/') {
        return;
    }
    let due = |told: Timestamp| now.0 - told.0 >= TYPING_EVERY;
    if conversation.told_typing.is_none_or(due) {
        conversation.told_typing = Some(now);
        tasks.push(Task::Typing { room: room.summary.room.clone(), on: true });
    }
}

/// Looks at the room so many places down the list.
fn switch(model: &mut Model, by: isize, tasks: &mut Vec<Task>) {
    let count = isize::try_from(model.rooms.len()).unwrap_or(0);
    if count == 0 {
        return;
    }
    let open = model.rooms.iter().position(|room| Some(&room.summary.room) == model.open.as_ref());
    let at = isize::try_from(open.unwrap_or(0)).unwrap_or(0);
    let next = (at + by).rem_euclid(count).unsigned_abs();
    model.open = model.rooms.get(next).map(|room| room.summary.room.clone());
    rooms::opened(model, tasks);
}

fn next_unread(model: &mut Model, tasks: &mut Vec<Task>) {
    let open = model.rooms.iter().position(|room| Some(&room.summary.room) == model.open.as_ref());
    let after = open.map_or(0, |at| at + 1);
    let order = model.rooms.iter().cycle().skip(after).take(model.rooms.len());
    let next = order.into_iter().find(|room| room.summary.unread > 0);
    match next.map(|room| room.summary.room.clone()) {
        Some(room) => {
            model.open = Some(room);
            rooms::opened(model, tasks);
        }
        None => model.say("nothing is unread"),
    }
}

/// Moves what is in view; up, if positive. Near the oldest that is here it asks for older ones.
fn scroll(model: &mut Model, by: isize, tasks: &mut Vec<Task>) {
    let Some(room) = model.current() else { return };
    let place = view::conversation::moved(model, room, &room.conversation.place, by);
    let area = view::areas(model).conversation;
    let shown =
        view::conversation::visible(model, room, &place, area.width, area.height.saturating_mul(2));
    let top = shown.first().map(|(key, _)| key.clone());
    let first = room.conversation.lines().first().map(Line::key);
    let Some(room) = model.current_mut() else { return };
    room.conversation.place = place;
    if room.conversation.place == Place::End && room.conversation.detached {
        return to_end(model, tasks);
    }
    let conversation = &mut room.conversation;
    if by > 0 && top == first && !conversation.complete && !conversation.asking {
        conversation.asking = true;
        let before = conversation.oldest();
        tasks.push(Task::Page { room: room.summary.room.clone(), before });
    }
}

/// To the newest message, read anew if it was let go of.
fn to_end(model: &mut Model, tasks: &mut Vec<Task>) {
    let Some(room) = model.current_mut() else { return };
    room.conversation.place = Place::End;
    if room.conversation.detached {
        room.conversation.clear();
        room.conversation.loaded = Loaded::Asked;
        tasks.push(Task::Page { room: room.summary.room.clone(), before: None });
    }
}

/// Chooses the message so many places further down, among those that one can do something about.
fn choose(model: &mut Model, by: isize, tasks: &mut Vec<Task>) {
    let Some(room) = model.current() else { return };
    let lines = room.conversation.lines();
    let keys: Vec<Key> =
        lines.iter().filter(|line| !matches!(line, Line::Note(_))).map(Line::key).collect();
    let chosen = room.conversation.chosen.as_ref();
    let at = chosen.and_then(|chosen| keys.iter().position(|key| key == chosen));
    let at =
        at.map_or(isize::try_from(keys.len()).unwrap_or(0), |at| isize::try_from(at).unwrap_or(0));
    let next = usize::try_from(at + by).ok();
    let past_end = next.is_some_and(|next| next >= keys.len());
    let chosen = if past_end { None } else { next.or(Some(0)).and_then(|next| keys.get(next)) };
    let chosen = chosen.cloned();
    let at_top = next.is_none() || next == Some(0);
    let Some(room) = model.current_mut() else { return };
    room.conversation.deleting = false;
    room.conversation.chosen.clone_from(&chosen);
    match chosen {
        None => to_end(model, tasks),
        Some(key) => show(model, key),
    }
    if at_top && by < 0 {
        scroll(model, 1, tasks);
    }
}

/// Sees to it that something is in view.
fn show(model: &mut Model, key: Key) {
    let Some(room) = model.current() else { return };
    let area = view::areas(model).conversation;
    let place = &room.conversation.place;
    let shown = view::conversation::visible(model, room, place, area.width, area.height);
    if shown.iter().any(|(shown, _)| *shown == key) {
        return;
    }
    let below = Place::At { key: key.clone(), hidden: 0 };
    let above = shown.first().is_some_and(|(first, _)| key < *first);
    let half = -isize::try_from(area.height / 2).unwrap_or(0);
    let place = if above { view::conversation::moved(model, room, &below, half) } else { below };
    if let Some(room) = model.current_mut() {
        room.conversation.place = place;
    }
}

/// Keys while a message is chosen.
fn choosing(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => return choose(model, -1, tasks),
        KeyCode::Down | KeyCode::Char('j') => return choose(model, 1, tasks),
        KeyCode::PageUp => return choose(model, -5, tasks),
        KeyCode::PageDown => return choose(model, 5, tasks),
        _ => {}
    }
    let Some(room) = model.current_mut() else { return };
    let Some(chosen) = room.conversation.chosen.clone() else { return };
    let was_asked = std::mem::take(&mut room.conversation.deleting);
    match chosen {
        Key::Waiting(id) => commands::about_waiting(model, &id, key.code, tasks),
        Key::Entry(_) if key.code == KeyCode::Esc => room.conversation.chosen = None,
        Key::Entry(seq) => commands::about_message(model, seq, key.code, was_asked, tasks),
    }
}
