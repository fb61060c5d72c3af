//! Messages of others, of other rooms, and the same one from two sides at once.

use chatcore::Code;
use chatcore::id::ClientMsgId;
use chatcore::log::{Body, Draft};
use chatcore::room::{MemberAction, Role};

use crate::world::{Ground, World, newest, over_every_store, refused, say, user};

over_every_store!(
    what_belongs_to_others_or_to_another_room_is_not_changed,
    an_edit_and_a_deletion_at_once_never_leave_half_a_row,
    reactions_and_pins_come_to_their_limit,
    the_last_reaction_place_is_taken_once,
);

fn name(name: impl ToString) -> ClientMsgId {
    ClientMsgId::parse(&name.to_string()).unwrap()
}

/// Rule 39.
async fn what_belongs_to_others_or_to_another_room_is_not_changed(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["mod", "ann", "bob"]).await;
    world.act("owner", &room, "mod", MemberAction::Role(Role::Moderator)).await;
    let other = world.public("bob", &["ann"]).await;
    let secret = world.private("owner", &["ann"]).await;
    let anns = say(&world.person("ann"), &room, "ann's").await;
    let elsewhere = say(&world.person("bob"), &other, "elsewhere").await;
    let hidden = say(&world.person("ann"), &secret, "hidden").await;
    let before = (world.log(&room).await, world.log(&other).await, world.log(&secret).await);
    let bob = world.person("bob");
    assert_eq!(refused(bob.edit(&room, &anns, name(1), "bob's".into()).await), Code::Forbidden);
    assert_eq!(refused(bob.delete(&room, &anns, name(2)).await), Code::Forbidden);
    // Not even a moderator or the owner puts words into someone's mouth, nor does the host.
    for name_of in ["mod", "owner"] {
        let answer = world.person(name_of).edit(&room, &anns, name(3), "foul".into()).await;
        assert_eq!(refused(answer), Code::Forbidden);
    }
    let host = world.chat.as_system();
    assert_eq!(refused(host.edit(&room, &anns, name(3), "foul".into()).await), Code::Forbidden);
    // An id of another room is unknown here, even to whoever could use it there.
    for (who, id) in [("bob", &elsewhere), ("bob", &hidden), ("ann", &hidden), ("owner", &hidden)] {
        let person = world.person(who);
        let (one, two) = (name(4), name(5));
        assert_eq!(refused(person.edit(&room, id, one, "x".into()).await), Code::NotFound);
        assert_eq!(refused(person.delete(&room, id, two).await), Code::NotFound);
        assert_eq!(refused(person.react(&room, id, "👍", true).await), Code::NotFound);
        assert_eq!(refused(person.message(&room, id).await), Code::NotFound);
        let reply = person.send(&room, Draft::text("re").reply_to(id.clone())).await;
        assert_eq!(refused(reply), Code::NotFound);
    }
    assert_eq!(refused(world.person("owner").pin(&room, &hidden, true).await), Code::NotFound);
    let after = (world.log(&room).await, world.log(&other).await, world.log(&secret).await);
    assert_eq!(before, after);
    // What a refused request was called is not spent.
    assert!(
        !bob.send(&room, Draft { client_msg_id: Some(name(1)), ..Draft::text("mine") })
            .await
            .unwrap()
            .duplicate
    );
    // A moderator may delete.
    world.person("mod").delete(&room, &anns, name(6)).await.unwrap();
    let message = bob.message(&room, &anns).await.unwrap();
    assert!(message.text.is_empty() && message.user == user("ann"));
}

/// Rule 40.
async fn an_edit_and_a_deletion_at_once_never_leave_half_a_row(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("mod", &["ann", "bob"]).await;
    let (ann, moderator) = (world.person("ann"), world.person("mod"));
    for round in 0..40 {
        let sent = ann.send(&room, Draft::text("original")).await.unwrap();
        let id = &sent.message_id;
        let (e1, e2) = (name(format!("e1-{round}")), name(format!("e2-{round}")));
        let delete = name(format!("d-{round}"));
        let (first, deleted, second) = if round % 2 == 0 {
            tokio::join!(
                ann.edit(&room, id, e1, "first edit".into()),
                moderator.delete(&room, id, delete),
                ann.edit(&room, id, e2, "second edit".into())
            )
        } else {
            let (deleted, first, second) = tokio::join!(
                moderator.delete(&room, id, delete),
                ann.edit(&room, id, e1, "first edit".into()),
                ann.edit(&room, id, e2, "second edit".into())
            );
            (first, deleted, second)
        };
        let deleted = deleted.unwrap();
        for edit in [first, second] {
            match edit {
                Ok(edit) => assert!(edit.seq < deleted.seq, "an edit after the deletion"),
                Err(error) => assert_eq!(error.code(), Code::Gone),
            }
        }
        let message = ann.message(&room, id).await.unwrap();
        assert!(message.deleted_at.is_some());
        assert_eq!((message.text.as_str(), message.seq), ("", sent.seq));
    }
    for entry in world.log(&room).await {
        match &entry.body {
            Body::Message { text, deleted_at, .. } => {
                assert!(text.is_empty() && deleted_at.is_some(), "{entry:?}");
            }
            Body::Edit { text, .. } => assert!(text.is_empty(), "{entry:?}"),
            _ => {}
        }
    }
    // Two deletions: one takes effect.
    let id = say(&ann, &room, "twice").await;
    let (one, two) = tokio::join!(
        ann.delete(&room, &id, name("one")),
        moderator.delete(&room, &id, name("two"))
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}

/// Rule 44, as far as there are bombs: there are no mentions.
async fn reactions_and_pins_come_to_their_limit(ground: Ground) {
    let world = World::limited(ground, |limits| limits.pins = 3).await;
    let room = world.public("ann", &["bob"]).await;
    let (ann, bob) = (world.person("ann"), world.person("bob"));
    let id = say(&ann, &room, "react to this").await;
    for n in 0..20 {
        bob.react(&room, &id, &format!(":e{n}:"), true).await.unwrap();
    }
    let head = ann.room(&room).await.unwrap().head_seq;
    for person in [&ann, &bob] {
        let answer = person.react(&room, &id, ":one_too_many:", true);
        assert_eq!(refused(answer.await), Code::LimitReached);
    }
    for emoji in ["", " ", "a b", "a\nb", "\0", &"x".repeat(33), "\u{2003}", &"👍".repeat(9)] {
        let answer = bob.react(&room, &id, emoji, true).await.unwrap_err();
        assert_eq!((answer.code(), answer.field()), (Code::BadRequest, Some("emoji")), "{emoji:?}");
    }
    // The same again says nothing; joining in with one that is there stays possible.
    bob.react(&room, &id, ":e0:", true).await.unwrap();
    bob.react(&room, &id, ":never_given:", false).await.unwrap();
    assert_eq!(ann.room(&room).await.unwrap().head_seq, head);
    ann.react(&room, &id, ":e0:", true).await.unwrap();
    let message = ann.message(&room, &id).await.unwrap();
    assert_eq!((message.reactions.len(), message.reactions[0].count), (20, 2));
    assert!(message.reactions[0].mine && !message.reactions[1].mine);
    // A place that is given up can be taken.
    bob.react(&room, &id, ":e5:", false).await.unwrap();
    bob.react(&room, &id, ":late:", true).await.unwrap();

    for n in 0..3 {
        let id = say(&ann, &room, &n.to_string()).await;
        ann.pin(&room, &id, true).await.unwrap();
        ann.pin(&room, &id, true).await.unwrap();
    }
    assert_eq!(refused(ann.pin(&room, &id, true).await), Code::LimitReached);
    let pinned = ann.history(&room, newest(10)).await.unwrap();
    let pinned: Vec<_> = pinned.messages.into_iter().filter(|m| m.pinned).collect();
    assert_eq!(pinned.len(), 3);
    ann.delete(&room, &pinned[0].message_id, name("d")).await.unwrap();
    ann.pin(&room, &id, true).await.unwrap();
    assert_eq!(refused(ann.pin(&room, &pinned[0].message_id, true).await), Code::Gone);
}

/// Rule 44, by many hands at once.
async fn the_last_reaction_place_is_taken_once(ground: Ground) {
    let world = World::new(ground).await;
    let people: Vec<String> = (0..60).map(|n| format!("p{n}")).collect();
    let members: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = world.public("ann", &members).await;
    let id = say(&world.person("ann"), &room, "react to this").await;
    let given: Vec<_> = people
        .iter()
        .map(|who| {
            let (person, room, id) = (world.person(who), room.clone(), id.clone());
            let emoji = format!(":{who}:");
            tokio::spawn(async move {
                person.react(&room, &id, "👍", true).await.unwrap();
                person.react(&room, &id, &emoji, true).await
            })
        })
        .collect();
    let mut taken = 0;
    for answer in given {
        match answer.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.code(), Code::LimitReached),
        }
    }
    assert_eq!(taken, 19);
    let message = world.person("ann").message(&room, &id).await.unwrap();
    assert_eq!(message.reactions.len(), 20);
    let thumbs = message.reactions.iter().find(|r| r.emoji == "👍").unwrap();
    assert_eq!(thumbs.count, 60);
    // All taken back at once: nothing is left, and nothing below nothing.
    futures_util::future::join_all(people.iter().map(|who| {
        let (person, room, id) = (world.person(who), &room, &id);
        async move { person.react(room, id, "👍", false).await.unwrap() }
    }))
    .await;
    let message = world.person("ann").message(&room, &id).await.unwrap();
    assert!(message.reactions.iter().all(|r| r.emoji != "👍" && r.count == 1));
}
