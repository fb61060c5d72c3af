//! Objects on their way in: a body is read here, and carried to S3 by a task of its own.
//!
//! The task outlives a `put` whose future is dropped, so that what it has begun can be taken back: a
//! request that is merely dropped may still be carried out.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use super::super::{BlobBody, BlobError};
use super::error::{broken, code, failed, status};
use super::{Bucket, S3Blobs};

/// The length of every part but the last: the least that S3 takes.
const PART: usize = 5 << 20;
/// Parts on their way at the same time; one more is being filled.
const IN_FLIGHT: usize = 2;
/// The most parts of an object.
const PARTS: i32 = 10_000;
/// Up to here a part grows as it needs; then it is given its full length.
const SMALL: usize = 256 << 10;

/// A part of a body.
struct Part {
    bytes: Bytes,
    /// Whether the body ends with it.
    last: bool,
}

/// Stores `body` as `object`; see [`put`](super::BlobStore::put).
pub(super) async fn put(
    store: &S3Blobs,
    object: String,
    body: &mut dyn BlobBody,
) -> Result<u64, BlobError> {
    let (parts, coming) = mpsc::channel(1);
    let (answer, answered) = oneshot::channel();
    let under_way = store.begin(&object);
    let bucket = store.bucket.clone();
    let mut put = Put { store, object: object.clone(), answered };
    tokio::spawn(async move {
        let _under_way = under_way;
        let stored = bucket.store(&object, coming).await;
        if let Err(Ok(_)) = answer.send(stored) {
            // Nobody waits for it any more.
            take_back(&bucket, &object).await;
        }
    });
    let fed = feed(body, parts).await;
    let stored = (&mut put.answered).await;
    fed?;
    stored.unwrap_or_else(|_| Err(broken("upload", "its task ended without an answer")))
}

/// Hands the body on, part by part, until its end or until the task does not want any more.
async fn feed(body: &mut dyn BlobBody, parts: mpsc::Sender<Part>) -> Result<(), BlobError> {
    let mut rest = Bytes::new();
    loop {
        // Before the part is read, so that none waits in between.
        let Ok(place) = parts.reserve().await else { return Ok(()) };
        let mut bytes = BytesMut::new();
        // A full part is the last one only if nothing follows: there are no empty ones.
        let last = loop {
            if rest.is_empty() {
                match body.chunk().await? {
                    Some(chunk) => rest = chunk,
                    None => break true,
                }
            }
            if bytes.len() == PART {
                break false;
            }
            if bytes.len() + rest.len() > SMALL {
                bytes.reserve(PART - bytes.len());
            }
            bytes.extend_from_slice(&rest.split_to(rest.len().min(PART - bytes.len())));
        };
        place.send(Part { bytes: bytes.freeze(), last });
        if last {
            return Ok(());
        }
    }
}

/// A `put` under way. Dropped together with its future, it takes back what was just stored.
struct Put<'a> {
    store: &'a S3Blobs,
    object: String,
    answered: oneshot::Receiver<Result<u64, BlobError>>,
}

impl Drop for Put<'_> {
    fn drop(&mut self) {
        self.answered.close();
        // The answer came, and nobody looked at it.
        if let Ok(Ok(_)) = self.answered.try_recv()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let under_way = self.store.begin(&self.object);
            let (bucket, object) = (self.store.bucket.clone(), self.object.clone());
            runtime.spawn(async move {
                let _under_way = under_way;
                take_back(&bucket, &object).await;
            });
        }
    }
}

async fn take_back(bucket: &Bucket, object: &str) {
    if let Err(error) = bucket.remove(object).await {
        tracing::warn!(%error, "an upload that was dropped is left to the sweep");
    }
}

impl Bucket {
    /// Stores what comes, or nothing.
    async fn store(
        &self,
        object: &str,
        mut coming: mpsc::Receiver<Part>,
    ) -> Result<u64, BlobError> {
        match coming.recv().await {
            None => Err(given_up()),
            Some(Part { bytes, last: true }) => self.store_whole(object, bytes).await,
            Some(first) => self.store_parts(object, first, coming).await,
        }
    }

    async fn store_whole(&self, object: &str, bytes: Bytes) -> Result<u64, BlobError> {
        let size = bytes.len() as u64;
        let request = self.client.put_object().bucket(&*self.name).key(object);
        let stored = request.body(ByteStream::from(bytes)).send().await;
        if let Err(error) = stored {
            // Unless it was refused, it may have been stored, and only the answer been lost.
            if !matches!(status(&error), Some(400..=499)) {
                take_back(self, object).await;
            }
            return Err(failed("PutObject", &error));
        }
        Ok(size)
    }

    async fn store_parts(
        &self,
        object: &str,
        first: Part,
        coming: mpsc::Receiver<Part>,
    ) -> Result<u64, BlobError> {
        let begun = self.client.create_multipart_upload().bucket(&*self.name).key(object);
        let begun = begun.send().await;
        let begun = begun.map_err(|error| failed("CreateMultipartUpload", &error))?;
        let upload = begun.upload_id().unwrap_or_default();
        let stored = match self.send_parts(object, upload, first, coming).await {
            Ok((parts, size)) => self.complete(object, upload, parts, size).await,
            Err(error) => Err(error),
        };
        if stored.is_err()
            && let Err(error) = self.abort(object, upload).await
        {
            tracing::warn!(%error, "parts of an upload that failed are left to the sweep");
        }
        stored
    }

    /// Sends all parts; returns them in order, and how many bytes they have.
    async fn send_parts(
        &self,
        object: &str,
        upload: &str,
        first: Part,
        mut coming: mpsc::Receiver<Part>,
    ) -> Result<(Vec<CompletedPart>, u64), BlobError> {
        let mut sending = FuturesUnordered::new();
        let mut sent = Vec::new();
        let (mut number, mut size, mut outcome) = (0, 0, Ok(()));
        let mut next = Some(first);
        let mut ended = false;
        loop {
            if let Some(Part { bytes, last }) = next.take() {
                number += 1;
                if number > PARTS {
                    let limit = PART as u64 * PARTS as u64;
                    outcome = Err(BlobError::TooLarge { limit });
                    break;
                }
                size += bytes.len() as u64;
                ended = last;
                sending.push(self.send_part(object, upload, number, bytes));
            }
            tokio::select! {
                part = coming.recv(), if !ended && sending.len() < IN_FLIGHT => {
                    next = part;
                    if next.is_none() {
                        outcome = Err(given_up());
                        break;
                    }
                }
                Some(part) = sending.next() => match part {
                    Ok(part) => sent.push(part),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                },
                else => break,
            }
        }
        drop(coming);
        // Those that are still on their way come to an end before the upload is ended: a part that
        // arrives later would stay.
        while sending.next().await.is_some() {}
        outcome?;
        sent.sort_by_key(CompletedPart::part_number);
        Ok((sent, size))
    }

    async fn send_part(
        &self,
        object: &str,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart, BlobError> {
        let request = self.client.upload_part().bucket(&*self.name).key(object);
        let request = request.upload_id(upload).part_number(number);
        let sent = request.body(ByteStream::from(bytes)).send().await;
        let sent = sent.map_err(|error| failed("UploadPart", &error))?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(sent.e_tag().map(str::to_owned)).build())
    }

    async fn complete(
        &self,
        object: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
        size: u64,
    ) -> Result<u64, BlobError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&*self.name).key(object);
        let completed = request.upload_id(upload).multipart_upload(parts).send().await;
        let Err(error) = completed else { return Ok(size) };
        // Asked twice, because the first answer was lost, it knows of no such upload any more.
        if code(&error) == Some("NoSuchUpload") && self.size(object).await? == Some(size) {
            return Ok(size);
        }
        take_back(self, object).await;
        Err(failed("CompleteMultipartUpload", &error))
    }
}

/// For nobody to read: who sent the body knows why it ended.
fn given_up() -> BlobError {
    broken("upload", "the body was given up")
}
