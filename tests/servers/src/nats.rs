//! NATS.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::guardian::Guardian;
use crate::process::{is_alive, signal, until_dead};
use crate::require;

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A NATS of its own on the loopback, on a port that it keeps for life, for one user with a password.
///
/// Dropped, it ends, and its folder goes with it; likewise when the process dies that started it.
#[derive(Debug)]
pub struct Nats {
    folder: PathBuf,
    port: u16,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    guardian: Guardian,
    server: u32,
}

impl Nats {
    /// Starts one; `None`, having said so, where NATS is not installed.
    ///
    /// # Panics
    /// If it does not start; and if it is not installed and `CHATCORE_REQUIRE_SERVICES=1`.
    pub fn start() -> Option<Self> {
        // Debian keeps it off the path of those who are not root.
        let program = require(&["nats-server"], &["/usr/sbin".into()])?;
        let folder = tempfile::Builder::new().prefix("chatcore-nats-").tempdir();
        let folder = folder.expect("a temporary folder").keep();
        // The kernel chooses the port, so that no two of them meet.
        configure(&folder, -1);
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let server = [path(&program), "-c".to_owned(), path(&folder.join("conf"))];
        let mut guardian = Guardian::of(&server.each_ref().map(String::as_str), &folder, None);
        let server = guardian.launch();
        let port = wait_until_ready(&folder, server);
        configure(&folder, port.into());
        Some(Self { folder, port, running: Mutex::new(Running { guardian, server }) })
    }

    /// Its URL, with the user and the password.
    pub fn url(&self) -> String {
        format!("nats://ann:p%40ss@127.0.0.1:{}", self.port)
    }

    /// Kills it, as a power cut would end it.
    pub fn kill(&self) {
        let server = self.running().server;
        signal("KILL", &[server]);
        until_dead(&[server]);
    }

    /// Starts it again after [`kill`](Self::kill), at the same address.
    pub fn restart(&self) {
        let mut running = self.running();
        running.server = running.guardian.launch();
        assert_eq!(wait_until_ready(&self.folder, running.server), self.port);
    }

    /// Stops it where it is: connections stay open, and nothing answers.
    pub fn pause(&self) {
        signal("STOP", &[self.running().server]);
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        signal("CONT", &[self.running().server]);
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configure(folder: &Path, port: i32) {
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\n\
         ports_file_dir: \"{}\"\n\
         authorization {{ user: \"ann\", password: \"p@ss\" }}\n",
        folder.display()
    );
    std::fs::write(folder.join("conf"), text).expect("the folder takes files");
}

/// The port, once it is open.
fn wait_until_ready(folder: &Path, server: u32) -> u16 {
    let end = Instant::now() + PATIENCE;
    let file = folder.join(format!("nats-server_{server}.ports"));
    loop {
        let ports = std::fs::read_to_string(&file).unwrap_or_default();
        // It lists the addresses in quotation marks.
        let address = ports.split('"').find_map(|text| text.strip_prefix("nats://127.0.0.1:"));
        if let Some(port) = address.and_then(|port| port.parse().ok()) {
            return port;
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < end && is_alive(server), "{}", log());
        std::thread::sleep(Duration::from_millis(5));
    }
}
