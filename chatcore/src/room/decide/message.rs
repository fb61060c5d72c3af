//! Sending, changing and deleting messages; reactions and pins.

use std::time::Duration;

use super::{Case, Decision, Outcome, Story};
use crate::id::{ClientMsgId, MessageId};
use crate::log::{AttachmentRef, Body, Entry, Fingerprint, fingerprint};
use crate::oversight::Act;
use crate::room::{Actor, Member, PriorSend, ReactionCount, Rejection, Role, Room, SendAction};

pub(super) fn send(case: &Case<'_>, send: &SendAction) -> Result<Decision, Rejection> {
    let fingerprint = send.original.unwrap_or_else(|| send.draft.fingerprint());
    // What took effect stays so even for one who may not write any more, but not for one who must
    // not know of the room.
    let room = case.view.access(case.actor(), case.now())?.0;
    if let Some(prior) = prior(case, &send.message_id, &fingerprint, &send.message_id)? {
        return Ok(prior);
    }
    case.writable()?;
    if let Some(answered) = &send.draft.reply_to {
        live_message(case, answered)?;
    }
    let attachments = uploads(case, send)?;
    let mentioned = mentioned(case, send);
    let slowed = slowed(case, room)?;
    let mut story = case.story(room.clone());
    let body = Body::Message {
        message_id: send.message_id.clone(),
        text: send.draft.text.clone(),
        reply_to: send.draft.reply_to.clone(),
        attachments,
        mentions: mentioned.iter().map(|member| member.user.clone()).collect(),
        meta: send.draft.meta.clone(),
        edited_at: None,
        deleted_at: None,
    };
    let seq = story.append_as(story.author.clone(), body, Some(send.client_msg_id.clone()));
    for id in &send.draft.attachments {
        let place = (story.id(), seq);
        story.changes.bound.insert(id.clone(), place);
    }
    if let Actor::User(user) = case.actor() {
        // One has read what one has written.
        let mut member = case.view.member(user);
        let read_all = member.marks.read_n + 1 == story.room.head_n;
        if slowed {
            member.spoke_at = Some(case.now());
        }
        if read_all {
            member.marks.read_n = story.room.head_n;
            member.marks.read_seq = seq;
            member.marks.delivered_seq = member.marks.delivered_seq.max(seq);
            member.settle_mentions();
        }
        if read_all || slowed {
            story.put(member);
        }
    }
    for mut member in mentioned {
        member.mentioned(seq);
        story.put(member);
    }
    let n = story.room.head_n;
    Ok(remember(story, send.message_id.clone(), fingerprint, send.message_id.clone(), n))
}

/// Whether the author is one whom slow mode holds back, from now on.
fn slowed(case: &Case<'_>, room: &Room) -> Result<bool, Rejection> {
    let Actor::User(user) = case.actor() else { return Ok(false) };
    let member = case.view.member(user);
    if room.slow_mode == 0 || member.role >= Role::Moderator {
        return Ok(false);
    }
    let pause = Duration::from_secs(u64::from(room.slow_mode));
    match member.spoke_at.map(|at| at.after(pause).0 - case.now().0) {
        Some(left @ 1..) => {
            let retry_after = Duration::from_millis(left.unsigned_abs()).min(pause);
            Err(Rejection::SlowMode { retry_after })
        }
        _ => Ok(true),
    }
}

/// Whom a message calls: members, each once, and not its author.
fn mentioned(case: &Case<'_>, send: &SendAction) -> Vec<Member> {
    let author = case.actor().id();
    let mut members: Vec<Member> = Vec::with_capacity(send.mentions.len());
    for user in &send.mentions {
        let member = case.view.member(user);
        if member.joined() && *user != author && members.iter().all(|m| m.user != *user) {
            members.push(member);
        }
    }
    members
}

fn uploads(case: &Case<'_>, send: &SendAction) -> Result<Vec<AttachmentRef>, Rejection> {
    let owner = case.actor().id();
    let mut files: Vec<AttachmentRef> = Vec::with_capacity(send.draft.attachments.len());
    for id in &send.draft.attachments {
        let upload = case.views.uploads.get(id).ok_or(Rejection::NoSuchUpload)?;
        if upload.owner != owner || files.iter().any(|f| f.id == *id) {
            return Err(Rejection::NoSuchUpload);
        }
        files.push(upload.file.clone());
    }
    Ok(files)
}

/// The answer to a request that took effect before.
fn prior(
    case: &Case<'_>,
    key: &MessageId,
    fingerprint: &Fingerprint,
    message_id: &MessageId,
) -> Result<Option<Decision>, Rejection> {
    let Some(prior) = case.view.sends.get(key) else { return Ok(None) };
    if prior.fingerprint != *fingerprint {
        return Err(Rejection::ClientMsgIdReused);
    }
    let outcome = Outcome::Sent {
        seq: prior.seq,
        n: prior.n,
        message_id: message_id.clone(),
        ts: prior.ts,
        duplicate: true,
    };
    Ok(Some(Decision { outcome, changes: Default::default() }))
}

/// Ends the story of a request that takes effect once.
fn remember(
    mut story: Story<'_>,
    key: MessageId,
    fingerprint: Fingerprint,
    message_id: MessageId,
    n: u64,
) -> Decision {
    let (seq, ts) = (story.room.head_seq, story.at);
    let room = story.id();
    story.changes.sends.insert((room, key), PriorSend { seq, n, ts, fingerprint });
    story.end(Outcome::Sent { seq, n, message_id, ts, duplicate: false })
}

/// The message, if it is here and not deleted.
fn live_message<'a>(case: &'a Case<'_>, id: &MessageId) -> Result<&'a Entry, Rejection> {
    let entry = &case.view.message(id)?.entry;
    match &entry.body {
        Body::Message { deleted_at: None, .. } => Ok(entry),
        Body::Message { .. } => Err(Rejection::MessageDeleted),
        _ => Err(Rejection::NoSuchMessage),
    }
}

pub(super) fn edit(
    case: &Case<'_>,
    message: &MessageId,
    client_msg_id: &ClientMsgId,
    new_text: &str,
) -> Result<Decision, Rejection> {
    let room = case.view.access(case.actor(), case.now())?.0;
    let key = MessageId::derive(&room.id, &case.actor().id(), client_msg_id);
    let print = fingerprint(&[b"edit", message.as_str().as_bytes(), new_text.as_bytes()]);
    if let Some(prior) = prior(case, &key, &print, message)? {
        return Ok(prior);
    }
    case.writable()?;
    let entry = live_message(case, message)?;
    if entry.user != case.actor().id() {
        return Err(Rejection::NotTheAuthor);
    }
    let mut changed = entry.clone();
    if let Body::Message { text, edited_at, attachments, .. } = &mut changed.body {
        if new_text.is_empty() && attachments.is_empty() {
            return Err(Rejection::EmptyText);
        }
        *text = new_text.to_owned();
        *edited_at = Some(case.now());
    }
    let mut story = case.story(room.clone());
    story.changes.rewritten.insert((room.id.clone(), entry.seq), changed);
    let body = Body::Edit { message_id: message.clone(), text: new_text.to_owned() };
    story.append_as(story.author.clone(), body, Some(client_msg_id.clone()));
    Ok(remember(story, key, print, message.clone(), 0))
}

pub(super) fn delete(
    case: &Case<'_>,
    message: &MessageId,
    client_msg_id: &ClientMsgId,
) -> Result<Decision, Rejection> {
    let room = case.view.access(case.actor(), case.now())?.0;
    let key = MessageId::derive(&room.id, &case.actor().id(), client_msg_id);
    let print = fingerprint(&[b"delete", message.as_str().as_bytes()]);
    if let Some(prior) = prior(case, &key, &print, message)? {
        return Ok(prior);
    }
    case.joined()?;
    let entry = live_message(case, message)?;
    if let Actor::User(user) = case.actor()
        && entry.user != *user
    {
        let member = case.view.member(user);
        if member.role < Role::Moderator {
            return Err(Rejection::RoleTooLow { needs: Role::Moderator });
        }
    }
    let mut changed = entry.clone();
    let mut story = case.story(room.clone());
    if let Body::Message { text, attachments, meta, edited_at, deleted_at, .. } = &mut changed.body
    {
        text.clear();
        if edited_at.is_some() {
            story.changes.emptied.insert((room.id.clone(), message.clone()));
        }
        *meta = None;
        story.changes.released.extend(attachments.drain(..).map(|file| file.id));
        *deleted_at = Some(case.now());
    }
    story.changes.rewritten.insert((room.id.clone(), entry.seq), changed);
    if case.view.message(message)?.pinned {
        story.room.pins -= 1;
        story.changes.pins.insert((room.id.clone(), entry.seq), false);
    }
    if matches!(case.actor(), Actor::User(user) if *user != entry.user) {
        story.note(Act::DeleteMessage, entry.user.clone()).message = Some(message.clone());
    }
    let body = Body::Delete { message_id: message.clone() };
    story.append_as(story.author.clone(), body, Some(client_msg_id.clone()));
    Ok(remember(story, key, print, message.clone(), 0))
}

pub(super) fn react(
    case: &Case<'_>,
    message: &MessageId,
    emoji: &str,
    on: bool,
) -> Result<Decision, Rejection> {
    let room = case.writable()?;
    let entry = live_message(case, message)?;
    let author = case.actor().id();
    let known = case.view.reactions.get(message);
    let held = known.is_some_and(|r| r.held.contains(&(emoji.to_owned(), author.clone())));
    if held == on {
        return Ok(case.unchanged(room));
    }
    let given = known.and_then(|r| r.counts.get(emoji)).copied();
    let count = given.map_or(0, |given| given.count);
    let different = known.map_or(0, |r| r.counts.len());
    if on && count == 0 && different >= case.limits.reactions as usize {
        let most = u64::from(case.limits.reactions);
        return Err(Rejection::TooMany { what: "different reactions to this message", most });
    }
    Ok(give(case, room, entry, emoji, on))
}

/// Takes a reaction of the actor's back, whether or not they are in the room, and whether or not the
/// message is deleted.
pub(super) fn retract(
    case: &Case<'_>,
    message: &MessageId,
    emoji: &str,
) -> Result<Decision, Rejection> {
    let room = case.view.room.as_ref().filter(|room| room.deleted_at.is_none());
    let room = room.ok_or(Rejection::NoSuchRoom)?;
    let entry = &case.view.message(message)?.entry;
    let held = (emoji.to_owned(), case.actor().id());
    if case.view.reactions.get(message).is_some_and(|known| known.held.contains(&held)) {
        Ok(give(case, room, entry, emoji, false))
    } else {
        Ok(case.unchanged(room))
    }
}

/// Adds (`on`) or takes back a reaction that is not there, or is.
fn give(case: &Case<'_>, room: &Room, message: &Entry, emoji: &str, on: bool) -> Decision {
    let author = case.actor().id();
    let message_id = message.body.message_id();
    let known = message_id.and_then(|id| case.view.reactions.get(id));
    let given = known.and_then(|known| known.counts.get(emoji)).copied();
    let count = given.map_or(0, |given| given.count);
    let count = if on { count + 1 } else { count.saturating_sub(1) };
    let mut story = case.story(room.clone());
    let (id, seq) = (room.id.clone(), message.seq);
    let at = match message_id.cloned() {
        Some(message_id) if on => story.append(Body::React { message_id, emoji: emoji.to_owned() }),
        Some(message_id) => story.append(Body::Unreact { message_id, emoji: emoji.to_owned() }),
        None => return case.unchanged(room),
    };
    let count = ReactionCount { count, first: given.map_or(at, |given| given.first) };
    story.changes.reactions.insert((id.clone(), seq, emoji.to_owned(), author), on);
    story.changes.reaction_counts.insert((id, seq, emoji.to_owned()), count);
    story.done()
}

pub(super) fn pin(case: &Case<'_>, message: &MessageId, on: bool) -> Result<Decision, Rejection> {
    let room = case.writable()?;
    if let Actor::User(user) = case.actor()
        && case.view.member(user).role < Role::Moderator
    {
        return Err(Rejection::RoleTooLow { needs: Role::Moderator });
    }
    let seq = live_message(case, message)?.seq;
    if case.view.message(message)?.pinned == on {
        return Ok(case.unchanged(room));
    }
    if on && room.pins >= case.limits.pins {
        let most = u64::from(case.limits.pins);
        return Err(Rejection::TooMany { what: "pinned messages in this room", most });
    }
    let mut story = case.story(room.clone());
    story.room.pins = if on { room.pins + 1 } else { room.pins.saturating_sub(1) };
    story.changes.pins.insert((room.id.clone(), seq), on);
    let message_id = message.clone();
    story.append(if on { Body::Pin { message_id } } else { Body::Unpin { message_id } });
    Ok(story.done())
}
