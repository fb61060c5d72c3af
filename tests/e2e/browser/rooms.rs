//! Rooms: asked in, written to directly, counted while away; and what moderators do.

use std::sync::Arc;
use std::time::Duration;

use chatcore::clock::{Clock as _, SystemClock};
use chatcore::testing::ManualClock;
use chatcore_tests::Local;
use serde_json::json;

use super::{Page, Two, gone, two_in_a_room};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_in_enters_is_counted_for_and_writes_back_directly() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &bob).await else { return };

    page.click("new-room").await;
    page.write("new-room-name", "secret").await;
    page.write("new-room-topic", "not for everybody").await;
    page.click("new-room-private").await;
    page.click("new-room-submit").await;
    page.in_room("secret").await;
    page.says("room-topic", "not for everybody").await;
    page.click("room-menu").await;
    page.click("menu-invite").await;
    page.write("invite-user", &bob.user).await;
    page.click("invite-submit").await;
    page.says("toast", "invited").await;

    // He is told at once, and enters.
    other.says("visible-room", "Invited").await;
    other.enter_room("secret").await;
    page.shows_notice("bob came in").await;

    // While he is elsewhere, what he has not read is counted.
    other.script("location.hash = '';").await;
    other.appears("no-room").await;
    page.say("one").await;
    page.say("two").await;
    other.says("unread", "2").await;
    other.until("document.title.startsWith('(2)')").await;
    other.click("joined-room").await;
    other.shows("two").await;
    other.appears("unread-line").await;
    other.goes("unread").await;
    page.says("seen", "Seen by one").await;

    // A direct room is called by the other one, on both sides.
    other.click("show-members").await;
    let row = format!("[data-testid='member'][data-user='{}']", ann.user);
    other.press(&format!("{row} [data-testid='member-actions']")).await;
    other.click("member-write").await;
    other.in_room("ann").await;
    other.say("just us").await;
    page.until("[...document.querySelectorAll('.room-button')].some((r) => r.textContent.includes('bob') && r.querySelector('.unread'))").await;
    page.script("[...document.querySelectorAll('.room-button')].find((r) => r.textContent.includes('bob')).click();").await;
    page.in_room("bob").await;
    page.shows("just us").await;
    page.was_well().await;
    other.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_gives_roles_mutes_and_sends_out_and_the_other_sees_it() {
    let Some(two) = two_in_a_room().await else { return };
    let Two { ann, bob, room, page, other, .. } = &two;

    page.click("show-members").await;
    let row = format!("[data-testid='member'][data-user='{}']", bob.user);
    page.until(&format!("document.querySelector(\"{row}.here\")")).await;
    let act = format!("{row} [data-testid='member-actions']");
    page.press(&act).await;
    page.click("member-moderator").await;
    page.until(&format!("document.querySelector(\"{row} .badge\")?.textContent === 'moderator'"))
        .await;
    other.shows_notice("made bob moderator").await;

    page.press(&act).await;
    page.click("member-mute").await;
    page.write("member-mute-reason", "too loud").await;
    page.click("member-mute-submit").await;
    other.shows_notice("too loud").await;
    other.say("but").await;
    other.says("message", "Not sent:").await;
    other.click("discard").await;
    other.until("!document.querySelector(\"[data-testid='message']\")").await;
    page.until(&format!("document.querySelector(\"{row}\").textContent.includes('muted')")).await;
    page.press(&act).await;
    page.click("member-unmute").await;
    other.shows_notice("write again").await;
    other.say("thank you").await;
    page.shows("thank you").await;

    // The room is described anew, for both.
    page.click("room-menu").await;
    page.click("menu-describe").await;
    page.write("describe-topic", "quiet please").await;
    page.click("describe-submit").await;
    other.says("room-topic", "quiet please").await;

    page.press(&act).await;
    page.click("member-ban").await;
    page.click("member-ban-submit").await;
    other.appears("no-room").await;
    other.until("!document.querySelector('[data-testid=joined-room]')").await;
    page.until(&format!("!document.querySelector(\"{row}\")")).await;
    let members = ann.http.get(&format!("/api/v1/rooms/{room}/members")).await.expect(200).json();
    assert_eq!(members["members"].as_array().map(Vec::len), Some(1), "{}", json!(members));
    page.was_well().await;
    other.was_well_but_for(&["/api/v1/rooms/"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_counts_down_where_one_writes_and_keeps_what_was_written() {
    let Some(two) = two_in_a_room().await else { return };
    let Two { page, other, .. } = &two;
    other.goes("slow").await;
    page.click("room-menu").await;
    page.click("menu-describe").await;
    page.choose("describe-slow", "5").await;
    page.click("describe-submit").await;
    other.says("slow", "one message every 5 seconds").await;
    other.say("first").await;
    page.shows("first").await;
    other.says("slow", "write again in").await;
    other.say("second").await;
    let kept = "document.querySelector('#text').value.startsWith('second')";
    assert_eq!(other.script(&format!("return {kept};")).await, json!(true), "it is not lost");
    other.until("document.querySelector('#send').getAttribute('aria-disabled') === 'true'").await;
    // A reload knows of it too.
    other.reload().await;
    other.says("slow", "write again in").await;
    other.says("slow", "one message every 5 seconds").await;
    other.say("third").await;
    page.shows("third").await;
    // It does not hold for who keeps order.
    page.say("fourth").await;
    page.say("fifth").await;
    other.shows("fifth").await;
    page.goes("slow").await;
    page.was_well().await;
    other.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_old_for_the_room_disappear_while_one_looks_at_them() {
    let clock = Arc::new(ManualClock::at(SystemClock.now().0));
    let given = clock.clone();
    let server = Local::with(|choices| choices.chat = Box::new(|chat| chat.clock(given))).await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    bob.send(&room, "old", "soon forgotten").await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.shows("soon forgotten").await;
    page.click("room-menu").await;
    page.click("menu-describe").await;
    page.choose("describe-retention", "86400").await;
    page.click("describe-submit").await;
    page.until(&gone("describe-dialog")).await;
    clock.advance(Duration::from_secs(2 * 86_400));
    bob.send(&room, "new", "just said").await.expect(201);
    page.shows("just said").await;
    // The server looks for what is too old every 30 s.
    tokio::time::sleep(Duration::from_secs(25)).await;
    page.shows_notice("Older messages were removed").await;
    assert_eq!(page.texts().await, ["just said"]);
    page.says("beginning", "Older messages were removed.").await;
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_of_which_one_wants_to_hear_nothing_counts_nowhere_on_any_device() {
    let Some(two) = two_in_a_room().await else { return };
    let Two { server, ann, page, other, .. } = &two;
    let Some(device) = Page::of(server, ann).await else { return };
    page.click("room-menu").await;
    page.click("menu-notify").await;
    page.click("notify-none").await;
    page.click("notify-submit").await;
    page.appears("muted").await;
    device.appears("muted").await;
    other.say("@ann, are you there?").await;
    page.shows("@ann, are you there?").await;
    assert_eq!(device.script("return document.querySelector('.unread');").await, json!(null));

    // For a while, whatever the level says; then of mentions alone.
    page.click("room-menu").await;
    page.click("menu-notify").await;
    page.click("notify-mentions").await;
    page.choose("notify-snooze", "3600").await;
    page.click("notify-submit").await;
    page.until(&gone("notify-dialog")).await;
    page.appears("muted").await;
    page.click("room-menu").await;
    page.click("menu-notify").await;
    page.choose("notify-snooze", "0").await;
    page.click("notify-submit").await;
    device.until(&gone("muted")).await;
    page.script("location.hash = '';").await;
    page.appears("no-room").await;
    other.say("nothing much").await;
    other.say("but this, @ann").await;
    page.says("unread", "@1").await;
    for page in [page, other, &device] {
        page.was_well().await;
    }
}
