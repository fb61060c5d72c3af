//! Making answers.

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use warp::Reply as _;

use crate::exclusive::Exclusive;
use crate::problem::Problem;

/// What a handler answers.
pub type Response = warp::reply::Response;

/// `body` under `content_type`.
pub fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(body.into()).into_response();
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// `body` as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => bytes(status, "application/json", text),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal().into_response()
        }
    }
}

/// `body` as a page.
pub fn html(status: StatusCode, body: impl Into<Bytes>) -> Response {
    bytes(status, "text/html; charset=utf-8", body)
}

/// Nothing but a status.
pub fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// Chunks as they come; an error cuts the connection, so that nobody takes a part for the whole.
pub fn stream<E>(
    status: StatusCode,
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let chunks = Exclusive::new(Box::pin(chunks));
    let mut response = warp::reply::stream(chunks).into_response();
    *response.status_mut() = status;
    response
}
