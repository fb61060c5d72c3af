//! Files, up and down.

use chatcore::attachment::Attachment;
use chatcore::id::AttachmentId;
use chatcore::log::Thumbnail;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::endpoint::{Endpoint, Json, Made, Media, Signed, Upload};
use crate::files;
use crate::problem::Problem;
use crate::router::Call;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::POST,
            "/attachments",
            "Uploads a file, to be sent with a message.",
            StatusCode::CREATED,
            upload,
        ),
        Endpoint::new(
            Method::GET,
            "/attachments/{attachment}/{name}",
            "Fetches a file, or a part of it (one `Range`). Its id alone tells which; the name is \
             for people. A server whose store of files gives links sends on to one (307), for files that \
             are to be saved.",
            StatusCode::OK,
            download,
        ),
        Endpoint::new(
            Method::GET,
            "/thumbnails/{attachment}",
            "Fetches the thumbnail of an image, which a browser may keep as long as it asks each time \
             whether it may still show it (`If-None-Match`).",
            StatusCode::OK,
            thumbnail,
        ),
    ]
}

/// The bytes of a file.
pub(super) struct File;

impl Media for File {
    const TYPE: &'static str = "*/*";
}

/// A file that was uploaded.
#[derive(Debug, Serialize, JsonSchema)]
struct Uploaded {
    /// By which a message takes it along.
    id: AttachmentId,
    /// Where it is, from the root of this host.
    url: String,
    /// What it is called.
    name: String,
    /// What it is, found from its content.
    content_type: String,
    /// Its length in bytes.
    size: u64,
    /// Of an image, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    /// Of an image, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    /// Of an image of which one could be made; it is at `/thumbnails/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<Thumbnail>,
}

impl Uploaded {
    fn new(file: Attachment, call: &Call) -> Self {
        Self {
            url: call.mounted(&files::path(&file)),
            id: file.id,
            name: file.name,
            content_type: file.content_type,
            size: file.size,
            width: file.width,
            height: file.height,
            thumbnail: file.thumbnail,
        }
    }
}

async fn upload(signed: Signed, Upload(file): Upload) -> Result<Json<Uploaded>, Problem> {
    let stored = files::store(signed.app.chat.attachments(), signed.user(), file, false).await?;
    Ok(Json(Uploaded::new(stored, &signed.call)))
}

async fn thumbnail(signed: Signed, (): ()) -> Result<Made<File>, Problem> {
    let id = signed.call.param::<AttachmentId>("attachment")?;
    let file = signed.caller().readable_attachment(&id).await?;
    let attachments = signed.app.chat.attachments();
    Ok(Made::new(files::serve_thumbnail(attachments, &file, signed.call.headers()).await?))
}

async fn download(signed: Signed, (): ()) -> Result<Made<File>, Problem> {
    let id = signed.call.param::<AttachmentId>("attachment")?;
    let file = signed.caller().readable_attachment(&id).await?;
    let attachments = signed.app.chat.attachments();
    if let Some(response) = files::send_on(attachments, &file).await? {
        return Ok(Made::new(response));
    }
    Ok(Made::new(files::serve(attachments, &file, signed.call.headers()).await?))
}
