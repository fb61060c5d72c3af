//! Uploads from the first byte to the sweep, over the memory store.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::blobs::{
    BlobBody, BlobError, BlobKey, BlobReader, BlobStore, FileBlobs, Link, MemoryBlobs, Presented,
};
use super::image::tests::{jpeg, png};
use super::{
    AllowList, Attachment, AttachmentError, AttachmentLimits, Attachments, Disposition,
    UploadRequest, Usage,
};
use crate::Code;
use crate::clock::Clock as _;
use crate::id::{AttachmentId, UserId};
use crate::store::memory::MemoryStore;
use crate::testing::{ManualClock, SeededRandom};

/// Blobs in memory that can be looked into and made to fail.
#[derive(Debug, Default)]
struct Blobs {
    inner: MemoryBlobs,
    there: Mutex<BTreeSet<String>>,
    stuck: Mutex<BTreeSet<String>>,
}

impl Blobs {
    fn count(&self) -> usize {
        self.there.lock().expect("no panic").len()
    }
}

#[async_trait]
impl BlobStore for Blobs {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        let size = self.inner.put(key, body).await?;
        self.there.lock().expect("no panic").insert(key.to_string());
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        self.inner.get(key, range).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        if self.stuck.lock().expect("no panic").contains(key.as_str()) {
            return Err(BlobError::Unavailable("stuck".into()));
        }
        self.there.lock().expect("no panic").remove(key.as_str());
        self.inner.delete(key).await
    }

    fn url(&self, key: &BlobKey) -> Option<String> {
        self.inner.url(key)
    }

    async fn link(&self, key: &BlobKey, as_: &Presented) -> Result<Option<Link>, BlobError> {
        self.inner.link(key, as_).await
    }
}

struct Fixture {
    files: Attachments,
    blobs: Arc<Blobs>,
    clock: Arc<ManualClock>,
}

fn fixture(limits: AttachmentLimits) -> Fixture {
    over(Blobs::default(), limits)
}

fn over(blobs: Blobs, limits: AttachmentLimits) -> Fixture {
    let blobs = Arc::new(blobs);
    let clock = Arc::new(ManualClock::at(1_800_000_000_000));
    let files = Attachments::new(Arc::new(MemoryStore::new()), blobs.clone())
        .with_limits(limits)
        .with_clock(clock.clone())
        .with_random(Arc::new(SeededRandom::new(1)));
    Fixture { files, blobs, clock }
}

fn ann() -> UserId {
    UserId::parse("ann").expect("a sound id")
}

fn whole(content: impl Into<Bytes>) -> stream::Iter<std::array::IntoIter<io::Result<Bytes>, 1>> {
    stream::iter([Ok(content.into())])
}

impl Fixture {
    async fn upload(
        &self,
        name: &str,
        content: impl Into<Bytes>,
    ) -> Result<Attachment, AttachmentError> {
        self.files.upload(UploadRequest::new(ann(), name, whole(content))).await
    }

    /// That nothing is stored, and nothing counts against the quota.
    async fn left_nothing(&self) {
        assert_eq!(self.blobs.count(), 0);
        let limits = self.files.limits().clone();
        for n in 0..limits.waiting_files {
            self.upload(&n.to_string(), "x").await.expect("the quota is free");
        }
        assert!(self.upload("one more", "x").await.is_err(), "the quota is what is measured here");
    }
}

fn few() -> AttachmentLimits {
    AttachmentLimits { waiting_files: 2, file_bytes: 1 << 20, ..AttachmentLimits::default() }
}

#[tokio::test]
async fn an_upload_is_stored_found_and_read_back() {
    let Fixture { files, clock, .. } = fixture(AttachmentLimits::default());
    let content = png(640, 480);
    let request = UploadRequest::new(ann(), "../holi\u{202E}day.PNG", whole(content.clone()))
        .claimed_type("text/html")
        .length(content.len() as u64);
    let attachment = files.upload(request).await.expect("it is taken");
    assert_eq!(attachment.name, "holiday.PNG");
    assert_eq!(attachment.content_type, "image/png");
    assert_eq!((attachment.width, attachment.height), (Some(640), Some(480)));
    assert_eq!((attachment.size, attachment.created_at), (content.len() as u64, clock.now()));
    assert_eq!(attachment.usage, Usage::Waiting);
    assert_eq!(files.get(&attachment.id).await.expect("it is there"), attachment);
    let reader = files.read(&attachment, Some(1..4)).await.expect("it is there");
    let bytes: Vec<Bytes> = reader.stream.try_collect().await.expect("it can be read");
    assert_eq!(bytes.concat(), b"PNG");
}

#[tokio::test]
async fn markup_and_programs_are_refused_whatever_they_claim_to_be() {
    let fixture = fixture(few());
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let elf = &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..];
    for content in [svg.as_bytes(), b"<!doctype html><script>", elf, b"\0\x01\x02\x03"] {
        let request =
            UploadRequest::new(ann(), "cat.png", whole(content)).claimed_type("image/png");
        let error = fixture.files.upload(request).await.expect_err("it is no image");
        assert_eq!(error.code(), Code::UnsupportedMedia, "{error}");
    }
    fixture.left_nothing().await;
}

#[tokio::test]
async fn what_a_host_allows_beyond_the_default_is_still_only_saved() {
    let allowed = AllowList::default().with("image/svg+xml");
    let fixture = fixture(AttachmentLimits { allowed, ..AttachmentLimits::default() });
    let svg = fixture.upload("logo.svg", "<svg/>").await.expect("it is allowed here");
    assert_eq!(svg.disposition(), Disposition::Attachment);
    assert!(svg.content_disposition().starts_with("attachment;"));
}

#[tokio::test]
async fn a_polyglot_is_what_its_first_bytes_are() {
    let fixture = fixture(AttachmentLimits::default());
    let content = [png(1, 1), b"<script>alert(1)</script>".to_vec()].concat();
    let attachment = fixture.upload("x.html", content).await.expect("it is an image");
    assert_eq!(attachment.content_type, "image/png");
    assert_eq!(attachment.name, "x.html.png");
}

#[tokio::test]
async fn a_huge_image_is_refused_by_its_header_before_the_rest_is_read() {
    let fixture = fixture(few());
    let mut head = png(50_000, 50_000);
    head.resize(super::sniff::HEAD, 0);
    let unread = stream::poll_fn(|_| panic!("the rest must not be read"));
    let body = whole(head).chain(unread);
    let error = fixture.files.upload(UploadRequest::new(ann(), "bomb.png", body)).await;
    assert_eq!(error.expect_err("it is too large").code(), Code::TooLarge);
    fixture.left_nothing().await;
}

#[tokio::test]
async fn a_huge_image_whose_header_comes_late_leaves_nothing_behind() {
    let fixture = fixture(few());
    let error = fixture.upload("bomb.jpg", jpeg(60_000, 60_000, 300_000)).await;
    assert!(matches!(error, Err(AttachmentError::ImageTooLarge { .. })), "{error:?}");
    fixture.left_nothing().await;
}

#[tokio::test]
async fn an_image_that_breaks_off_before_its_header_is_no_image() {
    let fixture = fixture(few());
    let mut content = jpeg(10, 10, 300_000);
    content.truncate(200_000);
    let error = fixture.upload("half.jpg", content).await.expect_err("it has no header");
    assert_eq!(error.code(), Code::UnsupportedMedia);
    fixture.left_nothing().await;
}

#[tokio::test]
async fn where_an_image_is_asked_for_nothing_else_is_taken() {
    let fixture = fixture(AttachmentLimits::default());
    let request = UploadRequest::new(ann(), "notes.png", whole("just words")).image_only();
    let error = fixture.files.upload(request).await.expect_err("it is text");
    assert!(matches!(error, AttachmentError::NotAnImage));
    let request = UploadRequest::new(ann(), "photo", whole(jpeg(3, 2, 90_000))).image_only();
    assert_eq!(fixture.files.upload(request).await.expect("it is an image").width, Some(3));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let fixture = fixture(few());
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"words and words and ")));
    let error = fixture.files.upload(UploadRequest::new(ann(), "long.txt", endless)).await;
    assert!(matches!(error, Err(AttachmentError::TooLarge { limit: 1_048_576 })), "{error:?}");
    fixture.left_nothing().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_behind() {
    let fixture = fixture(few());
    for sent in [0, 10, 200_000] {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let body = stream::iter([Ok(Bytes::from(vec![b'x'; sent])), Err(reset)]);
        let error = fixture.files.upload(UploadRequest::new(ann(), "cut.txt", body)).await;
        assert!(matches!(error, Err(AttachmentError::Cut)), "{error:?}");
    }
    fixture.left_nothing().await;
}

#[tokio::test]
async fn a_false_length_leaves_nothing_behind() {
    let fixture = fixture(few());
    for length in [0, 4, 6, 500_000] {
        let request = UploadRequest::new(ann(), "x.txt", whole("words")).length(length);
        let error = fixture.files.upload(request).await.expect_err("it lied");
        assert!(matches!(error, AttachmentError::Cut), "{length}: {error:?}");
    }
    let request = UploadRequest::new(ann(), "x.txt", whole("words")).length(u64::MAX);
    let error = fixture.files.upload(request).await.expect_err("too long");
    assert_eq!(error.code(), Code::TooLarge);
    fixture.left_nothing().await;
}

#[tokio::test]
async fn uploads_that_run_together_share_one_quota() {
    let limits = AttachmentLimits { file_bytes: 1000, waiting_bytes: 2500, ..few() };
    let Fixture { files, .. } = fixture(AttachmentLimits { waiting_files: 100, ..limits });
    // Of unknown length each counts as the largest file while it runs: two fit, not three.
    let uploads = (0..5).map(|n| {
        let body = stream::once(async {
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"words"))
        });
        files.upload(UploadRequest::new(ann(), n.to_string(), body))
    });
    let done = futures_util::future::join_all(uploads).await;
    assert_eq!(done.iter().filter(|upload| upload.is_ok()).count(), 2);
    for refused in done.iter().filter_map(|upload| upload.as_ref().err()) {
        assert_eq!(refused.code(), Code::StorageFull);
    }
    // Once done, they count as what they are.
    let after = files.upload(UploadRequest::new(ann(), "after", whole("words"))).await;
    after.expect("what is left is enough");
}

#[tokio::test]
async fn a_full_blob_store_says_so_and_goes_on() {
    let blobs = Blobs { inner: MemoryBlobs::with_capacity(1000), ..Blobs::default() };
    let fixture = over(blobs, few());
    let error = fixture.upload("big.txt", vec![b'x'; 2000]).await.expect_err("it does not fit");
    assert_eq!(error.code(), Code::StorageFull);
    fixture.left_nothing().await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_gives_its_quota_back_and_is_swept() {
    let fixture = fixture(AttachmentLimits { waiting_files: 1, ..few() });
    let (begun, wait) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let body = whole(vec![b'x'; 100_000]).chain(stream::poll_fn(move |_| {
        if let Some(begun) = begun.take() {
            let _ = begun.send(());
        }
        std::task::Poll::Pending
    }));
    tokio::select! {
        done = fixture.files.upload(UploadRequest::new(ann(), "x.txt", body)) => panic!("{done:?}"),
        begun = wait => begun.expect("the body is read"),
    }
    // The sender hung up; what it left is cleared by a task of its own.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.files.sweep().await.expect("it works").removed, 1);
    fixture.left_nothing().await;
}

#[tokio::test]
async fn a_large_upload_is_never_held_in_memory() {
    /// Counts the pieces that are alive.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let blobs = FileBlobs::open(dir.path()).await.expect("it opens");
    let files = Attachments::new(Arc::new(MemoryStore::new()), Arc::new(blobs));
    let alive = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, peak) = (alive.clone(), most.clone());
    let body = stream::iter(0..320).map(move |_| {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(now, Ordering::SeqCst);
        Ok(Bytes::from_owner(Counted(vec![b'x'; 64 * 1024], count.clone())))
    });
    let attachment = files.upload(UploadRequest::new(ann(), "20M.txt", body)).await;
    assert_eq!(attachment.expect("exactly the limit").size, 20 << 20);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(most.load(Ordering::SeqCst) <= 3, "{most:?} pieces of 64 KiB were held at once");
}

#[tokio::test]
async fn what_no_message_took_in_time_is_swept_and_a_used_file_is_not() {
    let Fixture { files, blobs, clock } = fixture(AttachmentLimits::default());
    let upload = async |name: &str, content: Vec<u8>| {
        files.upload(UploadRequest::new(ann(), name, whole(content))).await.expect("it is taken")
    };
    let waits = upload("waits", b"x".to_vec()).await;
    let shared = upload("shared", b"x".to_vec()).await;
    let picture = upload("picture", png(5, 5)).await;
    files.share(&shared.id, &ann()).await.expect("it waits");
    files.set_avatar(&picture.id, &ann()).await.expect("it waits");
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(files.sweep().await.expect("it works"), super::Swept::default());
    clock.advance(Duration::from_millis(1));
    let swept = files.sweep().await.expect("it works");
    assert_eq!((swept.expired, swept.removed, swept.more), (1, 1, false));
    assert!(matches!(files.get(&waits.id).await, Err(AttachmentError::NotFound)));
    assert!(matches!(files.read(&waits, None).await, Err(AttachmentError::NotFound)));
    assert_eq!(blobs.count(), 2);
}

#[tokio::test]
async fn a_sweep_is_bounded_and_says_that_more_is_left() {
    let fixture = fixture(AttachmentLimits { waiting_files: 1000, ..AttachmentLimits::default() });
    for n in 0..150 {
        fixture.upload(&n.to_string(), "x").await.expect("it is taken");
    }
    fixture.clock.advance(Duration::from_secs(25 * 3600));
    let first = fixture.files.sweep().await.expect("it works");
    assert_eq!((first.expired, first.removed, first.more), (100, 100, true));
    let second = fixture.files.sweep().await.expect("it works");
    assert_eq!((second.expired, second.removed, second.more), (50, 50, false));
    assert_eq!(fixture.blobs.count(), 0);
}

#[tokio::test]
async fn files_that_cannot_be_removed_do_not_keep_the_others() {
    let fixture = fixture(AttachmentLimits { waiting_files: 1000, ..AttachmentLimits::default() });
    let mut ids = Vec::new();
    for n in 0..150 {
        ids.push(fixture.upload(&n.to_string(), "x").await.expect("it is taken").id);
    }
    ids.sort();
    for id in &ids {
        fixture.files.discard(id, &ann()).await.expect("it waits");
    }
    // The first page is stuck as a whole.
    let stuck = ids[..100].iter().map(AttachmentId::to_string).collect();
    *fixture.blobs.stuck.lock().expect("no panic") = stuck;
    let swept = fixture.files.sweep().await.expect("it works");
    assert_eq!((swept.removed, swept.failed), (50, 100));
    fixture.blobs.stuck.lock().expect("no panic").clear();
    assert_eq!(fixture.files.sweep().await.expect("it works").removed, 100);
    assert_eq!(fixture.blobs.count(), 0);
}

#[tokio::test]
async fn only_a_picture_of_ones_own_becomes_an_avatar() {
    let fixture = fixture(AttachmentLimits::default());
    let text = fixture.upload("a.txt", "words").await.expect("it is taken").id;
    let picture = fixture.upload("a.png", png(5, 5)).await.expect("it is taken").id;
    let bob = UserId::parse("bob").expect("a sound id");
    let refused = fixture.files.set_avatar(&text, &ann()).await.expect_err("it is text");
    assert!(matches!(refused, AttachmentError::NotAnImage));
    for id in [&text, &picture] {
        let refused = fixture.files.set_avatar(id, &bob).await.expect_err("it is ann's");
        assert_eq!(refused.code(), Code::Forbidden);
    }
    let avatar = fixture.files.set_avatar(&picture, &ann()).await.expect("it is her picture");
    assert_eq!(avatar.usage, Usage::Avatar);
    let refused = fixture.files.share(&picture, &ann()).await.expect_err("it is in use");
    assert_eq!(refused.code(), Code::Conflict);
}

#[tokio::test]
async fn a_file_name_leads_back_to_its_file() {
    let fixture = fixture(AttachmentLimits::default());
    let attachment = fixture.upload("../x y.png", png(5, 5)).await.expect("it is taken");
    let name = attachment.file_name();
    assert!(name.ends_with(".png") && name.len() == 22 + 4, "{name}");
    assert_eq!(Attachment::id_of(&name), Some(attachment.id));
    for bad in ["", ".", "..", "../x", "a/b.png", "x y", "%00"] {
        assert_eq!(Attachment::id_of(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn headers_never_carry_what_a_sender_wrote() {
    let fixture = fixture(AttachmentLimits::default());
    let attachment = fixture.upload("a\"\r\nX: y\u{7f}é.txt", "words").await.expect("it is taken");
    for value in [
        attachment.content_disposition(),
        attachment.content_type_header(),
        attachment.etag(),
        attachment.file_name(),
    ] {
        assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{value}");
    }
    assert_eq!(attachment.content_type_header(), "text/plain; charset=utf-8");
}

#[cfg(feature = "thumbnails")]
mod thumbnails {
    use super::super::Thumbnails;
    use super::super::thumbnail::tests::png as image;
    use super::*;

    fn with_thumbnails() -> Fixture {
        let Fixture { files, blobs, clock } = fixture(AttachmentLimits::default());
        Fixture { files: files.with_thumbnails(Thumbnails::default()), blobs, clock }
    }

    async fn thumbnail(files: &Attachments, file: &Attachment) -> Result<usize, AttachmentError> {
        let mut stream = files.read_thumbnail(file, None).await?.stream;
        let mut length = 0;
        while let Some(chunk) = stream.try_next().await? {
            length += chunk.len();
        }
        Ok(length)
    }

    #[tokio::test]
    async fn an_image_has_a_thumbnail_beside_it_that_goes_with_it() {
        let it = with_thumbnails();
        let file = it.upload("a.png", image(1_280, 640, 255)).await.expect("it is taken");
        assert_eq!((file.width, file.height), (Some(1_280), Some(640)));
        let small = file.thumbnail.clone().expect("one was made");
        assert_eq!((small.width, small.height), (640, 320));
        assert_eq!(thumbnail(&it.files, &file).await.expect("it is there") as u64, small.size);
        assert_eq!(it.files.get(&file.id).await.expect("it waits").thumbnail, Some(small.clone()));
        assert_eq!(file.to_ref().thumbnail, Some(small));
        assert_eq!(it.blobs.count(), 2);
        // It goes first: while the file is there, it is known what there may be.
        it.files.discard(&file.id, &ann()).await.expect("it waits");
        it.blobs.stuck.lock().expect("no panic").insert(file.id.to_string());
        it.files.sweep().await.expect("swept");
        assert_eq!(it.blobs.count(), 1);
        it.blobs.stuck.lock().expect("no panic").clear();
        it.files.sweep().await.expect("swept");
        it.left_nothing().await;
        let gone = thumbnail(&it.files, &file).await;
        assert!(matches!(gone, Err(AttachmentError::NotFound)), "{gone:?}");
    }

    #[tokio::test]
    async fn what_no_thumbnail_can_be_made_of_is_taken_without() {
        let it = with_thumbnails();
        let whole = image(300, 300, 255);
        let cut = it.upload("cut.png", whole[..whole.len() / 2].to_vec()).await.expect("taken");
        let text = it.upload("a.txt", "one line\n").await.expect("it is taken");
        for file in [cut, text] {
            assert_eq!(file.thumbnail, None);
            let none = thumbnail(&it.files, &file).await;
            assert!(matches!(none, Err(AttachmentError::NotFound)), "{none:?}");
        }
        let tiny = Thumbnails::default().memory(100);
        let files = it.files.clone().with_thumbnails(tiny);
        let request = UploadRequest::new(ann(), "big.png", whole_of(image(300, 300, 255)));
        assert_eq!(files.upload(request).await.expect("it is taken").thumbnail, None);
        assert_eq!(it.blobs.count(), 3);
    }

    fn whole_of(bytes: Vec<u8>) -> stream::Iter<std::array::IntoIter<io::Result<Bytes>, 1>> {
        super::whole(bytes)
    }

    /// An image that waits for its turn in vain is taken all the same.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_thumbnail() {
        let it = fixture(AttachmentLimits::default());
        let thumbnails = Thumbnails::default();
        let held = thumbnails.hold_all().await;
        let files = it.files.clone().with_thumbnails(thumbnails);
        let upload =
            |name: &'static str| UploadRequest::new(ann(), name, whole_of(image(9, 9, 255)));
        assert_eq!(files.upload(upload("a.png")).await.expect("it is taken").thumbnail, None);
        drop(held);
        assert!(files.upload(upload("b.png")).await.expect("it is taken").thumbnail.is_some());
    }
}
