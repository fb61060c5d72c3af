//! Erasing people, in bounded steps that a crash may come between.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Chat, Inner, Pending};
use crate::account::Password;
use crate::error::{Error, Invalid};
use crate::id::{ClientMsgId, RoomId, Seq, UserId};
use crate::log::{Body, Entry};
use crate::room::{Action, Actor, Rejection};
use crate::store::Erasure;

/// Between one round and the next, where nobody asks for one.
const EVERY: Duration = Duration::from_secs(10);
/// Erasures that one round works at.
const AT_ONCE: u32 = 100;
/// Rooms that are asked for at once.
const ROOMS: u32 = 100;
/// Entries of a log that are looked at in one step.
const ENTRIES: u32 = 500;
/// Changes that are handed in before their outcomes are waited for: others write in between.
const CHANGES: usize = 32;
/// Files that one step releases.
const FILES: u32 = 100;
/// For so long after the beginning it is not finished: what was under way for someone when their
/// sessions ended may come late, and is looked for again.
const SETTLE: Duration = Duration::from_secs(60);

impl Chat {
    /// Erases someone: for ever, and on every node. When this returns, it is noted durably, their
    /// sessions and connections have ended, and an account of the library's own says nothing of them any
    /// more. The rest is done in the background, and goes on after a crash or a restart: they leave all
    /// rooms (the last one to leave ends a room, and ownership passes on, as ever), their messages are
    /// deleted with the texts of their edits, `meta` and files, their reactions are taken back, marks
    /// and memberships are forgotten. No place in a log is lost: of a message the tombstone stays.
    ///
    /// Their id is nobody's again. It is still in the entries that they made, and in tombstones, as a
    /// name that stands for nobody. A host that brings users of its own stops authenticating them
    /// first. Erasing someone again does no harm.
    ///
    /// # Errors
    /// [`Invalid`] for the host's own id; the store's, and then it may be noted or not: call it again.
    pub async fn erase(&self, user: &UserId) -> Result<(), Error> {
        if *user == UserId::system() {
            return Err(Invalid::new("user", "this user id is the host's own").into());
        }
        let (inner, user) = (Arc::clone(&self.inner), user.clone());
        // Whoever hangs up does not stop it halfway.
        let begun = tokio::spawn(async move {
            inner.store.begin_erasure(&user, inner.clock.now()).await?;
            inner.shut_out(&user).await?;
            inner.to_erase.notify_one();
            Ok(())
        });
        begun.await.unwrap_or(Err(Error::Internal))
    }

    /// Erases someone who asks for it and proves to be who they are; see [`erase`](Self::erase).
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`](crate::account::AccountError::WrongPassword), and as
    /// [`Accounts::check_password`](crate::account::Accounts::check_password); the store's.
    pub async fn close_account(&self, user: &UserId, password: &Password) -> Result<(), Error> {
        self.accounts().check_password(user, password).await?;
        self.erase(user).await
    }
}

/// Works at what is to be erased: at once when it is told to, and now and then at what is left. Ends with the chat.
pub(super) async fn keep_erasing(chat: Weak<Inner>, to_erase: Arc<Notify>) {
    loop {
        // Either way it is time for another round.
        let _ = timeout(EVERY, to_erase.notified()).await;
        let Some(inner) = chat.upgrade() else { return };
        if AssertUnwindSafe(inner.erase_some()).catch_unwind().await.is_err() {
            tracing::error!("erasing panicked; trying again later");
        }
    }
}

impl Inner {
    /// Ends all that someone can act by.
    async fn shut_out(&self, user: &UserId) -> Result<(), Error> {
        self.store.remove_admin(user).await?;
        self.accounts.erase(user).await?;
        self.hub.end(user);
        Ok(())
    }

    async fn erase_some(&self) {
        let erasures = match self.store.unfinished_erasures(AT_ONCE).await {
            Ok(erasures) => erasures,
            Err(error) => {
                tracing::warn!(%error, "erasures could not be read; trying again later");
                return;
            }
        };
        for erasure in erasures {
            if let Err(error) = self.erase_one(&erasure).await {
                tracing::warn!(user = %erasure.user, %error, "erasing failed; trying again later");
            }
        }
    }

    /// One pass over all that is left of someone; the last one finds nothing, and late enough.
    async fn erase_one(&self, erasure: &Erasure) -> Result<(), Error> {
        let Erasure { user, begun_at, place } = erasure;
        // A crash may have come between the note and this.
        self.shut_out(user).await?;
        let settled = self.clock.now() >= begun_at.after(SETTLE);
        self.unblock_all_for(user).await?;
        let mut after = None;
        loop {
            let rooms = self.store.rooms_that_know(user, after.as_ref(), ROOMS).await?;
            let Some(last) = rooms.last() else { break };
            after = Some(last.clone());
            for room in &rooms {
                self.leave_for(user, room).await?;
                let from = place.as_ref().filter(|(at, _)| at == room).map(|(_, seq)| *seq);
                self.revoke_links_of(user, room).await?;
                self.erase_in(user, room, from.unwrap_or_default()).await?;
                // Who has come in again meanwhile is known still, and found by a later pass.
                self.store.forget_member(room, user).await?;
            }
        }
        self.store.empty_reports_of(user).await?;
        while self.store.release_attachments_of(user, FILES).await? >= FILES {}
        if settled && self.store.rooms_that_know(user, None, 1).await?.is_empty() {
            self.store.finish_erasure(user, self.clock.now()).await?;
            tracing::info!(%user, "someone was erased");
        }
        Ok(())
    }

    /// Lifts the blocks of someone. Those that others have laid on them stay: they are the others'.
    async fn unblock_all_for(&self, user: &UserId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let blocked = self.store.blocked(user, after.as_ref(), ROOMS).await?;
            let Some(last) = blocked.last() else { return Ok(()) };
            after = Some(last.clone());
            for other in blocked {
                let room = RoomId::direct(user, &other);
                let lift = Action::Block { target: other, on: false };
                self.hand_in(Actor::User(user.clone()), &room, lift)?.outcome().await?;
            }
        }
    }

    /// Takes back the links by which someone let people into a room, those that are over too.
    async fn revoke_links_of(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        let links = self.store.invite_links(room).await?;
        for link in links.into_iter().filter(|link| link.created_by == *user) {
            let revoke = Action::RevokeInviteLink(link.id);
            match self.hand_in(Actor::System, room, revoke)?.outcome().await {
                Ok(_)
                | Err(Error::Rejected(Rejection::NoSuchRoom | Rejection::NoSuchInviteLink)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn leave_for(&self, user: &UserId, room: &RoomId) -> Result<(), Error> {
        let left = self.hand_in(Actor::User(user.clone()), room, Action::Leave)?.outcome().await;
        match left {
            Err(Error::Rejected(Rejection::NoSuchRoom | Rejection::NotJoined)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Deletes the messages of someone in a room behind `after`, and takes back their reactions.
    async fn erase_in(&self, user: &UserId, room: &RoomId, mut after: Seq) -> Result<(), Error> {
        loop {
            let entries = self.store.entries(room, after, ENTRIES).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.seq;
            let mut changes = Vec::new();
            for entry in entries.iter().filter(|entry| entry.user == *user) {
                changes.extend(change(user, entry)?);
            }
            let any = !changes.is_empty();
            let mut changes = changes.into_iter().peekable();
            while changes.peek().is_some() {
                let some = changes.by_ref().take(CHANGES);
                let pending: Result<Vec<Pending>, Error> =
                    some.map(|(actor, action)| self.hand_in(actor, room, action)).collect();
                for pending in pending? {
                    match pending.outcome().await {
                        Ok(_)
                        | Err(Error::Rejected(
                            Rejection::MessageDeleted
                            | Rejection::NoSuchMessage
                            | Rejection::NoSuchRoom,
                        )) => {}
                        Err(other) => return Err(other),
                    }
                }
            }
            if any {
                self.store.advance_erasure(user, room, after).await?;
            }
        }
    }
}

/// What undoes an entry of someone.
fn change(user: &UserId, entry: &Entry) -> Result<Option<(Actor, Action)>, Error> {
    Ok(match &entry.body {
        Body::Message { message_id, deleted_at: None, .. } => {
            // The same name for the same deletion: a step that is taken again does nothing.
            let client_msg_id = ClientMsgId::parse(&format!("erase-{message_id}"))?;
            Some((Actor::System, Action::Delete { message: message_id.clone(), client_msg_id }))
        }
        Body::React { message_id, emoji } => {
            let action = Action::Retract { message: message_id.clone(), emoji: emoji.clone() };
            Some((Actor::User(user.clone()), action))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chat::SearchQuery;
    use crate::clock::Clock;
    use crate::log::{Draft, HistoryQuery};
    use crate::room::{NewRoom, Role};
    use crate::store::Store;
    use crate::store::memory::MemoryStore;
    use crate::testing::ManualClock;
    use crate::testing::scene::user;

    struct House {
        chat: Chat,
        clock: Arc<ManualClock>,
        store: Arc<dyn Store>,
    }

    async fn house(store: Arc<dyn Store>) -> House {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000));
        let chat = Chat::builder(Arc::clone(&store)).clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let anyone = Arc::new(crate::chat::people::Anyone);
        let chat = chat.directory(anyone).build().await.expect("it opens");
        // Only what a test asks for is done.
        chat.inner.erasing.abort();
        House { chat, clock, store }
    }

    impl House {
        async fn texts(&self, room: &RoomId) -> Vec<(String, bool)> {
            let query = HistoryQuery::new(None, None, None, Some(200), 200).expect("sound");
            let page = self.chat.as_system().history(room, query).await.expect("it is read");
            let shown = page.messages.into_iter().map(|m| (m.text, m.deleted_at.is_some()));
            shown.collect()
        }
    }

    async fn room(house: &House, members: &[&str]) -> RoomId {
        let new = NewRoom::public("square");
        let room = house.chat.as_user(&user(members[0])).create_room(new).await.expect("made").room;
        for member in &members[1..] {
            house.chat.as_user(&user(member)).enter(&room).await.expect("entered");
        }
        room
    }

    #[tokio::test]
    async fn what_someone_left_behind_is_gone_and_no_place_of_the_log_with_it() {
        let house = house(Arc::new(MemoryStore::new())).await;
        let room = room(&house, &["bob", "ann"]).await;
        let (ann, bob) = (house.chat.as_user(&user("ann")), house.chat.as_user(&user("bob")));
        let kept = ann.send(&room, Draft::text("kept")).await.expect("sent").message_id;
        let meta = serde_json::json!({"secret": "treasure"});
        let draft = Draft { meta: Some(meta), ..Draft::text("treasure") };
        let gone = bob.send(&room, draft).await.expect("sent").message_id;
        let once = ClientMsgId::parse("edit").expect("sound");
        bob.edit(&room, &gone, once, "the treasure".into()).await.expect("edited");
        bob.react(&room, &kept, "+1", true).await.expect("reacted");
        let head = ann.room(&room).await.expect("there").head_seq;

        house.chat.erase(&user("bob")).await.expect("noted");
        house.chat.inner.erase_some().await;
        assert_eq!(house.texts(&room).await, [("kept".into(), false), (String::new(), true)]);
        let log = house.chat.as_system().log(&room, Seq::START, 200).await.expect("read");
        assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == Seq(seq)));
        let said = serde_json::to_string(&log).expect("JSON");
        assert!(!said.contains("treasure"), "{said}");
        assert_eq!(
            log.last().map(|e| e.seq),
            Some(Seq(head.0 + 4)),
            "leave, role, delete, unreact"
        );
        assert!(ann.message(&room, &kept).await.expect("there").reactions.is_empty());
        assert_eq!(ann.room(&room).await.expect("there").role, Some(Role::Owner));
        let known = house.store.room(&room, Some(&user("bob"))).await.expect("read");
        assert_eq!(known.and_then(|(_, member)| member), None);
        let search = SearchQuery { query: "treasure".into(), ..SearchQuery::default() };
        assert!(ann.search(search).await.expect("searched").hits.is_empty());
    }

    #[tokio::test]
    async fn what_comes_late_is_found_by_a_later_pass() {
        let house = house(Arc::new(MemoryStore::new())).await;
        let room = room(&house, &["ann", "bob"]).await;
        let bob = house.chat.as_user(&user("bob"));
        house.chat.erase(&user("bob")).await.expect("noted");
        house.chat.inner.erase_some().await;
        // A request that was let in before, and was slow.
        bob.enter(&room).await.expect("nothing stops it");
        bob.send(&room, Draft::text("late")).await.expect("nothing stops it");
        house.chat.inner.erase_some().await;
        assert_eq!(house.texts(&room).await, [(String::new(), true)]);
        assert_eq!(house.store.unfinished_erasures(1).await.expect("read").len(), 1);
        house.clock.advance(SETTLE);
        house.chat.inner.erase_some().await;
        assert!(house.store.unfinished_erasures(1).await.expect("read").is_empty());
    }

    #[tokio::test]
    async fn links_of_one_who_was_erased_let_nobody_in() {
        let house = house(Arc::new(MemoryStore::new())).await;
        let room = room(&house, &["ann", "bob"]).await;
        let ann = house.chat.as_user(&user("ann"));
        let owner = crate::room::MemberAction::Role(Role::Owner);
        ann.member(&room, &user("bob"), owner).await.expect("she owns it");
        let bob = house.chat.as_user(&user("bob"));
        let soon = Some(house.clock.now().after(Duration::from_secs(1)));
        let over = crate::room::NewInviteLink { expires_at: soon, uses: None };
        bob.create_invite_link(&room, over).await.expect("made");
        let bobs = bob.create_invite_link(&room, Default::default()).await.expect("made");
        let anns = ann.create_invite_link(&room, Default::default()).await.expect("made");
        house.clock.advance(Duration::from_secs(2));
        house.chat.erase(&user("bob")).await.expect("noted");
        house.chat.inner.erase_some().await;
        let cyd = house.chat.as_user(&user("cyd"));
        let refused = cyd.accept_invite(&bobs.code, None).await;
        assert!(matches!(refused, Err(Error::Rejected(Rejection::NoSuchInvite))), "{refused:?}");
        cyd.accept_invite(&anns.code, None).await.expect("hers is good still");
        let kept = house.store.invite_links(&room).await.expect("read");
        assert_eq!(kept.into_iter().map(|link| link.id).collect::<Vec<_>>(), [anns.link.link]);
    }

    #[tokio::test]
    async fn who_was_erased_blocks_nobody_any_more() {
        let house = house(Arc::new(MemoryStore::new())).await;
        let bob = house.chat.as_user(&user("bob"));
        for other in ["ann", "cyd"] {
            bob.block(&user(other)).await.expect("blocked");
        }
        house.chat.erase(&user("bob")).await.expect("noted");
        house.chat.inner.erase_some().await;
        assert!(house.store.blocked(&user("bob"), None, 10).await.expect("read").is_empty());
        house.clock.advance(SETTLE);
        house.chat.inner.erase_some().await;
        assert!(house.store.unfinished_erasures(1).await.expect("read").is_empty());
    }

    #[tokio::test]
    async fn nobody_is_brought_together_with_one_who_was_erased() {
        let house = house(Arc::new(MemoryStore::new())).await;
        let ann = house.chat.as_user(&user("ann"));
        let direct = ann.create_room(NewRoom::direct(user("bob"))).await.expect("made").room;
        house.chat.erase(&user("bob")).await.expect("noted");
        house.chat.inner.erase_some().await;
        for new in [
            NewRoom::direct(user("bob")),
            NewRoom::private("cellar").invite([user("cyd"), user("bob")]),
        ] {
            let refused = ann.create_room(new).await.expect_err("there is no such person");
            assert!(matches!(refused, Error::Rejected(Rejection::NoSuchUser)), "{refused}");
        }
        let members = ann.members(&direct, None, 10).await.expect("read");
        assert_eq!(members.len(), 1, "what they shared is still the other's");
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn an_erasure_goes_on_where_another_run_has_left_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("chat.db").display());
        let store = Arc::new(crate::store::sqlite::SqliteStore::open(&url).await.expect("opens"));
        let before = house(Arc::clone(&store) as _).await;
        let room = room(&before, &["ann", "bob"]).await;
        let bob = before.chat.as_user(&user("bob"));
        for n in 0..700 {
            bob.send(&room, Draft::text(format!("text {n}"))).await.expect("sent");
        }
        // Noted, and some steps taken, when the process ends.
        before.store.begin_erasure(&user("bob"), before.clock.now()).await.expect("noted");
        let who = user("bob");
        let step = before.chat.inner.erase_in(&who, &room, Seq::START);
        let _ = timeout(Duration::from_millis(30), step).await;
        before.chat.shutdown().await;
        store.close().await.expect("closed");
        let store = Arc::new(crate::store::sqlite::SqliteStore::open(&url).await.expect("opens"));
        let after = house(store).await;
        after.chat.inner.erase_some().await;
        let texts = after.texts(&room).await;
        assert_eq!(texts.len(), 200);
        assert!(texts.iter().all(|(text, deleted)| text.is_empty() && *deleted));
        let log = after.store.entries(&room, Seq::START, 5_000).await.expect("read");
        let said = serde_json::to_string(&log).expect("JSON");
        assert!(!said.contains("text 1"), "some of it is left");
        let deletions = log.iter().filter(|entry| matches!(entry.body, Body::Delete { .. }));
        assert_eq!(deletions.count(), 700, "each message is deleted once");
    }
}
