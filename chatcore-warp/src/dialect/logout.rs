//! `/auth/logout`, which 002 (any method) and 004 (GET) share.

use chatcore::{Chat, Code};
use http::{StatusCode, header};

use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;
use crate::{auth, cookie};

/// Ends the session that the request belongs to, and takes its cookie away.
///
/// Whoever has no session, or not any more, is logged out already. A page of another origin may not do
/// it, not even with the GET that browsers let it send.
pub(super) async fn logout(chat: Chat, call: Call) -> Response {
    if call.is_foreign() {
        let detail = "a page of this origin may not log anybody out";
        return Problem::new(Code::Forbidden, detail).into_response();
    }
    if let Err(problem) = end_session(&chat, &call).await {
        return problem.into_response();
    }
    let body = serde_json::json!({ "message": "Logout success.", "status": "OK" });
    let mut response = reply::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::SET_COOKIE, cookie::clear(call.secure()));
    response
}

async fn end_session(chat: &Chat, call: &Call) -> Result<(), Problem> {
    let Some(token) = auth::token(call) else { return Ok(()) };
    let identity = match chat.authenticate(token).await {
        Ok(identity) => identity,
        Err(error) if error.code() == Code::Unauthenticated => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(session) = identity.session else { return Ok(()) };
    match chat.accounts().revoke(&identity.user, &session).await {
        Ok(()) => Ok(()),
        Err(error) if error.code() == Code::NotFound => Ok(()),
        Err(error) => Err(chatcore::Error::from(error).into()),
    }
}
