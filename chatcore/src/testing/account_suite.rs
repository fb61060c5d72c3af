//! What every [`AccountStore`] must do. Each case takes a fresh, empty store.

use std::sync::Arc;

use crate::account::{
    Account, AccountRecord, DisplayName, Email, ExternalId, Handle, NameKind, PasswordHash,
    ProfileChange,
};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, UserId};
use crate::store::{AccountStore, Naming, StoreError};

/// Tests an [`AccountStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// account_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! account_store_suite {
    (in one, $open:expr) => {
        $crate::account_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            account_suite,
            $open,
            [
                an_account_is_found_by_its_id_and_each_of_its_names,
                every_field_is_kept,
                an_account_may_have_few_names,
                an_empty_store_knows_nobody,
                every_kind_of_name_that_is_taken_is_told,
                a_refused_account_leaves_none_of_its_names_behind,
                names_of_different_kinds_do_not_clash,
                what_a_handle_looks_like_is_taken_too,
                an_id_that_comes_up_twice_is_refused,
                of_many_who_want_one_name_at_once_one_gets_it,
                accounts_are_read_many_at_once,
                a_profile_changes_in_part,
                an_address_is_given_and_replaced,
                an_address_of_another_is_not_given,
                ones_own_address_may_be_given_again,
                a_password_is_replaced_only_in_its_generation,
                of_many_who_replace_a_password_at_once_one_does,
                switching_off_and_on_begins_a_new_generation,
                accounts_are_counted,
            ]
        );
    };
    ($open:expr) => {
        $crate::account_store_suite!(@ store_cases, $open);
    };
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a sound id")
}

fn handle(typed: &str) -> Handle {
    Handle::parse(typed).expect("a sound handle")
}

fn email(typed: &str) -> Email {
    Email::parse(typed).expect("a sound address")
}

fn external(id: &str) -> ExternalId {
    ExternalId::parse(id).expect("a sound id")
}

fn hash(n: u32) -> PasswordHash {
    PasswordHash::from_stored(format!("$scrypt$ln=4,r=8,p=1$salt{n}$hash{n}"))
}

fn record(id: &str) -> AccountRecord {
    let account = Account {
        id: user(id),
        handle: None,
        email: None,
        display_name: DisplayName::parse("Žofie 👍").expect("a sound name"),
        external_id: None,
        avatar: None,
        created_at: Timestamp(1_700_000_000_123),
        disabled: false,
    };
    AccountRecord { account, password: hash(0), generation: 0 }
}

fn with_handle(id: &str, typed: &str) -> AccountRecord {
    let mut record = record(id);
    record.account.handle = Some(handle(typed));
    record
}

fn full(id: &str) -> AccountRecord {
    let mut record = with_handle(id, "Žofie.PaypaI");
    record.account.email = Some(email("Zofie@Example.org"));
    record.account.external_id = Some(external("65a1b2c3d4e5f60718293a4b"));
    record
}

async fn create(store: &impl AccountStore, record: &AccountRecord) -> Naming {
    store.create_account(record).await.expect("the store works")
}

async fn created(store: &impl AccountStore, record: &AccountRecord) {
    assert_eq!(create(store, record).await, Naming::Done);
}

async fn read(store: &impl AccountStore, id: &str) -> Option<AccountRecord> {
    store.account(&user(id)).await.expect("the store works")
}

/// By each of its ids and names.
pub async fn an_account_is_found_by_its_id_and_each_of_its_names(store: impl AccountStore) {
    let (whole, other) = (full("u1"), with_handle("u2", "bob"));
    created(&store, &whole).await;
    created(&store, &other).await;
    let keys = whole.account.keys();
    assert_eq!(keys.len(), 4, "the handle has two forms");
    for key in keys {
        let found = store.account_by_name(&key).await.expect("the store works");
        assert_eq!(found.as_ref(), Some(&whole), "{key:?}");
    }
    let found = store.account_by_name(&handle("BOB").key()).await.expect("the store works");
    assert_eq!(found, Some(other));
}

/// In both ways of reading.
pub async fn every_field_is_kept(store: impl AccountStore) {
    let mut whole = full("any id, such as 'this' \"one\"");
    whole.account.avatar = AttachmentId::parse("picture").ok();
    whole.account.disabled = true;
    whole.generation = 7;
    created(&store, &whole).await;
    assert_eq!(read(&store, whole.account.id.as_str()).await.as_ref(), Some(&whole));
    let many = store.accounts(std::slice::from_ref(&whole.account.id)).await;
    assert_eq!(many.expect("the store works"), [whole.account]);
}

/// None of them is compared when it is not there.
pub async fn an_account_may_have_few_names(store: impl AccountStore) {
    for id in ["u1", "u2", "u3"] {
        created(&store, &record(id)).await;
    }
    assert_eq!(read(&store, "u2").await, Some(record("u2")));
}

/// Every question has an answer there.
pub async fn an_empty_store_knows_nobody(store: impl AccountStore) {
    assert_eq!(read(&store, "u1").await, None);
    let found = store.account_by_name(&handle("alice").key()).await;
    assert_eq!(found.expect("the store works"), None);
    assert_eq!(store.accounts(&[user("u1")]).await.expect("the store works"), []);
    assert_eq!(store.accounts(&[]).await.expect("the store works"), []);
    let changed = store.change_profile(&user("u1"), &ProfileChange::default()).await;
    assert_eq!(changed.expect("the store works"), None);
    let named = store.set_email(&user("u1"), &email("a@b.c")).await;
    assert_eq!(named.expect("the store works"), Naming::NoSuchAccount);
    let set = store.set_password(&user("u1"), 0, &hash(1), true).await;
    assert!(!set.expect("the store works"));
    assert!(!store.set_disabled(&user("u1"), true).await.expect("the store works"));
    assert_eq!(store.count_accounts().await.expect("the store works"), 0);
}

/// All kinds at once, in order, each once.
pub async fn every_kind_of_name_that_is_taken_is_told(store: impl AccountStore) {
    created(&store, &full("u1")).await;
    let all = vec![NameKind::Handle, NameKind::Email, NameKind::ExternalId];
    assert_eq!(create(&store, &full("u2")).await, Naming::Taken(all));
    let mut some = with_handle("u2", "free");
    some.account.external_id = full("u1").account.external_id;
    assert_eq!(create(&store, &some).await, Naming::Taken(vec![NameKind::ExternalId]));
}

/// Nothing at all is written of it.
pub async fn a_refused_account_leaves_none_of_its_names_behind(store: impl AccountStore) {
    let mut first = record("u1");
    first.account.email = Some(email("a@b.c"));
    created(&store, &first).await;
    let mut refused = with_handle("u2", "bob");
    refused.account.email = Some(email("A@b.c"));
    assert_eq!(create(&store, &refused).await, Naming::Taken(vec![NameKind::Email]));
    assert_eq!(read(&store, "u2").await, None);
    created(&store, &with_handle("u3", "bob")).await;
}

/// Equal texts are fine as long as they are not of one kind.
pub async fn names_of_different_kinds_do_not_clash(store: impl AccountStore) {
    created(&store, &with_handle("u1", "same")).await;
    let mut other = record("u2");
    other.account.external_id = Some(external("same"));
    created(&store, &other).await;
    let found = store.account_by_name(&external("same").key()).await;
    assert_eq!(found.expect("the store works"), Some(other));
}

/// In either direction.
pub async fn what_a_handle_looks_like_is_taken_too(store: impl AccountStore) {
    created(&store, &with_handle("u1", "paypaI")).await;
    let taken = Naming::Taken(vec![NameKind::Handle]);
    assert_eq!(create(&store, &with_handle("u2", "paypal")).await, taken);
    assert_eq!(create(&store, &with_handle("u2", "p\u{430}yp\u{430}i")).await, taken);
    created(&store, &with_handle("u2", "mall")).await;
    assert_eq!(create(&store, &with_handle("u3", "maIl")).await, taken);
    created(&store, &with_handle("u3", "mail")).await;
}

/// And nothing of the first one changes.
pub async fn an_id_that_comes_up_twice_is_refused(store: impl AccountStore) {
    let first = with_handle("u1", "alice");
    created(&store, &first).await;
    let again = store.create_account(&with_handle("u1", "bob")).await;
    assert!(matches!(again, Err(StoreError::Corrupt(_))), "{again:?}");
    assert_eq!(read(&store, "u1").await, Some(first));
    created(&store, &with_handle("u2", "bob")).await;
}

/// Whatever the store locks, it locks it in time.
pub async fn of_many_who_want_one_name_at_once_one_gets_it(store: impl AccountStore) {
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                create(store.as_ref(), &with_handle(&format!("u{n}"), "alice")).await
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.expect("no panic") == Naming::Done);
    }
    assert_eq!(done, 1);
    assert_eq!(store.count_accounts().await.expect("the store works"), 1);
}

/// Those who are there, each once.
pub async fn accounts_are_read_many_at_once(store: impl AccountStore) {
    for n in 0..20 {
        created(&store, &with_handle(&format!("u{n}"), &format!("handle{n}"))).await;
    }
    let mut asked: Vec<_> = (5..1_000).map(|n| user(&format!("u{n}"))).collect();
    asked.push(user("u7"));
    let mut found = store.accounts(&asked).await.expect("the store works");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let mut expected: Vec<_> = (5..20).map(|n| user(&format!("u{n}"))).collect();
    expected.sort();
    assert_eq!(
        found.iter().map(|account| &account.id).collect::<Vec<_>>(),
        Vec::from_iter(&expected)
    );
    assert!(found.iter().all(|account| account.handle.is_some()));
}

/// What is not named stays.
pub async fn a_profile_changes_in_part(store: impl AccountStore) {
    let mut expected = full("u1");
    created(&store, &expected).await;
    let change = async |change: ProfileChange| {
        let changed = store.change_profile(&user("u1"), &change).await;
        changed.expect("the store works").expect("it is there")
    };
    let picture = AttachmentId::parse("picture").ok();
    expected.account.avatar = picture.clone();
    let avatar = Some(picture);
    assert_eq!(change(ProfileChange { avatar, ..Default::default() }).await, expected.account);
    expected.account.display_name = DisplayName::parse("Z.").expect("a sound name");
    let display_name = Some(expected.account.display_name.clone());
    assert_eq!(
        change(ProfileChange { display_name, ..Default::default() }).await,
        expected.account
    );
    assert_eq!(change(ProfileChange::default()).await, expected.account);
    expected.account.avatar = None;
    let avatar = Some(None);
    assert_eq!(change(ProfileChange { avatar, ..Default::default() }).await, expected.account);
    assert_eq!(read(&store, "u1").await, Some(expected));
}

/// The old one is free again.
pub async fn an_address_is_given_and_replaced(store: impl AccountStore) {
    let mut expected = with_handle("u1", "alice");
    created(&store, &expected).await;
    for typed in ["Old@b.c", "New@b.c"] {
        let named = store.set_email(&user("u1"), &email(typed)).await;
        assert_eq!(named.expect("the store works"), Naming::Done);
        expected.account.email = Some(email(typed));
        assert_eq!(read(&store, "u1").await.as_ref(), Some(&expected));
        let found = store.account_by_name(&email(typed).key()).await;
        assert_eq!(found.expect("the store works").as_ref(), Some(&expected));
    }
    let old = store.account_by_name(&email("old@b.c").key()).await;
    assert_eq!(old.expect("the store works"), None);
    let found = store.account_by_name(&handle("alice").key()).await;
    assert_eq!(found.expect("the store works"), Some(expected));
    let mut heir = record("u2");
    heir.account.email = Some(email("old@b.c"));
    created(&store, &heir).await;
}

/// And both keep what they had.
pub async fn an_address_of_another_is_not_given(store: impl AccountStore) {
    let (first, mut second) = (full("u1"), record("u2"));
    second.account.email = Some(email("second@b.c"));
    created(&store, &first).await;
    created(&store, &second).await;
    let named = store.set_email(&user("u2"), &email("zofie@example.ORG")).await;
    assert_eq!(named.expect("the store works"), Naming::Taken(vec![NameKind::Email]));
    assert_eq!(read(&store, "u1").await, Some(first));
    assert_eq!(read(&store, "u2").await.as_ref(), Some(&second));
    let found = store.account_by_name(&email("second@b.c").key()).await;
    assert_eq!(found.expect("the store works"), Some(second));
}

/// With other capitals, say.
pub async fn ones_own_address_may_be_given_again(store: impl AccountStore) {
    created(&store, &full("u1")).await;
    let named = store.set_email(&user("u1"), &email("ZOFIE@example.org")).await;
    assert_eq!(named.expect("the store works"), Naming::Done);
    let account = read(&store, "u1").await.expect("it is there").account;
    assert_eq!(account.email, Some(email("ZOFIE@example.org")));
    let found = store.account_by_name(&email("zofie@example.org").key()).await;
    assert!(found.expect("the store works").is_some());
}

/// Bringing a hash up to date stays in it, a new password begins the next.
pub async fn a_password_is_replaced_only_in_its_generation(store: impl AccountStore) {
    created(&store, &record("u1")).await;
    let set = async |expected, n, renew| {
        let set = store.set_password(&user("u1"), expected, &hash(n), renew).await;
        let record = read(&store, "u1").await.expect("it is there");
        (set.expect("the store works"), record.password, record.generation)
    };
    assert_eq!(set(0, 1, false).await, (true, hash(1), 0));
    assert_eq!(set(0, 2, true).await, (true, hash(2), 1));
    assert_eq!(set(0, 3, true).await, (false, hash(2), 1));
    assert_eq!(set(0, 3, false).await, (false, hash(2), 1));
    assert_eq!(set(2, 3, true).await, (false, hash(2), 1));
    assert_eq!(set(1, 4, true).await, (true, hash(4), 2));
}

/// Compared and written as one.
pub async fn of_many_who_replace_a_password_at_once_one_does(store: impl AccountStore) {
    created(&store, &record("u1")).await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (1..17)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.set_password(&user("u1"), 0, &hash(n), true).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.expect("no panic").expect("the store works"));
    }
    assert_eq!(done, 1);
    let record = read(store.as_ref(), "u1").await.expect("it is there");
    assert_eq!(record.generation, 1);
}

/// Even if it was off, or on, before.
pub async fn switching_off_and_on_begins_a_new_generation(store: impl AccountStore) {
    created(&store, &record("u1")).await;
    for (generation, disabled) in [(1, true), (2, true), (3, false)] {
        assert!(store.set_disabled(&user("u1"), disabled).await.expect("the store works"));
        let record = read(&store, "u1").await.expect("it is there");
        assert_eq!((record.generation, record.account.disabled), (generation, disabled));
    }
}

/// Those that were made, not those that were refused.
pub async fn accounts_are_counted(store: impl AccountStore) {
    for (n, id) in ["u1", "u2", "u3"].into_iter().enumerate() {
        created(&store, &with_handle(id, id)).await;
        create(&store, &with_handle("again", id)).await;
        assert_eq!(store.count_accounts().await.expect("the store works"), n as u64 + 1);
    }
}
