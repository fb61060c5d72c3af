//! Answers that several dialects give alike.

use std::time::Duration;

use bytes::Bytes;
use chatcore::Error;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, StatusCode, header};

use crate::problem::Problem;
use crate::reply::{self, Response};

/// Answers in a dialect's shape, under the problem's status and with its `Retry-After`.
pub(super) fn refused(problem: &Problem, body: &impl serde::Serialize) -> Response {
    let mut response = reply::json(problem.status(), body);
    if problem.status() == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    hold_off(response, problem.retry_after())
}

/// Tells when to come back, rounded up to seconds: who comes a moment early is only refused again.
pub(super) fn hold_off(mut response: Response, wait: Option<Duration>) -> Response {
    if let Some(wait) = wait {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
    }
    response
}

/// `response` in place of a problem document, where a dialect has one answer for all failures. What is
/// wrong with the server goes to the log all the same, and how long to wait into the headers.
pub(super) fn instead(response: Response, cause: impl Into<Problem>) -> Response {
    hold_off(response, cause.into().retry_after())
}

/// JSON that is made piece by piece, as fast as the client takes it.
///
/// # Errors
/// That of the first piece. One of a later piece cuts the connection, so that nobody takes a part for
/// the whole.
pub(super) async fn json_in_pieces(
    pieces: impl Stream<Item = Result<Bytes, Error>> + Send + 'static,
) -> Result<Response, Error> {
    let mut pieces = Box::pin(pieces);
    let first = pieces.try_next().await?.unwrap_or_default();
    let all = futures_util::stream::once(std::future::ready(Ok(first))).chain(pieces);
    let mut response = reply::stream(StatusCode::OK, all);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
