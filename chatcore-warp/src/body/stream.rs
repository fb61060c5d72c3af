//! The bytes of a body as they come in.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt as _};

use super::BodyError;
use crate::exclusive::Exclusive;
use crate::serve::TooSlow;

/// A stream of the bytes of a body.
pub struct Body(Exclusive<dyn Stream<Item = Result<Bytes, BodyError>> + Send>);

impl Body {
    /// The body that `warp::body::stream()` gives, or any other.
    ///
    /// Errors of the stream become [`BodyError::TooSlow`] if the server's pace is what ended it,
    /// [`BodyError::Incomplete`] otherwise.
    pub fn new<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
        E: StdError + 'static,
    {
        Self(Exclusive::new(Box::pin(stream.map(|chunk| match chunk {
            Ok(mut chunk) => Ok(chunk.copy_to_bytes(chunk.remaining())),
            Err(error) => Err(cause(&error)),
        }))))
    }

    /// A body that is there already.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let whole = futures_util::stream::once(std::future::ready(Ok(bytes)));
        Self(Exclusive::new(Box::pin(whole)))
    }
}

fn cause(error: &(dyn StdError + 'static)) -> BodyError {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<TooSlow>() {
            return BodyError::TooSlow;
        }
        next = error.source();
    }
    BodyError::Incomplete
}

impl Stream for Body {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
