//! Several chats in one process: a chat for each customer, on a database file of its own. What belongs to
//! one cannot be reached through another, since no call names a customer.
//!
//! ```sh
//! cargo run --example tenants
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chatcore::error::Invalid;
use chatcore::id::UserId;
use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::RoomFilter;
use chatcore::{Chat, Error};
use tokio::sync::Mutex;

/// The chats of all customers, opened when they are first asked for.
#[derive(Debug)]
struct Tenants {
    folder: PathBuf,
    open: Mutex<HashMap<String, Chat>>,
}

impl Tenants {
    fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), open: Mutex::default() }
    }

    /// The chat of `tenant`, whose name becomes that of a file.
    async fn chat(&self, tenant: &str) -> Result<Chat, Error> {
        if tenant.is_empty() || !tenant.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Invalid::new("tenant", "a tenant is named by letters and digits").into());
        }
        let mut open = self.open.lock().await;
        if let Some(chat) = open.get(tenant) {
            return Ok(chat.clone());
        }
        let file = self.folder.join(format!("{tenant}.db"));
        let chat = Chat::open(&format!("sqlite:{}", file.display())).await?;
        open.insert(tenant.to_owned(), chat.clone());
        Ok(chat)
    }

    async fn shutdown(&self) {
        for (_, chat) in self.open.lock().await.drain() {
            chat.shutdown().await;
        }
    }
}

/// What the program does; the project's tests run it too.
async fn app(folder: &Path) -> Result<Vec<String>, Error> {
    let tenants = Tenants::new(folder);
    // The same id is someone else in each.
    let ann = UserId::parse("ann")?;
    let mut seen = Vec::new();
    let mut theirs = Vec::new();
    for tenant in ["acme", "umbrella"] {
        let chat = tenants.chat(tenant).await?;
        let room = chat.as_user(&ann).create_room(NewRoom::private("board")).await?.room;
        chat.as_user(&ann).send(&room, Draft::text(format!("of {tenant} alone"))).await?;
        theirs.push(room);
    }
    for tenant in ["acme", "umbrella"] {
        let chat = tenants.chat(tenant).await?;
        let rooms = chat.as_user(&ann).rooms(RoomFilter::Joined, None, 10).await?;
        let reached = rooms.iter().filter(|room| theirs.contains(&room.room)).count();
        seen.push(format!("{tenant}: {} room, {reached} of {}", rooms.len(), theirs.len()));
    }
    let other = tenants.chat("umbrella").await?.as_user(&ann).room(&theirs[0]).await;
    seen.push(format!(
        "umbrella asks for acme's: {}",
        other.map_or_else(|e| e.to_string(), |_| "?".into())
    ));
    tenants.shutdown().await;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for line in app(folder.path()).await? {
        println!("{line}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_reaches_what_is_another_tenants() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = app(folder.path()).await.expect("the program runs");
    assert_eq!(seen[..2], ["acme: 1 room, 1 of 2", "umbrella: 1 room, 1 of 2"]);
    assert!(seen[2].contains("no such room"), "{}", seen[2]);
    let tenants = Tenants::new(folder.path());
    assert!(tenants.chat("../acme").await.is_err());
}
