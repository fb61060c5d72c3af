//! That the load generator measures a server of this build, and that its checks find nothing.

use std::process::Command;

use chatcore_tests::{Server, example};
use serde_json::Value;

/// Runs the generator against a server of its own, and returns what it printed.
async fn load(shape: &str, arguments: &[&str]) -> Vec<Value> {
    let mut server = Server::start().await;
    let mut command = Command::new(example("load"));
    command.arg(shape).args(["--json", "--accounts", "2", "--url", &server.url("")]);
    command.arg("--pid").arg(server.process().id().to_string()).args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output());
    let ran = ran.await.expect("it runs to its end").expect("it starts");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "it found faults:\n{said}\n{}", server.output());
    let lines = String::from_utf8(ran.stdout).expect("it prints text");
    lines.lines().map(|line| serde_json::from_str(line).expect("it prints JSON")).collect()
}

fn faults(window: &Value) -> u64 {
    let faults = window["faults"].as_object().unwrap_or_else(|| panic!("no faults in {window}"));
    faults.values().filter_map(Value::as_u64).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_generator_finds_no_fault_in_two_rooms_of_fifty() {
    let arguments = ["--rooms", "2", "--members", "50", "--rate", "100", "--secs", "0.5"];
    let windows =
        load("fanout", &[&arguments[..], &["--repeat", "1", "--warmup", "0"]].concat()).await;
    let [window] = &windows[..] else { panic!("one window: {windows:?}") };
    assert_eq!((window["sent"].as_u64(), faults(window)), (Some(50), 0));
    assert_eq!(window["deliveries"], 50 * 50);
    assert!(window["server_resident_kib"].as_u64().is_some_and(|kib| kib > 1_000), "{window}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_do_not_keep_up_hear_of_it_and_miss_nothing() {
    let arguments = ["--members", "5", "--rate", "2500", "--messages", "2500", "--secs", "0.2"];
    let said = load("slow", &[&arguments[..], &["--warmup", "0.1"]].concat()).await;
    let [alone, with, end] = &said[..] else { panic!("two windows and an end: {said:?}") };
    assert_eq!((faults(alone), faults(with)), (0, 0));
    assert_eq!(with["deliveries"], 2_500 * 5);
    let laggards = end["laggards"].as_array().expect("the two");
    assert_eq!(laggards.len(), 2);
    for laggard in laggards {
        let count = |field: &str| laggard[field].as_u64().expect("a number");
        assert_eq!(laggard["told"], "a gap (slow)");
        assert_eq!((count("events") + count("caught_up"), faults(laggard)), (2_500, 0));
    }
}
