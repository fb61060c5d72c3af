//! That nothing is left behind.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chatcore_servers::Postgres;

/// Set in the process that is to be killed.
const VICTIM: &str = "CHATCORE_SERVERS_VICTIM";

fn folder_of(url: &str) -> &Path {
    Path::new(url.split_once("host=").expect("a folder").1)
}

fn wait_until_gone(folder: &Path) {
    let end = Instant::now() + Duration::from_secs(30);
    while folder.exists() {
        assert!(Instant::now() < end, "{} stays", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn server_ends_with_its_owner_and_with_a_process_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let server = Postgres::shared().expect("it was there a moment ago");
        println!("{}", server.url());
        std::thread::sleep(Duration::from_secs(600));
    }
    let Some(server) = Postgres::start() else { return };
    let url = server.url();
    assert!(folder_of(&url).exists());
    server.pause();
    drop(server);
    assert!(!folder_of(&url).exists(), "the drop waits");

    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--nocapture",
            "--exact",
            "server_ends_with_its_owner_and_with_a_process_that_is_killed",
        ])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(victim.stdout.take().expect("it is piped")).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| line.find("postgres://").map(|at| line[at..].to_owned()))
        .expect("it says where");
    assert!(folder_of(&url).exists());
    victim.kill().expect("it is killed");
    victim.wait().expect("it is gone");
    wait_until_gone(folder_of(&url));
}
