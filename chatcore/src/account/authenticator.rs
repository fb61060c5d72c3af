//! Who is calling, and how people are shown: the two questions that a host may answer itself.

use std::fmt;

use async_trait::async_trait;

use crate::account::{Account, AccountError};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, SessionId, UserId};
use crate::store::StoreError;

/// Who a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The session, where the host keeps sessions: what a revocation names.
    pub session: Option<SessionId>,
    /// When the credential ends; `None` for one that does not.
    pub expires_at: Option<Timestamp>,
}

/// Tells who a token belongs to.
///
/// The accounts of this library do it by default; a host with users of its own brings its own.
///
/// # Contract
/// - It is asked for each HTTP request and each `hello`: answer from memory where you can.
/// - [`AccountError::Unauthenticated`] for every token that is not good, whatever is wrong with it;
///   [`AccountError::RateLimited`] or [`AccountError::Store`] if it cannot be told now.
/// - The token never shows up in an error or a log.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Who `token` belongs to.
    async fn authenticate(&self, token: &str) -> Result<Identity, AccountError>;
}

/// How a person is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who.
    pub user: UserId,
    /// The name they are mentioned by.
    pub handle: Option<String>,
    /// The address that names them where a contract asks for one. Not for others' eyes otherwise.
    pub email: Option<String>,
    /// What others see.
    pub display_name: String,
    /// Their picture.
    pub avatar: Option<AttachmentId>,
}

impl From<Account> for Profile {
    fn from(account: Account) -> Self {
        Self {
            user: account.id,
            handle: account.handle.map(String::from),
            email: account.email.map(String::from),
            display_name: account.display_name.into(),
            avatar: account.avatar,
        }
    }
}

/// Tells how people are shown.
///
/// # Contract
/// - `profiles` answers for those it knows, in any order, and leaves out the others.
/// - `find` compares names as the host's login does, and answers `None` for a name that is nobody's.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// The profiles of `users`; at most 1,000 are asked for at once.
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError>;

    /// Whose handle or e-mail address `name` is.
    async fn find(&self, name: &str) -> Result<Option<UserId>, StoreError>;
}
