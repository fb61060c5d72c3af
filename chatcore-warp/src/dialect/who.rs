//! Who is calling.

use chatcore::account::{Identity, NewSession, Profile, SignedIn};
use chatcore::id::UserId;
use chatcore::{Chat, Code, Error};
use http::{HeaderValue, header};

use crate::problem::Problem;
use crate::router::Call;
use crate::{auth, cookie};

/// Whose bearer token the request carries; a cookie does not count.
///
/// # Errors
/// As [`auth::identify`].
pub(super) async fn by_bearer(chat: &Chat, call: &Call) -> Result<Identity, Problem> {
    if call.headers().contains_key(header::AUTHORIZATION) {
        return auth::identify(chat, call).await;
    }
    auth::refuse_in_url(call)?;
    Err(Problem::new(Code::Unauthenticated, "this needs a bearer token"))
}

/// Whether `name` is a name of the user: their id, or what the directory finds them by.
pub(super) async fn is_called(chat: &Chat, user: &UserId, name: &str) -> Result<bool, Error> {
    Ok(user.as_str() == name || chat.find_user(name).await?.as_ref() == Some(user))
}

/// The name of 002 and 004 for a person: the e-mail address, for one without it the handle, for one
/// without either the id.
pub(super) fn userid(profile: &Profile) -> &str {
    let named = profile.email.as_deref().or(profile.handle.as_deref());
    named.unwrap_or(profile.user.as_str())
}

/// What a login tells of where it came from.
pub(super) fn new_session(call: &Call) -> NewSession {
    NewSession {
        device: None,
        user_agent: call.header(header::USER_AGENT).map(str::to_owned),
        addr: call.peer().map(|peer| peer.ip),
    }
}

/// The cookie that carries the session.
pub(super) fn session_cookie(
    chat: &Chat,
    call: &Call,
    signed_in: &SignedIn,
) -> Result<HeaderValue, Problem> {
    let tokens = &signed_in.tokens;
    let lifetime = chat.clock().now().until(tokens.session_expires_at);
    cookie::set(&tokens.session_token, lifetime, call.secure()).ok_or_else(|| {
        tracing::error!("a session token does not fit into a cookie");
        Problem::internal()
    })
}
