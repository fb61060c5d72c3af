//! Talking: with another client, with another browser, and about what was said.

use chatcore_tests::{Encoding, Http, Local, Person, Server};
use reqwest::Method;
use serde_json::json;

use super::{Page, only_room};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_makes_a_room_and_talks_with_someone_of_another_client() {
    let server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann").await;
    page.make_room("tea").await;
    page.appears("empty-room").await;
    page.say("Hello, is anybody there?").await;
    page.shows("Hello, is anybody there?").await;

    let bob = server.http().register("bob").await;
    let room = only_room(&bob).await;
    bob.enter(&room).await;
    let mut live = server.connect(&bob, Encoding::Msgpack).await;
    live.request("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
    assert_eq!(live.next_event(&room, "message").await["text"], "Hello, is anybody there?");

    // Markup is text, whoever sends it; an address is a link if it is one of the web.
    let hostile =
        "<img src=x onerror=\"document.title='hacked'\"> & <b>bold</b> javascript:alert(1)";
    bob.send(&room, "bob-1", hostile).await.expect(201);
    page.shows(hostile).await;
    bob.send(&room, "bob-2", "see https://example.org/a?b=c, or http://u:p@evil.example/")
        .await
        .expect(201);
    page.until("document.querySelectorAll('.text a').length === 1").await;
    let link = page
        .script("const a = document.querySelector('.text a'); return [a.href, a.rel, a.target];")
        .await;
    assert_eq!(
        link,
        json!(["https://example.org/a?b=c", "noopener noreferrer nofollow", "_blank"])
    );

    page.click("room-menu").await;
    page.click("leave").await;
    page.click("leave-submit").await;
    page.appears("no-room").await;
    assert_eq!(live.next_event(&room, "leave").await["room"], room.as_str());
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_side_by_side_write_answer_react_change_and_take_back() {
    let server = Local::start().await;
    let Some(ann) = Page::local(&server).await else { return };
    let Some(bob) = Page::local(&server).await else { return };
    ann.register("ann").await;
    bob.register("bob").await;
    ann.make_room("tea").await;
    bob.reload().await;
    bob.enter_room("tea").await;

    // Typing is seen before the message is, and not after.
    ann.shows_notice("came in").await;
    bob.write("text", "Is there").await;
    ann.says("typing", "bob of the page is writing").await;
    bob.write("text", " any tea?\n").await;
    ann.shows("Is there any tea?").await;
    ann.until("document.querySelector('#typing').textContent === ''").await;

    // Read marks come back to who wrote.
    bob.says("seen", "Seen by one").await;

    ann.on_message("Is there any tea?", "reply").await;
    ann.appears("about").await;
    ann.say("Plenty, @bob").await;
    bob.shows("Plenty, @bob").await;
    bob.says("quote", "Is there any tea?").await;
    bob.until("document.querySelector('.mention.to-me')?.textContent === '@bob'").await;

    bob.on_message("Plenty, @bob", "quick-react").await;
    ann.says("reaction", "1").await;
    ann.click("reaction").await;
    bob.says("reaction", "2").await;
    bob.until("document.querySelector('.reaction').getAttribute('aria-pressed') === 'true'").await;
    bob.click("reaction").await;
    ann.says("reaction", "1").await;

    // The newest message of one's own is at hand with the arrow.
    bob.script("document.querySelector('#text').focus();").await;
    bob.keys("\u{E013}").await;
    bob.appears("about").await;
    bob.keys(" And biscuits?\n").await;
    ann.shows("Is there any tea? And biscuits?").await;
    bob.goes("about").await;
    ann.says("message", "(edited)").await;

    ann.on_message("Plenty, @bob", "message-more").await;
    ann.click("pin").await;
    bob.appears("pinned").await;
    bob.shows_notice("pinned a message").await;
    ann.on_message("Plenty, @bob", "message-more").await;
    ann.click("delete").await;
    ann.click("delete-submit").await;
    bob.until("document.querySelector('.deleted')").await;
    ann.until("document.querySelector('.deleted')").await;
    bob.goes("pinned").await;
    ann.was_well().await;
    bob.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_completed_and_keys_do_what_the_help_says() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bobby").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    bob.send(&room, "1", "first").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.shows("first").await;

    page.write("text", "hello @bo").await;
    page.says("completion", "@bobby").await;
    page.keys("\u{E007}").await;
    page.until("document.querySelector('#text').value === 'hello @bobby '").await;
    page.keys("!\u{E007}").await;
    page.shows("hello @bobby !").await;

    // From the text to the messages, up, and an answer.
    page.keys("\u{E008}\u{E004}").await;
    page.until("document.activeElement.matches('.message')").await;
    page.keys("\u{E000}").await;
    page.keys("\u{E013}").await;
    page.keys("r").await;
    page.says("about", "first").await;
    page.keys("\u{E00C}").await;
    page.goes("about").await;

    page.script("document.activeElement.blur();").await;
    page.keys("?").await;
    page.appears("help-dialog").await;
    page.keys("\u{E00C}").await;
    page.until("!document.querySelector('dialog')").await;
    page.keys("\u{E009}k").await;
    page.until("document.activeElement.id === 'room-filter'").await;
    page.was_well().await;
}

/// Holds the pages of history: `__go` sends the request, `__give` hands over its answer.
const HOLD: &str = "
    const ask = window.fetch;
    window.fetch = async (url, how) => {
      if (!String(url).includes('/messages?')) return ask(url, how);
      await new Promise((go) => { window.__go = go; });
      const answer = await ask(url, how);
      await new Promise((give) => { window.__give = give; });
      return answer;
    };
";

async fn react(person: &Person, room: &str, message: &str, on: bool) {
    let path = format!("/api/v1/rooms/{room}/messages/{message}/reactions/%F0%9F%91%8D");
    let method = if on { Method::PUT } else { Method::DELETE };
    Http::send(person.http.request(method, &path)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_is_in_a_page_and_comes_live_too_counts_once() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    let sent = bob.send(&room, "1", "first").await.expect(201).json();
    let message = sent["message_id"].as_str().unwrap();
    let Some(page) = Page::of(&server, &ann).await else { return };
    let shows =
        |count: u32| format!("document.querySelector('.reaction')?.textContent === '👍 {count}'");

    // It comes live while the page that holds it is on its way.
    page.appears("joined-room").await;
    page.script(HOLD).await;
    page.click("joined-room").await;
    page.until("window.__go").await;
    react(&bob, &room, message, true).await;
    page.script("window.__go();").await;
    page.until("window.__give").await;
    page.script("window.__give();").await;
    page.until(&shows(1)).await;
    // What comes afterwards is one more, and one less.
    react(&ann, &room, message, true).await;
    page.until(&shows(2)).await;
    react(&bob, &room, message, false).await;
    page.until(&shows(1)).await;

    // After a reload nothing is known of the page's place in the log, and it counts all the same.
    page.reload().await;
    page.shows("first").await;
    page.until(&shows(1)).await;
    for count in [2, 1, 2, 1] {
        react(&bob, &room, message, count == 2).await;
        page.until(&shows(count)).await;
    }
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_messages_are_listed_to_go_to_and_a_message_tells_who_has_read_it() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    ann.send(&room, "1", "the rules").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &bob).await else { return };
    page.click("joined-room").await;
    page.on_message("the rules", "message-more").await;
    page.click("readers-of").await;
    page.says("readers-dialog", "Nobody yet.").await;
    page.click("close-dialog").await;
    page.on_message("the rules", "message-more").await;
    page.click("pin").await;
    page.appears("pinned").await;
    other.click("joined-room").await;
    other.shows("the rules").await;
    other.click("room-menu").await;
    other.click("menu-pins").await;
    other.says("pinned-message", "the rules").await;
    assert_eq!(
        other.script("return document.querySelector(\"[data-testid='pin-remove']\");").await,
        json!(null)
    );
    other.click("pin-show").await;
    other.until("document.activeElement.textContent.includes('the rules')").await;

    page.says("seen", "Seen by one").await;
    page.click("seen").await;
    page.says("reader", "bob").await;
    page.click("close-dialog").await;
    page.click("room-menu").await;
    page.click("menu-pins").await;
    page.click("pin-remove").await;
    page.says("pins-dialog", "Nothing is pinned.").await;
    other.until("!document.querySelector(\"[data-testid='pinned']\")").await;
    page.was_well().await;
    other.was_well().await;
}
