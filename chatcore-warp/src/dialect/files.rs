//! Files: taken in from forms, and served at `GET /upload/<filename>`.

use chatcore::attachment::sniff;
use chatcore::attachment::{Attachment, AttachmentError, Attachments, Usage};
use chatcore::id::{AttachmentId, UserId};
use chatcore::{Chat, Code, Error};

use crate::auth;
use crate::body::{Fields, File};
use crate::files;
use crate::problem::Problem;
use crate::reply::Response;
use crate::router::Call;

/// Takes the files of a field, or all of them, out of a form, without the empty ones that browsers
/// send for a field that was left alone.
pub(super) fn take(fields: &mut Fields, field: Option<&str>) -> Vec<File> {
    let wanted = |file: &File| field.is_none_or(|field| file.field == field);
    let left_alone = |f: &File| f.content.is_empty() && f.name.as_deref().is_none_or(str::is_empty);
    fields.take_files().into_iter().filter(|f| wanted(f) && !left_alone(f)).collect()
}

/// Stores files one after the other; if one is refused, none is kept.
///
/// # Errors
/// Those of [`Attachments::upload`].
pub(super) async fn store_all(
    attachments: &Attachments,
    owner: &UserId,
    from: Vec<File>,
) -> Result<Vec<Attachment>, Error> {
    let mut stored = Vec::with_capacity(from.len());
    for file in from {
        match files::store(attachments, owner, file, false).await {
            Ok(attachment) => stored.push(attachment),
            Err(error) => {
                discard(attachments, &stored).await;
                return Err(error);
            }
        }
    }
    Ok(stored)
}

/// Gives up what was stored for something that came to nothing. What cannot be given up now ends by
/// its age.
pub(super) async fn discard(attachments: &Attachments, stored: &[Attachment]) {
    for attachment in stored {
        if let Err(error) = attachments.discard(&attachment.id, &attachment.owner).await {
            tracing::debug!(%error, "an upload waits for its end");
        }
    }
}

/// The path of `GET /upload/<filename>` for a file, below the path that we are mounted under. The name
/// is made of what the server chose alone: a random id, and the usual extension of the type.
pub(super) fn path(mount: &str, id: &AttachmentId, content_type: &str) -> String {
    let extension = sniff::extension(content_type).map(|e| format!(".{e}")).unwrap_or_default();
    format!("{mount}/upload/{id}{extension}")
}

/// Serves the file of `GET /upload/<filename>` to those who may read it.
///
/// # Errors
/// [`Code::NotFound`], also for a file that the caller may not read and for a caller who is not signed
/// in; [`Code::BadRequest`] for a token in the address; faults of the stores.
pub(super) async fn download(chat: &Chat, call: &Call) -> Result<Response, Problem> {
    let name = call.segment("filename");
    let id = Attachment::id_of(name).ok_or(AttachmentError::NotFound).map_err(Error::from)?;
    let attachment = chat.attachments().get(&id).await.map_err(Error::from)?;
    if attachment.file_name() != name || !may_read(chat, call, &attachment).await? {
        return Err(Error::from(AttachmentError::NotFound).into());
    }
    files::serve(chat.attachments(), &attachment, call.headers()).await
}

async fn may_read(chat: &Chat, call: &Call, attachment: &Attachment) -> Result<bool, Problem> {
    // The picture of a person is shown by pages that can send no token for it: its name, which cannot
    // be guessed, is enough.
    if attachment.usage == Usage::Avatar {
        return Ok(true);
    }
    let reader = match auth::identify(chat, call).await {
        Ok(identity) => identity.user,
        Err(problem) if problem.code() == Code::Unauthenticated => return Ok(false),
        Err(problem) => return Err(problem),
    };
    match &attachment.usage {
        Usage::Message { room, .. } => match chat.as_user(&reader).may_read(room).await {
            Ok(()) => Ok(true),
            Err(Error::Rejected(_)) => Ok(false),
            Err(error) => Err(error.into()),
        },
        Usage::Shared => Ok(true),
        _ => Ok(attachment.owner == reader),
    }
}
