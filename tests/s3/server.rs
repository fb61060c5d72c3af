//! The example server, with its files in S3.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chatcore::attachment::Attachments;
use chatcore::clock::{Clock as _, SystemClock};
use chatcore::testing::ManualClock;
use chatcore_tests::s3::{Fault, KEY, S3Server, SECRET};
use chatcore_tests::{Http, PATIENCE, Person, Reply, Server};
use reqwest::Method;
use reqwest::multipart::{Form, Part};

const MIB: u64 = 1 << 20;

async fn serving(blobs: &str) -> Server {
    let arguments = ["--limits", "off", "--max-file", "256", "--blobs", blobs];
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    Server::start_with_environment(&arguments, &keys).await
}

/// Sends a file of this many bytes, which are made while they are sent.
async fn upload(person: &Person, name: &str, bytes: u64) -> Reply {
    let piece: bytes::Bytes = "a line of text, as many as are asked for\n".repeat(1600).into();
    let mut left = bytes;
    let pieces = std::iter::from_fn(move || {
        let size = left.min(piece.len() as u64);
        left -= size;
        (size > 0).then(|| Ok::<_, std::io::Error>(piece.slice(..size as usize)))
    });
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let part = Part::stream_with_length(body, bytes).file_name(name.to_owned());
    let form = Form::new().part("file", part);
    Http::send(person.http.request(Method::POST, "/api/v1/attachments").multipart(form)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_mebibytes_pass_through_without_being_held() {
    let s3 = S3Server::start().await;
    let mut server = serving(&s3.url("files")).await;
    let ann = server.http().register("ann").await;
    upload(&ann, "first.txt", 6 * MIB).await.expect(201);
    let before = server.process().resident_kib();
    server.process().forget_peak();
    let begun = Instant::now();
    let file = upload(&ann, "large.txt", 200 * MIB).await.expect(201).json();
    let (grown, took) = (server.process().peak_kib().saturating_sub(before), begun.elapsed());
    println!("the server grew by {grown} KiB, in {took:?}");
    assert!(grown <= 32 * 1024, "the server grew by {grown} KiB");
    assert_eq!(file["size"], 200 * MIB);
    assert_eq!((s3.objects().len(), s3.uploads().len(), s3.parts().len()), (2, 0, 0));

    // And a part from its middle comes back, without the rest.
    server.process().forget_peak();
    let path = file["url"].as_str().expect("a path");
    let range = format!("bytes={}-{}", 100 * MIB, 100 * MIB + 99);
    let part = ann.http.request(Method::GET, path).header("range", range);
    assert_eq!(Http::send(part).await.expect(206).body.len(), 100);
    assert!(!server.output().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_within_an_upload_leaves_nothing_after_the_sweep() {
    let s3 = S3Server::start().await;
    let mut server = serving(&s3.url("files")).await;
    let ann = server.http().register("ann").await;
    let kept = upload(&ann, "kept.txt", 1000).await.expect(201).json();
    s3.fail(|_, asked| asked.contains("partNumber=4").then_some(Fault::Late(PATIENCE * 3)));
    let sending = tokio::spawn({
        let ann = ann.clone();
        async move { upload(&ann, "large.txt", 40 * MIB).await }
    });
    let end = Instant::now() + PATIENCE * 2;
    while !s3.seen().iter().any(|asked| asked.contains("partNumber=4")) {
        assert!(Instant::now() < end, "the fourth part is never sent: {:#?}", s3.seen());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    assert!(sending.await.is_err(), "nobody was told that it is stored");
    s3.mend();
    assert_eq!(s3.uploads().len(), 1, "there is something to clean up");
    assert!(!s3.parts().is_empty());

    // What the server does by itself, a day later.
    {
        let database = format!("sqlite:{}", server.data().join("chat.db").display());
        let store = chatcore::store::open(&database).await.expect("nobody else has it");
        let blobs =
            Arc::new(s3.blobs_at("files", Duration::from_secs(10)).await.expect("it answers"));
        let clock = Arc::new(ManualClock::at(SystemClock.now().0));
        let files = Attachments::new(store, blobs).with_clock(clock.clone());
        let swept = files.sweep().await.unwrap();
        assert_eq!((swept.expired, swept.removed), (0, 0), "it might still be under way");
        clock.advance(Duration::from_secs(25 * 3600));
        let swept = files.sweep().await.unwrap();
        // The file that was stored has no message either.
        assert_eq!((swept.expired, swept.removed, swept.failed), (2, 2, 0));
    }
    assert_eq!((s3.objects(), s3.uploads().len(), s3.parts().len()), (Vec::new(), 0, 0));
    server.restart().await;
    ann.http.get(kept["url"].as_str().expect("a path")).await.expect(404);
    upload(&ann, "again.txt", 12 * MIB).await.expect(201);
    assert_eq!(s3.objects().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_go_to_the_bucket_if_links_are_on_and_what_a_page_shows_does_not() {
    let s3 = S3Server::start().await;
    let server = serving(&format!("{}&links=60", s3.url("files"))).await;
    let ann = server.http().register("ann").await;
    let send = async |name: &str, content: &'static [u8]| {
        let form = Form::new().part("file", Part::bytes(content).file_name(name.to_owned()));
        let request = ann.http.request(Method::POST, "/api/v1/attachments").multipart(form);
        let file = Http::send(request).await.expect(201).json();
        file["url"].as_str().expect("a path").to_owned()
    };
    let archive = send("a.zip", b"PK\x03\x04 not much of an archive").await;
    let sent_on = ann.http.get(&archive).await.expect(307);
    assert_eq!(sent_on.header("cache-control"), "private, no-store");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(sent_on.header("location")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    let disposition = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(
        disposition.starts_with("attachment") && disposition.contains("a.zip"),
        "{disposition}"
    );
    // Who may not read it gets no link.
    server.http().get(&archive).await.expect(401);
    server.http().register("bob").await.http.get(&archive).await.expect(404);

    let text = send("a.txt", b"a page may show this\n").await;
    assert_eq!(ann.http.get(&text).await.expect(200).text(), "a page may show this\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_refused_while_s3_is_away_and_the_chat_goes_on() {
    let s3 = S3Server::start().await;
    let server = serving(&s3.url("files")).await;
    let ann = server.http().register("ann").await;
    let room = ann.create_room("public", "files").await;
    s3.fail(|_, _| Some(Fault::Answer(503, "SlowDown")));
    let refused = upload(&ann, "a.txt", 1000).await.expect(503).json();
    assert_eq!(refused["code"], "unavailable");
    ann.send(&room, "meanwhile", "still here").await.expect(201);
    s3.mend();
    upload(&ann, "a.txt", 1000).await.expect(201);
}
