//! What members with a role do to others and to the room.

use super::membership::depart;
use super::{Case, Decision};
use crate::clock::Timestamp;
use crate::id::{MessageId, Seq, UserId};
use crate::log::Body;
use crate::oversight::Act;
use crate::room::{Actor, Member, MemberAction, Rejection, Role, RoomKind, RoomUpdate, Standing};

pub(super) fn act(
    case: &Case<'_>,
    target: &UserId,
    what: &MemberAction,
) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    if room.kind == RoomKind::Direct {
        return Err(Rejection::DirectRoom);
    }
    if case.actor().id() == *target && !matches!(what, MemberAction::Role(_)) {
        return Err(Rejection::Yourself);
    }
    let mut member = case.view.member(target);
    let mut story = case.story(room.clone());
    let (target, subject) = (target.clone(), target.clone());
    match what {
        MemberAction::Invite => {
            // In a public room anyone may ask anyone; a private one is the moderators' to open.
            if room.kind == RoomKind::Private {
                require(case, Role::Moderator)?;
            }
            match member.standing {
                Standing::Joined | Standing::Invited => return Ok(case.unchanged(room)),
                Standing::Banned { until } if member.banned(case.now()) => {
                    return Err(Rejection::Banned { until });
                }
                _ if case.is_blocked_by(&target) => return Err(Rejection::Unwanted),
                _ => member.standing = Standing::Invited,
            }
            story.append(Body::Invite { target });
            story.put(member);
        }
        MemberAction::Kick { reason } => {
            outrank(case, &member)?;
            match member.standing {
                Standing::Joined | Standing::Invited => {}
                _ => return Err(Rejection::NoSuchMember),
            }
            story.append(Body::Kick { target, reason: reason.clone() });
            remove(case, &mut story, member, Standing::Kicked);
        }
        MemberAction::Ban { until, reason } => {
            outrank(case, &member)?;
            story.append(Body::Ban { target, until: *until, reason: reason.clone() });
            remove(case, &mut story, member, Standing::Banned { until: *until });
        }
        MemberAction::Unban => {
            require(case, Role::Moderator)?;
            if !matches!(member.standing, Standing::Banned { .. }) {
                return Ok(case.unchanged(room));
            }
            member.standing = Standing::Left;
            story.append(Body::Unban { target });
            story.put(member);
        }
        MemberAction::Mute { until, reason } => {
            outrank(case, &member)?;
            if !member.joined() {
                return Err(Rejection::NoSuchMember);
            }
            member.muted_until = Some(until.unwrap_or(Timestamp(i64::MAX)));
            story.append(Body::Mute { target, until: *until, reason: reason.clone() });
            story.put(member);
        }
        MemberAction::Unmute => {
            outrank(case, &member)?;
            if member.muted_until.take().is_none() {
                return Ok(case.unchanged(room));
            }
            story.append(Body::Unmute { target });
            story.put(member);
        }
        MemberAction::Role(role) => {
            require(case, Role::Owner)?;
            if !member.joined() {
                return Err(Rejection::NoSuchMember);
            }
            if member.role == *role {
                return Ok(case.unchanged(room));
            }
            if member.role == Role::Owner {
                if story.room.owners == 1 {
                    return Err(Rejection::LastOwner);
                }
                story.room.owners -= 1;
            }
            story.room.owners += u32::from(*role == Role::Owner);
            member.role = *role;
            story.append(Body::Role { target, role: *role });
            story.put(member);
        }
    }
    note(&mut story, subject, what);
    Ok(story.done())
}

/// Keeps what was done for those who look after it. That someone was asked in is nobody's complaint.
fn note(story: &mut super::Story<'_>, target: UserId, what: &MemberAction) {
    let (act, new_role, ends, why) = match what {
        MemberAction::Invite => return,
        MemberAction::Kick { reason } => (Act::Kick, None, None, reason.clone()),
        MemberAction::Ban { until, reason } => (Act::Ban, None, *until, reason.clone()),
        MemberAction::Unban => (Act::Unban, None, None, None),
        MemberAction::Mute { until, reason } => (Act::Mute, None, *until, reason.clone()),
        MemberAction::Unmute => (Act::Unmute, None, None, None),
        MemberAction::Role(role) => (Act::Role, Some(*role), None, None),
    };
    let record = story.note(act, target);
    (record.role, record.until, record.reason) = (new_role, ends, why);
}

fn remove(case: &Case<'_>, story: &mut super::Story<'_>, mut member: Member, to: Standing) {
    let was_in = member.joined();
    member.standing = to;
    if was_in { depart(case, story, member) } else { story.put(member) }
}

/// The role of the actor; the host's own is above all.
fn role(case: &Case<'_>) -> Option<Role> {
    match case.actor() {
        Actor::User(user) => Some(case.view.member(user).role),
        Actor::System => None,
    }
}

pub(super) fn require(case: &Case<'_>, needs: Role) -> Result<(), Rejection> {
    match role(case) {
        Some(role) if role < needs => Err(Rejection::RoleTooLow { needs }),
        _ => Ok(()),
    }
}

/// A moderator acts on members, an owner on members and moderators; nobody on an owner.
fn outrank(case: &Case<'_>, target: &Member) -> Result<(), Rejection> {
    require(case, Role::Moderator)?;
    let theirs = if target.joined() { target.role } else { Role::Member };
    match role(case) {
        Some(own) if own <= theirs => Err(Rejection::RoleTooLow { needs: Role::Owner }),
        _ => Ok(()),
    }
}

pub(super) fn update(case: &Case<'_>, update: &RoomUpdate) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    if room.kind == RoomKind::Direct {
        return Err(Rejection::DirectRoom);
    }
    require(case, Role::Owner)?;
    let mut story = case.story(room.clone());
    let changed = |new: &Option<String>, old: &Option<String>| match new {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text.clone()),
        None => old.clone(),
    };
    story.room.name = changed(&update.name, &room.name);
    story.room.topic = changed(&update.topic, &room.topic);
    match update.kind {
        Some(RoomKind::Direct) => return Err(Rejection::DirectRoom),
        Some(kind) => story.room.kind = kind,
        None => {}
    }
    story.room.slow_mode = update.slow_mode.unwrap_or(room.slow_mode);
    story.room.retention = update.retention.unwrap_or(room.retention);
    if story.room == *room {
        return Ok(case.unchanged(room));
    }
    story.append(Body::Room {
        name: story.room.name.clone(),
        topic: story.room.topic.clone(),
        visibility: story.room.kind,
        slow_mode: story.room.slow_mode,
        retention: story.room.retention,
    });
    Ok(story.done())
}

/// Raises the floor. Whatever stands below it, a sweep removes.
pub(super) fn expire(
    case: &Case<'_>,
    upto: Seq,
    edited: &[MessageId],
) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    if case.actor() != &Actor::System {
        return Err(Rejection::RoleTooLow { needs: Role::Owner });
    }
    let upto = upto.min(room.head_seq);
    if upto <= room.floor_seq {
        return Ok(case.unchanged(room));
    }
    let mut story = case.story(room.clone());
    story.room.floor_seq = upto;
    // At the head the count is known without looking.
    let n = if upto == room.head_seq { Some(&room.head_n) } else { case.view.n_at.get(&upto) };
    story.room.floor_n = room.floor_n.max(*n.unwrap_or(&0));
    story.append(Body::Expire { upto });
    let edited = edited.iter().map(|message| (room.id.clone(), message.clone()));
    story.changes.emptied.extend(edited);
    Ok(story.done())
}
