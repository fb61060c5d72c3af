//! What the server says of rooms.

use chatcore::chat::{RoomSummary, Sent};
use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, RoomId, Seq};
use chatcore::log::{Body, Cursor, Entry, HistoryPage, Message};
use chatcore::protocol::frame::{Event, MarkFrame, SignalFrame, Subscribed};
use chatcore_quic::client::{Unsent, Update, Write};

use crate::model::conversation::{Item, Loaded, Place, Sending, Waiting};
use crate::model::news::Task;
use crate::model::{Model, Over, Room};
use crate::text;

/// Rooms that are followed; the others of somebody who is in more are not shown.
const MOST: usize = 500;

/// The list of the user's rooms is here.
pub(super) fn listed(model: &mut Model, mut list: Vec<RoomSummary>, tasks: &mut Vec<Task>) {
    if list.len() > MOST {
        model.complain(format!("only {MOST} of your {} rooms are shown", list.len()));
        list.truncate(MOST);
    }
    model.listed = true;
    let gone: Vec<_> = model.rooms.iter().map(|room| room.summary.room.clone()).collect();
    for room in gone.iter().filter(|room| !list.iter().any(|listed| listed.room == **room)) {
        self::gone(model, room, tasks);
    }
    for summary in list {
        match model.room_mut(&summary.room) {
            Some(room) => refreshed(room, summary),
            None => {
                let since = Cursor { epoch: Some(summary.epoch.clone()), seq: summary.head_seq };
                tasks.push(Task::Follow { room: summary.room.clone(), since });
                model.rooms.push(Room::new(summary));
            }
        }
    }
    let mut rooms = std::mem::take(&mut model.rooms);
    rooms.sort_by_cached_key(|room| {
        let name = room.summary.name.as_deref().map(str::to_lowercase);
        (name.is_none(), name, room.summary.room.clone())
    });
    model.rooms = rooms;
    place_unsent(model);
    if model.current().is_none() {
        let open = model.rooms.iter().max_by_key(|room| room.summary.unread > 0);
        let first = open.filter(|room| room.summary.unread > 0).or(model.rooms.first());
        model.open = first.map(|room| room.summary.room.clone());
    }
    opened(model, tasks);
}

/// A room as the server knows it, which may not have heard yet how far the user has read.
fn refreshed(room: &mut Room, summary: RoomSummary) {
    room.summary = summary;
    let (summary, conversation) = (&mut room.summary, &room.conversation);
    if conversation.marked > summary.read_seq {
        summary.read_seq = conversation.marked;
        let later = conversation.messages().filter(|message| message.seq > summary.read_seq);
        summary.unread = summary.unread.min(later.count() as u64);
    }
}

/// Rooms that one may know of: offers those that one is not in.
pub(super) fn visible(model: &mut Model, list: Vec<RoomSummary>) {
    let rooms = list.into_iter().filter(|room| model.room(&room.room).is_none()).collect();
    model.over = Some(Over::Rooms { rooms, at: 0 });
}

/// The user is no longer in a room.
pub(super) fn gone(model: &mut Model, room: &RoomId, tasks: &mut Vec<Task>) {
    model.rooms.retain(|known| known.summary.room != *room);
    tasks.push(Task::Unfollow(room.clone()));
    if model.open.as_ref() == Some(room) {
        model.open = model.rooms.first().map(|room| room.summary.room.clone());
        opened(model, tasks);
    }
}

/// Another room is looked at.
pub(super) fn opened(model: &mut Model, tasks: &mut Vec<Task>) {
    let Some(room) = model.current_mut() else { return };
    let (id, read) = (room.summary.room.clone(), room.summary.read_seq);
    let conversation = &mut room.conversation;
    conversation.new_from = None;
    if room.summary.unread > 0 {
        let unread = conversation.messages().find(|message| message.seq > read);
        conversation.new_from = unread.map(|message| message.seq);
    }
    if conversation.loaded == Loaded::No {
        conversation.loaded = Loaded::Asked;
        tasks.push(Task::Page { room: id, before: None });
    }
}

/// A page of messages is here.
pub(super) fn page(
    model: &mut Model,
    room: &RoomId,
    before: Option<Seq>,
    page: Result<HistoryPage, String>,
    tasks: &mut Vec<Task>,
) {
    let page = match page {
        Ok(page) => page,
        Err(why) => {
            if let Some(room) = model.room_mut(room) {
                room.conversation.asking = false;
                room.conversation.loaded = Loaded::No;
            }
            return model.complain(why);
        }
    };
    let users: Vec<_> = page.messages.iter().map(|message| message.user.clone()).collect();
    let me = model.me.clone();
    if let Some(room) = model.room_mut(room) {
        let (read, unread) = (room.summary.read_seq, room.summary.unread);
        let conversation = &mut room.conversation;
        conversation.asking = false;
        if before.is_none() {
            conversation.loaded = Loaded::Yes;
            let first = page.messages.iter().find(|m| m.seq > read && Some(&m.user) != me.as_ref());
            if unread > 0 {
                conversation.new_from = first.map(|message| message.seq);
            }
        }
        if page.found_oldest {
            conversation.complete = true;
        }
        for message in page.messages {
            conversation.put(message.seq, Item::Message(Box::new(message)));
        }
    }
    for user in users {
        if model.stranger(&user) {
            tasks.push(Task::Name(user));
        }
    }
}

/// What a subscription brought.
pub(super) fn updated(model: &mut Model, room: &RoomId, update: Update, tasks: &mut Vec<Task>) {
    match update {
        Update::Began(began) => self::began(model, room, &began, tasks),
        Update::Event(event) => {
            if let Event::Entry(entry) = *event {
                self::entry(model, room, entry, tasks);
            }
        }
    }
}

fn began(model: &mut Model, room: &RoomId, began: &Subscribed, tasks: &mut Vec<Task>) {
    for user in &began.presence {
        if model.stranger(user) {
            tasks.push(Task::Name(user.clone()));
        }
    }
    let is_open = model.open.as_ref() == Some(room);
    let Some(known) = model.room_mut(room) else { return };
    known.conversation.present = began.presence.iter().take(200).cloned().collect();
    if !began.recovered {
        known.conversation.clear();
        if is_open {
            opened(model, tasks);
        }
    }
}

fn entry(model: &mut Model, room: &RoomId, entry: Entry, tasks: &mut Vec<Task>) {
    if model.stranger(&entry.user) {
        tasks.push(Task::Name(entry.user.clone()));
    }
    let (me, seq) = (model.me.clone(), entry.seq);
    let Some(known) = model.room_mut(room) else { return };
    known.summary.head_seq = known.summary.head_seq.max(seq);
    let mine = me.as_ref() == Some(&entry.user);
    if let Some(id) = entry.client_msg_id.as_ref().filter(|_| mine) {
        known.conversation.waiting.retain(|waiting| waiting.id != *id);
    }
    match &entry.body {
        Body::Message { .. } => {
            let Some(message) = Message::from_entry(&entry) else { return };
            if !mine && message.n > known.summary.head_n {
                known.summary.unread += 1;
            }
            known.summary.head_n = known.summary.head_n.max(message.n);
            known.conversation.typing.remove(&entry.user);
            // Whoever writes has read what came before.
            known.conversation.has_read(&entry.user, seq);
            if known.conversation.loaded != Loaded::No {
                known.conversation.put(seq, Item::Message(Box::new(message)));
            }
        }
        // The counts of reactions in a page and those that follow it overlap: only the server knows.
        Body::React { message_id, .. } | Body::Unreact { message_id, .. } => {
            if let Some(message) = known.conversation.message_by_id(message_id) {
                tasks.push(Task::Reread { room: room.clone(), seq: message.seq });
            }
        }
        body => {
            changed(known, body, entry.ts);
            let shows = !matches!(body, Body::Edit { .. } | Body::Delete { .. });
            let shows = shows && !matches!(body, Body::Pin { .. } | Body::Unpin { .. });
            if shows && known.conversation.loaded != Loaded::No {
                known.conversation.put(seq, Item::Note(Box::new(entry)));
            }
        }
    }
}

/// What an entry changes about what is here.
fn changed(room: &mut Room, body: &Body, ts: Timestamp) {
    let message = body.message_id().and_then(|id| room.conversation.message_by_id_mut(id));
    match (body, message) {
        (Body::Edit { text, .. }, Some(message)) if message.deleted_at.is_none() => {
            (message.text, message.edited_at) = (text.clone(), Some(ts));
        }
        (Body::Delete { .. }, Some(message)) => {
            message.deleted_at = Some(ts);
            message.text.clear();
            message.attachments.clear();
        }
        (Body::Pin { .. }, Some(message)) => message.pinned = true,
        (Body::Unpin { .. }, Some(message)) => message.pinned = false,
        (Body::Room { name, topic, visibility, .. }, _) => {
            (room.summary.name, room.summary.topic) = (name.clone(), topic.clone());
            room.summary.kind = *visibility;
        }
        _ => {}
    }
}

/// What waits in the outbox from last time, shown where it belongs.
pub(super) fn place_unsent(model: &mut Model) {
    for unsent in std::mem::take(&mut model.unplaced) {
        let Some(room) = model.room_mut(&unsent.room) else {
            model.unplaced.push(unsent);
            continue;
        };
        // Edits and deletions show when they are done.
        let Write::Send(send) = unsent.write else { continue };
        room.conversation.waiting.push(Waiting {
            id: send.client_msg_id,
            text: send.text,
            reply_to: send.reply_to,
            state: Sending::Pending,
            file: None,
        });
    }
}

/// A message of the user's is settled.
pub(super) fn sent(
    model: &mut Model,
    room: &RoomId,
    id: &ClientMsgId,
    result: Result<Sent, String>,
) {
    model.unplaced.retain(|unsent| client_msg_id(unsent) != Some(id));
    let placed = |known: &&mut Room| known.conversation.waiting.iter().any(|w| w.id == *id);
    let Some(known) = model.room_mut(room).filter(placed) else {
        if let Err(why) = result {
            model.complain(format!("refused: {why}"));
        }
        return;
    };
    let here = result.as_ref().is_ok_and(|sent| known.conversation.message(sent.seq).is_some());
    let waiting = &mut known.conversation.waiting;
    match result {
        Ok(_) if here => waiting.retain(|waiting| waiting.id != *id),
        Ok(sent) => {
            if let Some(waiting) = waiting.iter_mut().find(|waiting| waiting.id == *id) {
                waiting.state = Sending::Sent(sent.seq);
            }
        }
        Err(why) => {
            if let Some(waiting) = waiting.iter_mut().find(|waiting| waiting.id == *id) {
                waiting.state = Sending::Refused(text::label(&why));
            }
        }
    }
}

fn client_msg_id(unsent: &Unsent) -> Option<&ClientMsgId> {
    match &unsent.write {
        Write::Send(send) => Some(&send.client_msg_id),
        Write::Edit { body, .. } => Some(&body.client_msg_id),
        Write::Delete { body, .. } => Some(&body.client_msg_id),
        _ => None,
    }
}

/// Someone types, comes, goes.
pub(super) fn signal(model: &mut Model, signal: &SignalFrame, tasks: &mut Vec<Task>) {
    if model.is_me(&signal.user) {
        return;
    }
    if model.stranger(&signal.user) {
        tasks.push(Task::Name(signal.user.clone()));
    }
    let until = Timestamp(model.now.0 + i64::from(signal.ttl_ms.min(30_000)));
    let Some(room) = model.room_mut(&signal.room) else { return };
    match signal.kind.as_str() {
        "typing" => room.conversation.is_typing(&signal.user, signal.on.then_some(until)),
        "presence" => room.conversation.is_present(&signal.user, signal.on),
        _ => {}
    }
}

/// Someone has read further: the user themselves, perhaps, on another device.
pub(super) fn mark(model: &mut Model, frame: &MarkFrame, tasks: &mut Vec<Task>) {
    let mine = model.is_me(&frame.mark.user);
    let Some(room) = model.room_mut(&frame.room) else { return };
    if !mine {
        return room.conversation.has_read(&frame.mark.user, frame.mark.read_seq);
    }
    let summary = &mut room.summary;
    summary.read_seq = summary.read_seq.max(frame.mark.read_seq);
    if summary.read_seq >= summary.head_seq {
        summary.unread = 0;
    } else if summary.unread > 0 && room.conversation.marked < frame.mark.read_seq {
        // How many that leaves, only the server knows.
        tasks.push(Task::Rooms);
    }
}

/// What is in view at the end of the open room has been read.
pub(super) fn read(model: &mut Model, tasks: &mut Vec<Task>) {
    if model.over.is_some() || model.login.is_some() {
        return;
    }
    let Some(room) = model.current_mut() else { return };
    let conversation = &mut room.conversation;
    if conversation.place != Place::End || conversation.detached {
        return;
    }
    if conversation.loaded != Loaded::Yes {
        return;
    }
    let Some(newest) = conversation.messages().next_back().map(|message| message.seq) else {
        return;
    };
    if room.summary.unread > 0 && newest > conversation.marked {
        conversation.marked = newest;
        room.summary.unread = 0;
        room.summary.read_seq = room.summary.read_seq.max(newest);
        tasks.push(Task::Read { room: room.summary.room.clone(), seq: newest });
    }
}
