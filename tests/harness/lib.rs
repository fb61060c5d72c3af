//! What the tests of running servers share: servers to start, stop and kill, clients to talk to
//! them, and a browser.
//!
//! Everything here belongs to the test that made it: ports are free ones, data lies in temporary
//! directories, and processes end when their owner is dropped. A helper that cannot do its work
//! panics, and says why.

pub mod axe;
pub mod browser;
pub mod checker;
pub mod http;
#[cfg(target_os = "linux")]
pub mod lab;
pub mod local;
mod pip;
pub mod process;
pub mod proxy;
#[cfg(feature = "s3")]
pub mod s3;
pub mod schemathesis;
pub mod server;
pub mod services;
pub mod smtp;
pub mod terminal;
pub mod ws;

pub use http::{Http, Person, Reply};
pub use local::Local;
pub use server::{Server, example};
pub use terminal::Terminal;
pub use ws::{Encoding, Refusal, WsClient};

use std::time::Duration;

/// How long anything that a server does at once may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A count that a run may raise through the environment: a soak runs more rounds than CI.
pub fn count(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{variable} must be a number")),
        Err(_) => default,
    }
}
