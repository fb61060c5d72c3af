//! Coming, going and being sent out at the same moment.

use chatcore::id::RoomId;
use chatcore::log::{Body, Draft};
use chatcore::room::{MemberAction, NewRoom, Role};
use chatcore::store::RoomFilter;
use chatcore::{Code, Error};

use crate::world::{Ground, World, kick, over_every_store, user};

over_every_store!(
    joining_leaving_and_kicking_at_once_end_as_the_last_commit_says,
    the_last_to_leave_meets_someone_who_comes,
    the_last_to_leave_meets_a_message,
    both_open_their_direct_room_at_once,
);

/// How the log's last word on `name` leaves them; `None` if it says nothing.
async fn last_word(world: &World, room: &RoomId, name: &str) -> Option<bool> {
    world.log(room).await.iter().rev().find_map(|entry| match &entry.body {
        Body::Enter { .. } if entry.user == user(name) => Some(true),
        Body::Leave {} if entry.user == user(name) => Some(false),
        Body::Kick { target, .. } if *target == user(name) => Some(false),
        _ => None,
    })
}

/// Rule 22.
async fn joining_leaving_and_kicking_at_once_end_as_the_last_commit_says(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &[]).await;
    let (owner, guest) = (world.person("owner"), world.person("guest"));
    for round in 0..100 {
        let target = user("guest");
        let (entered, left, kicked, again) = tokio::join!(
            guest.enter(&room),
            guest.leave(&room),
            owner.member(&room, &target, kick()),
            guest.enter(&room),
        );
        for result in [entered.map(drop), left.map(drop), kicked.map(drop), again.map(drop)] {
            let fine = result.as_ref().map_or_else(expected, |()| true);
            assert!(fine, "{round}: {result:?}");
        }
        let inside = last_word(&world, &room, "guest").await.unwrap_or(false);
        let listed = owner.members(&room, None, 10).await.unwrap();
        assert_eq!(listed.iter().any(|m| m.user == user("guest")), inside, "{round}");
        assert_eq!(owner.room(&room).await.unwrap().members as usize, listed.len(), "{round}");
        let rooms = guest.rooms(RoomFilter::Joined, None, 10).await.unwrap();
        assert_eq!(!rooms.is_empty(), inside, "{round}");
        let sent = guest.send(&room, Draft::text("am I in?")).await;
        assert_eq!(sent.is_ok(), inside, "{round}");
    }
    // Nobody is stuck in the door.
    guest.enter(&room).await.unwrap();
    guest.send(&room, Draft::text("I am in")).await.unwrap();
    guest.leave(&room).await.unwrap();
}

fn expected(error: &Error) -> bool {
    matches!(error.code(), Code::Forbidden | Code::NotFound)
}

/// Rule 23, first half.
async fn the_last_to_leave_meets_someone_who_comes(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, bob, cid) = (world.person("ann"), world.person("bob"), world.person("cid"));
    for round in 0..60 {
        let room = world.public("ann", &[]).await;
        let (left, came, came_too) = match round % 3 {
            0 => tokio::join!(ann.leave(&room), bob.enter(&room), cid.enter(&room)),
            1 => {
                let (came, left, too) =
                    tokio::join!(bob.enter(&room), ann.leave(&room), cid.enter(&room));
                (left, came, too)
            }
            _ => {
                let (came, too, left) =
                    tokio::join!(bob.enter(&room), cid.enter(&room), ann.leave(&room));
                (left, came, too)
            }
        };
        let deleted = left.unwrap().deleted;
        let inside = [("bob", &came), ("cid", &came_too)];
        if deleted {
            for (name, came) in inside {
                let error = came.as_ref().expect_err("it was gone, and stays gone");
                assert_eq!(error.code(), Code::NotFound, "{name}");
            }
            let rooms = bob.rooms(RoomFilter::Visible, None, 100).await.unwrap();
            assert!(rooms.iter().all(|r| r.room != room));
        } else {
            let members = world.chat.as_system().members(&room, None, 10).await.unwrap();
            assert!(!members.is_empty(), "{round}: a room without members");
            assert!(members.iter().any(|m| m.role == Role::Owner), "{round}: nobody rules");
            for (name, came) in inside {
                assert!(came.is_ok(), "{round}: {name} {came:?}");
                world.person(name).leave(&room).await.unwrap();
            }
        }
    }
}

/// Rule 23, second half.
async fn the_last_to_leave_meets_a_message(ground: Ground) {
    let world = World::new(ground).await;
    let ann = world.person("ann");
    let before = ann.stats(Default::default()).await.unwrap().messages;
    let mut acked = 0;
    for round in 0..60 {
        let room = world.public("ann", &[]).await;
        let send = || ann.send(&room, Draft::text("last words"));
        let (left, sent) = if round % 2 == 0 {
            tokio::join!(ann.leave(&room), send())
        } else {
            let (sent, left) = tokio::join!(send(), ann.leave(&room));
            (left, sent)
        };
        assert!(left.unwrap().deleted);
        match sent {
            Ok(_) => acked += 1,
            Err(error) => assert_eq!(error.code(), Code::NotFound),
        }
        assert_eq!(ann.rooms(RoomFilter::Visible, None, 10).await.unwrap(), []);
    }
    // What was acked was written; what was refused was not.
    assert_eq!(ann.stats(Default::default()).await.unwrap().messages - before, acked);
}

/// One direct room for a pair, however it comes about; and nobody can be put out of it.
async fn both_open_their_direct_room_at_once(ground: Ground) {
    let world = World::new(ground).await;
    for round in 0..20 {
        let (a, b) = (format!("ann{round}"), format!("bob{round}"));
        let (ann, bob) = (world.person(&a), world.person(&b));
        let (mine, yours) = tokio::join!(
            ann.create_room(NewRoom::direct(user(&b))),
            bob.create_room(NewRoom::direct(user(&a))),
        );
        let room = mine.unwrap().room;
        assert_eq!(yours.unwrap().room, room);
        assert_eq!(ann.members(&room, None, 10).await.unwrap().len(), 2);
        let entered =
            world.log(&room).await.iter().filter(|e| e.body.kind().as_str() == "enter").count();
        assert_eq!(entered, 2);
        for what in [kick(), MemberAction::Role(Role::Member), MemberAction::Invite] {
            let answer = ann.member(&room, &user(&b), what).await;
            assert_eq!(answer.unwrap_err().code(), Code::Forbidden);
        }
        // Reopening and leaving at once leaves a room with both in it, or none.
        let (left, opened) =
            tokio::join!(ann.leave(&room), bob.create_room(NewRoom::direct(user(&a))));
        left.unwrap();
        opened.unwrap();
        bob.leave(&room).await.unwrap();
    }
    let alone = world.person("solo").create_room(NewRoom::direct(user("solo"))).await;
    assert_eq!(alone.unwrap_err().code(), Code::Forbidden);
}
