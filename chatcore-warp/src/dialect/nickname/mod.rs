//! Document 000, and 001, its draft: people by `userName`, proved by a bearer token.
//!
//! Answers are `{success, message, …}`. What the document has no answer for comes in the same shape,
//! under the status that the native API would use: 400 for a body that is not as it should be, 429
//! with `Retry-After` for who is too fast.
//!
//! The document states no bounds for passwords, so that its clients' people may have short ones.

mod message;

use chatcore::account::{
    AccountError, Login, LoginName, NewAccount, PasswordRules, Profile, Registered,
};
use chatcore::attachment::Attachment;
use chatcore::id::{AttachmentId, UserId};
use chatcore::{Chat, Code, Error, Invalid};
use http::StatusCode;
use serde::Serialize;

use super::answer;
use super::files;
use super::input::{self, Faults};
use super::who;
use crate::body::{BodyError, Fields, File};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

pub(super) use message::message;

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

/// `POST /auth/register`: makes the account and logs it in.
pub(super) async fn register(chat: &Chat, call: &Call, fields: Fields) -> Response {
    match try_register(chat, call, fields).await {
        Ok(token) => welcome("Register Successfully", &token),
        Err(response) => response,
    }
}

fn welcome(message: &'static str, access_token: &str) -> Response {
    reply::json(StatusCode::OK, &Welcome { success: true, message, access_token })
}

async fn try_register(chat: &Chat, call: &Call, mut fields: Fields) -> Result<String, Response> {
    let known = ["nickName", "userName", "password", "confirmPassword", "avatar"];
    let mut faults = Faults::default();
    faults.refuse_others(&fields, &known);
    let nick_name = faults.required(&fields, "nickName").to_owned();
    let user_name = faults.required(&fields, "userName").to_owned();
    let password = input::password(&mut faults, &fields, "password");
    let confirmed = input::password(&mut faults, &fields, "confirmPassword");
    // A form that was sent without its file has an empty text instead.
    if !matches!(fields.optional_string("avatar"), Ok(None | Some(""))) {
        faults.add(Invalid::new("avatar", "avatar must be a file"));
    }
    faults.none().map_err(|faults| bad_fields(&faults))?;
    if password != confirmed {
        return Err(says(StatusCode::BAD_REQUEST, "password and confirmPassword differ"));
    }

    let addr = call.peer().map(|peer| peer.ip);
    let id = UserId::random(&**chat.random());
    let mut account = NewAccount {
        id: Some(id.clone()),
        password_rules: PasswordRules::LENIENT,
        addr,
        ..NewAccount::handle(user_name, password).display_name(nick_name)
    };
    let mut pictures = files::take(&mut fields, Some("avatar")).into_iter();
    let picture = match (pictures.next(), pictures.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return Err(says(StatusCode::BAD_REQUEST, "avatar must be one file")),
        // The picture first: one that is refused must not leave an account without it behind.
        (Some(file), None) => {
            chat.accounts().count_registration(addr).map_err(not_registered)?;
            account.addr = None;
            Some(store_picture(chat, &id, file).await?)
        }
    };
    let registered = chat.accounts().register(account).await;
    let user = match registered.map(Registered::account) {
        Ok(Some(account)) => account.id,
        Ok(None) => return Err(refused(&Problem::internal())),
        Err(error) => {
            files::discard(chat.attachments(), picture.as_slice()).await;
            return Err(not_registered(error));
        }
    };
    if let Some(picture) = picture
        && let Err(error) = wear(chat, &user, &picture.id).await
    {
        // The account is there, and registering again would find it taken.
        tracing::warn!(%error, "an account was made without its picture");
    }
    let signed_in = chat.accounts().start_session(&user, who::new_session(call)).await;
    let signed_in = signed_in.map_err(|error| refused(&Error::from(error).into()))?;
    Ok(signed_in.tokens.session_token)
}

/// Stores a picture for an account that is yet to be made.
async fn store_picture(chat: &Chat, owner: &UserId, file: File) -> Result<Attachment, Response> {
    let stored = crate::files::store(chat.attachments(), owner, file, true).await;
    stored.map_err(|error| {
        let problem = Problem::from(error);
        // A file that is no image is a field that is not as it should be.
        match problem.code() {
            Code::UnsupportedMedia => refused(&problem.under(StatusCode::BAD_REQUEST)),
            _ => refused(&problem),
        }
    })
}

/// Makes a stored picture that of its owner, now that there is one.
async fn wear(chat: &Chat, user: &UserId, picture: &AttachmentId) -> Result<(), Error> {
    chat.attachments().set_avatar(picture, user).await?;
    chat.accounts().set_avatar(user, Some(picture.clone())).await?;
    Ok(())
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
