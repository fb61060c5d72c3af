//! A search shows nothing that the one who searches may not read, and tells nothing of what there is.

use chatcore::chat::SearchQuery;
use chatcore::id::{ClientMsgId, RoomId};
use chatcore::room::{NewRoom, RoomKind, RoomUpdate};
use chatcore::{Caller, Code, Error};

use crate::world::{Ground, World, kick, over_every_store, refused, say, told, user};

over_every_store!(
    a_search_finds_nothing_in_rooms_that_are_not_ones_own,
    a_hidden_room_that_is_named_in_a_search_is_as_absent,
    a_room_that_turned_private_is_searched_by_its_members_alone,
    what_was_deleted_or_edited_away_is_not_found,
    searches_out_of_bounds_are_refused_by_field,
    nobody_is_found_by_an_address,
);

fn query(text: &str) -> SearchQuery {
    SearchQuery { query: text.to_owned(), ..SearchQuery::default() }
}

fn within(room: &RoomId, text: &str) -> SearchQuery {
    SearchQuery { room: Some(room.clone()), ..query(text) }
}

async fn hits(person: &Caller, query: SearchQuery) -> usize {
    let found = person.search(query).await.unwrap();
    assert!(!found.behind);
    found.hits.len()
}

async fn a_search_finds_nothing_in_rooms_that_are_not_ones_own(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, bob, eve) = (world.person("ann"), world.person("bob"), world.person("eve"));
    let private = world.private("ann", &["bob"]).await;
    let direct = ann.create_room(NewRoom::direct(user("bob"))).await.unwrap().room;
    let public = world.public("ann", &["bob"]).await;
    for room in [&private, &direct, &public] {
        say(&ann, room, "the treasure").await;
    }
    assert_eq!(hits(&bob, query("treasure")).await, 3);
    assert_eq!(hits(&eve, query("treasure")).await, 0);
    assert_eq!(hits(&eve, query("treasure from:ann")).await, 0);
    let from = SearchQuery { from: Some(user("ann")), ..SearchQuery::default() };
    assert_eq!(hits(&eve, from).await, 0);
    assert_eq!(hits(&eve, within(&public, "treasure")).await, 1, "what all may read, she may");
    world.act("ann", &private, "bob", kick()).await;
    assert_eq!(hits(&bob, query("treasure")).await, 2);
}

async fn a_hidden_room_that_is_named_in_a_search_is_as_absent(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, eve) = (world.person("ann"), world.person("eve"));
    let hidden = world.private("ann", &[]).await;
    say(&ann, &hidden, "the treasure").await;
    let absent = RoomId::parse("nowhere").unwrap();
    let answer = async |room: &RoomId, text: &str| -> (Error, Error) {
        let named = eve.search(within(room, text)).await.expect_err("not hers");
        let written = eve.search(query(&format!("{text} in:{room}"))).await.expect_err("not hers");
        (named, written)
    };
    for text in ["treasure", "dust"] {
        let (here, there) = (answer(&hidden, text).await, answer(&absent, text).await);
        assert_eq!(told(&here.0), told(&there.0));
        assert_eq!(told(&here.1), told(&there.1));
        assert_eq!(told(&here.0).0, Code::NotFound);
    }
    let both = format!("treasure in:{hidden} in:{}", world.public("eve", &[]).await);
    assert_eq!(refused(eve.search(query(&both)).await), Code::NotFound);
}

async fn a_room_that_turned_private_is_searched_by_its_members_alone(ground: Ground) {
    let world = World::new(ground).await;
    let (ann, eve) = (world.person("ann"), world.person("eve"));
    let room = world.public("ann", &[]).await;
    say(&ann, &room, "the treasure").await;
    assert_eq!(hits(&eve, within(&room, "treasure")).await, 1);
    let closed = RoomUpdate { kind: Some(RoomKind::Private), ..RoomUpdate::default() };
    ann.update_room(&room, closed).await.unwrap();
    assert_eq!(refused(eve.search(within(&room, "treasure")).await), Code::NotFound);
    assert_eq!(hits(&ann, query("treasure")).await, 1);
}

async fn what_was_deleted_or_edited_away_is_not_found(ground: Ground) {
    let mut world = World::new(ground).await;
    let ann = world.person("ann");
    let room = world.public("ann", &["bob"]).await;
    let once = |name: &str| ClientMsgId::parse(name).unwrap();
    let slip = say(&ann, &room, "my password is swordfish").await;
    let sorry = say(&ann, &room, "and my pin is marlin").await;
    assert_eq!(hits(&world.person("bob"), query("my")).await, 2);
    ann.edit(&room, &slip, once("e"), "nothing to see".into()).await.unwrap();
    ann.delete(&room, &sorry, once("d")).await.unwrap();
    for _ in 0..2 {
        let bob = world.person("bob");
        for gone in ["swordfish", "marlin", "sword*", "my"] {
            assert_eq!(hits(&bob, query(gone)).await, 0, "{gone}");
        }
        assert_eq!(hits(&bob, query("\"nothing to see\"")).await, 1);
        drop(bob);
        world.restart().await;
        if let Ground::Memory = ground {
            return;
        }
    }
}

async fn searches_out_of_bounds_are_refused_by_field(ground: Ground) {
    let world = World::new(ground).await;
    let ann = world.person("ann");
    world.public("ann", &[]).await;
    let many: String = (0..17).map(|room| format!("in:room-{room} ")).collect();
    for (asked, field) in [
        (query(""), "query"),
        (query("   \"\" * …"), "query"),
        (query(&"x".repeat(300)), "query"),
        (query(&"x ".repeat(20)), "query"),
        (query("a*"), "query"),
        (query("tea in:a/b"), "query"),
        (query(&format!("tea {many}")), "query"),
        (query("tea from:a from:b"), "query"),
        (SearchQuery { limit: Some(0), ..query("tea") }, "limit"),
        (SearchQuery { limit: Some(1_000_000), ..query("tea") }, "limit"),
        (SearchQuery { after: Some("9".repeat(65)), ..query("tea") }, "after"),
        (SearchQuery { from: Some(user("bob")), ..query("tea from:ann") }, "from"),
    ] {
        let words = asked.query.clone();
        let error = ann.search(asked).await.expect_err(&words);
        let (code, at, _) = told(&error);
        assert_eq!((code, at.as_deref()), (Code::BadRequest, Some(field)), "{words}: {error}");
    }
    let nowhere = world.chat.as_system().search(query("tea")).await;
    assert_eq!(refused(nowhere), Code::BadRequest);
}

/// Whether an address is somebody's is not for a search to tell.
async fn nobody_is_found_by_an_address(ground: Ground) {
    let world = World::new(ground).await;
    let ann = world.person("ann");
    world.public("ann", &[]).await;
    let known = ann.search(query("from:ann@example.org")).await.expect_err("refused");
    let unknown = ann.search(query("from:nobody@example.org")).await.expect_err("refused");
    assert_eq!(told(&known), told(&unknown));
}
