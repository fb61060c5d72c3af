//! What can go wrong, in the words of the wire.
//!
//! Each boundary of the library has an error enum of its own, whose variants are outcomes that a
//! caller can act on: [`Rejection`] for the rules of the chat, [`AccountError`] for people,
//! [`StoreError`] for storage. All of them end as one of the stable [`Code`]s of this module, and an
//! adapter turns a code into a status or a close frame in one place.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::AccountError;
use crate::attachment::AttachmentError;
use crate::id::InvalidId;
use crate::room::Rejection;
use crate::store::StoreError;

/// A stable name for an outcome, the same over the library, REST, WebSocket and QUIC.
///
/// The numbers are the HTTP status codes that the REST mirror answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The request is malformed; sending it again unchanged cannot succeed.
    BadRequest,
    /// No credential, or one that is expired, revoked or forged.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Absent, or not to be known of by this caller.
    NotFound,
    /// Clashes with what is already there.
    Conflict,
    /// Was there, and will not come back.
    Gone,
    /// Above a size limit.
    TooLarge,
    /// A type of content that is not taken.
    UnsupportedMedia,
    /// Above a limit of number: members, rooms, subscriptions, reactions.
    LimitReached,
    /// Not allowed in replayable early data; send it again once the handshake is done.
    TooEarly,
    /// Too fast; wait for `retry_after_ms`.
    RateLimited,
    /// A fault of the server.
    Internal,
    /// Known to the protocol, but not served here.
    Unsupported,
    /// Not possible now; try again.
    Unavailable,
    /// The disk or a quota is full.
    StorageFull,
}

impl Code {
    /// The name on the wire, such as `rate_limited`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::LimitReached => "limit_reached",
            Self::TooEarly => "too_early",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
        }
    }

    /// The HTTP status code (RFC 9110 and its registry) that goes with it.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::LimitReached => 422,
            Self::TooEarly => 425,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unsupported => 501,
            Self::Unavailable => 503,
            Self::StorageFull => 507,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Input that breaks a stated bound: which field, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Invalid {
    /// The field at fault, as the request spells it.
    pub field: Cow<'static, str>,
    /// A sentence that says what would be accepted. Never holds the value that was refused.
    pub problem: Cow<'static, str>,
}

impl Invalid {
    /// Refuses `field`, saying in `problem` what would be accepted.
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// Every way in which a call on [`Chat`](crate::Chat) can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input breaks a stated bound. Nothing was done.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The rules of the chat refuse it. Nothing was done.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Registration, login, sessions or profiles.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Uploads and downloads.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// Storage failed. A write may or may not have taken effect; the same call again, with the same
    /// `client_msg_id`, settles it.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// Too fast.
    #[error("too many requests; try again in {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The server is stopping, or its queues are full.
    #[error("the server cannot take this now; try again")]
    Unavailable,
    /// A fault of the library; it is in the log of the process.
    #[error("internal error")]
    Internal,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::Invalid(error.into())
    }
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::BadRequest,
            Self::Rejected(e) => e.code(),
            Self::Account(e) => e.code(),
            Self::Attachment(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// The field of the request that is at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid(e) => Some(&e.field),
            Self::Account(e) => e.field(),
            _ => None,
        }
    }

    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Account(e) => e.retry_after(),
            Self::Rejected(e) => e.retry_after(),
            _ => None,
        }
    }

    /// What a client may be told: storage faults say nothing of their cause.
    pub fn public_message(&self) -> String {
        match self {
            Self::Store(e) => e.code().as_str().replace('_', " "),
            other => other.to_string(),
        }
    }
}
