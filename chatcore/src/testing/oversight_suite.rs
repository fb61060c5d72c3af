//! What every [`OversightStore`] must do, together with the
//! [`LogStore`](crate::store::LogStore) beside it. Each case takes a fresh, empty store.

use std::sync::Arc;

use super::scene::{Rooms, Scene, delete, kick, role, to, user};
use crate::clock::Timestamp;
use crate::id::{MessageId, RoomId, Seq};
use crate::oversight::{Act, AuditEntry, AuditRecord, NewReport};
use crate::room::{Action, MemberAction, Role};
use crate::store::{OversightStore, Reported};

/// Tests an [`OversightStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// oversight_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! oversight_store_suite {
    (in one, $open:expr) => {
        $crate::oversight_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            oversight_suite,
            $open,
            [
                a_message_is_reported_once_by_each,
                reports_are_listed_newest_first_and_in_pages,
                a_report_is_dealt_with_once,
                who_is_erased_is_in_no_report_by_their_words,
                what_moderators_do_is_noted_as_it_happens,
                what_is_refused_or_changes_nothing_is_not_noted,
                the_audit_is_listed_by_room_and_in_pages,
                what_is_old_is_swept_in_bounded_steps,
            ]
        );
    };
    ($open:expr) => {
        $crate::oversight_store_suite!(@ store_cases, $open);
    };
}

/// A store with an audit beside its rooms.
pub trait Overseen: Rooms + OversightStore {}
impl<T: Rooms + OversightStore> Overseen for T {}

fn report(by: &str, message: u8, at: i64) -> NewReport {
    let room = RoomId::parse("r").expect("a sound id");
    let once = crate::id::ClientMsgId::parse(&message.to_string()).expect("a sound id");
    NewReport {
        at: Timestamp(at),
        by: user(by),
        message: MessageId::derive(&room, &user("bob"), &once),
        room,
        seq: Seq(message.into()),
        author: user("bob"),
        reason: format!("reason of {by}"),
        text: "'text'; -- 👍".into(),
    }
}

async fn put(store: &impl OversightStore, report: &NewReport) -> bool {
    store.put_report(report).await.expect("the store works")
}

async fn listed(store: &impl OversightStore, which: Reported) -> Vec<NewReport> {
    let reports = store.reports(which, None, 100).await.expect("the store works");
    reports.into_iter().map(|report| report.report).collect()
}

async fn audited(store: &impl OversightStore, room: Option<&RoomId>) -> Vec<AuditEntry> {
    store.audit(room, None, 100).await.expect("the store works")
}

/// The first one stays as it is.
pub async fn a_message_is_reported_once_by_each(store: impl Overseen) {
    let (ann, cyd) = (report("ann", 1, 5), report("cyd", 1, 6));
    assert!(put(&store, &ann).await);
    assert!(put(&store, &cyd).await);
    let again = NewReport { reason: "another".into(), ..ann.clone() };
    assert!(!put(&store, &again).await);
    assert_eq!(listed(&store, Reported::All).await, [cyd, ann]);
}

/// By their numbers.
pub async fn reports_are_listed_newest_first_and_in_pages(store: impl Overseen) {
    for n in 1..=5 {
        assert!(put(&store, &report("ann", n, i64::from(n))).await);
    }
    let first = store.reports(Reported::Open, None, 2).await.expect("the store works");
    let before = first.last().map(|report| report.id);
    let second = store.reports(Reported::All, before, 10).await.expect("the store works");
    let seqs: Vec<_> = first.iter().chain(&second).map(|report| report.report.seq.0).collect();
    assert_eq!(seqs, [5, 4, 3, 2, 1]);
    assert!(store.reports(Reported::All, Some(0), 10).await.expect("the store works").is_empty());
}

/// Who was first is kept; it is still among all, and open no more.
pub async fn a_report_is_dealt_with_once(store: impl Overseen) {
    put(&store, &report("ann", 1, 5)).await;
    put(&store, &report("ann", 2, 6)).await;
    let id = store.reports(Reported::Open, None, 1).await.expect("the store works")[0].id;
    for (who, at) in [("root", 10), ("boss", 20)] {
        let done = store.resolve_report(id, &user(who), Timestamp(at)).await;
        let done = done.expect("the store works").expect("it is there");
        assert_eq!((done.resolved_at, done.resolved_by), (Some(Timestamp(10)), Some(user("root"))));
    }
    let unknown = store.resolve_report(id + 100, &user("root"), Timestamp(1)).await;
    assert_eq!(unknown.expect("the store works"), None);
    assert_eq!(listed(&store, Reported::Open).await, [report("ann", 1, 5)]);
    assert_eq!(listed(&store, Reported::All).await.len(), 2);
}

/// What they wrote, and what they said of others.
pub async fn who_is_erased_is_in_no_report_by_their_words(store: impl Overseen) {
    let by_bob = NewReport { author: user("cyd"), ..report("bob", 2, 6) };
    put(&store, &report("ann", 1, 5)).await;
    put(&store, &by_bob).await;
    store.empty_reports_of(&user("bob")).await.expect("the store works");
    let of_ann = NewReport { text: String::new(), ..report("ann", 1, 5) };
    let of_bob = NewReport { reason: String::new(), ..by_bob };
    assert_eq!(listed(&store, Reported::All).await, [of_bob, of_ann]);
}

/// By whom, to whom, and why; no text of a message.
pub async fn what_moderators_do_is_noted_as_it_happens(store: impl Overseen) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let room = scene.public("r", "ann", &["bob", "cyd"]).await;
    let message = scene.says("bob", &room, "secret").await.id;
    let own = scene.says("ann", &room, "secret").await.id;
    scene.does("ann", &room, role("cyd", Role::Moderator)).await;
    scene.does("cyd", &room, delete(&message, "d")).await;
    scene.does("ann", &room, delete(&own, "d")).await;
    let until = Some(scene.now().after(std::time::Duration::from_secs(60)));
    let reason = Some("loud".to_owned());
    for what in [
        MemberAction::Mute { until, reason: reason.clone() },
        MemberAction::Unmute,
        MemberAction::Ban { until: None, reason: None },
        MemberAction::Unban,
    ] {
        scene.does("cyd", &room, to("bob", what)).await;
    }
    scene.does("bob", &room, Action::Enter).await;
    scene.host(&room, kick("bob")).await.expect("the host may");

    let audit = audited(&*store, Some(&room)).await;
    assert!(audit.is_sorted_by(|a, b| a.id > b.id));
    let acts: Vec<_> = audit.iter().rev().map(|entry| entry.record.act).collect();
    let expected =
        [Act::Role, Act::DeleteMessage, Act::Mute, Act::Unmute, Act::Ban, Act::Unban, Act::Kick];
    assert_eq!(acts, expected);
    let records: Vec<_> = audit.into_iter().rev().map(|entry| entry.record).collect();
    let by = |who: &str, act, target: &str| AuditRecord {
        room: Some(room.clone()),
        target: Some(user(target)),
        ..AuditRecord::new(scene.now(), user(who), act)
    };
    let given = AuditRecord { role: Some(Role::Moderator), ..by("ann", Act::Role, "cyd") };
    let deleted = AuditRecord { message: Some(message), ..by("cyd", Act::DeleteMessage, "bob") };
    let muted = AuditRecord { until, reason, ..by("cyd", Act::Mute, "bob") };
    assert_eq!(records[..3], [given, deleted, muted]);
    assert_eq!(records[6].by, crate::id::UserId::system());
    assert!(!serde_json::to_string(&records).expect("JSON").contains("secret"));
}

/// Nor what is everyone's own affair.
pub async fn what_is_refused_or_changes_nothing_is_not_noted(store: impl Overseen) {
    let store = Arc::new(store);
    let scene = Scene::on(Arc::clone(&store) as _);
    let room = scene.public("r", "ann", &["bob"]).await;
    scene.ask("bob", &room, kick("ann")).await.expect_err("she owns it");
    scene.does("ann", &room, to("bob", MemberAction::Unban)).await;
    scene.does("ann", &room, role("bob", Role::Member)).await;
    scene.does("ann", &room, to("cyd", MemberAction::Invite)).await;
    scene.does("bob", &room, Action::Leave).await;
    assert!(audited(&*store, None).await.is_empty());
}

/// What is of no room stands among all.
pub async fn the_audit_is_listed_by_room_and_in_pages(store: impl Overseen) {
    let room = |name: &str| RoomId::parse(name).expect("a sound id");
    for (at, name) in [(1, Some("r")), (2, None), (3, Some("s")), (4, Some("r"))] {
        let record = AuditRecord::new(Timestamp(at), user("root"), Act::Suspend);
        let record = AuditRecord { room: name.map(room), ..record };
        store.put_audit(&record).await.expect("the store works");
    }
    let times = |entries: &[AuditEntry]| -> Vec<i64> {
        entries.iter().map(|entry| entry.record.at.0).collect()
    };
    assert_eq!(times(&audited(&store, None).await), [4, 3, 2, 1]);
    assert_eq!(times(&audited(&store, Some(&room("r"))).await), [4, 1]);
    assert!(audited(&store, Some(&room("t"))).await.is_empty());
    let first = store.audit(None, None, 3).await.expect("the store works");
    let before = first.last().map(|entry| entry.id);
    let rest = store.audit(None, before, 3).await.expect("the store works");
    assert_eq!((times(&first), times(&rest)), (vec![4, 3, 2], vec![1]));
}

/// Reports and records alike.
pub async fn what_is_old_is_swept_in_bounded_steps(store: impl Overseen) {
    for n in 1..=5 {
        put(&store, &report("ann", n, i64::from(n))).await;
        let record = AuditRecord::new(Timestamp(n.into()), user("root"), Act::Suspend);
        store.put_audit(&record).await.expect("the store works");
    }
    let sweep = async || store.sweep_oversight(Timestamp(4), 2).await.expect("the store works");
    assert_eq!((sweep().await, sweep().await, sweep().await), (4, 2, 0));
    assert_eq!(listed(&store, Reported::All).await.len(), 2);
    assert_eq!(audited(&store, None).await.len(), 2);
}
