//! Who is who: the library's own accounts, or the host's.

use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::{Chat, Inner};
use crate::account::{Accounts, Directory, Identity, Profile, RevocationListener};
use crate::bus::node::Node;
use crate::error::Error;
use crate::hub::Hub;
use crate::id::{SessionId, UserId};
use crate::room::Rejection;
use crate::store::StoreError;

/// People that may be looked up at once.
const PROFILES: usize = 1_000;

impl Chat {
    /// The library's own accounts.
    ///
    /// They are there even if the host brings an [`Authenticator`](crate::account::Authenticator) of its own, which then decides
    /// who a token belongs to.
    pub fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// Who a token belongs to.
    ///
    /// # Errors
    /// [`AccountError::Unauthenticated`](crate::account::AccountError::Unauthenticated) for every token that is not good.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        Ok(self.inner.authenticator.authenticate(token).await?)
    }

    /// How people are shown. Those that are not known are left out.
    ///
    /// # Errors
    /// The directory's.
    pub async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, Error> {
        let mut profiles = Vec::with_capacity(users.len());
        for some in users.chunks(PROFILES) {
            profiles.extend(self.inner.directory.profiles(some).await?);
        }
        Ok(profiles)
    }

    /// How one person is shown.
    ///
    /// # Errors
    /// [`Rejection::NoSuchUser`], and the directory's.
    pub async fn profile(&self, user: &UserId) -> Result<Profile, Error> {
        let profiles = self.profiles(std::slice::from_ref(user)).await?;
        Ok(profiles.into_iter().next().ok_or(Rejection::NoSuchUser)?)
    }

    /// Whose handle or e-mail address `name` is.
    ///
    /// # Errors
    /// The directory's.
    pub async fn find_user(&self, name: &str) -> Result<Option<UserId>, Error> {
        Ok(self.inner.directory.find(name).await?)
    }
}

impl Chat {
    /// Ends the connections of a session that a host's own [`Authenticator`](crate::account::Authenticator) gave out, here at once, and
    /// on other nodes as soon as the bus brings it: with the bus dead, not at all, for only the host
    /// knows which of its sessions live. Sessions of [`accounts`](Self::accounts) are ended there.
    pub fn end_session(&self, user: &UserId, session: &SessionId) {
        self.inner.hub.revoke(user, session);
        if let Some(node) = self.inner.node() {
            node.ended(user, session);
        }
    }
}

impl Inner {
    /// Refuses to bring in people whom the directory does not know, or who were erased.
    pub(super) async fn check_known(&self, users: &[UserId]) -> Result<(), Error> {
        for some in users.chunks(PROFILES) {
            let known = self.directory.profiles(some).await?;
            if some.iter().any(|user| !known.iter().any(|profile| profile.user == *user)) {
                return Err(Rejection::NoSuchUser.into());
            }
            // They are still shown, where they were, but nobody can be brought together with them.
            if !self.store.erased(some).await?.is_empty() {
                return Err(Rejection::NoSuchUser.into());
            }
        }
        Ok(())
    }
}

/// Takes everyone at the word of the host's authenticator, and shows them by their id.
#[derive(Debug)]
pub(super) struct Anyone;

#[async_trait]
impl Directory for Anyone {
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let shown = |user: &UserId| Profile {
            user: user.clone(),
            handle: None,
            email: None,
            display_name: user.as_str().to_owned(),
            avatar: None,
        };
        Ok(users.iter().map(shown).collect())
    }

    async fn find(&self, name: &str) -> Result<Option<UserId>, StoreError> {
        Ok(UserId::parse(name).ok())
    }
}

/// Ends the connections of a session that has ended.
#[derive(Debug)]
pub(super) struct EndConnections {
    pub(super) hub: Arc<Hub>,
    /// Which itself knows the accounts: not to be kept alive by them.
    pub(super) node: Weak<Node>,
}

impl RevocationListener for EndConnections {
    fn on_revoked(&self, user: &UserId, session: &SessionId) {
        self.hub.revoke(user, session);
        if let Some(node) = self.node.upgrade() {
            node.ended(user, session);
        }
    }
}
