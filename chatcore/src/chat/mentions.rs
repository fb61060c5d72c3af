//! Whom the text of a message names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::Inner;
use crate::error::Error;
use crate::id::UserId;
use crate::room::Action;

/// Names of one text that are looked up; more are text alone.
const HANDLES: usize = 10;
/// The longest name, in characters.
const HANDLE_CHARS: usize = 64;

/// The names after `@` in a text, each once, in order, the first [`HANDLES`] of them. What stands in
/// an e-mail address is none.
pub(super) fn mentioned_handles(text: &str) -> Vec<&str> {
    let mut handles: Vec<&str> = Vec::new();
    let mut before = None;
    for (at, c) in text.char_indices() {
        let inside = before.replace(c).is_some_and(|b| b == '@' || is_of_handle(b));
        if c != '@' || inside {
            continue;
        }
        let rest = &text[at + 1..];
        let end = rest.find(|c| !is_of_handle(c)).unwrap_or(rest.len());
        // A sentence may end with a name.
        let handle = rest[..end].trim_end_matches(['.', '-']);
        let sound = !handle.is_empty() && handle.chars().count() <= HANDLE_CHARS;
        if sound && !rest[end..].starts_with('@') && !handles.contains(&handle) {
            handles.push(handle);
            if handles.len() == HANDLES {
                break;
            }
        }
    }
    handles
}

fn is_of_handle(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

impl Inner {
    /// Those of these names that are somebody's.
    pub(super) async fn named(&self, handles: Vec<&str>) -> Result<Vec<UserId>, Error> {
        let mut users = Vec::with_capacity(handles.len());
        for handle in handles {
            users.extend(self.directory.find(handle).await?);
        }
        Ok(users)
    }

    /// Has a message mention whom its draft and its text name as they are now: another than its sender
    /// may have written it anew, or handed it in unread.
    pub(super) async fn mention_named(&self, action: &mut Action) -> Result<(), Error> {
        let Action::Send(send) = action else { return Ok(()) };
        let named = self.named(mentioned_handles(&send.draft.text)).await?;
        send.mentions.clone_from(&send.draft.mentions);
        send.mentions.extend(named);
        send.mentions.truncate(self.limits.mentions);
        Ok(())
    }
}

/// Keeps messages of one sender in order while names of some are looked up.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<UserId, Lane>>);

#[derive(Debug, Default)]
struct Lane {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Who waits, or has the turn.
    people: usize,
}

/// A sender's turn to hand in; the next has it once this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    lanes: &'a Lanes,
    user: UserId,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Lanes {
    /// Waits for those of `user` who came before; with none there, and nothing to look up, at no cost.
    pub(super) async fn turn(&self, user: &UserId, looks_up: bool) -> Option<Turn<'_>> {
        let lane = {
            let mut lanes = self.lock();
            if !looks_up && !lanes.contains_key(user) {
                return None;
            }
            let lane = lanes.entry(user.clone()).or_default();
            lane.people += 1;
            Arc::clone(&lane.turn)
        };
        // Counted out again even if this is dropped while it waits.
        let mut turn = Turn { lanes: self, user: user.clone(), turn: None };
        turn.turn = Some(lane.lock_owned().await);
        Some(turn)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(&self.user) {
            lane.people -= 1;
            if lane.people == 0 {
                lanes.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::account::{Directory, Profile};
    use crate::chat::Chat;
    use crate::hook::{Asked, Asking, Before, BeforeOptions, OnFailure, Refusal};
    use crate::id::Seq;
    use crate::log::Draft;
    use crate::room::NewRoom;
    use crate::store::{StoreError, memory::MemoryStore};

    #[test]
    fn names_are_found_in_a_text() {
        for (text, handles) in [
            ("@ann hi", &["ann"][..]),
            ("hi @Ann, (@bob_2) and @ann.", &["Ann", "bob_2", "ann"]),
            ("@ann @ann", &["ann"]),
            ("mail ann@example.org or @bob@example.org", &[]),
            ("@ @@ann @-. @", &[]),
            ("你好@小明，再见", &[]),
            ("你好 @小明，再见", &["小明"]),
        ] {
            assert_eq!(mentioned_handles(text), handles, "{text}");
        }
        let many: String = (0..50).map(|n| format!("@user{n} ")).collect();
        assert_eq!(mentioned_handles(&many).len(), HANDLES);
        assert!(mentioned_handles(&format!("@{}", "x".repeat(65))).is_empty());
    }

    /// Knows everyone, once it is let to answer.
    #[derive(Debug, Default)]
    struct Slow {
        open: AtomicBool,
    }

    #[async_trait]
    impl Directory for Slow {
        async fn profiles(&self, _: &[UserId]) -> Result<Vec<Profile>, StoreError> {
            Ok(Vec::new())
        }

        async fn find(&self, name: &str) -> Result<Option<UserId>, StoreError> {
            while !self.open.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            Ok(UserId::parse(name).ok())
        }
    }

    #[tokio::test]
    async fn a_message_is_not_overtaken_while_its_names_are_looked_up() {
        let slow = Arc::new(Slow::default());
        let directory = Arc::clone(&slow) as Arc<dyn Directory>;
        let chat = Chat::builder(Arc::new(MemoryStore::new())).directory(directory);
        let chat = chat.build().await.expect("a chat");
        let [ann, bob] = ["ann", "bob"].map(|name| chat.as_user(&UserId::parse(name).expect("id")));
        let room = ann.create_room(NewRoom::public("general")).await.expect("a room").room;
        bob.enter(&room).await.expect("it is open");
        let (first, second, other, ()) = tokio::join!(
            biased;
            ann.send(&room, Draft::text("@bob one")),
            ann.send(&room, Draft::text("two")),
            bob.send(&room, Draft::text("mine")),
            async { slow.open.store(true, Ordering::SeqCst) },
        );
        let place = |sent: Result<crate::chat::Sent, Error>| sent.expect("sent").seq;
        assert_eq!(
            (place(other), place(first), place(second)),
            (Seq(4), Seq(5), Seq(6)),
            "others do not wait"
        );
        let seen = bob.room(&room).await.expect("his").mentions;
        assert_eq!(seen, 1);
        assert!(chat.inner.lanes.lock().is_empty(), "nothing is kept");
    }

    /// Calls everyone by the name of another.
    #[derive(Debug)]
    struct Renames;

    #[async_trait]
    impl Before for Renames {
        async fn before(&self, asked: Asked) -> Result<Asking, Refusal> {
            let Asking::Send(draft) = asked.what else { return Ok(asked.what) };
            Ok(Asking::Send(Draft { text: draft.text.replace("@carl", "@bob"), ..draft }))
        }
    }

    #[tokio::test]
    async fn what_a_hook_made_of_a_text_says_whom_it_names() {
        let directory = Arc::new(Slow { open: true.into() });
        let chat = Chat::builder(Arc::new(MemoryStore::new()))
            .directory(directory)
            .before(Arc::new(Renames), BeforeOptions::new(OnFailure::Closed));
        let chat = chat.build().await.expect("a chat");
        let [ann, bob, carl] =
            ["ann", "bob", "carl"].map(|name| chat.as_user(&UserId::parse(name).expect("id")));
        let room = ann.create_room(NewRoom::public("general")).await.expect("a room").room;
        bob.enter(&room).await.expect("it is open");
        carl.enter(&room).await.expect("it is open");
        ann.send(&room, Draft::text("hello @carl")).await.expect("sent");
        assert_eq!(bob.room(&room).await.expect("his").mentions, 1);
        assert_eq!(carl.room(&room).await.expect("his").mentions, 0);
    }
}
