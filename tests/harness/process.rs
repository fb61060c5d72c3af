//! Processes that end with the test.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of output are kept.
const KEPT: usize = 500;

/// A process of this test: killed when dropped. What it prints is kept, and shown if the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    status: Option<ExitStatus>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<VecDeque<String>>,
    more: Condvar,
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: &Arc<Self>, from: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let mut lines = output.lines();
                if lines.len() == KEPT {
                    lines.pop_front();
                }
                lines.push_back(String::from_utf8_lossy(&line).into_owned());
                output.more.notify_all();
            }
        });
    }
}

impl Process {
    /// Starts `command`, called `name` in messages.
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = Arc::new(Output::default());
        output.follow(child.stdout.take().expect("it is piped"));
        output.follow(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, output, status: None }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last of what it printed.
    pub fn output(&self) -> String {
        Vec::from_iter(self.output.lines().iter().cloned()).join("\n")
    }

    /// Waits for a line that `find` finds something in.
    pub fn wait_for_line<T>(
        &mut self,
        patience: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + patience;
        loop {
            let lines = self.output.lines();
            if let Some(found) = lines.iter().find_map(|line| find(line)) {
                return Some(found);
            }
            if Instant::now() > end {
                return None;
            }
            let step = Duration::from_millis(100);
            drop(
                self.output.more.wait_timeout(lines, step).unwrap_or_else(PoisonError::into_inner),
            );
            if self.ended().is_some() {
                return self.output.lines().iter().find_map(|line| find(line));
            }
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self, patience: Duration) -> ExitStatus {
        // The standard library sends no signal but SIGKILL, and this project has no unsafe code.
        let kill = format!("kill -TERM {}", self.id());
        let sent = Command::new("sh").arg("-c").arg(kill).status().expect("a shell");
        assert!(sent.success() || self.ended().is_some(), "{} takes no signal", self.name);
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.ended() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} does not end within {patience:?}:\n{}", self.name, self.output());
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("a child can be killed");
            self.status = Some(self.child.wait().expect("a child can be waited for"));
        }
    }

    /// Memory that is resident now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most memory that was ever resident, or since [`forget_peak`](Self::forget_peak), in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// Begins to measure the peak anew.
    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.id());
        std::fs::write(path, "5").expect("the peak can be reset (proc(5), clear_refs)");
    }

    fn memory(&self, field: &str) -> u64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.id()));
        let status = std::fs::read_to_string(path).expect("the process runs, on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a known field");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- what {} printed last ---\n{}\n---", self.name, self.output());
        }
    }
}
