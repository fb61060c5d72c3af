//! Where the bytes of files are kept.

mod file;
mod memory;
mod open;
#[cfg(feature = "s3")]
mod s3;
mod source;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use file::FileBlobs;
pub use memory::MemoryBlobs;
pub use open::open;
#[cfg(feature = "s3")]
pub use s3::{S3Blobs, S3Keys, S3Options};
pub use source::{BlobBody, BlobSource};

use crate::error::Code;
use crate::id::AttachmentId;

/// The largest piece in which bytes move, in and out.
pub const CHUNK: usize = 64 * 1024;

type Cause = Box<dyn StdError + Send + Sync>;

/// The name of a blob: 1 to 64 of `A-Z a-z 0-9 - _`, random, used once and never again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey(Arc<str>);

impl BlobKey {
    /// The name of the thumbnail of a file: longer than any that is given to a file.
    pub(in crate::attachment) fn thumbnail(id: &AttachmentId) -> Self {
        Self(format!("{id}-thumbnail").into())
    }

    /// The name as text: safe as a file name and as a part of a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&AttachmentId> for BlobKey {
    fn from(id: &AttachmentId) -> Self {
        Self(id.as_str().into())
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How keeping bytes fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// No blob of this name.
    #[error("there is no such blob")]
    NotFound,
    /// The name is taken. Names are used once.
    #[error("a blob of this name is there already")]
    AlreadyExists,
    /// The body is longer than it may be. Nothing was stored.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The most that was allowed, in bytes.
        limit: u64,
    },
    /// The body failed before its end. Nothing was stored.
    #[error("the body was cut off")]
    Cut(#[source] io::Error),
    /// The range reaches past the blob's end.
    #[error("the range reaches past the end at {size} bytes")]
    OutOfRange {
        /// The blob's length in bytes.
        size: u64,
    },
    /// No space is left.
    #[error("blob storage is full")]
    Full(#[source] Cause),
    /// Not reachable, or broken. Trying again may succeed.
    #[error("blob storage is unavailable")]
    Unavailable(#[source] Cause),
    /// It cannot be used as it is set up. The sentence says how to mend it.
    #[error("blob storage cannot be used: {0}")]
    Unusable(String),
}

impl BlobError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists | Self::Unusable(_) => Code::Internal,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Cut(_) | Self::OutOfRange { .. } => Code::BadRequest,
            Self::Full(_) => Code::StorageFull,
            Self::Unavailable(_) => Code::Unavailable,
        }
    }
}

/// A failure of the file system, sorted by what can be done about it.
impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

/// A blob, or a part of it, on its way out.
pub struct BlobReader {
    /// The length of the whole blob in bytes.
    pub size: u64,
    /// Which bytes of it follow.
    pub range: Range<u64>,
    /// The bytes, in pieces of at most [`CHUNK`]. After an error there is no more.
    pub stream: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl fmt::Debug for BlobReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobReader")
            .field("size", &self.size)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// How a blob is to be presented to who fetches it from the store directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The `Content-Type`.
    pub content_type: String,
    /// The `Content-Disposition`.
    pub disposition: String,
}

/// A URL that opens one blob to whoever has it, for a while. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the blob is.
    pub url: String,
    /// How long the URL is good.
    pub valid: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("valid", &self.valid).finish_non_exhaustive()
    }
}

/// Keeps blobs.
///
/// # Contract
/// - All or nothing: a blob is there whole once [`put`](Self::put) has returned `Ok`, survives a crash
///   from then on (where the store survives one at all), and is not readable before.
/// - A `put` that fails, or whose future is dropped, leaves nothing that `get` could find and, unless
///   the process dies, nothing else either. [`delete`](Self::delete) takes away what a death left.
/// - A blob never changes. `get` beside `delete` either fails with [`BlobError::NotFound`] or gives
///   all bytes or ends with an error: never fewer bytes than [`BlobReader::range`] says, in silence.
/// - Bodies are never held whole in memory, except by a store whose purpose that is.
/// - Calls on different keys do not wait for each other.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Stores all of `body` under `key`; returns the number of bytes.
    ///
    /// # Errors
    /// What `body` fails with; [`BlobError::AlreadyExists`]; [`BlobError::Full`].
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError>;

    /// Opens a blob, or the part of it that `range` names.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::OutOfRange`], unless `start ≤ end ≤ size`.
    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError>;

    /// Removes a blob and whatever an interrupted `put` left of it. Removing what is not there is
    /// done at once.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`]; then it may still be there.
    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError>;

    /// Where anyone may fetch the blob from this store directly, if the store has such places.
    fn url(&self, key: &BlobKey) -> Option<String>;

    /// A link by which one reader may fetch the blob from this store directly, so that its bytes need
    /// not pass through this process; none if the store gives none. The blob need not be there.
    ///
    /// Who has the link can read the blob until it ends, whatever happens to their rights meanwhile.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    async fn link(&self, key: &BlobKey, as_: &Presented) -> Result<Option<Link>, BlobError>;
}

/// The part of a blob of `size` bytes that is to be read.
fn checked_range(range: Option<Range<u64>>, size: u64) -> Result<Range<u64>, BlobError> {
    match range {
        None => Ok(0..size),
        Some(range) if range.start <= range.end && range.end <= size => Ok(range),
        Some(_) => Err(BlobError::OutOfRange { size }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_storage_full() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert_eq!(BlobError::from(io::Error::from(kind)).code(), Code::StorageFull);
        }
        let other = BlobError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(other.code(), Code::Unavailable);
    }
}
