//! Keeping the index of messages up to date, after commits and out of their way.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::Inner;

/// How long news gather before they are filed: a search that comes sooner files them itself.
const GATHER: Duration = Duration::from_millis(100);
/// Entries of one step.
const STEP: u32 = 512;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// While others write, a step is followed by a rest of so many times its length.
const REST: u32 = 3;

/// Files what was committed, whenever `news` come, and what an earlier run has left. Ends with the
/// chat.
pub(super) async fn keep_filed(chat: Weak<Inner>, news: Arc<Notify>) {
    loop {
        let mut rest = Duration::ZERO;
        loop {
            sleep(rest).await;
            let Some(chat) = chat.upgrade() else { return };
            let begun = Instant::now();
            let store = Arc::clone(&chat.store);
            drop(chat);
            match AssertUnwindSafe(store.file(STEP)).catch_unwind().await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => {
                    let busy = news.notified().now_or_never().is_some();
                    rest = if busy { GATHER.max(begun.elapsed() * REST) } else { Duration::ZERO };
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "filing messages failed; trying again later");
                    rest = PAUSE;
                }
                Err(_panic) => {
                    tracing::error!("filing messages panicked; trying again later");
                    rest = PAUSE;
                }
            }
        }
        news.notified().await;
        sleep(GATHER).await;
    }
}
