//! Limits of number hold to the one.

use chatcore::Code;
use chatcore::id::Seq;
use chatcore::room::{MemberAction, NewRoom, RoomUpdate};

use crate::world::{Ground, World, over_every_store, refused, user};

over_every_store!(
    one_member_more_than_a_room_takes,
    one_room_more_than_one_may_be_in,
    names_and_reasons_out_of_bounds,
    pages_and_places_out_of_bounds,
);

/// Rule 30, members.
async fn one_member_more_than_a_room_takes(ground: Ground) {
    let world = World::limited(ground, |limits| limits.members = 5).await;
    let room = world.public("owner", &["m1", "m2"]).await;
    let crowd: Vec<_> = (0..20).map(|n| world.person(&format!("c{n}"))).collect();
    let answers = futures_util::future::join_all(crowd.iter().map(|c| c.enter(&room))).await;
    let (inside, outside): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((inside.len(), outside.len()), (2, 18));
    assert!(outside.into_iter().all(|answer| refused(answer) == Code::LimitReached));
    assert_eq!(world.person("owner").room(&room).await.unwrap().members, 5);
    // Who is in stays in, and a place that is given up can be taken.
    world.person("m1").enter(&room).await.unwrap();
    world.person("m1").leave(&room).await.unwrap();
    world.person("late").enter(&room).await.unwrap();
    assert_eq!(refused(world.person("m1").enter(&room).await), Code::LimitReached);
}

/// Rule 30, rooms; also by the door that another opens.
async fn one_room_more_than_one_may_be_in(ground: Ground) {
    let world = World::limited(ground, |limits| limits.rooms = 3).await;
    let host = world.public("host", &[]).await;
    let ann = world.person("ann");
    let new = || ann.create_room(NewRoom::public("mine"));
    let made = futures_util::future::join_all((0..10).map(|_| new())).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 3);
    for made in made.into_iter().filter(Result::is_err) {
        assert_eq!(refused(made), Code::LimitReached);
    }
    assert_eq!(refused(ann.enter(&host).await), Code::LimitReached);
    let direct = world.person("bob").create_room(NewRoom::direct(user("ann"))).await;
    assert_eq!(refused(direct), Code::LimitReached);
    assert!(
        world
            .person("bob")
            .rooms(chatcore::store::RoomFilter::Joined, None, 10)
            .await
            .unwrap()
            .is_empty()
    );

    let crowd = (0..101).map(|n| user(&format!("guest{n}")));
    let too_many = world.person("cid").create_room(NewRoom::private("all").invite(crowd)).await;
    assert_eq!(refused(too_many), Code::LimitReached);
    let nobody = world.person("cid").rooms(chatcore::store::RoomFilter::Visible, None, 10).await;
    assert_eq!(nobody.unwrap().iter().filter(|room| room.role.is_some()).count(), 0);
}

async fn names_and_reasons_out_of_bounds(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["member"]).await;
    let owner = world.person("owner");
    let before = world.log(&room).await;
    let long = "ü".repeat(101);
    for bad in [long.as_str(), "two\nlines", "nul\0", "esc\u{1b}[2J", "del\u{7f}", "\u{85}"] {
        let made = owner.create_room(NewRoom::public(bad)).await.unwrap_err();
        assert_eq!((made.code(), made.field()), (Code::BadRequest, Some("name")), "{bad:?}");
        let update = RoomUpdate { name: Some(bad.into()), ..RoomUpdate::default() };
        assert_eq!(refused(owner.update_room(&room, update).await), Code::BadRequest);
    }
    let reason = |reason: String| MemberAction::Kick { reason: Some(reason) };
    for bad in ["x".repeat(1_001), "\u{1b}]0;owned\u{7}".to_owned()] {
        let answer = owner.member(&room, &user("member"), reason(bad)).await.unwrap_err();
        assert_eq!((answer.code(), answer.field()), (Code::BadRequest, Some("reason")));
    }
    for until in [i64::MIN, -1, 0, 1_790_000_000_000, i64::MAX] {
        let until = Some(chatcore::clock::Timestamp(until));
        for what in
            [MemberAction::Ban { until, reason: None }, MemberAction::Mute { until, reason: None }]
        {
            let answer = owner.member(&room, &user("member"), what).await.unwrap_err();
            assert_eq!((answer.code(), answer.field()), (Code::BadRequest, Some("until")));
        }
    }
    assert_eq!(world.log(&room).await, before);
    let exact = "ü".repeat(100);
    owner.create_room(NewRoom::public(exact)).await.unwrap();
}

/// Rule 43 on the library, and the numbers at the end of the line.
async fn pages_and_places_out_of_bounds(ground: Ground) {
    use chatcore::log::{Anchor, Cursor, HistoryQuery};
    let world = World::new(ground).await;
    let room = world.public("owner", &[]).await;
    let owner = world.person("owner");
    crate::world::say(&owner, &room, "only").await;
    for limit in [0, 201, 1_000_000_000, u32::MAX] {
        let query = HistoryQuery { anchor: Anchor::Newest, limit };
        assert_eq!(refused(owner.history(&room, query).await), Code::BadRequest);
        assert_eq!(refused(owner.log(&room, Seq::START, limit).await), Code::BadRequest);
        assert_eq!(refused(owner.members(&room, None, limit).await), Code::BadRequest);
        let rooms = owner.rooms(chatcore::store::RoomFilter::Joined, None, limit).await;
        assert_eq!(refused(rooms), Code::BadRequest);
    }
    let some = Some(Seq(1));
    for (before, after, around) in
        [(some, some, None), (some, None, some), (None, some, some), (some, some, some)]
    {
        assert!(HistoryQuery::new(before, after, around, None, 200).is_err());
    }
    for seq in [Seq(0), Seq(1_000), Seq::MAX, Seq(1 << 53), Seq(i64::MAX as u64), Seq(u64::MAX)] {
        for anchor in [Anchor::Before(seq), Anchor::After(seq), Anchor::Around(seq)] {
            let page = owner.history(&room, HistoryQuery { anchor, limit: 10 }).await.unwrap();
            assert!(page.messages.len() <= 1, "{anchor:?}");
        }
        owner.log(&room, seq, 10).await.unwrap();
        let resumed = owner.resume(&room, Some(&Cursor { epoch: None, seq })).await.unwrap();
        assert_eq!(resumed.recovered, seq.0 == 0);
        let marked = owner.mark_read(&room, seq).await;
        assert_eq!(marked.is_ok(), seq.0 == 0);
    }
    // A cursor of another life of the store.
    let epoch = Some(chatcore::id::Epoch::parse("another").unwrap());
    let resumed = owner.resume(&room, Some(&Cursor { epoch, seq: Seq(1) })).await.unwrap();
    assert!(!resumed.recovered && resumed.head_seq == Seq(3));
}
