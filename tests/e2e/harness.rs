//! That the harness itself does what the scenarios rely on.

use std::process::Command;
use std::time::Duration;

use chatcore_tests::browser::Browser;
use chatcore_tests::process::Process;
use chatcore_tests::{Encoding, Local};
use chatcore_warp::serve::Stopped;
use serde_json::json;

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    Process::start("a shell", command)
}

#[test]
fn a_process_ends_with_its_owner() {
    let process = shell("exec sleep 600");
    let path = format!("/proc/{}/stat", process.id());
    assert!(std::fs::exists(&path).unwrap());
    drop(process);
    assert!(!std::fs::exists(&path).unwrap());
}

#[tokio::test]
async fn what_a_process_prints_is_kept_and_its_end_is_seen() {
    let mut process =
        shell("trap 'echo ending; exit 3' TERM; echo ready >&2; while :; do sleep 0.05; done");
    let ready =
        process.wait_for_line(Duration::from_secs(10), |line| line.contains("ready").then_some(()));
    assert!(ready.is_some() && process.ended().is_none());
    assert!(process.resident_kib() > 0 && process.peak_kib() >= process.resident_kib() / 2);
    let status = process.terminate(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_a_page() {
    let Some(browser) = Browser::start().await else { return };
    browser.goto("data:text/html,<title>hello</title>").await.unwrap();
    assert_eq!(browser.title().await.unwrap(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_this_process_says_goodbye_like_any_other() {
    let server = Local::start().await;
    let ann = server.http().register("ann").await;
    let mut client = server.connect(&ann, Encoding::Msgpack).await;
    let room = client.request("create_room", json!({ "kind": "public", "name": "here" })).await;
    assert_eq!(room["head_seq"], 2, "the room, and her coming in");
    let stopping = tokio::spawn(server.stop());
    assert!(client.next("goaway").await["retry_after_ms"].is_u64());
    client.close().await;
    assert_eq!(stopping.await.unwrap(), Stopped::Drained);
}
