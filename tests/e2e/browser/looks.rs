//! How it looks: to those who see it, and to those who have it read to them.
//!
//! The pictures are kept in `target/pictures`; `page.png` is that of the README.

use std::path::PathBuf;

use chatcore_tests::{Local, Person, axe};
use serde_json::{Value, json};

use super::Page;

/// Where pictures go.
fn folder() -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    let folder =
        this.ancestors().nth(3).expect("it lies below the target directory").join("pictures");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Page {
    async fn picture(&self, name: &str) {
        // What moves or blinks would make each picture another one.
        self.script("document.activeElement?.blur?.();").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let bytes = self.browser.screenshot().await.unwrap();
        std::fs::write(folder().join(format!("{name}.png")), bytes).unwrap();
    }

    /// axe-core finds nothing that is serious or worse.
    async fn is_usable(&self, axe: &str, state: &str) {
        self.script(&format!("if (!window.axe) {{ {axe} }}")).await;
        let found = self
            .browser
            .execute_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(
                   violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
                     .map(({ id, nodes }) => [id, ...nodes.slice(0, 5).map((node) => node.html + ' ' + node.failureSummary)]),
                 ), (problem) => done(String(problem)));",
                Vec::new(),
            )
            .await
            .unwrap();
        assert_eq!(found, json!([]), "{state}: {found:#}");
    }

    async fn wide(&self, width: u32, height: u32) {
        self.browser.set_window_size(width, height).await.unwrap();
    }
}

async fn said(person: &Person, room: &str, name: &str, body: Value) -> String {
    let mut body = body;
    body["client_msg_id"] = json!(name);
    let sent = person.http.post(&format!("/api/v1/rooms/{room}/messages"), body).await;
    sent.expect(201).json()["message_id"].as_str().unwrap().to_owned()
}

async fn called(server: &Local, handle: &str, name: &str) -> Person {
    let person = server.http().register(handle).await;
    let changed = json!({ "display_name": name });
    person.http.json(reqwest::Method::PATCH, "/api/v1/me", changed).await.expect(200);
    person
}

/// A conversation of a few people, as one of them would show it to others.
async fn conversation(server: &Local, ann: &Person) -> String {
    let ben = called(server, "ben", "Ben Okafor").await;
    let mei = called(server, "mei", "Mei Lindqvist").await;
    let dina = called(server, "dina", "Dina Haddad").await;
    let body =
        json!({ "kind": "public", "name": "Release 0.2", "topic": "What goes in, and what waits" });
    let room = ann.http.post("/api/v1/rooms", body).await.expect(201).json();
    let room = room["room"].as_str().unwrap().to_owned();
    for person in [&ben, &mei, &dina] {
        person.enter(&room).await;
    }
    let aside = ben.create_room("public", "Lunch").await;
    ann.enter(&aside).await;
    mei.create_room("public", "Design").await;
    said(&ben, &aside, "soup", json!({ "text": "Soup today." })).await;
    said(&ben, &aside, "bread", json!({ "text": "With bread." })).await;
    said(&ben, &room, "1", json!({ "text": "Good morning! The last benchmark is through." })).await;
    let numbers = said(&ben, &room, "2", json!({ "text": "Every acknowledged message was on disk after the power cut, see https://example.org/report/41" })).await;
    said(&mei, &room, "3", json!({ "text": "And nobody got one twice?", "reply_to": numbers }))
        .await;
    let none = said(&ben, &room, "4", json!({ "text": "Not one.\n```\n12000000 deliveries, 0 lost, 0 twice, 0 out of order\n```" })).await;
    said(
        &dina,
        &room,
        "5",
        json!({ "text": "@ann shall we tag it today? I have run `tests/run` on both machines." }),
    )
    .await;
    for (person, emoji) in [(&mei, "❤"), (&dina, "❤"), (ann, "❤"), (&mei, "☕")] {
        let emoji: String = emoji.bytes().map(|b| format!("%{b:02X}")).collect();
        let path = format!("/api/v1/rooms/{room}/messages/{none}/reactions/{emoji}");
        chatcore_tests::Http::send(person.http.request(reqwest::Method::PUT, &path))
            .await
            .expect(200);
    }
    let pin = format!("/api/v1/rooms/{room}/pins/{numbers}");
    chatcore_tests::Http::send(ann.http.request(reqwest::Method::PUT, &pin)).await.expect(200);
    let direct = json!({ "kind": "direct", "members": [ann.user] });
    dina.http.post("/api/v1/rooms", direct).await.expect(201);
    room
}

impl Page {
    /// Opens something from the menu of the room on the screen, pictures and judges it.
    async fn of_the_room(&self, entry: &str, there: &str, axe: &str, state: &str) {
        self.click("room-menu").await;
        self.click(entry).await;
        self.appears(there).await;
        self.seen(axe, state).await;
        self.click("close-dialog").await;
    }

    async fn seen(&self, axe: &str, state: &str) {
        self.is_usable(axe, state).await;
        self.picture(&state.replace(", ", "-").replace(' ', "-")).await;
        let wide =
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
        assert_eq!(self.script(wide).await, json!(0), "{state}: wider than the window");
    }

    /// Everything that opens in a dialog, in the colours and the width that there are.
    async fn dialogs_are_usable(&self, axe: &str, how: &str) {
        let named = |what: &str| format!("{what}, {how}");
        self.of_the_room("menu-links", "links-dialog", axe, &named("links")).await;
        self.of_the_room("menu-describe", "describe-slow", axe, &named("describe")).await;
        self.of_the_room("menu-audit", "audit-entry", axe, &named("audit")).await;
        self.of_the_room("menu-pins", "pinned-message", axe, &named("pins")).await;
        self.on_message("And nobody got one twice?", "message-more").await;
        self.click("report").await;
        self.appears("report-dialog").await;
        self.seen(axe, &named("report")).await;
        self.click("close-dialog").await;
        self.script("document.querySelector('#admin').click();").await;
        self.appears("figures").await;
        self.seen(axe, &named("admin overview")).await;
        for (tab, there) in
            [("users", "user"), ("rooms", "room"), ("reports", "report"), ("audit", "")]
        {
            self.click(&format!("admin-{tab}")).await;
            let row =
                if there.is_empty() { "audit-entry".to_owned() } else { format!("admin-{there}") };
            self.appears(&row).await;
            self.seen(axe, &named(&format!("admin {tab}"))).await;
        }
        self.click("close-dialog").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moderators_and_admins_open_can_be_used_in_light_and_dark_wide_and_narrow() {
    let Some(axe) = axe::script() else { return };
    let server = Local::start().await;
    let ann = called(&server, "ann", "Ann Lee").await;
    server.chat.set_admin(&ann.user.parse().unwrap(), true).await.unwrap();
    let room = conversation(&server, &ann).await;
    let eve = called(&server, "eve", "Eve Moreau").await;
    eve.enter(&room).await;
    let rude = said(&eve, &room, "rude", json!({ "text": "Nobody wants to read this." })).await;
    let report = json!({ "reason": "Rude, and not for the first time." });
    ann.http
        .post(&format!("/api/v1/rooms/{room}/messages/{rude}/reports"), report)
        .await
        .expect(204);
    let muted = json!({ "action": "mute", "reason": "rude" });
    ann.http.post(&format!("/api/v1/rooms/{room}/members/{}", eve.user), muted).await.expect(200);
    let links = format!("/api/v1/rooms/{room}/invite-links");
    ann.http.post(&links, json!({ "uses": 5 })).await.expect(201);
    let invited = ann.http.post(&links, json!({})).await.expect(201).json();
    let code = invited["code"].as_str().unwrap();

    let Some(page) = Page::at(&format!("http://{}/#invite={code}", server.address())).await else {
        return;
    };
    page.says("invited", "Release 0.2").await;
    page.seen(&axe, "invited").await;
    page.log_in("ann", &ann.password).await;
    page.in_room("Release 0.2").await;
    page.dialogs_are_usable(&axe, "light").await;

    page.on_message("Nobody wants to read this.", "message-more").await;
    page.click("block").await;
    page.appears("block-dialog").await;
    page.seen(&axe, "block").await;
    page.click("block-submit").await;
    page.appears("folded").await;
    page.seen(&axe, "folded").await;

    page.click("settings").await;
    page.click("theme-dark").await;
    page.script("document.querySelector('dialog').scrollTop = 1e6;").await;
    page.seen(&axe, "account, dark").await;
    page.click("erase").await;
    page.appears("erase-password").await;
    page.seen(&axe, "erase, dark").await;
    page.script("for (const dialog of document.querySelectorAll('dialog')) dialog.close();").await;
    page.telephone().await;
    page.dialogs_are_usable(&axe, "narrow, dark").await;
    page.was_well().await;
}

impl Page {
    /// As wide as a small telephone: narrower than a window can be made.
    async fn telephone(&self) {
        let screen = json!({ "width": 360, "height": 780, "deviceScaleFactor": 2, "mobile": true });
        self.browser.cdp("Emulation.setDeviceMetricsOverride", screen).await;
        self.until("document.documentElement.clientWidth === 360").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_used_and_looked_at_in_light_and_dark_wide_and_narrow() {
    let Some(axe) = axe::script() else { return };
    let server = Local::start().await;
    let ann = called(&server, "ann", "Ann Lee").await;
    let room = conversation(&server, &ann).await;
    let Some(page) = Page::local(&server).await else { return };
    page.wide(1280, 930).await;
    page.picture("login").await;
    page.is_usable(&axe, "login").await;
    page.click("show-register").await;
    page.is_usable(&axe, "register").await;
    page.click("show-login").await;
    page.log_in("ann", &ann.password).await;
    page.connected().await;
    page.appears("joined-room").await;
    page.is_usable(&axe, "no room").await;

    page.press(&format!("[data-room='{room}']")).await;
    page.in_room("Release 0.2").await;
    page.says("message-text", "shall we tag it").await;
    page.say("Yes. @dina will you do it? The notes are ready.").await;
    page.until("document.querySelector('.message:last-child[data-seq]')").await;
    page.click("show-members").await;
    page.until("document.querySelectorAll('.member').length === 4").await;
    page.until("!document.querySelector('#messages').textContent.includes('…')").await;
    page.picture("page").await;
    page.is_usable(&axe, "room").await;
    page.on_message("And nobody got one twice?", "message-more").await;
    page.appears("copy").await;
    page.is_usable(&axe, "menu").await;
    page.keys("\u{E00C}").await;
    page.write("text", "@").await;
    page.appears("completion").await;
    page.is_usable(&axe, "completion").await;
    page.keys("\u{E00C}\u{E003}").await;

    page.click("settings").await;
    page.until("document.querySelector(\"[data-testid='session']\")").await;
    page.is_usable(&axe, "settings").await;
    page.click("theme-dark").await;
    page.is_usable(&axe, "settings, dark").await;
    page.click("close-dialog").await;
    page.picture("dark").await;
    page.is_usable(&axe, "room, dark").await;
    page.click("help").await;
    page.is_usable(&axe, "help, dark").await;
    page.click("close-dialog").await;

    page.script("document.querySelector('#close-members').click();").await;
    page.wide(420, 860).await;
    page.until("document.documentElement.clientWidth <= 500").await;
    page.appears("back").await;
    page.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        .await;
    page.picture("narrow").await;
    page.is_usable(&axe, "narrow, dark").await;
    page.click("back").await;
    page.appears("joined-room").await;
    page.goes("room").await;
    page.picture("narrow-rooms").await;
    page.is_usable(&axe, "rooms, narrow, dark").await;
    page.was_well().await;
}
