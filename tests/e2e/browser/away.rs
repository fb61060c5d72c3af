//! Away and back: without a server, after a reload, under another path.

use std::sync::Arc;

use chatcore::Chat;
use chatcore::store::memory::MemoryStore;
use chatcore_tests::Server;
use chatcore_warp::serve::{ServeConfig, serve};
use tokio::net::TcpListener;
use warp::Filter as _;

use super::{PASSWORD, Page, only_room};

/// What the browser itself says of a server that is not there.
const AWAY: &[&str] = &["ERR_CONNECTION", "WebSocket connection to", "net::ERR_"];

const SENT: &str = "document.querySelectorAll(\"[data-testid='message'][data-seq]\").length";

#[tokio::test(flavor = "multi_thread")]
async fn messages_written_while_the_server_is_away_arrive_once_when_it_is_back() {
    let mut server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann").await;
    page.make_room("tea").await;
    page.say("before").await;
    page.until(&format!("{SENT} === 1")).await;

    server.kill();
    page.appears("offline").await;
    page.say("meanwhile").await;
    page.shows("meanwhile").await;
    page.until("document.querySelector(\"[data-testid='message'][data-state='waiting']\")").await;
    page.say("and more").await;
    page.says("offline", "2 messages wait").await;

    server.restart().await;
    page.connected().await;
    page.until(&format!("{SENT} === 3")).await;
    page.goes("offline").await;
    page.say("after").await;
    page.until(&format!("{SENT} === 4")).await;
    assert_eq!(page.texts().await, ["before", "meanwhile", "and more", "after"]);

    let bob = server.http().register("bob").await;
    let room = only_room(&bob).await;
    bob.enter(&room).await;
    let log = bob.log(&room).await;
    let sent = log.iter().filter(|entry| entry["text"] == "meanwhile").count();
    assert_eq!(sent, 1, "{log:?}");
    page.was_well_but_for(AWAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_outlives_the_page_and_is_sent_by_the_next() {
    let mut server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann").await;
    page.make_room("tea").await;
    server.kill();
    page.appears("offline").await;
    page.say("kept").await;
    page.until("document.querySelector(\"[data-testid='message'][data-state='waiting']\")").await;
    let kept = "return Object.keys(localStorage).filter((key) => key.includes('unsent')).length;";
    assert_eq!(page.script(kept).await, 1);
    // The page goes, and comes again once there is a server.
    page.browser.goto("about:blank").await.unwrap();
    server.restart().await;
    page.go(&server.url("/")).await;
    page.connected().await;
    page.click("joined-room").await;
    page.until(&format!("{SENT} === 1")).await;
    assert_eq!(page.texts().await, ["kept"]);
    assert_eq!(page.script(kept).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_session_and_the_room_and_logging_out_ends_both() {
    let server = Server::start().await;
    let Some(page) = Page::open(&server).await else { return };
    page.register("ann").await;
    page.make_room("tea").await;
    page.say("hello").await;
    page.until(&format!("{SENT} === 1")).await;
    page.reload().await;
    page.shows("hello").await;
    page.in_room("tea").await;

    page.click("logout").await;
    page.appears("login-form").await;
    page.reload().await;
    page.appears("login-form").await;
    page.log_in("ann", "wrong horse battery").await;
    page.appears("login-problem").await;
    page.script("document.querySelector('#login-form').reset();").await;
    page.log_in("ann", PASSWORD).await;
    page.connected().await;
    page.appears("joined-room").await;
    page.was_well_but_for(&["/api/v1/sessions - Failed to load resource"]).await;
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
        page.register(if path.ends_with('/') { "ann" } else { "bob" }).await;
        page.make_room("tea").await;
        page.say("Hello").await;
        page.until(&format!("{SENT} === 1")).await;
        let me = "/api/v1/me - Failed to load resource: the server responded with a status of 401";
        page.was_well_but_for(&[me]).await;
    }
}
