//! Counters for `/metrics`, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chatcore::Chat;
use chatcore::histogram::{Distribution, Histogram};

/// What this crate counts. One per mounted router; cheap to bump from anywhere.
#[derive(Debug)]
pub struct Metrics {
    /// Answers by class of status: 1xx to 5xx.
    answers: [AtomicU64; 5],
    rate_limited: AtomicU64,
    answer_times: Histogram,
    in_flight: AtomicI64,
    panics: AtomicU64,
    sockets: AtomicI64,
    sockets_opened: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answers: Default::default(),
            rate_limited: AtomicU64::default(),
            answer_times: Histogram::new(Histogram::TIMES),
            in_flight: AtomicI64::default(),
            panics: AtomicU64::default(),
            sockets: AtomicI64::default(),
            sockets_opened: AtomicU64::default(),
        }
    }
}

/// An open WebSocket, for as long as it is held.
#[derive(Debug)]
pub(crate) struct OpenSocket(std::sync::Arc<Metrics>);

impl Metrics {
    pub(crate) fn request_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_ended(&self, status: http::StatusCode, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answer_times.observe_time(took);
        if status == http::StatusCode::TOO_MANY_REQUESTS {
            self.rate_limited.fetch_add(1, Ordering::Relaxed);
        }
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_abandoned(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn handler_panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a WebSocket while the guard lives.
    pub(crate) fn socket(self: &std::sync::Arc<Self>) -> OpenSocket {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        self.sockets_opened.fetch_add(1, Ordering::Relaxed);
        OpenSocket(self.clone())
    }

    /// The counters in the text format of Prometheus, version 0.0.4, with those that `chat` keeps.
    pub fn render(&self, chat: &Chat) -> String {
        let mut text = String::new();
        write_family(
            &mut text,
            "chatcore_http_answers_total",
            "counter",
            "Answers by class of status",
        );
        for (class, count) in self.answers.iter().enumerate() {
            let (class, count) = (class + 1, count.load(Ordering::Relaxed));
            let _ = writeln!(text, "chatcore_http_answers_total{{class=\"{class}xx\"}} {count}");
        }
        let singles = [
            (
                "chatcore_http_requests_in_flight",
                "gauge",
                "Requests being answered",
                self.in_flight.load(Ordering::Relaxed),
            ),
            (
                "chatcore_http_rate_limited_total",
                "counter",
                "Requests that came too fast",
                of(&self.rate_limited),
            ),
            ("chatcore_http_panics_total", "counter", "Handlers that panicked", of(&self.panics)),
            (
                "chatcore_websockets",
                "gauge",
                "WebSockets open",
                self.sockets.load(Ordering::Relaxed),
            ),
            (
                "chatcore_websockets_total",
                "counter",
                "WebSockets ever opened",
                of(&self.sockets_opened),
            ),
        ];
        let (hub, traffic) = (chat.hub(), chat.hub().traffic());
        let of_chat = [
            (
                "chatcore_connections",
                "gauge",
                "Clients signed in over any transport",
                i64::try_from(hub.connections()).unwrap_or(i64::MAX),
            ),
            (
                "chatcore_entries_total",
                "counter",
                "Entries committed to logs by this node",
                i64::try_from(traffic.entries()).unwrap_or(i64::MAX),
            ),
            (
                "chatcore_deliveries_total",
                "counter",
                "Events handed to connections",
                i64::try_from(traffic.deliveries()).unwrap_or(i64::MAX),
            ),
            (
                "chatcore_gaps_total",
                "counter",
                "Connections told that they missed something",
                i64::try_from(traffic.gaps()).unwrap_or(i64::MAX),
            ),
            (
                "chatcore_logins_refused_total",
                "counter",
                "Logins refused",
                i64::try_from(chat.accounts().logins_refused()).unwrap_or(i64::MAX),
            ),
        ];
        let of_bus = chat.bus().map(of_bus).into_iter().flatten();
        for (name, kind, help, value) in singles.into_iter().chain(of_chat).chain(of_bus) {
            write_family(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        let times = [
            ("chatcore_http_answer_seconds", "Time to the head of an answer", &self.answer_times),
            ("chatcore_commit_seconds", "Time until a commit is durable", traffic.commit_times()),
        ];
        for (name, help, histogram) in times {
            write_histogram(&mut text, name, help, &histogram.read(), 1e6);
        }
        let (name, help) = ("chatcore_commit_commands", "Commands committed together");
        write_histogram(&mut text, name, help, &traffic.commit_sizes().read(), 1.0);
        text
    }
}

type Single = (&'static str, &'static str, &'static str, i64);

/// What a node among others counts of the bus.
fn of_bus(bus: chatcore::bus::Report) -> [Single; 9] {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let counter = |name, help, value| (name, "counter", help, number(value));
    [
        ("chatcore_bus_up", "gauge", "Whether the bus is connected", i64::from(bus.up)),
        ("chatcore_bus_topics", "gauge", "Topics followed", number(bus.topics as u64)),
        counter("chatcore_bus_told_total", "Hints told to other nodes", bus.told),
        counter("chatcore_bus_unsaid_total", "Hints that the bus did not take", bus.unsaid),
        counter("chatcore_bus_heard_total", "Hints heard of other nodes", bus.heard),
        counter("chatcore_bus_lost_total", "Hints lost because this node was slow", bus.lost),
        counter("chatcore_bus_unreadable_total", "Hints that say nothing here", bus.unreadable),
        counter("chatcore_bus_read_total", "Logs read for want of hints", bus.read),
        counter("chatcore_bus_failed_total", "Times that the store was not reached", bus.failed),
    ]
}

fn of(counter: &AtomicU64) -> i64 {
    i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}

/// A histogram whose values are of a unit that there are `per` of in the one that is told.
fn write_histogram(text: &mut String, name: &str, help: &str, read: &Distribution, per: f64) {
    write_family(text, name, "histogram", help);
    for (bound, count) in &read.upto {
        let _ = writeln!(text, "{name}_bucket{{le=\"{}\"}} {count}", *bound as f64 / per);
    }
    let Distribution { count, sum, .. } = read;
    let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}");
    let _ = writeln!(text, "{name}_sum {}\n{name}_count {count}", *sum as f64 / per);
}

fn write_family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chatcore::store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn counters_are_shown_by_class_and_gauges_fall_again() {
        let metrics = Arc::new(Metrics::default());
        metrics.request_began();
        metrics.request_ended(http::StatusCode::NOT_FOUND, Duration::from_micros(700));
        metrics.request_began();
        metrics.request_ended(http::StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(60));
        drop(metrics.socket());
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.unwrap();
        let text = metrics.render(&chat);
        for line in [
            "chatcore_http_answers_total{class=\"4xx\"} 2",
            "chatcore_http_rate_limited_total 1",
            "# TYPE chatcore_http_answer_seconds histogram",
            "chatcore_http_answer_seconds_bucket{le=\"0.0005\"} 0",
            "chatcore_http_answer_seconds_bucket{le=\"0.001\"} 1",
            "chatcore_http_answer_seconds_bucket{le=\"10\"} 1",
            "chatcore_http_answer_seconds_bucket{le=\"+Inf\"} 2",
            "chatcore_http_answer_seconds_sum 60.0007",
            "chatcore_http_answer_seconds_count 2",
            "chatcore_http_requests_in_flight 0",
            "chatcore_websockets 0",
            "chatcore_websockets_total 1",
            "# TYPE chatcore_websockets gauge",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("chatcore_bus"), "there is none");
        let bus: Arc<dyn chatcore::bus::Bus> = Arc::new(chatcore::bus::MemoryBus::default());
        let chat = Chat::builder(Arc::new(MemoryStore::new())).bus(bus).build().await.unwrap();
        let text = metrics.render(&chat);
        assert!(text.lines().any(|l| l == "chatcore_bus_up 1"), "{text}");
    }

    /// The names of metrics in a text.
    fn names(text: &str) -> std::collections::BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("chatcore_"));
        words.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn the_dashboard_shows_what_is_counted_and_nothing_else() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana.json");
        let dashboard: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut shown = std::collections::BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let found = names(target["expr"].as_str().unwrap());
                assert!(!found.is_empty(), "{target}");
                shown.extend(found);
            }
        }
        let bus: Arc<dyn chatcore::bus::Bus> = Arc::new(chatcore::bus::MemoryBus::default());
        let chat = Chat::builder(Arc::new(MemoryStore::new())).bus(bus).build().await.unwrap();
        let text = Metrics::default().render(&chat);
        let lines: String =
            text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
        let rendered = names(&lines);
        let unknown: Vec<_> = shown.difference(&rendered).collect();
        assert!(unknown.is_empty(), "not rendered: {unknown:?}");
        let is_shown = |name: &str| {
            let of_histogram = name.ends_with("_sum") || name.ends_with("_count");
            shown.contains(name) || of_histogram
        };
        let hidden: Vec<_> = rendered.iter().filter(|name| !is_shown(name)).collect();
        assert!(hidden.is_empty(), "not shown: {hidden:?}");
    }
}
