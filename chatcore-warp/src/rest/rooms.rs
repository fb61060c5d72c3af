//! Rooms: found, made, entered, described, left.

use chatcore::chat::{Created, Left, RoomSummary};
use chatcore::id::{RoomId, UserId};
use chatcore::protocol::frame::{Changed, CreateRoom, MarkRead, SetNotify, UpdateRoom};
use chatcore::store::RoomFilter;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Json, Query, Signed};
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (ok, created) = (StatusCode::OK, StatusCode::CREATED);
    vec![
        Endpoint::new(
            Method::GET,
            "/rooms",
            "Lists rooms that the caller is in, or may know of.",
            ok,
            list,
        ),
        Endpoint::new(Method::POST, "/rooms", "Makes a room and enters it.", created, create),
        Endpoint::new(Method::GET, "/rooms/{room}", "Shows a room.", ok, show),
        Endpoint::new(
            Method::PATCH,
            "/rooms/{room}",
            "Describes a room anew, as its owner.",
            ok,
            update,
        ),
        Endpoint::new(
            Method::POST,
            "/rooms/{room}/enter",
            "Enters a room; no effect for one who is in.",
            ok,
            enter,
        ),
        Endpoint::new(
            Method::POST,
            "/rooms/{room}/leave",
            "Leaves a room. The last to leave ends it.",
            ok,
            leave,
        ),
        Endpoint::new(
            Method::PUT,
            "/rooms/{room}/marks",
            "Marks all up to a place as read; a mark only moves forward.",
            StatusCode::NO_CONTENT,
            mark,
        ),
        Endpoint::new(
            Method::PUT,
            "/rooms/{room}/notifications",
            "Says what of a room the caller wants to be told of, on all their devices.",
            StatusCode::NO_CONTENT,
            notify,
        ),
    ]
}

/// The longest page that is given to who does not say.
pub(super) const PAGE: u32 = 50;

/// Which rooms.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Those that the caller is in (which is the default), or all that they may know of.
    #[serde(default)]
    filter: Filter,
    /// Those with an id above this one: `next` of the page before.
    after: Option<RoomId>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// Which rooms.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Filter {
    #[default]
    Joined,
    Visible,
}

/// A page of rooms.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomPage {
    /// In the order of their ids.
    rooms: Vec<RoomSummary>,
    /// On the first page: everyone whom the caller blocks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<UserId>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RoomId>,
}

async fn list(signed: Signed, Query(which): Query<Which>) -> Result<Json<RoomPage>, Problem> {
    let filter = match which.filter {
        Filter::Joined => RoomFilter::Joined,
        Filter::Visible => RoomFilter::Visible,
    };
    let limit = which.limit.unwrap_or(PAGE);
    let rooms = signed.caller().rooms(filter, which.after.as_ref(), limit).await?;
    let full = rooms.len() >= limit as usize;
    let next = rooms.last().filter(|_| full).map(|room| room.room.clone());
    let first = which.after.is_none();
    let blocked = if first { signed.caller().all_blocks().await? } else { Vec::new() };
    Ok(Json(RoomPage { rooms, blocked, next }))
}

async fn create(signed: Signed, Json(body): Json<CreateRoom>) -> Result<Json<Created>, Problem> {
    Ok(Json(signed.caller().create_room(body.into()).await?))
}

async fn show(signed: Signed, (): ()) -> Result<Json<RoomSummary>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(Json(signed.caller().room(&room).await?))
}

async fn update(signed: Signed, Json(body): Json<UpdateRoom>) -> Result<Json<Changed>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    let head_seq = signed.caller().update_room(&room, body.into()).await?;
    Ok(Json(Changed { head_seq }))
}

async fn enter(signed: Signed, (): ()) -> Result<Json<Created>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(Json(signed.caller().enter(&room).await?))
}

async fn leave(signed: Signed, (): ()) -> Result<Json<Left>, Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(Json(signed.caller().leave(&room).await?))
}

async fn mark(signed: Signed, Json(body): Json<MarkRead>) -> Result<(), Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(signed.caller().mark_read(&room, body.seq).await?)
}

async fn notify(signed: Signed, Json(body): Json<SetNotify>) -> Result<(), Problem> {
    let room = signed.call.param::<RoomId>("room")?;
    Ok(signed.caller().notify(&room, body.into()).await?)
}
