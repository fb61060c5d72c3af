//! Which frame a map is.

use serde_json::Value;

use super::fields::{FieldError, Fields, typed};
use super::tree::Tree;
use super::{DecodeError, Malformed};
use crate::protocol::frame::{ClientFrame, FileRequest, Request, RequestId};

/// Reads a frame by its `op`.
pub(super) fn client_frame(tree: Tree) -> Result<ClientFrame, DecodeError> {
    by_op(tree, frame)
}

/// Reads the first frame of a file's stream by its `op`.
pub(super) fn file_request(tree: Tree) -> Result<FileRequest, DecodeError> {
    by_op(tree, |op, mut fields| {
        let id = fields.take("id");
        Ok(match op {
            "upload" => Some(FileRequest::Upload { id: id?, upload: fields.rest()? }),
            "download" => Some(FileRequest::Download { id: id?, download: fields.rest()? }),
            _ => None,
        })
    })
}

fn by_op<T>(
    tree: Tree,
    read: impl FnOnce(&str, Fields) -> Result<Option<T>, FieldError>,
) -> Result<T, DecodeError> {
    let Value::Object(map) = tree.value else { return Err(Malformed::NotAMap.into()) };
    let mut fields = Fields(map);
    // The `id` is looked for first, and in frames of any kind, so that whatever is wrong with the
    // rest, the answer reaches the request that it belongs to.
    let id = fields.0.get("id").and_then(|v| typed::<RequestId>(v.clone()).ok());
    if let Some(flaw) = tree.flaw {
        return Err(DecodeError::refused(id, flaw));
    }
    match fields.take::<String>("op").and_then(|op| read(&op, fields)) {
        Ok(Some(frame)) => Ok(frame),
        Ok(None) => Err(DecodeError::unsupported(id, "this server knows no such op")),
        Err(problem) => Err(DecodeError::refused(id, problem)),
    }
}

/// The frame of this `op`; none if there is no such.
fn frame(op: &str, mut fields: Fields) -> Result<Option<ClientFrame>, FieldError> {
    let frame = match op {
        "hello" => ClientFrame::Hello(fields.rest()?),
        "signal" => ClientFrame::Signal(fields.rest()?),
        "ack" => ClientFrame::Ack(fields.rest()?),
        "ping" => ClientFrame::Ping(fields.rest()?),
        _ => {
            let id = fields.take("id");
            match request(op, fields)? {
                // An unknown op is what is wrong with the frame, whatever its id.
                None => return Ok(None),
                Some(request) => ClientFrame::Request { id: id?, request },
            }
        }
    };
    Ok(Some(frame))
}

/// The request of this `op`; none if there is no such.
fn request(op: &str, mut f: Fields) -> Result<Option<Request>, FieldError> {
    let request = match op {
        "auth" => Request::Auth { token: f.last("token")? },
        "rooms" => Request::Rooms(f.rest()?),
        "create_room" => Request::CreateRoom(f.rest()?),
        "enter" => Request::Enter { room: f.last("room")? },
        "leave" => Request::Leave { room: f.last("room")? },
        "unsubscribe" => Request::Unsubscribe { room: f.last("room")? },
        "subscribe" => {
            let since = f.take_if_any("since")?;
            Request::Subscribe { room: f.last("room")?, since }
        }
        "update_room" => Request::UpdateRoom { room: f.take("room")?, body: f.rest()? },
        "send" => Request::Send { room: f.take("room")?, body: f.rest()? },
        "history" => Request::History { room: f.take("room")?, body: f.rest()? },
        "members" => Request::Members { room: f.take("room")?, body: f.rest()? },
        "create_invite_link" => {
            Request::CreateInviteLink { room: f.take("room")?, body: f.rest()? }
        }
        "invite_links" => Request::InviteLinks { room: f.last("room")? },
        "revoke_invite_link" => {
            Request::RevokeInviteLink { room: f.take("room")?, link: f.last("link")? }
        }
        "invitation" => Request::Invitation(f.rest()?),
        "accept_invite" => Request::AcceptInvite(f.rest()?),
        "block" => Request::Block { user: f.last("user")? },
        "unblock" => Request::Unblock { user: f.last("user")? },
        "blocks" => Request::Blocks(f.rest()?),
        "notify" => Request::Notify { room: f.take("room")?, body: f.rest()? },
        "pins" => Request::Pins { room: f.take("room")?, body: f.rest()? },
        "readers" => Request::Readers {
            room: f.take("room")?,
            message_id: f.take("message_id")?,
            body: f.rest()?,
        },
        "search" => Request::Search(f.rest()?),
        "mark_read" => Request::MarkRead { room: f.take("room")?, body: f.rest()? },
        "member" => {
            Request::Member { room: f.take("room")?, user: f.take("user")?, body: f.rest()? }
        }
        "edit" | "delete" | "react" | "unreact" | "pin" | "unpin" => on_message(op, f)?,
        _ => return Ok(None),
    };
    Ok(Some(request))
}

fn on_message(op: &str, mut f: Fields) -> Result<Request, FieldError> {
    let room = f.take("room")?;
    let message_id = f.take("message_id")?;
    Ok(match op {
        "edit" => Request::Edit { room, message_id, body: f.rest()? },
        "delete" => Request::Delete { room, message_id, body: f.rest()? },
        "react" => Request::React { room, message_id, emoji: f.last("emoji")? },
        "unreact" => Request::Unreact { room, message_id, emoji: f.last("emoji")? },
        "pin" => {
            f.finish()?;
            Request::Pin { room, message_id }
        }
        _ => {
            f.finish()?;
            Request::Unpin { room, message_id }
        }
    })
}
