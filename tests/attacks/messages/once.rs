//! A message takes effect once, in one place of one order.

use std::collections::BTreeSet;
use std::time::Duration;

use chatcore::Code;
use chatcore::id::{ClientMsgId, MessageId, Seq};
use chatcore::log::{Cursor, Draft};
use futures_util::FutureExt as _;

use crate::world::{
    Ground, World, draft, kick, newest, over_every_store, refused, say, texts, user,
};

over_every_store!(
    a_retry_after_a_lost_ack_or_a_restart_changes_nothing,
    the_same_name_for_something_else_is_refused,
    a_thousand_at_once_stand_in_one_dense_line,
    the_same_message_from_many_devices_at_once_is_one,
    a_sender_who_hangs_up_before_the_ack_finds_the_message_on_return,
    a_deleted_message_is_not_raised_by_its_own_retry,
    a_forged_message_id_is_nobodys,
);

/// Rule 31.
async fn a_retry_after_a_lost_ack_or_a_restart_changes_nothing(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    let reply = say(&world.person("ann"), &room, "a question").await;
    let meta = serde_json::json!({ "a": [1, 2.5, -0.0, 1e300, null, "\u{0}é"], "Z": { "b": {} } });
    let full = || Draft {
        meta: Some(meta.clone()),
        reply_to: Some(reply.clone()),
        ..draft("an answer", "full")
    };
    let ann = world.person("ann");
    let first = [
        ann.send(&room, draft("plain", "plain")).await.unwrap(),
        ann.send(&room, full()).await.unwrap(),
    ];
    let before = world.log(&room).await;
    for round in 0..3 {
        if round > 0 {
            world.restart().await;
            world.clock.advance(Duration::from_secs(86_400));
        }
        let ann = world.person("ann");
        let again = [
            ann.send(&room, draft("plain", "plain")).await.unwrap(),
            ann.send(&room, full()).await.unwrap(),
        ];
        for (first, again) in first.iter().zip(again) {
            assert!(again.duplicate && !first.duplicate);
            assert_eq!((again.seq, again.n, again.ts), (first.seq, first.n, first.ts));
            assert_eq!(again.message_id, first.message_id);
        }
    }
    assert_eq!(world.log(&room).await, before);
    // Also once one may not write any more: what took effect did.
    let room = world.public("owner", &["ann"]).await;
    let sent = world.person("ann").send(&room, draft("said", "said")).await.unwrap();
    world.act("owner", &room, "ann", kick()).await;
    let retry = world.person("ann").send(&room, draft("said", "said")).await.unwrap();
    assert!(retry.duplicate && retry.seq == sent.seq);
    assert_eq!(
        refused(world.person("ann").send(&room, draft("new", "new")).await),
        Code::Forbidden
    );
}

/// Rule 32.
async fn the_same_name_for_something_else_is_refused(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &["bob"]).await;
    let (ann, bob) = (world.person("ann"), world.person("bob"));
    let other = say(&ann, &room, "other").await;
    let sent = ann.send(&room, draft("body", "name")).await.unwrap();
    let before = world.log(&room).await;
    let name = || ClientMsgId::parse("name").unwrap();
    for changed in [
        draft("another body", "name"),
        draft("body ", "name"),
        draft("bodY", "name"),
        draft("body", "name").reply_to(other.clone()),
        Draft { meta: Some(serde_json::json!({})), ..draft("body", "name") },
    ] {
        assert_eq!(refused(ann.send(&room, changed).await), Code::Conflict);
    }
    let id = sent.message_id;
    assert_eq!(refused(ann.edit(&room, &other, name(), "body".into()).await), Code::Conflict);
    assert_eq!(refused(ann.edit(&room, &id, name(), "body".into()).await), Code::Conflict);
    assert_eq!(refused(ann.delete(&room, &other, name()).await), Code::Conflict);
    assert_eq!(world.log(&room).await, before);
    // An edit's name is as spent as a message's.
    let edit = ClientMsgId::parse("edit").unwrap();
    let edited = ann.edit(&room, &other, edit.clone(), "v2".into()).await.unwrap();
    let again = ann.edit(&room, &other, edit.clone(), "v2".into()).await.unwrap();
    assert!(again.duplicate && again.seq == edited.seq);
    assert_eq!(refused(ann.edit(&room, &other, edit, "v3".into()).await), Code::Conflict);
    assert_eq!(refused(ann.send(&room, draft("v2", "edit")).await), Code::Conflict);
    // Names are each person's and each room's own.
    assert!(!bob.send(&room, draft("body", "name")).await.unwrap().duplicate);
    let elsewhere = world.public("ann", &[]).await;
    assert!(!ann.send(&elsewhere, draft("body", "name")).await.unwrap().duplicate);
}

/// Rule 33, on one node.
async fn a_thousand_at_once_stand_in_one_dense_line(ground: Ground) {
    let world = World::new(ground).await;
    let names: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = world.public("owner", &members).await;
    let head = world.person("owner").room(&room).await.unwrap().head_seq;
    let mut live =
        world.person("owner").subscribe(&room, Cursor { epoch: None, seq: head }).await.unwrap();
    let senders: Vec<_> = (0..1_000)
        .map(|n| {
            let (person, room) = (world.person(&names[n % 10]), room.clone());
            tokio::spawn(async move {
                person.send(&room, draft(&n.to_string(), &n.to_string())).await.unwrap()
            })
        })
        .collect();
    let (mut seqs, mut counts) = (BTreeSet::new(), BTreeSet::new());
    for sender in senders {
        let sent = sender.await.unwrap();
        assert!(!sent.duplicate);
        seqs.insert(sent.seq.0 - head.0);
        counts.insert(sent.n);
    }
    assert!(seqs.into_iter().eq(1..=1_000), "places are dense, and nobody's twice");
    assert!(counts.into_iter().eq(1..=1_000));
    let mut heard = BTreeSet::new();
    for place in 1..=1_000 {
        let entry = live.next().await.unwrap().unwrap();
        assert_eq!((entry.seq.0 - head.0, entry.n), (place, Some(place)));
        heard.insert(entry.client_msg_id.unwrap());
    }
    assert_eq!(heard.len(), 1_000);
    assert_eq!(world.log(&room).await.len() as u64, head.0 + 1_000);
}

/// Rule 31, all retries at once.
async fn the_same_message_from_many_devices_at_once_is_one(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    for round in 0..10 {
        let senders: Vec<_> = (0..50)
            .map(|n| {
                let (ann, room) = (world.person("ann"), room.clone());
                // One of them says something else.
                let text = if n == 25 { "forged" } else { "same" };
                tokio::spawn(async move { ann.send(&room, draft(text, &round.to_string())).await })
            })
            .collect();
        let (mut fresh, mut places, mut conflicts) = (0, BTreeSet::new(), 0);
        for sender in senders {
            match sender.await.unwrap() {
                Ok(sent) => {
                    fresh += u32::from(!sent.duplicate);
                    places.insert(sent.seq);
                }
                Err(error) => {
                    assert_eq!(error.code(), Code::Conflict);
                    conflicts += 1;
                }
            }
        }
        assert_eq!((fresh, places.len()), (1, 1));
        assert!(conflicts == 1 || conflicts == 49, "{conflicts}");
    }
    assert_eq!(world.log(&room).await.iter().filter(|e| e.n.is_some()).count(), 10);
}

/// Rule 34.
async fn a_sender_who_hangs_up_before_the_ack_finds_the_message_on_return(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &["bob"]).await;
    let head = world.person("bob").room(&room).await.unwrap().head_seq;
    for n in 0..50 {
        let ann = world.person("ann");
        let text = n.to_string();
        // Handed in, and then nobody waits for it.
        let answer = ann.send(&room, draft(&text, &text)).now_or_never();
        assert!(answer.is_none_or(|answer| answer.is_ok()));
    }
    let bob = world.person("bob");
    let mut live = bob.subscribe(&room, Cursor { epoch: None, seq: head }).await.unwrap();
    for n in 0..50 {
        let entry = live.next().await.unwrap().unwrap();
        assert!(crate::world::says(&entry, &n.to_string()), "{n}: {entry:?}");
    }
    world.restart().await;
    let retry = world.person("ann").send(&room, draft("7", "7")).await.unwrap();
    assert!(retry.duplicate && retry.seq == Seq(head.0 + 8));
    assert_eq!(texts(&world.person("bob").history(&room, newest(1)).await.unwrap()), ["49"]);
}

/// The name outlives the message.
async fn a_deleted_message_is_not_raised_by_its_own_retry(ground: Ground) {
    let mut world = World::new(ground).await;
    let room = world.public("ann", &[]).await;
    let sent = world.person("ann").send(&room, draft("regret", "name")).await.unwrap();
    let forget = ClientMsgId::parse("forget").unwrap();
    world.person("ann").delete(&room, &sent.message_id, forget.clone()).await.unwrap();
    for _ in 0..2 {
        let ann = world.person("ann");
        let retry = ann.send(&room, draft("regret", "name")).await.unwrap();
        assert!(retry.duplicate && retry.seq == sent.seq);
        assert_eq!(refused(ann.send(&room, draft("regret!", "name")).await), Code::Conflict);
        assert!(ann.delete(&room, &sent.message_id, forget.clone()).await.unwrap().duplicate);
        let edit = ClientMsgId::parse("edit").unwrap();
        assert_eq!(refused(ann.edit(&room, &sent.message_id, edit, "no".into()).await), Code::Gone);
        assert_eq!(refused(ann.react(&room, &sent.message_id, "👍", true).await), Code::Gone);
        let message = ann.message(&room, &sent.message_id).await.unwrap();
        assert!(message.text.is_empty() && message.deleted_at.is_some());
        let log = format!("{:?}", world.log(&room).await);
        assert!(!log.contains("regret"), "{log}");
        world.restart().await;
    }
}

/// Ids that somebody has made up, with stray bits, or worked out for another's message.
async fn a_forged_message_id_is_nobodys(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("ann", &["bob"]).await;
    let sent = world.person("ann").send(&room, draft("mine", "name")).await.unwrap();
    let name = ClientMsgId::parse("name").unwrap();
    assert_eq!(sent.message_id, MessageId::derive(&room, &user("ann"), &name));
    let bob = world.person("bob");
    // Sending "as" ann's name makes bob's own message, not ann's.
    let own = bob.send(&room, draft("mine", "name")).await.unwrap();
    assert_ne!(own.message_id, sent.message_id);
    // The last character of the id carries four bits that mean nothing: all their forms but one are
    // nobody's.
    let id = sent.message_id.as_str();
    let last = id.chars().last().unwrap();
    let mut found = 0;
    for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        let forged = MessageId::parse(&format!("{}{c}", &id[..21])).unwrap();
        match bob.message(&room, &forged).await {
            Ok(_) => {
                assert_eq!(c, last);
                found += 1;
            }
            Err(error) => assert_eq!(error.code(), Code::NotFound),
        }
        let reply = bob.send(&room, Draft::text("re").reply_to(forged)).await;
        assert_eq!(reply.is_ok(), c == last);
    }
    assert_eq!(found, 1);
    // The name of an edit is not the name of a message.
    let edit = ClientMsgId::parse("an edit").unwrap();
    let ann = world.person("ann");
    ann.edit(&room, &sent.message_id, edit.clone(), "v2".into()).await.unwrap();
    let key = MessageId::derive(&room, &user("ann"), &edit);
    assert_eq!(refused(bob.message(&room, &key).await), Code::NotFound);
    assert_eq!(refused(bob.react(&room, &key, "👍", true).await), Code::NotFound);
    assert_eq!(
        refused(ann.edit(&room, &key, ClientMsgId::parse("x").unwrap(), "v3".into()).await),
        Code::NotFound
    );
    assert_eq!(refused(bob.send(&room, Draft::text("re").reply_to(key)).await), Code::NotFound);
}
