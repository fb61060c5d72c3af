//! Logging in and out, and what is logged in where.

use std::time::Duration;

use chatcore::Code;
use chatcore::account::{Login, LoginName, NewSession, Password, Session, SignedIn};
use chatcore::clock::Timestamp;
use chatcore::id::{DeviceId, SessionId};
use http::{HeaderMap, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Guest, Json, Nothing, Signed, WithHeaders};
use super::users::User;
use crate::cookie;
use crate::problem::Problem;
use crate::router::Call;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (ok, created, no_content) = (StatusCode::OK, StatusCode::CREATED, StatusCode::NO_CONTENT);
    vec![
        Endpoint::new(Method::POST, "/sessions", "Logs in.", created, log_in),
        Endpoint::new(
            Method::POST,
            "/sessions/refresh",
            "Exchanges a refresh token for new tokens. Using one twice ends its session.",
            created,
            refresh,
        ),
        Endpoint::new(Method::GET, "/sessions", "Lists the caller's sessions.", ok, list),
        Endpoint::new(
            Method::DELETE,
            "/sessions/current",
            "Logs out: ends the session of this request.",
            no_content,
            log_out,
        ),
        Endpoint::new(
            Method::DELETE,
            "/sessions/{session}",
            "Ends another session of the caller's.",
            no_content,
            revoke,
        ),
    ]
}

/// Who logs in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// A handle or an e-mail address.
    login: String,
    /// The password.
    password: Password,
    /// What the client calls the device it runs on.
    device: Option<DeviceId>,
    /// Put the session into a cookie and leave the tokens out of the answer, for web pages.
    #[serde(default)]
    cookie: bool,
}

/// A token to be exchanged.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The newest refresh token of the session.
    refresh_token: String,
}

/// A login that worked.
#[derive(Serialize, JsonSchema)]
pub(super) struct SignedInBody {
    /// Who.
    user: User,
    /// The session.
    session: SessionBody,
    /// Its tokens, unless they went into a cookie.
    #[serde(flatten)]
    tokens: Option<TokensBody>,
}

/// What proves who one is.
#[derive(Serialize, JsonSchema)]
struct TokensBody {
    /// For `Authorization: Bearer` and `hello`.
    access_token: String,
    /// When it ends.
    access_expires_at: Timestamp,
    /// Buys one new set of tokens.
    refresh_token: String,
    /// When it ends.
    refresh_expires_at: Timestamp,
    /// As good as an access token, and as long-lived as the session.
    session_token: String,
    /// When it ends.
    session_expires_at: Timestamp,
}

/// One login on one device.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionBody {
    /// Its id; no secret.
    id: SessionId,
    /// The device it was made on.
    device: DeviceId,
    /// What the client said it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// Where the login came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it was last renewed.
    renewed_at: Timestamp,
    /// From when on it is dead, unless it is renewed.
    expires_at: Timestamp,
    /// Whether it is the one of this request.
    current: bool,
}

/// The caller's sessions.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionList {
    /// Newest first.
    sessions: Vec<SessionBody>,
}

impl SessionBody {
    fn new(session: Session, current: bool) -> Self {
        Self {
            id: session.id,
            device: session.device,
            user_agent: session.user_agent,
            address: session.addr.map(|addr| addr.to_string()),
            created_at: session.created_at,
            renewed_at: session.renewed_at,
            expires_at: session.expires_at,
            current,
        }
    }
}

/// What a login by this request is made from.
pub(super) fn new_session(call: &Call, device: Option<DeviceId>) -> NewSession {
    let user_agent = call.header(header::USER_AGENT).map(str::to_owned);
    NewSession { device, user_agent, addr: call.peer().map(|peer| peer.ip) }
}

/// The answer to a login that worked.
pub(super) fn signed_in(
    guest: &Guest,
    signed: SignedIn,
    in_cookie: bool,
) -> Result<WithHeaders<SignedInBody>, Problem> {
    let SignedIn { account, session, tokens } = signed;
    let mut headers = HeaderMap::new();
    if in_cookie {
        let left = tokens.session_expires_at.0 - guest.app.chat.clock().now().0;
        let lifetime = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        let set = cookie::set(&tokens.session_token, lifetime, guest.call.secure());
        headers.insert(header::SET_COOKIE, set.ok_or_else(Problem::internal)?);
    }
    let tokens = (!in_cookie).then_some(TokensBody {
        access_token: tokens.access,
        access_expires_at: tokens.access_expires_at,
        refresh_token: tokens.refresh,
        refresh_expires_at: tokens.refresh_expires_at,
        session_token: tokens.session_token,
        session_expires_at: tokens.session_expires_at,
    });
    let user = User::account(account, &guest.call);
    let session = SessionBody::new(session, true);
    Ok(WithHeaders(SignedInBody { user, session, tokens }, headers))
}

async fn log_in(
    guest: Guest,
    Json(body): Json<LogIn>,
) -> Result<WithHeaders<SignedInBody>, Problem> {
    let LogIn { login, password, device, cookie } = body;
    let session = new_session(&guest.call, device);
    let login = Login::new(LoginName::Any(login), password, session);
    let signed = guest.app.chat.accounts().login(login).await.map_err(chatcore::Error::from)?;
    signed_in(&guest, signed, cookie)
}

async fn refresh(
    guest: Guest,
    Json(body): Json<Refresh>,
) -> Result<WithHeaders<SignedInBody>, Problem> {
    let renewed = guest.app.chat.accounts().refresh(&body.refresh_token).await;
    signed_in(&guest, renewed.map_err(chatcore::Error::from)?, false)
}

async fn list(signed: Signed, (): ()) -> Result<Json<SessionList>, Problem> {
    let sessions = signed.app.chat.accounts().sessions(signed.user()).await;
    let current = signed.identity.session.as_ref();
    let shown = |session: Session| {
        let is_current = current == Some(&session.id);
        SessionBody::new(session, is_current)
    };
    let sessions = sessions.map_err(chatcore::Error::from)?.into_iter().map(shown).collect();
    Ok(Json(SessionList { sessions }))
}

async fn log_out(signed: Signed, (): ()) -> Result<Nothing, Problem> {
    let Some(session) = &signed.identity.session else {
        let detail = "there are no sessions here: the application that brings the users ends them";
        return Err(Problem::new(Code::Unsupported, detail));
    };
    end(&signed, session).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::SET_COOKIE, cookie::clear(signed.call.secure()));
    Ok(Nothing(headers))
}

async fn revoke(signed: Signed, (): ()) -> Result<(), Problem> {
    let session = signed.call.param::<SessionId>("session")?;
    end(&signed, &session).await
}

async fn end(signed: &Signed, session: &SessionId) -> Result<(), Problem> {
    let ended = signed.app.chat.accounts().revoke(signed.user(), session).await;
    Ok(ended.map_err(chatcore::Error::from)?)
}
