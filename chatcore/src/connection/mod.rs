//! One client's connection, whatever carries it.

mod outbox;
mod transport;

pub use outbox::Outbox;
pub use transport::{Incoming, Transport};
