//! Files: what goes up, who gets it down, and as what.

mod access;
mod content;
mod uploads;

use chatcore_tests::{Http, Person, Reply};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::site::text;

/// A picture of one pixel: what every door takes.
const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0, 0, 0, 2, 0, 1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D',
    0xae, 0x42, 0x60, 0x82,
];

async fn upload(http: &Http, name: &str, mime: &str, bytes: impl Into<Vec<u8>>) -> Reply {
    let part = Part::bytes(bytes.into()).file_name(name.to_owned());
    let part = if mime.is_empty() { part } else { part.mime_str(mime).unwrap() };
    let request = http.request(Method::POST, "/api/v1/attachments");
    Http::send(request.multipart(Form::new().part("file", part))).await
}

/// An upload that is taken: its id and where it is.
async fn uploaded(person: &Person, name: &str, bytes: &[u8]) -> (String, String) {
    let made = upload(&person.http, name, "", bytes).await.expect(201).json();
    (text(&made, "/id"), text(&made, "/url"))
}

/// A message with these files.
async fn send_files(person: &Person, room: &str, name: &str, files: &[&str]) -> Reply {
    let body = json!({ "client_msg_id": name, "text": "see", "attachments": files });
    person.http.post(&format!("/api/v1/rooms/{room}/messages"), body).await
}

fn file_count(place: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        count += if entry.file_type().unwrap().is_dir() { file_count(&entry.path()) } else { 1 };
    }
    count
}

fn is_not_found(reply: &Reply, why: &str) {
    assert_eq!(reply.status, 404, "{why}: {}", reply.text());
    assert_eq!(reply.json()["code"], "not_found", "{why}");
    assert!(reply.header("cache-control").contains("no-store"), "{why}");
}
