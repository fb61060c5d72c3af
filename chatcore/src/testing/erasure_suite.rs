//! What every [`ErasureStore`] must do, together with the stores beside it.
//! Each case takes a fresh, empty store.

use std::sync::Arc;

use super::scene::{Rooms, Scene, kick, mark, to, user};
use crate::account::{
    Account, AccountRecord, DisplayName, Email, Handle, PasswordHash, ProfileChange,
};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, RoomId, Seq};
use crate::room::{Action, Marks, MemberAction, NewRoom, Standing};
use crate::store::attachment::{AttachmentStore, Reservation, WaitingLimit};
use crate::store::{AccountStore, Erasure, ErasureStore, Naming};

/// Tests an [`ErasureStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// erasure_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! erasure_store_suite {
    (in one, $open:expr) => {
        $crate::erasure_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            erasure_suite,
            $open,
            [
                an_erasure_is_noted_once_and_kept_until_it_is_finished,
                who_was_noted_stays_so,
                rooms_know_whoever_they_had_to_do_with,
                a_room_forgets_only_who_is_not_in_it,
                who_was_forgotten_is_a_stranger,
                a_deleted_room_forgets_whoever_it_knew,
                a_reaction_is_taken_back_from_outside,
                files_that_are_in_no_message_are_released,
                an_erased_account_says_nothing_of_anyone,
                an_erased_account_stays_as_it_is,
                a_handle_of_one_who_was_erased_is_nobodys_again,
                an_address_of_one_who_was_erased_is_free,
            ]
        );
    };
    ($open:expr) => {
        $crate::erasure_store_suite!(@ store_cases, $open);
    };
}

/// A store in which people come and go.
pub trait Whole: Rooms + AccountStore + AttachmentStore + ErasureStore {}
impl<T: Rooms + AccountStore + AttachmentStore + ErasureStore> Whole for T {}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

async fn unfinished(store: &impl ErasureStore) -> Vec<Erasure> {
    store.unfinished_erasures(10).await.expect("the store works")
}

async fn knowing(store: &impl ErasureStore, who: &str) -> Vec<String> {
    let rooms = store.rooms_that_know(&user(who), None, 100).await.expect("the store works");
    rooms.into_iter().map(|room| room.to_string()).collect()
}

async fn forgets(store: &impl ErasureStore, room: &RoomId, who: &str) -> bool {
    store.forget_member(room, &user(who)).await.expect("the store works")
}

/// The oldest first, with how far each is.
pub async fn an_erasure_is_noted_once_and_kept_until_it_is_finished(store: impl Whole) {
    let (ann, bob) = (user("ann"), user("bob"));
    let later = Timestamp(NOW.0 + 1);
    assert!(store.begin_erasure(&bob, later).await.expect("the store works"));
    assert!(store.begin_erasure(&ann, NOW).await.expect("the store works"));
    assert!(!store.begin_erasure(&ann, later).await.expect("the store works"));
    let room = RoomId::parse("r").expect("a sound id");
    store.advance_erasure(&ann, &room, Seq(7)).await.expect("the store works");
    let of_ann = Erasure { user: ann.clone(), begun_at: NOW, place: Some((room, Seq(7))) };
    let of_bob = Erasure { user: bob.clone(), begun_at: later, place: None };
    assert_eq!(unfinished(&store).await, [of_ann.clone(), of_bob.clone()]);
    assert_eq!(store.unfinished_erasures(1).await.expect("the store works"), [of_ann]);
    store.finish_erasure(&ann, later).await.expect("the store works");
    assert_eq!(unfinished(&store).await, [of_bob]);
    assert!(!store.begin_erasure(&ann, later).await.expect("the store works"));
    assert_eq!(unfinished(&store).await.len(), 1, "what is finished is not begun again");
}

/// Before and after it is finished.
pub async fn who_was_noted_stays_so(store: impl Whole) {
    let asked = [user("ann"), user("bob"), user("cyd")];
    store.begin_erasure(&asked[0], NOW).await.expect("the store works");
    store.begin_erasure(&asked[2], NOW).await.expect("the store works");
    store.finish_erasure(&asked[2], NOW).await.expect("the store works");
    let mut erased = store.erased(&asked).await.expect("the store works");
    erased.sort();
    assert_eq!(erased, [asked[0].clone(), asked[2].clone()]);
    assert_eq!(store.erased(&[]).await.expect("the store works"), []);
}

/// Those in it, asked in, gone, sent out and shut out.
pub async fn rooms_know_whoever_they_had_to_do_with(store: impl Whole) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    for name in ["r1", "r2", "r3", "r4", "r5"] {
        scene.public(name, "ann", &[]).await;
    }
    let room = |name: &str| RoomId::parse(name).expect("a sound id");
    scene.does("bob", &room("r1"), Action::Enter).await;
    scene.does("ann", &room("r2"), to("bob", MemberAction::Invite)).await;
    scene.does("bob", &room("r3"), Action::Enter).await;
    scene.does("bob", &room("r3"), Action::Leave).await;
    scene
        .does("ann", &room("r4"), to("bob", MemberAction::Ban { until: None, reason: None }))
        .await;
    assert_eq!(knowing(&*store, "bob").await, ["r1", "r2", "r3", "r4"]);
    let page = store.rooms_that_know(&user("bob"), Some(&room("r1")), 2).await;
    assert_eq!(page.expect("the store works"), [room("r2"), room("r3")]);
    assert!(knowing(&*store, "eve").await.is_empty());
}

/// Who is in it stays in it, and is counted.
pub async fn a_room_forgets_only_who_is_not_in_it(store: impl Whole) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let room = scene.public("r", "ann", &["bob"]).await;
    scene.does("ann", &room, to("cyd", MemberAction::Invite)).await;
    assert!(!forgets(&*store, &room, "bob").await);
    assert!(!forgets(&*store, &room, "cyd").await);
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
    scene.does("bob", &room, Action::Leave).await;
    assert!(forgets(&*store, &room, "bob").await);
    assert!(forgets(&*store, &room, "bob").await, "there is nothing left to do");
    assert!(knowing(&*store, "bob").await.is_empty());
    assert_eq!(scene.see(&room).await.members, 1);
}

/// What was remembered of them, on the disk and beside it, is gone.
pub async fn who_was_forgotten_is_a_stranger(store: impl Whole) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let room = scene.public("r", "ann", &["bob"]).await;
    scene.says("ann", &room, "one").await;
    scene.does("bob", &room, mark(4)).await;
    scene.does("ann", &room, kick("bob")).await;
    scene.ask("bob", &room, mark(4)).await.expect_err("not in");
    assert!(forgets(&*store, &room, "bob").await);
    let known = store.room(&room, Some(&user("bob"))).await.expect("the store works");
    assert_eq!(known.expect("it is there").1, None);
    // A decision knows of it too: an invitation finds a stranger.
    scene.does("ann", &room, to("bob", MemberAction::Invite)).await;
    let member = scene.member(&room, "bob").await;
    assert_eq!((member.standing, member.marks), (Standing::Invited, Marks::default()));
}

/// Also who was asked in and never came.
pub async fn a_deleted_room_forgets_whoever_it_knew(store: impl Whole) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let new = NewRoom::private("r").invite([user("bob")]);
    let room = scene.room("r", new, "ann", &[]).await;
    assert!(!forgets(&*store, &room, "bob").await);
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(knowing(&*store, "bob").await, ["r"]);
    for who in ["ann", "bob"] {
        assert!(forgets(&*store, &room, who).await);
        assert!(knowing(&*store, who).await.is_empty());
    }
}

/// By one who is not in the room, from a message that is there or deleted; once.
pub async fn a_reaction_is_taken_back_from_outside(store: impl Whole) {
    let scene = Scene::of(store);
    let room = scene.public("r", "ann", &["bob", "cyd"]).await;
    let kept = scene.says("ann", &room, "kept").await.id;
    let gone = scene.says("ann", &room, "gone").await.id;
    for message in [&kept, &gone] {
        for who in ["bob", "cyd"] {
            scene.does(who, &room, super::scene::react(message, "+1", true)).await;
        }
    }
    scene.does("ann", &room, super::scene::delete(&gone, "d")).await;
    scene.does("bob", &room, Action::Leave).await;
    for message in [&kept, &gone] {
        let retract = Action::Retract { message: message.clone(), emoji: "+1".into() };
        let head = scene.see(&room).await.head_seq;
        scene.does("bob", &room, retract.clone()).await;
        assert_eq!(scene.see(&room).await.head_seq, head.next());
        scene.does("bob", &room, retract).await;
        assert_eq!(scene.see(&room).await.head_seq, head.next(), "it is there no more");
        let shown = scene.shown(&room, message, "bob").await;
        assert_eq!((shown.reactions[0].count, shown.reactions[0].mine), (1, false));
    }
    assert_eq!(scene.kinds(&room).await.last(), Some(&"unreact"));
}

/// Under way and waiting; no more at once than asked for, and nobody else's.
pub async fn files_that_are_in_no_message_are_released(store: impl Whole) {
    let most = WaitingLimit { bytes: 1_000, files: 10 };
    for (id, owner) in [("a", "ann"), ("b", "ann"), ("c", "ann"), ("d", "bob")] {
        let upload = Reservation {
            id: AttachmentId::parse(id).expect("a sound id"),
            owner: user(owner),
            bytes: 1,
            created_at: NOW,
        };
        assert!(store.reserve_attachment(&upload, most).await.expect("the store works"));
    }
    let release = async |limit| {
        store.release_attachments_of(&user("ann"), limit).await.expect("the store works")
    };
    assert_eq!((release(2).await, release(2).await, release(2).await), (2, 1, 0));
    let released = store.released_attachments(None, 10).await.expect("the store works");
    let released: Vec<_> = released.iter().map(AttachmentId::as_str).collect();
    assert_eq!(released, ["a", "b", "c"]);
}

fn account(id: &str, handle: &str, email: &str) -> AccountRecord {
    let account = Account {
        id: user(id),
        handle: Some(Handle::parse(handle).expect("a sound handle")),
        email: Some(Email::parse(email).expect("a sound address")),
        display_name: DisplayName::parse("Ann").expect("a sound name"),
        external_id: None,
        avatar: AttachmentId::parse("picture").ok(),
        created_at: NOW,
        disabled: false,
    };
    AccountRecord { account, password: PasswordHash::from_stored("$hash"), generation: 3 }
}

async fn erase(store: &impl AccountStore, id: &str) -> bool {
    let shown = DisplayName::parse("nobody").expect("a sound name");
    store.erase_account(&user(id), &shown).await.expect("the store works")
}

async fn create(store: &impl AccountStore, record: &AccountRecord) -> Naming {
    store.create_account(record).await.expect("the store works")
}

/// Neither by its id nor by a name.
pub async fn an_erased_account_says_nothing_of_anyone(store: impl Whole) {
    let ann = account("u1", "Ann.PaypaI", "ann@b.c");
    assert_eq!(create(&store, &ann).await, Naming::Done);
    assert_eq!(create(&store, &account("u2", "bob", "bob@b.c")).await, Naming::Done);
    assert!(erase(&store, "u1").await);
    assert!(!erase(&store, "u1").await);
    assert!(!erase(&store, "u3").await);
    let left = store.account(&user("u1")).await.expect("the store works").expect("it is there");
    let shown = left.account.display_name.as_str().to_owned();
    assert_eq!(shown, "nobody");
    assert_eq!((left.account.keys(), left.account.avatar), (Vec::new(), None));
    assert!(left.account.disabled && left.generation == 4);
    assert_eq!(left.password, PasswordHash::none());
    for key in ann.account.keys() {
        assert_eq!(store.account_by_name(&key).await.expect("the store works"), None);
    }
    let bob = store.account(&user("u2")).await.expect("the store works");
    assert_eq!(bob, Some(account("u2", "bob", "bob@b.c")));
}

/// Whatever would change it finds no account.
pub async fn an_erased_account_stays_as_it_is(store: impl Whole) {
    create(&store, &account("u1", "ann", "ann@b.c")).await;
    erase(&store, "u1").await;
    let before = store.account(&user("u1")).await.expect("the store works");
    let (id, email) = (user("u1"), Email::parse("new@b.c").expect("a sound address"));
    let named = store.set_email(&id, &email).await.expect("the store works");
    assert_eq!(named, Naming::NoSuchAccount);
    assert!(!store.set_disabled(&id, false).await.expect("the store works"));
    let name = Some(DisplayName::parse("Ann").expect("a sound name"));
    let change = ProfileChange { display_name: name, avatar: None };
    assert_eq!(store.change_profile(&id, &change).await.expect("the store works"), None);
    let password = PasswordHash::from_stored("$new");
    assert!(!store.set_password(&id, 3, &password, true).await.expect("the store works"));
    assert_eq!(store.account(&id).await.expect("the store works"), before);
    assert_eq!(create(&store, &account("u2", "bob", "new@b.c")).await, Naming::Done);
}

/// Nor what looks like it.
pub async fn a_handle_of_one_who_was_erased_is_nobodys_again(store: impl Whole) {
    create(&store, &account("u1", "admin", "ann@b.c")).await;
    erase(&store, "u1").await;
    let taken = Naming::Taken(vec![crate::account::NameKind::Handle]);
    for handle in ["admin", "ADMIN", "аdmin"] {
        let record = account("u2", handle, "bob@b.c");
        assert_eq!(create(&store, &record).await, taken, "{handle}");
    }
    assert_eq!(create(&store, &account("u2", "admin2", "bob@b.c")).await, Naming::Done);
}

/// Whoever takes it has proved that it is theirs.
pub async fn an_address_of_one_who_was_erased_is_free(store: impl Whole) {
    create(&store, &account("u1", "ann", "ann@b.c")).await;
    erase(&store, "u1").await;
    assert_eq!(create(&store, &account("u2", "bob", "ann@b.c")).await, Naming::Done);
}
