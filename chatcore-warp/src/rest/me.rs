//! The caller's own account.

use bytes::Bytes;
use chatcore::account::Password;
use chatcore::chat::Exported;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::endpoint::{Endpoint, Json, Lines, Nothing, Signed, Upload};
use super::users::User;
use crate::cookie;
use crate::files;
use crate::problem::Problem;
use crate::reply;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (ok, no_content) = (StatusCode::OK, StatusCode::NO_CONTENT);
    vec![
        Endpoint::new(Method::GET, "/me", "Shows the caller's own account.", ok, me),
        Endpoint::new(Method::PATCH, "/me", "Changes the caller's profile.", ok, update),
        Endpoint::new(
            Method::DELETE,
            "/me",
            "Erases the caller's account, messages, reactions and files, for ever.",
            no_content,
            close,
        ),
        Endpoint::new(
            Method::GET,
            "/me/export",
            "Streams all that is kept of the caller, a JSON object on each line.",
            ok,
            export,
        ),
        Endpoint::new(
            Method::PUT,
            "/me/password",
            "Changes the caller's password, and ends all other sessions.",
            no_content,
            password,
        ),
        Endpoint::new(Method::PUT, "/me/avatar", "Sets the caller's picture.", ok, set_avatar),
        Endpoint::new(
            Method::DELETE,
            "/me/avatar",
            "Takes the caller's picture away.",
            ok,
            remove_avatar,
        ),
    ]
}

/// What changes about a profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Update {
    /// What others shall see.
    #[schemars(length(min = 1, max = 64))]
    display_name: String,
}

/// A new password for the old one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The password until now.
    current: Password,
    /// The password from now on.
    #[schemars(length(min = 8, max = 128))]
    new: Password,
}

/// What proves that it is the owner who wants to be erased.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Close {
    /// The password.
    password: Password,
}

async fn me(signed: Signed, (): ()) -> Result<Json<User>, Problem> {
    let profile = signed.app.chat.profile(signed.user()).await?;
    let admin = signed.app.chat.admin(signed.user()).await?.is_some();
    Ok(Json(User { admin, ..User::own(profile, &signed.call) }))
}

async fn update(signed: Signed, Json(body): Json<Update>) -> Result<Json<User>, Problem> {
    let accounts = signed.app.chat.accounts();
    let changed = accounts.set_display_name(signed.user(), &body.display_name).await;
    Ok(Json(User::account(changed.map_err(chatcore::Error::from)?, &signed.call)))
}

async fn close(signed: Signed, Json(body): Json<Close>) -> Result<Nothing, Problem> {
    signed.app.chat.close_account(signed.user(), &body.password).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::SET_COOKIE, cookie::clear(signed.call.secure()));
    Ok(Nothing(headers))
}

async fn export(signed: Signed, (): ()) -> Result<Lines<Exported>, Problem> {
    let export = signed.caller().export(signed.identity.session.as_ref())?;
    let avatar = signed.app.chat.profile(signed.user()).await?;
    let avatar = User::own(avatar, &signed.call).avatar_url;
    let files = signed.call.mounted(&format!("{}/attachments/", super::PREFIX));
    let lines = futures_util::stream::try_unfold(export, move |mut export| {
        let (avatar, files) = (avatar.clone(), files.clone());
        async move {
            let Some(mut line) = export.next().await? else { return Ok(None) };
            match &mut line {
                Exported::Profile { avatar_url, .. } => *avatar_url = avatar,
                Exported::File { file, url, .. } => *url = Some(format!("{files}{}/file", file.id)),
                _ => {}
            }
            let mut text = serde_json::to_vec(&line).map_err(|_| chatcore::Error::Internal)?;
            text.push(b'\n');
            Ok::<_, chatcore::Error>(Some((Bytes::from(text), export)))
        }
    });
    let mut response = reply::stream(StatusCode::OK, lines);
    let name = HeaderValue::from_static("attachment; filename=\"export.ndjson\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(Lines(response, std::marker::PhantomData))
}

async fn password(signed: Signed, Json(body): Json<ChangePassword>) -> Result<(), Problem> {
    let ChangePassword { current, new } = body;
    let keep = signed.identity.session.as_ref();
    let accounts = signed.app.chat.accounts();
    let changed = accounts.change_password(signed.user(), &current, &new, keep).await;
    Ok(changed.map_err(chatcore::Error::from)?)
}

async fn set_avatar(signed: Signed, Upload(file): Upload) -> Result<Json<User>, Problem> {
    let account = files::set_avatar(&signed.app.chat, signed.user(), file).await?;
    Ok(Json(User::account(account, &signed.call)))
}

async fn remove_avatar(signed: Signed, (): ()) -> Result<Json<User>, Problem> {
    let changed = signed.app.chat.accounts().set_avatar(signed.user(), None).await;
    Ok(Json(User::account(changed.map_err(chatcore::Error::from)?, &signed.call)))
}
