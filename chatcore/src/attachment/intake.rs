//! A body on its way from a sender to the blob store, looked at as it passes.

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::blobs::{BlobBody, BlobError, BlobSource};
use super::image::{Dimensions, Measure};
use super::{AttachmentError, AttachmentLimits, ContentHash, sniff};

/// Wraps a body: knows its type after the first bytes, and refuses what it turns out to be.
pub(super) struct Intake<'a> {
    source: BlobSource<'a>,
    limits: &'a AttachmentLimits,
    content_type: &'static str,
    /// Pieces that were read to know the type, and are yet to be passed on.
    head: VecDeque<Bytes>,
    measure: Measure,
    hash: Sha256,
    size: u64,
    ended: bool,
    /// Why the body was refused, where the blob store is only told that it is cut.
    refusal: Option<AttachmentError>,
}

/// What was found out about a body that passed whole.
pub(super) struct Findings {
    pub(super) size: u64,
    pub(super) dimensions: Option<Dimensions>,
    pub(super) hash: ContentHash,
}

impl<'a> Intake<'a> {
    /// Reads the first bytes, and refuses the body if its type is not taken.
    pub(super) async fn begin(
        mut source: BlobSource<'a>,
        limits: &'a AttachmentLimits,
        claimed: Option<&str>,
        image_only: bool,
    ) -> Result<Self, AttachmentError> {
        let mut head = VecDeque::new();
        let mut bytes = Vec::new();
        let mut ended = false;
        while bytes.len() < sniff::HEAD && !ended {
            match source.chunk().await.map_err(refused)? {
                Some(chunk) => {
                    bytes.extend_from_slice(&chunk);
                    head.push_back(chunk);
                }
                None => ended = true,
            }
        }
        let content_type = sniff::content_type(&bytes, ended, claimed);
        if image_only && !content_type.starts_with("image/") {
            return Err(AttachmentError::NotAnImage);
        }
        if !limits.allowed.takes(content_type) {
            return Err(AttachmentError::UnsupportedType { content_type });
        }
        let mut measure = Measure::new(content_type);
        if let Some(dimensions) = measure.feed(&bytes) {
            dimensions.check(limits)?;
        }
        let hash = Sha256::new();
        let (size, refusal) = (0, None);
        Ok(Self { source, limits, content_type, head, measure, hash, size, ended, refusal })
    }

    pub(super) fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// What is known once the body has passed; the refusal if it was not to pass.
    pub(super) fn finish(self) -> Result<Findings, AttachmentError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let dimensions = self.measure.finish().map_err(|()| unreadable())?;
        let hash = ContentHash(self.hash.finalize().into());
        Ok(Findings { size: self.size, dimensions, hash })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, AttachmentError> {
        if let Some(chunk) = self.head.pop_front() {
            return Ok(Some(chunk));
        }
        if !self.ended {
            if let Some(chunk) = self.source.chunk().await.map_err(refused)? {
                if let Some(dimensions) = self.measure.feed(&chunk) {
                    dimensions.check(self.limits)?;
                }
                return Ok(Some(chunk));
            }
            self.ended = true;
        }
        // An image without a header is refused before it is stored.
        self.measure.finish().map(|_| None).map_err(|()| unreadable())
    }
}

#[async_trait]
impl BlobBody for Intake<'_> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        match self.next().await {
            Ok(Some(chunk)) => {
                self.hash.update(&chunk);
                self.size += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Ok(None) => Ok(None),
            Err(refusal) => {
                let cut = std::io::Error::other(refusal.to_string());
                self.refusal = Some(refusal);
                Err(BlobError::Cut(cut))
            }
        }
    }
}

/// It begins as an image and then is none.
fn unreadable() -> AttachmentError {
    AttachmentError::UnsupportedType { content_type: sniff::UNKNOWN }
}

fn refused(error: BlobError) -> AttachmentError {
    match error {
        BlobError::TooLarge { limit } => AttachmentError::TooLarge { limit },
        BlobError::Cut(error) => {
            tracing::debug!(%error, "an upload was cut off");
            AttachmentError::Cut
        }
        other => AttachmentError::Blob(other),
    }
}
