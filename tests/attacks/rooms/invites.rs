//! Links by which people come into rooms.

use std::time::Duration;

use chatcore::id::InviteLinkId;
use chatcore::room::{InviteCode, NewInviteLink, NewRoom, Role};
use chatcore::throttle::Rate;
use chatcore::{Code, Error};

use crate::world::{Ground, World, ban, over_every_store, refused, user};

over_every_store!(
    a_link_is_used_by_many_at_once_and_lets_in_exactly_its_number,
    a_link_that_is_over_is_as_one_that_never_was,
    codes_are_guessed_no_faster_than_they_may_be,
    a_code_is_in_no_log_and_in_no_list,
    bounds_of_links_are_kept,
);

fn uses(uses: u32) -> NewInviteLink {
    NewInviteLink { expires_at: None, uses: Some(uses) }
}

/// Rule 26.
async fn a_link_is_used_by_many_at_once_and_lets_in_exactly_its_number(ground: Ground) {
    let world = World::new(ground).await;
    let room = world.private("owner", &[]).await;
    let code = world.person("owner").create_invite_link(&room, uses(7)).await.unwrap().code;
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (caller, code) = (world.person(&format!("guest-{}", n % 20)), code.clone());
        tries.spawn(async move { caller.accept_invite(&code, None).await });
    }
    let mut in_twice = 0;
    while let Some(answer) = tries.join_next().await {
        match answer.unwrap() {
            Ok(entered) => {
                assert_eq!(entered.room, room);
                in_twice += 1;
            }
            Err(error) => assert_eq!(error.code(), Code::NotFound),
        }
    }
    let members = world.person("owner").members(&room, None, 100).await.unwrap();
    assert_eq!(members.len(), 1 + 7);
    assert!((7..=14).contains(&in_twice), "each of the seven asked twice: {in_twice}");
}

/// What one is told does not say whether there ever was one; who is banned is told so, as the code tells of
/// the room anyway.
async fn a_link_that_is_over_is_as_one_that_never_was(ground: Ground) {
    let world = World::new(ground).await;
    let owner = world.person("owner");
    let room = world.private("owner", &["banned"]).await;
    let never = InviteCode::new("AAAAAAAAAAAAAAAAAAAAAA");
    let used_up = owner.create_invite_link(&room, uses(1)).await.unwrap().code;
    world.person("first").accept_invite(&used_up, None).await.unwrap();
    let revoked = owner.create_invite_link(&room, uses(9)).await.unwrap();
    owner.revoke_invite_link(&room, &revoked.link.link).await.unwrap();
    let open = owner.create_invite_link(&room, uses(9)).await.unwrap().code;
    let ended = world.person("gone").create_room(NewRoom::private("gone")).await.unwrap().room;
    let of_ended = world.person("gone").create_invite_link(&ended, uses(9)).await.unwrap().code;
    world.person("gone").leave(&ended).await.unwrap();
    world.act("owner", &room, "banned", ban()).await;

    let outsider = world.person("outsider");
    for code in [&never, &used_up, &revoked.code, &of_ended] {
        let told = |error: Error| (error.code(), error.to_string());
        let absent = told(outsider.accept_invite(&never, None).await.unwrap_err());
        assert_eq!(absent.0, Code::NotFound);
        assert_eq!(told(outsider.accept_invite(code, None).await.unwrap_err()), absent);
        assert_eq!(told(outsider.invitation(code, None).await.unwrap_err()), absent);
        assert_eq!(told(world.chat.invitation(code, None).await.unwrap_err()), absent);
    }
    assert_eq!(world.chat.invitation(&open, None).await.unwrap().name.as_deref(), Some("cellar"));
    let banned = world.person("banned").accept_invite(&open, None).await;
    assert_eq!(refused(banned), Code::Forbidden);
    // A day without another word.
    world.clock.advance(Duration::from_secs(86_400));
    assert_eq!(refused(outsider.accept_invite(&open, None).await), Code::NotFound);
    assert_eq!(refused(outsider.room(&room).await), Code::NotFound);
}

/// From one address, whoever they say they are; and by one user, from wherever.
async fn codes_are_guessed_no_faster_than_they_may_be(ground: Ground) {
    let rate = Rate::new(5, Duration::from_secs(10));
    let world = World::limited(ground, |limits| limits.invite_codes = Some(rate)).await;
    let room = world.private("owner", &[]).await;
    let code = world.person("owner").create_invite_link(&room, uses(9)).await.unwrap().code;
    let addr = Some("192.0.2.7".parse().unwrap());
    for n in 0..5 {
        let guess = InviteCode::new(format!("guess-{n}"));
        let guesser = world.person(&format!("guesser-{n}"));
        assert_eq!(refused(guesser.accept_invite(&guess, addr).await), Code::NotFound);
    }
    let sixth = world.person("guesser-6").accept_invite(&code, addr).await;
    assert_eq!(refused(sixth), Code::RateLimited, "also of a good one");
    assert_eq!(refused(world.chat.invitation(&code, addr).await), Code::RateLimited);
    world.chat.invitation(&code, Some("192.0.2.8".parse().unwrap())).await.unwrap();
    let patient = world.person("patient");
    for _ in 0..5 {
        let answer = patient.invitation(&InviteCode::new("guess"), None).await;
        assert_eq!(refused(answer), Code::NotFound);
    }
    assert_eq!(refused(patient.accept_invite(&code, None).await), Code::RateLimited);
    world.clock.advance(Duration::from_secs(10));
    patient.accept_invite(&code, None).await.unwrap();
}

/// Nor in what a careless host prints.
async fn a_code_is_in_no_log_and_in_no_list(ground: Ground) {
    let world = World::new(ground).await;
    let owner = world.person("owner");
    let room = world.private("owner", &["member"]).await;
    let made = owner.create_invite_link(&room, uses(2)).await.unwrap();
    let code = made.code.expose().to_owned();
    assert_eq!(code.len(), 22, "128 bits");
    world.person("guest").accept_invite(&made.code, None).await.unwrap();
    assert!(!format!("{made:?}").contains(&code));
    assert!(!format!("{:?}", world.log(&room).await).contains(&code));
    let listed = owner.invite_links(&room).await.unwrap();
    assert_eq!((listed.len(), listed[0].used), (1, 1));
    assert!(!format!("{listed:?}").contains(&code));
    assert_eq!(refused(world.person("member").invite_links(&room).await), Code::Forbidden);
    assert_eq!(refused(world.person("outsider").invite_links(&room).await), Code::NotFound);
    assert_ne!(made.link.link.as_str(), code);
}

/// And a link gives no role.
async fn bounds_of_links_are_kept(ground: Ground) {
    let world = World::limited(ground, |limits| limits.invite_links = 3).await;
    let owner = world.person("owner");
    let room = world.private("owner", &["member"]).await;
    let day = Duration::from_secs(86_400);
    let now = chatcore::clock::Clock::now(&*world.clock);
    let until = |at| NewInviteLink { expires_at: Some(at), uses: None };
    for wrong in [uses(0), uses(1_001), until(now), until(now.after(day * 31))] {
        let answer = owner.create_invite_link(&room, wrong).await;
        assert_eq!(refused(answer), Code::BadRequest, "{wrong:?}");
    }
    for right in [uses(1), uses(1_000), until(now.after(day * 30))] {
        owner.create_invite_link(&room, right).await.unwrap();
    }
    let fourth = owner.create_invite_link(&room, uses(1)).await;
    assert_eq!(refused(fourth), Code::LimitReached);
    let member = world.person("member");
    assert_eq!(refused(member.create_invite_link(&room, uses(1)).await), Code::Forbidden);
    let link = owner.invite_links(&room).await.unwrap().remove(0).link;
    assert_eq!(refused(member.revoke_invite_link(&room, &link).await), Code::Forbidden);
    let outsider = world.person("outsider");
    assert_eq!(refused(outsider.create_invite_link(&room, uses(1)).await), Code::NotFound);
    assert_eq!(refused(outsider.revoke_invite_link(&room, &link).await), Code::NotFound);
    owner.revoke_invite_link(&room, &link).await.unwrap();
    let code = owner.create_invite_link(&room, uses(1)).await.unwrap().code;
    outsider.accept_invite(&code, None).await.unwrap();
    assert_eq!(outsider.room(&room).await.unwrap().role, Some(Role::Member));
    let nowhere = InviteLinkId::parse("nowhere").unwrap();
    assert_eq!(refused(owner.revoke_invite_link(&room, &nowhere).await), Code::NotFound);
    let direct = owner.create_room(NewRoom::direct(user("member"))).await.unwrap().room;
    assert_eq!(refused(owner.create_invite_link(&direct, uses(1)).await), Code::Forbidden);
}
