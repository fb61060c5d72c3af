//! Letting go of messages that are too old.

use std::time::Duration;

use super::Inner;
use crate::error::Error;
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::log::Message;
use crate::room::{Action, Actor, Room};
use crate::store::{Retained, Toward};

/// Rooms that one round looks at; the next one goes on behind them.
const ROOMS: u32 = 1_000;
/// Messages that one step lets go of.
const MESSAGES: u32 = 200;
/// Steps that one round takes in one room.
const STEPS: usize = 20;

impl Inner {
    /// A bounded number of steps. `after` is where the last round ended.
    pub(super) async fn expire_some(&self, after: &mut Option<RoomId>) -> Result<(), Error> {
        let which = if self.limits.retention.is_some() { Retained::All } else { Retained::Own };
        let rooms = self.store.retained(which, after.as_ref(), ROOMS).await?;
        let full = rooms.len() >= ROOMS as usize;
        for room in &rooms {
            if let Some(kept) = self.retention_of(room) {
                self.expire_in(room, kept).await?;
            }
        }
        *after = rooms.last().filter(|_| full).map(|room| room.id.clone());
        Ok(())
    }

    fn retention_of(&self, room: &Room) -> Option<Duration> {
        match room.retention {
            0 => self.limits.retention,
            seconds => Some(Duration::from_secs(seconds.into())),
        }
    }

    async fn expire_in(&self, room: &Room, kept: Duration) -> Result<(), Error> {
        // Each step is an entry of the log: so many go at once that there are not more than about a
        // hundred in the time that messages are kept.
        let waits = kept + kept / 100;
        let mut floor = room.floor_seq;
        for step in 0..STEPS {
            let page = self.oldest(&room.id, floor).await?;
            let now = self.clock.now();
            let is_older = |message: &&Message, than| message.ts.after(than) <= now;
            if step == 0 && !page.first().is_some_and(|oldest| is_older(&oldest, waits)) {
                return Ok(());
            }
            let old: Vec<_> = page.iter().take_while(|message| is_older(message, kept)).collect();
            let Some(last) = old.last() else { return Ok(()) };
            let host = |action| self.hand_in(Actor::System, &room.id, action);
            for message in old.iter().filter(|message| message.pinned) {
                let pin = Action::Pin { message: message.message_id.clone(), on: false };
                host(pin)?.outcome().await?;
            }
            let edited = old.iter().filter(|message| message.edited_at.is_some());
            let edited: Vec<MessageId> = edited.map(|message| message.message_id.clone()).collect();
            host(Action::Expire { upto: last.seq, edited })?.outcome().await?;
            floor = last.seq;
            if old.len() < MESSAGES as usize {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn oldest(&self, room: &RoomId, floor: Seq) -> Result<Vec<Message>, Error> {
        let host = UserId::system();
        Ok(self.store.messages(room, Toward::Newer(floor), MESSAGES, &host).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chat::Chat;
    use crate::clock::Clock;
    use crate::id::ClientMsgId;
    use crate::log::{Cursor, Draft, HistoryQuery};
    use crate::room::{NewRoom, RoomUpdate};
    use crate::store::memory::MemoryStore;
    use crate::testing::ManualClock;
    use crate::testing::scene::user;

    const HOUR: Duration = Duration::from_secs(3_600);

    async fn chat(limits: crate::limits::Limits) -> (Chat, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000));
        let chat = Chat::builder(Arc::new(MemoryStore::new())).limits(limits);
        let chat = chat.clock(Arc::clone(&clock) as Arc<dyn Clock>).build().await.expect("opens");
        (chat, clock)
    }

    fn limits(retention: Option<Duration>) -> crate::limits::Limits {
        crate::limits::Limits { retention, turns_per_user: None, ..Default::default() }
    }

    async fn texts(chat: &Chat, room: &RoomId) -> Vec<String> {
        let query = HistoryQuery::new(None, None, None, Some(200), 200).expect("sound");
        let page = chat.as_system().history(room, query).await.expect("it is read");
        page.messages.into_iter().map(|message| message.text).collect()
    }

    #[tokio::test]
    async fn messages_go_once_they_are_too_old_with_their_pins_mentions_and_edits() {
        let (chat, clock) = chat(limits(None)).await;
        let (ann, bob) = (chat.as_user(&user("ann")), chat.as_user(&user("bob")));
        let room = ann.create_room(NewRoom::public("square")).await.expect("made").room;
        bob.enter(&room).await.expect("entered");
        let keep = RoomUpdate { retention: Some(3_600), ..RoomUpdate::default() };
        ann.update_room(&room, keep).await.expect("her room");
        let draft = Draft::text("old").mention([user("bob")]);
        let old = ann.send(&room, draft).await.expect("sent").message_id;
        ann.pin(&room, &old, true).await.expect("pinned");
        clock.advance(HOUR / 2);
        let once = ClientMsgId::parse("e").expect("sound");
        ann.edit(&room, &old, once, "old and edited".into()).await.expect("edited");
        ann.send(&room, Draft::text("young")).await.expect("sent");
        let shown = bob.room(&room).await.expect("his");
        assert_eq!((shown.mentions, shown.unread), (1, 2));
        let mut live = bob.subscribe(&room, Cursor::start()).await.expect("he may");
        let mut after = None;
        chat.inner.expire_some(&mut after).await.expect("it works");
        assert_eq!(texts(&chat, &room).await, ["old and edited", "young"], "not yet");
        clock.advance(HOUR / 2 + HOUR / 50);
        chat.inner.expire_some(&mut after).await.expect("it works");
        assert_eq!(texts(&chat, &room).await, ["young"]);
        let shown = bob.room(&room).await.expect("his");
        assert_eq!((shown.mentions, shown.retention), (0, 3_600));
        assert_eq!((shown.unread, shown.badge), (1, 1), "what is gone is unread no more");
        let log = bob.log(&room, Seq::START, 200).await.expect("he may");
        assert!(!format!("{log:?}").contains("old"), "{log:?}");
        let kinds: Vec<_> = log.iter().map(|entry| entry.body.kind().as_str()).collect();
        assert_eq!(kinds, ["pin", "edit", "message", "unpin", "expire"]);
        assert_eq!(
            chat.inner.store.room(&room, None).await.expect("read").map(|r| r.0.pins),
            Some(0)
        );
        // One who listened all along and has read nothing yet gets none of it from memory.
        let next = live.next().await.expect("it works");
        assert_eq!(next, None, "what came next is gone: subscribe anew");
        let resume = bob.resume(&room, Some(&Cursor::start())).await.expect("he may");
        assert!(!resume.recovered && resume.floor_seq > Seq::START);
    }

    #[tokio::test]
    async fn the_default_of_the_server_holds_where_a_room_says_nothing() {
        let (chat, clock) = chat(limits(Some(HOUR))).await;
        let ann = chat.as_user(&user("ann"));
        let mut rooms = Vec::new();
        for retention in [0, 3_600 * 24] {
            let room = ann.create_room(NewRoom::public("square")).await.expect("made").room;
            let keep = RoomUpdate { retention: Some(retention), ..RoomUpdate::default() };
            ann.update_room(&room, keep).await.expect("her room");
            for n in 0..500 {
                ann.send(&room, Draft::text(format!("{n}"))).await.expect("sent");
            }
            rooms.push(room);
        }
        clock.advance(2 * HOUR);
        chat.inner.expire_some(&mut None).await.expect("it works");
        assert!(texts(&chat, &rooms[0]).await.is_empty());
        assert_eq!(texts(&chat, &rooms[1]).await.len(), 200);
    }

    #[test]
    fn how_long_messages_are_kept_has_bounds() {
        let limits = limits(None);
        for (seconds, sound) in [
            (0, true),
            (1, false),
            (3_599, false),
            (3_600, true),
            (315_360_000, true),
            (315_360_001, false),
        ] {
            let update = RoomUpdate { retention: Some(seconds), ..RoomUpdate::default() };
            assert_eq!(update.check(&limits).is_ok(), sound, "{seconds}");
        }
    }
}
