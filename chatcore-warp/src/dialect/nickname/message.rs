//! `POST /message`: text and files into a room.

use chatcore::attachment::Attachment;
use chatcore::chat::Sent;
use chatcore::id::{MessageId, RoomId, Seq, UserId};
use chatcore::log::Draft;
use chatcore::room::Rejection;
use chatcore::{Chat, Code, Error, Invalid};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::{Authenticated, refused, signed_in_user, unreadable};
use crate::body::{Fields, File};
use crate::dialect::{date, files};
use crate::problem::Problem;
use crate::reply::{self, Response};
use crate::router::Call;

/// What became of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Processed {
    id: MessageId,
    room_id: RoomId,
    seq: Seq,
    text: String,
    attachments: Vec<Stored>,
    sent_at: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    url: String,
    name: String,
    content_type: String,
    size: u64,
}

/// What a body asks to be sent.
struct Request {
    text: String,
    room: Option<RoomId>,
    files: Vec<File>,
}

/// `POST /message`. Without a room it goes to the lobby.
pub(in crate::dialect) async fn message(chat: Chat, mut call: Call) -> Response {
    let (id, user) = match signed_in_user(&chat, &call).await {
        Ok(known) => known,
        Err(response) => return response,
    };
    let fields = match call.fields().await {
        Ok(fields) => fields,
        Err(error) => return unreadable(error),
    };
    let request = match read(fields) {
        Ok(Some(request)) => request,
        Ok(None) => {
            let nothing = Problem::new(Code::BadRequest, "Message not found");
            return refused(&nothing.under(StatusCode::UNPROCESSABLE_ENTITY));
        }
        Err(error) => return refused(&error.into()),
    };
    match process(&chat, &call, &id, request).await {
        Ok(processed) => reply::json(StatusCode::OK, &Authenticated::new(user, Some(processed))),
        Err(error) => refused(&error.into()),
    }
}

/// None if there is neither text nor a file.
fn read(mut fields: Fields) -> Result<Option<Request>, Error> {
    let beside = fields.optional_string("roomId")?.map(str::to_owned);
    let (text, within) = match fields.get("message") {
        None | Some(Value::Null) => (String::new(), None),
        Some(Value::String(text)) => (text.clone(), None),
        Some(Value::Object(message)) => {
            (member(message, "text")?.unwrap_or_default(), member(message, "roomId")?)
        }
        Some(_) => {
            return Err(Invalid::new("message", "message must be text or an object").into());
        }
    };
    let named = |room: &String| !room.is_empty();
    let room = match (beside.filter(named), within.filter(named)) {
        (Some(a), Some(b)) if a != b => {
            return Err(Invalid::new("roomId", "roomId is given twice, and differs").into());
        }
        (a, b) => a.or(b).map(|room| RoomId::parse(&room)).transpose()?,
    };
    let files = files::take(&mut fields, None);
    Ok((!text.is_empty() || !files.is_empty()).then_some(Request { text, room, files }))
}

fn member(
    object: &serde_json::Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, Invalid> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Invalid::new(name, format!("{name} must be a string"))),
    }
}

async fn process(
    chat: &Chat,
    call: &Call,
    user: &UserId,
    request: Request,
) -> Result<Processed, Error> {
    let caller = chat.as_user(user);
    let most = chat.limits().attachments;
    if request.files.len() > most {
        let what = "attachments of a message";
        return Err(Rejection::TooMany { what, most: most as u64 }.into());
    }
    let room = match request.room {
        Some(room) => room,
        None => caller.lobby().await?.room,
    };
    // Before files are stored for a room that is not there; whether they may go in, sending decides.
    caller.may_read(&room).await?;
    let stored = files::store_all(chat.attachments(), user, request.files).await?;
    let draft = Draft::text(request.text.clone()).attach(stored.iter().map(|file| file.id.clone()));
    match caller.send(&room, draft).await {
        Ok(sent) => Ok(processed(call, room, request.text, &stored, sent)),
        Err(error) => {
            files::discard(chat.attachments(), &stored).await;
            Err(error)
        }
    }
}

fn processed(
    call: &Call,
    room_id: RoomId,
    text: String,
    stored: &[Attachment],
    sent: Sent,
) -> Processed {
    let shown = |file: &Attachment| Stored {
        url: files::path(&call.mounted(""), &file.id, &file.content_type),
        name: file.name.clone(),
        content_type: file.content_type.clone(),
        size: file.size,
    };
    let attachments = stored.iter().map(shown).collect();
    let Sent { seq, message_id: id, ts, .. } = sent;
    Processed { id, room_id, seq, text, attachments, sent_at: date::rfc3339(ts) }
}
