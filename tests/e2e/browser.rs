//! The page, used as a person would: in a real browser, by what is seen and clicked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chatcore::Chat;
use chatcore::store::memory::MemoryStore;
use chatcore_tests::browser::Browser;
use chatcore_tests::{Encoding, PATIENCE, Person, Server};
use chatcore_warp::serve::{ServeConfig, serve};
use fantoccini::Locator;
use fantoccini::elements::Element;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::Filter as _;

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

impl Page {
    async fn open(server: &Server) -> Option<Self> {
        Self::at(&server.url("/")).await
    }

    async fn at(url: &str) -> Option<Self> {
        let page = Self { browser: Browser::start().await? };
        page.browser.goto(url).await.unwrap();
        page.appears("login-form").await;
        page.script(WATCH).await;
        Some(page)
    }

    async fn element(&self, testid: &str) -> Element {
        let selector = named(testid);
        let found =
            self.browser.wait().at_most(PATIENCE).for_element(Locator::Css(&selector)).await;
        found.unwrap_or_else(|error| panic!("{testid}: {error}"))
    }

    async fn click(&self, testid: &str) {
        self.element(testid).await.click().await.unwrap();
    }

    async fn write(&self, testid: &str, text: &str) {
        self.element(testid).await.send_keys(text).await.unwrap();
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
            panic!("never: {condition}\n{}", shown.as_str().unwrap_or_default());
        }
    }

    async fn appears(&self, testid: &str) {
        let selector = named(testid).replace('"', "'");
        self.until(&format!("document.querySelector(\"{selector}\")?.checkVisibility()")).await;
    }

    async fn register(&self, handle: &str, password: &str) {
        self.click("show-register").await;
        self.write("register-handle", handle).await;
        self.write("register-name", &format!("{handle} of the page")).await;
        self.write("register-password", password).await;
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
        self.until(&format!("document.querySelector('#room-name').textContent === '{name}'")).await;
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

    /// Nothing of the page broke its own policy or threw.
    async fn was_well(&self) {
        let faults = self.script("return window.__faults ?? null;").await;
        assert_eq!(faults, Value::Null);
    }
}

/// The only room that `person` can see.
async fn only_room(person: &Person) -> String {
    let rooms = person.http.get("/api/v1/rooms?filter=visible").await.expect(200).json();
    rooms["rooms"][0]["room"].as_str().expect("a room").to_owned()
}

fn picture(folder: &Path) -> String {
    // One grey pixel.
    let bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";
    let path = folder.join("grey.png");
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_registers_makes_a_room_and_talks_with_someone_of_another_client() {
    let server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann", "correct horse battery").await;
    page.make_room("tea").await;
    page.say("Hello, is anybody there?").await;
    page.shows("Hello, is anybody there?").await;

    let bob = server.http().register("bob").await;
    let room = only_room(&bob).await;
    bob.enter(&room).await;
    let mut live = server.connect(&bob, Encoding::Msgpack).await;
    live.request("subscribe", json!({ "room": room, "since": { "seq": 0 } })).await;
    assert_eq!(live.next_event(&room, "message").await["text"], "Hello, is anybody there?");

    // Markup is text, whoever sends it.
    let hostile = "<img src=x onerror=\"document.title='hacked'; dispatchEvent(new ErrorEvent('error', {message: 'markup'}))\"> & <b>bold</b>";
    bob.send(&room, "bob-1", hostile).await.expect(201);
    page.shows(hostile).await;

    // A picture of hers reaches him, with what she says of it.
    let folder = tempfile::tempdir().unwrap();
    page.write("file", &picture(folder.path())).await;
    page.until("document.querySelector(\"[data-testid='pending-file'][data-state='uploaded']\")")
        .await;
    page.say("Look").await;
    let event = loop {
        let event = live.next_event(&room, "message").await;
        if event["text"] == "Look" {
            break event;
        }
    };
    assert_eq!(event["attachments"][0]["name"], "grey.png");
    assert_eq!(event["attachments"][0]["content_type"], "image/png");
    page.until("document.querySelector(\"[data-testid='image']\")?.naturalWidth === 1").await;

    page.click("leave").await;
    page.click("leave-submit").await;
    page.appears("no-room").await;
    assert_eq!(live.next_event(&room, "leave").await["room"], room.as_str());
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_written_while_the_server_is_away_arrives_once_when_it_is_back() {
    let mut server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann", "correct horse battery").await;
    page.make_room("tea").await;
    page.say("before").await;
    page.until("document.querySelectorAll(\"[data-testid='message'][data-seq]\").length === 1")
        .await;

    server.kill();
    page.until("document.querySelector('#connection').dataset.state !== 'ready'").await;
    page.say("meanwhile").await;
    page.shows("meanwhile").await;
    page.until("document.querySelector(\"[data-testid='message'][data-state='waiting']\")").await;

    server.restart().await;
    page.connected().await;
    page.until("document.querySelectorAll(\"[data-testid='message'][data-seq]\").length === 2")
        .await;
    page.say("after").await;
    page.until("document.querySelectorAll(\"[data-testid='message'][data-seq]\").length === 3")
        .await;
    assert_eq!(page.texts().await, ["before", "meanwhile", "after"]);

    let bob = server.http().register("bob").await;
    let room = only_room(&bob).await;
    bob.enter(&room).await;
    let log = bob.log(&room).await;
    let sent = log.iter().filter(|entry| entry["text"] == "meanwhile").count();
    assert_eq!(sent, 1, "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_session_and_older_messages_come_back_on_demand() {
    let server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann", "correct horse battery").await;
    page.make_room("tea").await;
    let bob = server.http().register("bob").await;
    let room = only_room(&bob).await;
    bob.enter(&room).await;
    for i in 0..70 {
        bob.send(&room, &format!("bob-{i}"), &format!("message {i}")).await.expect(201);
    }
    page.shows("message 69").await;

    page.browser.refresh().await.unwrap();
    page.click("joined-room").await;
    page.shows("message 69").await;
    assert!(!page.texts().await.contains(&"message 0".to_owned()), "a page is not the whole room");
    // What the button does, scrolling up does as well.
    page.script("document.querySelector('#earlier').click();").await;
    page.shows("message 0").await;
    page.appears("beginning").await;
    let wanted: Vec<_> = (0..70).map(|i| format!("message {i}")).collect();
    assert_eq!(page.texts().await, wanted);

    page.click("logout").await;
    page.appears("login-form").await;
    page.browser.refresh().await.unwrap();
    page.appears("login-form").await;
    page.write("login-name", "ann").await;
    page.write("login-password", "wrong horse battery").await;
    page.click("login-submit").await;
    page.appears("login-problem").await;
    page.script("document.querySelector(\"[data-testid='login-password']\").value = '';").await;
    page.write("login-password", "correct horse battery").await;
    page.click("login-submit").await;
    page.connected().await;
    page.appears("joined-room").await;
    page.was_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_under_a_path_of_the_application_s_own() {
    let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.unwrap();
    let routes = chatcore_warp::routes(chat, chatcore_warp::Config::default());
    let application = warp::path("support").and(warp::path("chat")).and(routes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        serve(listener, application, ServeConfig::default(), std::future::pending()).await
    });
    for path in ["/support/chat", "/support/chat/"] {
        let Some(page) = Page::at(&format!("http://{address}{path}")).await else { return };
        page.register(if path.ends_with('/') { "ann" } else { "bob" }, "correct horse battery")
            .await;
        page.make_room("tea").await;
        page.say("Hello").await;
        page.until("document.querySelector(\"[data-testid='message'][data-seq]\")").await;
        page.was_well().await;
    }
}
