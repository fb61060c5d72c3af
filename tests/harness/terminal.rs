//! Programs for people, in a terminal: tmux keeps the screen, as text.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::Process;
use crate::{PATIENCE, services};

/// What tmux calls the terminal.
const NAME: &str = "here";

/// A terminal of so many columns and rows with one program in it. Both end when dropped.
#[derive(Debug)]
pub struct Terminal {
    // The server ends before its socket is removed.
    server: Process,
    dir: TempDir,
    tmux: PathBuf,
}

impl Terminal {
    /// Opens one in which `script` runs, a line for the shell; `None`, having said so, if the machine
    /// has no tmux (see [`services::tmux`]).
    pub fn open((columns, rows): (u16, u16), script: &str) -> Option<Self> {
        let tmux = services::tmux()?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = dir.path().join("tmux.conf");
        // The screen stays when the program has ended, and nothing stands below it.
        let settings = "set -s exit-empty off\nset -g remain-on-exit on\nset -g status off\n\
                        set -s escape-time 0\nset -g default-terminal tmux-256color\n";
        std::fs::write(&config, settings).expect("a file can be written");
        let mut command = Command::new(&tmux);
        // In the foreground, so that it is this process that ends with the test.
        command.arg("-S").arg(dir.path().join("socket")).arg("-f").arg(&config).args(["-u", "-D"]);
        command.current_dir(dir.path()).env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        let server = Process::start("tmux", command);
        let terminal = Self { server, dir, tmux };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows];
        let end = Instant::now() + PATIENCE;
        loop {
            let mut command = terminal.command("new-session");
            command.args(["-d", "-s", NAME]).args(size).arg(script);
            if command.output().expect("tmux starts").status.success() {
                return Some(terminal);
            }
            assert!(Instant::now() < end, "tmux is not ready:\n{}", terminal.server.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.tmux);
        // Not a server of its own, which would outlive the test, while ours is not ready.
        command.arg("-N").arg("-S").arg(self.dir.path().join("socket")).args(["-u", name]);
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let output = self.command(name).args(arguments).output().expect("tmux starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {name}: {said}");
        output
    }

    /// What can be seen, without the space at the ends of lines.
    pub fn screen(&self) -> String {
        String::from_utf8(self.run("capture-pane", &["-p", "-t", NAME]).stdout)
            .expect("tmux writes UTF-8")
    }

    /// Types text.
    pub fn write(&self, text: &str) {
        self.run("send-keys", &["-t", NAME, "-l", "--", text]);
    }

    /// Presses keys by their names in tmux, such as `Enter`, `Up`, `C-c`.
    pub fn press(&self, keys: &[&str]) {
        self.run("send-keys", &[&["-t", NAME], keys].concat());
    }

    /// Types a line.
    pub fn enter(&self, text: &str) {
        self.write(text);
        self.press(&["Enter"]);
    }

    /// Gives it another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.run("resize-window", &["-t", NAME, "-x", &columns, "-y", &rows]);
    }

    /// Waits until the screen shows this, and returns it.
    ///
    /// # Panics
    /// If it does not in time; with the screen.
    pub async fn shows(&self, what: &str) -> String {
        self.wait(&format!("no {what:?}"), |screen| screen.contains(what)).await
    }

    /// Waits until the screen no longer shows this, and returns it.
    ///
    /// # Panics
    /// If it still does in the end; with the screen.
    pub async fn hides(&self, what: &str) -> String {
        self.wait(&format!("still {what:?}"), |screen| !screen.contains(what)).await
    }

    async fn wait(&self, complaint: &str, until: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if until(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "{complaint} on the screen:\n{screen}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process that the shell of the terminal runs.
    ///
    /// # Panics
    /// If there is none.
    pub fn child(&self) -> u32 {
        let shell =
            String::from_utf8(self.run("list-panes", &["-t", NAME, "-F", "#{pane_pid}"]).stdout);
        let shell = shell.expect("tmux writes UTF-8");
        let shell = shell.trim();
        let children = Path::new("/proc").join(shell).join("task").join(shell).join("children");
        let children = std::fs::read_to_string(children).expect("the shell runs, on Linux");
        let first = children.split_whitespace().next().expect("the shell runs a program");
        first.parse().expect("an id")
    }
}
