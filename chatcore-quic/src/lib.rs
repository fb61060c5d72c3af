//! A [`Chat`](chatcore::Chat) over QUIC, with quinn.
//!
//! ```text
//!              ┌ control stream, opened by the client: requests ►  ◄ answers, notices
//!  connection ─┼ a stream for each subscribed room, opened by the server:  ◄ events, gap
//!              ├ a stream for each file, opened by the client:  request, bytes ►  ◄ answer, bytes
//!              └ datagrams: ◄ signals ►
//! ```
//!
//! The protocol is that of [`chatcore::protocol`], which says what goes where; frames are
//! [`Wire::Quic`](chatcore::protocol::Wire::Quic). See [`server`] for how to serve it, and
//! [`client`] for an application's side.
//!
//! | feature | what it adds |
//! |---|---|
//! | `websocket` | `client::WsLink`: the client over WebSocket, for networks that let no UDP through |

pub mod client;
mod congestion;
pub mod server;

pub use client::Client;
pub use server::{Certificate, Config, Counters, FilePace, Stopped, serve};

/// What the protocol is called in the handshake.
pub const ALPN: &[u8] = b"chatcore/1";
