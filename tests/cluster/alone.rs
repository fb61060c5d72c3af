//! What makes no cluster is refused at the start.

use std::process::Command;
use std::time::Duration;

use chatcore_tests::example;
use chatcore_tests::process::Process;

#[tokio::test]
async fn a_bus_beside_a_store_that_no_other_node_can_open_is_refused_with_advice() {
    for store in ["sqlite:chat.db", "memory:"] {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(example("server"));
        command.args(["--store", store, "--bus", "nats://ann:hunter2@127.0.0.1:4222"]);
        command.args(["--http", "127.0.0.1:0", "--quic", "off", "--data", "data"]);
        command.current_dir(folder.path());
        let mut server = Process::start("the server", command);
        let line = |line: &str| line.contains("--store postgres://").then_some(());
        let said = server.wait_for_line(Duration::from_secs(20), line);
        assert!(said.is_some(), "{store}: {}", server.output());
        assert!(!server.output().contains("hunter2"), "{}", server.output());
        for _ in 0..500 {
            if server.ended().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(server.ended().is_some_and(|status| !status.success()), "it has not started");
    }
}
