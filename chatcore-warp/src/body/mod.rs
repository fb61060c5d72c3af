//! A request's body, read once into named fields and files, whatever it is encoded as.
//!
//! JSON objects, urlencoded forms and multipart forms all become [`Fields`]. Nothing is taken on
//! trust: bytes are counted as they come in, whatever the headers promise; a field that comes twice,
//! a body that is compressed, nested too deep, or of an unknown type is refused. Files go through a
//! [`Spool`], so that a large upload costs little memory.

mod error;
mod fields;
mod form;
mod json;
mod limits;
mod multipart;
mod spool;
mod stream;
#[cfg(test)]
mod tests;
mod typed;

use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use mime::Mime;

pub use error::BodyError;
pub use fields::{Fields, File};
pub use json::strict as parse_json;
pub use limits::BodyLimits;
use limits::LARGE;
pub use spool::Spool;
pub use stream::Body;
pub(crate) use typed::{from_json, from_text_fields};

/// What a body is encoded as.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Form,
    Multipart { boundary: String },
}

/// Reads a body of any of the three types into fields.
///
/// # Errors
/// Every [`BodyError`].
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &BodyLimits,
) -> Result<Fields, BodyError> {
    match encoding(headers)? {
        Encoding::Json => {
            let bytes = collect(headers, body, limits).await?;
            fields::of_json(&bytes, limits)
        }
        Encoding::Form => {
            let bytes = collect(headers, body, limits).await?;
            form::parse(&bytes, limits)
        }
        Encoding::Multipart { boundary } => {
            check_length(headers, limits.upload)?;
            multipart::read(boundary, body, limits).await
        }
    }
}

/// Reads a body that must be JSON.
///
/// # Errors
/// Those of [`BodyError`] that have to do with bytes and types.
pub async fn read_json(
    headers: &HeaderMap,
    body: Body,
    limits: &BodyLimits,
) -> Result<serde_json::Value, BodyError> {
    match encoding(headers)? {
        Encoding::Json => json::strict(&collect(headers, body, limits).await?),
        _ => Err(BodyError::UnsupportedType("application/json")),
    }
}

/// What the headers say that the body is; nothing that is compressed is taken.
fn encoding(headers: &HeaderMap) -> Result<Encoding, BodyError> {
    const TAKEN: &str =
        "application/json, application/x-www-form-urlencoded or multipart/form-data";
    let coded = headers.get_all(header::CONTENT_ENCODING).iter();
    if coded.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(BodyError::Encoded);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return Err(BodyError::UnsupportedType(TAKEN));
    };
    let parsed = one.to_str().ok().and_then(|s| s.parse::<Mime>().ok());
    let Some(mime) = parsed else { return Err(BodyError::UnsupportedType(TAKEN)) };
    if mime.get_param(mime::CHARSET).is_some_and(|charset| charset != mime::UTF_8) {
        return Err(BodyError::UnsupportedType("UTF-8"));
    }
    match (mime.type_(), mime.subtype()) {
        (mime::APPLICATION, mime::JSON) => Ok(Encoding::Json),
        (mime::APPLICATION, mime::WWW_FORM_URLENCODED) => Ok(Encoding::Form),
        (mime::MULTIPART, mime::FORM_DATA) => {
            let boundary = mime.get_param(mime::BOUNDARY).map(|b| b.as_str().to_owned());
            match boundary {
                // RFC 2046, section 5.1.1.
                Some(boundary) if (1..=70).contains(&boundary.len()) => {
                    Ok(Encoding::Multipart { boundary })
                }
                _ => Err(BodyError::Malformed("the multipart boundary is missing or too long")),
            }
        }
        _ => Err(BodyError::UnsupportedType(TAKEN)),
    }
}

fn check_length(headers: &HeaderMap, limit: u64) -> Result<(), BodyError> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    match length {
        Some(length) if limit < length => Err(BodyError::TooLarge { limit }),
        _ => Ok(()),
    }
}

/// The whole body in memory, up to the limit for text.
async fn collect(
    headers: &HeaderMap,
    mut body: Body,
    limits: &BodyLimits,
) -> Result<Vec<u8>, BodyError> {
    let limit = limits.text;
    check_length(headers, limit)?;
    let mut bytes = Vec::new();
    let mut room = limits.memory.take(0)?;
    let mut place = None;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if place.is_none() && bytes.len() + chunk.len() > LARGE {
            place = Some(limits.large.begin()?);
        }
        room.merge(limits.memory.take(chunk.len())?);
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(BodyError::TooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
