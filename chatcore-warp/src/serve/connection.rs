//! One connection: HTTP/1 or HTTP/2 over any stream, watched from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service as _;
use warp::{Filter, Rejection, Reply};

use super::ServeConfig;
use super::activity::{Activity, Tracked};
use super::drain::{Connection, Life};
use super::pace::Paced;

/// What all connections of a server share.
pub(super) struct Shared<F> {
    pub(super) filter: F,
    pub(super) config: ServeConfig,
    pub(super) http: auto::Builder<TokioExecutor>,
}

/// The limits that hyper and h2 keep for us: header time and size, streams, resets, buffers.
pub(super) fn http(config: &ServeConfig) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_headers(64)
        .max_buf_size(64 * 1024);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(16 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(256 * 1024);
    http
}

/// Serves `io` until it ends, stands still for too long, or the server stops.
pub(super) async fn run<F, I>(
    shared: Arc<Shared<F>>,
    io: I,
    socket: SocketAddr,
    tls: bool,
    life: Life,
    connection: Connection,
) where
    F: Filter<Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Reply,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        let busy = activity.begin();
        let config = &shared.config;
        let peer = config.trusted.peer(socket, request.headers(), tls);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(connection.clone());
        let request = request.map(|body| Paced::new(body, config.pace, busy.clone()));
        let answer = warp::service(shared.filter.clone()).call(request);
        async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Ok(panicked()));
            Ok::<_, Infallible>(answer?.map(|body| Tracked::new(body, busy)))
        }
    });
    let served = shared.http.serve_connection_with_upgrades(TokioIo::new(io), service);
    let mut served = pin!(served);
    let (mut draining, mut cut) = (life.clone(), life);
    let mut told = false;
    let mut alarm = pin!(tokio::time::sleep_until(activity.deadline(&shared.config)));
    loop {
        tokio::select! {
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%socket, error, "connection ended");
                }
                return;
            }
            () = draining.draining(), if !told => {
                told = true;
                served.as_mut().graceful_shutdown();
            }
            () = cut.cut() => return,
            () = alarm.as_mut() => {
                let deadline = activity.deadline(&shared.config);
                if deadline <= tokio::time::Instant::now() {
                    tracing::debug!(%socket, "connection stood still");
                    return;
                }
                alarm.as_mut().reset(deadline);
            }
        }
    }
}

/// The answer for a request whose handler panicked: the panic hook has said where, the client hears
/// nothing of it.
fn panicked() -> warp::reply::Response {
    tracing::error!("a request's handler panicked");
    let body =
        r#"{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal"}"#;
    let mut answer = body.into_response();
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let problem = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, problem);
    answer
}
