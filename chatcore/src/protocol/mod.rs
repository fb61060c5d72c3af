//! The native protocol, `chatcore/1`.

pub mod codec;
pub mod frame;
pub mod limits;
pub mod session;

mod close;
#[cfg(feature = "schema")]
mod schema;
mod wire;

pub use close::CloseCode;
pub use codec::{DecodeError, Encoding, Malformed};
#[cfg(feature = "schema")]
pub use schema::frames_schema;
pub use wire::Wire;
