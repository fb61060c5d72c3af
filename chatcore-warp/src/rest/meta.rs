//! What describes the rest, and the door to what is live.

use http::{Method, StatusCode};

use super::endpoint::{Endpoint, Guest, Made, Media};
use crate::problem::Problem;
use crate::reply;
use crate::ws;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let ok = StatusCode::OK;
    vec![
        Endpoint::new(Method::GET, "/openapi.json", "Describes this API.", ok, openapi),
        Endpoint::new(
            Method::GET,
            "/frames.schema.json",
            "Describes the frames of the live protocol.",
            ok,
            frames,
        ),
        Endpoint::new(
            Method::GET,
            "/asyncapi.json",
            "Describes the live protocol as AsyncAPI 3.0.",
            ok,
            asyncapi,
        ),
        Endpoint::new(
            Method::GET,
            "/ws",
            "Upgrades to a WebSocket, of subprotocol `chatcore.v1.json` or `chatcore.v1.msgpack`.",
            StatusCode::SWITCHING_PROTOCOLS,
            socket,
        ),
    ]
}

/// A document in JSON.
struct Document;

impl Media for Document {
    const TYPE: &'static str = "application/json";
}

/// No document at all.
struct Upgrade;

impl Media for Upgrade {
    const TYPE: &'static str = "";
}

async fn openapi(guest: Guest, (): ()) -> Result<Made<Document>, Problem> {
    let document = guest.app.openapi.get().cloned().ok_or_else(Problem::internal)?;
    Ok(Made::new(reply::bytes(StatusCode::OK, "application/json", document)))
}

async fn frames(_: Guest, (): ()) -> Result<Made<Document>, Problem> {
    let schema = chatcore::protocol::frames_schema();
    Ok(Made::new(reply::json(StatusCode::OK, &schema)))
}

async fn asyncapi(_: Guest, (): ()) -> Result<Made<Document>, Problem> {
    let document = chatcore::protocol::asyncapi(&format!("{}/ws", super::PREFIX));
    Ok(Made::new(reply::json(StatusCode::OK, &document)))
}

async fn socket(guest: Guest, (): ()) -> Result<Made<Upgrade>, Problem> {
    let Guest { app, call } = guest;
    Ok(Made::new(ws::upgrade(&app, call)))
}
