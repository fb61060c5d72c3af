//! Files: taken in as streams, judged by their content, kept as long as a message needs them.
//!
//! ```text
//! body → Intake (limit, type from content, header of images, hash) → BlobStore   the bytes
//!                                                                  → AttachmentStore   what they are
//!                                            └→ thumbnail (feature `thumbnails`) → BlobStore, beside it
//! ```
//! The row comes first and goes last: a blob without a row cannot be, whatever is cut or killed on
//! the way, so that nothing is stored that the sweep does not find.
//!
//! ```
//! use chatcore::attachment::{Attachments, UploadRequest, blobs::MemoryBlobs};
//! use chatcore::{id::UserId, store::memory::MemoryStore};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Attachments::new(Arc::new(MemoryStore::new()), Arc::new(MemoryBlobs::default()));
//! let body = futures_util::stream::iter([Ok("one line\n".into()), Ok("and another".into())]);
//! let upload = UploadRequest::new(UserId::parse("ann")?, "../notes", body).claimed_type("image/png");
//!
//! let file = files.upload(upload).await?;
//! assert_eq!(file.content_type, "text/plain");
//! assert_eq!(file.content_disposition(), r#"inline; filename="notes""#);
//! # Ok(())
//! # }
//! ```

pub mod blobs;
pub mod image;
mod intake;
mod limits;
mod model;
pub mod name;
pub mod range;
mod service;
pub mod sniff;
#[cfg(test)]
mod tests;
#[cfg(feature = "thumbnails")]
mod thumbnail;

use crate::error::Code;
use crate::store::StoreError;
use crate::store::attachment::NotTaken;
use blobs::BlobError;

pub use limits::{AllowList, AttachmentLimits};
pub use model::{Attachment, ContentHash, Disposition, Usage};
pub use service::{Attachments, Swept, UploadRequest};
#[cfg(feature = "thumbnails")]
pub use thumbnail::Thumbnails;

/// Why a file was not stored or not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// No such file, or not any more, or not for this reader.
    #[error("there is no such file")]
    NotFound,
    /// The file is someone else's upload.
    #[error("that file was uploaded by someone else")]
    NotOwner,
    /// The file is already part of a message, or serves otherwise.
    #[error("that file is already in use")]
    InUse,
    /// More bytes than a file may have.
    #[error("a file may have at most {limit} bytes")]
    TooLarge {
        /// The most that is taken, in bytes.
        limit: u64,
    },
    /// An image of more pixels than anyone should have to decode.
    #[error("an image may be at most {max_side} pixels wide or high, and {max_pixels} in all")]
    ImageTooLarge {
        /// The longest side that is taken, in pixels.
        max_side: u32,
        /// The most pixels that are taken.
        max_pixels: u64,
    },
    /// The content is of a type that is not taken here, or of none that is known.
    #[error("files of type {content_type} are not taken")]
    UnsupportedType {
        /// What the content was found to be.
        content_type: &'static str,
    },
    /// Only an image would do, and this is none.
    #[error("the file is not an image")]
    NotAnImage,
    /// The body ended early, or was not of the length that was announced. Nothing was stored.
    #[error("the upload was cut off")]
    Cut,
    /// The user has too much uploaded that is not in a message yet.
    #[error("too many uploads are waiting for their message")]
    QuotaExceeded,
    /// The bytes could not be stored or read.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// What is known of the file could not be stored or read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AttachmentError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::NotOwner => Code::Forbidden,
            Self::InUse => Code::Conflict,
            Self::TooLarge { .. } | Self::ImageTooLarge { .. } => Code::TooLarge,
            Self::UnsupportedType { .. } | Self::NotAnImage => Code::UnsupportedMedia,
            Self::Cut => Code::BadRequest,
            Self::QuotaExceeded => Code::StorageFull,
            Self::Blob(e) => e.code(),
            Self::Store(e) => e.code(),
        }
    }
}

impl From<NotTaken> for AttachmentError {
    fn from(refusal: NotTaken) -> Self {
        match refusal {
            NotTaken::NotFound => Self::NotFound,
            NotTaken::NotOwner => Self::NotOwner,
            NotTaken::InUse => Self::InUse,
        }
    }
}
