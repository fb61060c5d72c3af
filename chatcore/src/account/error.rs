use std::time::Duration;

use crate::account::NameKind;
use crate::error::{Code, Invalid};
use crate::id::InvalidId;
use crate::mail::MailError;
use crate::store::StoreError;
use crate::throttle::TooFast;

/// Why something about an account was not done.
///
/// What an outcome tells depends on the caller's [`Disclosure`](crate::account::Disclosure): unless
/// it asks to be told, a login fails only with [`BadCredentials`](Self::BadCredentials), whoever it
/// was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Fields that break their bounds, all of them at once; never empty. Nothing was done.
    #[error("{}", list(.0))]
    Invalid(Vec<Invalid>),
    /// Names that others hold, all of them at once; never empty. Nothing was done.
    #[error("already in use: {}", kinds(.0))]
    Taken(Vec<NameKind>),
    /// The name or the password is wrong, or the account may not log in; which, is not told.
    #[error("the name or the password is wrong")]
    BadCredentials,
    /// Nobody has that name. Only where the caller asked to be told.
    #[error("nobody has that name")]
    UnknownAccount,
    /// The password is wrong. Only where the caller asked to be told.
    #[error("the password is wrong")]
    WrongPassword,
    /// The e-mail address waits for its confirmation. Only where the caller asked to be told.
    #[error("the e-mail address is not yet confirmed")]
    Unconfirmed,
    /// The password was right, but the account is switched off.
    #[error("the account is disabled")]
    Disabled,
    /// The token, ticket or session is malformed, forged, expired, revoked or used up.
    #[error("not signed in, or not any more")]
    Unauthenticated,
    /// The code or link is wrong, expired, used, or was tried too often.
    #[error("the code is wrong or no longer valid")]
    WrongCode,
    /// The address already belongs to an account. Only where the caller asked to be told.
    #[error("the e-mail address is already confirmed")]
    AlreadyConfirmed,
    /// No such account, or no such session of it.
    #[error("not found")]
    NotFound,
    /// Too fast, or too many passwords are being checked at once.
    #[error("too many requests; try again in {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// What was asked is stored, but the mail about it could not be sent: ask again.
    #[error("the mail could not be sent")]
    Mail(#[source] MailError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of this library or of what it runs on; the log has the cause.
    #[error("internal error")]
    Internal,
}

fn list(problems: &[Invalid]) -> String {
    let each: Vec<String> =
        problems.iter().map(|invalid| format!("{} {}", invalid.field, invalid.problem)).collect();
    each.join("; ")
}

fn kinds(kinds: &[NameKind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl AccountError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) | Self::WrongCode => Code::BadRequest,
            Self::Taken(_) | Self::AlreadyConfirmed => Code::Conflict,
            Self::BadCredentials
            | Self::UnknownAccount
            | Self::WrongPassword
            | Self::Unconfirmed
            | Self::Unauthenticated => Code::Unauthenticated,
            Self::Disabled => Code::Forbidden,
            Self::NotFound => Code::NotFound,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::Mail(_) => Code::Unavailable,
            Self::Store(e) => e.code(),
            Self::Internal => Code::Internal,
        }
    }

    /// The field at fault, where one is; the first of several.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Invalid(problems) => problems.first().map(|invalid| invalid.field.as_ref()),
            Self::Taken(kinds) => kinds.first().map(|kind| kind.as_str()),
            Self::WrongCode => Some("code"),
            Self::AlreadyConfirmed => Some("email"),
            _ => None,
        }
    }

    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<Invalid> for AccountError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<InvalidId> for AccountError {
    fn from(error: InvalidId) -> Self {
        Invalid::from(error).into()
    }
}

impl From<TooFast> for AccountError {
    fn from(error: TooFast) -> Self {
        Self::RateLimited { retry_after: error.retry_after }
    }
}
