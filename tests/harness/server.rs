//! The example server, as its own process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::http::Http;
use crate::process::Process;
use crate::{Encoding, PATIENCE, Person, WsClient};

/// A server on a free port, with its own data, which outlives [`stop`](Self::stop) and
/// [`kill`](Self::kill) and goes with this value.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    data: TempDir,
    address: SocketAddr,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    file_limit: Option<u64>,
}

impl Server {
    /// Starts a server without limits per user and address, and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(&["--limits", "off"]).await
    }

    /// Starts a server with these arguments beside those of the address and the data.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::start_under(arguments, &[], None).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_with_environment(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_under(arguments, environment, None).await
    }

    /// Starts a server as [`start`](Self::start) does, that serves QUIC too.
    pub async fn start_with_quic() -> Self {
        Self::start_with_quic_under(&[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_with_quic_under(environment: &[(&str, &str)]) -> Self {
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = probe.local_addr().expect("it is bound").to_string();
        drop(probe);
        let arguments = ["--limits", "off", "--quic", &address];
        Self::start_with_environment(&arguments, environment).await
    }

    /// Starts a further node of the chat that `other` serves, with these arguments: it has the same
    /// secret and shows the same certificate.
    pub async fn start_beside(other: &Self, arguments: &[&str]) -> Self {
        let mut server = Self::prepare(arguments, &[], None);
        std::fs::create_dir(server.data()).expect("a folder of its own");
        for file in ["secret", "quic.pem"] {
            // It copies who may read it, too.
            std::fs::copy(other.data().join(file), server.data().join(file)).expect("it is there");
        }
        server.launch_anywhere().await;
        server
    }

    /// Starts a server for whose files the disk is full above `bytes` each.
    pub async fn start_with_file_limit(bytes: u64) -> Self {
        Self::start_under(&["--limits", "off"], &[], Some(bytes)).await
    }

    async fn start_under(
        arguments: &[&str],
        environment: &[(&str, &str)],
        file_limit: Option<u64>,
    ) -> Self {
        let mut server = Self::prepare(arguments, environment, file_limit);
        server.launch_anywhere().await;
        server
    }

    fn prepare(arguments: &[&str], environment: &[(&str, &str)], file_limit: Option<u64>) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            process: None,
            data: tempfile::tempdir().expect("a temporary directory"),
            address: free_address(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            environment: environment.iter().map(owned).collect(),
            file_limit,
        }
    }

    async fn launch_anywhere(&mut self) {
        // Another process may take the port between its choice and its use.
        for _ in 0..3 {
            if self.try_launch().await {
                return;
            }
            self.address = free_address();
        }
        self.launch().await;
    }

    async fn launch(&mut self) {
        assert!(self.try_launch().await, "the server ended at once:\n{}", self.output());
    }

    /// Launches it and waits until it is ready; `false` if it ended instead.
    async fn try_launch(&mut self) -> bool {
        let mut command = match self.file_limit {
            None => Command::new(binary()),
            Some(bytes) => confined(bytes),
        };
        command.arg("--http").arg(self.address.to_string());
        command.arg("--data").arg(self.data.path().join("data"));
        command.args(&self.arguments).current_dir(self.data.path());
        command.env("RUST_BACKTRACE", "1");
        // Its port is fixed unless it is chosen; an argument outranks this.
        command.env("CHATCORE_QUIC", "off");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = self.process.insert(Process::start("the server", command));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let end = Instant::now() + PATIENCE;
        while process.ended().is_none() {
            let ready = client.get(format!("http://{}/readyz", self.address)).send().await;
            if ready.is_ok_and(|reply| reply.status().is_success()) {
                return true;
            }
            assert!(Instant::now() < end, "the server is not ready:\n{}", process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves QUIC, and the fingerprint of its certificate, as it prints them.
    ///
    /// # Panics
    /// If it does not serve QUIC.
    pub fn quic(&mut self) -> (String, String) {
        let after = |line: &str, what: &str| {
            let rest = line.split_once(what)?.1.trim_start();
            rest.split(' ').next().map(str::to_owned)
        };
        let address = |line: &str| after(line, " QUIC ").filter(|address| address.contains(':'));
        let process = self.process();
        let address = process.wait_for_line(PATIENCE, address).expect("it serves QUIC");
        let fingerprint = process.wait_for_line(PATIENCE, |line| after(line, " SHA-256 "));
        (address, fingerprint.expect("it prints its fingerprint"))
    }

    /// A URL on it; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// A client for its HTTP side, with no credential.
    pub fn http(&self) -> Http {
        Http::new(self.address)
    }

    /// A WebSocket connection of `person`, past its `hello`.
    pub async fn connect(&self, person: &Person, encoding: Encoding) -> WsClient {
        let mut client = WsClient::open(self.address, encoding).await;
        client.hello(person).await;
        client
    }

    /// Asks it to end in order, and waits until it has.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process().terminate(PATIENCE).await
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// Starts it again at the same address with the same data.
    pub async fn restart(&mut self) {
        assert!(self.process().ended().is_some(), "it still runs: stop or kill it first");
        self.launch().await;
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was launched")
    }

    /// The last of what it printed.
    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }
}

/// The server under a shell's limit on the size of files. The shell has the signal that goes with it
/// ignored, so that the write fails instead, as on a full disk; and counts in blocks of 512 bytes.
fn confined(bytes: u64) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
    command.arg("-c").arg(script).arg(binary());
    command
}

fn free_address() -> SocketAddr {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    probe.local_addr().expect("it is bound")
}

/// The server's binary: `CHATCORE_SERVER_BIN`, or the example.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("CHATCORE_SERVER_BIN") {
        Some(path) => path.into(),
        None => example("server"),
    })
}

/// The binary of an example, of the same profile as this test, built anew if its sources have changed
/// (`cargo test --test …` alone does not build examples). With all that it can do, if these tests were
/// built to try what not every build has.
///
/// # Panics
/// If it does not build.
pub fn example(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--example", name]).current_dir(root);
    // What cargo told this test is not meant for another cargo.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG_")) {
        build.env_remove(name);
    }
    if cfg!(any(feature = "cluster", feature = "s3", feature = "smtp")) {
        // As `tests/run` builds the examples, so that it finds them built.
        build.args(["--workspace", "--all-features"]);
    }
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "the example {name} does not build:\n{said}");
    // target/<profile>/deps/<this test>
    let this = std::env::current_exe().expect("a test has a path");
    let profile = this.ancestors().nth(2).expect("it lies below the target directory");
    profile.join("examples").join(name)
}
