//! People whom one does not want to hear of, and messages that admins should see.

use chatcore_tests::Local;

use super::{Page, gone};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocked_person_writes_is_folded_away_until_one_wants_to_see_it() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    bob.send(&room, "1", "something loud").await.expect(201);
    ann.send(&room, "2", "quiet please").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.shows("something loud").await;
    page.on_message("something loud", "message-more").await;
    page.click("block").await;
    page.says("block-dialog", "bob").await;
    page.click("block-submit").await;
    page.says("folded", "Message of someone you block.").await;
    bob.send(&room, "3", "louder").await.expect(201);
    bob.send(&room, "4", "loudest").await.expect(201);
    page.says("folded", "2 messages of people you block.").await;
    assert_eq!(page.texts().await, ["quiet please"]);

    // One run of them is unfolded, by keys too; the others stay.
    page.script("document.querySelectorAll(\"[data-testid='unfold']\")[1].focus();").await;
    page.keys("\u{E007}").await;
    page.shows("loudest").await;
    page.until("document.activeElement.textContent.includes('louder')").await;
    assert_eq!(page.texts().await, ["quiet please", "louder", "loudest"]);

    // After a reload all are folded away again, and the settings know whom one blocks.
    page.reload().await;
    page.until("document.querySelectorAll(\"[data-testid='folded']\").length === 2").await;
    page.click("settings").await;
    page.says("blocked", "bob").await;
    page.click("unblock").await;
    page.until(&gone("blocked")).await;
    page.click("close-dialog").await;
    page.shows("something loud").await;
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_person_writes_nothing_directly_and_is_told_no_more_than_that() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &bob).await else { return };
    page.click("new-direct").await;
    page.write("direct-user", &bob.user).await;
    page.click("direct-submit").await;
    page.in_room("bob").await;
    page.say("hello").await;
    other.click("joined-room").await;
    other.shows("hello").await;
    page.click("room-menu").await;
    page.click("menu-block").await;
    page.click("block-submit").await;
    page.says("blocked-bar", "bob").await;
    other.say("and you?").await;
    other.says("message", "Not sent:").await;
    other.click("discard").await;
    page.click("bar-unblock").await;
    page.goes("blocked-bar").await;
    other.say("well?").await;
    page.shows("well?").await;
    page.was_well().await;
    other.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_message_reaches_the_admins_who_settle_it() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let eve = server.http().register("eve").await;
    server.chat.set_admin(&eve.user.parse().unwrap(), true).await.unwrap();
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    bob.send(&room, "1", "something rude").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(admin) = Page::of(&server, &eve).await else { return };
    page.goes("admin").await;
    page.click("joined-room").await;
    page.on_message("something rude", "message-more").await;
    page.click("report").await;
    page.says("report-dialog", "something rude").await;
    page.write("report-reason", "it is rude").await;
    page.click("report-block").await;
    page.click("report-submit").await;
    page.says("toast", "Thank you").await;
    page.appears("folded").await;

    admin.click("admin").await;
    admin.click("admin-reports").await;
    admin.says("admin-report", "something rude").await;
    admin.says("admin-report", "it is rude").await;
    admin.click("report-settle").await;
    admin.write("settle-reason", "talked to him").await;
    admin.click("settle-submit").await;
    admin.until(&gone("admin-report")).await;
    admin.click("reports-all").await;
    admin.says("admin-report", "settled by eve").await;
    admin.click("admin-audit").await;
    admin.says("audit-entry", "talked to him").await;
    page.was_well().await;
    admin.was_well().await;
}
