//! `POST /auth/register`, with or without a picture.

use chatcore::account::{NewAccount, Password, PasswordRules, Registered};
use chatcore::attachment::Attachment;
use chatcore::id::{AttachmentId, UserId};
use chatcore::{Chat, Code, Error, Invalid};
use http::StatusCode;

use super::{not_registered, refused, welcome};
use crate::body::{Fields, File};
use crate::dialect::input::{self, Faults};
use crate::dialect::{files, who};
use crate::problem::Problem;
use crate::reply::Response;
use crate::router::Call;

/// `POST /auth/register`: makes the account and logs it in.
pub(in crate::dialect) async fn register(chat: &Chat, call: &Call, fields: Fields) -> Response {
    match try_register(chat, call, fields).await {
        Ok(token) => welcome("Register Successfully", &token),
        Err(response) => response,
    }
}

/// What a body asks for.
struct Request {
    nick_name: String,
    user_name: String,
    password: Password,
    avatar: Option<File>,
}

fn read(mut fields: Fields) -> Result<Request, Problem> {
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
    let mut pictures = files::take(&mut fields, Some("avatar"));
    let avatar = pictures.pop();
    if !pictures.is_empty() {
        faults.add(Invalid::new("avatar", "avatar must be one file"));
    }
    faults.none().map_err(|faults| Problem::new(Code::BadRequest, faults.to_string()))?;
    if password != confirmed {
        return Err(Problem::new(Code::BadRequest, "password and confirmPassword differ"));
    }
    Ok(Request { nick_name, user_name, password, avatar })
}

/// Makes the account; a token of its first session.
async fn try_register(chat: &Chat, call: &Call, fields: Fields) -> Result<String, Response> {
    let Request { nick_name, user_name, password, avatar } =
        read(fields).map_err(|problem| refused(&problem))?;
    let addr = call.peer().map(|peer| peer.ip);
    let id = UserId::random(&**chat.random());
    let mut account = NewAccount {
        id: Some(id.clone()),
        password_rules: PasswordRules::LENIENT,
        addr,
        ..NewAccount::handle(user_name, password).display_name(nick_name)
    };
    // The picture first: one that is refused must not leave an account without it behind.
    let picture = match avatar {
        None => None,
        Some(file) => {
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
