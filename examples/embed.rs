//! Chat inside a program of one's own: no server, no accounts of the library's.
//!
//! ```sh
//! cargo run --example embed
//! ```
//!
//! The host has users, tokens and ids already. It lends them to the library with an
//! [`Authenticator`], and the library does rooms, logs and live delivery.

use std::sync::Arc;

use async_trait::async_trait;
use chatcore::Chat;
use chatcore::account::{AccountError, Authenticator, Identity};
use chatcore::id::UserId;
use chatcore::log::{Body, Cursor, Draft};
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;

/// The host's own way of knowing who calls: here, tokens of the form `token-of-<employee number>`.
#[derive(Debug)]
struct Payroll;

#[async_trait]
impl Authenticator for Payroll {
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError> {
        let number: u32 = token
            .strip_prefix("token-of-")
            .and_then(|number| number.parse().ok())
            .ok_or(AccountError::Unauthenticated)?;
        // The host's integer is the library's user id, as it is.
        let user = UserId::parse(&number.to_string()).map_err(|_| AccountError::Unauthenticated)?;
        Ok(Identity { user, session: None, expires_at: None })
    }
}

/// What the program does; the project's tests run it too.
async fn app() -> Result<Vec<String>, chatcore::Error> {
    let chat = Chat::builder(Arc::new(MemoryStore::new()))
        .authenticator(Arc::new(Payroll))
        .build()
        .await?;

    let ann = chat.authenticate("token-of-4711").await?.user;
    let ben = chat.authenticate("token-of-4712").await?.user;

    let room = chat.as_user(&ann).create_room(NewRoom::public("canteen")).await?.room;
    chat.as_user(&ben).enter(&room).await?;

    // From the first entry on: replay, then live, with nothing left out in between.
    let mut live = chat.as_user(&ben).subscribe(&room, Cursor::start()).await?;

    let lunch = Draft::text("Lunch at noon?").once("lunch-2026-11-21")?;
    chat.as_user(&ann).send(&room, lunch.clone()).await?;
    // A retry, as after a lost answer: the same name, so it takes effect once.
    assert!(chat.as_user(&ann).send(&room, lunch).await?.duplicate);
    chat.as_system().send(&room, Draft::text("The oven is broken.")).await?;

    let mut seen = Vec::new();
    while seen.len() < 5 {
        let Some(entry) = live.next().await? else { break };
        let what = match &entry.body {
            Body::Message { text, .. } => text.clone(),
            other => format!("({})", other.kind().as_str()),
        };
        seen.push(format!("{:>2} {:<8} {what}", entry.seq, entry.user));
    }
    chat.shutdown().await;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), chatcore::Error> {
    for line in app().await? {
        println!("{line}");
    }
    Ok(())
}

#[tokio::test]
async fn the_host_s_users_chat_without_a_server() {
    let seen = app().await.expect("the program runs");
    assert_eq!(seen.len(), 5);
    assert!(seen[3].ends_with("Lunch at noon?"));
    assert!(seen[4].contains("~system"));
}
