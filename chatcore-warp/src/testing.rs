//! A server on a port of its own, and a client for it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use warp::filters::BoxedFilter;

use crate::reply::Response;
use crate::serve::{ServeConfig, serve};

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// Serves `filter` until the test ends.
pub(crate) async fn start(filter: BoxedFilter<(Response,)>) -> SocketAddr {
    start_with(filter, ServeConfig::default()).await
}

pub(crate) async fn start_with(
    filter: BoxedFilter<(Response,)>,
    config: ServeConfig,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let _ = serve(listener, filter, config, std::future::pending()).await;
    });
    address
}

/// Sends `request`, whose URI is a path, on a connection of its own.
pub(crate) async fn send(server: SocketAddr, request: Request<impl Into<Bytes>>) -> Answer {
    let io = TokioIo::new(TcpStream::connect(server).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut request = request.map(|body| Full::new(body.into()));
    let host = server.to_string().parse().unwrap();
    request.headers_mut().entry(http::header::HOST).or_insert(host);
    let (parts, body) = client.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A request from a list of headers.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}
