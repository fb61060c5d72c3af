//! What one does to messages and rooms.

use std::path::PathBuf;

use chatcore::id::{ClientMsgId, MessageId, RoomId, Seq, UserId};
use chatcore::protocol::frame::Delete;
use chatcore::room::RoomKind;
use chatcore_quic::client::{Progress, Write};
use crossterm::event::{KeyCode, KeyEvent};

use super::keys;
use crate::editor::Editor;
use crate::model::conversation::{Outgoing, Sending, Waiting};
use crate::model::news::Task;
use crate::model::{Composer, Model, Over, Purpose};

/// Does what stands behind a slash.
pub(super) fn run(model: &mut Model, command: &str, tasks: &mut Vec<Task>) {
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let room = model.open.clone();
    match (name, room) {
        ("help" | "h" | "?", _) => model.over = Some(Over::Help),
        ("quit" | "q", _) => keys::quit(model, tasks),
        ("logout", _) => tasks.push(Task::LogOut),
        ("join" | "j", _) => tasks.push(Task::Visible),
        ("new" | "private", _) if rest.is_empty() => model.complain(format!("/{name} NAME")),
        ("new", _) => create(RoomKind::Public, Some(rest), Vec::new(), tasks),
        ("private", _) => create(RoomKind::Private, Some(rest), Vec::new(), tasks),
        ("dm", _) => match person(model, rest) {
            Some(user) => create(RoomKind::Direct, None, vec![user], tasks),
            None => model.complain("/dm NAME, of someone you have met in a room"),
        },
        ("invite", Some(room)) => match person(model, rest) {
            Some(user) => tasks.push(Task::Invite { room, user }),
            None => model.complain("/invite NAME, of someone you have met in a room"),
        },
        ("file", Some(_)) if rest.is_empty() => model.complain("/file PATH"),
        ("file", Some(room)) => file(model, room, rest, tasks),
        ("leave", Some(room)) => tasks.push(Task::Leave(room)),
        _ => model.complain(format!("there is no /{name}; /help shows what there is")),
    }
}

fn create(kind: RoomKind, name: Option<&str>, with: Vec<UserId>, tasks: &mut Vec<Task>) {
    tasks.push(Task::Create { kind, name: name.map(str::to_owned), with });
}

/// Sends a file, as it was typed, pasted or dropped into the terminal.
fn file(model: &mut Model, room: RoomId, typed: &str, tasks: &mut Vec<Task>) {
    let unquoted = |quote| typed.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let typed = match unquoted('\'').or(unquoted('"')) {
        Some(inner) => inner.to_owned(),
        None => typed.replace("\\ ", " "),
    };
    let path = match (typed.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(typed),
    };
    upload(model, room, path, None, tasks);
}

fn upload(
    model: &mut Model,
    room: RoomId,
    path: PathBuf,
    reply_to: Option<MessageId>,
    tasks: &mut Vec<Task>,
) {
    let id = model.ids.next();
    let Some(known) = model.room_mut(&room) else { return };
    known.conversation.waiting.push(Waiting {
        id: id.clone(),
        text: String::new(),
        reply_to: reply_to.clone(),
        state: Sending::Pending,
        file: Some(Outgoing { path: path.clone(), at: Progress::default() }),
    });
    tasks.push(Task::Upload { room, id, path, reply_to });
}

/// Someone who was met, by what they are called.
fn person(model: &Model, name: &str) -> Option<UserId> {
    let name = name.trim_start_matches('@');
    let called = |known: &&UserId| model.name(known).eq_ignore_ascii_case(name);
    model.names.keys().filter(|user| !model.is_me(user)).find(called).cloned()
}

/// Keys where no room is open: there is no field, so a command appears in the line below.
pub(super) fn without_room(model: &mut Model, key: KeyEvent, tasks: &mut Vec<Task>) {
    let mut field = std::mem::take(&mut model.command);
    if key.code == KeyCode::Enter {
        let command = field.take();
        match command.trim().strip_prefix('/') {
            Some(command) => run(model, command, tasks),
            None => model.complain("enter a room first: /join or /new NAME"),
        }
    } else {
        keys::edit(&mut field, key);
        model.command = field;
    }
}

/// A key that is about a message that is not sent.
pub(super) fn about_waiting(
    model: &mut Model,
    id: &ClientMsgId,
    key: KeyCode,
    tasks: &mut Vec<Task>,
) {
    let again = model.ids.next();
    let Some(room) = model.current_mut() else { return };
    let conversation = &mut room.conversation;
    let found = conversation.waiting.iter().position(|waiting| waiting.id == *id);
    let refused = |at: &usize| matches!(conversation.waiting[*at].state, Sending::Refused(_));
    match (key, found.filter(refused)) {
        (KeyCode::Char('d'), Some(at)) => {
            conversation.waiting.remove(at);
        }
        (KeyCode::Char('r'), Some(at)) => {
            // Under its old name it would be refused as it was.
            let waiting = &mut conversation.waiting[at];
            (waiting.id, waiting.state) = (again.clone(), Sending::Pending);
            let (text, reply_to) = (waiting.text.clone(), waiting.reply_to.clone());
            if let Some(Outgoing { path, .. }) = waiting.file.clone() {
                let to = room.summary.room.clone();
                conversation.waiting.remove(at);
                conversation.chosen = None;
                return upload(model, to, path, reply_to, tasks);
            }
            let message = keys::message(again, text, reply_to);
            keys::write(room.summary.room.clone(), message, tasks);
        }
        (KeyCode::Esc, _) | (_, Some(_)) => {}
        (_, None) => return model.say("it is on its way; that cannot be stopped"),
    }
    room.conversation.chosen = None;
}

/// A key that is about a message.
pub(super) fn about_message(
    model: &mut Model,
    seq: Seq,
    key: KeyCode,
    was_asked: bool,
    tasks: &mut Vec<Task>,
) {
    let me = model.me.clone();
    let Some(room) = model.current_mut() else { return };
    let Some(message) = room.conversation.message(seq) else { return };
    let (id, text) = (message.message_id.clone(), message.text.clone());
    let mine = Some(&message.user) == me.as_ref();
    let gone = message.deleted_at.is_some();
    let files = message.attachments.clone();
    let write = match key {
        _ if gone => return model.say("this message was deleted"),
        KeyCode::Char('r') | KeyCode::Enter => {
            let field = std::mem::take(&mut room.conversation.composer.field);
            Composer { purpose: Purpose::Reply(id), field }
        }
        KeyCode::Char('e') if mine => {
            Composer { purpose: Purpose::Edit(id), field: Editor::with(&text) }
        }
        KeyCode::Char('s') => {
            room.conversation.chosen = None;
            for file in files {
                model.downloads.insert(file.id.clone(), Progress { done: 0, total: file.size });
                tasks.push(Task::Download(file));
            }
            return;
        }
        KeyCode::Char('+') => Composer { purpose: Purpose::React(id), field: Editor::default() },
        KeyCode::Char('d') if was_asked => {
            let to = room.summary.room.clone();
            room.conversation.chosen = None;
            let body = Delete { client_msg_id: model.ids.next() };
            return keys::write(to, Write::Delete { message_id: id, body }, tasks);
        }
        KeyCode::Char('d') => {
            room.conversation.deleting = true;
            return model.say("d once more deletes it for everyone");
        }
        _ => return,
    };
    room.conversation.composer = write;
    room.conversation.chosen = None;
}
