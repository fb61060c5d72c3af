//! Files through the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chatcore::Code;
use chatcore::attachment::AttachmentLimits;
use chatcore::log::Draft;
use chatcore_quic::client::{Client, Error, Upload};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use crate::cuttable::{House, soon};
use crate::memory::{chat, client};
use crate::relay::{Mode, Relay};

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"0123456789\n"[n % 11]).collect()
}

/// An endless source that gives way now and then, and fails at some point if it is told to.
struct Endless(usize, Option<usize>);

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.1.is_some_and(|at| self.0 >= at) {
            return Poll::Ready(Err(io::Error::other("the disk is on fire")));
        }
        let count = buf.remaining().min(1_000);
        buf.put_slice(&text(count));
        self.0 += count;
        Poll::Ready(Ok(()))
    }
}

async fn connected(house: &House) -> Client {
    let ann = house.person("ann").await;
    let (link, _) = house.link(house.address);
    house.client(&ann).connect(link).expect("sound settings")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_sent_in_a_message_and_fetched_with_progress() {
    let house = House::open().await;
    let client = connected(&house).await;
    for length in [1, 1 << 20] {
        let bytes = text(length);
        let upload = Upload::bytes("notes.txt", bytes.clone()).content_type("text/plain");
        let progress = upload.progress();
        let file = soon("the upload", client.upload(upload)).await.expect("stored");
        assert_eq!((file.size, file.name.as_str()), (length as u64, "notes.txt"));
        let came = *progress.borrow();
        assert_eq!((came.done, came.total), (length as u64, length as u64));

        let room = serde_json::from_value(serde_json::json!({"kind": "public"})).expect("a room");
        let room = client.create_room(room).await.expect("made").room;
        let draft = Draft { attachments: vec![file.id.clone()], ..Draft::text("look") };
        client.send(&room, draft).await.expect("sent");

        let mut download = client.download(&file.id, ..).await.expect("there");
        assert_eq!((download.file(), download.range()), (&file, 0..length as u64));
        let progress = download.progress();
        let mut came = Vec::new();
        while let Some(chunk) = soon("a chunk", download.chunk()).await.expect("not cut") {
            came.extend_from_slice(&chunk);
            assert_eq!(progress.borrow().done, came.len() as u64);
        }
        assert!(came == bytes && download.done() == length as u64);
        let half = length as u64 / 2;
        let mut rest = client.download(&file.id, half..).await.expect("there");
        let mut came = Vec::new();
        soon("the rest", rest.read_to_end(&mut came)).await.expect("whole");
        assert!(came == bytes[length / 2..]);
        let mut first = client.download(&file.id, ..=0).await.expect("there");
        assert_eq!(first.chunk().await.expect("not cut").expect("a byte"), "0");
        assert_eq!(first.chunk().await, Ok(None));
        let beyond = client.download(&file.id, length as u64 + 1..).await.map(|_| ());
        assert_eq!(beyond.expect_err("beyond").code(), Some(Code::BadRequest));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_said_before_all_is_sent() {
    let house = House::open().await;
    let client = connected(&house).await;
    let limit = AttachmentLimits::default().file_bytes;
    let upload = Upload::new("big", limit + 1, Endless(0, None));
    let refused = soon("the upload", client.upload(upload)).await;
    assert_eq!(refused.expect_err("too large").code(), Some(Code::TooLarge));
    let page = "<html><script>alert(1)</script></html>".repeat(100_000);
    let upload = Upload::bytes("page.html", page);
    let refused = soon("the upload", client.upload(upload)).await;
    assert_eq!(refused.expect_err("no such type").code(), Some(Code::UnsupportedMedia));
    let empty = soon("the upload", client.upload(Upload::bytes("empty", ""))).await;
    let over_rest = chatcore::attachment::UploadRequest::new(
        chatcore::id::UserId::parse("somebody").expect("valid"),
        "empty",
        futures_util::stream::empty(),
    );
    match house.chat.attachments().upload(over_rest.length(0)).await {
        Ok(file) => assert_eq!(empty.map(|file| file.content_type), Ok(file.content_type)),
        Err(refused) => assert_eq!(empty.expect_err("empty").code(), Some(refused.code())),
    }
    let broken =
        soon("the upload", client.upload(Upload::new("b", 99_999, Endless(0, Some(50_000)))));
    assert_eq!(broken.await, Err(Error::Source("the disk is on fire".into())));
    let short = soon("the upload", client.upload(Upload::new("s", 99, &b"too short"[..]))).await;
    assert_eq!(short, Err(Error::Source("it ends after 9 bytes".into())));
    let absent = chatcore::id::AttachmentId::random(&chatcore::clock::SystemRandom);
    let absent = client.download(&absent, ..).await.map(|_| ());
    assert_eq!(absent.expect_err("absent").code(), Some(Code::NotFound));
    client.rooms().await.expect("it stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_told_and_a_download_goes_on_where_it_stopped() {
    let house = House::open().await;
    let ann = house.person("ann").await;
    let relay = Relay::to(house.address).await;
    let (link, scissors) = house.link(relay.address);
    let client = house.client(&ann).connect(link).expect("sound settings");
    client.rooms().await.expect("it stands");

    let upload = Upload::new("endless", 19 << 20, Endless(0, None)).content_type("text/plain");
    let mut progress = upload.progress();
    let uploading = tokio::spawn({
        let client = client.clone();
        async move { client.upload(upload).await }
    });
    progress.wait_for(|came| came.done > 100_000).await.expect("under way");
    relay.begin(Mode::Pass).await;
    scissors.cut();
    match soon("the upload", uploading).await.expect("no panic") {
        Err(Error::Cut { at }) => assert!(at > 100_000 && at < 19 << 20, "{at}"),
        other => panic!("not cut: {other:?}"),
    }

    let bytes = text(8 << 20);
    let file = client.upload(Upload::bytes("t", bytes.clone()).content_type("text/plain")).await;
    let file = soon("the upload", async { file }).await.expect("stored over the next connection");
    let mut came = Vec::new();
    let mut cuts = 0;
    while came.len() < bytes.len() {
        let mut download = client.download(&file.id, came.len() as u64..).await.expect("there");
        let begun = came.len();
        loop {
            match soon("a chunk", download.chunk()).await {
                Ok(Some(chunk)) => came.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error, Error::Cut { at: download.done() });
                    cuts += 1;
                    break;
                }
            }
            if came.len() - begun > 3 << 20 && cuts < 2 {
                relay.begin(Mode::Pass).await;
                scissors.cut();
            }
        }
    }
    assert!(came == bytes && cuts == 2, "{cuts} cuts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_future_is_dropped_is_given_up() {
    let house = House::open().await;
    let client = connected(&house).await;
    for _ in 0..20 {
        // Each would take its share of what may wait, and the 13th would find none left.
        let upload = Upload::new("endless", 19 << 20, Endless(0, None)).content_type("text/plain");
        let mut progress = upload.progress();
        tokio::select! {
            done = client.upload(upload) => panic!("{done:?}"),
            came = progress.wait_for(|came| came.done > 50_000) => drop(came.expect("under way")),
        }
    }
    let file = client.upload(Upload::bytes("t", "one line\n")).await.expect("stored");
    assert_eq!(file.content_type, "text/plain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_without_streams_for_files_says_so() {
    let chat = chat().await;
    let (client, _) = client(&chat, "ann");
    assert_eq!(client.upload(Upload::bytes("t", "hi")).await, Err(Error::NoFiles));
    client.shut_down().await;
    assert_eq!(client.upload(Upload::bytes("t", "hi")).await, Err(Error::ShutDown));
}
