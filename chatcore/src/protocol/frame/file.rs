//! What the stream of a file begins with, over a transport that has streams for files.

use serde::{Deserialize, Serialize};

use super::{Failure, RequestId};
use crate::id::AttachmentId;
use crate::log::AttachmentRef;

/// The first frame of a file's stream: what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileRequest {
    /// The bytes of a file follow.
    Upload {
        /// The client's name for it.
        id: RequestId,
        /// What they are.
        #[serde(flatten)]
        upload: UploadRequest,
    },
    /// The bytes of a file are asked for.
    Download {
        /// The client's name for it.
        id: RequestId,
        /// Which.
        #[serde(flatten)]
        download: DownloadRequest,
    },
}

impl FileRequest {
    /// The longest that it may be, in bytes.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// What the client calls it.
    pub const fn id(&self) -> RequestId {
        match self {
            Self::Upload { id, .. } | Self::Download { id, .. } => *id,
        }
    }
}

/// A file that is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UploadRequest {
    /// What its sender calls it.
    pub name: String,
    /// What its sender says it is: a media type. Content has the last word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How many bytes follow. Another number is refused.
    pub length: u64,
}

/// A file that is asked for, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DownloadRequest {
    /// Which file.
    pub attachment: AttachmentId,
    /// Its thumbnail is wanted, and places count in that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thumbnail: bool,
    /// The first byte that is wanted, counted from 0; at most the file's length.
    #[serde(default)]
    pub start: u64,
    /// The byte before which to stop; without it, all up to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// The one frame that a server answers with on a file's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileAnswer {
    /// An upload is stored; or a download follows.
    Result {
        /// Which request.
        id: RequestId,
        /// The file.
        file: AttachmentRef,
        /// Of a download: the first byte that follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        start: Option<u64>,
        /// Of a download: the byte after the last one that follows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// It was refused. Of an upload, nothing is stored.
    Error {
        /// Which request, as far as that could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        /// Why.
        #[serde(flatten)]
        failure: Failure,
    },
}
