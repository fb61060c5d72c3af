//! The server over real sockets, against a client without mercy.

mod attacks;
mod conversation;
mod early;
mod files;
mod packets;
#[path = "../support/relay.rs"]
mod relay;
mod rooms;
mod support;
