//! Chat as a library: accounts, rooms, message logs, and the traits that store them.

pub mod account;
pub mod attachment;
pub mod chat;
pub mod clock;
pub mod connection;
pub mod error;
pub mod hub;
pub mod id;
pub mod limits;
pub mod log;
pub mod mail;
pub mod protocol;
pub mod room;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod throttle;

pub use chat::{Caller, Chat};
pub use error::{Code, Error, Invalid};
