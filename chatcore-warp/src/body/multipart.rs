//! `multipart/form-data` (RFC 7578), as a stream: what is in memory is one chunk, and the text fields.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};

use super::{Body, BodyError, BodyLimits, Fields, File, LARGE, Spool};

/// How much may come in without a field beginning or going on: what lies before the first boundary,
/// and the headers of each part.
const MAX_OVERHEAD: u64 = 128 << 10;

pub(super) async fn read(
    boundary: String,
    body: Body,
    limits: &BodyLimits,
) -> Result<Fields, BodyError> {
    let overhead = Arc::new(AtomicU64::new(0));
    let metered = Metered {
        body,
        overhead: overhead.clone(),
        received: 0,
        limit: limits.upload,
        rest: false,
    };
    let mut parts = Multipart::new(metered, boundary);
    let mut fields = Fields::default();
    let mut text_left = limits.text;
    let mut permit = None;
    let mut place = None;
    while let Some(mut part) = parts.next_field().await.map_err(fault)? {
        overhead.store(0, Ordering::Relaxed);
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(BodyError::Malformed("a part of the body has no name"));
        };
        if is_file(&part) {
            let permit = match &permit {
                Some(permit) => Arc::clone(permit),
                None => permit.insert(limits.uploads.begin()?).clone(),
            };
            if fields.files().len() >= limits.files {
                return Err(BodyError::TooManyFiles { limit: limits.files });
            }
            let spool = Spool::new(permit, limits.spool_dir.clone());
            fields.insert_file(file(name, part, spool, &overhead, limits).await?, limits)?;
        } else {
            let mut text = Vec::new();
            let mut room = limits.memory.take(0)?;
            while let Some(chunk) = part.chunk().await.map_err(fault)? {
                overhead.store(0, Ordering::Relaxed);
                let left = text_left.checked_sub(chunk.len() as u64);
                text_left = left.ok_or(BodyError::TooLarge { limit: limits.text })?;
                room.merge(limits.memory.take(chunk.len())?);
                if place.is_none() && limits.text - text_left > LARGE as u64 {
                    place = Some(limits.large.begin()?);
                }
                text.extend_from_slice(&chunk);
            }
            let text = String::from_utf8(text)
                .map_err(|_| BodyError::Malformed("a field of the body is not valid UTF-8"))?;
            fields.insert(name, text.into(), limits)?;
        }
    }
    Ok(fields)
}

/// A part is a file if it has a file name, or a type that is not text.
fn is_file(part: &Field<'_>) -> bool {
    // Looked for in the header itself: a name that is not UTF-8 is still a file's.
    let disposition = part.headers().get(http::header::CONTENT_DISPOSITION);
    let named = disposition.is_some_and(|v| v.as_bytes().windows(8).any(|w| w == b"filename"));
    named || part.content_type().is_some_and(|t| t.type_() != mime::TEXT)
}

async fn file(
    field: String,
    mut part: Field<'_>,
    mut content: Spool,
    overhead: &AtomicU64,
    limits: &BodyLimits,
) -> Result<File, BodyError> {
    while let Some(chunk) = part.chunk().await.map_err(fault)? {
        overhead.store(0, Ordering::Relaxed);
        if content.len() + chunk.len() as u64 > limits.file {
            return Err(BodyError::FileTooLarge { field, limit: limits.file });
        }
        content.write(&chunk).await.map_err(BodyError::Spool)?;
    }
    content.finish().await.map_err(BodyError::Spool)?;
    let name = part.file_name().map(str::to_owned);
    Ok(File { field, name, content_type: part.content_type().cloned(), content })
}

/// The body as multer is to see it: bounded, and one chunk at a time.
///
/// multer takes all that a stream has ready before it looks at any of it, so without the pauses a
/// fast sender would have the whole upload in memory; and it looks for the end of a part's headers
/// without any bound.
struct Metered {
    body: Body,
    overhead: Arc<AtomicU64>,
    received: u64,
    limit: u64,
    rest: bool,
}

impl Stream for Metered {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.body.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            self.rest = true;
            let len = chunk.len() as u64;
            self.received += len;
            if self.received > self.limit {
                return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit })));
            }
            // The chunk that comes after a field's end may hold much of the next one, so it counts
            // only from the second on.
            let before = self.overhead.fetch_add(len, Ordering::Relaxed);
            if before > MAX_OVERHEAD {
                let why = "the headers of a part of the body are too long";
                return Poll::Ready(Some(Err(BodyError::Malformed(why))));
            }
        }
        polled
    }
}

/// What multer reports is the body's own error, or one of form.
fn fault(error: multer::Error) -> BodyError {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<BodyError>() {
            Ok(own) => *own,
            Err(_) => BodyError::Incomplete,
        },
        _ => BodyError::Malformed("the body is not valid multipart/form-data"),
    }
}
