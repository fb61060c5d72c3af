//! Who does not want to hear of whom.

use super::{Case, Decision};
use crate::id::{Seq, UserId};
use crate::room::{Rejection, Room, RoomKind};

pub(super) fn block(case: &Case<'_>, target: &UserId, on: bool) -> Result<Decision, Rejection> {
    let user = case.user()?;
    if user == target {
        return Err(Rejection::Yourself);
    }
    let blocks = &case.views.blocks;
    let pair = (user.clone(), target.clone());
    let room = case.view.room.clone().unwrap_or_else(|| unopened(case));
    if blocks.pairs.contains(&pair) == on {
        return Ok(case.unchanged(&room));
    }
    let most = case.limits.blocks;
    if on && blocks.counts.get(user).is_some_and(|count| *count >= most) {
        return Err(Rejection::TooMany { what: "blocked people", most: most.into() });
    }
    let mut member = case.view.member(target);
    member.barred = on;
    let mut story = case.story(room);
    story.put(member);
    story.changes.blocks.insert(pair, on);
    Ok(story.done())
}

/// The direct room of two who have not opened it: as if it had been, and had come to its end. Under its
/// lock the one blocks and the other opens, so that neither can overtake the other.
fn unopened(case: &Case<'_>) -> Room {
    Room {
        id: case.command.room.clone(),
        kind: RoomKind::Direct,
        name: None,
        topic: None,
        created_at: case.now(),
        created_by: case.actor().id(),
        keep: false,
        head_seq: Seq::START,
        head_n: 0,
        floor_seq: Seq::START,
        floor_n: 0,
        members: 0,
        owners: 0,
        pins: 0,
        slow_mode: 0,
        retention: 0,
        deleted_at: Some(case.now()),
    }
}
