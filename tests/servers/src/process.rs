//! Processes by their ids.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one that was killed may take to be gone, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a signal, which the standard library cannot.
pub(crate) fn signal(name: &str, processes: &[u32]) {
    let mut command = Command::new("sh");
    command.arg("-c").arg("kill -s \"$0\" \"$@\"").arg(name);
    command.args(processes.iter().map(u32::to_string)).stderr(Stdio::null());
    // One that is gone already needs none.
    command.status().expect("a shell starts");
}

/// Waits until none of them runs, after they were killed.
pub(crate) fn until_dead(processes: &[u32]) {
    let end = Instant::now() + PATIENCE;
    while processes.iter().any(|process| is_alive(*process)) {
        assert!(Instant::now() < end, "{processes:?} do not die");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes that `process` has started.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, parent)| parent == process)).collect()
}

/// Whether it runs: one that has ended and that nobody has waited for does not.
pub(crate) fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != 'Z')
}

/// The state of a process, and its parent.
fn stat(process: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
