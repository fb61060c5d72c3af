//! Messages, and the log that they stand in.

use chatcore::chat::{Readers, Sent};
use chatcore::id::{MessageId, RoomId, Seq};
use chatcore::log::{Entry, HistoryPage, Message};
use chatcore::protocol::frame::{Changed, Delete, Edit, History, Members, PinList, Pins, Send};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Json, Query, Signed};
use super::rooms::PAGE;
use crate::problem::Problem;

pub(super) fn endpoints() -> Vec<Endpoint> {
    const MESSAGE: &str = "/rooms/{room}/messages/{message}";
    const REACTION: &str = "/rooms/{room}/messages/{message}/reactions/{emoji}";
    const PIN: &str = "/rooms/{room}/pins/{message}";
    let ok = StatusCode::OK;
    vec![
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/messages",
            "Reads a page of messages, oldest first; without an anchor the newest.",
            ok,
            history,
        ),
        Endpoint::new(
            Method::POST,
            "/rooms/{room}/messages",
            "Sends a message. Under one `client_msg_id` it takes effect once, for ever.",
            StatusCode::CREATED,
            send,
        ),
        Endpoint::new(Method::GET, MESSAGE, "Shows a message as it stands now.", ok, show),
        Endpoint::new(Method::PATCH, MESSAGE, "Changes the caller's own message.", ok, edit),
        Endpoint::new(Method::DELETE, MESSAGE, "Deletes a message.", ok, delete),
        Endpoint::new(Method::PUT, REACTION, "Adds a reaction.", ok, react),
        Endpoint::new(Method::DELETE, REACTION, "Takes a reaction back.", ok, unreact),
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/messages/{message}/readers",
            "Lists who has read a message.",
            ok,
            readers,
        ),
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/pins",
            "Lists the pinned messages of a room, oldest first.",
            ok,
            pins,
        ),
        Endpoint::new(Method::PUT, PIN, "Pins a message.", ok, pin),
        Endpoint::new(Method::DELETE, PIN, "Unpins a message.", ok, unpin),
        Endpoint::new(
            Method::GET,
            "/rooms/{room}/log",
            "Reads the log from a place on, oldest first: all that happened, not messages alone.",
            ok,
            log,
        ),
    ]
}

/// Which part of the log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Just after this place; without one, from the beginning.
    after: Option<Seq>,
    /// At most how many; without one, 50.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// A part of a log.
#[derive(Debug, Serialize, JsonSchema)]
struct LogPage {
    /// In the room's order.
    entries: Vec<Entry>,
    /// Where the next page begins: its `after`. Absent when this was the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Seq>,
}

impl Signed {
    fn room(&self) -> Result<RoomId, Problem> {
        self.call.param("room")
    }

    fn message(&self) -> Result<MessageId, Problem> {
        self.call.param("message")
    }
}

async fn history(
    signed: Signed,
    Query(which): Query<History>,
) -> Result<Json<HistoryPage>, Problem> {
    let query = which.query(signed.app.chat.limits().page)?;
    Ok(Json(signed.caller().history(&signed.room()?, query).await?))
}

async fn send(signed: Signed, Json(body): Json<Send>) -> Result<Json<Sent>, Problem> {
    Ok(Json(signed.caller().send(&signed.room()?, body.into()).await?))
}

async fn show(signed: Signed, (): ()) -> Result<Json<Message>, Problem> {
    Ok(Json(signed.caller().message(&signed.room()?, &signed.message()?).await?))
}

async fn edit(signed: Signed, Json(body): Json<Edit>) -> Result<Json<Sent>, Problem> {
    let (room, message) = (signed.room()?, signed.message()?);
    let sent = signed.caller().edit(&room, &message, body.client_msg_id, body.text).await?;
    Ok(Json(sent))
}

async fn delete(signed: Signed, Json(body): Json<Delete>) -> Result<Json<Sent>, Problem> {
    let (room, message) = (signed.room()?, signed.message()?);
    let sent = signed.caller().delete(&room, &message, body.client_msg_id).await?;
    Ok(Json(sent))
}

async fn react(signed: Signed, (): ()) -> Result<Json<Changed>, Problem> {
    set_reaction(&signed, true).await
}

async fn unreact(signed: Signed, (): ()) -> Result<Json<Changed>, Problem> {
    set_reaction(&signed, false).await
}

async fn set_reaction(signed: &Signed, on: bool) -> Result<Json<Changed>, Problem> {
    let emoji = signed.call.segment("emoji");
    let (room, message) = (signed.room()?, signed.message()?);
    let head_seq = signed.caller().react(&room, &message, emoji, on).await?;
    Ok(Json(Changed { head_seq }))
}

async fn readers(signed: Signed, Query(which): Query<Members>) -> Result<Json<Readers>, Problem> {
    let (room, message) = (signed.room()?, signed.message()?);
    let limit = which.limit.unwrap_or(PAGE);
    Ok(Json(signed.caller().readers(&room, &message, which.after.as_ref(), limit).await?))
}

async fn pins(signed: Signed, Query(which): Query<Pins>) -> Result<Json<PinList>, Problem> {
    let (after, limit) = (which.after.unwrap_or_default(), which.limit.unwrap_or(PAGE));
    let pinned = signed.caller().pinned(&signed.room()?, after, limit).await?;
    Ok(Json(PinList::page(pinned, limit)))
}

async fn pin(signed: Signed, (): ()) -> Result<Json<Changed>, Problem> {
    set_pin(&signed, true).await
}

async fn unpin(signed: Signed, (): ()) -> Result<Json<Changed>, Problem> {
    set_pin(&signed, false).await
}

async fn set_pin(signed: &Signed, on: bool) -> Result<Json<Changed>, Problem> {
    let head_seq = signed.caller().pin(&signed.room()?, &signed.message()?, on).await?;
    Ok(Json(Changed { head_seq }))
}

async fn log(signed: Signed, Query(which): Query<Which>) -> Result<Json<LogPage>, Problem> {
    let (after, limit) = (which.after.unwrap_or_default(), which.limit.unwrap_or(PAGE));
    let entries = signed.caller().log(&signed.room()?, after, limit).await?;
    let full = entries.len() >= limit as usize;
    let next = entries.last().filter(|_| full).map(|entry| entry.seq);
    Ok(Json(LogPage { entries, next }))
}
