//! Files over kills, full disks and senders who hang up.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chatcore_tests::{Http, PATIENCE, Person, Reply, Server};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn upload(person: &Person, name: &str, content: Vec<u8>) -> Reply {
    let part = Part::bytes(content).file_name(name.to_owned());
    let form = Form::new().part("file", part);
    Http::send(person.http.request(Method::POST, "/api/v1/attachments").multipart(form)).await
}

async fn send_file(person: &Person, room: &str, client_msg_id: &str, file: &Value) -> Reply {
    let body = json!({ "client_msg_id": client_msg_id, "attachments": [file["id"]] });
    person.http.post(&format!("/api/v1/rooms/{room}/messages"), body).await
}

/// Everything below a directory that is a file.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_acked_survives_kill_minus_nine() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.http().register("ann").await, server.http().register("bob").await);
    let room = ann.create_room("public", "files").await;
    bob.enter(&room).await;
    let content: Vec<u8> = "all of these bytes, many times over. ".repeat(50_000).into();
    let sent = upload(&ann, "sent.txt", content.clone()).await.expect(201).json();
    let waiting = upload(&ann, "waiting.txt", content.clone()).await.expect(201).json();
    send_file(&ann, &room, "before", &sent).await.expect(201);
    server.kill();
    server.restart().await;

    let url = |file: &Value| file["url"].as_str().expect("a path").to_owned();
    let fetched = bob.http.get(&url(&sent)).await.expect(200);
    assert!(fetched.body == content, "every byte is there");
    bob.http.get(&url(&waiting)).await.expect(404);
    send_file(&ann, &room, "after", &waiting).await.expect(201);
    assert!(bob.http.get(&url(&waiting)).await.expect(200).body == content);
    send_file(&ann, &room, "again", &waiting).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_a_file_and_nothing_else() {
    // No file may grow above 2 MiB: what a disk does that is full from there on.
    let server = Server::start_with_file_limit(2 << 20).await;
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "full").await;
    let refused = upload(&ann, "large.txt", vec![b'x'; 5 << 20]).await.expect(507).json();
    assert_eq!(refused["code"], "storage_full");
    assert_eq!(files(&server.data().join("files")), Vec::<PathBuf>::new(), "no orphan");
    // The chat goes on, and so do files that fit.
    ann.send(&room, "still", "still here").await.expect(201);
    let small = upload(&ann, "small.txt", vec![b'x'; 100_000]).await.expect(201).json();
    send_file(&ann, &room, "small", &small).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_sender_hangs_up_leaves_no_file() {
    let server = Server::start().await;
    let ann = server.http().register("ann").await;
    for sent in [0, 10, 1 << 20] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "POST /api/v1/attachments HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 3000000\r\n\r\n\
             --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\n\r\n",
            server.address(),
            ann.token
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b'x'; sent]).await.unwrap();
        socket.flush().await.unwrap();
        drop(socket);
    }
    // Something that is stored, to see that the looking finds what is there.
    upload(&ann, "kept.txt", b"kept".to_vec()).await.expect(201);
    let end = Instant::now() + PATIENCE;
    while files(&server.data().join("files")).len() != 1 {
        assert!(Instant::now() < end, "{:?}", files(&server.data().join("files")));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
