//! An S3 that fails: whatever it does, a file is there whole or not at all, and nobody waits for ever.

use std::time::{Duration, Instant};

use chatcore::Code;
use chatcore::attachment::blobs::{BlobError, BlobStore, S3Blobs};
use chatcore_tests::s3::{Fault, KEY, S3Server, SECRET};
use futures_util::StreamExt as _;

use crate::store::{assert_whole, body, key};

const SOON: Duration = Duration::from_millis(1500);
const PART: u64 = 5 << 20;

async fn opened() -> (S3Server, S3Blobs) {
    let server = S3Server::start().await;
    let blobs = server.blobs(SOON).await.expect("it answers");
    (server, blobs)
}

/// Fails what `matches` says, each time.
fn always(server: &S3Server, fault: Fault, matches: impl Fn(&str) -> bool + Send + 'static) {
    server.fail(move |method, asked| matches(&format!("{method} {asked}")).then(|| fault.clone()));
}

/// Fails what `matches` says, the first time.
fn once(server: &S3Server, fault: Fault, matches: impl Fn(&str) -> bool + Send + 'static) {
    let mut left = Some(fault);
    server.fail(
        move |method, asked| {
            if matches(&format!("{method} {asked}")) { left.take() } else { None }
        },
    );
}

fn assert_empty(server: &S3Server) {
    assert_eq!(server.objects(), Vec::<String>::new());
    assert_eq!((server.uploads().len(), server.parts().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_tried_again() {
    let (server, blobs) = opened().await;
    let faults = [
        Fault::Answer(500, "InternalError"),
        Fault::Answer(503, "SlowDown"),
        Fault::Cut,
        Fault::DoneAndCut,
        Fault::Late(SOON * 2),
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let small = format!("small-{n}");
        once(&server, fault.clone(), |asked| asked.starts_with("PUT"));
        blobs.put(&key(&small), &mut body(1000)).await.unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_whole(&blobs, &small, 1000).await;
        for (at, matches) in [
            ("begin", "?uploads"),
            ("part", "partNumber=2"),
            ("end", "POST /chat-files/some/where/end"),
        ] {
            let large = format!("{at}-{n}");
            once(&server, fault.clone(), move |asked| {
                asked.contains(matches) && (at != "end" || asked.contains("uploadId="))
            });
            let put = blobs.put(&key(&large), &mut body(2 * PART + 1)).await;
            put.unwrap_or_else(|e| panic!("{at}, {fault:?}: {e}"));
            server.mend();
            assert_whole(&blobs, &large, 2 * PART + 1).await;
            blobs.delete(&key(&large)).await.unwrap();
        }
    }
    assert_eq!(server.parts(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_good_leaves_nothing_and_says_no_secret() {
    let (server, blobs) = opened().await;
    let faults = [
        (Fault::Answer(500, "InternalError"), Code::Unavailable),
        (Fault::Answer(403, "AccessDenied"), Code::Unavailable),
        (Fault::Answer(507, "XMinioStorageFull"), Code::StorageFull),
        (Fault::Cut, Code::Unavailable),
        (Fault::Late(Duration::from_secs(60)), Code::Unavailable),
    ];
    for (fault, code) in faults {
        for (name, length, at) in [
            ("small", 1000, "PUT "),
            ("begin", 3 * PART, "?uploads"),
            ("part", 3 * PART, "partNumber=3"),
            ("end", 3 * PART, "POST /chat-files/some/where/end?uploadId"),
        ] {
            always(&server, fault.clone(), move |asked| asked.contains(at));
            let begun = Instant::now();
            let error = blobs.put(&key(name), &mut body(length)).await.expect_err("it fails");
            assert_eq!(error.code(), code, "{name}, {fault:?}: {error:?}");
            assert!(begun.elapsed() < SOON * 3 + Duration::from_secs(5), "{name}, {fault:?}");
            let said = format!("{error:?}");
            assert!(!said.contains(SECRET) && !said.contains(KEY), "{said}");
            server.mend();
            assert_empty(&server);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_each_time_leaves_nothing() {
    let (server, blobs) = opened().await;
    for (name, length) in [("small", 1000), ("large", 2 * PART)] {
        always(&server, Fault::DoneAndCut, |asked| {
            asked.contains("/small") && asked.starts_with("PUT")
                || asked.starts_with("POST") && asked.contains("uploadId")
        });
        let put = blobs.put(&key(name), &mut body(length)).await;
        server.mend();
        match put {
            // That it was done was found out otherwise.
            Ok(size) => {
                assert_eq!(size, length);
                assert_whole(&blobs, name, length).await;
                blobs.delete(&key(name)).await.unwrap();
            }
            Err(error) => assert_eq!(error.code(), Code::Unavailable),
        }
        assert_empty(&server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_cannot_be_taken_back_now_are_when_they_are_deleted() {
    let (server, blobs) = opened().await;
    server.fail(|method, asked| {
        let fails = asked.contains("partNumber=2") || *method == http::Method::DELETE;
        fails.then_some(Fault::Answer(500, "InternalError"))
    });
    blobs.put(&key("blob"), &mut body(3 * PART)).await.expect_err("it fails");
    assert_eq!(server.uploads(), ["some/where/blob"]);
    let stuck = blobs.delete(&key("blob")).await.expect_err("it may still be there");
    assert!(matches!(stuck, BlobError::Unavailable(_)));
    server.mend();
    blobs.delete(&key("blob")).await.unwrap();
    assert_empty(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_is_an_error_and_not_an_end() {
    let (server, blobs) = opened().await;
    blobs.put(&key("blob"), &mut body(1_000_000)).await.unwrap();
    for fault in [Fault::Short(300_000), Fault::Stuck(300_000)] {
        always(&server, fault.clone(), |asked| asked.starts_with("GET"));
        let mut reader = blobs.get(&key("blob"), None).await.unwrap();
        let (mut read, mut last, begun) = (0, None, Instant::now());
        while let Some(piece) = reader.stream.next().await {
            if let Ok(piece) = &piece {
                read += piece.len();
            }
            last = Some(piece);
        }
        assert!(matches!(last, Some(Err(BlobError::Unavailable(_)))), "{fault:?}: {last:?}");
        assert!((1..1_000_000).contains(&read), "{read}");
        assert!(begun.elapsed() < SOON * 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_within_the_time() {
    let (server, blobs) = opened().await;
    drop(server);
    let begun = Instant::now();
    let error = blobs.get(&key("blob"), None).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);
    let error = blobs.put(&key("blob"), &mut body(10)).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);
    assert!(begun.elapsed() < SOON * 6);
}
