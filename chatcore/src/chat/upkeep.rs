//! What is done now and then, in small bounded steps.

use std::panic::AssertUnwindSafe;
use std::sync::Weak;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Inner;
use crate::clock::Timestamp;
use crate::id::RoomId;

/// Between one round and the next.
const EVERY: Duration = Duration::from_secs(30);
/// Rows of the log that one step removes.
const ROWS: u32 = 500;
/// For how long reports and the audit are kept: a year.
const OVERSIGHT_MS: i64 = 365 * 86_400_000;
/// Steps of one round: a round must end, however much there is to do.
const STEPS: usize = 20;

/// Lets go of messages that are too old, and removes what nothing can reach any more: logs of deleted rooms, files that no message needs,
/// sessions and codes that have expired. Ends with the chat.
pub(super) async fn keep_up(chat: Weak<Inner>) {
    let mut expired = None;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(chat) = chat.upgrade() else { return };
        if AssertUnwindSafe(chat.round(&mut expired)).catch_unwind().await.is_err() {
            tracing::error!("upkeep panicked; trying again later");
        }
    }
}

impl Inner {
    async fn round(&self, expired: &mut Option<RoomId>) {
        if let Err(error) = self.expire_some(expired).await {
            tracing::warn!(%error, "letting go of old messages failed; trying again later");
        }
        for _ in 0..STEPS {
            match self.store.sweep(ROWS).await {
                Ok(removed) if removed < ROWS => break,
                // Whoever waits for the store goes first.
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(%error, "sweeping logs failed; trying again later");
                    break;
                }
            }
        }
        for _ in 0..STEPS {
            match self.attachments.sweep().await {
                Ok(swept) if !swept.more => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::warn!(%error, "sweeping files failed; trying again later");
                    break;
                }
            }
        }
        if let Err(error) = self.keep_day().await {
            tracing::warn!(%error, "counting messages failed; trying again later");
        }
        let before = Timestamp(self.clock.now().0.saturating_sub(OVERSIGHT_MS));
        if let Err(error) = self.store.sweep_oversight(before, ROWS).await {
            tracing::warn!(%error, "sweeping the audit failed; trying again later");
        }
        if let Err(error) = self.accounts.sweep().await {
            tracing::warn!(%error, "sweeping sessions failed; trying again later");
        }
    }
}
