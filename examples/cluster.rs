//! One chat of three servers, with a PostgreSQL and a NATS of their own: for trying out what becomes of it
//! when one of them is killed. All of it is private, and gone with this program, however that ends.
//!
//! ```sh
//! cargo run --release --example cluster
//! ```
//!
//! It takes PostgreSQL and NATS on this machine (Debian: `postgresql`, `nats-server`), and builds the
//! server with what it needs, unless `CHATCORE_SERVER_BIN` names one.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use chatcore_servers::{Nats, Postgres};
use tokio::signal::unix::{SignalKind, signal};

/// How many servers.
const NODES: usize = 3;

/// Runs a server until nobody holds the other end of its standard input, which is so as well when this
/// program is killed; then has it drain, and removes its folder.
const GUARD: &str = r#"
folder=$1
shift
"$@" </dev/null &
server=$!
exec >&-
read -r _
kill -s TERM "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

type Fault = Box<dyn Error>;

#[tokio::main]
async fn main() {
    if let Err(fault) = run().await {
        eprintln!("cluster: {fault}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Fault> {
    // Before anything is started: from here on a signal ends it in order.
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = server()?;
    let (Some(postgres), Some(nats)) = (Postgres::start(), Nats::start()) else {
        return Err("install what is missing; Debian calls it postgresql and nats-server".into());
    };
    println!("PostgreSQL  {}\nNATS        {}", postgres.url(), nats.url());
    // Dropped before what they use.
    let mut nodes: Vec<Node> = Vec::new();
    for number in 1..=NODES {
        println!("node {number}");
        nodes.push(Node::start(&server, nodes.first(), &postgres, &nats)?);
    }
    println!("Ctrl-C ends all of it. Until then: kill -9 one of the servers, and see who notices.");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    println!("stopping: connections are asked to go");
    nodes.iter_mut().for_each(Node::let_go);
    Ok(())
}

/// The server's binary, of the same profile as this program.
fn server() -> Result<PathBuf, Fault> {
    if let Some(binary) = std::env::var_os("CHATCORE_SERVER_BIN") {
        return Ok(binary.into());
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--features", "full", "--example", "server"]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err("the server does not build".into());
    }
    Ok(std::env::current_exe()?.with_file_name("server"))
}

/// A server. Dropped, it drains, and this waits for it.
struct Node {
    process: Child,
    life: Option<ChildStdin>,
    folder: PathBuf,
}

impl Node {
    /// Starts one, beside the first if there is one already.
    fn start(
        server: &Path,
        first: Option<&Self>,
        postgres: &Postgres,
        nats: &Nats,
    ) -> Result<Self, Fault> {
        let folder = tempfile::Builder::new().prefix("chatcore-node-").tempdir()?.keep();
        if let Some(first) = first {
            // One chat: tokens of one are good at all, and all are the same server to those who come by QUIC.
            for file in ["secret", "quic.pem"] {
                fs::copy(first.folder.join(file), folder.join(file))?;
            }
        }
        let files = first.map_or(&folder, |first| &first.folder).join("files");
        let mut command = Command::new("sh");
        command.arg("-c").arg(GUARD).arg("guard").arg(&folder).arg(server);
        command.args(["--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--data"]).arg(&folder);
        // They hold passwords, and arguments are for all to see.
        command.env("CHATCORE_STORE", postgres.url()).env("CHATCORE_BUS", nats.url());
        command.env("CHATCORE_BLOBS", format!("file:{}", files.display()));
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is for this program, which ends them in order.
        command.process_group(0);
        let mut process = command.spawn()?;
        let life = process.stdin.take();
        let output = process.stdout.take().ok_or("no output")?;
        let node = Self { process, life, folder };
        show(BufReader::new(output))?;
        Ok(node)
    }

    /// Has it end, without waiting.
    fn let_go(&mut self) {
        drop(self.life.take());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.let_go();
        if let Err(error) = self.process.wait() {
            eprintln!("a server may be left behind: {error}");
        }
    }
}

/// Shows what a server says: until it can be reached, and in the background what it says from then on,
/// such as the codes of mails.
fn show(mut output: BufReader<ChildStdout>) -> Result<(), Fault> {
    let mut line = String::new();
    while !line.trim_start().starts_with("REST") {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            return Err("a server did not start; it says above why".into());
        }
        print!("{line}");
    }
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            println!("{line}");
        }
    });
    Ok(())
}
