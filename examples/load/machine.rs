//! What processes take of the machine, as Linux tells it in `/proc`.

use std::time::{Duration, Instant};

use crate::fault::Fault;

/// Linux counts processor time in hundredths of a second, whatever its kernel's own clock.
const TICK: Duration = Duration::from_millis(10);

/// Watches over a stretch of time.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: Option<u32>,
    began: Instant,
    server: Duration,
    own: Duration,
    all: Duration,
}

/// What was used meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Processor time of the server, user and system.
    pub(crate) server: Option<Duration>,
    /// The share of the time that the generator itself was busy. Near 1, it is what was measured.
    pub(crate) client: f64,
    /// Cores' worth of time that neither of the two used, but somebody did.
    pub(crate) others: f64,
}

impl Meter {
    /// Begins.
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn start(pid: Option<u32>) -> Result<Self, Fault> {
        let server = match pid {
            Some(pid) => processor_time(&pid.to_string()).ok_or_else(|| {
                Fault::new(format!("--pid {pid}: no such process can be read in /proc"))
            })?,
            None => Duration::ZERO,
        };
        let own = processor_time("self").unwrap_or_default();
        Ok(Self { pid, began: Instant::now(), server, own, all: everybodys_time() })
    }

    /// Since it began.
    pub(crate) fn read(&self) -> Usage {
        let wall = self.began.elapsed().as_secs_f64();
        let server = self.pid.and_then(|pid| processor_time(&pid.to_string()));
        let server = server.map(|time| time.saturating_sub(self.server));
        let own = processor_time("self").unwrap_or_default().saturating_sub(self.own);
        let all = everybodys_time().saturating_sub(self.all);
        let others = all.saturating_sub(own).saturating_sub(server.unwrap_or_default());
        // Without the server's number the others cannot be told from it.
        let others = if server.is_some() { others.as_secs_f64() / wall } else { 0.0 };
        Usage { server, client: own.as_secs_f64() / wall, others }
    }
}

/// User and system time of a process, with all its threads.
fn processor_time(process: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u32 =
        fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u32>().ok()).sum();
    Some(TICK * ticks)
}

/// Time that the cores of this machine were not idle, and could have been ours.
fn everybodys_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(8).enumerate();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy = fields.filter(|(at, _)| !matches!(at, 3 | 4));
    let ticks: u64 = busy.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Memory of a process that is in RAM, in KiB.
///
/// # Errors
/// If there is no such process.
pub(crate) fn resident(pid: u32) -> Result<u64, Fault> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|e| Fault::new(format!("--pid {pid}: {e}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok());
    kib.ok_or_else(|| Fault::new(format!("--pid {pid}: it has no memory; has it ended?")))
}
