//! Several nodes over one PostgreSQL and one NATS, with clients over both transports, while parts die.
//!
//! Everything that clients are told is held against what was sent (`chatcore_tests::checker`).
//! `CHATCORE_CLUSTER_SECS` makes the long run longer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod crowd;
mod example;
mod faults;
mod herd;
mod out;
mod parted;
mod rolling;
mod site;
mod sockets;
