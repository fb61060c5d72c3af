//! The page, used as a person would: in a real browser, by what is seen and clicked.

mod account;
mod admin;
mod away;
mod blocks;
mod figures;
mod files;
mod invites;
mod long;
mod looks;
mod rooms;
mod search;
mod talk;

use std::time::Duration;

use chatcore_tests::browser::Browser;
use chatcore_tests::{Local, PATIENCE, Person, Server};
use fantoccini::Locator;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use serde_json::{Value, json};

/// A password that all of them have.
const PASSWORD: &str = "correct horse battery";

/// One person at the page.
struct Page {
    browser: Browser,
}

/// Keeps what the page's policy refused and what its scripts threw.
const WATCH: &str = "
    const fault = (what) => { (window.__faults ??= []).push(String(what)); };
    addEventListener('securitypolicyviolation', (event) => fault(event.violatedDirective));
    addEventListener('error', (event) => fault(event.message));
    addEventListener('unhandledrejection', (event) => fault(event.reason));
";

fn named(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

/// Ann, who owns a room, and Bob, who is in it, each at a page with the room on it.
struct Two {
    server: Local,
    ann: Person,
    bob: Person,
    room: String,
    page: Page,
    other: Page,
}

async fn two_in_a_room() -> Option<Two> {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "tea").await;
    bob.enter(&room).await;
    let (page, other) = (Page::of(&server, &ann).await?, Page::of(&server, &bob).await?);
    for page in [&page, &other] {
        page.click("joined-room").await;
        page.in_room("tea").await;
    }
    Some(Two { server, ann, bob, room, page, other })
}

/// That nothing of this test id is in the document.
fn gone(testid: &str) -> String {
    format!("!document.querySelector({})", json!(named(testid)))
}

impl Page {
    async fn open(server: &Server) -> Option<Self> {
        Self::at(&server.url("/")).await
    }

    async fn local(server: &Local) -> Option<Self> {
        Self::at(&format!("http://{}/", server.address())).await
    }

    /// A browser with nothing in it yet.
    async fn blank() -> Option<Self> {
        Some(Self { browser: Browser::start().await? })
    }

    async fn at(url: &str) -> Option<Self> {
        let page = Self::blank().await?;
        page.go(url).await;
        page.appears("login-form").await;
        Some(page)
    }

    /// Someone who has an account, signed in.
    async fn of(server: &Local, person: &Person) -> Option<Self> {
        let page = Self::local(server).await?;
        page.log_in(&person.handle, &person.password).await;
        page.connected().await;
        Some(page)
    }

    async fn go(&self, url: &str) {
        self.browser.goto(url).await.unwrap();
        self.script(WATCH).await;
    }

    async fn reload(&self) {
        self.browser.refresh().await.unwrap();
        self.script(WATCH).await;
    }

    async fn find(&self, selector: &str) -> Element {
        let found = self.browser.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Tries again as long as the page is still drawing what is to be used.
    async fn patiently<F: Future<Output = Result<(), CmdError>>>(
        &self,
        selector: &str,
        act: impl Fn(Element) -> F,
    ) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match act(self.find(selector).await).await {
                Ok(()) => return,
                Err(error) if tokio::time::Instant::now() > end => panic!("{selector}: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }

    async fn press(&self, selector: &str) {
        self.patiently(selector, |element| async move { element.click().await }).await;
    }

    async fn click(&self, testid: &str) {
        self.press(&named(testid)).await;
    }

    async fn write(&self, testid: &str, text: &str) {
        let selector = named(testid);
        self.patiently(&selector, |element| async move { element.send_keys(text).await }).await;
    }

    /// Chooses from a list.
    async fn choose(&self, testid: &str, value: &str) {
        self.press(&format!("{} option[value='{value}']", named(testid))).await;
    }

    async fn script(&self, script: &str) -> Value {
        self.browser.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until `condition`, an expression of the page's own, holds.
    async fn until(&self, condition: &str) {
        let wait = async {
            while self.script(&format!("return Boolean({condition});")).await != json!(true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let shown = self.script("return document.body.innerText;").await;
            let said = self.browser.console().await;
            panic!("never: {condition}\n{}\n{said:?}", shown.as_str().unwrap_or_default());
        }
    }

    async fn appears(&self, testid: &str) {
        let selector = named(testid).replace('"', "'");
        self.until(&format!("document.querySelector(\"{selector}\")?.checkVisibility()")).await;
    }

    async fn goes(&self, testid: &str) {
        let selector = named(testid).replace('"', "'");
        self.until(&format!("!document.querySelector(\"{selector}\")?.checkVisibility()")).await;
    }

    /// Waits until something of this test id says `text`.
    async fn says(&self, testid: &str, text: &str) {
        let (selector, text) = (json!(named(testid)), json!(text));
        self.until(&format!(
            "[...document.querySelectorAll({selector})]
                .some((shown) => shown.textContent.includes({text}))"
        ))
        .await;
    }

    /// Waits until a line between the messages says `text`.
    async fn shows_notice(&self, text: &str) {
        self.says("notice", text).await;
    }

    async fn log_in(&self, handle: &str, password: &str) {
        self.write("login-name", handle).await;
        self.write("login-password", password).await;
        self.click("login-submit").await;
    }

    async fn register(&self, handle: &str) {
        self.click("show-register").await;
        self.write("register-handle", handle).await;
        self.write("register-name", &format!("{handle} of the page")).await;
        self.write("register-password", PASSWORD).await;
        self.click("register-submit").await;
        self.connected().await;
    }

    async fn connected(&self) {
        self.until("document.querySelector('#connection')?.dataset.state === 'ready'").await;
    }

    async fn make_room(&self, name: &str) {
        self.click("new-room").await;
        self.write("new-room-name", name).await;
        self.click("new-room-submit").await;
        self.in_room(name).await;
    }

    async fn in_room(&self, name: &str) {
        let name = json!(name);
        self.until(&format!("document.querySelector('#room-name').textContent === {name}")).await;
    }

    /// Enters the room that there is to enter.
    async fn enter_room(&self, name: &str) {
        self.click("visible-room").await;
        self.in_room(name).await;
    }

    /// The texts of the messages on the screen, from the oldest.
    async fn texts(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll(\"[data-testid='message-text']\")]
            .map((text) => text.textContent);";
        serde_json::from_value(self.script(script).await).unwrap()
    }

    async fn shows(&self, text: &str) {
        let text = json!(text);
        self.until(&format!(
            "[...document.querySelectorAll(\"[data-testid='message-text']\")]
                .some((shown) => shown.textContent === {text})"
        ))
        .await;
    }

    async fn say(&self, text: &str) {
        self.write("text", &format!("{text}\n")).await;
    }

    /// Opens the tools of the message that says `text`, and presses one.
    async fn on_message(&self, text: &str, tool: &str) {
        let text = json!(text);
        self.script(&format!(
            "[...document.querySelectorAll(\"[data-testid='message-text']\")]
                .findLast((shown) => shown.textContent === {text}).closest('.message').focus();"
        ))
        .await;
        self.click(tool).await;
    }

    /// Sends keys to whatever has the focus.
    async fn keys(&self, keys: &str) {
        let focused = self.browser.active_element().await.unwrap();
        focused.send_keys(keys).await.unwrap();
    }

    /// Nothing of the page broke its own policy or threw, and the console was told of nothing but what
    /// was `expected`.
    async fn was_well_but_for(&self, expected: &[&str]) {
        let faults = self.script("return window.__faults ?? null;").await;
        assert_eq!(faults, Value::Null);
        // Who comes without a session is asked for it by an answer that the browser reports.
        let known = |line: &String| {
            line.contains(
                "/api/v1/me - Failed to load resource: the server responded with a status of 401",
            ) || expected.iter().any(|part| line.contains(part))
        };
        let said: Vec<_> = self.browser.console().await.into_iter().filter(|l| !known(l)).collect();
        assert_eq!(said, Vec::<String>::new());
    }

    async fn was_well(&self) {
        self.was_well_but_for(&[]).await;
    }
}

/// The only room that `person` can see.
async fn only_room(person: &Person) -> String {
    let rooms = person.http.get("/api/v1/rooms?filter=visible").await.expect(200).json();
    rooms["rooms"][0]["room"].as_str().expect("a room").to_owned()
}
