//! Blobs in S3, or in what speaks its protocol.

mod error;
mod options;
mod read;
mod upload;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_smithy_http_client::tls;
use tokio::sync::watch;

pub use options::{S3Keys, S3Options};

use super::{BlobBody, BlobError, BlobKey, BlobReader, BlobStore, Link, Presented};
use error::{broken, failed, status};

/// How often a request is made, the first time included.
const ATTEMPTS: u32 = 3;
/// To reach the server at all.
const CONNECT: Duration = Duration::from_secs(5);

/// Keeps each blob in an object of its own, `<prefix><key>`, in a bucket of S3 or of a server that
/// speaks its protocol.
///
/// What fits into 5 MiB is stored by one request, more in parts of that size while it comes in: an
/// upload holds at most 15 MiB, and at most 48 GiB can be stored. An upload that fails, or whose future
/// is dropped, is taken back by a task of the current tokio runtime. What a process leaves behind that
/// dies within one is removed by [`delete`](BlobStore::delete); a lifecycle rule of the bucket that
/// ends incomplete uploads after some days is a good second net.
///
/// Its keys must be allowed `GetObject`, `PutObject`, `DeleteObject`, `ListBucket` (so that what is
/// not there is not found, rather than forbidden), `AbortMultipartUpload` and
/// `ListBucketMultipartUploads`. The bucket should not keep versions, or what is removed stays.
/// Several processes may share it.
#[derive(Clone)]
pub struct S3Blobs {
    bucket: Bucket,
    prefix: Arc<str>,
    links: Option<Duration>,
    /// Uploads under way, by the name of their object.
    uploads: Arc<Mutex<HashMap<String, watch::Receiver<()>>>>,
}

/// The client, and the bucket that all its requests are about.
#[derive(Clone)]
struct Bucket {
    client: Client,
    name: Arc<str>,
    timeout: Duration,
}

impl fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Blobs")
            .field("bucket", &self.bucket.name)
            .field("prefix", &self.prefix)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl S3Blobs {
    /// Opens the bucket that a URL names, with keys from the environment: see [`S3Options::parse`] and
    /// [`S3Keys::from_env`].
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`BlobError::Unusable`] if the URL or the environment is at
    /// fault.
    pub async fn open(url: &str) -> Result<Self, BlobError> {
        Self::connect(S3Options::parse(url)?, S3Keys::from_env()?).await
    }

    /// Opens a bucket, having asked it once whether it lets us.
    ///
    /// # Errors
    /// [`BlobError::Unusable`] if it refuses; [`BlobError::Unavailable`] if it does not answer.
    pub async fn connect(options: S3Options, keys: S3Keys) -> Result<Self, BlobError> {
        let S3Keys { id, secret, session } = keys;
        let credentials = Credentials::new(id, secret, session, None, "chatcore");
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let times = TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(options.timeout))
            .operation_attempt_timeout(options.timeout)
            .operation_timeout(options.timeout * ATTEMPTS);
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https())
            .credentials_provider(credentials)
            .region(Region::new(options.region))
            .force_path_style(options.path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(times.build())
            // A reader that is slow is not a server that is; we time what we wait for ourselves.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Bodies are covered by the signature, and not every server knows the newer checksums.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = options.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let bucket = Bucket {
            client: Client::from_conf(config.build()),
            name: options.bucket.into(),
            timeout: options.timeout,
        };
        let prefix = Arc::from(options.prefix);
        let store = Self { bucket, prefix, links: options.links, uploads: Arc::default() };
        store.bucket.answers(&store.prefix).await?;
        Ok(store)
    }

    fn object(&self, key: &BlobKey) -> String {
        format!("{}{key}", self.prefix)
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<()>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says of an upload that it is under way, until what is returned is dropped.
    fn begin(&self, object: &str) -> UnderWay {
        let (running, ended) = watch::channel(());
        self.uploads().insert(object.to_owned(), ended);
        UnderWay { store: self.clone(), object: object.to_owned(), running }
    }

    /// Waits until no upload of this process is under way to `object`. An upload that was given up is
    /// taken back within the time that its requests may take.
    async fn at_rest(&self, object: &str) {
        let upload = self.uploads().get(object).cloned();
        if let Some(mut upload) = upload {
            // It sends nothing: it ends.
            let _ = upload.changed().await;
        }
    }
}

/// An upload under way.
struct UnderWay {
    store: S3Blobs,
    object: String,
    running: watch::Sender<()>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut uploads = self.store.uploads();
        // What takes it back may have begun, under the same name.
        let ours = self.running.subscribe();
        if uploads.get(&self.object).is_some_and(|upload| upload.same_channel(&ours)) {
            uploads.remove(&self.object);
        }
    }
}

impl Bucket {
    /// Asks what removing needs to ask later, as the right to it is the one that is forgotten.
    async fn answers(&self, prefix: &str) -> Result<(), BlobError> {
        let asked = self.client.list_multipart_uploads().bucket(&*self.name).prefix(prefix);
        match asked.max_uploads(1).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(match (status(&error), failed("ListMultipartUploads", &error)) {
                (Some(400..=499 | 501), BlobError::Unavailable(fault)) => {
                    BlobError::Unusable(format!("{fault}; see to the bucket, its region and keys"))
                }
                (_, other) => other,
            }),
        }
    }

    /// The length of an object, if it is there.
    async fn size(&self, object: &str) -> Result<Option<u64>, BlobError> {
        match self.client.head_object().bucket(&*self.name).key(object).send().await {
            Ok(head) => {
                let size = head.content_length().and_then(|size| u64::try_from(size).ok());
                size.map(Some).ok_or_else(|| broken("HeadObject", "an object without a length"))
            }
            // Such an answer has no body, and so no name of the error.
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(failed("HeadObject", &error)),
        }
    }

    /// Removes an object. It is no error if it is not there.
    async fn remove(&self, object: &str) -> Result<(), BlobError> {
        let removed = self.client.delete_object().bucket(&*self.name).key(object).send().await;
        match removed.map_err(|error| failed("DeleteObject", &error)) {
            Ok(_) | Err(BlobError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends every upload in parts to `object`.
    async fn abort_all(&self, object: &str) -> Result<(), BlobError> {
        let asked = self.client.list_multipart_uploads().bucket(&*self.name).prefix(object);
        let found = asked.send().await.map_err(|error| failed("ListMultipartUploads", &error))?;
        for upload in found.uploads() {
            // Names that only begin like this one are others'.
            if upload.key() == Some(object)
                && let Some(id) = upload.upload_id()
            {
                self.abort(object, id).await?;
            }
        }
        if found.is_truncated() == Some(true) {
            return Err(broken("ListMultipartUploads", "more uploads of one name than one page"));
        }
        Ok(())
    }

    /// Ends an upload in parts. It is no error if it has ended.
    async fn abort(&self, object: &str, upload: &str) -> Result<(), BlobError> {
        let asked = self.client.abort_multipart_upload().bucket(&*self.name).key(object);
        match asked.upload_id(upload).send().await {
            Err(error) if error::code(&error) == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(failed("AbortMultipartUpload", &error)),
            Ok(_) => Ok(()),
        }
    }
}

#[async_trait]
impl BlobStore for S3Blobs {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        let object = self.object(key);
        // Not by `If-None-Match`: not every server knows it, and a request that is repeated because its
        // answer was lost would take its own object for another's. Names are used once anyway.
        if self.bucket.size(&object).await?.is_some() {
            return Err(BlobError::AlreadyExists);
        }
        upload::put(self, object, body).await
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        self.bucket.read(&self.object(key), range).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        let object = self.object(key);
        self.at_rest(&object).await;
        self.bucket.abort_all(&object).await?;
        self.bucket.remove(&object).await
    }

    fn url(&self, _: &BlobKey) -> Option<String> {
        None
    }

    async fn link(&self, key: &BlobKey, as_: &Presented) -> Result<Option<Link>, BlobError> {
        let Some(valid) = self.links else { return Ok(None) };
        let until = PresigningConfig::expires_in(valid);
        let until = until.map_err(|error| broken("GetObject", error.to_string()))?;
        let request = self.bucket.client.get_object().bucket(&*self.bucket.name);
        let signed = request
            .key(self.object(key))
            .response_content_type(&as_.content_type)
            .response_content_disposition(&as_.disposition)
            .response_cache_control("private, no-store")
            .presigned(until)
            .await;
        let signed = signed.map_err(|error| failed("GetObject", &error))?;
        Ok(Some(Link { url: signed.uri().to_owned(), valid }))
    }
}
