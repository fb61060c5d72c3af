//! `/upload`: a file into a room, and back out of the server.

use chatcore::hub::Membership;
use chatcore::id::{RoomId, UserId};
use chatcore::log::Draft;
use chatcore::room::Rejection;
use chatcore::{Chat, Error};

use super::{error, failed, ok};
use crate::auth;
use crate::body::File;
use crate::dialect::input::Faults;
use crate::dialect::{answer, files, who};
use crate::reply::Response;
use crate::router::Call;

const NOT_SENT: &str = "Send file failed.";
const NO_FILE: &str = "File does not exist.";

/// What a form asks to be sent.
struct Request {
    file: File,
    room: RoomId,
}

/// `POST /upload`: stores a file, and says where it is in a message of the room.
pub(in crate::dialect) async fn upload(chat: Chat, mut call: Call) -> Response {
    let identity = match auth::identify(&chat, &call).await {
        Ok(identity) => identity,
        Err(cause) => return answer::instead(error(NOT_SENT), cause),
    };
    let request = match read(&chat, &mut call, &identity.user).await {
        Ok(Some(request)) => request,
        Ok(None) => return error(NOT_SENT),
        Err(cause) => return failed(NOT_SENT, cause),
    };
    match send(&chat, &call, &identity.user, request).await {
        Ok(()) => ok("Send file successfully."),
        Err(cause) => failed(NOT_SENT, cause),
    }
}

/// `/upload` with another method.
pub(in crate::dialect) async fn wrong_method(_: Chat, _: Call) -> Response {
    error(NOT_SENT)
}

/// None if the form is not as the document wants it.
async fn read(chat: &Chat, call: &mut Call, user: &UserId) -> Result<Option<Request>, Error> {
    let Ok(mut fields) = call.fields().await else { return Ok(None) };
    let mut faults = Faults::default();
    let name = faults.required(&fields, "name").to_owned();
    let user_id = faults.required(&fields, "user_id").to_owned();
    let room = faults.required(&fields, "chatroom_id").to_owned();
    let mut files = files::take(&mut fields, Some("file"));
    let (Ok(()), Ok(room), Some(mut file), true) =
        (faults.none(), RoomId::parse(&room), files.pop(), files.is_empty())
    else {
        return Ok(None);
    };
    file.name = Some(name);
    let own = who::is_called(chat, user, &user_id).await?;
    Ok(own.then_some(Request { file, room }))
}

async fn send(chat: &Chat, call: &Call, user: &UserId, request: Request) -> Result<(), Error> {
    let Request { file, room } = request;
    let caller = chat.as_user(user);
    // Before anything is stored; whether the file may go in is decided again when it is sent.
    if caller.room(&room).await?.state != Some(Membership::Joined) {
        return Err(Rejection::NotJoined.into());
    }
    let stored = crate::files::store(chat.attachments(), user, file, false).await?;
    let url = files::path(&call.mounted(""), &stored.id, &stored.content_type);
    let draft = Draft::text(url).attach([stored.id.clone()]);
    if let Err(refusal) = caller.send(&room, draft).await {
        files::discard(chat.attachments(), &[stored]).await;
        return Err(refusal);
    }
    Ok(())
}

/// `GET /upload/<filename>`.
pub(in crate::dialect) async fn download(chat: Chat, call: Call) -> Response {
    match files::download(&chat, &call).await {
        Ok(response) => response,
        Err(cause) => answer::instead(error(NO_FILE), cause),
    }
}

/// `/upload/<filename>` with another method.
pub(in crate::dialect) async fn method_mismatch(_: Chat, _: Call) -> Response {
    error("Method mismatch.")
}
