//! Logs, pages, runs, marks and what is swept.

use crate::id::{RoomId, Seq};
use crate::log::{Draft, Entry};
use crate::room::{Action, MemberAction, NewRoom, Rejection};
use crate::store::Toward;
use crate::testing::scene::{Rooms, Scene, delete, edit, mark, pin, react, to, user};

/// From any place on, as many as asked for.
pub async fn entries_are_read_from_any_cursor(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for text in ["3", "4", "5"] {
        scene.says("ann", &room, text).await;
    }
    let read = async |after, limit| {
        let entries = scene.store.entries(&room, Seq(after), limit).await;
        entries.expect("the store works").into_iter().map(|e| e.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 100).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(0, 2).await, [1, 2]);
    assert_eq!(read(2, 2).await, [3, 4]);
    assert_eq!(read(4, 100).await, [5]);
    assert!(read(5, 100).await.is_empty());
    assert!(read(Seq::MAX.0, 100).await.is_empty());
    let epoch = scene.store.epoch().await.expect("the store works");
    assert!(scene.log(&room).await.iter().all(|e| e.epoch == epoch && e.room == room));
}

/// However many there are in between.
pub async fn pages_of_messages_pass_over_other_entries(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let one = scene.says("ann", &room, "one").await;
    for on in [true, false].repeat(20) {
        scene.does("bob", &room, react(&one.id, "👍", on)).await;
    }
    let two = scene.says("ann", &room, "two").await;
    let page = async |toward, limit| {
        let page = scene.store.messages(&room, toward, limit, &user("bob")).await;
        page.expect("the store works").into_iter().map(|m| m.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(Toward::Older(two.seq), 1).await, [one.seq]);
    assert_eq!(page(Toward::Newer(one.seq), 1).await, [two.seq]);
    assert_eq!(page(Toward::Older(Seq::MAX), 9).await, [one.seq, two.seq]);
    assert_eq!(page(Toward::Newer(Seq::START), 9).await, [one.seq, two.seq]);
    assert_eq!(page(Toward::Older(one.seq), 9).await, []);
    assert_eq!(page(Toward::Newer(two.seq), 9).await, []);
}

/// In both directions, whatever their length.
pub async fn pages_of_messages_meet_without_overlap(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for n in 1..=23 {
        let sent = scene.says("ann", &room, &n.to_string()).await;
        assert_eq!(sent.n, n);
    }
    let mut forward = Vec::new();
    let mut at = Seq::START;
    loop {
        let page = scene.store.messages(&room, Toward::Newer(at), 5, &user("ann")).await;
        let page = page.expect("the store works");
        let Some(last) = page.last() else { break };
        at = last.seq;
        forward.extend(page);
    }
    let mut backward = Vec::new();
    let mut at = Seq::MAX;
    loop {
        let page = scene.store.messages(&room, Toward::Older(at), 7, &user("ann")).await;
        let page = page.expect("the store works");
        let Some(first) = page.first() else { break };
        at = first.seq;
        backward.splice(0..0, page);
    }
    assert_eq!(forward, backward);
    assert!(forward.iter().map(|m| m.n).eq(1..=23));
}

/// And not as a fault.
pub async fn an_unknown_room_reads_as_empty(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = RoomId::parse("nowhere").expect("a sound id");
    assert_eq!(scene.log(&room).await, []);
    assert_eq!(scene.history(&room, "ann").await, []);
    let id = crate::id::MessageId::from_bytes([1; 16]);
    let found = scene.store.message(&room, &id, &user("ann")).await;
    assert_eq!(found.expect("the store works"), None);
    assert_eq!(scene.store.room(&room, None).await.expect("the store works"), None);
    let runs = scene.store.runs_before(None, 10).await.expect("the store works");
    assert_eq!(runs, []);
}

/// At once, not only when it is swept.
pub async fn the_log_of_a_deleted_room_is_unreadable(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let sent = scene.says("ann", &room, "hi").await;
    let leave = scene.command("ann", &room, Action::Leave);
    assert_eq!(scene.commit(&[leave]).await.deleted, std::slice::from_ref(&room));
    assert_eq!(scene.log(&room).await, []);
    assert_eq!(scene.history(&room, "ann").await, []);
    let newer = scene.store.messages(&room, Toward::Newer(Seq::START), 9, &user("ann")).await;
    assert_eq!(newer.expect("the store works"), []);
    let found = scene.store.message(&room, &sent.id, &user("ann")).await;
    assert_eq!(found.expect("the store works"), None);
}

/// Its order goes on, its messages are its own.
pub async fn a_room_made_anew_knows_nothing_of_the_old_one(store: impl Rooms) {
    let scene = Scene::of(store).bound(|limits| limits.pins = 1);
    let room = scene.public("general", "ann", &[]).await;
    let old = scene.says("ann", &room, "old").await;
    scene.does("ann", &room, pin(&old.id, true)).await;
    scene.does("ann", &room, Action::Leave).await;
    let floor = scene.see(&room).await.head_seq;
    scene.public("general", "ann", &[]).await;
    let now = scene.see(&room).await;
    assert_eq!((now.floor_seq, now.head_seq, now.pins), (floor, Seq(floor.0 + 2), 0));
    assert!(scene.log(&room).await.iter().map(|e| e.seq.0).eq([floor.0 + 1, floor.0 + 2]));
    for action in [
        edit(&old.id, "e", "x"),
        delete(&old.id, "f"),
        react(&old.id, "👍", true),
        pin(&old.id, true),
        pin(&old.id, false),
    ] {
        assert_eq!(scene.ask("ann", &room, action).await, Err(Rejection::NoSuchMessage));
    }
    let new = scene.says("ann", &room, "new").await;
    assert_eq!(new.n, 2);
    scene.does("ann", &room, pin(&new.id, true)).await;
    let history = scene.history(&room, "ann").await;
    assert_eq!(history.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["new"]);
    let page = scene.store.messages(&room, Toward::Newer(Seq::START), 9, &user("ann")).await;
    assert_eq!(page.expect("the store works"), history);
}

/// Entry by entry, newest first, in pages that meet.
pub async fn runs_tell_the_order_of_commits(store: impl Rooms) {
    let scene = Scene::of(store);
    let mut told: Vec<(RoomId, u64)> = Vec::new();
    let mut tell =
        |entries: &[Entry]| told.extend(entries.iter().map(|e| (e.room.clone(), e.seq.0)));
    let (a, b) = (RoomId::parse("a").expect("sound"), RoomId::parse("b").expect("sound"));
    for room in [&a, &b] {
        let create = Action::Create(NewRoom::public("x"));
        tell(&scene.commit(&[scene.command("ann", room, create)]).await.entries);
    }
    for (index, room) in [&a, &a, &b, &a, &b, &b].into_iter().enumerate() {
        let once = index.to_string();
        let draft = Draft::text(once.as_str());
        tell(&scene.commit(&[scene.message("ann", room, &once, draft)]).await.entries);
    }
    // The middle of this batch would go on where the last run ends, but does not come next.
    for who in ["bob", "cat"] {
        let mixed = [&a, &b, &a].map(|room| scene.command(who, room, Action::Enter));
        tell(&scene.commit(&mixed).await.entries);
    }
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let runs = scene.store.runs_before(before, 2).await.expect("the store works");
        let Some(oldest) = runs.last() else { break };
        assert!(runs.len() <= 2 && before.is_none_or(|before| runs[0].pos < before));
        before = Some(oldest.pos);
        for run in &runs {
            found.extend((run.first.0..=run.last.0).rev().map(|seq| (run.room.clone(), seq)));
        }
    }
    found.reverse();
    assert_eq!(found, told);
}

/// A late device takes nothing back.
pub async fn marks_move_forward_only(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    for text in ["4", "5", "6"] {
        scene.says("ann", &room, text).await;
    }
    let batch = [scene.command("bob", &room, mark(5))];
    let told = scene.commit(&batch).await.marks;
    let marks = scene.member(&room, "bob").await.marks;
    assert_eq!(told, [(room.clone(), user("bob"), marks)]);
    assert_eq!((marks.read_seq, marks.read_n, marks.delivered_seq), (Seq(5), 2, Seq(5)));
    scene.does("bob", &room, mark(4)).await;
    assert_eq!(scene.member(&room, "bob").await.marks, marks);
    let arrived = Action::Mark { read: None, delivered: Some(Seq(6)) };
    scene.does("bob", &room, arrived).await;
    let later = scene.member(&room, "bob").await.marks;
    assert_eq!((later.read_seq, later.read_n, later.delivered_seq), (Seq(5), 2, Seq(6)));
    assert_eq!(scene.ask("eve", &room, mark(1)).await, Err(Rejection::NotJoined));
    assert_eq!(scene.log(&room).await.len(), 6, "marks are no entries");
}

/// Unread is `head_n` − `read_n`.
pub async fn unread_is_what_others_said_since(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let unread =
        async |who| scene.see(&room).await.head_n - scene.member(&room, who).await.marks.read_n;
    let one = scene.says("ann", &room, "1").await;
    assert_eq!((unread("ann").await, unread("bob").await), (0, 1));
    scene.says("ann", &room, "2").await;
    scene.does("bob", &room, react(&one.id, "👍", true)).await;
    assert_eq!(unread("bob").await, 2, "a reaction is nothing to read");
    // To write is not to have read what came before.
    let three = scene.says("bob", &room, "3").await;
    assert_eq!((unread("ann").await, unread("bob").await), (1, 3));
    scene.does("bob", &room, mark(one.seq.0)).await;
    assert_eq!(unread("bob").await, 2);
    scene.does("bob", &room, mark(three.seq.0 - 1)).await;
    assert_eq!(unread("bob").await, 1);
    scene.does("bob", &room, mark(three.seq.0)).await;
    assert_eq!(unread("bob").await, 0);
    scene.says("bob", &room, "4").await;
    assert_eq!((unread("ann").await, unread("bob").await), (2, 0));
    // Who comes in has missed nothing.
    scene.does("cat", &room, Action::Enter).await;
    assert_eq!(unread("cat").await, 0);
}

/// Though the store loaded the counts before these messages were there.
pub async fn a_mark_counts_what_its_own_batch_sent(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let batch = [
        scene.message("ann", &room, "4", Draft::text("4")),
        scene.message("ann", &room, "5", Draft::text("5")),
        scene.message("ann", &room, "6", Draft::text("6")),
        scene.command("bob", &room, mark(5)),
    ];
    assert!(scene.commit(&batch).await.outcomes.iter().all(Result::is_ok));
    let marks = scene.member(&room, "bob").await.marks;
    assert_eq!((marks.read_seq, marks.read_n), (Seq(5), 2));
}

/// One cannot have read what is not there.
pub async fn a_mark_beyond_the_head_is_refused(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let beyond = Seq(3);
    for (read, delivered) in
        [(Some(beyond), None), (None, Some(beyond)), (Some(Seq(1)), Some(beyond))]
    {
        let refused = scene.ask("ann", &room, Action::Mark { read, delivered }).await;
        assert_eq!(refused, Err(Rejection::BeyondHead));
    }
}

/// A swept message still counts as one.
pub async fn a_mark_below_what_was_swept_counts_right(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("general", NewRoom::public("x"), "ann", &[]).await;
    for text in ["3", "4"] {
        scene.says("ann", &room, text).await;
    }
    scene.does("ann", &room, Action::Leave).await;
    scene.store.sweep(1_000).await.expect("the store works");
    scene.public("general", "bob", &["cat"]).await;
    let new = scene.says("bob", &room, "new").await;
    assert_eq!(new.n, 3);
    scene.says("bob", &room, "newer").await;
    // Cat was in after both old ones; the mark stands between those and the new ones.
    scene.does("cat", &room, mark(new.seq.0 - 1)).await;
    assert_eq!(scene.member(&room, "cat").await.marks.read_n, 2);
    scene.does("cat", &room, mark(new.seq.0)).await;
    assert_eq!(scene.member(&room, "cat").await.marks.read_n, 3);
}

/// And says how much it took.
pub async fn a_sweep_is_bounded_and_takes_only_what_is_dead(store: impl Rooms) {
    let scene = Scene::of(store);
    let alive = scene.public("alive", "ann", &[]).await;
    let kept = scene.says("ann", &alive, "kept").await;
    scene.does("ann", &alive, react(&kept.id, "👍", true)).await;
    let mut dead = 0;
    for id in ["dead-1", "dead-2"] {
        let room = scene.public(id, "ann", &[]).await;
        let sent = scene.says("ann", &room, "gone").await;
        scene.does("ann", &room, react(&sent.id, "👍", true)).await;
        scene.does("ann", &room, Action::Leave).await;
        dead += scene.see(&room).await.head_seq.0;
    }
    let before = scene.log(&alive).await;
    let mut swept = Vec::new();
    loop {
        let count = scene.store.sweep(3).await.expect("the store works");
        assert!(count <= 3);
        if count == 0 {
            break;
        }
        swept.push(u64::from(count));
    }
    assert_eq!(swept.iter().sum::<u64>(), dead);
    assert_eq!(scene.log(&alive).await, before);
    assert_eq!(scene.shown(&alive, &kept.id, "ann").await.reactions.len(), 1);
    assert_eq!(scene.store.sweep(0).await.expect("the store works"), 0);
}

/// A room made anew works over a swept log.
pub async fn what_is_swept_is_not_missed(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let old = scene.says("ann", &room, "old").await;
    scene.does("ann", &room, to("bob", MemberAction::Ban { until: None, reason: None })).await;
    scene.does("ann", &room, Action::Leave).await;
    assert_eq!(scene.store.sweep(2).await.expect("the store works"), 2);
    scene.public("general", "ann", &["cat"]).await;
    let new = scene.says("cat", &room, "new").await;
    assert!(scene.store.sweep(1_000).await.expect("the store works") > 0);
    assert_eq!(scene.log(&room).await.len(), 4);
    assert_eq!(scene.shown(&room, &new.id, "ann").await.text, "new");
    let again = scene.store.entries(&room, old.seq, 100).await.expect("the store works");
    assert_eq!(again, scene.log(&room).await);
    let banned = scene.ask("bob", &room, Action::Enter).await;
    assert_eq!(banned, Err(Rejection::Banned { until: None }), "a ban outlives the sweep");
}

/// What was deleted among it.
pub async fn everything_ever_made_is_counted(store: impl Rooms) {
    let scene = Scene::of(store);
    let counts = async || {
        let counts = scene.store.counts().await.expect("the store works");
        (counts.rooms, counts.messages)
    };
    assert_eq!(counts().await, (0, 0));
    let room = scene.public("general", "ann", &[]).await;
    let sent = scene.says("ann", &room, "1").await;
    scene.send("ann", &room, "once", "2").await.expect("she may");
    scene.send("ann", &room, "once", "2").await.expect("a retry is no fault");
    scene.does("ann", &room, delete(&sent.id, "d")).await;
    let other = scene.public("other", "ann", &[]).await;
    scene.says("ann", &other, "3").await;
    scene.does("ann", &other, Action::Leave).await;
    scene.store.sweep(1_000).await.expect("the store works");
    assert_eq!(counts().await, (2, 3));
    scene.public("other", "ann", &[]).await;
    assert_eq!(counts().await, (2, 3), "the same room again");
}
