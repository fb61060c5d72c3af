//! The opening handshake (RFC 6455, section 4.2): what is checked before a connection is taken over.

use chatcore::Code;
use chatcore::protocol::Wire;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::auth;
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

/// A handshake that may be answered.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) wire: Wire,
    accept: String,
    subprotocol: Option<&'static str>,
}

/// Checks the request of an upgrade.
pub(super) fn check(call: &Call) -> Result<Accepted, Box<Problem>> {
    let refuse = |problem: &'static str| Box::new(Problem::new(Code::BadRequest, problem));
    auth::refuse_in_url(call)?;
    let headers = call.headers();
    if !has_token(headers, header::UPGRADE, "websocket")
        || !has_token(headers, header::CONNECTION, "upgrade")
    {
        let problem =
            refuse("this is a WebSocket; ask for it with Upgrade: websocket over HTTP/1.1");
        return Err(Box::new(problem.under(StatusCode::UPGRADE_REQUIRED)));
    }
    if call.header(header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let problem = refuse("only version 13 of WebSocket is spoken here");
        return Err(Box::new(problem.under(StatusCode::UPGRADE_REQUIRED)));
    }
    // Sixteen bytes in base64 are 24 characters; their meaning is nothing to a server.
    let key = call.header(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let Some(key) = key else { return Err(refuse("Sec-WebSocket-Key must be 16 bytes in base64")) };
    let (wire, subprotocol) = choose(headers).ok_or_else(|| {
        refuse("Sec-WebSocket-Protocol must offer chatcore.v1.json or chatcore.v1.msgpack")
    })?;
    if call.is_foreign() && crate::cookie::session(headers, call.secure()).is_some() {
        let detail = "a page of this origin may not connect with the visitor's cookie";
        return Err(Box::new(Problem::new(Code::Forbidden, detail)));
    }
    Ok(Accepted { wire, accept: derive_accept_key(key.as_bytes()), subprotocol })
}

/// The answer to a request that [`check`] refused; to one that is no handshake, it says what would be.
pub(super) fn refusal(problem: Problem) -> Response {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// The first subprotocol offered that is spoken here; JSON for who offers none.
fn choose(headers: &HeaderMap) -> Option<(Wire, Option<&'static str>)> {
    let mut offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().peekable();
    if offers.peek().is_none() {
        return Some((Wire::WebSocketJson, None));
    }
    let mut names = offers.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let wire = names.find_map(|name| Wire::of_subprotocol(name.trim()))?;
    Some((wire, wire.subprotocol()))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    tokens.any(|t| t.trim().eq_ignore_ascii_case(token))
}

impl Accepted {
    /// The answer that switches protocols. No extension is ever agreed to, compression included.
    pub(super) fn response(&self) -> Response {
        let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Ok(accept) = HeaderValue::try_from(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(name) = self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
        }
        response
    }
}
