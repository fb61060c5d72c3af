//! Bodies of each type, good and hostile.

use std::future::Future as _;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use super::*;

fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
    headers
}

fn body(chunks: Vec<impl Into<Bytes>>) -> Body {
    let chunks: Vec<_> = chunks.into_iter().map(|c| Ok::<_, std::io::Error>(c.into())).collect();
    Body::new(stream::iter(chunks))
}

async fn read_as(content_type: &str, bytes: impl Into<Bytes>) -> Result<Fields, BodyError> {
    let limits = BodyLimits::default().with_file(1 << 20).with_files(2).with_fields(4);
    read(&headers(content_type), body(vec![bytes.into()]), &limits).await
}

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=X";

fn part(name: &str, extra: &str, content: &str) -> String {
    format!("--X\r\ncontent-disposition: form-data; name=\"{name}\"{extra}\r\n\r\n{content}\r\n")
}

#[tokio::test]
async fn json_keeps_its_types_and_refuses_objects_for_strings() {
    let fields = read_as("application/json", r#"{"s":"x","n":1,"o":{},"z":null}"#).await.unwrap();
    assert_eq!(fields.string("s").unwrap(), "x");
    assert_eq!(fields.get("n"), Some(&json!(1)));
    assert_eq!(fields.string("o").unwrap_err().field, "o");
    assert_eq!(fields.string("n").unwrap_err().problem, "n must be a string");
    assert_eq!(fields.optional_string("z").unwrap(), None);
    assert_eq!(fields.string("absent").unwrap_err().problem, "absent is missing");
    assert!(fields.has("z") && !fields.has("absent"));
}

#[tokio::test]
async fn form_is_decoded_and_bad_utf8_is_refused() {
    let fields = read_as(FORM, "a=1+%2b&b=%C3%A9&&c").await.unwrap();
    assert_eq!(fields.string("a").unwrap(), "1 +");
    assert_eq!(fields.string("b").unwrap(), "é");
    assert_eq!(fields.string("c").unwrap(), "");
    assert!(matches!(read_as(FORM, "a=%ff").await, Err(BodyError::Malformed(_))));
}

#[tokio::test]
async fn field_that_comes_twice_is_refused_in_every_encoding() {
    let multipart = format!("{}{}--X--\r\n", part("a", "", "1"), part("a", "", "2"));
    let mixed = format!("{}{}--X--\r\n", part("a", "; filename=\"f\"", "1"), part("a", "", "2"));
    let cases = [
        ("application/json", r#"{"a":1,"a":2}"#),
        (FORM, "a=1&a=2"),
        (MULTIPART, &multipart),
        (MULTIPART, &mixed),
    ];
    for (content_type, text) in cases {
        let refused = read_as(content_type, text.to_owned()).await;
        assert!(matches!(refused, Err(BodyError::Duplicate { field }) if field == "a"), "{text}");
    }
}

#[tokio::test]
async fn compressed_or_unknown_types_are_refused() {
    let mut gzip = headers("application/json");
    gzip.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let refused = read(&gzip, Body::from_bytes("{}"), &BodyLimits::default()).await;
    assert!(matches!(refused, Err(BodyError::Encoded)));
    let types = [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "rubbish",
        "multipart/mixed; boundary=X",
    ];
    for content_type in types {
        let refused = read_as(content_type, "{}").await;
        assert!(matches!(refused, Err(BodyError::UnsupportedType(_))), "{content_type}");
    }
    let none = read(&HeaderMap::new(), Body::from_bytes("{}"), &BodyLimits::default()).await;
    assert!(matches!(none, Err(BodyError::UnsupportedType(_))));
}

#[tokio::test]
async fn bytes_are_counted_whatever_the_headers_say() {
    let limits = BodyLimits::default().with_text(10);
    let json = headers("application/json");
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"    ")));
    let refused = read(&json, Body::new(endless), &limits).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { limit: 10 })));
    let mut lying = json.clone();
    lying.insert(header::CONTENT_LENGTH, "11".parse().unwrap());
    let refused = read(&lying, Body::from_bytes("{}"), &limits).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { limit: 10 })));
}

#[tokio::test]
async fn a_file_whose_name_is_not_utf8_is_still_a_file() {
    let mut body =
        b"--X\r\ncontent-disposition: form-data; name=\"f\"; filename=\"caf\xe9.txt\"\r\n".to_vec();
    body.extend_from_slice(b"content-type: text/plain\r\n\r\nhello\r\n--X--\r\n");
    let limits = BodyLimits::default();
    match read(&headers(MULTIPART), Body::from_bytes(body), &limits).await {
        Ok(fields) => assert_eq!(fields.files().len(), 1),
        Err(refused) => assert!(matches!(refused, BodyError::Malformed(_)), "{refused}"),
    }
}

#[tokio::test]
async fn fields_and_files_are_bounded_in_number() {
    let many = read_as(FORM, "a=1&b=1&c=1&d=1&e=1").await;
    assert!(matches!(many, Err(BodyError::TooManyFields { limit: 4 })));
    let file = part("f", "; filename=\"x\"", "y");
    let many = read_as(MULTIPART, format!("{file}{file}{file}--X--\r\n")).await;
    assert!(matches!(many, Err(BodyError::TooManyFiles { limit: 2 })));
}

#[tokio::test]
async fn multipart_gives_text_and_files() {
    let large = "z".repeat(200_000);
    let text = format!(
        "preamble\r\n{}{}{}--X--\r\n",
        part("file", "; filename=\"../a b.txt\"\r\ncontent-type: text/plain", &large),
        part("name", "", "é"),
        part("raw", "\r\ncontent-type: image/png", "png"),
    );
    // Cut anywhere, as the network would.
    let chunks: Vec<Bytes> = text.as_bytes().chunks(1000).map(Bytes::copy_from_slice).collect();
    let limits = BodyLimits::default();
    let mut fields = read(&headers(MULTIPART), body(chunks), &limits).await.unwrap();
    assert_eq!(fields.string("name").unwrap(), "é");
    let file = fields.take_file("file").unwrap();
    assert_eq!(file.name.as_deref(), Some("../a b.txt"));
    assert_eq!(file.content.len(), 200_000);
    let mut read_back = Vec::new();
    let mut content = file.content.into_stream();
    while let Some(chunk) = content.next().await {
        read_back.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read_back, large.as_bytes());
    assert_eq!(fields.take_file("raw").unwrap().content.len(), 3);
    assert!(fields.take_file("raw").is_none());
}

#[tokio::test]
async fn large_file_waits_in_the_folder_that_was_named_and_leaves_nothing_there() {
    let dir = tempfile::tempdir().unwrap();
    let limits = BodyLimits::default().with_spool_dir(dir.path());
    let text = part("f", "; filename=\"x\"", &"z".repeat(100_000)) + "--X--\r\n";
    let multipart = headers(MULTIPART);
    let fields = read(&multipart, Body::from_bytes(text.clone()), &limits).await.unwrap();
    assert_eq!(fields.files()[0].content.len(), 100_000);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it has no name");
    let nowhere = limits.with_spool_dir(dir.path().join("absent"));
    let refused = read(&multipart, Body::from_bytes(text), &nowhere).await;
    assert!(matches!(refused, Err(BodyError::Spool(_))), "{refused:?}");
}

#[tokio::test]
async fn file_above_the_limit_is_cut_with_its_field_named() {
    let text = part("f", "; filename=\"x\"", &"z".repeat((1 << 20) + 1)) + "--X--\r\n";
    let refused = read_as(MULTIPART, text).await;
    assert!(matches!(refused, Err(BodyError::FileTooLarge { field, .. }) if field == "f"));
}

#[tokio::test]
async fn endless_headers_of_a_part_are_cut() {
    for start in ["--X\r\ncontent-disposition: form-data; name=\"a", "no boundary at all "] {
        let start = stream::once(async move { Bytes::copy_from_slice(start.as_bytes()) });
        let endless = start.chain(stream::repeat(Bytes::from_static(&[b'a'; 4096])));
        let endless = Body::new(endless.map(Ok::<_, std::io::Error>));
        let refused = read(&headers(MULTIPART), endless, &BodyLimits::default()).await;
        assert!(matches!(refused, Err(BodyError::Malformed(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn multipart_cut_short_is_malformed_and_a_hang_up_incomplete() {
    for text in ["", "--X", "--X\r\n\r\n", &part("a", "", "1"), "--X\r\nx: y\r\n\r\nz\r\n--X--\r\n"]
    {
        let refused = read_as(MULTIPART, text.to_owned()).await;
        assert!(matches!(refused, Err(BodyError::Malformed(_))), "{text:?}: {refused:?}");
    }
    let begun = Ok(Bytes::from(part("f", "; filename=\"x\"", "y")));
    let gone = Err(std::io::Error::other("reset"));
    let body = Body::new(stream::iter([begun, gone]));
    let refused = read(&headers(MULTIPART), body, &BodyLimits::default()).await;
    assert!(matches!(refused, Err(BodyError::Incomplete)), "{refused:?}");
}

#[tokio::test]
async fn bodies_together_take_no_more_memory_than_they_may() {
    let limits = BodyLimits::default().with_memory(1000);
    let json = headers("application/json");
    let (more, rest) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let rest = futures_util::stream::unfold(rest, |mut rest| async {
        let chunk = rest.recv().await?;
        Some((Ok::<_, std::io::Error>(chunk), rest))
    });
    more.send(Bytes::from(vec![b' '; 900])).unwrap();
    let slow = read(&json, Body::new(rest), &limits);
    let mut slow = std::pin::pin!(slow);
    let waits = std::future::poll_fn(|cx| Poll::Ready(slow.as_mut().poll(cx).is_pending()));
    assert!(waits.await);
    let other = || Body::from_bytes(vec![b' '; 200]);
    assert!(matches!(read(&json, other(), &limits).await, Err(BodyError::Busy)));
    more.send(Bytes::from_static(b"{}")).unwrap();
    drop(more);
    assert!(slow.await.is_ok());
    let refused = read(&json, other(), &limits).await;
    assert!(matches!(refused, Err(BodyError::Malformed(_))), "there is room again: {refused:?}");
}

#[tokio::test]
async fn uploads_at_once_are_bounded_until_their_files_are_dropped() {
    let limits = BodyLimits::default().with_uploads_at_once(1);
    let text = part("f", "; filename=\"x\"", "y") + "--X--\r\n";
    let multipart = headers(MULTIPART);
    let held = read(&multipart, Body::from_bytes(text.clone()), &limits).await.unwrap();
    let refused = read(&multipart, Body::from_bytes(text.clone()), &limits).await;
    assert!(matches!(refused, Err(BodyError::Busy)));
    drop(held);
    assert!(read(&multipart, Body::from_bytes(text.clone()), &limits).await.is_ok());
}

#[tokio::test]
async fn fast_sender_does_not_get_the_whole_upload_into_memory() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    // What the parser has taken, against what reached the file: never more than a few chunks apart.
    let taken = Arc::new(AtomicU64::new(0));
    let count = taken.clone();
    let head =
        Bytes::from("--X\r\ncontent-disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n");
    let chunks = std::iter::once(head)
        .chain(std::iter::repeat_n(Bytes::from_static(&[b'z'; 4096]), 1000))
        .map(move |chunk| {
            count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Ok::<_, std::io::Error>(chunk)
        });
    let limits = BodyLimits::default().with_file(100_000);
    let refused = read(&headers(MULTIPART), Body::new(stream::iter(chunks)), &limits).await;
    assert!(matches!(refused, Err(BodyError::FileTooLarge { .. })), "{refused:?}");
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < 120_000, "{taken} bytes were taken for a file of 100,000");
}
