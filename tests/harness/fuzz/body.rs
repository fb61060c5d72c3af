//! Bodies of requests: JSON, urlencoded, multipart.

use std::convert::Infallible;

use bytes::Bytes;
use chatcore_warp::body::{self, Body, BodyError, BodyLimits, Fields, File};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};

const TEXT: u64 = 4 << 10;
const UPLOAD: u64 = 16 << 10;
const FILE: u64 = 2 << 10;
const FILES: usize = 3;
const FIELDS: usize = 8;

fn limits() -> BodyLimits {
    BodyLimits::default()
        .with_text(TEXT)
        .with_upload(UPLOAD)
        .with_file(FILE)
        .with_files(FILES)
        .with_fields(FIELDS)
}

/// Reads `data` in pieces of `piece` bytes.
fn read(content_type: &str, data: &[u8], piece: usize) -> Result<Fields, BodyError> {
    let mut headers = HeaderMap::new();
    let content_type = HeaderValue::try_from(content_type).expect("a type of ours");
    headers.insert(header::CONTENT_TYPE, content_type);
    let pieces: Vec<_> = data
        .chunks(piece.max(1))
        .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
        .collect();
    let body = Body::new(stream::iter(pieces));
    super::block_on(body::read(&headers, body, &limits()))
}

/// What a body held, to compare.
#[derive(Debug, PartialEq)]
struct Summary {
    values: Vec<(String, serde_json::Value)>,
    /// Field, name and size of each.
    files: Vec<(String, Option<String>, u64)>,
}

impl Summary {
    fn of(fields: &Fields) -> Self {
        let value = |name: &str| fields.get(name).expect("a name that is listed").clone();
        let values = fields.names().map(|name| (name.to_owned(), value(name))).collect();
        let file = |f: &File| (f.field.clone(), f.name.clone(), f.content.len());
        Self { values, files: fields.files().iter().map(file).collect() }
    }
}

/// Bounds hold, names are unique, and it does not matter how the bytes were cut on their way.
fn check(content_type: &str, data: &[u8], piece: usize) {
    let whole = read(content_type, data, data.len());
    let pieces = read(content_type, data, piece);
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(Summary::of(whole), Summary::of(pieces)),
        (Err(_), Err(_)) => {}
        (whole, pieces) => panic!("whole: {whole:?}, in pieces of {piece}: {pieces:?}"),
    }
    let Ok(fields) = whole else { return };
    let Summary { values, files } = Summary::of(&fields);
    assert!(values.len() <= FIELDS && files.len() <= FILES);
    assert!(files.iter().all(|(_, _, size)| *size <= FILE));
    let mut names: Vec<_> = values.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), values.len(), "a name came twice");
    assert!(files.iter().all(|(field, ..)| !names.contains(&field)), "a field is a file as well");
}

/// The first byte says which of the two types it is, and into which pieces the rest is cut.
pub(super) fn fields(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let piece = usize::from(first >> 1) + 1;
    if first & 1 == 0 {
        check("application/json", data, piece);
        // What passes here is JSON to every other reader too, and the same JSON.
        if let Ok(strict) = body::parse_json(data) {
            let plain: serde_json::Value = serde_json::from_slice(data).expect("it is JSON");
            assert_eq!(strict, plain);
        }
    } else {
        check("application/x-www-form-urlencoded", data, piece);
    }
}

/// The boundary is `X`; the first byte says into which pieces the body is cut.
pub(super) fn multipart(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    check("multipart/form-data; boundary=X", data, usize::from(first) + 1);
}
