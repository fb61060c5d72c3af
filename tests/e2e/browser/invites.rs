//! Links by which people come into rooms.

use chatcore_tests::Local;
use serde_json::json;

use super::{Page, gone};

impl Page {
    /// Opens the invite links of the room on the screen.
    async fn invite_links(&self) {
        self.click("room-menu").await;
        self.click("menu-links").await;
        self.appears("links-dialog").await;
    }

    async fn link(&self) -> String {
        self.appears("link-url").await;
        let link = self.script("return document.querySelector('[data-testid=link-url]').value;");
        link.await.as_str().expect("a link").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_an_invite_link_comes_in_once_logged_in_and_a_revoked_one_is_of_no_use() {
    let server = Local::start().await;
    let ann = server.http().register("ann").await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("new-room").await;
    page.write("new-room-name", "secret").await;
    page.click("new-room-private").await;
    page.click("new-room-submit").await;
    page.in_room("secret").await;
    page.invite_links().await;
    page.choose("link-life", "3600").await;
    page.choose("link-uses", "5").await;
    page.click("link-submit").await;
    let link = page.link().await;
    assert!(link.contains("/#invite="), "{link}");
    page.says("link", "0 of 5 came by it").await;

    // Someone new is told where it leads, registers, and is there.
    let Some(other) = Page::at(&link).await else { return };
    other.says("invited", "secret").await;
    other.register("bob").await;
    other.in_room("secret").await;
    assert!(!other.address().await.contains("invite"), "{}", other.address().await);
    other.say("hello").await;
    page.shows("hello").await;
    page.shows_notice("by an invite link").await;

    // Who is there already is asked first, and may say no.
    let carl = server.http().register("carl").await;
    let Some(third) = Page::of(&server, &carl).await else { return };
    let hash = link.split_once('#').expect("a code").1;
    third.script(&format!("location.hash = '{hash}';")).await;
    third.appears("invited-dialog").await;
    third.keys("\u{E00C}").await;
    third.goes("invited-dialog").await;
    third.appears("no-room").await;
    assert!(!third.address().await.contains("invite"));
    third.go(&link).await;
    third.says("invited-dialog", "secret").await;
    third.click("invited-submit").await;
    third.in_room("secret").await;

    // Revoked, it opens nothing any more.
    page.click("close-dialog").await;
    page.invite_links().await;
    page.says("link", "2 of 5 came by it").await;
    page.click("link-revoke").await;
    page.until(&gone("link")).await;
    let Some(late) = Page::at(&link).await else { return };
    late.says("invited", "not good any more").await;
    late.log_in("carl", "wrong horse battery").await;
    late.appears("login-problem").await;
    late.script("document.querySelector('#login-form').reset();").await;
    late.log_in("carl", &carl.password).await;
    late.says("toast", "not good any more").await;
    page.was_well().await;
    other.was_well().await;
    third.was_well().await;
    late.was_well_but_for(&["/invites/", "/api/v1/sessions - Failed"]).await;
}

impl Page {
    async fn address(&self) -> String {
        self.browser.current_url().await.unwrap().to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_one_lets_one_in_and_its_code_is_in_no_address_that_the_server_sees() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("private", "small").await;
    let body = json!({ "uses": 1 });
    let links = format!("/api/v1/rooms/{room}/invite-links");
    let made = ann.http.post(&links, body).await.expect(201).json();
    let code = made["code"].as_str().unwrap();
    let Some(page) = Page::of(&server, &bob).await else { return };
    page.go(&format!("http://{}/#invite={code}", server.address())).await;
    page.reload().await;
    page.click("invited-submit").await;
    page.in_room("small").await;
    let asked = page
        .script("return performance.getEntriesByType('resource').map(({ name }) => name);")
        .await;
    assert!(asked.to_string().contains("/invites/accept"), "{asked}");
    assert!(!asked.to_string().contains(code), "{asked}");
    let left = ann.http.get(&links).await.expect(200).json();
    assert_eq!(left["links"], json!([]), "its use was taken");
    page.was_well().await;
}
