//! Who makes a request.

use chatcore::account::Identity;
use chatcore::{Chat, Code};
use http::header;

use crate::cookie;
use crate::problem::Problem;
use crate::router::Call;

/// Names under which clients put credentials into URLs, where logs and histories keep them.
const IN_URL: [&str; 8] =
    ["token", "access_token", "accessToken", "ticket", "session", "auth", "jwt", "authorization"];

/// Longer than any token of ours; nothing above it is looked at.
const MAX_TOKEN: usize = 4096;

/// The token that a request carries: in `Authorization`, or in the session cookie.
///
/// A request with an `Authorization` header of any kind is judged by it alone: the header is what
/// exempts it from the same-origin rule, so the cookie must not count beside it.
pub fn token(call: &Call) -> Option<&str> {
    if call.headers().contains_key(header::AUTHORIZATION) {
        let (scheme, token) = call.header(header::AUTHORIZATION)?.split_once(' ')?;
        let token = token.trim();
        return (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token);
    }
    cookie::session(call.headers(), call.secure())
}

/// Who makes a request.
///
/// # Errors
/// 401 without a credential that is good; 400 for a credential in the URL.
pub async fn identify(chat: &Chat, call: &Call) -> Result<Identity, Problem> {
    refuse_in_url(call)?;
    let token = token(call).filter(|token| token.len() <= MAX_TOKEN);
    let Some(token) = token else {
        return Err(Problem::new(
            Code::Unauthenticated,
            "this needs a bearer token or the session cookie",
        ));
    };
    Ok(chat.authenticate(token).await?)
}

/// Refuses a request whose URL holds a credential, good or not.
pub(crate) fn refuse_in_url(call: &Call) -> Result<(), Problem> {
    if call.raw_query().is_none() || IN_URL.iter().all(|name| call.query_value(name).is_none()) {
        return Ok(());
    }
    let detail =
        "a credential does not belong in the URL: send it as Authorization: Bearer, or in hello";
    Err(Problem::new(Code::BadRequest, detail))
}
