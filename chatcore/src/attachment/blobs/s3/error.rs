//! What S3 says, without what it was told.

use std::error::Error as _;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::super::BlobError;

/// The longest name of an error that is passed on.
const LONGEST: usize = 64;

/// A request that failed. It holds no header and no body: those may hold what a request is signed
/// with.
#[derive(Debug, thiserror::Error)]
#[error("S3 {action}: {said}")]
struct Fault {
    action: &'static str,
    said: String,
}

/// A failure that is told by other than an answer of S3's.
pub(super) fn broken(action: &'static str, said: impl Into<String>) -> BlobError {
    BlobError::Unavailable(Fault { action, said: said.into() }.into())
}

/// The name that S3 gives the error, if it answered.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// A failure, sorted by what can be done about it.
pub(super) fn failed<E: ProvideErrorMetadata>(
    action: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> BlobError {
    let code = code(error).unwrap_or_default();
    let said = match error {
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let mut said = "cannot be reached".to_owned();
            let mut cause = failure.as_connector_error().and_then(|error| error.source());
            while let Some(error) = cause {
                said.push_str(&format!(": {error}"));
                cause = error.source();
            }
            said
        }
        _ => {
            let name: String = code.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            match status(error) {
                Some(status) => format!("{status} {name}"),
                None => "the request could not be made".to_owned(),
            }
        }
    };
    match code {
        "NoSuchKey" => BlobError::NotFound,
        // As MinIO and Ceph say it; Amazon's has no end.
        "XMinioStorageFull" | "QuotaExceeded" => BlobError::Full(Fault { action, said }.into()),
        _ if status(error) == Some(507) => BlobError::Full(Fault { action, said }.into()),
        _ => BlobError::Unavailable(Fault { action, said }.into()),
    }
}
