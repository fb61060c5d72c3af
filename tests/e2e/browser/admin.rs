//! Looking after the whole chat, and after a room.

use chatcore_tests::Local;
use serde_json::json;

use super::{Page, gone, named};

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_numbers_and_people_suspends_one_and_ends_a_room() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    server.chat.set_admin(&ann.user.parse().unwrap(), true).await.unwrap();
    let room = bob.create_room("private", "hidden").await;
    bob.send(&room, "1", "hello").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &bob).await else { return };
    other.click("joined-room").await;
    other.in_room("hidden").await;
    page.click("admin").await;
    page.says("figure-users", "2").await;
    page.says("figure-messages", "1").await;

    // The arrows go from tab to tab.
    page.script("document.querySelector(\"[role='tab'][aria-selected='true']\").focus();").await;
    page.keys("\u{E014}").await;
    page.until("document.querySelectorAll(\"[data-testid='admin-user']\").length === 2").await;
    page.until("document.activeElement.dataset.testid === 'admin-users'").await;
    page.write("admin-find", "bo").await;
    page.until("document.querySelectorAll(\"[data-testid='admin-user']\").length === 1").await;
    page.click("admin-suspend").await;
    page.write("suspend-reason", "spam").await;
    page.click("suspend-submit").await;
    page.says("admin-user", "suspended").await;
    other.appears("login-form").await;
    other.log_in("bob", &bob.password).await;
    other.appears("login-problem").await;
    page.click("admin-unsuspend").await;
    page.appears("admin-suspend").await;
    other.script("document.querySelector('#login-form').reset();").await;
    other.log_in("bob", &bob.password).await;
    other.connected().await;
    page.click("admin-end-sessions").await;
    page.click("end-sessions-submit").await;
    other.appears("login-form").await;
    other.log_in("bob", &bob.password).await;
    other.connected().await;

    page.click("admin-rooms").await;
    page.says("admin-room", "hidden").await;
    page.click("admin-end-room").await;
    page.write("end-room-reason", "empty talk").await;
    page.click("end-room-submit").await;
    page.until(&gone("admin-room")).await;
    other.until(&gone("joined-room")).await;

    page.click("admin-audit").await;
    page.says("audit-entry", "empty talk").await;
    let said =
        page.script("return document.querySelector(\"[data-testid='audit']\").innerText;").await;
    let said = said.as_str().unwrap();
    for part in ["ann suspended bob", "spam", "ann let bob in again", "ended all sessions of bob"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("the system made ann an admin"), "{said}");
    page.was_well().await;
    other.was_well_but_for(&["WebSocket", "status of 401", "status of 403", "status of 404"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_read_what_was_done_in_their_room_and_lift_a_ban_there() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.in_room("tea").await;
    page.click("show-members").await;
    let row = format!("{}[data-user='{}']", named("member"), bob.user);
    page.press(&format!("{row} [data-testid='member-actions']")).await;
    page.click("member-ban").await;
    page.choose("member-ban-until", "3600").await;
    page.write("member-ban-reason", "too loud").await;
    page.click("member-ban-submit").await;
    page.until(&gone("member-ban-dialog")).await;
    let back = format!("/api/v1/rooms/{room}/enter");
    bob.http.post(&back, json!({})).await.expect(403);
    page.click("room-menu").await;
    page.click("menu-audit").await;
    page.says("audit-entry", "ann banned bob").await;
    page.says("audit-entry", "too loud").await;
    page.says("audit-entry", "until").await;
    page.click("unban").await;
    page.says("audit-entry", "lifted the ban").await;
    page.until(&gone("unban")).await;
    bob.http.post(&back, json!({})).await.expect(200);
    page.was_well().await;
}
