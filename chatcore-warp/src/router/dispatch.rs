//! What is done around every handler.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Buf;
use chatcore::Code;
use futures_util::Stream;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use tracing::Instrument as _;
use warp::path::{FullPath, Peek};
use warp::reply::Reply as _;
use warp::{Filter, Rejection};

use super::template::Params;
use super::{Call, Handler, Route, Router};
use crate::body::Body;
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::serve::{Connection, Peer};
use crate::{headers, origin};

/// What a path and method lead to.
enum Target {
    Handler {
        route: Arc<str>,
        handler: Handler,
        params: Params,
    },
    /// An answer that needs no handler.
    Fixed(Response),
    /// `OPTIONS`, or a method that the path does not have: what it has.
    Allow {
        methods: HeaderValue,
        asked: bool,
    },
}

/// A request up to its body.
struct Head {
    target: Target,
    method: Method,
    mount: String,
    query: Option<String>,
    headers: HeaderMap,
    host: Option<Authority>,
    peer: Option<Peer>,
    connection: Option<Connection>,
    upgrade: Option<OnUpgrade>,
}

pub(super) fn filter(
    router: Arc<Router>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let finds = router.clone();
    let query = warp::query::raw().map(Some).or_else(|_| async { Ok::<_, Infallible>((None,)) });
    warp::method()
        .and(warp::path::full())
        .and(warp::path::peek())
        .and_then(move |method: Method, full: FullPath, tail: Peek| {
            // Before anything else is asked for: a request that is not ours must go on untouched.
            let found = finds.find(&method, tail.as_str());
            let mount = full.as_str().strip_suffix(tail.as_str()).unwrap_or_default();
            let mount = mount.trim_end_matches('/').to_owned();
            let found = found.map(|target| (target, method, mount));
            std::future::ready(found.ok_or_else(warp::reject::not_found))
        })
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::host::optional())
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<Connection>())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(|(target, method, mount), query, headers, host, peer, connection, upgrade| Head {
            target,
            method,
            mount,
            query,
            headers,
            host,
            peer,
            connection,
            upgrade,
        })
        .and(warp::body::stream())
        .then(move |head: Head, body| answer(router.clone(), head, body))
}

impl Router {
    /// The target of `method` on `path` (without its first slash); none if the path is not ours.
    fn find(&self, method: &Method, path: &str) -> Option<Target> {
        let here = || self.routes.iter().filter(|route| route.template.matches(path));
        let serves = |route: &Route| match &route.method {
            None => *method != Method::OPTIONS,
            Some(own) => own == method || (*own == Method::GET && *method == Method::HEAD),
        };
        if let Some(route) = here().find(|route| serves(route)) {
            let Ok(params) = route.template.params(path) else {
                let problem = Problem::new(Code::BadRequest, "the path is not valid UTF-8");
                return Some(Target::Fixed(problem.into_response()));
            };
            let (handler, route) = (route.handler.clone(), route.template.as_str().into());
            return Some(Target::Handler { route, handler, params });
        }
        let mut methods: Vec<&str> = Vec::new();
        for route in here() {
            match route.method.as_ref().map(Method::as_str) {
                None => methods.extend(["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]),
                Some("GET") => methods.extend(["GET", "HEAD"]),
                Some(method) => methods.push(method),
            }
        }
        if methods.is_empty() {
            let reserved = self.reserved.iter().any(|prefix| path.starts_with(prefix));
            let problem = || Problem::new(Code::NotFound, "there is nothing here");
            return reserved.then(|| Target::Fixed(problem().into_response()));
        }
        methods.push("OPTIONS");
        methods.sort_unstable();
        methods.dedup();
        let methods = HeaderValue::try_from(methods.join(", ")).ok()?;
        Some(Target::Allow { methods, asked: *method == Method::OPTIONS })
    }
}

async fn answer<B: Buf>(
    router: Arc<Router>,
    head: Head,
    body: impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
) -> Response {
    let id = given_id(head.peer, &head.headers).unwrap_or_else(|| router.ids.next());
    let secure = head.peer.is_some_and(|peer| peer.secure);
    let is_head = head.method == Method::HEAD;
    let asked_with = head.headers.clone();
    let span = tracing::info_span!(
        "request",
        %id,
        method = %head.method,
        route = tracing::field::Empty,
        status = tracing::field::Empty,
    );
    let counted = Counted::begin(&router);
    let handled = handle(&router, head, Body::new(body), id.clone()).instrument(span.clone());
    let mut response = handled.await;
    counted.end(response.status());
    span.record("status", response.status().as_u16());
    span.in_scope(|| tracing::debug!("answered"));

    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        headers::complete(response.headers_mut(), secure);
    }
    router.origins.permit(&asked_with, response.headers_mut());
    if let Ok(id) = HeaderValue::try_from(&*id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    if is_head { without_body(response) } else { response }
}

/// The id that a trusted proxy has given a request, so that its logs and ours can be read together.
fn given_id(peer: Option<Peer>, headers: &HeaderMap) -> Option<Arc<str>> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let given = headers.get("x-request-id").filter(|_| peer.is_some_and(|peer| peer.proxied))?;
    let given = given.to_str().ok()?;
    ((1..=64).contains(&given.len()) && given.as_bytes().iter().all(is_part)).then(|| given.into())
}

async fn handle(router: &Router, head: Head, body: Body, id: Arc<str>) -> Response {
    let Head { target, method, mount, query, headers, host, peer, connection, upgrade } = head;
    let site = router.origins.site(&headers, host.as_ref());
    let (route, handler, params) = match target {
        Target::Handler { route, handler, params } => (route, handler, params),
        Target::Fixed(response) => return response,
        Target::Allow { methods, asked } => {
            let mut response = if asked {
                reply::empty(StatusCode::NO_CONTENT)
            } else {
                let problem = Problem::new(Code::BadRequest, "this path has no such method");
                problem.under(StatusCode::METHOD_NOT_ALLOWED).into_response()
            };
            router.origins.preflight(&headers, &methods, response.headers_mut());
            response.headers_mut().insert(header::ALLOW, methods);
            return response;
        }
    };
    tracing::Span::current().record("route", &*route);
    if !origin::may_change(&method, &headers, site) {
        let detail = "a page of this origin may not change anything here";
        return Problem::new(Code::Forbidden, detail).into_response();
    }
    let call = Call {
        method,
        mount,
        params,
        query,
        headers,
        host,
        peer,
        site,
        connection,
        upgrade,
        limits: router.limits.clone(),
        body: Some(body),
        id,
    };
    // A task of its own: a client that hangs up drops this future, but not what the handler is in
    // the middle of; and a panic ends the task, not the connection.
    let task = tokio::spawn((handler)(call).in_current_span());
    match task.await {
        Ok(response) => response,
        Err(_) => {
            router.metrics.handler_panicked();
            tracing::error!("the handler panicked");
            Problem::internal().into_response()
        }
    }
}

/// The answer to HEAD: the headers of the answer to GET.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    http::Response::from_parts(parts, "").into_response()
}

/// Counts a request, also one whose client went away.
struct Counted<'a>(Option<&'a Router>, Instant);

impl<'a> Counted<'a> {
    fn begin(router: &'a Router) -> Self {
        router.metrics.request_began();
        Self(Some(router), Instant::now())
    }

    fn end(mut self, status: StatusCode) {
        if let Some(router) = self.0.take() {
            router.metrics.request_ended(status, self.1.elapsed());
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(router) = self.0.take() {
            router.metrics.request_abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_gives_a_request_its_id() {
        let peer = |proxied| {
            let socket = std::net::SocketAddr::from(([192, 0, 2, 1], 1));
            Some(Peer { socket, ip: socket.ip(), secure: false, proxied })
        };
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_str(id).unwrap());
            headers
        };
        assert_eq!(given_id(peer(true), &with("a-1_b.2")).as_deref(), Some("a-1_b.2"));
        assert_eq!(given_id(peer(false), &with("a")), None);
        assert_eq!(given_id(None, &with("a")), None);
        assert_eq!(given_id(peer(true), &HeaderMap::new()), None);
        for bad in ["", "a b", "a\"b", "é", &"x".repeat(65)] {
            assert_eq!(given_id(peer(true), &with(bad)), None, "{bad}");
        }
    }
}
