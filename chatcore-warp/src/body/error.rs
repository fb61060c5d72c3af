//! Why a body was not taken.

use std::io::ErrorKind;

use chatcore::Code;

/// Why a body could not be read into fields. What came so far is gone; the connection may have to
/// close, as the rest of the body was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Of a type that is not taken here.
    #[error("the body must be {0}")]
    UnsupportedType(&'static str),
    /// Compressed.
    #[error("the body must not be compressed")]
    Encoded,
    /// More bytes than are taken.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// More fields than are taken.
    #[error("the body has more than {limit} fields")]
    TooManyFields {
        /// The most that are taken.
        limit: usize,
    },
    /// More files than are taken.
    #[error("the body has more than {limit} files")]
    TooManyFiles {
        /// The most that are taken.
        limit: usize,
    },
    /// A file that is larger than is taken.
    #[error("the file is larger than {limit} bytes")]
    FileTooLarge {
        /// The field that held it.
        field: String,
        /// The most that is taken.
        limit: u64,
    },
    /// Nested deeper than is taken.
    #[error("the body is nested deeper than {limit} levels")]
    TooDeep {
        /// The most that is taken.
        limit: usize,
    },
    /// A name that comes twice: two readers could each believe another.
    #[error("the field occurs more than once")]
    Duplicate {
        /// The name.
        field: String,
    },
    /// Not what its type says.
    #[error("{0}")]
    Malformed(&'static str),
    /// It came in too slowly.
    #[error("the body came in too slowly")]
    TooSlow,
    /// The client went away in the middle of it.
    #[error("the body ended before its end")]
    Incomplete,
    /// Too many bodies are under way.
    #[error("too many requests are under way; try again")]
    Busy,
    /// What was uploaded could not be kept.
    #[error("the upload could not be kept")]
    Spool(#[source] std::io::Error),
}

impl BodyError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::UnsupportedType(_) | Self::Encoded => Code::UnsupportedMedia,
            Self::TooLarge { .. } | Self::FileTooLarge { .. } => Code::TooLarge,
            Self::TooManyFields { .. }
            | Self::TooManyFiles { .. }
            | Self::TooDeep { .. }
            | Self::Duplicate { .. }
            | Self::Malformed(_)
            | Self::TooSlow
            | Self::Incomplete => Code::BadRequest,
            Self::Busy => Code::Unavailable,
            Self::Spool(e) => match e.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    Code::StorageFull
                }
                _ => Code::Internal,
            },
        }
    }

    /// The field at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Duplicate { field } | Self::FileTooLarge { field, .. } => Some(field),
            _ => None,
        }
    }
}
