//! A request body that fails when it comes in too slowly.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::Pace;
use super::activity::Busy;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body stood still, or came in below the least rate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request body came in too slowly")]
pub struct TooSlow;

/// The body of a request, held to a [`Pace`]. Its clock starts when it is first asked for.
#[derive(Debug)]
pub(super) struct Paced<B> {
    inner: B,
    pace: Pace,
    busy: Busy,
    clock: Option<Running>,
}

#[derive(Debug)]
struct Running {
    started: Instant,
    last: Instant,
    received: u64,
    alarm: Pin<Box<Sleep>>,
}

impl<B> Paced<B> {
    pub(super) fn new(inner: B, pace: Pace, busy: Busy) -> Self {
        Self { inner, pace, busy, clock: None }
    }
}

impl Running {
    fn start(now: Instant) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(now));
        Self { started: now, last: now, received: 0, alarm }
    }

    fn deadline(&self, pace: &Pace) -> Instant {
        let earned = Duration::from_millis(self.received.saturating_mul(1000) / pace.min_rate);
        (self.started + pace.grace + earned).min(self.last + pace.idle)
    }
}

impl<B> Body for Paced<B>
where
    B: Body + Unpin,
    B::Data: bytes::Buf,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = &mut *self;
        let now = Instant::now();
        let clock = this.clock.get_or_insert_with(|| Running::start(now));
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, bytes::Buf::remaining);
                // Frames without data are free to send, so they earn no time.
                if bytes > 0 {
                    clock.received += bytes as u64;
                    clock.last = now;
                    this.busy.moved();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|r| r.map_err(Into::into))),
            Poll::Pending => {
                let deadline = clock.deadline(&this.pace);
                clock.alarm.as_mut().reset(deadline);
                match clock.alarm.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(TooSlow.into()))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
