//! `GET /v1/room/:userid` and `POST /v1/room`: which rooms there are, entering and leaving them.

use bytes::Bytes;
use chatcore::chat::Caller;
use chatcore::id::{RoomId, UserId};
use chatcore::room::{NewRoom, RoomKind};
use chatcore::store::RoomFilter;
use chatcore::{Chat, Error, Invalid};
use futures_util::stream;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::caller;
use crate::body::Fields;
use crate::dialect::{answer, who};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

/// `GET /v1/room/:userid`: the rooms that the caller may know of, and those that they are in.
pub(in crate::dialect) async fn rooms(chat: Chat, call: Call) -> Response {
    let identity = match caller(&chat, &call).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    match list(&chat, &identity.user, call.segment("userid")).await {
        Ok(response) => response,
        Err(error) => answer::instead(reply::json(StatusCode::BAD_REQUEST, &()), error),
    }
}

fn not_you() -> Error {
    Invalid::new("userid", "userid must be the caller's own").into()
}

async fn list(chat: &Chat, user: &UserId, userid: &str) -> Result<Response, Error> {
    if !who::is_called(chat, user, userid).await? {
        return Err(not_you());
    }
    let listing = Listing {
        caller: chat.as_user(user),
        // What bounds a page, bounds one piece of the answer.
        page: chat.limits().page,
        rest: &[
            ("{\"allrooms\":[", RoomFilter::Visible),
            ("],\"join_rooms\":[", RoomFilter::Joined),
        ],
        after: None,
        begun: false,
        ended: false,
    };
    answer::json_in_pieces(stream::try_unfold(listing, Listing::piece)).await
}

/// Lists of rooms on their way out, one page at a time.
struct Listing {
    caller: Caller,
    page: u32,
    /// The lists that are not done yet, each after the text that opens it.
    rest: &'static [(&'static str, RoomFilter)],
    /// The last room that was listed.
    after: Option<RoomId>,
    /// Whether the present list is opened.
    begun: bool,
    ended: bool,
}

impl Listing {
    async fn piece(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        if self.ended {
            return Ok(None);
        }
        let Some(((opening, filter), rest)) = self.rest.split_first() else {
            self.ended = true;
            return Ok(Some((Bytes::from_static(b"]}"), self)));
        };
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            text.push_str(opening);
        }
        let rooms = self.caller.rooms(*filter, self.after.as_ref(), self.page).await?;
        for room in &rooms {
            // Ids are of letters that JSON takes as they are.
            let comma = if self.after.is_some() { "," } else { "" };
            text.push_str(&format!("{comma}\"{}\"", room.room));
            self.after = Some(room.room.clone());
        }
        if rooms.len() < self.page as usize {
            (self.rest, self.after, self.begun) = (rest, None, false);
        }
        Ok(Some((text.into(), self)))
    }
}

#[derive(Serialize)]
struct RoomAnswer<'a> {
    roomid: Option<&'a str>,
}

/// What is wanted of a room.
enum Wanted {
    EnterNew,
    Enter(String),
    Leave(String),
    /// To leave no room in particular.
    LeaveNone,
}

/// `POST /v1/room`: enters or leaves a room, or makes one and enters it.
pub(in crate::dialect) async fn room(chat: Chat, mut call: Call) -> Response {
    let identity = match caller(&chat, &call).await {
        Ok(identity) => identity,
        Err(response) => return response,
    };
    let read = match call.fields().await {
        Ok(fields) => read(&fields),
        Err(error) => {
            let status = Problem::from(error).status();
            return reply::json(status, &WRONG_FORMAT);
        }
    };
    let Some((userid, wanted)) = read else {
        return reply::json(StatusCode::BAD_REQUEST, &WRONG_FORMAT);
    };
    match act(&chat, &identity.user, &userid, wanted).await {
        Ok(roomid) => reply::json(StatusCode::OK, &RoomAnswer { roomid: Some(&roomid) }),
        Err(error) => {
            let response = reply::json(StatusCode::BAD_REQUEST, &RoomAnswer { roomid: None });
            answer::instead(response, error)
        }
    }
}

const WRONG_FORMAT: &str = "wrong request format";

/// None if the object is not of the document's form. Forms have no null: an empty text, or the word,
/// stands for it.
fn read(fields: &Fields) -> Option<(String, Wanted)> {
    let known = ["userid", "action", "roomid"];
    if fields.names().any(|name| !known.contains(&name)) || !fields.files().is_empty() {
        return None;
    }
    let userid = fields.string("userid").ok()?;
    let roomid = match fields.get("roomid")? {
        Value::Null => None,
        Value::String(roomid) => Some(roomid.clone()).filter(|r| !r.is_empty() && r != "null"),
        _ => return None,
    };
    let wanted = match (fields.string("action").ok()?, roomid) {
        ("enter", None) => Wanted::EnterNew,
        ("enter", Some(room)) => Wanted::Enter(room),
        ("leave", Some(room)) => Wanted::Leave(room),
        ("leave", None) => Wanted::LeaveNone,
        _ => return None,
    };
    Some((userid.to_owned(), wanted))
}

/// Does it, and says what the answer's `roomid` is.
async fn act(chat: &Chat, user: &UserId, userid: &str, wanted: Wanted) -> Result<String, Error> {
    if !who::is_called(chat, user, userid).await? {
        return Err(not_you());
    }
    let caller = chat.as_user(user);
    match wanted {
        Wanted::EnterNew => {
            // Everybody may enter a room of which they have the id: that is the document's way.
            let room = NewRoom {
                kind: RoomKind::Public,
                name: None,
                topic: None,
                members: Vec::new(),
                keep: false,
            };
            Ok(caller.create_room(room).await?.room.into())
        }
        Wanted::Enter(room) => Ok(caller.enter(&RoomId::parse(&room)?).await?.room.into()),
        Wanted::Leave(room) => {
            let left = caller.leave(&RoomId::parse(&room)?).await?;
            Ok(if left.deleted { "room deleted".into() } else { room })
        }
        Wanted::LeaveNone => Err(Invalid::new("roomid", "name the room to leave").into()),
    }
}
