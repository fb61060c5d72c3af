//! Rooms that one may not know of answer as rooms that do not exist.

use std::time::Duration;

use chatcore::id::{ClientMsgId, MessageId, RoomId, Seq};
use chatcore::log::{Cursor, Draft};
use chatcore::room::{MemberAction, NewRoom, Role, RoomKind, RoomUpdate};
use chatcore::store::RoomFilter;
use chatcore::{Caller, Code, Error};

use crate::world::{
    Ground, World, ban, draft, kick, newest, over_every_store, refused, say, start, texts, told,
    user,
};

over_every_store!(
    every_door_of_a_hidden_room_is_the_wall,
    a_name_that_is_taken_in_private_can_be_taken_again,
    who_is_kicked_while_live_sees_nothing_later_and_keeps_no_preview,
    a_kick_in_the_middle_of_a_flood_cuts_it_at_its_own_place,
    a_public_room_that_turns_private_ends_its_onlookers,
    statistics_tell_nothing_of_hidden_rooms,
    what_was_said_in_a_former_life_of_a_room_is_out_of_reach,
    a_ban_that_ends_or_is_lifted_opens_no_private_room,
);

/// What someone who tries every call on `room` is told, by call.
async fn knock(
    caller: &Caller,
    room: &RoomId,
    message: &MessageId,
) -> Vec<(&'static str, Result<(), Error>)> {
    let target = user("member");
    let name = ClientMsgId::parse("mine").unwrap();
    let role = MemberAction::Role(Role::Owner);
    let renamed = RoomUpdate { name: Some("mine now".into()), ..RoomUpdate::default() };
    let opened = RoomUpdate { kind: Some(RoomKind::Public), ..RoomUpdate::default() };
    let beyond = Cursor { epoch: None, seq: Seq(1_000_000) };
    macro_rules! doors {
        ($($what:literal: $call:expr),+ $(,)?) => { vec![$(($what, $call.await.map(drop))),+] };
    }
    doors! {
        "room": caller.room(room),
        "enter": caller.enter(room),
        "leave": caller.leave(room),
        "members": caller.members(room, None, 10),
        "history": caller.history(room, newest(10)),
        "log": caller.log(room, Seq::START, 10),
        "message": caller.message(room, message),
        "notify": caller.notify(room, Default::default()),
        "links": caller.invite_links(room),
        "make a link": caller.create_invite_link(room, Default::default()),
        "pins": caller.pinned(room, Seq::START, 10),
        "readers": caller.readers(room, message, None, 10),
        "subscribe": caller.subscribe(room, start()),
        "resume": caller.resume(room, Some(&beyond)),
        "may_read": caller.may_read(room),
        "send": caller.send(room, draft("let me in", "one")),
        "reply": caller.send(room, Draft::text("re").reply_to(message.clone())),
        "edit": caller.edit(room, message, name.clone(), "mine".into()),
        "delete": caller.delete(room, message, name.clone()),
        "react": caller.react(room, message, "👍", true),
        "unreact": caller.react(room, message, "👍", false),
        "pin": caller.pin(room, message, true),
        "mark read": caller.mark_read(room, Seq(1)),
        "mark read beyond the head": caller.mark_read(room, Seq::MAX),
        "mark delivered": caller.mark_delivered(room, Seq(1)),
        "type": caller.signal(room, "typing", true, 1_000),
        "invite": caller.member(room, &target, MemberAction::Invite),
        "invite oneself": caller.member(room, caller.actor_id(), MemberAction::Invite),
        "kick": caller.member(room, &target, kick()),
        "ban": caller.member(room, &target, ban()),
        "unban oneself": caller.member(room, caller.actor_id(), MemberAction::Unban),
        "promote oneself": caller.member(room, caller.actor_id(), role),
        "rename": caller.update_room(room, renamed),
        "open": caller.update_room(room, opened),
    }
}

trait ActorId {
    fn actor_id(&self) -> &chatcore::id::UserId;
}

impl ActorId for Caller {
    fn actor_id(&self) -> &chatcore::id::UserId {
        match self.actor() {
            chatcore::room::Actor::User(user) => user,
            chatcore::room::Actor::System => panic!("the host knocks at no door"),
        }
    }
}

/// Rule 20.
async fn every_door_of_a_hidden_room_is_the_wall(ground: Ground) {
    let world = World::new(ground).await;
    let owner = world.person("owner");
    let private = world.private("owner", &["member", "kicked", "banned", "gone"]).await;
    let message = say(&owner, &private, "the vault's code is 4711").await;
    world.act("owner", &private, "kicked", kick()).await;
    world.act("owner", &private, "banned", ban()).await;
    world.person("gone").leave(&private).await.unwrap();
    world.act("owner", &private, "declined", MemberAction::Invite).await;
    world.person("declined").leave(&private).await.unwrap();

    // The direct room of two others: whoever knows their ids can work its id out.
    let direct = owner.create_room(NewRoom::direct(user("member"))).await.unwrap().room;
    assert_eq!(direct, RoomId::direct(&user("member"), &user("owner")));
    let whispered = say(&owner, &direct, "psst").await;

    // A public room that has come to its end.
    let ended = world.public("gone", &[]).await;
    let last = say(&world.person("gone"), &ended, "farewell").await;
    world.person("gone").leave(&ended).await.unwrap();

    let absent = RoomId::parse("no-room-has-this-id").unwrap();
    let before = (world.log(&private).await, world.log(&direct).await);
    for name in ["outsider", "kicked", "banned", "gone", "declined"] {
        let caller = world.person(name);
        let wall = knock(&caller, &absent, &message).await;
        for (room, message) in [(&private, &message), (&direct, &whispered), (&ended, &last)] {
            for ((door, answer), (_, absent)) in
                knock(&caller, room, message).await.into_iter().zip(&wall)
            {
                let absent =
                    absent.as_ref().expect_err("no door of a room that is not there opens");
                let answer = answer.map_err(|error| told(&error));
                assert_eq!(answer, Err(told(absent)), "{name} at {door} of {room}");
                assert_eq!(absent.code(), Code::NotFound, "{door}");
            }
        }
        let seen = caller.rooms(RoomFilter::Visible, None, 100).await.unwrap();
        assert!(seen.is_empty(), "{name} sees {seen:?}");
    }
    assert_eq!(before, (world.log(&private).await, world.log(&direct).await));
    assert!(owner.history(&private, newest(10)).await.is_ok());
}

/// Rule 21: a room's name belongs to nobody, so taking it tells nothing.
async fn a_name_that_is_taken_in_private_can_be_taken_again(ground: Ground) {
    let world = World::new(ground).await;
    let secret = world.private("owner", &[]).await;
    for kind in [NewRoom::public("cellar"), NewRoom::private("cellar")] {
        let other = world.person("outsider").create_room(kind).await.unwrap();
        assert_ne!(other.room, secret);
        // A new room's log begins at its beginning, whatever else has this name.
        assert_eq!(other.head_seq, Seq(2));
    }
    // A direct room with someone who has one with a third.
    world.person("owner").create_room(NewRoom::direct(user("third"))).await.unwrap();
    let own = world.person("outsider").create_room(NewRoom::direct(user("owner"))).await.unwrap();
    assert_ne!(own.room, RoomId::direct(&user("owner"), &user("third")));
    let seen = world.person("outsider").rooms(RoomFilter::Visible, None, 100).await.unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|room| room.room != secret));
    // Asking in oneself is no way in either.
    let yourself = NewRoom::private("cellar").invite([user("outsider")]);
    let answer = world.person("outsider").create_room(yourself).await;
    assert_eq!(refused(answer), Code::Forbidden);
}

/// Rule 28.
async fn who_is_kicked_while_live_sees_nothing_later_and_keeps_no_preview(ground: Ground) {
    for (private, what) in [(true, kick()), (true, ban()), (false, kick()), (false, ban())] {
        let world = World::new(ground).await;
        let room = if private {
            world.private("owner", &["victim"]).await
        } else {
            world.public("owner", &["victim"]).await
        };
        let (owner, victim) = (world.person("owner"), world.person("victim"));
        let early = say(&owner, &room, "before").await;
        let own = say(&victim, &room, "own words").await;
        let mut live = victim.subscribe(&room, start()).await.unwrap();
        let mut second = victim.subscribe(&room, start()).await.unwrap();
        let head = victim.room(&room).await.unwrap().head_seq;
        while live.next().await.unwrap().unwrap().seq < head {}

        world.act("owner", &room, "victim", what.clone()).await;
        let name = |id: &str| ClientMsgId::parse(id).unwrap();
        owner.edit(&room, &early, name("e"), "before, but changed".into()).await.unwrap();
        owner.react(&room, &early, "🎉", true).await.unwrap();
        say(&owner, &room, "after").await;

        // The stream that was at the head, and the one that had not read a line.
        assert_eq!(live.next().await.unwrap(), None, "{what:?}");
        while let Some(entry) = second.next().await.unwrap() {
            assert!(entry.seq <= head, "{what:?}: {entry:?}");
        }
        let hidden = if private { Code::NotFound } else { Code::Forbidden };
        assert_eq!(refused(victim.history(&room, newest(10)).await), hidden);
        assert_eq!(refused(victim.log(&room, head, 10).await), hidden);
        assert_eq!(refused(victim.message(&room, &own).await), hidden);
        assert_eq!(refused(victim.members(&room, None, 10).await), hidden);
        assert_eq!(refused(victim.subscribe(&room, start()).await), hidden);
        assert_eq!(refused(victim.send(&room, Draft::text("still here")).await), hidden);
        assert_eq!(refused(victim.edit(&room, &own, name("v"), "!".into()).await), hidden);
        assert_eq!(refused(victim.delete(&room, &own, name("w")).await), hidden);
        let joined = victim.rooms(RoomFilter::Joined, None, 10).await.unwrap();
        assert!(joined.is_empty(), "{joined:?}");
        let stats = victim.stats(Default::default()).await.unwrap();
        assert!(stats.entries.is_empty(), "{:?}", stats.entries);
        assert_eq!(texts(&owner.history(&room, newest(1)).await.unwrap()), ["after"]);
    }
}

/// Rule 28, with a sender who does not pause.
async fn a_kick_in_the_middle_of_a_flood_cuts_it_at_its_own_place(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.private("owner", &["victim"]).await;
    for round in 0..10 {
        let victim = world.person("victim");
        let mut live = victim.subscribe(&room, start()).await.unwrap();
        let reader = tokio::spawn(async move {
            let mut last = Seq::START;
            while let Some(entry) = live.next().await.unwrap() {
                assert_eq!(entry.seq, last.next());
                last = entry.seq;
            }
            last
        });
        let (owner, target) = (world.person("owner"), user("victim"));
        let flood: Vec<_> = (0..200)
            .map(|n| owner.submit_send(&room, draft("flood", &format!("{round}-{n}"))).unwrap())
            .collect();
        let kicked = owner.member(&room, &target, kick());
        let more: Vec<_> = (200..400)
            .map(|n| owner.submit_send(&room, draft("flood", &format!("{round}-{n}"))).unwrap())
            .collect();
        kicked.await.unwrap();
        for pending in flood.into_iter().chain(more) {
            pending.outcome().await.unwrap();
        }
        let last = tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
        let log = world.log(&room).await;
        let kick = log.iter().rev().find(|entry| entry.body.kind().as_str() == "kick").unwrap();
        assert!(last < kick.seq, "the victim saw {last}, and was kicked at {}", kick.seq);
        world.act("owner", &room, "victim", MemberAction::Invite).await;
        victim_comes_back(&world, &room).await;
    }
}

async fn victim_comes_back(world: &World, room: &RoomId) {
    world.person("victim").enter(room).await.unwrap();
}

/// Rule 28 for those who were never in: readers of a public room from outside.
async fn a_public_room_that_turns_private_ends_its_onlookers(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["member"]).await;
    let (owner, onlooker) = (world.person("owner"), world.person("onlooker"));
    let mut outside = onlooker.subscribe(&room, start()).await.unwrap();
    let mut inside = world.person("member").subscribe(&room, start()).await.unwrap();
    for _ in 0..3 {
        outside.next().await.unwrap().unwrap();
        inside.next().await.unwrap().unwrap();
    }
    let close = RoomUpdate { kind: Some(RoomKind::Private), ..RoomUpdate::default() };
    owner.update_room(&room, close).await.unwrap();
    say(&owner, &room, "now we are alone").await;
    assert_eq!(outside.next().await.unwrap(), None);
    assert_eq!(refused(onlooker.room(&room).await), Code::NotFound);
    assert_eq!(refused(onlooker.enter(&room).await), Code::NotFound);
    let rest = [inside.next().await.unwrap().unwrap(), inside.next().await.unwrap().unwrap()];
    assert_eq!(rest.map(|entry| entry.body.kind().as_str()), ["room", "message"]);
}

/// Rule 20, by way of the statistics.
async fn statistics_tell_nothing_of_hidden_rooms(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.private("owner", &["member"]).await;
    let square = world.public("owner", &[]).await;
    for n in 0..20 {
        say(&world.person("owner"), &room, &format!("secret {n}")).await;
        say(&world.person("owner"), &square, &format!("open {n}")).await;
    }
    let stats = world.person("outsider").stats(Default::default()).await.unwrap();
    assert!(stats.entries.iter().all(|entry| entry.room == square));
    assert_eq!(stats.entries.len(), 21);
    // What it costs to look does not grow with what others keep from one.
    let stats = world.person("member").stats(Default::default()).await.unwrap();
    assert_eq!(stats.entries.len(), 43);
}

/// Rule 29, as far as it applies: everyone who may read a room may read all of it, unless the room is
/// one that was made anew after its end.
async fn what_was_said_in_a_former_life_of_a_room_is_out_of_reach(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, bob) = (world.person("ann"), world.person("bob"));
    let room = ann.create_room(NewRoom::direct(user("bob"))).await.unwrap().room;
    let old = say(&ann, &room, "long ago").await;
    ann.pin(&room, &old, true).await.unwrap();
    ann.react(&room, &old, "👍", true).await.unwrap();
    let name = |id: &str| ClientMsgId::parse(id).unwrap();
    ann.edit(&room, &old, name("e1"), "long, long ago".into()).await.unwrap();
    let once = ann.send(&room, draft("once", "once")).await.unwrap();
    ann.leave(&room).await.unwrap();
    assert!(bob.leave(&room).await.unwrap().deleted);
    assert_eq!(refused(ann.history(&room, newest(10)).await), Code::NotFound);

    let again = bob.create_room(NewRoom::direct(user("ann"))).await.unwrap();
    assert_eq!(again.room, room);
    assert!(ann.history(&room, newest(10)).await.unwrap().messages.is_empty());
    assert!(ann.log(&room, Seq::START, 100).await.unwrap().iter().all(|e| e.seq > once.seq));
    assert_eq!(refused(ann.message(&room, &old).await), Code::NotFound);
    let reply = Draft::text("re").reply_to(old.clone());
    assert_eq!(refused(ann.send(&room, reply).await), Code::NotFound);
    assert_eq!(refused(ann.edit(&room, &old, name("e2"), "now".into()).await), Code::NotFound);
    assert_eq!(refused(ann.delete(&room, &old, name("d")).await), Code::NotFound);
    assert_eq!(refused(ann.react(&room, &old, "👎", true).await), Code::NotFound);
    assert_eq!(refused(ann.pin(&room, &old, false).await), Code::NotFound);
    // A cursor of that life is told to start anew, not served from it.
    let resumed = ann.resume(&room, Some(&Cursor { epoch: None, seq: Seq(1) })).await.unwrap();
    assert!(!resumed.recovered);
    // The names of that life stay used: what was sent once is not sent again.
    let retry = ann.send(&room, draft("once", "once")).await.unwrap();
    assert!(retry.duplicate && retry.seq == once.seq);
    assert!(ann.history(&room, newest(10)).await.unwrap().messages.is_empty());
}

/// Rule 26, as far as it applies without invite links.
async fn a_ban_that_ends_or_is_lifted_opens_no_private_room(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.private("owner", &["brief", "lifted", "mod"]).await;
    world.act("owner", &room, "mod", MemberAction::Role(Role::Moderator)).await;
    let until = Some(chatcore::clock::Timestamp(1_790_000_060_000));
    world.act("owner", &room, "brief", MemberAction::Ban { until, reason: None }).await;
    world.act("owner", &room, "lifted", ban()).await;
    // Nobody can ask a banned one in over the ban.
    let invite = world.person("mod").member(&room, &user("lifted"), MemberAction::Invite).await;
    assert_eq!(refused(invite), Code::Forbidden);
    world.act("owner", &room, "lifted", MemberAction::Unban).await;
    world.clock.advance(Duration::from_secs(61));
    for name in ["brief", "lifted"] {
        let person = world.person(name);
        assert_eq!(refused(person.enter(&room).await), Code::NotFound);
        assert_eq!(refused(person.history(&room, newest(1)).await), Code::NotFound);
        // Now they can be asked in; an invitation that was turned down is spent.
        world.act("mod", &room, name, MemberAction::Invite).await;
        person.leave(&room).await.unwrap();
        assert_eq!(refused(person.enter(&room).await), Code::NotFound);
        world.act("mod", &room, name, MemberAction::Invite).await;
        person.enter(&room).await.unwrap();
    }
    // One invitation, many takers of it at once: one way in.
    world.act("mod", &room, "crowd", MemberAction::Invite).await;
    let before = world.person("owner").room(&room).await.unwrap().members;
    let person = world.person("crowd");
    futures_util::future::join_all((0..20).map(|_| person.enter(&room))).await;
    assert_eq!(world.person("owner").room(&room).await.unwrap().members, before + 1);
}
