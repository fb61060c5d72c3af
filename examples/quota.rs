//! A store of one's own for files, around one of the library's: it counts what is kept, and takes no more
//! than there is room for. Whoever uploads is told `storage_full`, and nothing stays of what did not fit.
//!
//! ```sh
//! cargo run --example quota
//! ```

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chatcore::attachment::UploadRequest;
use chatcore::attachment::blobs::{
    BlobBody, BlobError, BlobKey, BlobReader, BlobStore, Link, MemoryBlobs, Presented,
};
use chatcore::id::UserId;
use chatcore::store::memory::MemoryStore;
use chatcore::{Chat, Error};

/// Keeps at most `most` bytes in `inner`.
#[derive(Debug)]
struct Quota<B> {
    inner: B,
    /// What `inner` has now: at the start, what it kept from the last run.
    used: AtomicU64,
    most: u64,
}

#[async_trait]
impl<B: BlobStore> BlobStore for Quota<B> {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        if self.used.load(Ordering::SeqCst) >= self.most {
            return Err(BlobError::Full("the quota is used up".into()));
        }
        let size = self.inner.put(key, body).await?;
        // Others may have come meanwhile: what counts is who is counted first.
        if self.used.fetch_add(size, Ordering::SeqCst) + size > self.most {
            self.delete(key).await?;
            return Err(BlobError::Full("the quota is used up".into()));
        }
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        self.inner.get(key, range).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        let size = match self.inner.get(key, Some(0..0)).await {
            Ok(blob) => blob.size,
            Err(BlobError::NotFound) => 0,
            Err(other) => return Err(other),
        };
        self.inner.delete(key).await?;
        self.used.fetch_sub(size, Ordering::SeqCst);
        Ok(())
    }

    fn url(&self, key: &BlobKey) -> Option<String> {
        self.inner.url(key)
    }

    async fn link(&self, key: &BlobKey, as_: &Presented) -> Result<Option<Link>, BlobError> {
        self.inner.link(key, as_).await
    }
}

/// What the program does; the project's tests run it too.
async fn app() -> Result<Vec<String>, Error> {
    let blobs = Arc::new(Quota { inner: MemoryBlobs::default(), used: 0.into(), most: 100 });
    let chat = Chat::builder(Arc::new(MemoryStore::new())).blobs(Arc::clone(&blobs) as _);
    let chat = chat.build().await?;
    let (files, ann) = (chat.attachments(), UserId::parse("ann")?);
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for length in [60, 60, 40] {
        let body = futures_util::stream::iter([Ok("x".repeat(length).into())]);
        match files.upload(UploadRequest::new(ann.clone(), "notes.txt", body)).await {
            Ok(file) => kept.push(file.id),
            Err(refused) => seen.push(format!("{length} bytes: {}", refused.code().as_str())),
        }
        seen.push(format!("{} bytes are kept", blobs.used.load(Ordering::SeqCst)));
    }
    for file in &kept {
        files.discard(file, &ann).await?;
    }
    files.sweep().await?;
    seen.push(format!("{} bytes are kept", blobs.used.load(Ordering::SeqCst)));
    chat.shutdown().await;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    for line in app().await? {
        println!("{line}");
    }
    Ok(())
}

#[tokio::test]
async fn no_more_is_kept_than_there_is_room_for() {
    let seen = app().await.expect("the program runs");
    assert_eq!(
        seen,
        [
            "60 bytes are kept",
            "60 bytes: storage_full",
            "60 bytes are kept",
            "100 bytes are kept",
            "0 bytes are kept"
        ]
    );
}
