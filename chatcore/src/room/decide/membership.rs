//! Making, entering, leaving, and how far members are.

use super::{Case, Decision, Outcome, Story};
use crate::id::{InviteLinkId, RoomId, Seq, UserId};
use crate::log::Body;
use crate::room::view::banned;
use crate::room::{
    Access, Actor, Member, NewRoom, NotifySetting, Rejection, Role, Room, RoomKind, Standing,
};

pub(super) fn create(case: &Case<'_>, new: &NewRoom) -> Result<Decision, Rejection> {
    let barred = new.kind == RoomKind::Direct && case.view.member(&case.actor().id()).barred;
    if barred || new.members.iter().any(|user| case.is_blocked_by(user)) {
        return Err(Rejection::Unwanted);
    }
    if let Some(room) = &case.view.room
        && room.deleted_at.is_none()
    {
        return if is_of_pair(case, room, new) { reopen(case, room, new) } else { enter(case) };
    }
    let mut story = case.story(Room {
        id: case.command.room.clone(),
        kind: new.kind,
        name: new.name.clone().filter(|s| !s.is_empty()),
        topic: new.topic.clone().filter(|s| !s.is_empty()),
        created_at: case.now(),
        created_by: case.actor().id(),
        keep: new.keep,
        head_seq: case.view.room.as_ref().map_or(Seq::START, |r| r.head_seq),
        head_n: case.view.room.as_ref().map_or(0, |r| r.head_n),
        floor_seq: case.view.room.as_ref().map_or(Seq::START, |r| r.head_seq),
        floor_n: case.view.room.as_ref().map_or(0, |r| r.head_n),
        members: 0,
        owners: 0,
        pins: 0,
        slow_mode: 0,
        retention: 0,
        deleted_at: None,
    });
    story.append(Body::Room {
        name: story.room.name.clone(),
        topic: story.room.topic.clone(),
        visibility: story.room.kind,
        slow_mode: 0,
        retention: 0,
    });
    if let Actor::User(user) = case.actor() {
        join(case, &mut story, user, Role::Owner, None)?;
    }
    for user in &new.members {
        if story.author == *user {
            return Err(Rejection::Yourself);
        }
        if new.kind == RoomKind::Direct {
            join(case, &mut story, user, Role::Owner, None)?;
        } else if !story.changes.members.contains_key(&(story.id(), user.clone())) {
            story.append(Body::Invite { target: user.clone() });
            let mut member = case.view.member(user);
            member.standing = Standing::Invited;
            story.put(member);
        }
    }
    let outcome = Outcome::Entered { head_seq: story.room.head_seq, created: true };
    Ok(story.end(outcome))
}

/// Whether `room` is the direct one of the actor and whom they name.
fn is_of_pair(case: &Case<'_>, room: &Room, new: &NewRoom) -> bool {
    match (case.actor(), &new.members[..]) {
        (Actor::User(user), [other]) => {
            room.kind == RoomKind::Direct && room.id == RoomId::direct(user, other)
        }
        _ => false,
    }
}

/// Brings both back into a direct room that either has left.
fn reopen(case: &Case<'_>, room: &Room, new: &NewRoom) -> Result<Decision, Rejection> {
    let mut story = case.story(room.clone());
    for user in std::iter::once(case.user()?).chain(&new.members) {
        if !case.view.member(user).joined() {
            join(case, &mut story, user, Role::Owner, None)?;
        }
    }
    let outcome = Outcome::Entered { head_seq: story.room.head_seq, created: false };
    Ok(story.end(outcome))
}

pub(super) fn enter(case: &Case<'_>) -> Result<Decision, Rejection> {
    let (room, access) = case.view.access(case.actor(), case.now())?;
    let stay = Outcome::Entered { head_seq: room.head_seq, created: false };
    let Actor::User(user) = case.actor() else {
        return Ok(Decision { outcome: stay, changes: Default::default() });
    };
    if access == Access::Joined {
        return Ok(Decision { outcome: stay, changes: Default::default() });
    }
    let member = case.view.member(user);
    if member.banned(case.now()) {
        return Err(banned(&member));
    }
    let mut story = case.story(room.clone());
    // A kept room belongs to the host; any other has an owner as long as it has members.
    let role = if room.members == 0 && !room.keep { Role::Owner } else { Role::Member };
    join(case, &mut story, user, role, None)?;
    let outcome = Outcome::Entered { head_seq: story.room.head_seq, created: false };
    Ok(story.end(outcome))
}

/// Brings `user` in, by a link where they came by one.
pub(super) fn join(
    case: &Case<'_>,
    story: &mut Story<'_>,
    user: &UserId,
    role: Role,
    link: Option<InviteLinkId>,
) -> Result<(), Rejection> {
    if story.room.members >= case.limits.members {
        let most = u64::from(case.limits.members);
        return Err(Rejection::TooMany { what: "members of this room", most });
    }
    if case.views.joined_counts.get(user).is_some_and(|rooms| *rooms >= case.limits.rooms) {
        let most = u64::from(case.limits.rooms);
        return Err(Rejection::TooMany { what: "rooms that one is in", most });
    }
    let seq = story.append_as(user.clone(), Body::Enter { link }, None);
    let mut member = case.view.member(user);
    member.standing = Standing::Joined;
    member.role = role;
    member.entered_seq = seq;
    // What was said before one came is not unread.
    member.marks.read_seq = member.marks.read_seq.max(seq);
    member.marks.read_n = member.marks.read_n.max(story.room.head_n);
    member.marks.delivered_seq = member.marks.delivered_seq.max(seq);
    member.mentions.clear();
    story.room.members += 1;
    story.room.owners += u32::from(role == Role::Owner);
    story.count_rooms(user, 1);
    story.put(member);
    Ok(())
}

pub(super) fn leave(case: &Case<'_>) -> Result<Decision, Rejection> {
    let user = case.user()?;
    let (room, _) = case.view.access(case.actor(), case.now())?;
    let mut member = case.view.member(user);
    match member.standing {
        Standing::Joined => {}
        // Turning an invitation down makes no noise in the room.
        Standing::Invited => {
            let mut story = case.story(room.clone());
            member.standing = Standing::Left;
            story.put(member);
            return Ok(story.end(Outcome::Left { deleted: false }));
        }
        _ => return Err(Rejection::NotJoined),
    }
    let mut story = case.story(room.clone());
    story.append(Body::Leave {});
    member.standing = Standing::Left;
    depart(case, &mut story, member);
    let deleted = story.room.deleted_at.is_some();
    Ok(story.end(Outcome::Left { deleted }))
}

/// Takes a member out of the room's counts; finds the room a new owner, or ends it.
pub(super) fn depart(case: &Case<'_>, story: &mut Story<'_>, mut member: Member) {
    story.room.members -= 1;
    story.room.owners -= u32::from(member.role == Role::Owner);
    member.role = Role::Member;
    member.mentions.clear();
    story.count_rooms(&member.user, -1);
    let gone = member.user.clone();
    story.put(member);
    if story.room.members == 0 {
        if !story.room.keep {
            story.room.deleted_at = Some(case.now());
        }
    } else if story.room.owners == 0 && !story.room.keep {
        promote_successor(case, story, &gone);
    }
}

/// The highest role, then the longest in, becomes owner.
fn promote_successor(case: &Case<'_>, story: &mut Story<'_>, gone: &UserId) {
    let heir = case
        .view
        .members
        .values()
        .filter(|m| m.joined() && m.user != *gone)
        .max_by_key(|m| (m.role, std::cmp::Reverse(m.entered_seq)))
        .cloned();
    if let Some(mut heir) = heir {
        let body = Body::Role { target: heir.user.clone(), role: Role::Owner };
        story.append_as(UserId::system(), body, None);
        heir.role = Role::Owner;
        story.room.owners += 1;
        story.put(heir);
    }
}

pub(super) fn mark(
    case: &Case<'_>,
    read: Option<Seq>,
    delivered: Option<Seq>,
) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    let mut member = case.view.member(case.user()?);
    if read.max(delivered).is_some_and(|seq| seq > room.head_seq) {
        return Err(Rejection::BeyondHead);
    }
    let before = member.marks;
    let marks = &mut member.marks;
    if let Some(seq) = read
        && seq > marks.read_seq
    {
        marks.read_seq = seq;
        // At the head the count is known without looking.
        let n = if seq == room.head_seq {
            room.head_n
        } else {
            *case.view.n_at.get(&seq).unwrap_or(&0)
        };
        marks.read_n = marks.read_n.max(n);
    }
    marks.delivered_seq =
        marks.delivered_seq.max(delivered.unwrap_or_default()).max(marks.read_seq);
    if *marks == before {
        return Ok(case.unchanged(room));
    }
    member.settle_mentions();
    let mut story = case.story(room.clone());
    story.put(member);
    Ok(story.done())
}

pub(super) fn notify(case: &Case<'_>, notify: NotifySetting) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    let mut member = case.view.member(case.user()?);
    if member.notify == notify {
        return Ok(case.unchanged(room));
    }
    member.notify = notify;
    let mut story = case.story(room.clone());
    story.changes.notify.insert((room.id.clone(), member.user.clone()), notify);
    story.put(member);
    Ok(story.done())
}
