//! Blobs in memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{
    BlobBody, BlobError, BlobKey, BlobReader, BlobStore, CHUNK, Link, Presented, checked_range,
};

/// Keeps blobs in memory, up to a total; they are gone with the process.
#[derive(Debug)]
pub struct MemoryBlobs {
    capacity: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    blobs: HashMap<BlobKey, Bytes>,
    /// Bytes of all blobs, and of those on their way in.
    used: u64,
}

impl Default for MemoryBlobs {
    /// With room for 256 MiB.
    fn default() -> Self {
        Self::with_capacity(256 << 20)
    }
}

impl MemoryBlobs {
    /// With room for `bytes` in all.
    pub fn with_capacity(bytes: u64) -> Self {
        Self { capacity: bytes, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are taken from the capacity, and given back unless the blob is kept.
struct Claim<'a> {
    store: &'a MemoryBlobs,
    bytes: u64,
}

impl Claim<'_> {
    fn grow(&mut self, by: u64) -> Result<(), BlobError> {
        let mut held = self.store.held();
        if held.used.saturating_add(by) > self.store.capacity {
            return Err(BlobError::Full("the memory set aside for blobs is used up".into()));
        }
        held.used += by;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.store.held().used -= self.bytes;
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        if self.held().blobs.contains_key(key) {
            return Err(BlobError::AlreadyExists);
        }
        let mut claim = Claim { store: self, bytes: 0 };
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.chunk().await? {
            claim.grow(chunk.len() as u64)?;
            bytes.extend_from_slice(&chunk);
        }
        let mut held = self.held();
        if held.blobs.contains_key(key) {
            drop(held);
            return Err(BlobError::AlreadyExists);
        }
        held.blobs.insert(key.clone(), bytes.freeze());
        Ok(std::mem::take(&mut claim.bytes))
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        let blob = self.held().blobs.get(key).cloned().ok_or(BlobError::NotFound)?;
        let size = blob.len() as u64;
        let range = checked_range(range, size)?;
        // The range lies within the blob, whose length is a usize.
        let mut part = blob.slice(range.start as usize..range.end as usize);
        let pieces = std::iter::from_fn(move || {
            (!part.is_empty()).then(|| Ok(part.split_to(part.len().min(CHUNK))))
        });
        Ok(BlobReader { size, range, stream: stream::iter(pieces).boxed() })
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        let mut held = self.held();
        if let Some(blob) = held.blobs.remove(key) {
            held.used -= blob.len() as u64;
        }
        Ok(())
    }

    fn url(&self, _: &BlobKey) -> Option<String> {
        None
    }

    async fn link(&self, _: &BlobKey, _: &Presented) -> Result<Option<Link>, BlobError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::BlobSource;
    use super::*;
    use crate::blob_store_suite;
    use crate::id::AttachmentId;

    blob_store_suite!(async || (MemoryBlobs::default(), ()));

    async fn put(store: &MemoryBlobs, key: &str, bytes: usize) -> Result<u64, BlobError> {
        let key = BlobKey::from(&AttachmentId::parse(key).expect("a sound key"));
        let body = stream::iter([Ok(Bytes::from(vec![1; bytes]))]);
        store.put(&key, &mut BlobSource::new(body, u64::MAX)).await
    }

    #[tokio::test]
    async fn a_full_store_refuses_and_gives_back_what_it_had_taken() {
        let store = MemoryBlobs::with_capacity(100);
        put(&store, "a", 60).await.unwrap();
        let error = put(&store, "b", 60).await.unwrap_err();
        assert_eq!(error.code(), crate::Code::StorageFull);
        put(&store, "c", 40).await.expect("the refused blob holds no space");
        store.delete(&BlobKey::from(&AttachmentId::parse("a").unwrap())).await.unwrap();
        put(&store, "d", 60).await.expect("a deleted blob holds no space");
    }
}
