//! Blob stores by URL.

use std::sync::Arc;

use super::{BlobError, BlobStore, FileBlobs, MemoryBlobs};

/// Opens the blob store that `url` names.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | memory, up to 256 MiB; gone with the process | |
/// | `file:DIR` | files of a directory | |
/// | `s3://BUCKET/PREFIX?…` | S3, or what speaks its protocol; see [`S3Options::parse`] | `s3` |
///
/// [`S3Options::parse`]: https://docs.rs/chatcore/latest/chatcore/attachment/blobs/struct.S3Options.html
///
/// # Errors
/// [`BlobError::Unusable`] with a sentence that says how to mend it, for a URL that is not of this
/// list or that this build cannot serve; and as the store's own opening.
pub async fn open(url: &str) -> Result<Arc<dyn BlobStore>, BlobError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryBlobs::default())),
        Some(("file", dir)) if !dir.is_empty() => Ok(Arc::new(FileBlobs::open(dir).await?)),
        #[cfg(feature = "s3")]
        Some(("s3", _)) => Ok(Arc::new(super::S3Blobs::open(url).await?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(BlobError::Unusable(
            "this build has no S3: add the feature `s3` of chatcore, or use `file:DIR`".into(),
        )),
        // Not shown: what is not understood may hold a password anywhere.
        _ => Err(BlobError::Unusable(
            "there is no blob store for this URL: use `file:DIR`, `s3://BUCKET/PREFIX` or `memory:`"
                .into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_that_is_not_served_is_refused_with_those_that_are() {
        for url in ["", "memory:x", "file:", "ftp://ann:hunter2@host/", "/tmp/files"] {
            let said = open(url).await.map(|_| ()).expect_err("refused").to_string();
            assert!(said.contains("file:DIR") && said.contains("s3://BUCKET"), "{said}");
            assert!(!said.contains("hunter2"));
        }
    }

    #[cfg(not(feature = "s3"))]
    #[tokio::test]
    async fn a_build_without_s3_says_which_feature_is_missing() {
        let said = open("s3://bucket").await.map(|_| ()).expect_err("refused").to_string();
        assert!(said.contains("feature `s3`"), "{said}");
    }
}
