//! People who do not want to hear of others.

use chatcore::Code;
use chatcore::room::{MemberAction, NewRoom};

use crate::world::{Ground, World, draft, over_every_store, refused, user};

over_every_store!(
    who_is_blocked_is_not_told_why_and_finds_no_way_round,
    a_block_survives_a_restart,
    lists_of_blocked_people_are_ones_own_and_bounded,
);

/// The same words, whichever door; and nothing of it in any log.
async fn who_is_blocked_is_not_told_why_and_finds_no_way_round(ground: Ground) {
    let world = World::new(ground).await;
    let (victim, pest) = (world.person("victim"), world.person("pest"));
    let direct = || NewRoom::direct(user("victim"));
    let room = pest.create_room(direct()).await.unwrap().room;
    let square = world.public("pest", &[]).await;
    victim.block(&user("pest")).await.unwrap();
    let before = world.log(&room).await;
    let mut words = std::collections::BTreeSet::new();
    let mut refused_alike = |answer: Result<(), chatcore::Error>| {
        let error = answer.expect_err("it is refused");
        assert_eq!(error.code(), Code::Forbidden);
        words.insert(error.to_string());
    };
    refused_alike(pest.send(&room, draft("hey", "1")).await.map(drop));
    refused_alike(pest.create_room(direct()).await.map(drop));
    refused_alike(pest.member(&square, &user("victim"), MemberAction::Invite).await.map(drop));
    let party = NewRoom::public("party").invite([user("victim")]);
    refused_alike(pest.create_room(party).await.map(drop));
    pest.leave(&room).await.unwrap();
    assert_eq!(refused(pest.enter(&room).await), Code::NotFound);
    refused_alike(pest.create_room(direct()).await.map(drop));
    assert_eq!(words.len(), 1, "{words:?}");
    assert!(!words.first().unwrap().contains("block"));
    assert_eq!(world.log(&room).await[..before.len()], before);
    // The other way round it is their own affair.
    pest.block(&user("victim")).await.unwrap();
    pest.unblock(&user("victim")).await.unwrap();
    assert_eq!(refused(pest.create_room(direct()).await), Code::Forbidden);
}

async fn a_block_survives_a_restart(ground: Ground) {
    let mut world = World::new(ground).await;
    let room =
        world.person("pest").create_room(NewRoom::direct(user("victim"))).await.unwrap().room;
    world.person("victim").block(&user("pest")).await.unwrap();
    world.person("victim").block(&user("other")).await.unwrap();
    world.restart().await;
    let pest = world.person("pest");
    assert_eq!(refused(pest.send(&room, draft("hey", "1")).await), Code::Forbidden);
    let other = world.person("other").create_room(NewRoom::direct(user("victim"))).await;
    assert_eq!(refused(other), Code::Forbidden);
    let blocks = world.person("victim").all_blocks().await.unwrap();
    assert_eq!(blocks, [user("other"), user("pest")]);
}

async fn lists_of_blocked_people_are_ones_own_and_bounded(ground: Ground) {
    let world = World::limited(ground, |limits| limits.blocks = 5).await;
    let victim = world.person("victim");
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..12 {
        let victim = victim.clone();
        tries.spawn(async move { victim.block(&user(&format!("pest-{n:02}"))).await });
    }
    let granted = tries.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!(granted, 5, "at once as one after another");
    assert_eq!(victim.all_blocks().await.unwrap().len(), 5);
    assert_eq!(refused(victim.block(&user("more")).await), Code::LimitReached);
    assert_eq!(refused(victim.block(&user("victim")).await), Code::Forbidden);
    for limit in [0, 201] {
        assert_eq!(refused(victim.blocks(None, limit).await), Code::BadRequest);
    }
    assert_eq!(world.person("other").all_blocks().await.unwrap(), []);
}
