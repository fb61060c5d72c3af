//! Sends, and that they take effect once.

use std::time::Duration;

use crate::id::Seq;
use crate::log::{Body, Draft};
use crate::room::{Action, NewRoom, Outcome, Rejection};
use crate::store::Committed;
use crate::testing::scene::{Rooms, Scene, delete, edit, sent, user};

/// `seq` counts all entries of a room from 1, `n` its messages.
pub async fn entries_are_dense_and_messages_are_counted(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let one = scene.says("ann", &room, "one").await;
    scene.does("ann", &room, edit(&one.id, "edit", "ONE")).await;
    let two = scene.says("bob", &room, "two").await;
    assert_eq!((one.seq, one.n, one.duplicate), (Seq(4), 1, false));
    assert_eq!((two.seq, two.n, two.duplicate), (Seq(6), 2, false));
    let log = scene.log(&room).await;
    assert!(log.iter().map(|e| e.seq.0).eq(1..=6));
    assert!(log.iter().map(|e| e.n).eq([None, None, None, Some(1), None, Some(2)]));
    let kinds = ["room", "enter", "enter", "message", "edit", "message"];
    assert_eq!(scene.kinds(&room).await, kinds);
    let now = scene.see(&room).await;
    assert_eq!((now.head_seq, now.head_n), (Seq(6), 2));
}

/// Eight writers, three rooms: each room's log is one dense order, which its senders were told.
pub async fn commits_side_by_side_leave_no_hole(store: impl Rooms) {
    let scene = Scene::of(store);
    let mut rooms = Vec::new();
    for id in ["a", "b", "c"] {
        rooms.push(scene.public(id, "ann", &[]).await);
    }
    let writers = (0..8).map(|writer| {
        let (scene, rooms) = (scene.clone(), rooms.clone());
        tokio::spawn(async move {
            let mut told = Vec::new();
            for turn in 0..12 {
                let room = &rooms[(writer + turn) % 3];
                let once = format!("{writer}-{turn}");
                let sent = scene.send("ann", room, &once, &once).await.expect("she may");
                told.push((room.clone(), sent));
            }
            told
        })
    });
    let mut told = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        told.extend(writer.await.expect("no panic"));
    }
    assert_eq!(told.len(), 96);
    for room in &rooms {
        let log = scene.log(room).await;
        assert!(log.iter().map(|e| e.seq.0).eq(1..=34), "{room}");
        assert!(log.iter().filter_map(|e| e.n).eq(1..=32), "{room}");
        for (_, sent) in told.iter().filter(|(of, _)| of == room) {
            let entry = log.iter().find(|e| e.seq == sent.seq).expect("it is there");
            assert_eq!(entry.body.message_id(), Some(&sent.id));
            assert_eq!(entry.n, Some(sent.n));
        }
    }
}

/// A retry gets the first answer, and the log no second entry.
pub async fn the_same_send_takes_effect_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.send("ann", &room, "once", "hi").await.expect("she may");
    scene.says("ann", &room, "between").await;
    scene.wait(Duration::from_secs(5));
    let again = scene.send("ann", &room, "once", "hi").await.expect("a retry is no fault");
    assert!(again.duplicate && !first.duplicate);
    assert_eq!((again.seq, again.n, &again.id, again.ts), (first.seq, 1, &first.id, first.ts));
    assert_eq!(scene.see(&room).await.head_n, 2);
}

/// Two equal sends that wait together are one.
pub async fn the_same_send_twice_in_a_batch_takes_effect_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let send = || scene.message("ann", &room, "once", Draft::text("hi"));
    let other = scene.message("ann", &room, "once", Draft::text("ho"));
    let Committed { outcomes, entries, .. } = scene.commit(&[send(), send(), other]).await;
    assert_eq!(entries.len(), 1);
    let [first, again, other] = <[_; 3]>::try_from(outcomes).expect("three outcomes");
    let (first, again) = (sent(first).expect("she may"), sent(again).expect("a retry"));
    assert!(!first.duplicate && again.duplicate && first.seq == again.seq);
    assert_eq!(other, Err(Rejection::ClientMsgIdReused));
    assert_eq!(scene.history(&room, "ann").await.len(), 1);
}

/// Whatever the other thing is: a message, an edit, a deletion.
pub async fn the_same_name_for_another_body_is_refused(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.send("ann", &room, "once", "hi").await.expect("she may");
    for action in [edit(&first.id, "once", "hi"), delete(&first.id, "once")] {
        assert_eq!(scene.ask("ann", &room, action).await, Err(Rejection::ClientMsgIdReused));
    }
    let mut reply = Draft::text("hi");
    reply.reply_to = Some(first.id.clone());
    let mut meta = Draft::text("hi");
    meta.meta = Some(serde_json::json!({ "a": 1 }));
    for draft in [Draft::text("ho"), reply, meta] {
        let other = scene.run(scene.message("ann", &room, "once", draft)).await;
        assert_eq!(other, Err(Rejection::ClientMsgIdReused));
    }
    assert_eq!(scene.shown(&room, &first.id, "ann").await.text, "hi");
    assert_eq!(scene.log(&room).await.len(), 3);
}

/// A retry after the deletion does not bring the message back.
pub async fn a_name_outlives_its_message(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.send("ann", &room, "once", "hi").await.expect("she may");
    scene.does("ann", &room, delete(&first.id, "gone")).await;
    let again = scene.send("ann", &room, "once", "hi").await.expect("a retry is no fault");
    assert!(again.duplicate);
    assert_eq!(again.seq, first.seq);
    let history = scene.history(&room, "ann").await;
    assert_eq!(history.len(), 1);
    assert!(history[0].deleted_at.is_some());
}

/// Not even a room that ended and was made anew, its old log swept, sees a send twice.
pub async fn a_name_outlives_its_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.send("ann", &room, "once", "hi").await.expect("she may");
    scene.does("ann", &room, Action::Leave).await;
    scene.store.sweep(1_000).await.expect("the store works");
    scene.public("general", "ann", &[]).await;
    let again = scene.send("ann", &room, "once", "hi").await.expect("a retry is no fault");
    assert!(again.duplicate);
    assert_eq!((again.seq, again.n, again.ts), (first.seq, first.n, first.ts));
    assert_eq!(scene.history(&room, "ann").await, []);
}

/// One may use any name, whoever has used it elsewhere.
pub async fn names_are_each_senders_own_and_each_rooms(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let other = scene.public("other", "ann", &[]).await;
    let mut ids = Vec::new();
    for (who, room) in [("ann", &room), ("bob", &room), ("ann", &other)] {
        let sent = scene.send(who, room, "once", "hi").await.expect("they may");
        assert!(!sent.duplicate);
        ids.push(sent.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

/// What is refused is refused alone.
pub async fn a_rejected_command_leaves_the_rest_of_its_batch_intact(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let batch = [
        scene.message("ann", &room, "1", Draft::text("one")),
        scene.message("eve", &room, "2", Draft::text("not in it")),
        scene.command("ann", &room, Action::Mark { read: Some(Seq(99)), delivered: None }),
        scene.message("ann", &room, "3", Draft::text("three")),
    ];
    let Committed { outcomes, entries, .. } = scene.commit(&batch).await;
    let ok: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, false, false, true]);
    assert_eq!(outcomes[1], Err(Rejection::NotJoined));
    assert_eq!(outcomes[2], Err(Rejection::BeyondHead));
    assert!(entries.iter().map(|e| e.seq.0).eq([3, 4]));
    assert_eq!(scene.log(&room).await[2..], entries);
}

/// Nothing asked, nothing done; nor by a batch of which nothing comes.
pub async fn an_empty_batch_is_nothing(store: impl Rooms) {
    let scene = Scene::of(store);
    let Committed { outcomes, entries, rewritten, marks, deleted, .. } = scene.commit(&[]).await;
    assert!(outcomes.is_empty() && entries.is_empty() && rewritten.is_empty());
    assert!(marks.is_empty() && deleted.is_empty());
    let room = scene.public("general", "ann", &[]).await;
    let twice = scene.command("ann", &room, Action::Enter);
    let Committed { outcomes, entries, .. } = scene.commit(&[twice.clone(), twice]).await;
    let stay = Outcome::Entered { head_seq: Seq(2), created: false };
    assert_eq!(outcomes, [Ok(stay.clone()), Ok(stay)]);
    assert_eq!(entries, []);
    assert_eq!(scene.see(&room).await.head_seq, Seq(2));
}

/// To the byte, in the log and in the history.
pub async fn what_was_sent_comes_back_unchanged(store: impl Rooms) {
    let scene = Scene::of(store);
    let strange = user("#1 'é\u{202e}\"\\ 😀");
    let texts = [
        "<script>alert('1')</script> \u{1b}[31m javascript:alert(1)",
        "\"quotes\" 'single' \\backslash\\ %_%",
        "line\nline\r\n\ttab \u{1}\u{7f} \u{2028}",
        "e\u{301} 👩‍👩‍👧 \u{10ffff} \u{feff}",
        "'); DROP TABLE log; --",
        "{\"text\":\"[1,2]\"}",
    ];
    let room = scene.room("general", NewRoom::public("\"n' é"), strange.as_str(), &[]).await;
    let meta = serde_json::json!({
        "deep": [[[{"": null}]]], "i": i64::MIN, "u": u64::MAX, "f": 0.25, "s": "\"\\\u{0}", "b": true
    });
    for (index, text) in texts.iter().enumerate() {
        let mut draft = Draft::text(*text);
        draft.meta = Some(meta.clone());
        let once = format!("'{index}\" é");
        sent(scene.run(scene.message(strange.as_str(), &room, &once, draft)).await)
            .expect("they may");
    }
    let log = scene.log(&room).await;
    let history = scene.history(&room, "ann").await;
    assert_eq!(history.len(), texts.len());
    for (index, text) in texts.iter().enumerate() {
        let (entry, shown) = (&log[index + 2], &history[index]);
        assert_eq!(entry.user, strange);
        assert_eq!(
            entry.client_msg_id.as_ref().map(|id| id.as_str()),
            Some(&*format!("'{index}\" é"))
        );
        assert!(matches!(&entry.body, Body::Message { text: found, meta: Some(found_meta), .. }
            if found == text && *found_meta == meta));
        assert_eq!((shown.text.as_str(), shown.meta.as_ref()), (*text, Some(&meta)));
        assert_eq!((&shown.user, shown.ts, shown.seq), (&strange, entry.ts, entry.seq));
    }
    assert_eq!(scene.see(&room).await.name.as_deref(), Some("\"n' é"));
}

/// And one that is not deleted.
pub async fn a_reply_needs_a_message_of_the_room(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let other = scene.public("other", "ann", &[]).await;
    let asked = scene.says("ann", &room, "?").await;
    let elsewhere = scene.says("ann", &other, "?").await;
    let reply = |once: &str, to| scene.message("ann", &room, once, Draft::text("!").reply_to(to));
    let answer = sent(scene.run(reply("1", asked.id.clone())).await).expect("she may");
    let shown = scene.shown(&room, &answer.id, "ann").await;
    assert_eq!(shown.reply_to, Some(asked.id.clone()));
    let lost = scene.run(reply("2", elsewhere.id)).await;
    assert_eq!(lost, Err(Rejection::NoSuchMessage));
    scene.does("ann", &room, delete(&asked.id, "d")).await;
    assert_eq!(scene.run(reply("3", asked.id)).await, Err(Rejection::MessageDeleted));
    assert_eq!(scene.see(&room).await.head_n, 2);
}

/// Over several rooms and senders, with large texts among them.
pub async fn a_large_batch_is_one_commit(store: impl Rooms) {
    let scene = Scene::of(store);
    let rooms = [
        scene.public("a", "ann", &["bob", "cat"]).await,
        scene.public("b", "bob", &["cat", "ann"]).await,
    ];
    let text = |index: usize| "x".repeat(if index.is_multiple_of(100) { 65_536 } else { index });
    let batch: Vec<_> = (0..512)
        .map(|index| {
            let who = ["ann", "bob", "cat"][index % 3];
            let draft = Draft::text(text(index));
            scene.message(who, &rooms[index / 7 % 2], &index.to_string(), draft)
        })
        .collect();
    let Committed { outcomes, entries, .. } = scene.commit(&batch).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(entries.len(), 512);
    for room in &rooms {
        let log = scene.log(room).await;
        assert!(log.iter().map(|e| e.seq.0).eq(1..=log.len() as u64));
        assert!(log[4..].iter().eq(entries.iter().filter(|e| e.room == *room)));
    }
    let again = scene.commit(&batch).await;
    assert_eq!(again.entries, []);
    let duplicate = |o: &Result<Outcome, _>| matches!(o, Ok(Outcome::Sent { duplicate: true, .. }));
    assert!(again.outcomes.iter().all(duplicate));
}
