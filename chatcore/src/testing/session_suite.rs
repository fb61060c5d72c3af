//! What every [`SessionStore`] must do. Each case takes a fresh, empty store.

use std::sync::Arc;

use crate::account::{SecretHash, Session, SessionRecord, Ticket};
use crate::clock::Timestamp;
use crate::id::{DeviceId, SessionId, UserId};
use crate::store::SessionStore;

/// Tests a [`SessionStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// session_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! session_store_suite {
    (in one, $open:expr) => {
        $crate::session_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            session_suite,
            $open,
            [
                every_field_is_kept,
                an_empty_store_knows_no_session,
                sessions_are_listed_newest_first_and_by_user,
                the_oldest_sessions_make_room,
                one_users_sessions_do_not_push_out_anothers,
                a_session_is_renewed,
                a_refresh_hash_is_replaced_only_if_it_is_the_expected_one,
                of_many_who_renew_with_one_hash_one_does,
                a_session_is_removed_once_and_by_its_user_only,
                of_many_sessions_the_live_ones_are_named,
                all_sessions_but_one_are_removed,
                a_ticket_is_looked_at_as_often_as_one_likes,
                a_ticket_is_taken_once,
                of_many_who_take_a_ticket_one_gets_it,
                the_oldest_tickets_make_room,
                a_ticket_goes_with_its_session,
                a_session_that_is_gone_gets_no_ticket,
                what_has_expired_is_removed_and_nothing_else,
            ]
        );
    };
    ($open:expr) => {
        $crate::session_store_suite!(@ store_cases, $open);
    };
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a sound id")
}

fn id(id: &str) -> SessionId {
    SessionId::parse(id).expect("a sound id")
}

fn hash(byte: u8) -> SecretHash {
    SecretHash::from_bytes([byte; 32])
}

/// Of `owner`, made at `at`.
fn record(name: &str, owner: &str, at: i64) -> SessionRecord {
    let session = Session {
        id: id(name),
        user: user(owner),
        device: DeviceId::parse("Žofie's phone").expect("a sound id"),
        user_agent: Some("Mozilla/5.0 '\"\\ 👍".into()),
        addr: "2001:db8::1".parse().ok(),
        created_at: Timestamp(at),
        renewed_at: Timestamp(at + 1),
        expires_at: Timestamp(at + 1_000),
    };
    SessionRecord { session, family: hash(1), refresh: hash(2) }
}

fn ticket(byte: u8, session: &str, expires_at: i64) -> Ticket {
    Ticket { hash: hash(byte), session: id(session), expires_at: Timestamp(expires_at) }
}

async fn create(store: &impl SessionStore, record: &SessionRecord) {
    let removed = store.create_session(record, 100).await.expect("the store works");
    assert_eq!(removed, []);
}

async fn read(store: &impl SessionStore, name: &str) -> Option<SessionRecord> {
    store.session(&id(name)).await.expect("the store works")
}

async fn list(store: &impl SessionStore, owner: &str) -> Vec<String> {
    let records = store.sessions_of(&user(owner)).await.expect("the store works");
    records.iter().map(|record| record.session.id.to_string()).collect()
}

async fn put(store: &impl SessionStore, ticket: &Ticket) -> bool {
    store.put_ticket(ticket, 100).await.expect("the store works")
}

async fn take(store: &impl SessionStore, byte: u8) -> Option<Ticket> {
    store.take_ticket(&hash(byte)).await.expect("the store works")
}

/// In both ways of reading.
pub async fn every_field_is_kept(store: impl SessionStore) {
    let whole = record("s1", "u1", 5);
    let mut bare = record("s2", "u2", -5);
    bare.session.user_agent = None;
    bare.session.addr = "192.0.2.1".parse().ok();
    let mut barer = record("s3", "u3", 0);
    barer.session.addr = None;
    for record in [whole, bare, barer] {
        create(&store, &record).await;
        assert_eq!(read(&store, record.session.id.as_str()).await.as_ref(), Some(&record));
        let of_user = store.sessions_of(&record.session.user).await;
        assert_eq!(of_user.expect("the store works"), [record]);
    }
}

/// Every question has an answer there.
pub async fn an_empty_store_knows_no_session(store: impl SessionStore) {
    assert_eq!(read(&store, "s1").await, None);
    assert_eq!(list(&store, "u1").await, [""; 0]);
    let renewed = store.renew_session(&id("s1"), Timestamp(1), Timestamp(2), None).await;
    assert!(!renewed.expect("the store works"));
    let removed = store.remove_session(&user("u1"), &id("s1")).await;
    assert!(!removed.expect("the store works"));
    let removed = store.remove_sessions(&user("u1"), None).await;
    assert_eq!(removed.expect("the store works"), []);
    assert_eq!(take(&store, 1).await, None);
    let swept = store.remove_expired_sessions(Timestamp(i64::MAX)).await;
    assert_eq!(swept.expect("the store works"), 0);
}

/// Whatever the order in which they were stored.
pub async fn sessions_are_listed_newest_first_and_by_user(store: impl SessionStore) {
    for (name, owner, at) in [("b", "u1", 20), ("c", "u1", 30), ("x", "u2", 25), ("a", "u1", 10)] {
        create(&store, &record(name, owner, at)).await;
    }
    assert_eq!(list(&store, "u1").await, ["c", "b", "a"]);
    assert_eq!(list(&store, "u2").await, ["x"]);
    assert_eq!(list(&store, "u3").await, [""; 0]);
}

/// And are named.
pub async fn the_oldest_sessions_make_room(store: impl SessionStore) {
    for (name, at) in [("b", 20), ("a", 10), ("c", 30)] {
        create(&store, &record(name, "u1", at)).await;
    }
    let mut removed =
        store.create_session(&record("d", "u1", 40), 2).await.expect("the store works");
    removed.sort();
    assert_eq!(removed, [id("a"), id("b")]);
    assert_eq!(list(&store, "u1").await, ["d", "c"]);
    assert_eq!(read(&store, "a").await, None);
    // The new one stays, even if a clock that was set back makes it the oldest.
    let removed = store.create_session(&record("e", "u1", 5), 2).await.expect("the store works");
    assert_eq!(removed, [id("c")]);
    assert_eq!(list(&store, "u1").await, ["d", "e"]);
    let removed = store.create_session(&record("f", "u1", 50), 1).await.expect("the store works");
    assert_eq!(removed.len(), 2);
    assert_eq!(list(&store, "u1").await, ["f"]);
}

/// However many there are.
pub async fn one_users_sessions_do_not_push_out_anothers(store: impl SessionStore) {
    create(&store, &record("theirs", "u2", 1)).await;
    for n in 0..5 {
        let record = record(&format!("s{n}"), "u1", 10 + n);
        store.create_session(&record, 1).await.expect("the store works");
    }
    assert_eq!(list(&store, "u2").await, ["theirs"]);
    assert_eq!(list(&store, "u1").await, ["s4"]);
}

/// The hashes stay if none is given.
pub async fn a_session_is_renewed(store: impl SessionStore) {
    let mut expected = record("s1", "u1", 10);
    create(&store, &expected).await;
    let renewed = store.renew_session(&id("s1"), Timestamp(700), Timestamp(900), None).await;
    assert!(renewed.expect("the store works"));
    expected.session.renewed_at = Timestamp(700);
    expected.session.expires_at = Timestamp(900);
    assert_eq!(read(&store, "s1").await, Some(expected));
}

/// Else nothing changes, not even the times.
pub async fn a_refresh_hash_is_replaced_only_if_it_is_the_expected_one(store: impl SessionStore) {
    let mut expected = record("s1", "u1", 10);
    create(&store, &expected).await;
    let renew = async |at: i64, from: u8, to: u8| {
        let (from, to) = (hash(from), hash(to));
        let hashes = Some((&from, &to));
        let renewed =
            store.renew_session(&id("s1"), Timestamp(at), Timestamp(at + 9), hashes).await;
        renewed.expect("the store works")
    };
    assert!(!renew(100, 7, 8).await);
    assert_eq!(read(&store, "s1").await.as_ref(), Some(&expected));
    assert!(renew(100, 2, 3).await);
    assert!(!renew(200, 2, 4).await);
    expected.refresh = hash(3);
    expected.session.renewed_at = Timestamp(100);
    expected.session.expires_at = Timestamp(109);
    assert_eq!(read(&store, "s1").await, Some(expected));
}

/// Compared and written as one.
pub async fn of_many_who_renew_with_one_hash_one_does(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    let store = Arc::new(store);
    let tasks: Vec<_> = (10..26)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let (from, to) = (hash(2), hash(n));
                let hashes = Some((&from, &to));
                store.renew_session(&id("s1"), Timestamp(1), Timestamp(2), hashes).await
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.expect("no panic").expect("the store works"));
    }
    assert_eq!(done, 1);
}

/// And by nobody else.
pub async fn a_session_is_removed_once_and_by_its_user_only(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    create(&store, &record("s2", "u1", 20)).await;
    let remove = async |owner: &str| {
        store.remove_session(&user(owner), &id("s1")).await.expect("the store works")
    };
    assert!(!remove("u2").await);
    assert!(read(&store, "s1").await.is_some());
    assert!(remove("u1").await);
    assert!(!remove("u1").await);
    assert_eq!(read(&store, "s1").await, None);
    assert_eq!(list(&store, "u1").await, ["s2"]);
}

/// Those that are asked about, each once.
pub async fn of_many_sessions_the_live_ones_are_named(store: impl SessionStore) {
    for (name, owner) in [("s1", "u1"), ("s2", "u2"), ("s3", "u1"), ("s4", "u1")] {
        create(&store, &record(name, owner, 10)).await;
    }
    store.remove_session(&user("u1"), &id("s3")).await.expect("the store works");
    let asked = ["s3", "s1", "never", "s2", "s1"].map(id);
    let mut live = store.live_sessions(&asked).await.expect("the store works");
    live.sort();
    assert_eq!(live, ["s1", "s2"].map(id));
    assert_eq!(store.live_sessions(&[]).await.expect("the store works"), []);
}

/// Of that user.
pub async fn all_sessions_but_one_are_removed(store: impl SessionStore) {
    for (name, owner) in [("s1", "u1"), ("s2", "u1"), ("s3", "u1"), ("x", "u2")] {
        create(&store, &record(name, owner, 10)).await;
    }
    let remove = async |except: Option<&SessionId>| {
        let mut removed =
            store.remove_sessions(&user("u1"), except).await.expect("the store works");
        removed.sort();
        removed
    };
    assert_eq!(remove(Some(&id("s2"))).await, [id("s1"), id("s3")]);
    assert_eq!(list(&store, "u1").await, ["s2"]);
    assert_eq!(remove(Some(&id("x"))).await, [id("s2")], "another's session is no exception");
    assert_eq!(remove(None).await, []);
    assert_eq!(list(&store, "u2").await, ["x"]);
}

/// Until it is taken.
pub async fn a_ticket_is_looked_at_as_often_as_one_likes(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    let look = async || store.ticket(&hash(1)).await.expect("the store works");
    assert_eq!(look().await, None);
    let first = ticket(1, "s1", -100);
    assert!(put(&store, &first).await);
    for _ in 0..3 {
        assert_eq!(look().await, Some(first.clone()), "its time is the caller's business");
    }
    assert_eq!(take(&store, 1).await, Some(first));
    assert_eq!(look().await, None);
}

/// As it was put.
pub async fn a_ticket_is_taken_once(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    let (first, second) = (ticket(1, "s1", 100), ticket(2, "s1", -100));
    assert!(put(&store, &first).await);
    assert!(put(&store, &second).await);
    assert_eq!(take(&store, 1).await, Some(first));
    assert_eq!(take(&store, 1).await, None);
    assert_eq!(take(&store, 2).await, Some(second), "its time is the caller's business");
}

/// Found and removed as one.
pub async fn of_many_who_take_a_ticket_one_gets_it(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    assert!(put(&store, &ticket(1, "s1", 100)).await);
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { take(store.as_ref(), 1).await })
        })
        .collect();
    let mut got = 0;
    for task in tasks {
        got += usize::from(task.await.expect("no panic").is_some());
    }
    assert_eq!(got, 1);
}

/// Of one session; those of another stay.
pub async fn the_oldest_tickets_make_room(store: impl SessionStore) {
    create(&store, &record("s1", "u1", 10)).await;
    create(&store, &record("s2", "u1", 10)).await;
    assert!(put(&store, &ticket(100, "s2", 1)).await);
    for n in 1..=4 {
        let put = store.put_ticket(&ticket(n, "s1", 100 + i64::from(n)), 2).await;
        assert!(put.expect("the store works"));
    }
    for (n, there) in [(1, false), (2, false), (3, true), (4, true), (100, true)] {
        assert_eq!(take(&store, n).await.is_some(), there, "{n}");
    }
}

/// However it ends.
pub async fn a_ticket_goes_with_its_session(store: impl SessionStore) {
    for (n, name) in [(1, "s1"), (2, "s2"), (3, "s3"), (4, "s4"), (5, "s5")] {
        create(&store, &record(name, "u1", i64::from(n) * 1_000)).await;
        assert!(put(&store, &ticket(n, name, 1_000_000)).await);
    }
    // Expired, pushed out, removed, removed with the others; the last one lives.
    store.remove_expired_sessions(Timestamp(2_500)).await.expect("the store works");
    let newest = record("s6", "u1", 9_000);
    assert_eq!(store.create_session(&newest, 4).await.expect("the store works"), [id("s2")]);
    store.remove_session(&user("u1"), &id("s3")).await.expect("the store works");
    store.remove_sessions(&user("u1"), Some(&id("s5"))).await.expect("the store works");
    for (n, there) in [(1, false), (2, false), (3, false), (4, false), (5, true)] {
        assert_eq!(take(&store, n).await.is_some(), there, "{n}");
    }
}

/// Not even one that waits for it.
pub async fn a_session_that_is_gone_gets_no_ticket(store: impl SessionStore) {
    assert!(!put(&store, &ticket(1, "s1", 100)).await);
    create(&store, &record("s1", "u1", 10)).await;
    store.remove_session(&user("u1"), &id("s1")).await.expect("the store works");
    assert!(!put(&store, &ticket(1, "s1", 100)).await);
    assert_eq!(take(&store, 1).await, None);
}

/// At its time, not before.
pub async fn what_has_expired_is_removed_and_nothing_else(store: impl SessionStore) {
    for (name, at) in [("s1", 0), ("s2", 1), ("s3", 5_000)] {
        create(&store, &record(name, "u1", at)).await;
    }
    assert!(put(&store, &ticket(1, "s3", 1_000)).await);
    assert!(put(&store, &ticket(2, "s3", 1_001)).await);
    let sweep =
        async |now| store.remove_expired_sessions(Timestamp(now)).await.expect("the store works");
    assert_eq!(sweep(999).await, 0);
    assert_eq!(sweep(1_000).await, 2);
    assert_eq!(list(&store, "u1").await, ["s3", "s2"]);
    assert_eq!(sweep(1_000).await, 0);
    assert_eq!((take(&store, 1).await.is_some(), take(&store, 2).await.is_some()), (false, true));
}
