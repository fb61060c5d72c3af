//! What a body may take.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BodyError;
use crate::serve::caps::{Caps, Permit};

/// Bounds on bodies. Cheap to clone; clones share the count of uploads under way.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    pub(crate) text: u64,
    pub(crate) upload: u64,
    pub(crate) file: u64,
    pub(crate) files: usize,
    pub(crate) fields: usize,
    pub(super) uploads: Places,
    pub(super) large: Places,
    pub(super) memory: Memory,
    pub(super) spool_dir: Option<Arc<Path>>,
}

/// The memory that bodies take at the moment, all of them together.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// Text beyond this makes a body a large one.
pub(super) const LARGE: usize = 32 << 10;

/// What is under way at the moment, counted over all and for each address.
#[derive(Clone, Debug)]
pub(super) struct Places {
    at_once: usize,
    per_address: usize,
    open: Arc<Caps>,
    /// Whose the next one is.
    from: Option<IpAddr>,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            text: 512 << 10,
            upload: 64 << 20,
            file: 20 << 20,
            files: 128,
            fields: 64,
            uploads: Places::new(64, 16),
            large: Places::new(usize::MAX, 64),
            memory: Memory(Arc::new(Semaphore::new(256 << 20))),
            spool_dir: None,
        }
    }
}

impl BodyLimits {
    /// The most bytes of a JSON or urlencoded body, and of all text in a multipart one. Default
    /// 512 KiB: a message of 64 KiB fits, even if JSON escapes every byte of it.
    #[must_use]
    pub fn with_text(mut self, bytes: u64) -> Self {
        self.text = bytes;
        self
    }

    /// The most bytes of a multipart body. Default 64 MiB.
    #[must_use]
    pub fn with_upload(mut self, bytes: u64) -> Self {
        self.upload = bytes;
        self
    }

    /// The most bytes of one file. Default 20 MiB.
    #[must_use]
    pub fn with_file(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }

    /// The most files of one body. Default 128.
    #[must_use]
    pub fn with_files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// The most fields of one body, files not counted. Default 64.
    #[must_use]
    pub fn with_fields(mut self, fields: usize) -> Self {
        self.fields = fields;
        self
    }

    /// The most memory that the bodies that are being read take together, over all clones made from
    /// here on; those above it are told to come back. Default 256 MiB.
    #[must_use]
    pub fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = Memory(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))));
        self
    }

    /// The folder in which uploads above 64 KiB wait, without a name, until it is known what to do
    /// with them. Default: the system's for temporary files, which may be memory.
    #[must_use]
    pub fn with_spool_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.spool_dir = Some(dir.as_ref().into());
        self
    }

    /// How many bodies with files may be under way at the same time, over all clones made from here
    /// on: with [`with_upload`](Self::with_upload) it bounds the disk that spooling takes.
    /// Default 64.
    #[must_use]
    pub fn with_uploads_at_once(mut self, uploads: usize) -> Self {
        self.uploads = Places::new(uploads, self.uploads.per_address);
        self
    }

    /// How many of them may be from one address (for IPv6: from one /64), so that nobody takes all
    /// places with uploads that hardly move. Default 16.
    #[must_use]
    pub fn with_uploads_per_address(mut self, uploads: usize) -> Self {
        self.uploads = Places::new(self.uploads.at_once, uploads);
        self
    }

    /// How many bodies with more than 32 KiB of text may be coming in from one address (for IPv6: from
    /// one /64), so that nobody takes all of [`with_memory`](Self::with_memory) with bodies that
    /// hardly move. Default 64.
    #[must_use]
    pub fn with_large_per_address(mut self, bodies: usize) -> Self {
        self.large = Places::new(usize::MAX, bodies);
        self
    }

    /// The same bounds, for a body from `address`.
    pub(crate) fn of(mut self, address: Option<IpAddr>) -> Self {
        self.uploads.from = address;
        self.large.from = address;
        self
    }
}

impl Memory {
    /// Room for a chunk of a body, for as long as what is returned is held.
    pub(super) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::Busy)?;
        self.0.clone().try_acquire_many_owned(bytes).map_err(|_| BodyError::Busy)
    }
}

impl Places {
    fn new(at_once: usize, per_address: usize) -> Self {
        Self { at_once, per_address, open: Caps::new(at_once, per_address), from: None }
    }

    pub(super) fn begin(&self) -> Result<Arc<Permit>, BodyError> {
        self.open.admit(self.from).map(Arc::new).ok_or(BodyError::Busy)
    }
}
