//! Edits and deletions.

use std::time::Duration;

use crate::id::{MessageId, Seq};
use crate::log::{Body, Draft, Entry};
use crate::room::{Action, Outcome, Rejection, Role};
use crate::testing::scene::{Rooms, Scene, delete, edit, pin, react, role, sent, user};

/// The message has its new text at its old place; the log says when it came about.
pub async fn an_edit_changes_the_message_where_it_stands(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "teh").await;
    scene.says("ann", &room, "next").await;
    scene.wait(Duration::from_secs(1));
    let at = scene.now();
    let outcome = scene.does("ann", &room, edit(&first.id, "e", "the")).await;
    let (id, ts) = (first.id.clone(), at);
    let told = Outcome::Sent { seq: Seq(5), n: 0, message_id: id, ts, duplicate: false };
    assert_eq!(outcome, told);
    let shown = scene.shown(&room, &first.id, "ann").await;
    assert_eq!((shown.text.as_str(), shown.edited_at), ("the", Some(at)));
    assert_eq!((shown.seq, shown.n, shown.ts), (first.seq, first.n, first.ts));
    let log = scene.log(&room).await;
    assert!(matches!(&log[2].body, Body::Message { text, .. } if text == "the"));
    let Entry { body: Body::Edit { message_id, text }, n: None, .. } = &log[4] else {
        panic!("not an edit: {:?}", log[4]);
    };
    assert_eq!((message_id, text.as_str()), (&first.id, "the"));
    assert_eq!(scene.history(&room, "ann").await[0], shown);
}

/// A retry gets the first answer.
pub async fn an_edit_takes_effect_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "1").await;
    let once = scene.ask("ann", &room, edit(&first.id, "e", "2")).await;
    scene.does("ann", &room, edit(&first.id, "f", "3")).await;
    let again = scene.ask("ann", &room, edit(&first.id, "e", "2")).await;
    let (once, again) = (sent(once).expect("she may"), sent(again).expect("a retry"));
    assert_eq!(
        (once.seq, once.duplicate, again.seq, again.duplicate),
        (Seq(4), false, Seq(4), true)
    );
    let other = scene.ask("ann", &room, edit(&first.id, "e", "4")).await;
    assert_eq!(other, Err(Rejection::ClientMsgIdReused));
    assert_eq!(scene.shown(&room, &first.id, "ann").await.text, "3");
}

/// Not even an owner puts words into another's mouth.
pub async fn only_its_author_edits_a_message(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let first = scene.says("bob", &room, "mine").await;
    let theirs = scene.ask("ann", &room, edit(&first.id, "e", "yours")).await;
    assert_eq!(theirs, Err(Rejection::NotTheAuthor));
    assert_eq!(scene.host(&room, edit(&first.id, "e", "ours")).await, Err(Rejection::NotTheAuthor));
    let outside = scene.ask("eve", &room, edit(&first.id, "e", "hers")).await;
    assert_eq!(outside, Err(Rejection::NotJoined));
    assert_eq!(scene.shown(&room, &first.id, "ann").await.text, "mine");
}

/// To leave nothing is to delete.
pub async fn an_edit_must_leave_something(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "text").await;
    let emptied = scene.ask("ann", &room, edit(&first.id, "e", "")).await;
    assert_eq!(emptied, Err(Rejection::EmptyText));
    let nothing = scene.ask("ann", &room, edit(&MessageId::from_bytes([7; 16]), "f", "x")).await;
    assert_eq!(nothing, Err(Rejection::NoSuchMessage));
}

/// What it said is gone from everywhere; that it was there is not.
pub async fn a_deletion_empties_the_message_and_keeps_its_place(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let mut draft = Draft::text("secret");
    draft.meta = Some(serde_json::json!({ "secret": true }));
    let first = sent(scene.run(scene.message("ann", &room, "1", draft)).await).expect("she may");
    scene.wait(Duration::from_secs(1));
    scene.does("ann", &room, delete(&first.id, "d")).await;
    let shown = scene.shown(&room, &first.id, "ann").await;
    assert_eq!((shown.text.as_str(), &shown.meta), ("", &None));
    assert_eq!((shown.deleted_at, shown.n), (Some(scene.now()), 1));
    let log = scene.log(&room).await;
    assert!(!format!("{log:?}").contains("secret"));
    assert!(matches!(&log[3].body, Body::Delete { message_id } if *message_id == first.id));
    assert_eq!(scene.see(&room).await.head_n, 1);
    assert_eq!(scene.says("ann", &room, "next").await.n, 2);
}

/// A retry gets the first answer, though the message is deleted by now.
pub async fn a_deletion_takes_effect_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "text").await;
    let once = sent(scene.ask("ann", &room, delete(&first.id, "d")).await).expect("she may");
    let again = sent(scene.ask("ann", &room, delete(&first.id, "d")).await).expect("a retry");
    assert_eq!((once.duplicate, again.duplicate, again.seq), (false, true, once.seq));
    assert_eq!(again.id, first.id);
    let other = scene.ask("ann", &room, delete(&first.id, "another")).await;
    assert_eq!(other, Err(Rejection::MessageDeleted));
}

/// Its author, a moderator, the host.
pub async fn who_may_delete_a_message(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.does("ann", &room, role("cat", Role::Moderator)).await;
    let of_ann = scene.says("ann", &room, "1").await;
    let of_bob = scene.says("bob", &room, "2").await;
    let of_cat = scene.says("cat", &room, "3").await;
    let low = Err(Rejection::RoleTooLow { needs: Role::Moderator });
    assert_eq!(scene.ask("bob", &room, delete(&of_ann.id, "d")).await, low);
    assert_eq!(scene.ask("eve", &room, delete(&of_ann.id, "d")).await, Err(Rejection::NotJoined));
    scene.does("cat", &room, delete(&of_bob.id, "d")).await;
    scene.does("cat", &room, delete(&of_cat.id, "e")).await;
    scene.host(&room, delete(&of_ann.id, "d")).await.expect("the host may");
    assert!(scene.history(&room, "ann").await.iter().all(|m| m.deleted_at.is_some()));
}

/// Not edited, not deleted again, not answered.
pub async fn what_is_deleted_cannot_be_changed(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "text").await;
    scene.does("ann", &room, delete(&first.id, "d")).await;
    let head = scene.see(&room).await.head_seq;
    for action in [
        edit(&first.id, "e", "back"),
        delete(&first.id, "f"),
        react(&first.id, "👍", true),
        pin(&first.id, true),
    ] {
        assert_eq!(scene.ask("ann", &room, action).await, Err(Rejection::MessageDeleted));
    }
    assert_eq!(scene.see(&room).await.head_seq, head);
}

/// In this batch and in those before, of this message and of no other.
pub async fn a_deletion_takes_the_text_of_earlier_edits(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "secret 1").await;
    let other = scene.says("ann", &room, "kept 1").await;
    scene.does("ann", &room, edit(&first.id, "a", "secret 2")).await;
    scene.does("ann", &room, edit(&other.id, "b", "kept 2")).await;
    let batch = [
        scene.command("ann", &room, edit(&first.id, "c", "secret 3")),
        scene.command("ann", &room, delete(&first.id, "d")),
    ];
    let committed = scene.commit(&batch).await;
    assert!(committed.outcomes.iter().all(Result::is_ok));
    let log = scene.log(&room).await;
    assert!(!format!("{log:?}").contains("secret"));
    let texts: Vec<_> = log
        .iter()
        .filter_map(|e| match &e.body {
            Body::Edit { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["", "kept 2", ""]);
    assert_eq!(log[6..], committed.entries);
}

/// The commands of a batch see what those before them did.
pub async fn a_message_is_changed_in_the_batch_that_sends_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let send = scene.message("ann", &room, "1", Draft::text("1"));
    let Action::Send(one) = &send.action else { unreachable!("it is a send") };
    let id = one.message_id.clone();
    let batch = [
        send,
        scene.command("ann", &room, edit(&id, "2", "2")),
        scene.command("ann", &room, edit(&id, "3", "3")),
    ];
    let committed = scene.commit(&batch).await;
    assert!(committed.outcomes.iter().all(Result::is_ok), "{:?}", committed.outcomes);
    assert!(matches!(&committed.entries[0].body, Body::Message { text, .. } if text == "3"));
    assert_eq!(scene.shown(&room, &id, "ann").await.text, "3");
    assert_eq!(scene.log(&room).await[2..], committed.entries);
}

/// And the other finds what it left.
pub async fn of_an_edit_and_a_deletion_in_a_batch_the_first_goes_first(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for (case, edit_first) in [("x", true), ("y", false)] {
        let sent = scene.says("ann", &room, "text").await;
        let name = |what: &str| format!("{what}-{case}");
        let mut batch = vec![
            scene.command("ann", &room, edit(&sent.id, &name("e"), "new")),
            scene.command("ann", &room, delete(&sent.id, &name("d"))),
        ];
        if !edit_first {
            batch.reverse();
        }
        let outcomes = scene.commit(&batch).await.outcomes;
        assert!(outcomes[0].is_ok());
        if edit_first {
            assert!(outcomes[1].is_ok());
        } else {
            assert_eq!(outcomes[1], Err(Rejection::MessageDeleted));
        }
        let shown = scene.shown(&room, &sent.id, "ann").await;
        assert_eq!((shown.text.as_str(), shown.deleted_at.is_some()), ("", true));
        assert_eq!(shown.edited_at.is_some(), edit_first);
    }
}

/// Knowing its name does not help.
pub async fn a_message_of_another_room_is_none(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let other = scene.public("other", "ann", &[]).await;
    let sent = scene.says("ann", &room, "text").await;
    for action in [
        edit(&sent.id, "e", "x"),
        delete(&sent.id, "f"),
        react(&sent.id, "👍", true),
        pin(&sent.id, true),
    ] {
        assert_eq!(scene.ask("ann", &other, action).await, Err(Rejection::NoSuchMessage));
    }
    // The name of an edit is no message either.
    scene.does("ann", &room, edit(&sent.id, "named", "x")).await;
    let message = scene.message("ann", &room, "named", Draft::text("x"));
    let Action::Send(named) = &message.action else { unreachable!("it is a send") };
    let found = scene.store.message(&room, &named.message_id, &user("ann")).await;
    assert_eq!(found.expect("the store works"), None);
    let edited = scene.ask("ann", &room, edit(&named.message_id, "g", "x")).await;
    assert_eq!(edited, Err(Rejection::NoSuchMessage));
}
