//! The example that starts a whole cluster.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chatcore_servers::{Nats, Postgres};
use chatcore_tests::process::Process;
use chatcore_tests::{Http, example};
use tempfile::TempDir;

/// It initialises a database and starts five servers.
const PATIENCE: Duration = Duration::from_secs(90);

/// The cluster, and the folder for all that it keeps; none, having said so, where a server is not
/// installed.
fn start() -> Option<(Process, Vec<SocketAddr>, TempDir)> {
    // Whether they are there. These end at once.
    drop((Postgres::start()?, Nats::start()?));
    let folder = tempfile::tempdir().expect("a temporary directory");
    // PostgreSQL may run as somebody else, who has to get in, and to remove a folder at the end.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).expect("it is ours");
    let mut command = Command::new(example("cluster"));
    command.env("CHATCORE_SERVER_BIN", example("server")).env("TMPDIR", folder.path());
    let mut process = Process::start("the cluster", command);
    let ready = process
        .wait_for_line(PATIENCE, |line| line.starts_with("Ctrl-C ends all of it").then_some(()));
    assert!(ready.is_some(), "it does not start:\n{}", process.output());
    let output = process.output();
    let pages = output.lines().filter_map(|line| line.trim().strip_prefix("page"));
    let addresses = pages.map(|page| {
        let address = page.trim().trim_start_matches("http://").trim_end_matches('/');
        address.parse().expect("an address")
    });
    Some((process, addresses.collect(), folder))
}

async fn wait_until_empty(folder: &Path) {
    let end = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> = std::fs::read_dir(folder).expect("ours").flatten().collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{left:?} stay behind");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_is_one_chat_of_three_servers_and_leaves_nothing_behind() {
    let Some((mut process, nodes, folder)) = start() else { return };
    assert_eq!(nodes.len(), 3);
    let ann = Http::new(nodes[0]).register("ann").await;
    let room = ann.create_room("public", "general").await;
    ann.send(&room, "one", "hello").await.expect(201);
    for node in &nodes {
        let http = Http::new(*node).with_token(ann.token.clone());
        let log = http.get(&format!("/api/v1/rooms/{room}/log?after=0")).await.expect(200).json();
        assert!(log.to_string().contains("hello"), "{log}");
    }
    let status = process.terminate(PATIENCE).await;
    assert!(status.success(), "{status}: {}", process.output());
    wait_until_empty(folder.path()).await;
    for node in nodes {
        assert!(std::net::TcpStream::connect(node).is_err(), "{node} still listens");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_leaves_nothing_behind_when_it_is_killed() {
    let Some((mut process, nodes, folder)) = start() else { return };
    process.kill();
    wait_until_empty(folder.path()).await;
    for node in nodes {
        assert!(std::net::TcpStream::connect(node).is_err(), "{node} still listens");
    }
}
