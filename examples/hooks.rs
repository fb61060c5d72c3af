//! What a host puts before and after messages: words that it does not let pass, and an audit.
//!
//! ```sh
//! cargo run --example hooks
//! ```
//!
//! [`Words`] runs before anything is decided, and may change it or refuse it. [`Audit`] is told of what is
//! durable: at least once, in order, also after a crash, so that what it writes down is complete. To
//! be told over HTTP instead, see `chatcore::hook::webhook`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::hook::{
    AfterCommit, Asked, Asking, Before, BeforeOptions, Committed, HookFault, OnFailure, Refusal,
};
use chatcore::id::UserId;
use chatcore::log::{Body, Draft};
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;

/// Softens one word, and refuses another.
#[derive(Debug)]
struct Words;

#[async_trait]
impl Before for Words {
    async fn before(&self, Asked { what, .. }: Asked) -> Result<Asking, Refusal> {
        match what {
            Asking::Send(draft) if draft.text.contains("lottery") => {
                Err(Refusal::because("no advertising here"))
            }
            Asking::Send(draft) => {
                Ok(Asking::Send(Draft { text: draft.text.replace("damn", "d***"), ..draft }))
            }
            other => Ok(other),
        }
    }
}

/// Writes down what happened, each entry once: what comes again has a place that is there already.
#[derive(Debug, Default)]
struct Audit(Mutex<Vec<(u64, String)>>);

#[async_trait]
impl AfterCommit for Audit {
    async fn committed(&self, batch: &Committed) -> Result<(), HookFault> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in &batch.entries {
            if lines.iter().any(|(seq, _)| *seq == entry.seq.0) {
                continue;
            }
            let what = match &entry.body {
                Body::Message { text, .. } => format!("says {text:?}"),
                other => other.kind().as_str().to_owned(),
            };
            lines.push((entry.seq.0, format!("{:>2} {} {what}", entry.seq.0, entry.user)));
        }
        Ok(())
    }
}

/// What the program does; the project's tests run it too.
async fn app() -> Result<Vec<String>, chatcore::Error> {
    let audit = Arc::new(Audit::default());
    let chat = Chat::builder(Arc::new(MemoryStore::new()))
        // Should it fail, nothing passes unseen.
        .before(Arc::new(Words), BeforeOptions::new(OnFailure::Closed))
        .after_commit("audit", Arc::clone(&audit) as _)
        .build()
        .await?;
    // A hook is told of what is committed after its name is known to the store.
    tokio::time::sleep(Duration::from_millis(300)).await;

    let ann = chat.as_user(&UserId::parse("ann")?);
    let room = ann.create_room(NewRoom::public("general")).await?.room;
    ann.send(&room, Draft::text("Where is that damn key?")).await?;
    let refused = ann.send(&room, Draft::text("Win the lottery!")).await;
    let last = ann.send(&room, Draft::text("Found it.")).await?;

    let lines = loop {
        let lines = audit.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if lines.iter().any(|(seq, _)| *seq >= last.seq.0) {
            break lines;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    chat.shutdown().await;
    let mut lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    lines.extend(refused.err().map(|error| format!("ann was told: {error}")));
    Ok(lines)
}

#[tokio::main]
async fn main() -> Result<(), chatcore::Error> {
    for line in app().await? {
        println!("{line}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_program_does_what_it_says() {
        let lines = super::app().await.expect("it runs");
        let expected = [
            " 1 ann room",
            " 2 ann enter",
            " 3 ann says \"Where is that d*** key?\"",
            " 4 ann says \"Found it.\"",
            "ann was told: no advertising here",
        ];
        assert_eq!(lines, expected);
    }
}
