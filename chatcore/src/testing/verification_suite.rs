//! What every [`VerificationStore`] must do. Each case takes a fresh, empty store.

use std::sync::Arc;

use crate::account::{
    DisplayName, Email, ExternalId, PasswordHash, Pending, Purpose, SecretHash, Verification,
};
use crate::clock::Timestamp;
use crate::id::UserId;
use crate::store::VerificationStore;

/// Tests a [`VerificationStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// verification_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! verification_store_suite {
    (in one, $open:expr) => {
        $crate::verification_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            verification_suite,
            $open,
            [
                every_field_is_kept,
                an_empty_store_knows_no_verification,
                those_of_one_purpose_and_subject_are_listed_newest_first,
                what_has_expired_is_as_good_as_absent,
                the_oldest_make_room,
                tries_are_counted_on_each_until_they_are_used_up,
                tries_are_counted_for_one_purpose_and_subject_only,
                of_many_tries_at_once_no_more_are_granted_than_there_are,
                one_is_found_by_its_link,
                one_is_removed_once,
                all_of_a_purpose_and_subject_are_removed,
                what_has_expired_is_removed_and_nothing_else,
            ]
        );
    };
    ($open:expr) => {
        $crate::verification_store_suite!(@ store_cases, $open);
    };
}

const EMAIL: &str = "Ann@Example.org";
const SUBJECT: &str = "ann@example.org";

fn hash(byte: u8) -> SecretHash {
    SecretHash::from_bytes([byte; 32])
}

fn reset() -> Pending {
    Pending::Reset { user: None, generation: 3 }
}

fn add_email() -> Pending {
    Pending::AddEmail { user: UserId::parse("any 'user'").expect("a sound id") }
}

fn register() -> Pending {
    Pending::Register {
        password: PasswordHash::from_stored("$scrypt$ln=4,r=8,p=1$salt$hash"),
        display_name: DisplayName::parse("Žofie \"👍\"").expect("a sound name"),
        external_id: ExternalId::parse("65a1b2c3d4e5f60718293a4b").ok(),
    }
}

/// Of the usual address, made at `at`, good for 1,000 ms.
fn waiting(id: &str, pending: Pending, at: i64) -> Verification {
    Verification {
        id: id.into(),
        email: Email::parse(EMAIL).expect("a sound address"),
        pending,
        code: Some(hash(1)),
        link: None,
        tries: 0,
        created_at: Timestamp(at),
        expires_at: Timestamp(at + 1_000),
    }
}

fn to(email: &str, verification: Verification) -> Verification {
    Verification { email: Email::parse(email).expect("a sound address"), ..verification }
}

async fn put(store: &impl VerificationStore, verification: &Verification) {
    store.put_verification(verification, 100).await.expect("the store works");
}

async fn list(
    store: &impl VerificationStore,
    purpose: Purpose,
    subject: &str,
    now: i64,
) -> Vec<Verification> {
    store.verifications(purpose, subject, Timestamp(now)).await.expect("the store works")
}

async fn ids(store: &impl VerificationStore, purpose: Purpose, now: i64) -> Vec<String> {
    list(store, purpose, SUBJECT, now).await.into_iter().map(|each| each.id).collect()
}

async fn attempt(store: &impl VerificationStore, purpose: Purpose, now: i64) -> Vec<Verification> {
    let tried = store.try_verifications(purpose, SUBJECT, 3, Timestamp(now)).await;
    tried.expect("the store works")
}

/// Of everything that can be pending.
pub async fn every_field_is_kept(store: impl VerificationStore) {
    let user = UserId::parse("u1").ok();
    let known = Pending::Reset { user, generation: u64::from(u32::MAX) };
    for (n, pending) in [register(), add_email(), reset(), known].into_iter().enumerate() {
        let mut verification = to(&format!("A{n}@b.c"), waiting(&format!("v{n}"), pending, 5));
        verification.tries = 2;
        if n == 0 {
            (verification.code, verification.link) = (None, Some(hash(9)));
        }
        put(&store, &verification).await;
        let (purpose, subject) = (verification.purpose(), verification.subject());
        assert_eq!(list(&store, purpose, &subject, 5).await, [verification]);
    }
}

/// Every question has an answer there.
pub async fn an_empty_store_knows_no_verification(store: impl VerificationStore) {
    assert_eq!(list(&store, Purpose::Confirm, SUBJECT, 0).await, []);
    assert_eq!(attempt(&store, Purpose::Confirm, 0).await, []);
    let found = store.verification_by_link(&hash(1), Timestamp(0)).await;
    assert_eq!(found.expect("the store works"), None);
    assert!(!store.remove_verification("v1").await.expect("the store works"));
    store.remove_verifications(Purpose::Confirm, SUBJECT).await.expect("the store works");
    let swept = store.remove_expired_verifications(Timestamp(i64::MAX)).await;
    assert_eq!(swept.expect("the store works"), 0);
}

/// Whatever the order in which they were stored.
pub async fn those_of_one_purpose_and_subject_are_listed_newest_first(
    store: impl VerificationStore,
) {
    put(&store, &waiting("b", register(), 20)).await;
    put(&store, &waiting("c", add_email(), 30)).await;
    put(&store, &waiting("a", register(), 10)).await;
    put(&store, &waiting("r", reset(), 25)).await;
    put(&store, &to("bob@example.org", waiting("x", register(), 25))).await;
    assert_eq!(ids(&store, Purpose::Confirm, 40).await, ["c", "b", "a"]);
    assert_eq!(ids(&store, Purpose::Reset, 40).await, ["r"]);
    assert_eq!(list(&store, Purpose::Confirm, EMAIL, 40).await, [], "the subject is the key");
}

/// In each way of reading, from its moment on.
pub async fn what_has_expired_is_as_good_as_absent(store: impl VerificationStore) {
    let mut verification = waiting("v1", register(), 0);
    verification.link = Some(hash(9));
    put(&store, &verification).await;
    for (now, there) in [(999, true), (1_000, false), (5_000, false)] {
        assert_eq!(!ids(&store, Purpose::Confirm, now).await.is_empty(), there, "at {now}");
        assert_eq!(!attempt(&store, Purpose::Confirm, now).await.is_empty(), there, "at {now}");
        let found = store.verification_by_link(&hash(9), Timestamp(now)).await;
        assert_eq!(found.expect("the store works").is_some(), there, "at {now}");
    }
}

/// Of its purpose and subject; the new one always stays.
pub async fn the_oldest_make_room(store: impl VerificationStore) {
    put(&store, &waiting("r", reset(), 1)).await;
    put(&store, &to("bob@example.org", waiting("x", register(), 1))).await;
    for (id, at) in [("b", 20), ("a", 10), ("c", 30), ("d", 5)] {
        store.put_verification(&waiting(id, register(), at), 2).await.expect("the store works");
    }
    assert_eq!(ids(&store, Purpose::Confirm, 40).await, ["c", "d"]);
    assert_eq!(ids(&store, Purpose::Reset, 40).await, ["r"]);
    assert_eq!(list(&store, Purpose::Confirm, "bob@example.org", 40).await.len(), 1);
}

/// Each has its own; listing counts none.
pub async fn tries_are_counted_on_each_until_they_are_used_up(store: impl VerificationStore) {
    put(&store, &waiting("a", register(), 10)).await;
    let tried = async || {
        let tried = attempt(&store, Purpose::Confirm, 30).await;
        tried.into_iter().map(|each| (each.id, each.tries)).collect::<Vec<_>>()
    };
    assert_eq!(tried().await, [("a".to_owned(), 1)]);
    put(&store, &waiting("b", register(), 20)).await;
    assert_eq!(ids(&store, Purpose::Confirm, 30).await, ["b", "a"]);
    assert_eq!(tried().await, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
    assert_eq!(tried().await, [("b".to_owned(), 2), ("a".to_owned(), 3)]);
    assert_eq!(tried().await, [("b".to_owned(), 3)]);
    assert_eq!(tried().await, []);
    let listed = list(&store, Purpose::Confirm, SUBJECT, 30).await;
    assert_eq!(listed.iter().map(|each| each.tries).collect::<Vec<_>>(), [3, 3]);
}

/// The others lose none.
pub async fn tries_are_counted_for_one_purpose_and_subject_only(store: impl VerificationStore) {
    put(&store, &waiting("r", reset(), 10)).await;
    put(&store, &to("bob@example.org", waiting("x", register(), 10))).await;
    put(&store, &waiting("a", register(), 10)).await;
    for _ in 0..5 {
        attempt(&store, Purpose::Confirm, 20).await;
    }
    assert_eq!(list(&store, Purpose::Reset, SUBJECT, 20).await[0].tries, 0);
    assert_eq!(list(&store, Purpose::Confirm, "bob@example.org", 20).await[0].tries, 0);
}

/// Counted and compared as one.
pub async fn of_many_tries_at_once_no_more_are_granted_than_there_are(
    store: impl VerificationStore,
) {
    put(&store, &waiting("a", register(), 10)).await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { attempt(store.as_ref(), Purpose::Confirm, 20).await.len() })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += task.await.expect("no panic");
    }
    assert_eq!(granted, 3);
}

/// However many have none.
pub async fn one_is_found_by_its_link(store: impl VerificationStore) {
    put(&store, &waiting("a", register(), 10)).await;
    put(&store, &waiting("b", register(), 10)).await;
    let mut linked = waiting("c", add_email(), 10);
    (linked.code, linked.link) = (None, Some(hash(7)));
    put(&store, &linked).await;
    let find = async |byte| {
        let found = store.verification_by_link(&hash(byte), Timestamp(20)).await;
        found.expect("the store works")
    };
    assert_eq!(find(7).await, Some(linked));
    assert_eq!(find(8).await, None);
    assert_eq!(find(1).await, None, "a code's hash is no link's");
}

/// And only that one.
pub async fn one_is_removed_once(store: impl VerificationStore) {
    put(&store, &waiting("a", register(), 10)).await;
    put(&store, &waiting("b", register(), 20)).await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.remove_verification("a").await })
        })
        .collect();
    let mut removed = 0;
    for task in tasks {
        removed += usize::from(task.await.expect("no panic").expect("the store works"));
    }
    assert_eq!(removed, 1);
    assert_eq!(ids(store.as_ref(), Purpose::Confirm, 30).await, ["b"]);
}

/// And no others.
pub async fn all_of_a_purpose_and_subject_are_removed(store: impl VerificationStore) {
    put(&store, &waiting("a", register(), 10)).await;
    put(&store, &waiting("b", add_email(), 20)).await;
    put(&store, &waiting("r", reset(), 10)).await;
    put(&store, &to("bob@example.org", waiting("x", register(), 10))).await;
    store.remove_verifications(Purpose::Confirm, SUBJECT).await.expect("the store works");
    assert_eq!(ids(&store, Purpose::Confirm, 30).await, [""; 0]);
    assert_eq!(ids(&store, Purpose::Reset, 30).await, ["r"]);
    assert_eq!(list(&store, Purpose::Confirm, "bob@example.org", 30).await.len(), 1);
}

/// At its time, not before.
pub async fn what_has_expired_is_removed_and_nothing_else(store: impl VerificationStore) {
    for (id, at) in [("a", 0), ("b", 1), ("c", 500)] {
        put(&store, &waiting(id, register(), at)).await;
    }
    let sweep = async |now| {
        store.remove_expired_verifications(Timestamp(now)).await.expect("the store works")
    };
    assert_eq!(sweep(999).await, 0);
    assert_eq!(sweep(1_001).await, 2);
    assert_eq!(sweep(1_001).await, 0);
    assert_eq!(ids(&store, Purpose::Confirm, 1_001).await, ["c"]);
}
