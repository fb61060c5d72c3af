//! Finding rooms and members.

use crate::id::RoomId;
use crate::room::{
    Action, MemberAction, NewRoom, NotifyLevel, NotifySetting, Rejection, RoomUpdate, Standing,
};
use crate::store::{Head, RoomFilter};
use crate::testing::scene::{Rooms, Scene, kick, mark, to, user};

/// None is left out, none comes twice, however long a page is.
pub async fn rooms_are_listed_in_pages_by_id(store: impl Rooms) {
    let scene = Scene::of(store);
    let mut mine = Vec::new();
    for index in [5, 3, 9, 1, 7, 0, 8, 2, 6, 4] {
        let name = format!("r{index}");
        let owner = if index % 3 == 0 { "bob" } else { "ann" };
        scene.public(&name, owner, &[]).await;
        if owner == "ann" {
            mine.push(name);
        }
    }
    mine.sort();
    let all: Vec<_> = (0..10).map(|index| format!("r{index}")).collect();
    for (filter, expected) in [(RoomFilter::Joined, &mine), (RoomFilter::Visible, &all)] {
        for limit in [1, 3, 100] {
            let mut found = Vec::new();
            let mut after: Option<RoomId> = None;
            loop {
                let page = scene.store.rooms(&user("ann"), filter, after.as_ref(), limit).await;
                let page = page.expect("the store works");
                assert!(page.len() <= limit as usize);
                let Some((last, _)) = page.last() else { break };
                after = Some(last.id.clone());
                found.extend(page.iter().map(|(room, _)| room.id.to_string()));
            }
            assert_eq!(found, *expected, "{filter:?} {limit}");
        }
    }
}

/// Those that one was asked to among them.
pub async fn visible_rooms_are_public_ones_and_ones_own(store: impl Rooms) {
    let scene = Scene::of(store);
    scene.public("a-public", "ann", &["bob"]).await;
    scene.room("b-asked", NewRoom::private("x").invite([user("bob")]), "ann", &[]).await;
    let inside =
        scene.room("c-in", NewRoom::private("x").invite([user("bob")]), "ann", &["bob"]).await;
    scene.room("d-hidden", NewRoom::private("x"), "ann", &[]).await;
    let shut = scene.public("e-banned", "ann", &[]).await;
    scene.does("ann", &shut, to("bob", MemberAction::Ban { until: None, reason: None })).await;
    let visible = ["a-public", "b-asked", "c-in", "e-banned"];
    assert_eq!(scene.rooms("bob", RoomFilter::Visible).await, visible);
    assert_eq!(scene.rooms("bob", RoomFilter::Joined).await, ["a-public", "c-in"]);
    assert_eq!(scene.rooms("eve", RoomFilter::Visible).await, ["a-public", "e-banned"]);
    assert_eq!(scene.rooms("eve", RoomFilter::Joined).await, Vec::<String>::new());
    scene.does("ann", &inside, kick("bob")).await;
    assert_eq!(scene.rooms("bob", RoomFilter::Visible).await, ["a-public", "b-asked", "e-banned"]);
    let open = RoomUpdate { kind: Some(crate::room::RoomKind::Public), ..RoomUpdate::default() };
    scene.does("ann", &inside, Action::Update(open)).await;
    assert_eq!(scene.rooms("eve", RoomFilter::Visible).await, ["a-public", "c-in", "e-banned"]);
}

/// Not to those who were invited either.
pub async fn deleted_rooms_are_listed_nowhere(store: impl Rooms) {
    let scene = Scene::of(store);
    let new = NewRoom::public("x").invite([user("cat")]);
    let room = scene.room("r", new, "ann", &[]).await;
    scene.does("ann", &room, Action::Leave).await;
    for who in ["ann", "cat", "eve"] {
        for filter in [RoomFilter::Joined, RoomFilter::Visible] {
            assert_eq!(scene.rooms(who, filter).await, Vec::<String>::new());
        }
    }
    assert_eq!(scene.members(&room).await, Vec::<String>::new());
    assert!(scene.see(&room).await.deleted_at.is_some());
    scene.public("r", "bob", &[]).await;
    assert_eq!(scene.rooms("eve", RoomFilter::Visible).await, ["r"]);
    assert_eq!(scene.members(&room).await, ["bob"]);
}

/// Each once, a deleted one among them, which is one again when it is made anew.
pub async fn heads_are_told_of_rooms_that_are_there_or_were(store: impl Rooms) {
    let scene = Scene::of(store);
    let (kept, gone) =
        (scene.public("kept", "ann", &[]).await, scene.public("gone", "ann", &[]).await);
    scene.public("other", "ann", &[]).await;
    scene.says("ann", &kept, "hello").await;
    scene.does("ann", &gone, Action::Leave).await;
    let never = RoomId::parse("never").expect("a sound id");
    let asked = [gone.clone(), kept.clone(), never, kept.clone()];
    let heads = async || {
        let mut heads = scene.store.heads(&asked).await.expect("the store works");
        heads.sort_by(|a, b| a.room.cmp(&b.room));
        heads
    };
    let head = async |room: &RoomId, deleted| {
        let head_seq = scene.see(room).await.head_seq;
        Head { room: room.clone(), head_seq, deleted }
    };
    assert_eq!(heads().await, [head(&gone, true).await, head(&kept, false).await]);
    scene.public("gone", "bob", &[]).await;
    assert_eq!(heads().await, [head(&gone, false).await, head(&kept, false).await]);
    assert_eq!(scene.store.heads(&[]).await.expect("the store works"), []);
}

/// Whatever characters the ids are made of: by their bytes.
pub async fn members_are_listed_in_pages_by_id(store: impl Rooms) {
    let scene = Scene::of(store);
    let mut people = vec!["Zoe", "ann", "b o b", "%", "_", "é", "😀", "'"];
    let room = scene.public("general", "owner", &people).await;
    people.push("owner");
    people.sort_unstable();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store.members(&room, after.as_ref(), 2).await.expect("the store works");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.user.clone());
        found.extend(page.into_iter().map(|member| member.user.to_string()));
    }
    assert_eq!(found, people);
}

/// Not who left, was asked in, sent out or shut out.
pub async fn only_who_is_in_is_listed(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat", "dan", "eve"]).await;
    scene.does("bob", &room, Action::Leave).await;
    scene.does("ann", &room, kick("cat")).await;
    scene.does("ann", &room, to("dan", MemberAction::Ban { until: None, reason: None })).await;
    scene.does("ann", &room, to("fay", MemberAction::Invite)).await;
    assert_eq!(scene.members(&room).await, ["ann", "eve"]);
    assert_eq!(scene.see(&room).await.members, 2);
}

/// Strangers stand to it in no way.
pub async fn a_room_is_shown_with_how_one_stands_to_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    scene.does("bob", &room, Action::Leave).await;
    let stands = async |who: &str| {
        let found = scene.store.room(&room, Some(&user(who))).await.expect("the store works");
        let (found, member) = found.expect("it is there");
        assert_eq!(found.id, room);
        member.map(|member| (member.user, member.standing))
    };
    assert_eq!(stands("ann").await, Some((user("ann"), Standing::Joined)));
    assert_eq!(stands("bob").await, Some((user("bob"), Standing::Left)));
    assert_eq!(stands("eve").await, None);
    let alone = scene.store.room(&room, None).await.expect("the store works").expect("it is there");
    assert_eq!(alone.1, None);
}

/// For themselves alone, until it ends; coming back does not change it.
pub async fn what_a_member_wants_to_be_told_of_is_kept(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    let head = scene.see(&room).await.head_seq;
    let until = Some(scene.now().after(std::time::Duration::from_secs(60)));
    let notify = NotifySetting { level: NotifyLevel::Mentions, snooze_until: until };
    scene.does("bob", &room, Action::Notify(notify)).await;
    assert_eq!(scene.member(&room, "bob").await.notify, notify);
    assert_eq!(scene.member(&room, "ann").await.notify, NotifySetting::default());
    assert_eq!(scene.see(&room).await.head_seq, head, "nobody else hears of it");
    scene.does("bob", &room, mark(head.0)).await;
    scene.does("bob", &room, Action::Leave).await;
    let gone = scene.ask("bob", &room, Action::Notify(NotifySetting::default())).await;
    assert_eq!(gone, Err(Rejection::NotJoined));
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(scene.member(&room, "bob").await.notify, notify);
    let none = NotifySetting { level: NotifyLevel::None, snooze_until: None };
    let batch = [Action::Notify(none), mark(head.0), Action::Notify(none)];
    let batch = batch.map(|action| scene.command("bob", &room, action));
    let committed = scene.commit(&batch).await;
    assert_eq!(committed.notify, [(room.clone(), user("bob"), none)]);
    assert_eq!(scene.member(&room, "bob").await.notify, none);
    assert_eq!(notify.level_at(scene.now()), NotifyLevel::None);
    scene.wait(std::time::Duration::from_secs(60));
    assert_eq!(notify.level_at(scene.now()), NotifyLevel::Mentions);
}
