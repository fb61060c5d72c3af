//! The native protocol over WebSocket.

mod handshake;
mod socket;
#[cfg(test)]
mod tests;

use std::future::Future;

use bytes::Bytes;
use chatcore::Code;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::problem::Problem;
use crate::reply::Response;
use crate::router::Call;
use handshake::Accepted;
pub(crate) use socket::Socket;

/// What an upgraded connection comes down to: the raw socket where it is one, which takes many
/// pieces in one write, or else whatever the server that we run under made of it.
enum Raw {
    Tcp(TcpStream, Bytes),
    Other(TokioIo<Upgraded>),
}

fn raw(upgraded: Upgraded) -> Raw {
    match upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => Raw::Tcp(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => Raw::Other(TokioIo::new(upgraded)),
    }
}
