//! Whatever is asked, SQLite and memory answer alike and come to the same state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::id::{RoomId, Seq, UserId};
use crate::log::{Draft, Entry};
use crate::room::{Action, Actor, Command, MemberAction, NewRoom, Role, RoomKind, RoomUpdate};
use crate::store::memory::MemoryStore;
use crate::store::{Committed, RoomFilter, Toward};
use crate::testing::scene::{Scene, delete, edit, kick, mark, pin, react, role, to, user};

const PEOPLE: [&str; 4] = ["ann", "bob", "cat", "dan"];
const EMOJI: [&str; 3] = ["👍", "a", "z"];
/// Names for requests that take effect once; few, so that they meet.
const NAMES: u8 = 5;

/// One step of a story.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Ask>),
    Wait(u16),
    Sweep(u8),
    /// Something outside holds the lock while this is asked.
    Locked(Vec<Ask>),
    Restart,
}

/// Who asks what of which room; no `who` is the host.
#[derive(Clone, Debug)]
struct Ask {
    who: Option<u8>,
    room: u8,
    what: What,
}

/// A message: whose, under which name.
type Named = (u8, u8);

#[derive(Clone, Debug)]
enum What {
    Create,
    Enter,
    Leave,
    Send { once: u8, text: u8, reply: Option<Named> },
    Edit { message: Named, once: u8, text: u8 },
    Delete { message: Named, once: u8 },
    React { message: Named, emoji: u8, on: bool },
    Pin { message: Named, on: bool },
    Invite(u8),
    Kick(u8),
    Ban(u8, Option<u16>),
    Unban(u8),
    Mute(u8, Option<u16>),
    Unmute(u8),
    Role(u8, u8),
    Update { name: Option<u8>, private: Option<bool> },
    Read(u8),
    Delivered(u8),
}

fn what() -> impl Strategy<Value = What> {
    let someone = || 0..PEOPLE.len() as u8;
    let named = move || (someone(), 0..NAMES);
    let text = || 0..3_u8;
    prop_oneof![
        3 => Just(What::Create),
        4 => Just(What::Enter),
        3 => Just(What::Leave),
        8 => (0..NAMES, text(), proptest::option::weighted(0.2, named()))
            .prop_map(|(once, text, reply)| What::Send { once, text, reply }),
        3 => (named(), 0..NAMES, text())
            .prop_map(|(message, once, text)| What::Edit { message, once, text }),
        2 => (named(), 0..NAMES).prop_map(|(message, once)| What::Delete { message, once }),
        4 => (named(), 0..EMOJI.len() as u8, any::<bool>())
            .prop_map(|(message, emoji, on)| What::React { message, emoji, on }),
        2 => (named(), any::<bool>()).prop_map(|(message, on)| What::Pin { message, on }),
        1 => someone().prop_map(What::Invite),
        2 => someone().prop_map(What::Kick),
        1 => (someone(), any::<Option<u16>>()).prop_map(|(who, ms)| What::Ban(who, ms)),
        1 => someone().prop_map(What::Unban),
        1 => (someone(), any::<Option<u16>>()).prop_map(|(who, ms)| What::Mute(who, ms)),
        1 => someone().prop_map(What::Unmute),
        2 => (someone(), 0..3_u8).prop_map(|(who, role)| What::Role(who, role)),
        1 => (proptest::option::of(0..3_u8), any::<Option<bool>>())
            .prop_map(|(name, private)| What::Update { name, private }),
        3 => (0..40_u8).prop_map(What::Read),
        1 => (0..40_u8).prop_map(What::Delivered),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let who = proptest::option::weighted(0.9, 0..PEOPLE.len() as u8);
    (who, 0..4_u8, what()).prop_map(|(who, room, what)| Ask { who, room, what })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => proptest::collection::vec(ask(), 1..10).prop_map(Step::Commit),
        2 => proptest::collection::vec(ask(), 1..4).prop_map(Step::Locked),
        1 => Just(Step::Restart),
        1 => any::<u16>().prop_map(Step::Wait),
        1 => any::<u8>().prop_map(Step::Sweep),
    ]
}

fn name(once: u8) -> String {
    format!("once-{once}")
}

fn person(index: u8) -> &'static str {
    PEOPLE[usize::from(index)]
}

/// A public room, a private one, the direct one of the first two, one that is kept.
fn room(index: u8) -> RoomId {
    match index {
        0 => RoomId::parse("public").expect("a sound id"),
        1 => RoomId::parse("hidden").expect("a sound id"),
        2 => RoomId::direct(&user("ann"), &user("bob")),
        _ => RoomId::lobby(),
    }
}

fn create(ask: &Ask) -> NewRoom {
    let new = match ask.room {
        0 => NewRoom::public("public"),
        1 => NewRoom::private("hidden").invite([user("cat")]),
        2 => NewRoom::direct(user(if ask.who == Some(0) { "bob" } else { "ann" })),
        _ => NewRoom::public("lobby").kept(),
    };
    // A room that the host makes has no members to live by.
    if ask.who.is_none() {
        NewRoom { kind: RoomKind::Public, members: Vec::new(), ..new }.kept()
    } else {
        new
    }
}

impl Ask {
    fn command(&self, scene: &Scene) -> Command {
        let room = room(self.room);
        let id = |(whose, once): Named| {
            let message = scene.message(person(whose), &room, &name(once), Draft::default());
            let Action::Send(send) = message.action else { unreachable!("it is a send") };
            send.message_id
        };
        let text = |text: u8| "x".repeat(usize::from(text));
        let until =
            |ms: Option<u16>| ms.map(|ms| scene.now().after(Duration::from_millis(ms.into())));
        let who = self.who.map_or(UserId::system(), |who| user(person(who)));
        let action = match self.what.clone() {
            What::Create => Action::Create(create(self)),
            What::Enter => Action::Enter,
            What::Leave => Action::Leave,
            What::Send { once, text: length, reply } => {
                let mut draft = Draft::text(text(length));
                draft.reply_to = reply.map(id);
                scene.message(who.as_str(), &room, &name(once), draft).action
            }
            What::Edit { message, once, text: length } => {
                edit(&id(message), &name(once), &text(length))
            }
            What::Delete { message, once } => delete(&id(message), &name(once)),
            What::React { message, emoji, on } => {
                react(&id(message), EMOJI[usize::from(emoji)], on)
            }
            What::Pin { message, on } => pin(&id(message), on),
            What::Invite(who) => to(person(who), MemberAction::Invite),
            What::Kick(who) => kick(person(who)),
            What::Ban(who, ms) => {
                to(person(who), MemberAction::Ban { until: until(ms), reason: None })
            }
            What::Unban(who) => to(person(who), MemberAction::Unban),
            What::Mute(who, ms) => {
                to(person(who), MemberAction::Mute { until: until(ms), reason: None })
            }
            What::Unmute(who) => to(person(who), MemberAction::Unmute),
            What::Role(who, to) => {
                let to = [Role::Member, Role::Moderator, Role::Owner][usize::from(to)];
                role(person(who), to)
            }
            What::Update { name, private } => Action::Update(RoomUpdate {
                name: name.map(text),
                topic: None,
                kind: private.map(|p| if p { RoomKind::Private } else { RoomKind::Public }),
                slow_mode: name.map(u32::from),
                retention: None,
            }),
            What::Read(seq) => mark(seq.into()),
            What::Delivered(seq) => Action::Mark { read: None, delivered: Some(Seq(seq.into())) },
        };
        let actor = self.who.map_or(Actor::System, |_| Actor::User(who.clone()));
        Command { actor, ..scene.command(who.as_str(), &room, action) }
    }
}

/// All that can be seen of a store, but for its epoch.
async fn seen(scene: &Scene) -> String {
    let store = &scene.store;
    let mut all = format!("{:#?}\n", store.counts().await.expect("the store works"));
    for index in 0..4 {
        let id = room(index);
        let found = store.room(&id, None).await.expect("the store works");
        let members = store.members(&id, None, 100).await.expect("the store works");
        all += &format!("{found:#?}\n{members:#?}\n{:#?}\n", nameless(scene.log(&id).await));
        for who in PEOPLE {
            let member = store.room(&id, Some(&user(who))).await.expect("the store works");
            let member = member.and_then(|(_, member)| member);
            let history = scene.history(&id, who).await;
            let newer = store.messages(&id, Toward::Newer(Seq(7)), 3, &user(who)).await;
            let older = store.messages(&id, Toward::Older(Seq(20)), 3, &user(who)).await;
            all += &format!("{member:#?}\n{history:#?}\n{newer:?}\n{older:?}\n");
            for once in 0..NAMES {
                let message = scene.message(who, &id, &name(once), Draft::default());
                let Action::Send(send) = message.action else { unreachable!("it is a send") };
                let one = store.message(&id, &send.message_id, &user(who)).await;
                all += &format!("{one:?}\n");
            }
        }
    }
    for who in PEOPLE {
        let visible = scene.rooms(who, RoomFilter::Visible).await;
        all += &format!("{visible:?} {:?}\n", scene.rooms(who, RoomFilter::Joined).await);
    }
    let runs = store.runs_before(None, 10_000).await.expect("the store works");
    all + &format!("{runs:?}\n")
}

fn nameless(entries: Vec<Entry>) -> Vec<Entry> {
    let epoch = crate::id::Epoch::parse("any").expect("a sound id");
    entries.into_iter().map(|entry| Entry { epoch: epoch.clone(), ..entry }).collect()
}

/// What holds after every commit, whatever it was.
async fn sound(scene: &Scene) {
    for index in 0..4 {
        let id = room(index);
        let Some((room, _)) = scene.store.room(&id, None).await.expect("the store works") else {
            continue;
        };
        let members = scene.store.members(&id, None, 100).await.expect("the store works");
        assert_eq!(members.len(), room.members as usize, "{room:?}");
        let owners = members.iter().filter(|m| m.role == Role::Owner).count();
        assert_eq!(owners, room.owners as usize, "{room:?}");
        assert!(room.owners > 0 || room.members == 0 || room.keep, "nobody owns {room:?}");
        assert!(room.members > 0 || room.keep || room.deleted_at.is_some(), "orphaned: {room:?}");
        for member in &members {
            let marks = member.marks;
            assert!(marks.read_n <= room.head_n && marks.read_seq <= room.head_seq, "{member:?}");
            assert!(marks.read_seq <= marks.delivered_seq, "{member:?}");
        }
        let log = scene.log(&id).await;
        if room.deleted_at.is_some() {
            assert!(log.is_empty());
            continue;
        }
        assert!(log.iter().map(|e| e.seq.0).eq(room.floor_seq.0 + 1..=room.head_seq.0));
        let counts: Vec<_> = log.iter().filter_map(|e| e.n).collect();
        assert!(counts.is_empty() || counts.last() == Some(&room.head_n));
        assert!(counts.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        let pinned = scene.history(&id, "ann").await.iter().filter(|m| m.pinned).count();
        assert_eq!(pinned, room.pins as usize);
    }
}

fn told(committed: Committed) -> String {
    let Committed { outcomes, entries, rewritten, marks, deleted, .. } = committed;
    let (entries, rewritten) = (nameless(entries), nameless(rewritten));
    format!("{outcomes:#?}\n{entries:#?}\n{rewritten:#?}\n{marks:?}\n{deleted:?}")
}

/// Says where two accounts part, not all that they agree on.
fn alike(memory: &str, sqlite: &str) {
    let both = memory.lines().zip(sqlite.lines());
    let parting = both.enumerate().find(|(_, (memory, sqlite))| memory != sqlite);
    if let Some((line, (memory, sqlite))) = parting {
        panic!("line {line}:\nmemory says {memory}\nsqlite says {sqlite}");
    }
    assert_eq!(memory.len(), sqlite.len(), "one says more than the other");
}

const BUSY: Duration = Duration::from_millis(1);

/// A store that keeps so little in memory that it has to look at the disk every other time.
async fn small(path: &PathBuf) -> SqliteStore {
    let options = SqliteOptions::file(path).cached_rows(8).recent_sends(4).busy_timeout(BUSY);
    options.open().await.expect("the store opens")
}

async fn run(story: Vec<Step>) {
    let bound = |scene: Scene| {
        scene.bound(|limits| {
            limits.members = 3;
            limits.rooms = 3;
            limits.reactions = 2;
            limits.pins = 1;
        })
    };
    let (_folder, path) = folder();
    let (memory, mut sqlite) =
        (bound(Scene::of(MemoryStore::new())), bound(Scene::of(MemoryStore::new())));
    let mut store = Arc::new(small(&path).await);
    sqlite.store = store.clone();
    for step in story {
        match step {
            Step::Commit(asks) => {
                let batch: Vec<_> = asks.iter().map(|ask| ask.command(&memory)).collect();
                let (one, other) = (memory.commit(&batch).await, sqlite.commit(&batch).await);
                alike(&told(one), &told(other));
                sound(&sqlite).await;
            }
            Step::Locked(asks) => {
                let batch: Vec<_> = asks.iter().map(|ask| ask.command(&memory)).collect();
                let outside = connect::options(&path, BUSY);
                let mut outside = connect::connect(&outside).await.expect("a connection");
                let lock = sqlx::query("BEGIN IMMEDIATE").execute(&mut outside).await;
                lock.expect("the lock");
                let other = sqlite.store.commit(&batch, &sqlite.limits).await;
                let free = sqlx::query("ROLLBACK").execute(&mut outside).await;
                free.expect("it is released");
                // Dropped, it would close at some time, and may lock out what opens meanwhile.
                sqlx::Connection::close(outside).await.expect("it closes");
                // What changes nothing is answered all the same.
                if let Ok(other) = other {
                    alike(&told(memory.commit(&batch).await), &told(other));
                }
            }
            Step::Restart => {
                store.close().await.expect("it closes");
                store = Arc::new(small(&path).await);
                sqlite.store = store.clone();
            }
            Step::Wait(ms) => memory.wait(Duration::from_millis(ms.into())),
            Step::Sweep(limit) => {
                for scene in [&memory, &sqlite] {
                    scene.store.sweep(limit.into()).await.expect("the store works");
                }
            }
        }
    }
    alike(&seen(&memory).await, &seen(&sqlite).await);
    let mut left = BTreeSet::new();
    for scene in [&memory, &sqlite] {
        left.insert(scene.store.sweep(u32::MAX).await.expect("the store works"));
        assert_eq!(scene.store.sweep(u32::MAX).await.expect("the store works"), 0);
    }
    assert_eq!(left.len(), 1, "as much is dead in one as in the other");
    alike(&seen(&memory).await, &seen(&sqlite).await);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_story_ends_alike_in_memory_and_in_sqlite(
        story in proptest::collection::vec(step(), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(run(story));
    }
}
