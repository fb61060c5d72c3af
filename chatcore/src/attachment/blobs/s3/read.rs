//! Objects on their way out.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use super::super::{BlobError, BlobReader, CHUNK, checked_range};
use super::Bucket;
use super::error::{broken, failed, status};

impl Bucket {
    /// Opens an object, or a part of it.
    pub(super) async fn read(
        &self,
        object: &str,
        range: Option<Range<u64>>,
    ) -> Result<BlobReader, BlobError> {
        let mut request = self.client.get_object().bucket(&*self.name).key(object);
        match &range {
            None => {}
            Some(range) if range.start < range.end => {
                request = request.range(format!("bytes={}-{}", range.start, range.end - 1));
            }
            // No request can ask for no bytes.
            Some(_) => return self.read_nothing(object, range).await,
        }
        let found = match request.send().await {
            Ok(found) => found,
            // It begins past the end, and the answer does not say where that is.
            Err(error) if status(&error) == Some(416) => {
                return self.read_nothing(object, range).await;
            }
            Err(error) => return Err(failed("GetObject", &error)),
        };
        let size = size(&found).ok_or_else(|| broken("GetObject", "an object without a length"))?;
        let range = checked_range(range, size)?;
        if given(&found, size) != Some(range.clone()) {
            return Err(broken("GetObject", "other bytes than were asked for"));
        }
        let stream = pieces(found.body, range.end - range.start, self.timeout);
        Ok(BlobReader { size, range, stream })
    }

    /// What there is to say of a range without bytes, and of one that the object does not have.
    async fn read_nothing(
        &self,
        object: &str,
        range: Option<Range<u64>>,
    ) -> Result<BlobReader, BlobError> {
        let size = self.size(object).await?.ok_or(BlobError::NotFound)?;
        let range = checked_range(range, size)?;
        if range.start < range.end {
            return Err(broken("GetObject", "the object has no such bytes, though it is longer"));
        }
        Ok(BlobReader { size, range, stream: stream::empty().boxed() })
    }
}

/// The length of the whole object: of what follows, or as in `bytes 5-9/100`.
fn size(found: &GetObjectOutput) -> Option<u64> {
    match found.content_range() {
        None => found.content_length().and_then(|length| u64::try_from(length).ok()),
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
    }
}

/// Which bytes follow.
fn given(found: &GetObjectOutput, size: u64) -> Option<Range<u64>> {
    let Some(range) = found.content_range() else { return Some(0..size) };
    let (first, last) = range.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}

/// `left` bytes in pieces of at most [`CHUNK`], each of which may take `patience`.
fn pieces(
    body: ByteStream,
    left: u64,
    patience: Duration,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let next = move |(mut body, mut rest, left): (ByteStream, Bytes, u64)| async move {
        if left == 0 {
            return Ok(None);
        }
        while rest.is_empty() {
            rest = match tokio::time::timeout(patience, body.next()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Err(broken("GetObject", error.to_string())),
                Ok(None) => return Err(broken("GetObject", "the object was cut short")),
                Err(_) => return Err(broken("GetObject", "no more bytes in time")),
            };
        }
        let piece = rest.split_to(rest.len().min(CHUNK));
        match left.checked_sub(piece.len() as u64) {
            Some(left) => Ok(Some((piece, (body, rest, left)))),
            None => Err(broken("GetObject", "more bytes than the object has")),
        }
    };
    stream::try_unfold((body, Bytes::new(), left), next).boxed()
}
