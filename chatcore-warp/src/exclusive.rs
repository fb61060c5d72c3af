//! Making a stream `Sync`.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;

/// A stream that may be shared between threads because it is only ever reached through an exclusive
/// reference: the lock is never taken.
pub(crate) struct Exclusive<S: ?Sized>(Mutex<Pin<Box<S>>>);

impl<S: ?Sized> Exclusive<S> {
    pub(crate) fn new(stream: Pin<Box<S>>) -> Self {
        Self(Mutex::new(stream))
    }
}

impl<S: Stream + ?Sized> Stream for Exclusive<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().poll_next(cx)
    }
}
