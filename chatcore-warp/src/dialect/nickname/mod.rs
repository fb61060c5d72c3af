//! Document 000, and 001, its draft: people by `userName`, proved by a bearer token.
//!
//! Answers are `{success, message, …}`. What the document has no answer for comes in the same shape,
//! under the status that the native API would use: 400 for a body that is not as it should be, 429
//! with `Retry-After` for who is too fast.
//!
//! The document states no bounds for passwords, so that its clients' people may have short ones.

mod message;
mod register;

use chatcore::account::{AccountError, Login, LoginName, Profile};
use chatcore::id::UserId;
use chatcore::{Chat, Code, Error};
use http::StatusCode;
use serde::Serialize;

use super::answer;
use super::files;
use super::input::{self, Faults};
use super::who;
use crate::body::{BodyError, Fields};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

pub(super) use message::message;
pub(super) use register::register;

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    message: &'a str,
}

#[derive(Serialize)]
struct Welcome<'a> {
    success: bool,
    message: &'static str,
    #[serde(rename = "accessToken")]
    access_token: &'a str,
}

/// A person, as the document's clients see them. Nothing secret is in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: UserId,
    user_name: Option<String>,
    nick_name: String,
    email: Option<String>,
    /// Where the picture is, if there is one.
    avatar: Option<String>,
}

impl User {
    async fn new(chat: &Chat, call: &Call, profile: Profile) -> Result<Self, Error> {
        let Profile { user, handle, email, display_name, avatar } = profile;
        let avatar = match avatar {
            None => None,
            Some(id) => match chat.attachments().get(&id).await {
                Ok(picture) => {
                    Some(files::path(&call.mounted(""), &picture.id, &picture.content_type))
                }
                Err(error) if error.code() == Code::NotFound => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Self { id: user, user_name: handle, nick_name: display_name, email, avatar })
    }
}

/// The answer to a body that cannot be read at all.
pub(super) fn unreadable(error: BodyError) -> Response {
    refused(&error.into())
}

fn refused(problem: &Problem) -> Response {
    answer::refused(problem, &Failure { success: false, message: problem.detail() })
}

fn says(status: StatusCode, message: &'static str) -> Response {
    let code =
        if status == StatusCode::UNAUTHORIZED { Code::Unauthenticated } else { Code::BadRequest };
    refused(&Problem::new(code, message).under(status))
}

fn welcome(message: &'static str, access_token: &str) -> Response {
    reply::json(StatusCode::OK, &Welcome { success: true, message, access_token })
}

fn bad_fields(faults: &Faults) -> Response {
    refused(&Problem::new(Code::BadRequest, faults.to_string()))
}

fn not_registered(error: AccountError) -> Response {
    match input::faults_of(error, document_name) {
        Ok(faults) => bad_fields(&faults),
        Err(AccountError::Taken(_)) => says(StatusCode::UNAUTHORIZED, "User Name is already taken"),
        Err(other) => refused(&Error::from(other).into()),
    }
}

/// What the document calls a field of the engine.
fn document_name(field: &str) -> &'static str {
    match field {
        "handle" => "userName",
        "display_name" => "nickName",
        _ => "password",
    }
}

/// `POST /auth/login`.
pub(super) async fn login(chat: &Chat, call: &Call, fields: Fields) -> Response {
    let mut faults = Faults::default();
    let user_name = faults.required(&fields, "userName").to_owned();
    let password = input::password(&mut faults, &fields, "password");
    if let Err(faults) = faults.none() {
        return bad_fields(&faults);
    }
    let login = Login::new(LoginName::Handle(user_name), password, who::new_session(call));
    let wrong = "userName or password is incorrect";
    match chat.accounts().login(login.telling()).await {
        Ok(signed_in) => welcome("Login Successfully", &signed_in.tokens.session_token),
        Err(AccountError::UnknownAccount) => says(StatusCode::UNAUTHORIZED, "userName not Found"),
        Err(
            AccountError::WrongPassword
            | AccountError::BadCredentials
            | AccountError::Unconfirmed
            | AccountError::Disabled,
        ) => says(StatusCode::UNAUTHORIZED, wrong),
        Err(error) => not_registered(error),
    }
}

/// `GET /auth`: who the token belongs to.
pub(super) async fn authenticate(chat: Chat, call: Call) -> Response {
    match signed_in_user(&chat, &call).await {
        Ok((_, user)) => reply::json(StatusCode::OK, &Authenticated::new(user, None)),
        Err(response) => response,
    }
}

/// The document's success answer to what needs a token.
#[derive(Serialize)]
struct Authenticated {
    success: bool,
    message: &'static str,
    user: User,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed: Option<message::Processed>,
}

impl Authenticated {
    fn new(user: User, processed: Option<message::Processed>) -> Self {
        Self { success: true, message: "Authenticate Successfully", user, processed }
    }
}

async fn signed_in_user(chat: &Chat, call: &Call) -> Result<(UserId, User), Response> {
    let identity = who::by_bearer(chat, call).await.map_err(|problem| match problem.code() {
        Code::Unauthenticated => says(StatusCode::UNAUTHORIZED, "AccessToken Not Found"),
        _ => refused(&problem),
    })?;
    let shown = match chat.profile(&identity.user).await {
        Ok(profile) => User::new(chat, call, profile).await,
        Err(error) if error.code() == Code::NotFound => {
            return Err(says(StatusCode::UNAUTHORIZED, "User Not Found"));
        }
        Err(error) => Err(error),
    };
    shown.map(|user| (identity.user, user)).map_err(|error| refused(&error.into()))
}
