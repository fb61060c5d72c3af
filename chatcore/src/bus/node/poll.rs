//! Asking the store what hints may not have brought: so often that promises hold with the bus dead.
//!
//! Someone who was put out on another node is out here within two seconds. What that takes, at most:
//! a session that was found alive is believed for a second by default
//! ([`session_recheck`](crate::account::AccountSettings::session_recheck)), so that one which has ended
//! elsewhere may still come in for that long; then one round of these passes; then the store answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Node, about, guarded};
use crate::store::StoreError;

/// Between one look and the next, up to a tenth more or less.
const EVERY: Duration = Duration::from_millis(700);

/// Rooms, or sessions, that are asked about at once.
const AT_ONCE: usize = 500;

impl Node {
    /// Looks for entries that are not known here, for ever.
    pub(super) async fn watch_rooms(self: Arc<Self>) {
        let mut ticks = interval(about(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looking = async {
                self.forget_idle();
                self.mind_others();
                if let Err(error) = self.look_at_rooms().await {
                    self.failed(&error);
                }
            };
            guarded("looking for what other nodes wrote", looking).await;
        }
    }

    async fn look_at_rooms(self: &Arc<Self>) -> Result<(), StoreError> {
        let hub = &self.parts.hub;
        let rooms: Vec<_> = hub.known().into_iter().map(|(room, _)| room).collect();
        for some in rooms.chunks(AT_ONCE) {
            for head in self.parts.store.heads(some).await? {
                let behind = hub.upto(&head.room).is_some_and(|upto| upto < head.head_seq);
                if behind || (head.deleted && hub.has_readers(&head.room)) {
                    self.catch_up(head.room);
                }
            }
        }
        Ok(())
    }

    /// Looks for sessions that have ended elsewhere, for ever. Those of a host's own authenticator are
    /// not in the store, and nothing is said of them here.
    pub(super) async fn watch_sessions(self: Arc<Self>) {
        if !self.parts.own_sessions {
            return;
        }
        let mut ticks = interval(about(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looking = async {
                if let Err(error) = self.look_at_sessions().await {
                    self.failed(&error);
                }
            };
            guarded("looking for sessions that ended", looking).await;
        }
    }

    async fn look_at_sessions(&self) -> Result<(), StoreError> {
        for some in self.parts.hub.sessions().chunks(AT_ONCE) {
            let ids: Vec<_> = some.iter().map(|(session, _)| session.clone()).collect();
            let mut live = self.parts.store.live_sessions(&ids).await?;
            live.sort_unstable();
            for (session, user) in some.iter().filter(|(id, _)| live.binary_search(id).is_err()) {
                self.parts.accounts.ended_elsewhere(session);
                self.parts.hub.revoke(user, session);
            }
        }
        Ok(())
    }
}
