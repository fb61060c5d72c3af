//! The catalogue of attacks, each tried as its attacker would: against the library where the rule is
//! the engine's, over real sockets where it is on the wire. `README.md` lists which test answers
//! which rule.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod http_auth;
mod messages;
mod rooms;
mod site;
mod websocket;
mod world;
