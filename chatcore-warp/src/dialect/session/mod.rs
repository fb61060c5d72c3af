//! Document 004: people by their e-mail address, `username` at login and `userid` later, proved by a
//! session cookie; a bearer token serves as well.
//!
//! Answers are bare objects; what the document calls an error page is HTML that the server draws. For
//! an account without an e-mail address its handle serves. Every path under `/v1` answers 401, as JSON,
//! to who is not signed in, and 400 to a token in the address.
//!
//! Dates (`t`) are RFC 3339 in UTC, such as `2026-03-01T09:05:00.250Z`. A file message without text has
//! the paths of its files as its `m`.

mod entries;
mod image;
mod logs;
mod rooms;
mod stats;

use chatcore::account::{AccountError, Identity, Login, LoginName};
use chatcore::{Chat, Code, Error};
use http::{StatusCode, header};
use serde::Serialize;

use super::input::{self, Faults};
use super::{answer, who};
use crate::auth;
use crate::body::{BodyError, Fields};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

pub(super) use image::image;
pub(super) use logs::logs;
pub(super) use rooms::{room, rooms};
pub(super) use stats::stats;

/// Why a call was refused, where the document has no object for it.
#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct LoggedIn<'a> {
    /// What the calls under `/v1` name this person by.
    userid: &'a str,
}

fn refused(problem: &Problem) -> Response {
    answer::refused(problem, &Failure { error: problem.detail() })
}

/// The answer to a login that cannot be read at all.
pub(super) fn unreadable(error: BodyError) -> Response {
    refused(&error.into())
}

/// `POST /auth/login`: opens a session, which the cookie carries.
pub(super) async fn login(chat: &Chat, call: &Call, fields: Fields) -> Response {
    match try_login(chat, call, fields).await {
        Ok(response) => response,
        Err(problem) => refused(&problem),
    }
}

async fn try_login(chat: &Chat, call: &Call, fields: Fields) -> Result<Response, Problem> {
    let failed = || Problem::new(Code::Unauthenticated, "login failed");
    let mut faults = Faults::default();
    let username = faults.required(&fields, "username").to_owned();
    let password = input::password(&mut faults, &fields, "password");
    faults.none().map_err(|_| failed())?;
    let login = Login::new(LoginName::Any(username), password, who::new_session(call));
    let signed_in = chat.accounts().login(login).await.map_err(|error| match error {
        AccountError::BadCredentials | AccountError::Invalid(_) | AccountError::Disabled => {
            failed()
        }
        other => Error::from(other).into(),
    })?;
    let cookie = who::session_cookie(chat, call, &signed_in)?;
    let profile = signed_in.account.into();
    let body = LoggedIn { userid: who::userid(&profile) };
    let mut response = reply::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Who calls a path under `/v1`, or the answer for who is not signed in.
async fn caller(chat: &Chat, call: &Call) -> Result<Identity, Response> {
    auth::identify(chat, call).await.map_err(|problem| refused(&problem))
}
