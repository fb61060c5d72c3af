//! The native protocol over WebSocket.

mod handshake;
mod shared;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use chatcore::Code;
use chatcore::connection::{Connection, Ended, Transport};
use chatcore::protocol::frame::Token;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade as auto;
use tokio::net::TcpStream;
use tracing::Instrument as _;

use crate::app::App;
use crate::auth;
use crate::metrics::OpenSocket;
use crate::problem::Problem;
use crate::reply::Response;
use crate::router::Call;
use handshake::Accepted;
use shared::Shared;
use socket::Socket;

/// Takes the connection of `call` over, if it asks for that properly.
///
/// The task that serves it from then on lives as long as the server that it came over lets it; under
/// any other server than that of this crate, until either side ends it.
pub(crate) fn upgrade(app: &App, mut call: Call) -> Response {
    let accepted = match handshake::check(&call) {
        Ok(accepted) => accepted,
        Err(problem) => return handshake::refusal(*problem),
    };
    let Some(upgrade) = call.take_upgrade() else {
        let detail = "this server cannot hand a connection over";
        return Problem::new(Code::Unsupported, detail).into_response();
    };
    let response = accepted.response();
    let ambient = auth::token(&call).map(|token| Token::new(token.to_owned()));
    let connection = call.connection().cloned();
    // Under the id of the request that opened it, it is found again in both halves of a log.
    let span = tracing::info_span!("connection", conn = call.id(), transport = "websocket");
    // Boxed, so that what only the handshake needs is gone when it is over.
    let begun = begin(app.clone(), accepted, upgrade, ambient).boxed();
    let task = async move {
        let Some((running, _open)) = begun.await else { return };
        let ended = running.await;
        tracing::debug!(?ended, "a WebSocket ended");
    };
    let task = task.instrument(span);
    let chat = app.chat.clone();
    match connection {
        Some(connection) => connection.spawn(task, move || chat.drain()),
        None => drop(tokio::spawn(task)),
    }
    response
}

/// The connection, once the handshake is done.
async fn begin(
    app: App,
    accepted: Accepted,
    upgrade: OnUpgrade,
    ambient: Option<Token>,
) -> Option<(BoxFuture<'static, Ended>, OpenSocket)> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "an upgrade came to nothing");
            return None;
        }
    };
    let (wire, most) = (accepted.wire, app.session.limits.frame_bytes as usize);
    let running = match raw(upgraded) {
        Raw::Tcp(tcp, early) => {
            let io = Shared::new(tcp);
            let sink = io.sink();
            run(&app, Socket::new(io, early, wire, most).with_sink(sink), ambient)
        }
        Raw::Other(io) => run(&app, Socket::new(io, Bytes::new(), wire, most), ambient),
    };
    Some((running, app.metrics.socket()))
}

/// The connection's own future, boxed: nested in this module's, it would take three times its size.
fn run(app: &App, socket: impl Transport, ambient: Option<Token>) -> BoxFuture<'static, Ended> {
    let (chat, config) = (app.chat.clone(), Arc::clone(&app.session));
    Connection::new(chat, socket, config).with_ambient(ambient).run().boxed()
}

/// What an upgraded connection comes down to: the raw socket where it is one, which takes many
/// pieces in one write, or else whatever the server that we run under made of it.
enum Raw {
    Tcp(TcpStream, Bytes),
    Other(TokioIo<Upgraded>),
}

fn raw(upgraded: Upgraded) -> Raw {
    match auto::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => Raw::Tcp(parts.io.into_inner(), parts.read_buf),
        Err(upgraded) => Raw::Other(TokioIo::new(upgraded)),
    }
}
