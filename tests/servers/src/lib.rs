//! Servers that tests and benches start for themselves: in a temporary directory, reached by nobody else,
//! gone with the process that started them, however that ends.
//!
//! A crate of its own, which knows nothing of chatcore, so that the library's own tests can use it too.

mod guardian;
mod nats;
mod postgres;
mod process;
mod program;

pub use nats::Nats;
pub use postgres::Postgres;
pub use program::{lacking, require};
