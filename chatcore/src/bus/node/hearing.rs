//! What is made of what other nodes say.

use std::sync::Arc;

use super::{Node, count};
use crate::bus::Topic;
use crate::bus::hint::Hint;
use crate::hub::{Notice, shard};
use crate::id::{RoomId, Seq, UserId};
use crate::log::Entry;
use crate::room::Member;

impl Node {
    pub(super) async fn hear(self: &Arc<Self>, topic: &Topic, bytes: &[u8]) {
        let Some((from, hint)) = Hint::decode(bytes) else {
            return count(&self.counts.unreadable);
        };
        if from.node == self.me.node {
            return;
        }
        let Some(hint) = hint.filter(|hint| from.epoch == self.me.epoch && belongs(hint, topic))
        else {
            return count(&self.counts.unreadable);
        };
        count(&self.counts.heard);
        self.heard_of(&from.node);
        let hub = &self.parts.hub;
        match hint {
            Hint::Entries { room, last, entries } => self.entries_came(&room, last, entries).await,
            // Whether that is so, and where it ended, is in the store.
            Hint::Deleted { room } => self.catch_up(room),
            Hint::Signal(signal) => hub.signal(&signal),
            Hint::Mark { room, user, marks } => match topic {
                Topic::Room(_) => hub.marked_here(&room, &user, marks),
                _ => hub.notify(&user, &Notice::Mark { room, user: user.clone(), marks }),
            },
            Hint::Membership { room, user } => self.moved(&room, &user).await,
            Hint::Notify { room, user } => self.set_elsewhere(&room, &user).await,
            Hint::Block { room, user, other, on } => match topic {
                Topic::Room(_) => hub.bar(&room, &other, on),
                _ => hub.notify(&user, &Notice::Block { user: other, on }),
            },
            Hint::Ended { user, session } => {
                self.parts.accounts.ended_elsewhere(&session);
                hub.revoke(&user, &session);
            }
            Hint::Present { room, said } => hub.present_elsewhere(&room, &from.node, said),
            // That was noted before.
            Hint::Alive => {}
            Hint::WhoIsThere { room } => {
                if hub.audience(&room) > 0 {
                    self.tell_presence(&room);
                }
            }
        }
    }

    async fn entries_came(self: &Arc<Self>, room: &RoomId, last: Seq, entries: Vec<Entry>) {
        let Some(upto) = self.parts.hub.upto(room) else {
            // Nobody was let in yet: they find it in the log.
            return self.parts.hub.missed(room);
        };
        if last <= upto {
            return;
        }
        let follows = entries.first().is_some_and(|first| first.seq <= upto.next());
        if !follows || !self.take(room, entries).await.unwrap_or(false) {
            self.catch_up(room.clone());
        }
    }

    /// How someone stands to a room has changed. Where the room is listened to its log tells of it;
    /// elsewhere their devices are told how it is now, whatever overtook the hint.
    async fn moved(&self, room: &RoomId, user: &UserId) {
        let hub = &self.parts.hub;
        if !hub.is_connected(user) || hub.upto(room).is_some() {
            return;
        }
        if let Some(member) = self.member(room, user).await {
            let state = member.standing.into();
            hub.notify(user, &Notice::Membership { room: room.clone(), state });
        }
    }

    /// What someone wants to be told of has changed: their devices are told what it is now, whatever
    /// overtook the hint.
    async fn set_elsewhere(&self, room: &RoomId, user: &UserId) {
        if !self.parts.hub.is_connected(user) {
            return;
        }
        if let Some(Member { notify, .. }) = self.member(room, user).await {
            self.parts.hub.notify(user, &Notice::Notify { room: room.clone(), notify });
        }
    }

    async fn member(&self, room: &RoomId, user: &UserId) -> Option<Member> {
        match self.parts.store.room(room, Some(user)).await {
            Ok(found) => found.and_then(|(_, member)| member),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }
}

/// Whether a hint is about what its topic is about.
fn belongs(hint: &Hint, topic: &Topic) -> bool {
    match (hint, topic) {
        (
            Hint::Entries { room, .. }
            | Hint::Deleted { room }
            | Hint::Mark { room, .. }
            | Hint::Block { room, .. }
            | Hint::Present { room, .. }
            | Hint::WhoIsThere { room },
            Topic::Room(of),
        ) => room == of,
        (Hint::Signal(signal), Topic::Room(of)) => signal.room == *of,
        (
            Hint::Mark { user, .. }
            | Hint::Membership { user, .. }
            | Hint::Block { user, .. }
            | Hint::Notify { user, .. },
            Topic::People(part),
        ) => shard(user) == *part,
        (Hint::Ended { .. } | Hint::Alive, Topic::Sessions) => true,
        _ => false,
    }
}
