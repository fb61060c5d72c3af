//! A long room: scrolling through it stays smooth, and its ends are close.

use std::time::{Duration, Instant};

use chatcore::id::{RoomId, UserId};
use chatcore::log::Draft;
use chatcore_tests::{Local, count};
use futures_util::future::try_join_all;
use serde_json::Value;

use super::Page;

const MESSAGES: usize = 100_000;
/// The most that a frame may take, at the 95th of a hundred, in milliseconds.
const FRAME_MS: f64 = 50.0;

/// Scrolls up by a good part of a screen in each frame, until the beginning is reached or the time is
/// over, and keeps how long each frame took.
const SCROLL: &str = "
    const scroll = document.querySelector('#scroll');
    const frames = window.__scrolled = { frames: [], done: false };
    const end = performance.now() + arguments[0];
    let last = performance.now();
    const step = (now) => {
      frames.frames.push(now - last);
      last = now;
      const begun = document.querySelector('#edge').dataset.state === 'beginning' && scroll.scrollTop === 0;
      if (begun || now > end) { frames.done = true; return; }
      scroll.scrollTop -= 300;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
";

async fn fill(server: &Local, room: &str, user: &str) {
    let (room, user) = (RoomId::parse(room).unwrap(), UserId::parse(user).unwrap());
    for chunk in (0..MESSAGES).collect::<Vec<_>>().chunks(1_000) {
        let caller = server.chat.as_user(&user);
        let sends = chunk.iter().map(|i| {
            let length = 1 + i * 7 % 40;
            let text = format!("message {i} {}", "and a few words more ".repeat(length / 8));
            caller.send(&room, Draft::text(text.trim()).once(&format!("fill-{i}")).unwrap())
        });
        try_join_all(sends).await.unwrap();
    }
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_messages_scroll_smoothly_and_both_ends_are_at_hand() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "long").await;
    bob.enter(&room).await;
    let started = Instant::now();
    fill(&server, &room, &bob.user).await;
    println!("filled with {MESSAGES} in {:.1} s", started.elapsed().as_secs_f64());
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.says("message-text", "message 99999").await;

    let seconds = count("CHATCORE_SCROLL_SECONDS", 6);
    let millis = serde_json::json!(seconds * 1_000);
    page.browser.execute(SCROLL, vec![millis]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(seconds as u64 + 20), page.until_scrolled(seconds))
        .await
        .expect("the scrolling ends");
    let frames: Vec<f64> =
        serde_json::from_value(page.script("return window.__scrolled.frames;").await).unwrap();
    let mut sorted = frames.clone();
    sorted.sort_by(f64::total_cmp);
    let oldest = page.script("return document.querySelector('.message .text').textContent;").await;
    let rows = page.script("return document.querySelector('#messages').childElementCount;").await;
    let (p50, p95, p99) =
        (percentile(&sorted, 0.5), percentile(&sorted, 0.95), percentile(&sorted, 0.99));
    println!(
        "{} frames, ms: p50 {p50:.1}, p95 {p95:.1}, p99 {p99:.1}, most {:.1}; up to {oldest}; {rows} rows",
        frames.len(),
        sorted[sorted.len() - 1],
    );
    assert!(frames.len() > 30, "{} frames", frames.len());
    assert!(p95 < FRAME_MS, "p95 {p95:.1} ms");
    assert!(rows.as_u64().unwrap() <= 500, "what is not seen is let go of: {rows} rows");
    let reached = oldest.as_str().and_then(|text| text.split(' ').nth(1)).unwrap();
    let reached: usize = reached.parse().unwrap();
    assert!(reached < MESSAGES - 500, "it went on as it scrolled: {reached}");

    // The first message, and from there down; then the newest, and what comes.
    page.script("document.querySelector('#scroll').focus();").await;
    page.keys("\u{E009}\u{E011}").await;
    page.keys("\u{E000}").await;
    page.says("message-text", "message 0").await;
    page.appears("beginning").await;
    let before = page.texts().await;
    assert_eq!(before.first().map(String::as_str), Some("message 0"));
    page.script("document.querySelector('#scroll').scrollTop = 1e9;").await;
    page.says("message-text", "message 150").await;
    bob.send(&room, "live", "just now").await.expect(201);
    page.appears("newest").await;
    page.click("newest").await;
    page.shows("just now").await;
    let texts = page.texts().await;
    let position = |wanted: &str| texts.iter().position(|text| text.starts_with(wanted));
    assert_eq!(position("just now"), position("message 99999").map(|at| at + 1));
    page.was_well().await;
}

impl Page {
    async fn until_scrolled(&self, seconds: usize) {
        tokio::time::sleep(Duration::from_secs(seconds as u64).mul_f64(0.9)).await;
        while self.script("return window.__scrolled.done;").await != Value::Bool(true) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_one_reads_further_up_is_there_in_order_when_one_comes_back() {
    let server = Local::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "long").await;
    bob.enter(&room).await;
    for i in 0..600 {
        bob.send(&room, &format!("{i}"), &format!("message {i}")).await.expect(201);
    }
    let first = bob.http.get(&format!("/api/v1/rooms/{room}/messages?after=0&limit=1")).await;
    let first = first.expect(200).json()["messages"][0]["message_id"].as_str().unwrap().to_owned();
    let answer =
        serde_json::json!({ "client_msg_id": "answer", "text": "to the first", "reply_to": first });
    bob.http.post(&format!("/api/v1/rooms/{room}/messages"), answer).await.expect(201);
    let Some(page) = Page::of(&server, &ann).await else { return };
    page.click("joined-room").await;
    page.shows("to the first").await;
    // To what it answers, which is far away.
    page.says("quote", "message 0").await;
    page.click("quote").await;
    page.until("document.activeElement.textContent.includes('message 0')").await;
    for i in 0..20 {
        bob.send(&room, &format!("later-{i}"), &format!("later {i}")).await.expect(201);
    }
    page.until("document.querySelector('.unread')?.textContent === '20'").await;
    // Down again, page by page: nothing is missing where the window meets what came meanwhile.
    page.until(
        "(() => { const scroll = document.querySelector('#scroll'); scroll.scrollTop = 1e9;
           return [...document.querySelectorAll('.text')].at(-1).textContent === 'later 19'; })()",
    )
    .await;
    let texts = page.texts().await;
    let at = texts.iter().position(|text| text == "message 599").expect("the end of the history");
    assert_eq!(texts[at + 1], "to the first");
    let later: Vec<_> = (0..20).map(|i| format!("later {i}")).collect();
    assert_eq!(texts[at + 2..], later);
    page.goes("unread").await;
    page.was_well().await;
}
