//! A login of one's own: the sessions of the host's site open the chat, its people are shown and mentioned by
//! their names there, and who logs out there is out of the chat.
//!
//! ```sh
//! cargo run --example own_login
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chatcore::account::{AccountError, Authenticator, Directory, Identity, Profile};
use chatcore::id::{SessionId, UserId};
use chatcore::log::Draft;
use chatcore::room::NewRoom;
use chatcore::store::{StoreError, memory::MemoryStore};
use chatcore::{Chat, Error};

/// The site's people, by its own numbers; its own database, in truth.
const PEOPLE: [(u32, &str); 2] = [(4711, "ann"), (4712, "ben")];

/// Who is logged in on the site: cookie, number of the session, number of the person.
#[derive(Debug, Default)]
struct Site(Mutex<HashMap<String, (u32, u32)>>);

impl Site {
    /// Ends the session on the site, then what it opened in the chat.
    fn log_out(&self, chat: &Chat, cookie: &str) -> Result<(), Error> {
        if let Some((session, person)) = self.sessions().remove(cookie) {
            let session = SessionId::parse(&session.to_string())?;
            chat.end_session(&user(person)?, &session);
        }
        Ok(())
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u32, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn user(person: u32) -> Result<UserId, Error> {
    Ok(UserId::parse(&person.to_string())?)
}

#[async_trait]
impl Authenticator for Site {
    async fn authenticate(&self, cookie: &str) -> Result<Identity, AccountError> {
        let known = self.sessions().get(cookie).copied();
        let (session, person) = known.ok_or(AccountError::Unauthenticated)?;
        let session = SessionId::parse(&session.to_string()).ok();
        let user = user(person).map_err(|_| AccountError::Unauthenticated)?;
        Ok(Identity { user, session, expires_at: None })
    }
}

#[async_trait]
impl Directory for Site {
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let shown = PEOPLE.iter().filter_map(|(person, name)| {
            let user = user(*person).ok().filter(|user| users.contains(user))?;
            let (handle, display_name) = (Some((*name).to_owned()), (*name).to_owned());
            Some(Profile { user, handle, email: None, display_name, avatar: None })
        });
        Ok(shown.collect())
    }

    async fn find(&self, name: &str) -> Result<Option<UserId>, StoreError> {
        let found = PEOPLE.iter().find(|(_, handle)| handle.eq_ignore_ascii_case(name));
        Ok(found.and_then(|(person, _)| user(*person).ok()))
    }
}

/// What the program does; the project's tests run it too.
async fn app() -> Result<Vec<String>, Error> {
    let site = Arc::new(Site::default());
    let chat = Chat::builder(Arc::new(MemoryStore::new()))
        .authenticator(Arc::clone(&site) as _)
        .directory(Arc::clone(&site) as _)
        .build()
        .await?;
    site.sessions().insert("cookie-of-ann".to_owned(), (1, 4711));
    let ann = chat.authenticate("cookie-of-ann").await?.user;
    let room = chat.as_user(&ann).create_room(NewRoom::public("canteen")).await?.room;
    let ben = chat.find_user("ben").await?.ok_or(Error::Unavailable)?;
    chat.as_user(&ben).enter(&room).await?;
    chat.as_user(&ann).send(&room, Draft::text("Lunch, @ben?")).await?;
    let mut seen = vec![format!("ann is {ann}")];
    seen.push(format!("ben is mentioned {} time", chat.as_user(&ben).room(&room).await?.mentions));
    site.log_out(&chat, "cookie-of-ann")?;
    let again = chat.authenticate("cookie-of-ann").await;
    seen.push(format!("ann is logged out: {}", again.is_err()));
    chat.shutdown().await;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    for line in app().await? {
        println!("{line}");
    }
    Ok(())
}

#[tokio::test]
async fn the_site_says_who_is_who() {
    let seen = app().await.expect("the program runs");
    assert_eq!(seen, ["ann is 4711", "ben is mentioned 1 time", "ann is logged out: true"]);
}
