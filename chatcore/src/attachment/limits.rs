//! What files are taken.

use std::collections::BTreeSet;
use std::time::Duration;

/// Bounds on uploads. Changing one never touches what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentLimits {
    /// The longest file, in bytes. Default 20 MiB.
    pub file_bytes: u64,
    /// The longest side of an image, in pixels. Default 16,384.
    pub image_side: u32,
    /// The most pixels of an image. Default 50 million: 200 MB once decoded.
    pub image_pixels: u64,
    /// The most bytes that one user may have uploaded and not yet put into a message. An upload of
    /// unknown length counts as [`file_bytes`](Self::file_bytes) while it runs. Default 256 MiB.
    pub waiting_bytes: u64,
    /// The most files that one user may have uploaded and not yet put into a message. Default 100.
    pub waiting_files: u32,
    /// How long an upload waits for its message before it is removed. Default 24 hours.
    pub waiting_time: Duration,
    /// The types that are taken. Default [`AllowList::default`].
    pub allowed: AllowList,
}

impl Default for AttachmentLimits {
    fn default() -> Self {
        Self {
            file_bytes: 20 << 20,
            image_side: 16_384,
            image_pixels: 50_000_000,
            waiting_bytes: 256 << 20,
            waiting_files: 100,
            waiting_time: Duration::from_secs(24 * 3600),
            allowed: AllowList::default(),
        }
    }
}

/// The media types that are taken, as found from content.
///
/// Types outside the default set are only ever served as downloads, whatever is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowList(Allowed);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    All,
    Only(BTreeSet<String>),
}

impl Default for AllowList {
    /// The images, sounds, films, documents and archives that browsers and offices read. Not:
    /// programs, markup (HTML, XML, SVG), and what is of no known type.
    fn default() -> Self {
        Self::only(super::sniff::taken_by_default())
    }
}

impl AllowList {
    /// Exactly these types, such as `image/png`.
    pub fn only<S: Into<String>>(types: impl IntoIterator<Item = S>) -> Self {
        Self(Allowed::Only(types.into_iter().map(Into::into).collect()))
    }

    /// Every type, unknown ones as `application/octet-stream`.
    pub fn everything() -> Self {
        Self(Allowed::All)
    }

    /// Takes `content_type` too.
    #[must_use]
    pub fn with(mut self, content_type: impl Into<String>) -> Self {
        if let Allowed::Only(types) = &mut self.0 {
            types.insert(content_type.into());
        }
        self
    }

    /// Whether files of `content_type` are taken.
    pub fn takes(&self, content_type: &str) -> bool {
        match &self.0 {
            Allowed::All => true,
            Allowed::Only(types) => types.contains(content_type),
        }
    }
}
