//! The store does what every store of blobs must do, and leaves nothing behind.

use std::time::Duration;

use chatcore::attachment::blobs::{
    BlobError, BlobKey, BlobSource, BlobStore, CHUNK, Presented, S3Blobs, S3Keys, S3Options,
};
use chatcore::id::AttachmentId;
use chatcore_tests::s3::{BUCKET, KEY, S3Server, SECRET};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

chatcore::blob_store_suite!(async || {
    let server = S3Server::start().await;
    let blobs = server.blobs(Duration::from_secs(10)).await.expect("it answers");
    (blobs, server)
});

pub(crate) fn key(name: &str) -> BlobKey {
    BlobKey::from(&AttachmentId::parse(name).expect("a sound key"))
}

/// A body of `length` bytes that differ from place to place.
pub(crate) fn body(length: u64) -> BlobSource<'static> {
    let mut left = length;
    let pieces = std::iter::from_fn(move || {
        let size = left.min(CHUNK as u64);
        let start = length - left;
        left -= size;
        (size > 0).then(|| Ok((start..start + size).map(|at| (at % 251) as u8).collect()))
    });
    BlobSource::new(stream::iter(pieces), u64::MAX)
}

/// Reads a blob, and sees that it is the body of this length.
pub(crate) async fn assert_whole(blobs: &S3Blobs, name: &str, length: u64) {
    let mut reader = blobs.get(&key(name), None).await.expect("it is there");
    assert_eq!((reader.size, reader.range.clone()), (length, 0..length));
    let mut at = 0;
    while let Some(piece) = reader.stream.next().await {
        for byte in piece.expect("it can be read") {
            assert_eq!(byte, (at % 251) as u8, "at {at}");
            at += 1;
        }
    }
    assert_eq!(at, length);
}

const PART: u64 = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_and_a_small_one_by_one_request() {
    let server = S3Server::start().await;
    let blobs = server.blobs(Duration::from_secs(20)).await.unwrap();
    for (name, length, requests) in [
        ("just-below", PART - 1, 1),
        ("just-a-part", PART, 1),
        ("just-above", PART + 1, 4),
        ("several", 3 * PART + 12_345, 6),
    ] {
        let before = server.seen().len();
        assert_eq!(blobs.put(&key(name), &mut body(length)).await.unwrap(), length);
        let seen = &server.seen()[before..];
        // And one that asks whether the name is free.
        assert_eq!(seen.len(), 1 + requests, "{name}: {seen:#?}");
        assert_whole(&blobs, name, length).await;
    }
    assert_eq!((server.uploads().len(), server.parts().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_body_that_breaks_off_do_not_stay() {
    let server = S3Server::start().await;
    let blobs = server.blobs(Duration::from_secs(20)).await.unwrap();
    let reset = || Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let pieces = (0..180).map(|_| Ok(vec![7; CHUNK].into())).chain([reset()]);
    let put = blobs.put(&key("cut"), &mut BlobSource::new(stream::iter(pieces), u64::MAX)).await;
    assert!(matches!(put, Err(BlobError::Cut(_))), "{put:?}");
    let began = server.seen().iter().any(|asked| asked.contains("partNumber=2"));
    assert!(began, "parts were on their way: {:#?}", server.seen());
    // Taken back before the answer.
    assert_eq!((server.uploads().len(), server.parts().len()), (0, 0));
    assert_eq!(server.objects(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dropped_upload_had_begun_is_taken_back() {
    let server = S3Server::start().await;
    let blobs = server.blobs(Duration::from_secs(20)).await.unwrap();
    // Dropped while the parts are sent, and again while the whole is put together.
    for (name, until) in
        [("dropped", "partNumber=2"), ("nearly", "POST /chat-files/some/where/nearly?uploadId")]
    {
        let mut upload = body(3 * PART);
        let put = key(name);
        let reached = async {
            while !server.seen().iter().any(|asked| asked.contains(until)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            stored = blobs.put(&put, &mut upload) => panic!("{name} was too quick: {stored:?}"),
            () = reached => {}
        }
        // Deleting waits for what is still under way.
        blobs.delete(&put).await.unwrap();
        assert_eq!((server.uploads().len(), server.parts().len()), (0, 0), "{name}");
        assert_eq!(server.objects(), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_gives_the_file_as_it_is_to_be_presented_and_nothing_else() {
    let server = S3Server::start().await;
    let url = format!("{}&links=60", server.url("linked"));
    let options = S3Options::parse(&url).unwrap();
    let blobs = S3Blobs::connect(options, S3Keys::new(KEY, SECRET)).await.unwrap();
    blobs.put(&key("blob"), &mut body(1000)).await.unwrap();
    let presented = Presented {
        content_type: "application/pdf".into(),
        disposition: "attachment; filename=\"a b.pdf\"; filename*=UTF-8''%C3%A4.pdf".into(),
    };
    let link = blobs.link(&key("blob"), &presented).await.unwrap().expect("links are on");
    assert_eq!(link.valid, Duration::from_secs(60));
    assert!(!format!("{link:?}").contains("Signature") && !link.url.contains(SECRET));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(&link.url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], presented.content_type);
    assert_eq!(answer.headers()["content-disposition"], presented.disposition);
    assert_eq!(answer.bytes().await.unwrap().len(), 1000);
    // Neither another file nor another way to present it is signed for.
    for (from, to) in [("linked/blob", "linked/other"), ("application%2Fpdf", "text%2Fhtml")] {
        assert!(link.url.contains(from), "{}", link.url);
        let changed = link.url.replace(from, to);
        assert_eq!(client.get(changed).send().await.unwrap().status(), 403);
    }
    let plain = server.blobs(Duration::from_secs(5)).await.unwrap();
    assert_eq!(plain.link(&key("blob"), &presented).await.unwrap(), None);
}

#[tokio::test]
async fn two_prefixes_of_one_bucket_do_not_see_each_other() {
    let server = S3Server::start().await;
    let open = async |prefix: &str| {
        let options = S3Options::parse(&server.url(prefix)).unwrap();
        S3Blobs::connect(options, S3Keys::new(KEY, SECRET)).await.unwrap()
    };
    let (a, b) = (open("a").await, open("b").await);
    a.put(&key("blob"), &mut body(10)).await.unwrap();
    b.put(&key("blob"), &mut body(20)).await.unwrap();
    b.delete(&key("blob")).await.unwrap();
    let read: Vec<_> = a.get(&key("blob"), None).await.unwrap().stream.try_collect().await.unwrap();
    assert_eq!(read.concat().len(), 10);
    assert_eq!(server.objects(), ["a/blob"]);
}

#[tokio::test]
async fn a_bucket_that_does_not_let_us_in_is_refused_at_once_and_says_nothing_of_the_keys() {
    let server = S3Server::start().await;
    let options = S3Options::parse(&server.url("")).unwrap();
    let wrong = S3Keys::new(KEY, "a-wrong-secret");
    let refused = S3Blobs::connect(options.clone(), wrong).await.expect_err("a wrong secret");
    assert!(matches!(refused, BlobError::Unusable(_)), "{refused:?}");
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("403") && !said.contains("a-wrong-secret"), "{said}");
    assert!(!said.contains(KEY), "{said}");

    let blobs = S3Blobs::connect(options, S3Keys::new(KEY, SECRET)).await.unwrap();
    let said = format!("{blobs:?}");
    assert!(said.contains(BUCKET) && !said.contains(SECRET) && !said.contains(KEY), "{said}");
}
