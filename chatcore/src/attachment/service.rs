//! Uploads, downloads, and the removal of what nobody needs any more.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, Stream};

use super::blobs::{BlobKey, BlobReader, BlobSource, BlobStore, Link, Presented};
use super::intake::Intake;
use super::{Attachment, AttachmentError, AttachmentLimits, Disposition, Usage, name};
use crate::clock::{Clock, Random, SystemClock, SystemRandom, Timestamp};
use crate::id::{AttachmentId, UserId};
use crate::store::attachment::{AttachmentStore, Keep, Reservation, WaitingLimit};

/// How many files one call of [`Attachments::sweep`] removes, and how many it gives up waiting for.
const SWEEP: u32 = 100;

/// How many times that number it looks at, where files cannot be removed.
const SWEEP_PAGES: u32 = 10;

/// Files of users: takes them in, hands them out, removes them.
///
/// It asks nobody's permission: who may read what is for the caller to decide, by
/// [`Attachment::usage`]. Clones share everything.
///
/// An upload becomes part of a message when the message is committed. Until then it waits, counts
/// against its owner's quota, and is removed after [`AttachmentLimits::waiting_time`].
#[derive(Clone, Debug)]
pub struct Attachments {
    store: Arc<dyn AttachmentStore>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    limits: Arc<AttachmentLimits>,
    #[cfg(feature = "thumbnails")]
    thumbnails: Option<super::Thumbnails>,
}

/// A file that someone sends.
pub struct UploadRequest<'a> {
    owner: UserId,
    name: String,
    body: BoxStream<'a, io::Result<Bytes>>,
    claimed_type: Option<String>,
    length: Option<u64>,
    image_only: bool,
}

impl fmt::Debug for UploadRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadRequest")
            .field("owner", &self.owner)
            .field("name", &self.name)
            .field("claimed_type", &self.claimed_type)
            .field("length", &self.length)
            .field("image_only", &self.image_only)
            .finish_non_exhaustive()
    }
}

impl<'a> UploadRequest<'a> {
    /// A file of `owner`, called `name` by them. An error in `body` is a body that was cut off.
    pub fn new(
        owner: UserId,
        name: impl Into<String>,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'a,
    ) -> Self {
        let (name, body) = (name.into(), body.boxed());
        Self { owner, name, body, claimed_type: None, length: None, image_only: false }
    }

    /// What the sender says it is: a media type, with or without parameters. Content has the last
    /// word.
    #[must_use]
    pub fn claimed_type(mut self, media_type: impl Into<String>) -> Self {
        self.claimed_type = Some(media_type.into());
        self
    }

    /// How many bytes the sender says it has. A body of another length is refused.
    #[must_use]
    pub fn length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }

    /// Takes nothing but an image.
    #[must_use]
    pub fn image_only(mut self) -> Self {
        self.image_only = true;
        self
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that waited too long, and will be removed.
    pub expired: u32,
    /// Files that were removed.
    pub removed: u32,
    /// Files whose bytes could not be removed now; they are tried again at the next sweep.
    pub failed: u32,
    /// Whether more is left to be done than one sweep does.
    pub more: bool,
}

impl Attachments {
    /// Files whose bytes are in `blobs` and of which `store` knows.
    pub fn new(store: Arc<dyn AttachmentStore>, blobs: Arc<dyn BlobStore>) -> Self {
        Self {
            store,
            blobs,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            limits: Arc::default(),
            #[cfg(feature = "thumbnails")]
            thumbnails: None,
        }
    }

    /// Makes thumbnails of images that come in. An image of which none can be made is taken without.
    #[cfg(feature = "thumbnails")]
    #[must_use]
    pub fn with_thumbnails(mut self, thumbnails: impl Into<Option<super::Thumbnails>>) -> Self {
        self.thumbnails = thumbnails.into();
        self
    }

    /// Bounds other than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: AttachmentLimits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Other dice than the system's.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// The bounds that hold.
    pub fn limits(&self) -> &AttachmentLimits {
        &self.limits
    }

    /// Takes a file in. Once this returns, it is stored as durably as the stores do.
    ///
    /// At most 64 KiB and what the body yields at once are held in memory. An upload that fails, or
    /// whose future is dropped, leaves nothing behind; a process that dies within one leaves what the
    /// sweep removes later.
    ///
    /// # Errors
    /// [`TooLarge`](AttachmentError::TooLarge), [`ImageTooLarge`](AttachmentError::ImageTooLarge),
    /// [`UnsupportedType`](AttachmentError::UnsupportedType),
    /// [`NotAnImage`](AttachmentError::NotAnImage), [`Cut`](AttachmentError::Cut),
    /// [`QuotaExceeded`](AttachmentError::QuotaExceeded), or a failure of a store.
    pub async fn upload(&self, request: UploadRequest<'_>) -> Result<Attachment, AttachmentError> {
        let UploadRequest { owner, name, body, claimed_type, length, image_only } = request;
        let limit = self.limits.file_bytes;
        if length.is_some_and(|length| length > limit) {
            return Err(AttachmentError::TooLarge { limit });
        }
        let reservation = Reservation {
            id: AttachmentId::random(&*self.random),
            owner,
            bytes: length.unwrap_or(limit),
            created_at: self.clock.now(),
        };
        let most =
            WaitingLimit { bytes: self.limits.waiting_bytes, files: self.limits.waiting_files };
        // From here on the upload is abandoned unless it is completed, even if the reservation's
        // own answer is never seen.
        let mut abandon = Abandon { service: self, upload: Some(reservation.clone()) };
        if !self.store.reserve_attachment(&reservation, most).await? {
            abandon.upload = None;
            return Err(AttachmentError::QuotaExceeded);
        }
        let mut source = BlobSource::new(body, limit);
        if let Some(length) = length {
            source = source.with_length(length);
        }
        let intake = Intake::begin(source, &self.limits, claimed_type.as_deref(), image_only);
        let taken = match intake.await {
            Ok(intake) => self.take(&reservation, &name, intake).await,
            Err(refusal) => Err(refusal),
        };
        // What failed is cleared away before the answer, so that a retry finds its quota free.
        if taken.is_err() {
            self.clear(&reservation).await;
        }
        abandon.upload = None;
        taken
    }

    async fn take(
        &self,
        reservation: &Reservation,
        claimed_name: &str,
        mut intake: Intake<'_>,
    ) -> Result<Attachment, AttachmentError> {
        let content_type = intake.content_type();
        let put = self.blobs.put(&BlobKey::from(&reservation.id), &mut intake).await;
        // The intake knows better than the blob store why a body was cut.
        let findings = intake.finish()?;
        put?;
        let attachment = Attachment {
            thumbnail: None,
            id: reservation.id.clone(),
            owner: reservation.owner.clone(),
            name: name::display_name(claimed_name, content_type),
            content_type: content_type.to_owned(),
            size: findings.size,
            width: findings.dimensions.map(|dimensions| dimensions.width),
            height: findings.dimensions.map(|dimensions| dimensions.height),
            created_at: reservation.created_at,
            hash: findings.hash,
            usage: Usage::Waiting,
        };
        #[cfg(feature = "thumbnails")]
        let attachment = self.with_thumbnail(attachment).await;
        if self.store.complete_attachment(&attachment).await? {
            Ok(attachment)
        } else {
            // It took so long that the sweep gave it up.
            Err(AttachmentError::Cut)
        }
    }

    /// The file with its thumbnail, which is stored before anyone knows of the file: so what is left of an
    /// upload that is cut off goes by the same name.
    #[cfg(feature = "thumbnails")]
    async fn with_thumbnail(&self, attachment: Attachment) -> Attachment {
        let Some(thumbnails) = self.thumbnails.as_ref().filter(|_| attachment.width.is_some())
        else {
            return attachment;
        };
        let made = async {
            let open = self.read(&attachment, None);
            let Some((thumbnail, bytes)) = thumbnails.make(&attachment.content_type, open).await?
            else {
                return Ok(None);
            };
            let mut body = BlobSource::new(futures_util::stream::iter([Ok(bytes)]), thumbnail.size);
            self.blobs.put(&BlobKey::thumbnail(&attachment.id), &mut body).await?;
            Ok::<_, AttachmentError>(Some(thumbnail))
        };
        match made.await {
            Ok(thumbnail) => Attachment { thumbnail, ..attachment },
            Err(error) => {
                tracing::warn!(%error, "an image is taken without a thumbnail");
                attachment
            }
        }
    }

    /// Removes what an upload that came to nothing had stored. What cannot be removed now, the sweep
    /// removes later.
    async fn clear(&self, upload: &Reservation) {
        let cleared = async {
            self.store.discard_attachment(&upload.id, &upload.owner).await?;
            self.remove(std::slice::from_ref(&upload.id)).await
        };
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "an upload that failed is left to the sweep");
        }
    }

    /// Looks a file up. Uploads under way and files that were given up are not found.
    ///
    /// # Errors
    /// [`NotFound`](AttachmentError::NotFound), or a failure of the store.
    pub async fn get(&self, id: &AttachmentId) -> Result<Attachment, AttachmentError> {
        self.store.attachment(id).await?.ok_or(AttachmentError::NotFound)
    }

    /// Reads a file's bytes, or those of `range`, in pieces of at most 64 KiB.
    ///
    /// # Errors
    /// [`NotFound`](AttachmentError::NotFound) if it was removed meanwhile; a range that does not
    /// lie within the file; a failure of the store.
    pub async fn read(
        &self,
        attachment: &Attachment,
        range: Option<Range<u64>>,
    ) -> Result<BlobReader, AttachmentError> {
        self.open(&BlobKey::from(&attachment.id), range).await
    }

    /// Reads a file's thumbnail, as [`read`](Self::read) does the file.
    ///
    /// # Errors
    /// As those of [`read`](Self::read); [`NotFound`](AttachmentError::NotFound) also if there is none.
    pub async fn read_thumbnail(
        &self,
        attachment: &Attachment,
        range: Option<Range<u64>>,
    ) -> Result<BlobReader, AttachmentError> {
        if attachment.thumbnail.is_none() {
            return Err(AttachmentError::NotFound);
        }
        self.open(&BlobKey::thumbnail(&attachment.id), range).await
    }

    async fn open(
        &self,
        key: &BlobKey,
        range: Option<Range<u64>>,
    ) -> Result<BlobReader, AttachmentError> {
        match self.blobs.get(key, range).await {
            Err(super::blobs::BlobError::NotFound) => Err(AttachmentError::NotFound),
            other => Ok(other?),
        }
    }

    /// Where anyone may fetch the file from the blob store directly, if it has such places.
    pub fn url(&self, attachment: &Attachment) -> Option<String> {
        self.blobs.url(&BlobKey::from(&attachment.id))
    }

    /// A link by which one reader may fetch the file from the blob store directly, under the name and
    /// the type that we would give it; none if the store gives none.
    ///
    /// It is none either for a file that a browser may show: what a page shows has to come from where
    /// the page does, with the headers that make it harmless.
    ///
    /// # Errors
    /// A failure of the blob store.
    pub async fn link(&self, attachment: &Attachment) -> Result<Option<Link>, AttachmentError> {
        if attachment.disposition() == Disposition::Inline {
            return Ok(None);
        }
        let presented = Presented {
            content_type: attachment.content_type_header(),
            disposition: attachment.content_disposition(),
        };
        Ok(self.blobs.link(&BlobKey::from(&attachment.id), &presented).await?)
    }

    /// Makes an upload its owner's picture; the one before it is removed. Only for images.
    ///
    /// # Errors
    /// As [`share`](Self::share), and [`NotAnImage`](AttachmentError::NotAnImage).
    pub async fn set_avatar(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<Attachment, AttachmentError> {
        let attachment = self.get(id).await?;
        // Only a picture whose size is known to be sound is shown to everyone.
        if &attachment.owner == owner && attachment.width.is_none() {
            return Err(AttachmentError::NotAnImage);
        }
        self.keep(id, owner, Keep::Avatar).await
    }

    /// Keeps an upload without a message, for everyone who is signed in and has its link.
    ///
    /// # Errors
    /// [`NotFound`](AttachmentError::NotFound); [`NotOwner`](AttachmentError::NotOwner);
    /// [`InUse`](AttachmentError::InUse) unless it is waiting; a failure of the store.
    pub async fn share(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<Attachment, AttachmentError> {
        self.keep(id, owner, Keep::Shared).await
    }

    async fn keep(
        &self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Attachment, AttachmentError> {
        Ok(self.store.keep_attachment(id, owner, keep).await??)
    }

    /// Gives up a file of `owner` that is in no message: an upload, a picture or a shared file. It
    /// is not found from then on, and is removed by the next sweep.
    ///
    /// # Errors
    /// [`NotFound`](AttachmentError::NotFound) unless there is such a file; a failure of the store.
    pub async fn discard(&self, id: &AttachmentId, owner: &UserId) -> Result<(), AttachmentError> {
        if self.store.discard_attachment(id, owner).await? {
            Ok(())
        } else {
            Err(AttachmentError::NotFound)
        }
    }

    /// Gives up what waited too long for its message, and removes what was given up: a bounded number
    /// of files, so that it never takes long. Call it every minute or so, and again at once while
    /// [`Swept::more`] says that more is left. Several nodes may sweep one store.
    ///
    /// # Errors
    /// A failure of the store; what was done by then stays done.
    pub async fn sweep(&self) -> Result<Swept, AttachmentError> {
        let waited = i64::try_from(self.limits.waiting_time.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp(self.clock.now().0.saturating_sub(waited));
        let expired = self.store.expire_attachments(before, SWEEP).await?;
        let mut swept = Swept { expired, more: expired == SWEEP, ..Swept::default() };
        let mut after = None;
        // Past the first page only when it held some that could not be removed: they must not keep
        // the others from being reached.
        for _ in 0..SWEEP_PAGES {
            let ids = self.store.released_attachments(after.as_ref(), SWEEP).await?;
            let found = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let removed = self.remove(&ids).await?;
            swept.removed += removed;
            swept.failed += found - removed;
            if found < SWEEP {
                return Ok(swept);
            }
            if removed > 0 {
                break;
            }
            after = ids.last().cloned();
        }
        swept.more = true;
        Ok(swept)
    }

    /// Removes the bytes of released files and of their thumbnails, whoever made these, then what is known
    /// of them; returns of how many.
    async fn remove(&self, ids: &[AttachmentId]) -> Result<u32, AttachmentError> {
        let mut gone = Vec::with_capacity(ids.len());
        for id in ids {
            let removed = async {
                self.blobs.delete(&BlobKey::thumbnail(id)).await?;
                self.blobs.delete(&BlobKey::from(id)).await
            };
            match removed.await {
                Ok(()) => gone.push(id.clone()),
                Err(error) => tracing::warn!(%error, "could not remove a file's bytes"),
            }
        }
        if !gone.is_empty() {
            self.store.forget_attachments(&gone).await?;
        }
        Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
    }
}

/// Gives an upload up whose future is dropped before it is done.
///
/// The sweep removes it, some time later: what the blob store was about to do when it was dropped may
/// still be under way.
struct Abandon<'a> {
    service: &'a Attachments,
    upload: Option<Reservation>,
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        // Without a runtime the process is on its way out; the reservation then ends by its age.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let store = Arc::clone(&self.service.store);
        runtime.spawn(async move {
            if let Err(error) = store.discard_attachment(&upload.id, &upload.owner).await {
                tracing::warn!(%error, "an upload that was dropped ends by its age");
            }
        });
    }
}
