//! chatcore over QUIC, with quinn.
//!
//! [`client`] is the native client. The server's side is not here yet: the protocol, which is in
//! [`chatcore::protocol`], is spoken over WebSocket by `chatcore-warp` today.

pub mod client;

pub use client::Client;
