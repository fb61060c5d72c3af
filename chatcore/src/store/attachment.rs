//! What is known of files. Their bytes are elsewhere: in a
//! [`BlobStore`](crate::attachment::blobs::BlobStore).

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::attachment::Attachment;
use crate::clock::Timestamp;
use crate::id::{AttachmentId, UserId};

/// An upload that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// What the file will be called.
    pub id: AttachmentId,
    /// Who uploads it.
    pub owner: UserId,
    /// How much it counts for while it is under way, in bytes.
    pub bytes: u64,
    /// When it began.
    pub created_at: Timestamp,
}

/// The most that one user may have under way and waiting, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimit {
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u32,
}

/// What keeps a file that is in no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It becomes its owner's only picture.
    Avatar,
    /// Its link was handed out.
    Shared,
}

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// There is no such file; an upload under way and a file that was given up are none.
    #[error("there is no such file")]
    NotFound,
    /// It is someone else's.
    #[error("that file was uploaded by someone else")]
    NotOwner,
    /// It does not wait any more: it is used already.
    #[error("that file is already in use")]
    InUse,
}

/// Keeps what is known of files.
///
/// A file is *under way*, then *waiting*, then *used* (by a message, as an avatar, shared), and in
/// the end *released*: not found any more, but still there for the sweep to see. Putting waiting files
/// into a message, and releasing those of a deleted message or room, is done by the
/// [`LogStore`](super::LogStore) within the transaction that writes the log.
///
/// # Contract
/// - Every method is one transaction, as durable as a message once it has returned `Ok`.
/// - An id is used once. No state is entered twice.
/// - What is released is never found or used again; what is used is never released by age.
/// - No more than `limit` files are changed or listed by one call.
#[async_trait]
pub trait AttachmentStore: fmt::Debug + Send + Sync + 'static {
    /// Notes that an upload is under way; `false`, and nothing is noted, if its owner would then
    /// have more under way and waiting than `most`. The check and the note are one step: uploads
    /// that begin together cannot pass the limit together.
    async fn reserve_attachment(
        &self,
        upload: &Reservation,
        most: WaitingLimit,
    ) -> Result<bool, StoreError>;

    /// Makes an upload that is under way a waiting file; `false` if it is not under way.
    async fn complete_attachment(&self, attachment: &Attachment) -> Result<bool, StoreError>;

    /// The file, if it waits or is used.
    async fn attachment(&self, id: &AttachmentId) -> Result<Option<Attachment>, StoreError>;

    /// Puts a waiting file to a use other than a message, and returns it as it is then. As an avatar,
    /// it takes the place of its owner's earlier one, which is released in the same step.
    async fn keep_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Result<Attachment, NotTaken>, StoreError>;

    /// Releases a file of `owner` that is under way, waiting, an avatar or shared; `false`, and
    /// nothing is done, for any other.
    async fn discard_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<bool, StoreError>;

    /// Releases files that are under way or waiting since before `before`; returns how many.
    async fn expire_attachments(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Released files, in the order of their ids, from the one behind `after` on.
    async fn released_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError>;

    /// Forgets released files; ids of others, and unknown ones, are passed over.
    async fn forget_attachments(&self, ids: &[AttachmentId]) -> Result<(), StoreError>;
}
