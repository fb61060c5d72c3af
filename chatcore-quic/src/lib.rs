//! chatcore over QUIC, with quinn. Not written yet: the crate keeps the name and the place.
//!
//! The protocol that it will carry is in [`chatcore::protocol`](https://docs.rs/chatcore), and is
//! spoken over WebSocket by `chatcore-warp` today.

pub mod client;
