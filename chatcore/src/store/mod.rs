//! Where everything durable is kept.
//!
//! One trait per noun; [`Store`] is all of them together.

mod account;
mod admin;
pub mod attachment;
mod erasure;
mod hook;
mod inbox;
mod log;
pub mod memory;
mod open;
mod oversight;
#[cfg(feature = "postgres")]
pub mod postgres;
mod room;
mod search;
mod session;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod verification;

pub use account::{AccountStore, Naming};
pub use admin::{AdminStore, Day, Numbers};
pub use attachment::AttachmentStore;
pub use erasure::{Erasure, ErasureStore};
pub use hook::{HookCursor, HookStore};
pub use inbox::{Handed, InboxStore, Refused};
pub use log::{Committed, LogStore, Run, Toward};
pub use open::open;
pub use oversight::{OversightStore, Reported};
pub use room::{Head, Retained, RoomCounts, RoomFilter, RoomStore};
pub use search::{SearchPage, SearchStore};
pub use session::SessionStore;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::host::HostWrites;
pub use verification::VerificationStore;

use std::error::Error as StdError;

use crate::error::Code;

type Cause = Box<dyn StdError + Send + Sync>;

/// How storage fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not reachable, busy for too long, or shutting down. Trying again may succeed.
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
    /// No space is left.
    #[error("storage is full")]
    Full(#[source] Cause),
    /// What was read cannot be: a broken file, or rows written by something else.
    #[error("storage holds something unreadable")]
    Corrupt(#[source] Cause),
    /// The schema is of a newer version than this build knows, or the settings break a promise.
    #[error("storage cannot be used: {0}")]
    Unusable(String),
}

impl StoreError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) => Code::Unavailable,
            Self::Full(_) => Code::StorageFull,
            Self::Corrupt(_) | Self::Unusable(_) => Code::Internal,
        }
    }
}

/// Everything durable, in one place.
pub trait Store:
    LogStore
    + RoomStore
    + SearchStore
    + AccountStore
    + SessionStore
    + VerificationStore
    + AttachmentStore
    + InboxStore
    + HookStore
    + ErasureStore
    + OversightStore
    + AdminStore
{
}

impl<T> Store for T where
    T: LogStore
        + RoomStore
        + SearchStore
        + AccountStore
        + SessionStore
        + VerificationStore
        + AttachmentStore
        + InboxStore
        + HookStore
        + ErasureStore
        + OversightStore
        + AdminStore
{
}
