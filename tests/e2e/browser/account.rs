//! One's account: proved by mail, found again, dressed, listed and ended.

use chatcore_tests::Local;
use serde_json::json;

use super::{PASSWORD, Page};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_confirmed_by_code_and_a_lost_password_is_set_anew() {
    let server = Local::start().await;
    let Some(page) = Page::local(&server).await else { return };
    page.click("show-register").await;
    page.write("register-email", "ann@example.org").await;
    page.write("register-password", PASSWORD).await;
    page.click("register-submit").await;
    page.appears("confirm-form").await;
    page.write("confirm-code", &code(&server, 0).await).await;
    page.click("confirm-submit").await;
    page.connected().await;
    page.click("logout").await;

    page.click("show-forgot").await;
    page.write("forgot-email", "ann@example.org").await;
    page.click("forgot-submit").await;
    page.appears("reset-form").await;
    page.write("reset-code", &code(&server, 1).await).await;
    page.write("reset-password", "another horse battery").await;
    page.click("reset-submit").await;
    page.says("toast", "password is set").await;
    page.write("login-password", "another horse battery").await;
    page.click("login-submit").await;
    page.connected().await;
    // What was on its way when she logged out.
    page.was_well_but_for(&["status of 401"]).await;
}

/// The code of a mail: its longest run of digits.
async fn code(server: &Local, mail: usize) -> String {
    let wait = async {
        loop {
            if let Some(mail) = server.mail.sent().get(mail) {
                return mail.text.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let text = tokio::time::timeout(chatcore_tests::PATIENCE, wait).await.expect("a mail comes");
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.max_by_key(|run| run.len()).expect("a code").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_for_others_and_a_session_is_ended_from_another() {
    let server = Local::start().await;
    let ann = server.http().register("ann").await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &ann).await else { return };
    page.make_room("tea").await;
    page.say("hello").await;

    page.click("settings").await;
    page.appears("profile-name").await;
    page.script("document.querySelector(\"[data-testid='profile-name']\").value = '';").await;
    page.write("profile-name", "Ann of the hill").await;
    page.click("profile-submit").await;
    page.says("me", "Ann of the hill").await;
    page.says("author", "Ann of the hill").await;
    page.script(
        "const canvas = document.createElement('canvas');
         canvas.width = canvas.height = 32;
         canvas.toBlob((blob) => {
           const files = new DataTransfer();
           files.items.add(new File([blob], 'me.png', { type: 'image/png' }));
           const input = document.querySelector(\"[data-testid='avatar-file']\");
           input.files = files.files;
           input.dispatchEvent(new Event('change'));
         });",
    )
    .await;
    page.until("document.querySelector('.message .avatar img')?.naturalWidth === 32").await;

    // Three: that of the harness, and one for each page.
    page.until("document.querySelectorAll(\"[data-testid='session']\").length === 3").await;
    page.says("session", "This one").await;
    let current =
        page.script("return document.querySelectorAll(\"[data-testid='revoke']\").length;").await;
    assert_eq!(current, json!(2));
    page.click("revoke").await;
    page.until("document.querySelectorAll(\"[data-testid='session']\").length === 2").await;
    page.click("revoke").await;
    page.until("document.querySelectorAll(\"[data-testid='session']\").length === 1").await;
    other.appears("login-form").await;
    other.says("login-problem", "logged out").await;

    // With the password changed, the old one is of no use.
    page.write("password-current", &ann.password).await;
    page.write("password-new", "another horse battery").await;
    page.click("password-submit").await;
    page.says("toast", "Changed").await;
    other.log_in("ann", "another horse battery").await;
    other.connected().await;
    page.was_well().await;
    other.was_well_but_for(&["WebSocket", "status of 401"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_chinese_to_who_wants_it() {
    let server = Local::start().await;
    let ann = server.http().register("ann").await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("settings").await;
    page.script("window.__old = true;").await;
    page.click("language-zh").await;
    page.until("!window.__old && document.documentElement.lang === 'zh'").await;
    page.script(super::WATCH).await;
    page.connected().await;
    page.says("connection", "已连接").await;
    page.make_room("茶").await;
    page.says("beginning", "这里是房间的开始").await;
    // Nothing of the other language is left in what is said of the page itself.
    let english = page
        .script("return [...document.body.innerText.matchAll(/[A-Za-z]{3,}/g)].map(([w]) => w).filter((w) => !['chatcore', 'ann'].includes(w));")
        .await;
    assert_eq!(english, json!([]));
    page.click("settings").await;
    page.click("theme-dark").await;
    page.until("getComputedStyle(document.documentElement).colorScheme === 'dark'").await;
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_takes_what_is_kept_of_them_and_is_erased_with_the_password() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = bob.create_room("public", "tea").await;
    ann.enter(&room).await;
    let Some(page) = Page::of(&server, &ann).await else { return };
    let Some(other) = Page::of(&server, &bob).await else { return };
    page.click("joined-room").await;
    page.say("to be forgotten").await;
    other.click("joined-room").await;
    other.shows("to be forgotten").await;

    page.click("settings").await;
    page.appears("export").await;
    let exported = page
        .browser
        .execute_async(
            "const [link, done] = [document.querySelector('[data-testid=export]'), arguments[0]];
             fetch(link.href).then((answer) => answer.text()).then((text) => done([link.download, text]));",
            Vec::new(),
        )
        .await
        .unwrap();
    assert_eq!(exported[0], "export.ndjson");
    let lines = exported[1].as_str().unwrap().lines();
    let lines: Vec<serde_json::Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().any(|line| line.to_string().contains("to be forgotten")), "{lines:?}");

    page.click("erase").await;
    page.write("erase-password", "wrong horse battery").await;
    page.click("erase-submit").await;
    page.appears("erase-problem").await;
    page.script("document.querySelector(\"[data-testid='erase-password']\").value = '';").await;
    page.write("erase-password", &ann.password).await;
    page.click("erase-submit").await;
    page.says("login-problem", "account is deleted").await;
    page.goes("erase-dialog").await;
    other.says("message", "This message was deleted.").await;
    page.log_in("ann", &ann.password).await;
    page.until("document.querySelector(\"[data-testid='login-problem']\").textContent.includes('password')").await;
    page.was_well_but_for(&["WebSocket", "status of 401", "status of 403"]).await;
    other.was_well().await;
}
