//! Scenarios over a running server, from outside: what people and their clients would see.
//!
//! Counts are small enough for every run; `CHATCORE_E2E_…` raises them for a soak, as each scenario
//! says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bot;
mod browser;
mod contract;
mod conversation;
mod crossing;
mod durability;
mod erasure;
mod everything;
mod files;
mod harness;
mod hostile;
mod load;
mod memory;
mod picture;
mod races;
mod resume;
mod secrets;
mod senders;
mod terminal;
mod unread;
