//! Bodies on their way in.

use std::fmt;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Stream};

use super::{BlobError, CHUNK};

/// A body that is read piece by piece.
///
/// # Contract
/// Pieces are not empty and at most [`CHUNK`] long. `None` is the end of a body that is whole; a body
/// that is not whole ends with an error. After either, nothing more is asked.
#[async_trait]
pub trait BlobBody: Send {
    /// The next piece.
    ///
    /// # Errors
    /// [`BlobError::Cut`] or [`BlobError::TooLarge`]; the body cannot be read on.
    async fn chunk(&mut self) -> Result<Option<Bytes>, BlobError>;
}

/// A stream of bytes, bounded: it ends with an error at the first byte above its limit.
pub struct BlobSource<'a> {
    stream: BoxStream<'a, io::Result<Bytes>>,
    /// What came in one piece but is longer than a chunk.
    rest: Bytes,
    read: u64,
    limit: u64,
    length: Option<u64>,
}

impl fmt::Debug for BlobSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobSource")
            .field("read", &self.read)
            .field("limit", &self.limit)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<'a> BlobSource<'a> {
    /// At most `limit` bytes of `stream`.
    pub fn new(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'a, limit: u64) -> Self {
        Self { stream: stream.boxed(), rest: Bytes::new(), read: 0, limit, length: None }
    }

    /// Announces the length: a body of another one is cut.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }

    fn whole(&self) -> Result<(), BlobError> {
        match self.length {
            Some(length) if length != self.read => Err(BlobError::Cut(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the body is not as long as was announced",
            ))),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl BlobBody for BlobSource<'_> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        if let Some(length) = self.length.filter(|length| *length > self.limit) {
            tracing::debug!(length, limit = self.limit, "refused a body by its announced length");
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        while self.rest.is_empty() {
            match self.stream.next().await {
                None => return self.whole().map(|()| None),
                Some(Err(error)) => return Err(BlobError::Cut(error)),
                Some(Ok(bytes)) => self.rest = bytes,
            }
        }
        let chunk = self.rest.split_to(self.rest.len().min(CHUNK));
        self.read = self.read.saturating_add(chunk.len() as u64);
        if self.read > self.limit {
            return Err(BlobError::TooLarge { limit: self.limit });
        }
        if self.length.is_some_and(|length| self.read > length) {
            return self.whole().map(|()| None);
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn pieces(lengths: &[usize]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        stream::iter(lengths.iter().map(|n| Ok(Bytes::from(vec![7; *n]))).collect::<Vec<_>>())
    }

    async fn drain(mut source: BlobSource<'_>) -> Result<Vec<usize>, BlobError> {
        let mut lengths = Vec::new();
        while let Some(chunk) = source.chunk().await? {
            lengths.push(chunk.len());
        }
        Ok(lengths)
    }

    #[tokio::test]
    async fn long_pieces_are_split_and_empty_ones_are_left_out() {
        let source = BlobSource::new(pieces(&[0, CHUNK * 2 + 1, 0, 5]), 1 << 20);
        assert_eq!(drain(source).await.unwrap(), [CHUNK, CHUNK, 1, 5]);
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        assert!(drain(BlobSource::new(pieces(&[6, 4]), 10)).await.is_ok());
        let error = drain(BlobSource::new(pieces(&[6, 5]), 10)).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge { limit: 10 }));
    }

    #[tokio::test]
    async fn an_announced_length_above_the_limit_is_refused_before_anything_is_read() {
        let never = stream::poll_fn(|_| panic!("the body must not be read"));
        let error = drain(BlobSource::new(never, 10).with_length(11)).await.unwrap_err();
        assert!(matches!(error, BlobError::TooLarge { limit: 10 }));
    }

    #[tokio::test]
    async fn a_false_length_is_a_cut() {
        for length in [9, 11] {
            let source = BlobSource::new(pieces(&[6, 4]), 100).with_length(length);
            assert!(matches!(drain(source).await, Err(BlobError::Cut(_))), "{length}");
        }
        let source = BlobSource::new(pieces(&[6, 4]), 100).with_length(10);
        assert!(drain(source).await.is_ok());
    }
}
