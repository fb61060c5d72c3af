//! What every [`AdminStore`] must do, together with the stores beside it. Each
//! case takes a fresh, empty store.

use std::sync::Arc;

use super::scene::{Rooms, Scene, user};
use crate::account::{Account, AccountRecord, DisplayName, Email, Handle, PasswordHash};
use crate::clock::Timestamp;
use crate::room::Action;
use crate::store::{AccountStore, AdminStore, Day};

/// Tests an [`AdminStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// admin_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! admin_store_suite {
    (in one, $open:expr) => {
        $crate::admin_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            admin_suite,
            $open,
            [
                who_is_an_admin_is_kept,
                accounts_are_found_by_any_of_their_names,
                what_there_is_is_counted,
                a_day_is_kept_as_it_was_noted_last,
            ]
        );
    };
    ($open:expr) => {
        $crate::admin_store_suite!(@ store_cases, $open);
    };
}

/// A store with rooms, accounts and admins.
pub trait Governed: Rooms + AccountStore + AdminStore {}
impl<T: Rooms + AccountStore + AdminStore> Governed for T {}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

async fn account(store: &impl AccountStore, id: &str, handle: &str, email: &str, shown: &str) {
    let account = Account {
        id: user(id),
        handle: Some(Handle::parse(handle).expect("a sound handle")),
        email: Some(Email::parse(email).expect("a sound address")),
        display_name: DisplayName::parse(shown).expect("a sound name"),
        external_id: None,
        avatar: None,
        created_at: NOW,
        disabled: false,
    };
    let password = PasswordHash::from_stored("$hash");
    let record = AccountRecord { account, password, generation: 0 };
    store.create_account(&record).await.expect("the store works");
}

/// Until they are none any more.
pub async fn who_is_an_admin_is_kept(store: impl Governed) {
    let (ann, bob) = (user("ann"), user("bob"));
    assert!(!store.is_admin(&ann).await.expect("the store works"));
    assert!(store.add_admin(&ann, NOW).await.expect("the store works"));
    assert!(!store.add_admin(&ann, NOW).await.expect("the store works"));
    assert!(store.is_admin(&ann).await.expect("the store works"));
    assert!(!store.is_admin(&bob).await.expect("the store works"));
    assert!(!store.remove_admin(&bob).await.expect("the store works"));
    assert!(store.remove_admin(&ann).await.expect("the store works"));
    assert!(!store.is_admin(&ann).await.expect("the store works"));
}

/// In the order of ids, page by page; what is special in SQL is not here.
pub async fn accounts_are_found_by_any_of_their_names(store: impl Governed) {
    account(&store, "u1", "ann", "ann@b.c", "Ann Smith").await;
    account(&store, "u2", "bob_x", "bob@b.c", "50% Bob").await;
    account(&store, "u3", "cyd", "cyd@d.e", "Anna").await;
    account(&store, "u4", "dan", "dan@d.e", "Dan").await;
    let shown = DisplayName::parse("nobody").expect("a sound name");
    store.erase_account(&user("u4"), &shown).await.expect("the store works");
    let found = async |name: &str, after: Option<&str>, limit| {
        let found = store.find_accounts(name, after.map(user).as_ref(), limit).await;
        let ids = found.expect("the store works").into_iter().map(|account| account.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found("", None, 10).await, ["u1", "u2", "u3"]);
    assert_eq!(found("ANN", None, 10).await, ["u1", "u3"]);
    assert_eq!(found("@B.C", None, 10).await, ["u1", "u2"]);
    assert_eq!(found("u2", None, 10).await, ["u2"]);
    assert_eq!(found("%", None, 10).await, ["u2"]);
    assert_eq!(found("_", None, 10).await, ["u2"]);
    assert_eq!(found("'", None, 10).await, [""; 0]);
    assert_eq!(found("nobody", None, 10).await, [""; 0]);
    assert_eq!(found("", Some("u1"), 1).await, ["u2"]);
}

/// What is gone is not.
pub async fn what_there_is_is_counted(store: impl Governed) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let before = store.numbers(NOW).await.expect("the store works");
    assert_eq!((before.rooms, before.users, before.sessions, before.file_bytes), (0, 0, 0, 0));
    scene.public("r1", "ann", &[]).await;
    let gone = scene.public("r2", "ann", &[]).await;
    scene.does("ann", &gone, Action::Leave).await;
    account(&*store, "u1", "ann", "ann@b.c", "Ann").await;
    account(&*store, "u2", "bob", "bob@b.c", "Bob").await;
    let shown = DisplayName::parse("nobody").expect("a sound name");
    store.erase_account(&user("u2"), &shown).await.expect("the store works");
    let numbers = store.numbers(NOW).await.expect("the store works");
    assert_eq!((numbers.rooms, numbers.users), (1, 1));
}

/// The newest first.
pub async fn a_day_is_kept_as_it_was_noted_last(store: impl Governed) {
    let day = |day, messages| Day { day, messages };
    for noted in [day(20_000, 5), day(20_001, 7), day(20_000, 6)] {
        store.keep_day(noted).await.expect("the store works");
    }
    let days = store.days(10).await.expect("the store works");
    assert_eq!(days, [day(20_001, 7), day(20_000, 6)]);
    assert_eq!(store.days(1).await.expect("the store works"), [day(20_001, 7)]);
}
