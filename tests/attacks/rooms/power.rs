//! Nobody gets more power than they were given.

use chatcore::id::ClientMsgId;
use chatcore::room::{MemberAction, Role, RoomUpdate};
use chatcore::{Code, Error};

use crate::world::{Ground, World, ban, kick, over_every_store, refused, say, user};

over_every_store!(
    nobody_promotes_themselves_or_unseats_the_last_owner,
    what_a_muted_one_may_not_do,
    a_mute_survives_leaving_and_coming_back,
    a_room_keeps_exactly_the_owners_that_it_counts,
);

fn role(role: Role) -> MemberAction {
    MemberAction::Role(role)
}

fn mute() -> MemberAction {
    MemberAction::Mute { until: None, reason: None }
}

/// Rule 27.
async fn nobody_promotes_themselves_or_unseats_the_last_owner(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["mod", "mod2", "member"]).await;
    for name in ["mod", "mod2"] {
        world.act("owner", &room, name, role(Role::Moderator)).await;
    }
    let message = say(&world.person("owner"), &room, "hear, hear").await;
    let before = world.log(&room).await;
    let tries: &[(&str, &str, MemberAction)] = &[
        ("outsider", "outsider", role(Role::Owner)),
        ("outsider", "member", kick()),
        ("outsider", "member", MemberAction::Invite),
        ("member", "member", role(Role::Owner)),
        ("member", "member", role(Role::Moderator)),
        ("member", "owner", role(Role::Member)),
        ("member", "mod", kick()),
        ("member", "owner", mute()),
        ("member", "stranger", ban()),
        ("member", "stranger", MemberAction::Unban),
        ("mod", "mod", role(Role::Owner)),
        ("mod", "member", role(Role::Moderator)),
        ("mod", "owner", kick()),
        ("mod", "owner", ban()),
        ("mod", "owner", mute()),
        ("mod", "owner", role(Role::Member)),
        ("mod", "mod2", kick()),
        ("mod", "mod2", role(Role::Member)),
        ("mod", "mod", kick()),
        ("mod", "mod", MemberAction::Unmute),
        ("owner", "owner", role(Role::Member)),
        ("owner", "owner", role(Role::Moderator)),
        ("owner", "owner", kick()),
        ("owner", "owner", ban()),
    ];
    for (who, whom, what) in tries {
        let answer = world.person(who).member(&room, &user(whom), what.clone()).await;
        assert_eq!(refused(answer), Code::Forbidden, "{who} to {whom}: {what:?}");
    }
    let rename = RoomUpdate { name: Some("mine".into()), ..RoomUpdate::default() };
    for who in ["outsider", "member", "mod"] {
        let answer = world.person(who).update_room(&room, rename.clone()).await;
        assert_eq!(refused(answer), Code::Forbidden);
    }
    for who in ["outsider", "member"] {
        let answer = world.person(who).pin(&room, &message, true).await;
        assert_eq!(refused(answer), Code::Forbidden);
    }
    let stranger = world.person("owner").member(&room, &user("stranger"), role(Role::Owner)).await;
    assert_eq!(refused(stranger), Code::NotFound, "who is not in the room has no role in it");
    assert_eq!(world.log(&room).await, before, "nothing of it took effect");

    // The last owner may go: the room is left to the highest and longest-serving.
    world.person("owner").leave(&room).await.unwrap();
    assert_eq!(world.person("mod").room(&room).await.unwrap().role, Some(Role::Owner));
    assert_eq!(world.person("mod2").room(&room).await.unwrap().role, Some(Role::Moderator));
    // Who comes back is nobody special.
    world.person("owner").enter(&room).await.unwrap();
    assert_eq!(world.person("owner").room(&room).await.unwrap().role, Some(Role::Member));
}

/// A moderator who was sent out and comes back has lost the role; a muted one keeps the mute.
async fn a_mute_survives_leaving_and_coming_back(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["mod", "loud"]).await;
    world.act("owner", &room, "mod", role(Role::Moderator)).await;
    world.act("mod", &room, "loud", mute()).await;
    let loud = world.person("loud");
    loud.leave(&room).await.unwrap();
    loud.enter(&room).await.unwrap();
    assert_eq!(refused(loud.send(&room, "hey".into_draft()).await), Code::Forbidden);
    world.act("owner", &room, "mod", kick()).await;
    let moderator = world.person("mod");
    moderator.enter(&room).await.unwrap();
    let answer = moderator.member(&room, &user("loud"), MemberAction::Unmute).await;
    assert_eq!(refused(answer), Code::Forbidden);
}

trait IntoDraft {
    fn into_draft(self) -> chatcore::log::Draft;
}

impl IntoDraft for &str {
    fn into_draft(self) -> chatcore::log::Draft {
        chatcore::log::Draft::text(self)
    }
}

/// Muted is muted, by whichever door words may leave.
async fn what_a_muted_one_may_not_do(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.public("owner", &["loud"]).await;
    let loud = world.person("loud");
    let own = say(&loud, &room, "fine words").await;
    world.act("owner", &room, "loud", mute()).await;
    let before = world.log(&room).await;
    let name = ClientMsgId::parse("x").unwrap();
    let answers: [Result<(), Error>; 5] = [
        loud.send(&room, "foul words".into_draft()).await.map(drop),
        loud.edit(&room, &own, name, "foul words".into()).await.map(drop),
        loud.react(&room, &own, ":foul:", true).await.map(drop),
        loud.signal(&room, "typing", true, 1).await,
        loud.pin(&room, &own, true).await.map(drop),
    ];
    for answer in answers {
        assert_eq!(refused(answer), Code::Forbidden);
    }
    assert_eq!(world.log(&room).await, before);
    // Reading, and taking back one's own words, stay.
    assert!(loud.message(&room, &own).await.is_ok());
    loud.delete(&room, &own, ClientMsgId::parse("d").unwrap()).await.unwrap();
}

/// Rule 27, at the same moment: two owners who each make the other a member.
async fn a_room_keeps_exactly_the_owners_that_it_counts(ground: Ground) {
    let world = World::new(ground).await;
    for round in 0..30 {
        let room = world.public("ann", &["bob", "cid"]).await;
        world.act("ann", &room, "bob", role(Role::Owner)).await;
        let (ann, bob) = (world.person("ann"), world.person("bob"));
        let (a, b) = (user("ann"), user("bob"));
        let (first, second) = match round % 3 {
            0 => tokio::join!(
                ann.member(&room, &b, role(Role::Member)),
                bob.member(&room, &a, role(Role::Member))
            ),
            1 => tokio::join!(
                ann.member(&room, &a, role(Role::Member)),
                bob.member(&room, &b, role(Role::Member))
            ),
            _ => {
                let (left, stepped) =
                    tokio::join!(ann.leave(&room), bob.member(&room, &b, role(Role::Member)));
                (left.map(|_| chatcore::id::Seq::START), stepped)
            }
        };
        let members = world.chat.as_system().members(&room, None, 10).await.unwrap();
        let owners: Vec<_> = members.iter().filter(|m| m.role == Role::Owner).collect();
        assert_eq!(owners.len(), 1, "{round}: {first:?} {second:?} {members:?}");
        // And whoever it is rules.
        let owner = world.chat.as_user(&owners[0].user);
        let rename = RoomUpdate { name: Some("ours".into()), ..RoomUpdate::default() };
        owner.update_room(&room, rename).await.unwrap();
    }
}
