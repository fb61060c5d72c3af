use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::{SecretHash, SessionRecord, Ticket};
use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

/// Keeps sessions and the tickets that resume them.
///
/// # Contract
/// - Each method takes effect as a whole or not at all, and is durable when it returns: a session
///   that was removed never comes back.
/// - A ticket goes with its session.
/// - Expired sessions and tickets may be removed at any time; callers look at `expires_at`.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a session. Of the user's sessions the newest `keep` stay, this one among them; returns
    /// the others, which are removed. Newest is by `created_at`; among equals, any.
    async fn create_session(
        &self,
        record: &SessionRecord,
        keep: usize,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// The session of that id.
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// Those of the sessions that are there, each once, in any order. At most 1,000 are asked for at
    /// once; cheap, for every node asks about all that are connected to it, about once a second.
    async fn live_sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, StoreError>;

    /// The sessions of a user, newest first.
    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError>;

    /// Renews a session: sets `renewed_at` and `expires_at`, and `refresh` if one is given as
    /// `(expected, next)`; then only if the hash is still the expected one. Whether it was renewed.
    async fn renew_session(
        &self,
        id: &SessionId,
        renewed_at: Timestamp,
        expires_at: Timestamp,
        refresh: Option<(&SecretHash, &SecretHash)>,
    ) -> Result<bool, StoreError>;

    /// Removes a session of that user. Whether there was one.
    async fn remove_session(&self, user: &UserId, id: &SessionId) -> Result<bool, StoreError>;

    /// Removes the sessions of that user, all but one; returns which.
    async fn remove_sessions(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Adds a ticket. Of the session's tickets the newest `keep` stay, this one among them. Whether
    /// the session is there; if it is not, nothing is added.
    async fn put_ticket(&self, ticket: &Ticket, keep: usize) -> Result<bool, StoreError>;

    /// The ticket of that hash, which stays.
    async fn ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError>;

    /// Removes the ticket of that hash and returns it: to one caller only.
    async fn take_ticket(&self, hash: &SecretHash) -> Result<Option<Ticket>, StoreError>;

    /// Removes what expired at `now` or before; returns how many sessions and tickets that were.
    async fn remove_expired_sessions(&self, now: Timestamp) -> Result<u64, StoreError>;
}
