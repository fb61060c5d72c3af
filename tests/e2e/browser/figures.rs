//! What the page costs whoever opens it on a telephone, in the figures that Lighthouse gives.

use chatcore_tests::Local;
use serde_json::{Value, json};

use super::Page;

/// What Lighthouse calls a slow 4G line: 150 ms there and back, 1.6 Mbit/s down and 750 kbit/s up.
const ROUND_TRIP_MS: u64 = 150;
const DOWN: u64 = 1_638_400 / 8;
const UP: u64 = 768_000 / 8;
/// How much slower than this machine the telephone is taken to be.
const SLOWER: u64 = 4;

/// Gathers from the first moment on; a long task is one of more than 50 ms.
const OBSERVER: &str = "
    const seen = window.__seen = { fcp: 0, lcp: 0, tbt: 0, cls: 0 };
    const observe = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    observe('paint', ({ name, startTime }) => { if (name === 'first-contentful-paint') seen.fcp = startTime; });
    observe('largest-contentful-paint', ({ startTime }) => { seen.lcp = startTime; });
    observe('longtask', ({ duration }) => { seen.tbt += Math.max(0, duration - 50); });
    observe('layout-shift', ({ value, hadRecentInput }) => { if (!hadRecentInput) seen.cls += value; });
";

/// Times in milliseconds.
#[derive(Debug, serde::Deserialize)]
struct Figures {
    fcp: f64,
    lcp: f64,
    tbt: f64,
    cls: f64,
    bytes: u64,
    requests: u64,
}

impl Page {
    /// From here on, what is loaded comes over such a line to such a telephone, and is measured.
    async fn measured(&self) {
        let line = json!({
            "offline": false, "latency": ROUND_TRIP_MS, "downloadThroughput": DOWN, "uploadThroughput": UP,
        });
        self.browser.cdp("Network.enable", json!({})).await;
        self.browser.cdp("Network.emulateNetworkConditions", line).await;
        self.browser.cdp("Emulation.setCPUThrottlingRate", json!({ "rate": SLOWER })).await;
        let script = json!({ "source": OBSERVER });
        self.browser.cdp("Page.addScriptToEvaluateOnNewDocument", script).await;
    }

    async fn figures(&self, name: &str) -> Figures {
        let found: Value = self
            .script(
                "const files = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
                 const bytes = files.reduce((sum, { transferSize }) => sum + transferSize, 0);
                 return { ...window.__seen, bytes, requests: files.length };",
            )
            .await;
        let figures: Figures = serde_json::from_value(found).unwrap();
        let Figures { fcp, lcp, tbt, cls, bytes, requests } = &figures;
        println!(
            "{name}: first contentful paint {fcp:.0} ms, largest {lcp:.0} ms, total blocking time \
             {tbt:.0} ms, layout shift {cls:.3}, {bytes} bytes in {requests} requests"
        );
        figures
    }
}

/// The bounds on times are wide, for this machine does much else; those on bytes and on what moves are not.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_there_soon_on_a_slow_line_and_a_slow_telephone() {
    let server = Local::start().await;
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "tea").await;
    for i in 0..60 {
        ann.send(&room, &format!("{i}"), &format!("message {i}")).await.expect(201);
    }
    let address = format!("http://{}/", server.address());
    let Some(page) = Page::blank().await else { return };
    page.measured().await;
    page.browser.goto(&address).await.unwrap();
    page.appears("login-form").await;
    let first = page.figures("first visit").await;
    assert!(first.fcp > 0.0 && first.fcp <= 4_000.0, "{first:?}");
    assert!(first.lcp >= first.fcp && first.lcp <= 6_000.0, "{first:?}");
    assert!(first.tbt <= 2_500.0, "{first:?}");
    assert!(first.cls <= 0.1, "{first:?}");
    assert!(first.bytes > 10_000 && first.bytes <= 100 * 1024, "{first:?}");

    page.log_in("ann", &ann.password).await;
    page.connected().await;
    page.click("joined-room").await;
    page.shows("message 59").await;
    page.browser.refresh().await.unwrap();
    page.shows("message 59").await;
    let again = page.figures("coming back to a room").await;
    assert!(again.fcp > 0.0 && again.fcp <= 4_000.0, "{again:?}");
    assert!(again.lcp <= 6_000.0, "{again:?}");
    assert!(again.tbt <= 2_500.0, "{again:?}");
    assert!(again.cls <= 0.1, "{again:?}");
    // The files were kept: the page itself, the answers and nothing else.
    assert!(again.bytes <= 40 * 1024, "{again:?}");
}
