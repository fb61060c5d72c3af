//! Searching, and being mentioned.

use chatcore_tests::Local;

use super::Page;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_in_any_language_and_gone_to_and_nothing_of_rooms_one_is_not_in() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let (tea, other) =
        (ann.create_room("public", "tea").await, bob.create_room("private", "other").await);
    bob.enter(&tea).await;
    bob.send(&tea, "first", "The Crème of <b>teas</b>").await.expect(201);
    bob.send(&tea, "second", "我们明天去北京开会").await.expect(201);
    bob.send(&other, "hidden", "creme for nobody else").await.expect(201);
    for number in 0..200 {
        bob.send(&tea, &format!("n{number}"), &format!("number {number}")).await.expect(201);
    }
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("search").await;
    page.appears("search-dialog").await;
    page.write("search-query", "creme").await;
    page.says("hit", "The Crème of <b>teas</b>").await;
    page.until("document.querySelectorAll('.hit').length === 1").await;
    page.until("document.querySelector('.hit mark')?.textContent === 'Crème'").await;

    page.script("document.querySelector('[data-testid=search-query]').value = '';").await;
    page.write("search-query", "北京").await;
    page.until("document.querySelector('.hit mark')?.textContent === '北京'").await;
    page.click("hit").await;
    page.in_room("tea").await;
    page.until("document.activeElement.textContent.includes('我们明天去北京开会')").await;

    // More than a page, to the oldest.
    page.click("search").await;
    page.write("search-query", "number").await;
    page.until("document.querySelectorAll('.hit').length === 20").await;
    page.click("hits-more").await;
    page.until("document.querySelectorAll('.hit').length === 40").await;
    page.says("hit", "number 160").await;
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_shows_at_its_room_until_it_is_read() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    bob.send(&room, "before", "you there, @ann?").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.until("document.querySelector('.unread.to-me')?.textContent === '@1'").await;
    bob.send(&room, "live", "@ann!").await.expect(201);
    page.until("document.querySelector('.unread.to-me')?.textContent === '@2'").await;
    page.click("joined-room").await;
    page.shows("@ann!").await;
    page.goes("unread").await;
    page.until("document.querySelectorAll('.calls-me').length === 2").await;
    page.was_well().await;
}
