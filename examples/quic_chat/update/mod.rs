//! Changes a model by what happened, and says what is to be done. Knows no network and no clock.

mod commands;
mod keys;
mod rooms;

use chatcore::hub::Membership;
use chatcore::protocol::CloseCode;
use chatcore_quic::client::{Notice, Offline, State};

use crate::model::Model;
use crate::model::login::Login;
use crate::model::news::{News, Task};

/// Takes what happened in.
pub(crate) fn update(model: &mut Model, news: News) -> Vec<Task> {
    let mut tasks = Vec::new();
    take_in(model, news, &mut tasks);
    rooms::read(model, &mut tasks);
    tasks
}

fn take_in(model: &mut Model, news: News, tasks: &mut Vec<Task>) {
    match news {
        News::Key(key) => keys::pressed(model, key, tasks),
        News::Pasted(text) => keys::pasted(model, &text, tasks),
        News::Resized(columns, rows) => model.size = (columns, rows),
        News::Time(now) => time(model, now),
        News::LoggedIn { user, name } => {
            model.names.insert(user.clone(), Some(name));
            (model.me, model.login) = (Some(user), None);
        }
        News::NotLoggedIn(why) => {
            let login = model.login.get_or_insert_default();
            (login.asking, login.problem) = (false, Some(why));
        }
        News::LoggedOut(why) => logged_out(model, Some(why)),
        News::State { state, retry_at, spare } => {
            model.connection.spare = spare;
            state_changed(model, state, retry_at, tasks);
        }
        News::Unreachable(why) => model.connection.problem = Some(crate::text::label(&why)),
        News::Rooms(list) => rooms::listed(model, list, tasks),
        News::Visible(list) => rooms::visible(model, list),
        News::Update(room, update) => rooms::updated(model, &room, update, tasks),
        News::Unfollowed(room, why) => {
            let name = model.room(&room).map(|known| model.room_name(&known.summary));
            model.complain(format!("{}: {why}", name.unwrap_or_default()));
            tasks.push(Task::Rooms);
        }
        News::Page { room, before, page } => rooms::page(model, &room, before, page, tasks),
        News::Reread(room, message) => {
            if let Some(room) = model.room_mut(&room)
                && let Some(known) = room.conversation.message_by_id_mut(&message.message_id)
            {
                *known = *message;
            }
        }
        News::Unsent(unsent) => {
            model.unplaced.extend(unsent);
            rooms::place_unsent(model);
        }
        News::Sent { room, id, result } => rooms::sent(model, &room, &id, result),
        News::Told(notice) => told(model, notice, tasks),
        News::Name(user, name) => {
            model.names.insert(user, Some(name));
        }
        News::Entered(room) => {
            model.over = None;
            model.open = Some(room);
            tasks.push(Task::Rooms);
        }
        News::Left(room) => {
            rooms::gone(model, &room, tasks);
        }
        News::Uploading { room, id, at } => {
            let waiting = model.room_mut(&room).map(|room| &mut room.conversation.waiting);
            let waiting = waiting.and_then(|all| all.iter_mut().find(|waiting| waiting.id == id));
            if let Some(file) = waiting.and_then(|waiting| waiting.file.as_mut()) {
                file.at = at;
            }
        }
        News::Downloading { file, at } => {
            if let Some(known) = model.downloads.get_mut(&file) {
                *known = at;
            }
        }
        News::Saved { file, saved } => {
            model.downloads.remove(&file);
            match saved {
                Ok(path) => model.say(format!("saved as {}", path.display())),
                Err(why) => model.complain(why),
            }
        }
        News::Done(what) => model.say(what),
        News::Failed(why) => model.complain(why),
    }
}

fn time(model: &mut Model, now: chatcore::clock::Timestamp) {
    model.now = now;
    if model.notice.as_ref().is_some_and(|notice| notice.until <= now) {
        model.notice = None;
    }
    for room in &mut model.rooms {
        room.conversation.typing.retain(|_, until| *until > now);
    }
}

fn logged_out(model: &mut Model, why: Option<String>) {
    let name = model.me.take().map(|me| model.name(&me)).unwrap_or_default();
    let mut login = Login::of(&name);
    login.problem = why;
    model.login = Some(login);
    model.rooms.clear();
    model.unplaced.clear();
    model.downloads.clear();
    (model.open, model.over, model.listed) = (None, None, false);
}

fn state_changed(
    model: &mut Model,
    state: State,
    retry_at: Option<chatcore::clock::Timestamp>,
    tasks: &mut Vec<Task>,
) {
    model.connection.state = state;
    model.connection.retry_at = retry_at;
    match state {
        State::Connected => {
            model.connection.problem = None;
            // What was read elsewhere meanwhile, and rooms that are new.
            tasks.push(Task::Rooms);
        }
        State::Offline(Offline::Closed(CloseCode::Unauthenticated | CloseCode::Revoked)) => {
            logged_out(model, Some("The server has ended this session. Log in again.".into()));
            tasks.push(Task::Over);
        }
        State::Offline(_) => {
            for room in &mut model.rooms {
                room.conversation.present.clear();
                room.conversation.typing.clear();
            }
        }
        _ => {}
    }
}

fn told(model: &mut Model, notice: Notice, tasks: &mut Vec<Task>) {
    match notice {
        Notice::Signal(signal) => rooms::signal(model, &signal, tasks),
        Notice::Mark(mark) => rooms::mark(model, &mark, tasks),
        Notice::Membership(standing) => {
            if standing.state == Membership::Invited {
                model.say("you were asked into a room: /join shows it");
            }
            tasks.push(Task::Rooms);
        }
        // What was missed is in the list.
        _ => tasks.push(Task::Rooms),
    }
}
