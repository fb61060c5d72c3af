//! What every [`SearchStore`](crate::store::SearchStore) must find of what the
//! [`LogStore`](crate::store::LogStore) beside it has written. Each case takes a fresh, empty store.

use crate::id::{RoomId, UserId};
use crate::log::Draft;
use crate::room::{Action, NewRoom};
use crate::search::{Query, Scope, Search};
use crate::store::SearchPage;
use crate::testing::scene::{Rooms, Scene, delete, edit, kick, sent, user};

/// Tests a [`SearchStore`](crate::store::SearchStore): writes each case of this suite as a test of
/// its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// search_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! search_store_suite {
    (in one, $open:expr) => {
        $crate::search_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            search_suite,
            $open,
            [
                what_was_acknowledged_is_found_at_once,
                all_words_are_wanted_and_phrases_stand_together,
                chinese_is_found_by_two_characters,
                only_rooms_of_the_scope_are_looked_into,
                who_is_out_of_a_room_finds_nothing_of_it,
                messages_of_one_author_are_found_without_words,
                an_edited_message_is_found_by_what_it_says_now,
                a_deleted_message_is_not_found,
                a_deleted_room_is_not_searched,
                pages_show_each_message_once_the_newest_first,
                the_words_of_commands_are_no_words_of_the_search,
                many_rooms_are_searched_at_once,
                filing_ends,
                a_strange_cursor_is_no_error,
            ]
        );
    };
    ($open:expr) => {
        $crate::search_store_suite!(@ store_cases, $open);
    };
}

fn searching(query: &str, scope: Scope) -> Search {
    let query = if query.is_empty() {
        Query::default()
    } else {
        Query::parse(query).expect("a sound query")
    };
    Search { query, from: None, scope, after: None, limit: 50 }
}

fn of(who: &str) -> Scope {
    Scope::Joined(user(who))
}

async fn page(scene: &Scene, search: &Search) -> SearchPage {
    scene.store.search(search).await.expect("the store works")
}

/// The texts of everything that is found, page after page.
async fn found(scene: &Scene, mut search: Search) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let SearchPage { found, next, behind } = page(scene, &search).await;
        assert!(!behind && found.len() <= search.limit as usize);
        texts.extend(found.iter().map(|entry| match &entry.body {
            crate::log::Body::Message { text, .. } => text.clone(),
            other => panic!("not a message: {other:?}"),
        }));
        if next.is_none() {
            return texts;
        }
        search.after = next;
    }
}

async fn finds(scene: &Scene, who: &str, query: &str) -> Vec<String> {
    found(scene, searching(query, of(who))).await
}

/// The index may be filed later; nobody can tell.
pub async fn what_was_acknowledged_is_found_at_once(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for number in 0..20 {
        let text = format!("cheese number n{number}");
        scene.says("ann", &room, &text).await;
        assert_eq!(finds(&scene, "ann", &format!("n{number} CHEESE")).await, [text]);
    }
    assert_eq!(finds(&scene, "ann", "cheese").await.len(), 20);
    let all = page(&scene, &searching("cheese", of("ann"))).await.found;
    assert_eq!((all[0].n, all[19].n), (Some(20), Some(1)), "the newest first");
    assert_eq!(all[0].room, room);
}

/// As [`Query`] says.
pub async fn all_words_are_wanted_and_phrases_stand_together(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for text in ["a blue cheese", "cheese, blue", "blue sky", "Käse", "cheesecake"] {
        scene.says("ann", &room, text).await;
    }
    assert_eq!(finds(&scene, "ann", "blue cheese").await, ["cheese, blue", "a blue cheese"]);
    assert_eq!(finds(&scene, "ann", "\"blue cheese\"").await, ["a blue cheese"]);
    assert_eq!(finds(&scene, "ann", "kase").await, ["Käse"]);
    assert_eq!(finds(&scene, "ann", "chee*").await.len(), 3);
    assert_eq!(finds(&scene, "ann", "cheesec*").await, ["cheesecake"]);
    assert_eq!(finds(&scene, "ann", "ch*").await.len(), 3);
    assert_eq!(finds(&scene, "ann", "green").await, [""; 0]);
}

/// Without spaces, and with few characters.
pub async fn chinese_is_found_by_two_characters(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for text in ["我们明天去北京开会", "京北的天气", "会议在上海，北京不去"]
    {
        scene.says("ann", &room, text).await;
    }
    assert_eq!(finds(&scene, "ann", "北京").await.len(), 2);
    assert_eq!(finds(&scene, "ann", "北京 会议").await, ["会议在上海，北京不去"]);
    assert_eq!(finds(&scene, "ann", "明天去北京").await, ["我们明天去北京开会"]);
    assert_eq!(finds(&scene, "ann", "京").await.len(), 3);
    assert_eq!(finds(&scene, "ann", "海北").await, [""; 0], "they do not touch");
}

/// Nothing leaks from one room to another, whether they are named or not.
pub async fn only_rooms_of_the_scope_are_looked_into(store: impl Rooms) {
    let scene = Scene::of(store);
    let one = scene.public("one", "ann", &["bob"]).await;
    let two = scene.room("two", NewRoom::private("two"), "ann", &[]).await;
    scene.says("ann", &one, "secret one").await;
    scene.says("ann", &two, "secret two").await;
    assert_eq!(finds(&scene, "ann", "secret").await, ["secret two", "secret one"]);
    assert_eq!(finds(&scene, "bob", "secret").await, ["secret one"]);
    assert_eq!(finds(&scene, "eve", "secret").await, [""; 0]);
    let named =
        |rooms: &[&RoomId]| Scope::Rooms(rooms.iter().map(|room| (*room).clone()).collect());
    assert_eq!(found(&scene, searching("secret", named(&[&one]))).await, ["secret one"]);
    assert_eq!(found(&scene, searching("secret", named(&[&one, &two]))).await.len(), 2);
    assert_eq!(found(&scene, searching("secret", named(&[]))).await, [""; 0]);
    let absent = RoomId::parse("absent").expect("sound");
    assert_eq!(found(&scene, searching("secret", named(&[&absent]))).await, [""; 0]);
}

/// From the moment on at which they are.
pub async fn who_is_out_of_a_room_finds_nothing_of_it(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob", "cat"]).await;
    scene.says("ann", &room, "secret").await;
    assert_eq!(finds(&scene, "bob", "secret").await.len(), 1);
    scene.does("ann", &room, kick("bob")).await;
    scene.does("cat", &room, Action::Leave).await;
    assert_eq!(finds(&scene, "bob", "secret").await, [""; 0]);
    assert_eq!(finds(&scene, "cat", "secret").await, [""; 0]);
    scene.does("bob", &room, Action::Enter).await;
    assert_eq!(finds(&scene, "bob", "secret").await.len(), 1);
}

/// With words or without.
pub async fn messages_of_one_author_are_found_without_words(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &["bob"]).await;
    scene.says("ann", &room, "tea").await;
    scene.says("bob", &room, "tea too").await;
    scene.says("bob", &room, "coffee").await;
    let by = |who: &str, query: &str| {
        let from: Option<UserId> = Some(user(who));
        Search { from, ..searching(query, of("ann")) }
    };
    assert_eq!(found(&scene, by("bob", "")).await, ["coffee", "tea too"]);
    assert_eq!(found(&scene, by("bob", "tea")).await, ["tea too"]);
    assert_eq!(found(&scene, by("eve", "")).await, [""; 0]);
}

/// Not by what it said once, wherever the index is.
pub async fn an_edited_message_is_found_by_what_it_says_now(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let first = scene.says("ann", &room, "apples").await;
    scene.says("ann", &room, "cherries").await;
    for (once, before, after) in [("e", "apples", "pears"), ("f", "pears", "plums")] {
        assert_eq!(finds(&scene, "ann", before).await, [before]);
        scene.does("ann", &room, edit(&first.id, once, after)).await;
        assert_eq!(finds(&scene, "ann", before).await, [""; 0]);
        assert_eq!(finds(&scene, "ann", after).await, [after]);
    }
    scene.does("ann", &room, edit(&first.id, "g", "cherries too")).await;
    assert_eq!(finds(&scene, "ann", "cherries").await, ["cherries", "cherries too"]);
}

/// Whether it was filed before or not.
pub async fn a_deleted_message_is_not_found(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let filed = scene.says("ann", &room, "secret one").await;
    assert_eq!(finds(&scene, "ann", "secret").await.len(), 1);
    scene.does("ann", &room, delete(&filed.id, "d")).await;
    assert_eq!(finds(&scene, "ann", "secret").await, [""; 0]);
    let fresh = scene.says("ann", &room, "secret two").await;
    scene.does("ann", &room, delete(&fresh.id, "e")).await;
    assert_eq!(finds(&scene, "ann", "secret").await, [""; 0]);
    let by = Search { from: Some(user("ann")), ..searching("", of("ann")) };
    assert_eq!(found(&scene, by).await, [""; 0]);
}

/// Nor one that was made anew under its name.
pub async fn a_deleted_room_is_not_searched(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "secret").await;
    assert_eq!(finds(&scene, "ann", "secret").await.len(), 1);
    scene.does("ann", &room, Action::Leave).await;
    let named = searching("secret", Scope::Rooms(vec![room.clone()]));
    assert_eq!(found(&scene, named.clone()).await, [""; 0]);
    scene.public("general", "ann", &[]).await;
    assert_eq!(found(&scene, named.clone()).await, [""; 0]);
    assert_eq!(finds(&scene, "ann", "secret").await, [""; 0]);
    while scene.store.sweep(100).await.expect("the store works") > 0 {}
    scene.says("ann", &room, "secret again").await;
    assert_eq!(found(&scene, named).await, ["secret again"]);
}

/// With others coming between.
pub async fn pages_show_each_message_once_the_newest_first(store: impl Rooms) {
    let scene = Scene::of(store);
    let one = scene.public("one", "ann", &[]).await;
    let two = scene.public("two", "ann", &[]).await;
    for number in 0..30 {
        let room = if number % 3 == 0 { &two } else { &one };
        scene.says("ann", room, &format!("tea {number}")).await;
        scene.says("ann", room, "coffee").await;
    }
    let mut search = Search { limit: 7, ..searching("tea", of("ann")) };
    let first = page(&scene, &search).await;
    assert_eq!(first.found.len(), 7);
    scene.says("ann", &one, "tea later").await;
    search.after = first.next;
    let rest = found(&scene, search).await;
    let expected: Vec<String> = (0..23).rev().map(|number| format!("tea {number}")).collect();
    assert_eq!(rest, expected);
}

/// What an index adds of its own, and what a language of queries gives a meaning to.
pub async fn the_words_of_commands_are_no_words_of_the_search(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    for text in ["one AND two", "term:one", "r1 u1 _r1", "NEAR(one two)", "it's \\ % * ' \" ; --"] {
        scene.says("ann", &room, text).await;
    }
    assert_eq!(finds(&scene, "ann", "and").await, ["one AND two"]);
    assert_eq!(finds(&scene, "ann", "one OR two").await, [""; 0]);
    assert_eq!(finds(&scene, "ann", "NEAR(one two)").await, ["NEAR(one two)"]);
    assert_eq!(finds(&scene, "ann", "term:one").await, ["term:one"]);
    assert_eq!(finds(&scene, "ann", "_r1").await, ["r1 u1 _r1"]);
    assert_eq!(finds(&scene, "ann", "it's").await, ["it's \\ % * ' \" ; --"]);
}

/// As many as one is in.
pub async fn many_rooms_are_searched_at_once(store: impl Rooms) {
    let scene = Scene::of(store);
    for number in 0..40 {
        let owner = if number % 4 == 0 { "bob" } else { "ann" };
        let room = scene.public(&format!("room-{number}"), owner, &[]).await;
        scene.says(owner, &room, &format!("tea {number}")).await;
    }
    assert_eq!(finds(&scene, "ann", "tea").await.len(), 30);
    assert_eq!(finds(&scene, "bob", "tea").await.len(), 10);
}

/// Whoever files until nothing is left comes to an end, and finds no less.
pub async fn filing_ends(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    let batch: Vec<_> = (0..300)
        .map(|n| scene.message("ann", &room, &format!("{n}"), Draft::text(format!("tea {n}"))))
        .collect();
    let sent_all = scene.commit(&batch).await.outcomes.into_iter().map(sent);
    assert!(sent_all.into_iter().all(|outcome| outcome.is_ok()));
    let mut steps = 0;
    while scene.store.file(50).await.expect("the store works") > 0 {
        steps += 1;
        assert!(steps < 100, "it does not end");
    }
    assert_eq!(finds(&scene, "ann", "tea").await.len(), 300);
}

/// It comes from a client.
pub async fn a_strange_cursor_is_no_error(store: impl Rooms) {
    let scene = Scene::of(store);
    let room = scene.public("general", "ann", &[]).await;
    scene.says("ann", &room, "tea").await;
    for after in ["", "x", "-5", "0", "99999999999999999999", "9223372036854775807", "1;"] {
        let after = Some(after.to_owned());
        page(&scene, &Search { after, ..searching("tea", of("ann")) }).await;
    }
}
