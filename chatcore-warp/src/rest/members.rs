//! Who is in a room, and what is done to them.

use chatcore::chat::MemberSummary;
use chatcore::id::{RoomId, UserId};
use chatcore::protocol::frame::{Changed, MemberChange};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Json, Query, Signed};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/members",
            "Lists who is in a room.",
            StatusCode::OK,
            list,
        ),
        Endpoint::new(
            Method::POST,
            "/rooms/{room}/members/{user}",
            "Invites, kicks, bans, mutes someone or gives them a role.",
            StatusCode::OK,
            change,
        ),
    ]
}

/// Which members.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Those with an id above this one: `next` of the page before.
    after: Option<UserId>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// A page of members.
#[derive(Debug, Serialize, JsonSchema)]
struct MemberPage {
    /// In the order of their ids.
    members: Vec<MemberSummary>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

async fn list(signed: Signed, Query(which): Query<Which>) -> Result<Json<MemberPage>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let limit = which.limit.unwrap_or(PAGE);
    let members = signed.caller().members(&room, which.after.as_ref(), limit).await?;
    let full = members.len() >= limit as usize;
    let next = members.last().filter(|_| full).map(|member| member.user.clone());
    Ok(Json(MemberPage { members, next }))
}

async fn change(signed: Signed, Json(body): Json<MemberChange>) -> Result<Json<Changed>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let user = signed.call.param::<UserId>("user")?;
    let head_seq = signed.caller().member(&room, &user, body.try_into()?).await?;
    Ok(Json(Changed { head_seq }))
}
