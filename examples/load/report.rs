//! What a window came to, for people and for programs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::check::Faults;
use crate::machine::Usage;

/// Above this share of its time a generator that is busy may be what is measured.
const BOUND: f64 = 0.9;
/// Above so many cores' worth, somebody else's work has changed the figures.
const DISTURBED: f64 = 0.1;

/// One window.
#[derive(Debug)]
pub(crate) struct Window {
    /// What counts: deliveries, or acknowledgements.
    pub(crate) unit: &'static str,
    pub(crate) sent: u64,
    pub(crate) count: u64,
    /// From the beginning to the last that counts.
    pub(crate) took: Duration,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) usage: Usage,
    /// Time that the generator spent at work, where it never sleeps.
    pub(crate) worked: Option<Duration>,
    pub(crate) resident: Option<u64>,
    pub(crate) faults: Faults,
}

impl Window {
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// In milliseconds.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Seconds of the server's processor time for a million.
    fn cost(&self) -> Option<f64> {
        let server = self.usage.server?;
        (self.count > 0).then(|| server.as_secs_f64() * 1e6 / self.count as f64)
    }

    fn busy(&self) -> f64 {
        match self.worked {
            Some(worked) => worked.as_secs_f64() / self.took.as_secs_f64().max(1e-9),
            None => self.usage.client,
        }
    }

    /// Of a window that nobody measures: how many faults there were, which are told.
    pub(crate) fn warmed_up(&self) -> u64 {
        if self.faults.count() > 0 {
            eprintln!("       while warming up: {}", self.faults);
        }
        self.faults.count()
    }

    /// Prints it; `what` says which load it was.
    pub(crate) fn tell(&self, what: &str, fields: Value, print_json: bool) {
        let (p50, p99, p999) = (self.quantile(0.5), self.quantile(0.99), self.quantile(0.999));
        let mut said = format!(
            "{what:<7}{:.0} {}/s; p50 {p50:.2}, p99 {p99:.2}, p99.9 {p999:.2} ms",
            self.rate(),
            self.unit
        );
        if let Some(cost) = self.cost() {
            said.push_str(&format!("; server {cost:.3} CPU s per million"));
        }
        if let Some(kib) = self.resident {
            said.push_str(&format!(", {:.1} MiB", kib as f64 / 1024.0));
        }
        said.push_str(&format!("; client {:.0} % busy", self.busy() * 100.0));
        if self.busy() > BOUND {
            said.push_str(" (it was the bound: the server may do more)");
        }
        if self.usage.others > DISTURBED {
            said.push_str(&format!("; others took {:.0} % of a core", self.usage.others * 100.0));
        }
        eprintln!("{said}; {}", self.faults);
        if print_json {
            println!("{}", self.json(what, fields));
        }
    }

    fn json(&self, what: &str, fields: Value) -> Value {
        let mut said = json!({
            "shape": what.trim(), "sent": self.sent, self.unit: self.count,
            "seconds": self.took.as_secs_f64(), "per_s": self.rate(),
            "p50_ms": self.quantile(0.5), "p99_ms": self.quantile(0.99),
            "p999_ms": self.quantile(0.999), "max_ms": self.latency.max() as f64 / 1e3,
            "server_cpu_s_per_million": self.cost(), "server_resident_kib": self.resident,
            "client_busy": self.busy(), "others_busy": self.usage.others,
            "faults": self.faults.json(),
        });
        if let (Some(said), Some(fields)) = (said.as_object_mut(), fields.as_object()) {
            said.extend(fields.clone());
        }
        said
    }
}

/// A histogram of microseconds up to what anybody waits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are sound")
}
