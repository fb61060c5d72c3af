//! The native client: rooms, messages and live entries over connections that come and go.

mod builder;
mod core;
mod driver;
mod error;
mod handle;
pub mod link;
mod quic;
mod state;
mod subscription;

pub use self::core::{Unsent, Write};
pub use builder::ClientBuilder;
pub use error::Error;
pub use handle::{Client, Notices, Sending};
pub use link::Link;
pub use quic::{InvalidFingerprint, QuicError, QuicLink, Trust};
pub use state::{Notice, Offline, State, Update};
pub use subscription::Subscription;
