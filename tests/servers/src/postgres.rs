//! PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::guardian::Guardian;
use crate::process::{children, is_alive, signal, until_dead};
use crate::require;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL of its own, reached by a socket in its folder and by no network, as durable as it comes.
///
/// Dropped, it ends, and its folder goes with it; likewise when the process dies that started it.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    program: PathBuf,
    user: Option<(u32, u32)>,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    guardian: Guardian,
    server: u32,
}

impl Postgres {
    /// Makes a cluster and starts it; `None`, having said so, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// If it does not start; and if it is not installed and `CHATCORE_REQUIRE_SERVICES=1`.
    pub fn start() -> Option<Self> {
        let program = require(&["postgres"], &installed())?;
        let user = other_user();
        let folder = folder(user);
        initialise(&program.with_file_name("initdb"), &folder, user);
        Some(Self::launch(program, folder, user))
    }

    /// A second server that is sent all that this one writes, and only reads until it is
    /// [promoted](Self::promote). Beside this one's settings nothing makes commits wait for it.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn standby(&self) -> Self {
        let folder = folder(self.user);
        let mut copy = command(&self.program.with_file_name("pg_basebackup"), self.user);
        copy.args(["-U", "postgres", "-c", "fast", "-R", "--no-sync", "-h"]).arg(&self.folder);
        run(copy.arg("-D").arg(folder.join("data")));
        Self::launch(self.program.clone(), folder, self.user)
    }

    /// Makes a standby write from now on. What the other had sent by then is there.
    ///
    /// # Panics
    /// If it does not.
    pub fn promote(&self) {
        let mut promote = command(&self.program.with_file_name("pg_ctl"), self.user);
        run(promote.args(["promote", "-w", "-D"]).arg(self.folder.join("data")));
    }

    /// Runs `sql` as its owner.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, sql: &str) {
        let mut psql = command(&self.program.with_file_name("psql"), self.user);
        psql.args(["-U", "postgres", "-qXv", "ON_ERROR_STOP=1", "-c", sql, "-h"]);
        run(psql.arg(&self.folder));
    }

    fn launch(program: PathBuf, folder: PathBuf, user: Option<(u32, u32)>) -> Self {
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let server = [
            path(&program),
            "-D".to_owned(),
            path(&folder.join("data")),
            "-clisten_addresses=".to_owned(),
            format!("-cunix_socket_directories={}", path(&folder)),
            "-cmax_connections=200".to_owned(),
        ];
        let mut guardian = Guardian::of(&server.each_ref().map(String::as_str), &folder, user);
        let server = guardian.launch();
        let running = Mutex::new(Running { guardian, server });
        let started = Self { folder, program, user, running };
        started.wait_until_ready();
        started
    }

    /// One for all tests of this process, started by the first that asks for it.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// The URL of its database, without a query that one could not add to with `&`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    /// Where its socket and its data are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its socket, for who wants to stand in between.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Kills all of its processes at once, as a power cut would end them; what the kernel has been given is not
    /// lost by this.
    pub fn kill(&self) {
        let server = self.server();
        // So that it starts nobody while its children are counted.
        signal("STOP", &[server]);
        let mut all = children(server);
        all.push(server);
        signal("KILL", &all);
        until_dead(&all);
    }

    /// Starts it again after [`kill`](Self::kill), on the same data.
    pub fn restart(&self) {
        // The file of the one that was killed would pass for that of the new one.
        let _gone = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.server = running.guardian.launch();
        drop(running);
        self.wait_until_ready();
    }

    /// Stops all of its processes where they are: connections stay open, and nothing answers.
    pub fn pause(&self) {
        let server = self.server();
        signal("STOP", &[server]);
        signal("STOP", &children(server));
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        let server = self.server();
        signal("CONT", &children(server));
        signal("CONT", &[server]);
    }

    fn server(&self) -> u32 {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).server
    }

    fn wait_until_ready(&self) {
        let end = Instant::now() + PATIENCE;
        let file = self.folder.join("data/postmaster.pid");
        // Its eighth line says how it is.
        while !std::fs::read_to_string(&file)
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| is_up(line.trim())))
        {
            assert!(Instant::now() < end && is_alive(self.server()), "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // One that is paused would not hear that it is to end.
        self.resume();
    }
}

/// Where Debian and others keep it, the newest first.
fn installed() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    versions.sort_by_key(|path| {
        let version = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    versions.into_iter().map(|version| version.join("bin")).collect()
}

/// A folder of `user`'s.
fn folder(user: Option<(u32, u32)>) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("chatcore-pg-")
        // The path of a socket may have no more than 107 bytes.
        .tempdir_in(Some(std::env::temp_dir()).filter(|dir| is_short(dir)).unwrap_or("/tmp".into()))
        .expect("a temporary folder")
        .keep();
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("it is ours");
    }
    folder
}

/// A program of PostgreSQL's, as `user`.
fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("it is installed beside the server");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", command.get_program());
}

/// What a server says of itself once it takes connections.
fn is_up(status: &str) -> bool {
    matches!(status, "ready" | "standby")
}

fn is_short(folder: &Path) -> bool {
    folder.as_os_str().len() < 60
}

/// Whom to run it as: PostgreSQL refuses to run as root.
fn other_user() -> Option<(u32, u32)> {
    let ask = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if ask(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|user| Some((ask(&["-u", user])?, ask(&["-g", user])?)))
}

/// Makes the cluster. In an order of letters that is not that of bytes, if it may be: nothing here rests on
/// the order that a database happens to have.
fn initialise(initdb: &Path, folder: &Path, user: Option<(u32, u32)>) {
    let letters = ["--locale-provider=icu", "--icu-locale=en"].as_slice();
    for order in [letters, &[]] {
        let mut command = command(initdb, user);
        command.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"]);
        command.args(["--no-sync", "--no-instructions"]).args(order);
        command.arg("-D").arg(folder.join("data"));
        let made = command.output().expect("initdb runs");
        if made.status.success() {
            return;
        }
        assert!(!order.is_empty(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }
}
