//! The server's inside: `s3s-fs`, and the list of uploads in parts, which it does not give.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteObjectInput, DeleteObjectOutput, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload,
    PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

/// Files of a directory, and the uploads to them that have not ended. Clones share everything: the
/// test looks inside what the server works with.
#[derive(Clone)]
pub(super) struct Shelf {
    files: Arc<FileSystem>,
    /// The object that each upload is to.
    uploads: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Shelf {
    pub(super) fn new(dir: &Path) -> Self {
        let files = FileSystem::new(dir).expect("a directory");
        Self { files: Arc::new(files), uploads: Arc::default() }
    }

    pub(super) fn uploads(&self) -> Vec<String> {
        self.open().values().cloned().collect()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, upload: &str) -> S3Result<()> {
        if self.open().contains_key(upload) { Ok(()) } else { Err(s3_error!(NoSuchUpload)) }
    }
}

#[async_trait::async_trait]
impl S3 for Shelf {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.files.put_object(request).await
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        // As the real ones do, and this one does not.
        let presented = (
            request.input.response_content_type.clone(),
            request.input.response_content_disposition.clone(),
        );
        let mut found = self.files.get_object(request).await?;
        found.output.content_type = presented.0.or(found.output.content_type);
        found.output.content_disposition = presented.1.or(found.output.content_disposition);
        Ok(found)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let key = request.input.key.clone();
        let begun = self.files.create_multipart_upload(request).await?;
        let upload = begun.output.upload_id.clone().expect("it was just made");
        self.open().insert(upload, key);
        Ok(begun)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.known(&request.input.upload_id)?;
        self.files.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let upload = request.input.upload_id.clone();
        self.known(&upload)?;
        let done = self.files.complete_multipart_upload(request).await?;
        self.open().remove(&upload);
        Ok(done)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let upload = request.input.upload_id.clone();
        self.known(&upload)?;
        let done = self.files.abort_multipart_upload(request).await?;
        self.open().remove(&upload);
        Ok(done)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let prefix = request.input.prefix.unwrap_or_default();
        let open = self.open();
        let found = open.iter().filter(|(_, key)| key.starts_with(&prefix));
        let uploads = found.map(|(upload, key)| MultipartUpload {
            key: Some(key.clone()),
            upload_id: Some(upload.clone()),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(request.input.bucket),
            uploads: Some(uploads.collect()),
            is_truncated: Some(false),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
