//! Links by which people come into rooms. Their codes are in bodies: what is in a URL is kept by logs.

use chatcore::chat::{Created, Invitation, MadeInviteLink};
use chatcore::id::{InviteLinkId, RoomId};
use chatcore::protocol::frame::{Changed, CreateInviteLink, InviteLinkList, UseInvite};
use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Guest, Json, Signed};
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    const LINKS: &str = "/rooms/{room}/invite-links";
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    vec![
        Endpoint::new(
            Method::GET,
            LINKS,
            "Lists the links by which people come into a room, as moderator; without their codes.",
            ok,
            list,
        ),
        Endpoint::new(
            Method::POST,
            LINKS,
            "Makes a link by which people come into a room, as moderator. Its code is told this once.",
            created,
            create,
        ),
        Endpoint::new(
            Method::DELETE,
            "/rooms/{room}/invite-links/{link}",
            "Revokes a link by which people come into a room, as moderator.",
            ok,
            revoke,
        ),
        Endpoint::new(
            Method::POST,
            "/invites/show",
            "Tells whoever has the code of a link the name of the room that it leads to.",
            ok,
            show,
        ),
        Endpoint::new(
            Method::POST,
            "/invites/accept",
            "Comes into a room by the code of a link; no effect for one who is in.",
            ok,
            accept,
        ),
    ]
}

async fn list(signed: Signed, (): ()) -> Result<Json<InviteLinkList>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(Json(InviteLinkList { links: signed.caller().invite_links(&room).await? }))
}

async fn create(
    signed: Signed,
    Json(body): Json<CreateInviteLink>,
) -> Result<Json<MadeInviteLink>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(Json(signed.caller().create_invite_link(&room, body.into()).await?))
}

async fn revoke(signed: Signed, (): ()) -> Result<Json<Changed>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let link = signed.call.param::<InviteLinkId>("link")?;
    let head_seq = signed.caller().revoke_invite_link(&room, &link).await?;
    Ok(Json(Changed { head_seq }))
}

async fn show(guest: Guest, Json(body): Json<UseInvite>) -> Result<Json<Invitation>, Problem> {
    let addr = guest.call.peer().map(|peer| peer.ip);
    Ok(Json(guest.app.chat.invitation(&body.code, addr).await?))
}

async fn accept(signed: Signed, Json(body): Json<UseInvite>) -> Result<Json<Created>, Problem> {
    let addr = signed.call.peer().map(|peer| peer.ip);
    Ok(Json(signed.caller().accept_invite(&body.code, addr).await?))
}
