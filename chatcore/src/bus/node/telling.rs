//! What this node tells others.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{LARGEST, Node, count, guarded};
use crate::bus::Topic;
use crate::bus::hint::Hint;
use crate::hub::{Live, MARKS_AUDIENCE, Said, Signal, is_move, shard};
use crate::id::{RoomId, SessionId, UserId};
use crate::log::Entry;
use crate::room::Marks;

/// About how many bytes of entries one hint carries.
const ENTRIES_BYTES: usize = 64 * 1024;

impl Node {
    /// Tells of entries that were committed here, in order; those of a room may come in several pieces.
    pub(crate) fn entries(&self, entries: &[Entry]) {
        for run in entries.chunk_by(|a, b| a.room == b.room) {
            let [.., last] = run else { continue };
            let (room, last) = (last.room.clone(), last.seq);
            let length = run.iter().map(Live::weight).sum::<usize>();
            let entries = if length <= ENTRIES_BYTES { run.to_vec() } else { Vec::new() };
            let hint = Hint::Entries { room: room.clone(), last, entries };
            self.say(Topic::Room(room.clone()), hint);
            for user in run.iter().filter_map(is_move) {
                let (room, topic) = (room.clone(), Topic::People(shard(&user)));
                self.say(topic, Hint::Membership { room, user });
            }
        }
    }

    /// Tells that a room has come to its end.
    pub(crate) fn deleted(&self, room: &RoomId) {
        self.say(Topic::Room(room.clone()), Hint::Deleted { room: room.clone() });
    }

    /// Tells how far a member is: their own devices, and the others in a small room.
    pub(crate) fn marked(&self, room: &RoomId, user: &UserId, marks: Marks) {
        let hint = Hint::Mark { room: room.clone(), user: user.clone(), marks };
        if self.parts.hub.audience(room) <= MARKS_AUDIENCE {
            self.say(Topic::Room(room.clone()), hint.clone());
        }
        self.say(Topic::People(shard(user)), hint);
    }

    /// Tells that someone blocks another, or does so no more: to their own devices, and where the other
    /// one listens to the room of the two.
    pub(crate) fn blocked(&self, user: &UserId, other: &UserId, on: bool) {
        let room = RoomId::direct(user, other);
        let (user, other) = (user.clone(), other.clone());
        let (rooms, people) = (Topic::Room(room.clone()), Topic::People(shard(&user)));
        let hint = Hint::Block { room, user, other, on };
        self.say(rooms, hint.clone());
        self.say(people, hint);
    }

    /// Tells what a member wants to be told of, to their own devices.
    pub(crate) fn notify_set(&self, room: &RoomId, user: &UserId) {
        let (room, topic) = (room.clone(), Topic::People(shard(user)));
        self.say(topic, Hint::Notify { room, user: user.clone() });
    }

    /// Passes a signal on.
    pub(crate) fn signal(&self, signal: Signal) {
        self.say(Topic::Room(signal.room.clone()), Hint::Signal(signal));
    }

    /// Tells that a session has ended.
    pub(crate) fn ended(&self, user: &UserId, session: &SessionId) {
        let (user, session) = (user.clone(), session.clone());
        self.say(Topic::Sessions, Hint::Ended { user, session });
    }

    /// Tells who is in a room here: those who listen elsewhere are to see them.
    pub(super) fn tell_presence(&self, room: &RoomId) {
        let hub = &self.parts.hub;
        let (users, online) = (hub.present_here(room), hub.online_here(room));
        let said = Said { users, online, audience: hub.audience(room) };
        let hint = Hint::Present { room: room.clone(), said };
        self.say(Topic::Room(room.clone()), hint);
    }

    /// Hands a hint in, to be told when it is its turn.
    pub(super) fn say(&self, topic: Topic, hint: Hint) {
        if self.out.try_send((topic, hint)).is_err() {
            count(&self.counts.unsaid);
        }
    }

    /// Has [`tell_all`](Self::tell_all) end with what waits now.
    pub(super) fn say_no_more(&self) {
        // Closing is for the other end; this is the sign for it. A full queue ends by the time limit.
        let room = RoomId::lobby();
        let _ = self.out.try_send((Topic::Sessions, Hint::WhoIsThere { room }));
    }

    /// Tells what is handed in, one after another.
    pub(super) async fn tell_all(self: Arc<Self>, mut hints: mpsc::Receiver<(Topic, Hint)>) {
        while let Some((topic, hint)) = hints.recv().await {
            if matches!((&topic, &hint), (Topic::Sessions, Hint::WhoIsThere { .. })) {
                return;
            }
            let node = &self;
            guarded("telling other nodes", async move { node.tell(&topic, &hint).await }).await;
        }
    }

    async fn tell(&self, topic: &Topic, hint: &Hint) {
        let most = self.parts.bus.largest().min(LARGEST);
        let Some(bytes): Option<Bytes> = hint.encode(&self.me, most) else {
            return count(&self.counts.unsaid);
        };
        match self.parts.bus.tell(topic, bytes).await {
            Ok(()) => count(&self.counts.told),
            Err(_) => count(&self.counts.unsaid),
        }
    }
}
