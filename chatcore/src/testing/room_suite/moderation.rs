//! What members with a role may do to others and to the room.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::RoomId;
use crate::log::{Body, Draft};
use crate::room::{Action, MemberAction, NewRoom, Rejection, Role, RoomKind, RoomUpdate, Standing};
use crate::testing::scene::{Rooms, Scene, edit, kick, pin, react, role, to, user};

fn ban(target: &str, until: Option<Timestamp>) -> Action {
    to(target, MemberAction::Ban { until, reason: Some("why".into()) })
}

fn mute(target: &str, until: Option<Timestamp>) -> Action {
    to(target, MemberAction::Mute { until, reason: None })
}

fn low(needs: Role) -> Result<crate::room::Outcome, Rejection> {
    Err(Rejection::RoleTooLow { needs })
}

const HOUR: Duration = Duration::from_secs(3_600);

/// Not by those who want one.
pub async fn roles_are_given_by_owners_alone(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.does("ann", &room, role("bob", Role::Moderator)).await;
    for who in ["bob", "cat"] {
        assert_eq!(scene.ask(who, &room, role(who, Role::Owner)).await, low(Role::Owner));
        assert_eq!(scene.ask(who, &room, role("cat", Role::Moderator)).await, low(Role::Owner));
    }
    let absent = scene.ask("ann", &room, role("eve", Role::Owner)).await;
    assert_eq!(absent, Err(Rejection::NoSuchMember));
    let head = scene.see(&room).await.head_seq;
    scene.does("ann", &room, role("bob", Role::Moderator)).await;
    assert_eq!(scene.see(&room).await.head_seq, head, "he was one before");
    scene.does("ann", &room, role("bob", Role::Owner)).await;
    assert_eq!(scene.see(&room).await.owners, 2);
    scene.does("bob", &room, role("ann", Role::Member)).await;
    assert_eq!(scene.member(&room, "ann").await.role, Role::Member);
    assert_eq!(scene.see(&room).await.owners, 1);
}

/// Until there is another one, in the same batch too.
pub async fn the_last_owner_stays_one(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let step_down = || role("ann", Role::Member);
    assert_eq!(scene.ask("ann", &room, step_down()).await, Err(Rejection::LastOwner));
    assert_eq!(scene.host(&room, step_down()).await, Err(Rejection::LastOwner));
    let batch = [
        scene.command("ann", &room, role("bob", Role::Owner)),
        scene.command("ann", &room, step_down()),
        scene.command("bob", &room, role("bob", Role::Member)),
    ];
    let outcomes = scene.commit(&batch).await.outcomes;
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok());
    assert_eq!(outcomes[2], Err(Rejection::LastOwner));
    assert_eq!(scene.see(&room).await.owners, 1);
}

/// A moderator not on moderators, nobody on an owner.
pub async fn nobody_acts_on_their_equals_or_betters(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat", "dan", "eve"]).await;
    scene.does("ann", &room, role("bob", Role::Owner)).await;
    scene.does("ann", &room, role("cat", Role::Moderator)).await;
    scene.does("ann", &room, role("dan", Role::Moderator)).await;
    let cases = [("ann", "bob"), ("cat", "ann"), ("cat", "dan"), ("dan", "bob")];
    for (who, target) in cases {
        for action in
            [kick(target), ban(target, None), mute(target, None), to(target, MemberAction::Unmute)]
        {
            assert_eq!(scene.ask(who, &room, action).await, low(Role::Owner), "{who} {target}");
        }
    }
    for action in [kick("dan"), ban("dan", None), mute("dan", None), to("dan", MemberAction::Unban)]
    {
        assert_eq!(scene.ask("eve", &room, action).await, low(Role::Moderator));
    }
    scene.does("ann", &room, kick("cat")).await;
    scene.does("dan", &room, kick("eve")).await;
    assert_eq!(scene.members(&room).await, ["ann", "bob", "dan"]);
}

/// Leaving is another thing.
pub async fn nobody_acts_on_themselves(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for what in [MemberAction::Invite, MemberAction::Kick { reason: None }, MemberAction::Unban] {
        assert_eq!(scene.ask("ann", &room, to("ann", what)).await, Err(Rejection::Yourself));
    }
    for action in [ban("ann", None), mute("ann", None)] {
        assert_eq!(scene.ask("ann", &room, action).await, Err(Rejection::Yourself));
    }
}

/// Where the room lets people in.
pub async fn who_is_kicked_is_out_and_may_come_back(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let reason = Some("spam".to_owned());
    scene.does("ann", &room, to("bob", MemberAction::Kick { reason: reason.clone() })).await;
    assert_eq!(scene.member(&room, "bob").await.standing, Standing::Kicked);
    assert_eq!(scene.send("bob", &room, "1", "x").await, Err(Rejection::NotJoined));
    let log = scene.log(&room).await;
    let Body::Kick { target, reason: told } = &log[3].body else { panic!("{:?}", log[3]) };
    assert_eq!((target, told, &log[3].user), (&user("bob"), &reason, &user("ann")));
    assert_eq!(scene.ask("ann", &room, kick("bob")).await, Err(Rejection::NoSuchMember));
    scene.does("bob", &room, Action::Enter).await;
    // An invitation is taken back in the same way, and from a private room there is no way back.
    let hidden = scene.room("r", NewRoom::private("x").invite([user("bob")]), "ann", &[]).await;
    scene.does("ann", &hidden, kick("bob")).await;
    assert_eq!(scene.see(&hidden).await.members, 1);
    assert_eq!(scene.ask("bob", &hidden, Action::Enter).await, Err(Rejection::NoSuchRoom));
}

/// Nor the room's count of owners.
pub async fn a_role_does_not_outlive_a_kick(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    scene.does("ann", &room, role("bob", Role::Moderator)).await;
    let sent = scene.says("ann", &room, "x").await;
    scene.does("ann", &room, kick("bob")).await;
    assert_eq!(scene.ask("bob", &room, pin(&sent.id, true)).await, Err(Rejection::NotJoined));
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(scene.member(&room, "bob").await.role, Role::Member);
    assert_eq!(scene.ask("bob", &room, pin(&sent.id, true)).await, low(Role::Moderator));
}

/// To the millisecond.
pub async fn who_is_banned_stays_out_until_the_ban_ends(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let until = scene.now().after(HOUR);
    scene.does("ann", &room, ban("bob", Some(until))).await;
    let banned = Rejection::Banned { until: Some(until) };
    assert_eq!(scene.member(&room, "bob").await.standing, Standing::Banned { until: Some(until) });
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, Err(banned.clone()));
    assert_eq!(scene.send("bob", &room, "1", "x").await, Err(banned.clone()));
    let invited = scene.ask("ann", &room, to("bob", MemberAction::Invite)).await;
    assert_eq!(invited, Err(banned.clone()));
    scene.wait(HOUR - Duration::from_millis(1));
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, Err(banned));
    scene.wait(Duration::from_millis(1));
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
}

/// And is then as if it had not been.
pub async fn a_ban_is_lifted(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    scene.does("ann", &room, ban("bob", None)).await;
    let never = Err(Rejection::Banned { until: None });
    scene.wait(HOUR * 1_000_000);
    assert_eq!(scene.ask("bob", &room, Action::Enter).await, never);
    scene.does("ann", &room, to("bob", MemberAction::Unban)).await;
    let head = scene.see(&room).await.head_seq;
    scene.does("ann", &room, to("bob", MemberAction::Unban)).await;
    assert_eq!(scene.see(&room).await.head_seq, head, "it was lifted before");
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(scene.kinds(&room).await[3..], ["ban", "unban", "enter"]);
}

/// Of a public room; and what they were never in does not lose a member.
pub async fn a_stranger_can_be_banned_beforehand(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    scene.does("ann", &room, ban("eve", None)).await;
    let banned = scene.ask("eve", &room, Action::Enter).await;
    assert_eq!(banned, Err(Rejection::Banned { until: None }));
    assert_eq!(scene.see(&room).await.members, 1);
    let made = scene.public("of-eve", "eve", &[]).await;
    assert_eq!(scene.members(&made).await, ["eve"]);
}

/// Nor changes what they wrote, nor reacts to it.
pub async fn who_is_muted_reads_and_does_not_write(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let sent = scene.says("bob", &room, "before").await;
    scene.does("ann", &room, mute("bob", Some(scene.now().after(HOUR)))).await;
    let muted = Err(Rejection::Muted);
    for action in [
        scene.message("bob", &room, "1", Draft::text("x")).action,
        edit(&sent.id, "e", "x"),
        react(&sent.id, "👍", true),
    ] {
        assert_eq!(scene.ask("bob", &room, action).await, muted);
    }
    scene.does("bob", &room, crate::testing::scene::mark(sent.seq.0)).await;
    scene.does("bob", &room, crate::testing::scene::delete(&sent.id, "own")).await;
    scene.wait(HOUR);
    scene.says("bob", &room, "after").await;
    scene.does("ann", &room, mute("bob", None)).await;
    scene.wait(HOUR * 1_000_000);
    assert_eq!(scene.ask("bob", &room, react(&sent.id, "👍", true)).await, muted);
    scene.does("ann", &room, to("bob", MemberAction::Unmute)).await;
    scene.says("bob", &room, "at last").await;
    let absent = scene.ask("ann", &room, mute("eve", None)).await;
    assert_eq!(absent, Err(Rejection::NoSuchMember));
}

/// So that coming back does not lift it; and a retry of what was sent before is still answered.
pub async fn a_mute_outlives_leaving(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let before = scene.send("bob", &room, "once", "before").await.expect("he may");
    scene.does("ann", &room, mute("bob", None)).await;
    for action in [Action::Leave, Action::Enter] {
        scene.does("bob", &room, action).await;
    }
    assert_eq!(scene.send("bob", &room, "1", "x").await, Err(Rejection::Muted));
    let again = scene.send("bob", &room, "once", "before").await.expect("it was sent");
    assert!(again.duplicate);
    assert_eq!(again.seq, before.seq);
}

/// Neither of the two is above the other.
pub async fn a_direct_room_has_no_moderation(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = RoomId::direct(&user("ann"), &user("bob"));
    scene.does("ann", &room, Action::Create(NewRoom::direct(user("bob")))).await;
    let update = RoomUpdate { name: Some("x".into()), ..RoomUpdate::default() };
    for action in [
        kick("bob"),
        ban("bob", None),
        mute("bob", None),
        role("bob", Role::Member),
        to("cat", MemberAction::Invite),
        Action::Update(update),
    ] {
        assert_eq!(scene.ask("ann", &room, action).await, Err(Rejection::DirectRoom));
    }
    assert_eq!(scene.members(&room).await, ["ann", "bob"]);
}

/// Though they know the room.
pub async fn strangers_and_guests_moderate_nothing(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.does("cat", &room, Action::Leave).await;
    let head = scene.see(&room).await.head_seq;
    for who in ["cat", "eve"] {
        for action in [kick("bob"), role(who, Role::Owner), Action::Update(RoomUpdate::default())] {
            assert_eq!(scene.ask(who, &room, action).await, Err(Rejection::NotJoined));
        }
    }
    // A member of a public room may ask anyone in.
    assert_eq!(scene.see(&room).await.head_seq, head);
    scene.does("bob", &room, to("eve", MemberAction::Invite)).await;
    assert_eq!(scene.member(&room, "eve").await.standing, Standing::Invited);
}

/// What is not named stays; an empty text takes it away.
pub async fn a_room_is_described_by_its_owners(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("r", NewRoom::public("old").topic("topic"), "ann", &["bob"]).await;
    let name = |name: &str| RoomUpdate { name: Some(name.into()), ..RoomUpdate::default() };
    let update = |update| Action::Update(update);
    assert_eq!(scene.ask("bob", &room, update(name("mine"))).await, low(Role::Owner));
    scene.does("ann", &room, update(name("new"))).await;
    let hide = RoomUpdate {
        topic: Some(String::new()),
        kind: Some(RoomKind::Private),
        ..RoomUpdate::default()
    };
    scene.does("ann", &room, update(hide)).await;
    let now = scene.see(&room).await;
    assert_eq!((now.name.as_deref(), now.topic, now.kind), (Some("new"), None, RoomKind::Private));
    assert_eq!(scene.ask("eve", &room, Action::Enter).await, Err(Rejection::NoSuchRoom));
    scene.says("bob", &room, "still in").await;
    let log = scene.log(&room).await;
    assert!(matches!(&log[4].body,
        Body::Room { name: Some(name), topic: None, visibility: RoomKind::Private, .. } if name == "new"));
    let direct = RoomUpdate { kind: Some(RoomKind::Direct), ..RoomUpdate::default() };
    assert_eq!(scene.ask("ann", &room, update(direct)).await, Err(Rejection::DirectRoom));
}

/// Nothing is told that is not new.
pub async fn a_description_that_changes_nothing_makes_no_entry(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.room("r", NewRoom::public("name"), "ann", &[]).await;
    let head = scene.see(&room).await.head_seq;
    let same = RoomUpdate {
        name: Some("name".into()),
        topic: Some(String::new()),
        ..RoomUpdate::default()
    };
    for update in [same, RoomUpdate::default()] {
        scene.does("ann", &room, Action::Update(update)).await;
        assert_eq!(scene.see(&room).await.head_seq, head);
    }
}

/// Each member in turn; whoever has a role is free of it, and a retry is no message.
pub async fn slow_mode_spaces_out_messages_of_members(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    let slow = |seconds| RoomUpdate { slow_mode: Some(seconds), ..RoomUpdate::default() };
    let refused = scene.ask("bob", &room, Action::Update(slow(10))).await;
    assert_eq!(refused, Err(Rejection::RoleTooLow { needs: Role::Owner }));
    scene.does("ann", &room, Action::Update(slow(10))).await;
    assert_eq!(scene.see(&room).await.slow_mode, 10);
    let log = scene.log(&room).await;
    let told = log.last().map(|entry| &entry.body);
    assert!(matches!(told, Some(Body::Room { slow_mode: 10, .. })), "{told:?}");

    scene.send("bob", &room, "1", "one").await.expect("the first");
    scene.wait(Duration::from_millis(9_500));
    let early = scene.send("bob", &room, "2", "two").await;
    let half = Duration::from_millis(500);
    assert_eq!(early, Err(Rejection::SlowMode { retry_after: half }));
    assert!(scene.send("bob", &room, "1", "one").await.expect("a retry").duplicate);
    scene.send("cat", &room, "1", "one").await.expect("another's first");
    for name in ["1", "2", "3"] {
        scene.send("ann", &room, name, name).await.expect("she owns the room");
    }
    scene.does("bob", &room, Action::Leave).await;
    scene.does("bob", &room, Action::Enter).await;
    assert!(scene.send("bob", &room, "2", "two").await.is_err(), "coming back is no way around it");
    scene.wait(half);
    scene.send("bob", &room, "2", "two").await.expect("in time");
    assert!(scene.send("bob", &room, "3", "three").await.is_err());
    scene.does("ann", &room, Action::Update(slow(0))).await;
    scene.send("bob", &room, "3", "three").await.expect("it is over");
}

/// Of several in one batch the first goes in.
pub async fn slow_mode_holds_within_a_batch(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let slow = RoomUpdate { slow_mode: Some(60), ..RoomUpdate::default() };
    scene.does("ann", &room, Action::Update(slow)).await;
    let batch = ["1", "2"].map(|once| scene.message("bob", &room, once, Draft::text(once)));
    let outcomes = scene.commit(&batch).await.outcomes;
    assert!(outcomes[0].is_ok());
    let retry_after = Duration::from_secs(60);
    assert_eq!(outcomes[1], Err(Rejection::SlowMode { retry_after }));
}
