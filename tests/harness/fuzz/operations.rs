//! Lists of operations against the memory store: whatever people do, in whatever order, the log stays
//! one dense order of which everything else follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use chatcore::clock::Timestamp;
use chatcore::id::{ClientMsgId, MessageId, RoomId, Seq, UserId};
use chatcore::log::{Body, Draft, Entry};
use chatcore::room::{MemberAction, NewRoom, Role, RoomKind};
use chatcore::store::RoomFilter;
use chatcore::store::memory::MemoryStore;
use chatcore::testing::{ManualClock, SeededRandom};
use chatcore::{Chat, Code, Error};

const USERS: usize = 4;
const ROOMS: usize = 4;
const MOST: usize = 80;

#[derive(Arbitrary, Debug)]
struct Op {
    user: u8,
    room: u8,
    what: What,
}

#[derive(Arbitrary, Debug)]
enum What {
    Create {
        kind: Kind,
        other: u8,
    },
    Enter,
    Leave,
    /// Few ids and few texts, so that they meet again.
    Send {
        id: u8,
        text: u8,
    },
    Edit {
        message: u8,
        id: u8,
        text: u8,
    },
    Delete {
        message: u8,
        id: u8,
    },
    React {
        message: u8,
        emoji: bool,
        on: bool,
    },
    Pin {
        message: u8,
        on: bool,
    },
    Member {
        target: u8,
        action: Verb,
    },
    Read {
        seq: u8,
    },
    Wait {
        minutes: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Public,
    Private,
    Direct,
}

#[derive(Arbitrary, Debug)]
enum Verb {
    Invite,
    Kick,
    Ban { minutes: Option<u8> },
    Unban,
    Mute { minutes: Option<u8> },
    Unmute,
    Role(u8),
}

/// What was sent under a name: its text, and the place that it got.
type Sends = BTreeMap<(RoomId, UserId, String), (String, Seq)>;

struct World {
    chat: Chat,
    clock: Arc<ManualClock>,
    users: Vec<UserId>,
    rooms: Vec<RoomId>,
    messages: Vec<(RoomId, MessageId)>,
    sends: Sends,
}

pub(super) fn run(data: &[u8]) {
    let mut data = Unstructured::new(data);
    super::block_on(async {
        let mut world = World::new().await;
        // Not a `Vec` of arbitrary: that ends after few items, as each is as likely to be the last.
        for _ in 0..MOST {
            let (false, Ok(op)) = (data.is_empty(), Op::arbitrary(&mut data)) else { break };
            let shown = format!("{op:?}");
            if let Err(error) = world.apply(op).await {
                let code = error.code();
                let fault = matches!(code, Code::Internal | Code::Unavailable | Code::StorageFull);
                assert!(!fault, "{shown}: {error:?}");
            }
        }
        world.check().await;
    });
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000));
        let builder = Chat::builder(Arc::new(MemoryStore::new()))
            .clock(clock.clone())
            .random(Arc::new(SeededRandom::new(1)));
        let users = (0..USERS).map(|i| UserId::parse(&format!("user{i}")).expect("a name"));
        Self {
            chat: builder.build().await.expect("memory"),
            clock,
            users: users.collect(),
            rooms: Vec::new(),
            messages: Vec::new(),
            sends: Sends::new(),
        }
    }

    fn user(&self, n: u8) -> UserId {
        self.users[usize::from(n) % USERS].clone()
    }

    fn in_minutes(&self, minutes: u8) -> Timestamp {
        use chatcore::clock::Clock as _;
        Timestamp(self.clock.now().0 + i64::from(minutes) * 60_000)
    }

    async fn apply(&mut self, op: Op) -> Result<(), Error> {
        let user = self.user(op.user);
        let caller = self.chat.as_user(&user);
        if let What::Create { kind, other } = op.what {
            if self.rooms.len() < ROOMS {
                let new = match kind {
                    Kind::Public => NewRoom::public("public"),
                    Kind::Private => {
                        NewRoom { kind: RoomKind::Private, ..NewRoom::public("private") }
                    }
                    Kind::Direct => NewRoom {
                        kind: RoomKind::Direct,
                        name: None,
                        members: vec![self.user(other)],
                        ..NewRoom::public("")
                    },
                };
                let room = caller.create_room(new).await?.room;
                if !self.rooms.contains(&room) {
                    self.rooms.push(room);
                }
            }
            return Ok(());
        }
        if let What::Wait { minutes } = op.what {
            self.clock.advance(Duration::from_secs(60 * u64::from(minutes)));
            return Ok(());
        }
        let Some(room) = self.rooms.get(usize::from(op.room) % self.rooms.len().max(1)).cloned()
        else {
            return Ok(());
        };
        let message = |n: u8| {
            let count = self.messages.len().max(1);
            self.messages.get(usize::from(n) % count).map(|(_, id)| id.clone())
        };
        let name = |kind: &str, id: u8| ClientMsgId::parse(&format!("{kind}{id}"));
        match op.what {
            What::Create { .. } | What::Wait { .. } => {}
            What::Enter => drop(caller.enter(&room).await?),
            What::Leave => drop(caller.leave(&room).await?),
            What::Send { id, text } => {
                self.send(&room, &user, format!("m{}", id % 6), format!("text {}", text % 3))
                    .await?;
            }
            What::Edit { message: n, id, text } => {
                let Some(message) = message(n) else { return Ok(()) };
                caller.edit(&room, &message, name("e", id)?, format!("edit {text}")).await?;
            }
            What::Delete { message: n, id } => {
                let Some(message) = message(n) else { return Ok(()) };
                caller.delete(&room, &message, name("d", id)?).await?;
            }
            What::React { message: n, emoji, on } => {
                let Some(message) = message(n) else { return Ok(()) };
                caller.react(&room, &message, if emoji { "👍" } else { "🎉" }, on).await?;
            }
            What::Pin { message: n, on } => {
                let Some(message) = message(n) else { return Ok(()) };
                caller.pin(&room, &message, on).await?;
            }
            What::Member { target, action } => {
                let until = |minutes: Option<u8>| minutes.map(|minutes| self.in_minutes(minutes));
                let action = match action {
                    Verb::Invite => MemberAction::Invite,
                    Verb::Kick => MemberAction::Kick { reason: None },
                    Verb::Ban { minutes } => {
                        MemberAction::Ban { until: until(minutes), reason: None }
                    }
                    Verb::Unban => MemberAction::Unban,
                    Verb::Mute { minutes } => {
                        MemberAction::Mute { until: until(minutes), reason: None }
                    }
                    Verb::Unmute => MemberAction::Unmute,
                    Verb::Role(n) => {
                        let roles = [Role::Member, Role::Moderator, Role::Owner];
                        MemberAction::Role(roles[usize::from(n) % roles.len()])
                    }
                };
                caller.member(&room, &self.user(target), action).await?;
            }
            What::Read { seq } => caller.mark_read(&room, Seq(seq.into())).await?,
        }
        Ok(())
    }

    /// One effect per name: the same again is told the same place, another text is a conflict.
    async fn send(
        &mut self,
        room: &RoomId,
        user: &UserId,
        name: String,
        text: String,
    ) -> Result<(), Error> {
        let draft = Draft::text(&text).once(&name)?;
        let result = self.chat.as_user(user).send(room, draft).await;
        let before = self.sends.get(&(room.clone(), user.clone(), name.clone()));
        match (&result, before) {
            (Ok(sent), Some((sent_text, seq))) => {
                assert!(sent.duplicate, "a second message under {name}");
                assert_eq!((&text, sent.seq), (sent_text, *seq), "another answer to {name}");
            }
            (Ok(sent), None) => {
                assert!(!sent.duplicate, "{name} was never sent");
                self.messages.push((room.clone(), sent.message_id.clone()));
                self.sends.insert((room.clone(), user.clone(), name), (text, sent.seq));
            }
            (Err(error), before) if error.code() == Code::Conflict => {
                let (sent_text, _) = before.expect("a conflict with what was never sent");
                assert_ne!(sent_text, &text, "the same message is no conflict");
            }
            (Err(_), _) => {}
        }
        result.map(drop)
    }

    async fn check(&self) {
        for room in &self.rooms {
            self.check_room(room).await;
        }
        let system = self.chat.as_system();
        for user in &self.users {
            let caller = self.chat.as_user(user);
            for filter in [RoomFilter::Joined, RoomFilter::Visible] {
                for summary in caller.rooms(filter, None, 100).await.expect("memory") {
                    assert!(summary.members > 0, "a room without members is shown: {summary:?}");
                    assert!(summary.read_n <= summary.head_n, "{summary:?}");
                    assert!(summary.unread <= summary.head_n, "{summary:?}");
                    assert!(system.room(&summary.room).await.is_ok(), "{summary:?}");
                }
            }
        }
    }

    async fn check_room(&self, room: &RoomId) {
        let system = self.chat.as_system();
        let Ok(summary) = system.room(room).await else {
            // Gone: to everybody, in the same words as one that never was.
            let never = RoomId::parse("never").expect("an id");
            for user in &self.users {
                let caller = self.chat.as_user(user);
                let gone = caller.room(room).await.expect_err("gone to the host, so to all");
                let absent = caller.room(&never).await.expect_err("never made");
                assert_eq!(gone.to_string(), absent.to_string());
                assert!(caller.log(room, Seq::START, 10).await.is_err());
            }
            return;
        };
        let entries = self.entries(room).await;
        // A direct room that ended and is made anew goes on counting: its log begins at the floor.
        let floor = summary.floor_seq.0;
        assert_eq!(floor + entries.len() as u64, summary.head_seq.0, "the head is the last entry");
        let mut n = None;
        for (entry, seq) in entries.iter().zip(floor + 1..) {
            assert_eq!(entry.seq.0, seq, "seq is dense");
            assert_eq!(entry.n.is_some(), matches!(entry.body, Body::Message { .. }), "{entry:?}");
            if let Some(own) = entry.n {
                assert_eq!(own, n.unwrap_or(own - 1) + 1, "n is dense");
                n = Some(own);
            }
        }
        assert!(n.is_none_or(|n| n == summary.head_n), "the head counts all messages");
        assert!(matches!(entries[0].body, Body::Room { .. }), "the first entry describes the room");

        let listed = system.members(room, None, 100).await.expect("memory");
        let names: BTreeSet<_> = listed.iter().map(|member| member.user.clone()).collect();
        assert_eq!(names.len(), listed.len(), "someone is listed twice");
        assert_eq!(summary.members as usize, listed.len(), "the count is of those who are listed");
        assert_eq!(names, members(&entries), "who is in follows from the log");
        assert!(!names.is_empty(), "a room without members");
        if summary.kind != RoomKind::Direct {
            assert!(listed.iter().any(|member| member.role == Role::Owner), "nobody owns it");
        }
    }

    async fn entries(&self, room: &RoomId) -> Vec<Entry> {
        let system = self.chat.as_system();
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map_or(Seq::START, |entry| entry.seq);
            let page = system.log(room, after, 50).await.expect("memory");
            if page.is_empty() {
                return entries;
            }
            entries.extend(page);
        }
    }
}

/// Who is in the room, read from nothing but its log.
fn members(entries: &[Entry]) -> BTreeSet<UserId> {
    let mut members = BTreeSet::new();
    for entry in entries {
        match &entry.body {
            Body::Enter { .. } => drop(members.insert(entry.user.clone())),
            Body::Leave {} => drop(members.remove(&entry.user)),
            Body::Kick { target, .. } | Body::Ban { target, .. } => drop(members.remove(target)),
            _ => {}
        }
    }
    members
}
