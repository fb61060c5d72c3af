//! What admins ask of a store.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::Account;
use crate::clock::Timestamp;
use crate::id::UserId;

/// What there is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Rooms that are there.
    pub rooms: u64,
    /// Accounts that were not erased.
    pub users: u64,
    /// Sessions that have not expired.
    pub sessions: u64,
    /// Bytes of all files that are not released.
    pub file_bytes: u64,
    /// Bytes that the store itself takes; 0 where it cannot tell.
    pub store_bytes: u64,
}

/// How many messages there had ever been at the end of a day, or lately on the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970 in UTC.
    pub day: u32,
    /// Messages.
    pub messages: u64,
}

/// Keeps who is an admin, and what admins count.
///
/// # Contract
/// Each method takes effect as a whole or not at all, and is durable when it returns.
#[async_trait]
pub trait AdminStore: fmt::Debug + Send + Sync + 'static {
    /// Makes someone an admin. Whether they were none before.
    async fn add_admin(&self, user: &UserId, at: Timestamp) -> Result<bool, StoreError>;

    /// Makes someone no admin any more. Whether they were one.
    async fn remove_admin(&self, user: &UserId) -> Result<bool, StoreError>;

    /// Whether someone is an admin.
    async fn is_admin(&self, user: &UserId) -> Result<bool, StoreError>;

    /// Up to `limit` accounts with an id above `after`, in the order of ids, whose id is `name`, or
    /// whose handle, address or display name holds it, ASCII letters of either case alike; all, if it is
    /// empty. Those that were erased are left out.
    async fn find_accounts(
        &self,
        name: &str,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, StoreError>;

    /// What there is at `now`. Its cost grows with what there is.
    async fn numbers(&self, now: Timestamp) -> Result<Numbers, StoreError>;

    /// Notes how many messages there had been on a day; what was noted of it before is replaced.
    async fn keep_day(&self, day: Day) -> Result<(), StoreError>;

    /// What was noted, the newest `limit` days, newest first.
    async fn days(&self, limit: u32) -> Result<Vec<Day>, StoreError>;
}
