//! Places in a log that a client names: cursors to resume from, anchors of history.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use chatcore::Chat;
use chatcore::id::{Epoch, RoomId, Seq, UserId};
use chatcore::log::{Cursor, Draft, HistoryPage, HistoryQuery};
use chatcore::protocol::codec::Encoding;
use chatcore::room::NewRoom;
use chatcore::store::memory::MemoryStore;

const MOST: u32 = 20;

/// Either bytes as a client would send them, or numbers that are likely to be close to a place that
/// exists.
#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Json(&'a [u8]),
    Near { same_epoch: Option<bool>, seq: u8 },
    Page { before: Option<u64>, after: Option<u64>, around: Option<u64>, limit: Option<u32> },
    PageNear { anchor: u8, seq: u8, limit: u8 },
}

/// A room whose log holds other entries between its messages: messages are at even places from 4 on.
async fn room(chat: &Chat) -> (UserId, RoomId) {
    let user = UserId::parse("alice").expect("a name");
    let caller = chat.as_user(&user);
    let room = caller.create_room(NewRoom::public("fuzz")).await.expect("a fresh chat").room;
    let other = chat.as_user(&UserId::parse("bob").expect("a name"));
    for i in 0..12 {
        if i % 2 == 0 {
            other.enter(&room).await.expect("a public room");
        } else {
            other.leave(&room).await.expect("bob is in");
        }
        caller.send(&room, Draft::text(i.to_string())).await.expect("a short text");
    }
    (user, room)
}

pub(super) fn run(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else { return };
    super::block_on(async {
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.expect("memory");
        let (user, room) = room(&chat).await;
        match input {
            Input::Json(bytes) => {
                if let Ok(cursor) = Encoding::Json.decode_as::<Cursor>(bytes, 4096) {
                    resume(&chat, &user, &room, cursor).await;
                }
            }
            Input::Near { same_epoch, seq } => {
                let other = Epoch::parse("another").expect("an epoch");
                let epoch = same_epoch.map(|same| if same { chat.epoch().clone() } else { other });
                resume(&chat, &user, &room, Cursor { epoch, seq: Seq(seq.into()) }).await;
            }
            Input::Page { before, after, around, limit } => {
                let [before, after, around] = [before, after, around].map(|n| n.map(Seq));
                if let Ok(query) = HistoryQuery::new(before, after, around, limit, MOST) {
                    page(&chat, &user, &room, query).await;
                }
            }
            Input::PageNear { anchor, seq, limit } => {
                let seq = Some(Seq(u64::from(seq % 32)));
                let limit = Some(u32::from(limit % 20) + 1);
                let query = match anchor % 4 {
                    0 => HistoryQuery::new(None, None, None, limit, MOST),
                    1 => HistoryQuery::new(seq, None, None, limit, MOST),
                    2 => HistoryQuery::new(None, seq, None, limit, MOST),
                    _ => HistoryQuery::new(None, None, seq, limit, MOST),
                };
                page(&chat, &user, &room, query.expect("within bounds")).await;
            }
        }
    });
}

/// Either everything after the cursor follows, or it is said that it does not; never silence.
async fn resume(chat: &Chat, user: &UserId, room: &RoomId, cursor: Cursor) {
    let caller = chat.as_user(user);
    let mut live = caller.subscribe(room, cursor.clone()).await.expect("a member may read");
    let resume = live.resume().clone();
    let sound = cursor.epoch.as_ref().is_none_or(|epoch| epoch == chat.epoch())
        && (resume.floor_seq..=resume.head_seq).contains(&cursor.seq);
    assert_eq!(resume.recovered, sound, "{cursor:?} against {resume:?}");
    let from = if sound { cursor.seq } else { resume.head_seq };
    caller.send(room, Draft::text("one more")).await.expect("a short text");
    for seq in from.0 + 1..=resume.head_seq.0 + 1 {
        let entry = live.next().await.expect("memory").expect("nobody was put out");
        assert_eq!(entry.seq.0, seq, "dense from the cursor on");
    }
}

/// In order, within the limit, on the right side of the anchor, and the flags tell the truth.
async fn page(chat: &Chat, user: &UserId, room: &RoomId, query: HistoryQuery) {
    use chatcore::log::Anchor;
    let caller = chat.as_user(user);
    let all = all(chat, user, room).await;
    let Ok(page) = caller.history(room, query).await else { return };
    let HistoryPage { messages, found_oldest, found_newest } = page;
    assert!(messages.len() <= query.limit as usize, "{query:?}");
    let places: Vec<_> = messages.iter().map(|message| message.seq).collect();
    // A page is a run of the room's messages, with none left out in its middle.
    let at = places.first().and_then(|first| all.iter().position(|seq| seq == first));
    let at = at.unwrap_or_default();
    assert_eq!(places, all[at..at + places.len()], "{query:?}");
    let on_its_side = |seq: &Seq| match query.anchor {
        Anchor::Before(anchor) => *seq < anchor,
        Anchor::After(anchor) => *seq > anchor,
        _ => true,
    };
    assert!(places.iter().all(on_its_side), "{query:?}: {places:?}");
    if let (Some(first), Some(last)) = (places.first(), places.last()) {
        if found_oldest {
            assert_eq!(Some(first), all.first(), "{query:?}");
        }
        if found_newest {
            assert_eq!(Some(last), all.last(), "{query:?}");
        }
    } else {
        let reachable = all.iter().filter(|seq| on_its_side(seq)).count();
        assert_eq!(reachable, 0, "an empty page, though there is something: {query:?}");
    }
}

/// The places of all messages.
async fn all(chat: &Chat, user: &UserId, room: &RoomId) -> Vec<Seq> {
    let entries = chat.as_user(user).log(room, Seq::START, 100).await.expect("a member may read");
    entries.iter().filter(|entry| entry.n.is_some()).map(|entry| entry.seq).collect()
}
