use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::{Purpose, SecretHash, Verification};
use crate::clock::Timestamp;

/// Keeps what waits for the proof of an e-mail address.
///
/// # Contract
/// - Each method takes effect as a whole or not at all, and is durable when it returns.
/// - `subject` is [`Verification::subject`], compared byte by byte.
/// - What has expired at `now` is as good as absent, and may be removed at any time.
#[async_trait]
pub trait VerificationStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a verification. Of those of its purpose and subject the newest `keep` stay, this one
    /// among them; the others are removed. Newest is by `created_at`; among equals, any.
    async fn put_verification(
        &self,
        verification: &Verification,
        keep: usize,
    ) -> Result<(), StoreError>;

    /// Those of a purpose and subject that are good at `now`, newest first.
    async fn verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError>;

    /// Counts one try on each of a purpose and subject that is good at `now` and has had fewer than
    /// `max_tries`; returns these, newest first. However many ask at once, each of them is returned
    /// `max_tries` times at most.
    async fn try_verifications(
        &self,
        purpose: Purpose,
        subject: &str,
        max_tries: u32,
        now: Timestamp,
    ) -> Result<Vec<Verification>, StoreError>;

    /// The one whose link has that hash, if it is good at `now`.
    async fn verification_by_link(
        &self,
        link: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<Verification>, StoreError>;

    /// Removes one. Whether it was there: of several callers, one is told so.
    async fn remove_verification(&self, id: &str) -> Result<bool, StoreError>;

    /// Removes all of a purpose and subject.
    async fn remove_verifications(&self, purpose: Purpose, subject: &str)
    -> Result<(), StoreError>;

    /// Removes what expired at `now` or before; returns how many that were.
    async fn remove_expired_verifications(&self, now: Timestamp) -> Result<u64, StoreError>;
}
