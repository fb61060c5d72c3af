//! Uploads that lie, stall, or are too much.

use std::sync::Arc;
use std::time::Duration;

use chatcore::attachment::blobs::{FileBlobs, MemoryBlobs};
use chatcore_tests::{Http, Person};
use chatcore_warp::serve::{Pace, ServeConfig};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;

use super::{PIXEL, file_count, send_files, upload, uploaded};
use crate::site::{Raw, Site, problem};

fn head(person: &Person, more: &str) -> String {
    format!(
        "POST /api/v1/attachments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n{more}\r\n\r\n",
        person.token
    )
}

const PART: &str =
    "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.txt\"\r\n\r\n";

/// Rule 51.
#[tokio::test]
async fn a_compressed_body_is_not_taken() {
    let site = Site::open().await;
    let ann = site.person("ann").await;
    for encoding in ["gzip", "br", "deflate", "zstd", "gzip, gzip", "x-gzip", "GZIP", "compress"] {
        for (path, content_type) in [
            ("/api/v1/attachments", "multipart/form-data; boundary=b"),
            ("/api/v1/rooms", "application/json"),
            ("/api/v1/sessions", "application/json"),
        ] {
            let request = ann.http.request(Method::POST, path).header("content-type", content_type);
            let request = request.header("content-encoding", encoding);
            let answer = Http::send(request.body(vec![0x1f, 0x8b, 8, 0])).await;
            assert_eq!(answer.status, 415, "{encoding} {path}: {}", answer.text());
        }
    }
    // A part of a form with an encoding of its own is kept as it is, and never unpacked.
    let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.gz\"\r\n\
         content-encoding: gzip\r\ncontent-transfer-encoding: base64\r\n\r\nH4sI\r\n--b--\r\n";
    let request = ann.http.request(Method::POST, "/api/v1/attachments");
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    let answer = Http::send(request.body(body)).await;
    assert!(matches!(answer.status, 201 | 415), "{}", answer.text());
}

async fn cut(mut raw: Raw) {
    use tokio::io::AsyncWriteExt as _;
    let _ = raw.stream.shutdown().await;
    raw.rest().await;
}

/// Rule 52: nothing of it is left, neither a file nor room that it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_cut_or_never_end_leave_nothing() {
    let place = tempfile::tempdir().unwrap();
    let blobs = Arc::new(FileBlobs::open(place.path()).await.unwrap());
    let short = Duration::from_millis(400);
    let site = Site::with(|setup| {
        setup.blobs = blobs;
        setup.serving = ServeConfig::default().with_stall_timeout(short).with_pace(Pace {
            grace: short,
            min_rate: 100_000,
            idle: short,
        });
        let config = std::mem::take(&mut setup.config);
        setup.config = config.with_body_limits(
            chatcore_warp::body::BodyLimits::default().with_file(1 << 20).with_upload(2 << 20),
        );
    })
    .await;
    let ann = site.person("ann").await;
    let empty = file_count(place.path());
    let big = "x".repeat(100_000);

    // Less than was announced, and then the end.
    let mut raw = site.raw().await;
    raw.say(head(&ann, "content-length: 500000") + PART + &big).await;
    cut(raw).await;
    // Less than was announced, and then silence.
    let mut raw = site.raw().await;
    raw.say(head(&ann, "content-length: 500000") + PART + &big).await;
    raw.rest().await;
    // A form without an end.
    let mut raw = site.raw().await;
    let body = PART.to_owned() + &big;
    raw.say(head(&ann, &format!("content-length: {}\r\nconnection: close", body.len())) + &body)
        .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // Chunks without an end, until the server has enough.
    let mut raw = site.raw().await;
    raw.say(head(&ann, "transfer-encoding: chunked")).await;
    raw.say(format!("{:x}\r\n{PART}\r\n", PART.len())).await;
    for _ in 0..60 {
        raw.say(format!("{:x}\r\n{big}\r\n", big.len())).await;
    }
    let answer = raw.rest().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Chunks that lie about their length, or are none.
    for chunk in
        ["fffffffffffffffff\r\n", "-1\r\nx\r\n", "zz\r\nx\r\n", "5\r\nab\r\n0\r\n\r\n", "1;x=y\r\n"]
    {
        let mut raw = site.raw().await;
        raw.say(head(&ann, "transfer-encoding: chunked") + chunk).await;
        cut(raw).await;
    }
    // A byte at a time.
    let mut raw = site.raw().await;
    raw.say(head(&ann, "content-length: 500000") + PART).await;
    let crumbs = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            use tokio::io::AsyncWriteExt as _;
            if raw.stream.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(chatcore_tests::PATIENCE, crumbs).await.expect("it is cut off");
    // A file above the bound, and a form of too many parts.
    let answer = upload(&ann.http, "x.txt", "", vec![b'x'; (1 << 20) + 1]).await;
    problem(&answer, 413, "too_large");
    let parts: String = (0..500)
        .map(|n| {
            format!(
                "--b\r\ncontent-disposition: form-data; name=\"f{n}\"; filename=\"x\"\r\n\r\nx\r\n"
            )
        })
        .collect();
    let fields: String = (0..5_000)
        .map(|n| format!("--b\r\ncontent-disposition: form-data; name=\"f{n}\"\r\n\r\nx\r\n"))
        .collect();
    let header = format!(
        "--b\r\ncontent-disposition: form-data; name=\"{}\"\r\n\r\nx\r\n",
        "n".repeat(200_000)
    );
    let headers = format!("--b\r\n{}\r\nx\r\n", "x-y: z\r\n".repeat(20_000));
    let preamble = "x".repeat(1_500_000);
    for body in [parts, fields, header, headers, preamble] {
        let request = ann.http.request(Method::POST, "/api/v1/attachments");
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        match request.body(body + "--b--\r\n").send().await {
            Ok(answer) => assert!(matches!(answer.status().as_u16(), 400 | 413), "{answer:?}"),
            // The server may hang up on the rest of what it will not take.
            Err(error) => assert!(!error.is_timeout(), "{error}"),
        }
    }
    for boundary in ["", &"b".repeat(5_000), "b\"\r\nx: y", "--"] {
        let Ok(value) = reqwest::header::HeaderValue::from_str(&format!(
            "multipart/form-data; boundary={boundary}"
        )) else {
            continue;
        };
        let request = ann.http.request(Method::POST, "/api/v1/attachments");
        let answer = Http::send(request.header("content-type", value).body(PART)).await;
        assert!(matches!(answer.status, 400 | 415), "{boundary}: {}", answer.text());
    }
    assert_eq!(file_count(place.path()), empty);
    // What is good is taken still, and all places are free.
    for n in 0..70 {
        uploaded(&ann, "x.png", PIXEL).await;
        assert_eq!(file_count(place.path()), empty + n + 1);
    }
    site.still_serves(&ann).await;
}

/// Rule 53: a full disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_uploads_and_not_the_chat() {
    let site = Site::with(|setup| {
        setup.blobs = Arc::new(MemoryBlobs::with_capacity(300_000));
    })
    .await;
    let ann = site.person("ann").await;
    let room = ann.create_room("public", "room").await;
    let (id, url) = uploaded(&ann, "x.txt", &vec![b'x'; 200_000]).await;
    for _ in 0..5 {
        let answer = upload(&ann.http, "x.txt", "", vec![b'y'; 200_000]).await;
        problem(&answer, 507, "storage_full");
    }
    // What was refused takes no room: what fits, fits.
    uploaded(&ann, "x.txt", &vec![b'z'; 90_000]).await;
    send_files(&ann, &room, "1", &[&id]).await.expect(201);
    ann.http.get(&url).await.expect(200);
    site.still_serves(&ann).await;
}

/// Rule 53: one user's share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_user_cannot_take_all_the_room() {
    let site = Site::with(|setup| {
        setup.attachments.waiting_files = 5;
        setup.attachments.waiting_bytes = 100_000;
        setup.attachments.file_bytes = 60_000;
    })
    .await;
    let ann = site.person("ann").await;
    let bob = site.person("bob").await;
    let room = ann.create_room("public", "room").await;
    let tries = (0..20).map(|_| upload(&ann.http, "x.txt", "", b"small".to_vec()));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        problem(answer, 507, "storage_full");
    }
    // Another is not held to it; and what is sent waits no more.
    uploaded(&bob, "x.txt", b"small").await;
    let made: Vec<_> = answers.iter().filter(|a| a.status == 201).map(|a| a.json()).collect();
    for (n, made) in made.iter().enumerate() {
        send_files(&ann, &room, &n.to_string(), &[made["id"].as_str().unwrap()]).await.expect(201);
    }
    let (_, first) = uploaded(&ann, "x.txt", &vec![b'x'; 60_000]).await;
    problem(&upload(&ann.http, "x.txt", "", vec![b'x'; 60_000]).await, 507, "storage_full");
    problem(&upload(&ann.http, "x.txt", "", vec![b'x'; 60_001]).await, 413, "too_large");
    ann.http.get(&first).await.expect(200);
    site.still_serves(&ann).await;
}

/// Uploads that hardly move, by someone who has not even said who they are: they take the places of
/// their own address, and nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_places_for_uploads() {
    let site = Site::with(|setup| {
        let config = std::mem::take(&mut setup.config);
        let limits = chatcore_warp::body::BodyLimits::default();
        setup.config =
            config.with_body_limits(limits.with_uploads_at_once(6).with_uploads_per_address(3));
    })
    .await;
    let ann = site.person("ann").await;
    let head = "POST /auth/register HTTP/1.1\r\nhost: x\r\n\
        content-type: multipart/form-data; boundary=b\r\ncontent-length: 900000\r\n\r\n";
    let tries: FuturesUnordered<_> = (0..10)
        .map(|_| async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let mut raw = Raw { stream: socket.connect(site.address).await.unwrap() };
            raw.say(head.to_owned() + PART + "and then very slowly").await;
            let answer = raw.head().await;
            (raw, answer)
        })
        .collect();
    let mut refused = tries.take(7);
    while let Some((_, answer)) = refused.next().await {
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    // Three are held still, by `refused`, and from elsewhere uploads go on.
    for _ in 0..10 {
        uploaded(&ann, "x.png", PIXEL).await;
    }
    drop(refused);
    site.still_serves(&ann).await;
}
