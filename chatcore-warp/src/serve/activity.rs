//! Whether anything still moves on a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Duration, Instant};

use super::ServeConfig;

/// The moves of one connection: heads that arrived, bodies that flow either way.
#[derive(Debug)]
pub(super) struct Activity {
    accepted: Instant,
    /// Milliseconds from `accepted` to the last move.
    last: AtomicU64,
    in_flight: AtomicUsize,
    any_request: AtomicBool,
}

/// A request in flight, until its answer is written or given up.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Instant::now(),
            last: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            any_request: AtomicBool::new(false),
        })
    }

    /// A request's head has arrived.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.any_request.store(true, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let busy = Busy(self.clone());
        busy.moved();
        busy
    }

    /// When the connection is to be given up if nothing moves until then.
    pub(super) fn deadline(&self, config: &ServeConfig) -> Instant {
        let last = self.accepted + Duration::from_millis(self.last.load(Ordering::Relaxed));
        let patience = if !self.any_request.load(Ordering::Relaxed) {
            config.header_timeout
        } else if self.in_flight.load(Ordering::Relaxed) == 0 {
            config.idle_timeout
        } else {
            config.stall_timeout
        };
        last + patience
    }
}

impl Busy {
    /// Notes that something moved.
    pub(super) fn moved(&self) {
        let ms = u64::try_from(self.0.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(ms, Ordering::Relaxed);
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.moved();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer: each frame that is taken is a move.
#[derive(Debug)]
pub(super) struct Tracked<B> {
    inner: B,
    busy: Busy,
}

impl<B> Tracked<B> {
    pub(super) fn new(inner: B, busy: Busy) -> Self {
        Self { inner, busy }
    }
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if polled.is_ready() {
            self.busy.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
