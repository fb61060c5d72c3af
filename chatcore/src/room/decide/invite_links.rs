//! Links by which people come into a room.

use super::membership::join;
use super::moderation::require;
use super::{Case, Decision, Outcome};
use crate::id::InviteLinkId;
use crate::log::Body;
use crate::room::view::banned;
use crate::room::{Actor, InviteHash, InviteLink, Rejection, Role, RoomKind};

pub(super) fn add(case: &Case<'_>, link: &InviteLink) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    if room.kind == RoomKind::Direct {
        return Err(Rejection::DirectRoom);
    }
    require(case, Role::Moderator)?;
    let (live, dead): (Vec<_>, Vec<_>) =
        case.view.invite_links.values().partition(|link| link.is_live(case.now()));
    if live.len() >= case.limits.invite_links as usize {
        let most = u64::from(case.limits.invite_links);
        return Err(Rejection::TooMany { what: "invite links of this room", most });
    }
    let mut story = case.story(room.clone());
    let links = &mut story.changes.invite_links;
    // What is over makes room, so that a room has never more than it may.
    links.extend(dead.into_iter().map(|link| ((room.id.clone(), link.id.clone()), None)));
    links.insert((room.id.clone(), link.id.clone()), Some(link.clone()));
    let (link, expires_at, uses) = (link.id.clone(), link.expires_at, link.uses);
    story.append(Body::Link { link, expires_at, uses });
    Ok(story.done())
}

pub(super) fn revoke(case: &Case<'_>, link: &InviteLinkId) -> Result<Decision, Rejection> {
    let room = case.joined()?;
    require(case, Role::Moderator)?;
    let known = case.view.invite_links.get(link).ok_or(Rejection::NoSuchInviteLink)?;
    let live = known.is_live(case.now());
    // One that is over is nothing to moderators, but the host may want it gone.
    if !live && *case.actor() != Actor::System {
        return Err(Rejection::NoSuchInviteLink);
    }
    let mut story = case.story(room.clone());
    story.changes.invite_links.insert((room.id.clone(), link.clone()), None);
    if live {
        story.append(Body::Unlink { link: link.clone() });
    }
    Ok(story.done())
}

/// Who has the code may come in; that they may not know of the room is no matter.
pub(super) fn enter(case: &Case<'_>, hash: &InviteHash) -> Result<Decision, Rejection> {
    let user = case.user()?;
    let room = case.view.room.as_ref().filter(|room| room.deleted_at.is_none());
    let room = room.ok_or(Rejection::NoSuchInvite)?;
    let link = case.view.invite_links.values().find(|link| link.hash == *hash);
    let link = link.ok_or(Rejection::NoSuchInvite)?;
    let member = case.view.member(user);
    if member.joined() {
        // Also for the last whom it let in, who asks again.
        let outcome = Outcome::Entered { head_seq: room.head_seq, created: false };
        return Ok(Decision { outcome, changes: Default::default() });
    }
    if !link.is_live(case.now()) {
        return Err(Rejection::NoSuchInvite);
    }
    if member.banned(case.now()) {
        return Err(banned(&member));
    }
    let mut story = case.story(room.clone());
    join(case, &mut story, user, Role::Member, Some(link.id.clone()))?;
    let used = InviteLink { used: link.used.saturating_add(1), ..link.clone() };
    story.changes.invite_links.insert((room.id.clone(), link.id.clone()), Some(used));
    let outcome = Outcome::Entered { head_seq: story.room.head_seq, created: false };
    Ok(story.end(outcome))
}
