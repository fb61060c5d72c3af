//! Who is in a room, and what is done to them.

use chatcore::id::{RoomId, UserId};
use chatcore::protocol::frame::{Changed, MemberChange, MemberList, Members};
use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Json, Query, Signed};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/members",
            "Lists who is in a room, and how far each has read.",
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

async fn list(signed: Signed, Query(which): Query<Members>) -> Result<Json<MemberList>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let limit = which.limit.unwrap_or(PAGE);
    let members = signed.caller().members(&room, which.after.as_ref(), limit).await?;
    Ok(Json(MemberList::page(members, limit)))
}

async fn change(signed: Signed, Json(body): Json<MemberChange>) -> Result<Json<Changed>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let user = signed.call.param::<UserId>("user")?;
    let head_seq = signed.caller().member(&room, &user, body.try_into()?).await?;
    Ok(Json(Changed { head_seq }))
}
