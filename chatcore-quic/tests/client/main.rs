//! The client against real chats: over memory with cuts, and over QUIC.

mod conversation;
mod cuts;
mod cuttable;
mod draining;
mod early;
mod fallback;
mod files;
mod memory;
mod quic;
#[path = "../support/relay.rs"]
#[expect(dead_code, reason = "recordings are for the tests of the server")]
mod relay;
