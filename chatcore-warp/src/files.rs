//! Files in and out: the same for REST and the dialects.

use chatcore::account::Account;
use chatcore::attachment::range::Part;
use chatcore::attachment::{Attachment, AttachmentError, Attachments, UploadRequest, Usage};
use chatcore::id::UserId;
use chatcore::{Chat, Code, Error};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::body::File;
use crate::headers::FILE_CSP;
use crate::problem::Problem;
use crate::reply::{self, Response};

/// Hands a file of a form to the store of files, as `owner`'s. Nothing but an image, if so asked.
///
/// # Errors
/// Those of [`Attachments::upload`].
pub(crate) async fn store(
    attachments: &Attachments,
    owner: &UserId,
    file: File,
    image_only: bool,
) -> Result<Attachment, Error> {
    let File { name, content_type, content, .. } = file;
    let length = content.len();
    let name = name.unwrap_or_default();
    let mut request = UploadRequest::new(owner.clone(), name, content.into_stream()).length(length);
    if let Some(content_type) = content_type {
        request = request.claimed_type(content_type.essence_str());
    }
    if image_only {
        request = request.image_only();
    }
    Ok(attachments.upload(request).await?)
}

/// Makes a file of a form the picture of `user`; the one before it is removed.
///
/// # Errors
/// Those of [`Attachments::upload`], [`Attachments::set_avatar`] and
/// [`set_avatar`](chatcore::account::Accounts::set_avatar).
pub(crate) async fn set_avatar(chat: &Chat, user: &UserId, file: File) -> Result<Account, Error> {
    let picture = store(chat.attachments(), user, file, true).await?;
    chat.attachments().set_avatar(&picture.id, user).await?;
    Ok(chat.accounts().set_avatar(user, Some(picture.id)).await?)
}

/// Where clients fetch a file, below the path that we are mounted under.
pub(crate) fn path(file: &Attachment) -> String {
    let name =
        percent_encoding::utf8_percent_encode(&file.name, percent_encoding::NON_ALPHANUMERIC);
    format!("{}/attachments/{}/{name}", crate::rest::PREFIX, file.id)
}

/// Sends the caller, who may read the file, on to where it is kept, if the store of files gives links.
///
/// # Errors
/// Those of [`Attachments::link`].
pub(crate) async fn send_on(
    attachments: &Attachments,
    file: &Attachment,
) -> Result<Option<Response>, Problem> {
    let Some(link) = attachments.link(file).await.map_err(Error::from)? else { return Ok(None) };
    let mut response = reply::empty(StatusCode::TEMPORARY_REDIRECT);
    insert(response.headers_mut(), header::LOCATION, link.url);
    // The link opens the file to whoever has it.
    let kept = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(Some(response))
}

/// Serves a file that the caller may read: whole, or the part that is asked for.
///
/// # Errors
/// Those of [`Attachments::read`].
pub(crate) async fn serve(
    attachments: &Attachments,
    file: &Attachment,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let etag = file.etag();
    if matches_any(request, &header::IF_NONE_MATCH, &etag) {
        let mut response = reply::empty(StatusCode::NOT_MODIFIED);
        describe(file, &etag, response.headers_mut());
        return Ok(response);
    }
    let text = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    // A part of something else would be of no use to who has the beginning of this.
    let unchanged = text(header::IF_RANGE).is_none_or(|tag| tag == etag);
    let asked = text(header::RANGE).filter(|_| unchanged);
    let (status, range) = match Part::requested(asked, file.size) {
        Part::Whole => (StatusCode::OK, None),
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Part::Unsatisfiable => {
            let problem = Problem::new(Code::BadRequest, "the file has no such part");
            let problem = problem.under(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut response = problem.into_response();
            insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{}", file.size));
            return Ok(response);
        }
    };
    let reader = attachments.read(file, range.clone()).await.map_err(Error::from)?;
    let length = reader.range.end - reader.range.start;
    let mut response = reply::stream(status, reader.stream);
    let headers = response.headers_mut();
    describe(file, &etag, headers);
    insert(headers, header::CONTENT_TYPE, file.content_type_header());
    insert(headers, header::CONTENT_LENGTH, length.to_string());
    if let Some(range) = range {
        let shown = format!("bytes {}-{}/{}", range.start, range.end - 1, file.size);
        insert(headers, header::CONTENT_RANGE, shown);
    }
    Ok(response)
}

/// Serves the thumbnail of a file that the caller may read, whole: it is small.
///
/// # Errors
/// Those of [`Attachments::read_thumbnail`].
pub(crate) async fn serve_thumbnail(
    attachments: &Attachments,
    file: &Attachment,
    request: &HeaderMap,
) -> Result<Response, Problem> {
    let etag = file.thumbnail_etag();
    // One that is gone is so for those too who have it at hand.
    let Some(thumbnail) = &file.thumbnail else {
        return Err(Error::from(AttachmentError::NotFound).into());
    };
    let mut response = if matches_any(request, &header::IF_NONE_MATCH, &etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let reader = attachments.read_thumbnail(file, None).await.map_err(Error::from)?;
        let mut response = reply::stream(StatusCode::OK, reader.stream);
        insert(response.headers_mut(), header::CONTENT_TYPE, thumbnail.content_type.clone());
        insert(response.headers_mut(), header::CONTENT_LENGTH, thumbnail.size.to_string());
        response
    };
    let headers = response.headers_mut();
    insert(headers, header::ETAG, etag);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_CSP));
    // It may be kept, and not be shown without our word for it: who saw it yesterday may be out today.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// The headers that make what a stranger uploaded safe to hand to a browser.
fn describe(file: &Attachment, etag: &str, headers: &mut HeaderMap) {
    insert(headers, header::ETAG, etag.to_owned());
    insert(headers, header::CONTENT_DISPOSITION, file.content_disposition());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_CSP));
    // A picture of someone is open to everyone who is signed in, and never changes under its id.
    // All else may have to be gone tomorrow for who may see it today.
    let caching = match file.usage {
        Usage::Avatar => "private, max-age=86400, immutable",
        _ => "private, no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
}

fn matches_any(request: &HeaderMap, name: &HeaderName, etag: &str) -> bool {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(','));
    tags.any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    match HeaderValue::try_from(value) {
        Ok(value) => {
            headers.insert(name, value);
        }
        // All of these are made of visible ASCII by the engine.
        Err(_) => tracing::error!(%name, "a header of a file cannot be written"),
    }
}
