//! Which topics are followed: those that concern someone who is connected here, or was a moment ago.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Node, about, guarded, lock};
use crate::bus::Topic;
use crate::bus::hint::Hint;

/// How long a topic is followed that nobody needs: people come back, and pages are reloaded.
const LINGER: Duration = Duration::from_secs(10);

/// How long to wait before a topic is followed anew on a bus that gave up on it.
const AGAIN: Duration = Duration::from_secs(1);

/// A topic that is followed, as long as this is held.
#[derive(Debug)]
pub(super) struct Interest {
    following: AbortHandle,
    /// Since when nobody needs it.
    idle: Option<Instant>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Node {
    /// Whether someone needs a topic may have changed.
    pub(super) fn changed(self: &Arc<Self>, topic: Topic) {
        let needed = self.is_needed(&topic);
        let mut interests = lock(&self.interests);
        match interests.get_mut(&topic) {
            Some(interest) if needed => {
                let back = interest.idle.take().is_some();
                drop(interests);
                if let (true, Topic::Room(room)) = (back, topic) {
                    self.arrived(&room);
                }
            }
            Some(interest) => {
                interest.idle.get_or_insert_with(Instant::now);
            }
            None if needed => {
                drop(interests);
                self.follow(topic);
            }
            None => {}
        }
    }

    fn is_needed(&self, topic: &Topic) -> bool {
        match topic {
            Topic::Room(room) => self.parts.hub.audience(room) > 0,
            Topic::People(part) => self.parts.calls.has_people(*part),
            Topic::Sessions => true,
        }
    }

    /// Follows a topic until nobody has needed it for a while.
    pub(super) fn follow(self: &Arc<Self>, topic: Topic) {
        let following = tokio::spawn(Arc::clone(self).listen(topic.clone())).abort_handle();
        lock(&self.interests).insert(topic, Interest { following, idle: None });
    }

    /// Lets go of what nobody has needed for a while.
    pub(super) fn forget_idle(&self) {
        lock(&self.interests).retain(|topic, interest| match interest.idle {
            Some(since) if since.elapsed() >= LINGER => {
                // Whoever came in this very moment has asked, or is about to.
                let needed = self.is_needed(topic);
                if needed {
                    interest.idle = None;
                }
                needed
            }
            _ => true,
        });
    }

    async fn listen(self: Arc<Self>, topic: Topic) {
        loop {
            if let Ok(mut hints) = self.parts.bus.follow(&topic).await {
                if let Topic::Room(room) = &topic {
                    self.arrived(room);
                }
                while let Some(hint) = hints.next().await {
                    guarded("hearing another node", self.hear(&topic, &hint)).await;
                }
            }
            tokio::time::sleep(about(AGAIN)).await;
        }
    }

    /// What was said before a room was followed is in its log, and who is there has to be asked.
    fn arrived(&self, room: &crate::id::RoomId) {
        self.parts.calls.is_behind(room);
        self.say(Topic::Room(room.clone()), Hint::WhoIsThere { room: room.clone() });
        self.parts.calls.presence_changed(room);
    }
}
