//! How people are shown to others.

use chatcore::Code;
use chatcore::account::{Account, Profile};
use chatcore::clock::Timestamp;
use chatcore::id::UserId;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::attachments::File;
use super::endpoint::{Endpoint, Json, Made, Signed};
use crate::files;
use crate::problem::Problem;
use crate::router::Call;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/users/{user}",
            "Shows how someone is called.",
            StatusCode::OK,
            user,
        ),
        Endpoint::new(
            Method::GET,
            "/users/{user}/avatar",
            "Fetches someone's picture.",
            StatusCode::OK,
            avatar,
        ),
    ]
}

/// A person.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct User {
    /// Who they are, for ever.
    pub(super) id: UserId,
    /// The name they are mentioned by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<String>,
    /// Their address; shown to themselves alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    /// What others see.
    pub(super) display_name: String,
    /// Where their picture is, from the root of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) avatar_url: Option<String>,
    /// When the account was made; shown to themselves alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_at: Option<Timestamp>,
    /// Whether they look after the whole chat; shown to themselves alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) admin: bool,
}

impl User {
    /// As others see them.
    pub(super) fn public(profile: Profile, call: &Call) -> Self {
        Self { email: None, ..Self::own(profile, call) }
    }

    /// As they see themselves.
    pub(super) fn own(profile: Profile, call: &Call) -> Self {
        let avatar_url = profile.avatar.as_ref().map(|picture| {
            call.mounted(&format!("{}/attachments/{picture}/avatar", super::PREFIX))
        });
        Self {
            id: profile.user,
            handle: profile.handle,
            email: profile.email,
            display_name: profile.display_name,
            avatar_url,
            created_at: None,
            admin: false,
        }
    }

    /// Someone with an account here, as they see themselves.
    pub(super) fn account(account: Account, call: &Call) -> Self {
        let created_at = Some(account.created_at);
        Self { created_at, ..Self::own(account.into(), call) }
    }
}

async fn user(signed: Signed, (): ()) -> Result<Json<User>, Problem> {
    let user = signed.call.param::<UserId>("user")?;
    let profile = signed.app.chat.profile(&user).await?;
    Ok(Json(User::public(profile, &signed.call)))
}

async fn avatar(signed: Signed, (): ()) -> Result<Made<File>, Problem> {
    let user = signed.call.param::<UserId>("user")?;
    let profile = signed.app.chat.profile(&user).await?;
    let none = || Problem::new(Code::NotFound, "they have no picture");
    let file = signed.caller().readable_attachment(&profile.avatar.ok_or_else(none)?).await?;
    let attachments = signed.app.chat.attachments();
    Ok(Made::new(files::serve(attachments, &file, signed.call.headers()).await?))
}
