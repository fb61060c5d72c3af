//! Counters for `/metrics`, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chatcore::Chat;

/// What this crate counts. One per mounted router; cheap to bump from anywhere.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by class of status: 1xx to 5xx.
    answers: [AtomicU64; 5],
    in_flight: AtomicI64,
    panics: AtomicU64,
    sockets: AtomicI64,
    sockets_opened: AtomicU64,
}

/// An open WebSocket, for as long as it is held.
#[derive(Debug)]
pub(crate) struct OpenSocket(std::sync::Arc<Metrics>);

impl Metrics {
    pub(crate) fn request_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_ended(&self, status: http::StatusCode) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
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
        ];
        let of_bus = chat.bus().map(of_bus).into_iter().flatten();
        for (name, kind, help, value) in singles.into_iter().chain(of_chat).chain(of_bus) {
            write_family(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
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
        metrics.request_ended(http::StatusCode::NOT_FOUND);
        drop(metrics.socket());
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.unwrap();
        let text = metrics.render(&chat);
        for line in [
            "chatcore_http_answers_total{class=\"4xx\"} 1",
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
}
