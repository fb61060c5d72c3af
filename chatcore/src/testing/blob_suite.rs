//! What every [`BlobStore`] must do. Each case takes a fresh, empty store.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::attachment::blobs::{BlobError, BlobKey, BlobSource, BlobStore, CHUNK};
use crate::id::AttachmentId;

/// Tests a [`BlobStore`]: writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// blob_store_suite!(async || (MyBlobs::open().await, ()));
/// ```
#[macro_export]
macro_rules! blob_store_suite {
    ($open:expr) => {
        $crate::store_cases!(
            blob_suite,
            $open,
            [
                what_was_put_is_got_back_in_small_pieces,
                an_empty_blob_is_a_blob,
                a_range_gives_those_bytes,
                a_range_past_the_end_is_refused,
                a_blob_that_is_not_there_is_not_found,
                a_name_is_used_once,
                a_body_that_fails_is_not_stored,
                a_body_above_its_limit_is_not_stored,
                a_dropped_put_is_not_stored_and_can_be_cleared,
                deleting_twice_is_deleting_once,
                blobs_do_not_disturb_each_other,
            ]
        );
    };
}

fn key(name: &str) -> BlobKey {
    BlobKey::from(&AttachmentId::parse(name).expect("a sound key"))
}

/// Bytes that differ from place to place.
fn content(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn put(store: &impl BlobStore, name: &str, bytes: Bytes) -> Result<u64, BlobError> {
    let body = stream::iter([Ok(bytes)]);
    store.put(&key(name), &mut BlobSource::new(body, u64::MAX)).await
}

async fn read(store: &impl BlobStore, name: &str) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = store.get(&key(name), None).await?.stream.try_collect().await?;
    Ok(pieces.concat())
}

fn not_found<T: std::fmt::Debug>(result: Result<T, BlobError>) {
    assert!(matches!(result, Err(BlobError::NotFound)), "{result:?}");
}

/// Whole, and never in one piece.
pub async fn what_was_put_is_got_back_in_small_pieces(store: impl BlobStore) {
    let bytes = content(3 * CHUNK + 17);
    assert_eq!(put(&store, "blob", bytes.clone()).await.expect("it is stored"), bytes.len() as u64);
    let reader = store.get(&key("blob"), None).await.expect("it is there");
    assert_eq!((reader.size, reader.range), (bytes.len() as u64, 0..bytes.len() as u64));
    let pieces: Vec<Bytes> = reader.stream.try_collect().await.expect("it can be read");
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= CHUNK));
    assert_eq!(pieces.concat(), bytes);
}

/// No bytes at all are bytes too.
pub async fn an_empty_blob_is_a_blob(store: impl BlobStore) {
    assert_eq!(put(&store, "empty", Bytes::new()).await.expect("it is stored"), 0);
    assert_eq!(read(&store, "empty").await.expect("it is there"), b"");
}

/// From the start, the middle and the end; one byte, and none.
pub async fn a_range_gives_those_bytes(store: impl BlobStore) {
    let bytes = content(2 * CHUNK + 10);
    put(&store, "blob", bytes.clone()).await.expect("it is stored");
    let end = bytes.len();
    for range in [0..1, 0..end, 5..CHUNK + 5, end - 1..end, CHUNK..CHUNK, end..end] {
        let asked = range.start as u64..range.end as u64;
        let reader = store.get(&key("blob"), Some(asked.clone())).await.expect("it is there");
        assert_eq!((reader.size, reader.range), (end as u64, asked));
        let pieces: Vec<Bytes> = reader.stream.try_collect().await.expect("it can be read");
        assert_eq!(pieces.concat(), bytes[range]);
    }
}

/// Nor is one that runs backwards.
pub async fn a_range_past_the_end_is_refused(store: impl BlobStore) {
    put(&store, "blob", content(10)).await.expect("it is stored");
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [0..11, 11..11, 5..4, u64::MAX..u64::MAX] {
        let refused = store.get(&key("blob"), Some(range)).await;
        assert!(matches!(refused, Err(BlobError::OutOfRange { size: 10 })), "{refused:?}");
    }
}

/// Never made, or made under another name.
pub async fn a_blob_that_is_not_there_is_not_found(store: impl BlobStore) {
    put(&store, "blob", content(1)).await.expect("it is stored");
    for name in ["other", "blo", "blob2", "-"] {
        not_found(store.get(&key(name), None).await);
    }
}

/// The second body is refused, and the first one stays.
pub async fn a_name_is_used_once(store: impl BlobStore) {
    put(&store, "blob", content(10)).await.expect("it is stored");
    let again = put(&store, "blob", content(20)).await;
    assert!(matches!(again, Err(BlobError::AlreadyExists)), "{again:?}");
    assert_eq!(read(&store, "blob").await.expect("it is there").len(), 10);
}

/// The error is that of the body; and the name is still free.
pub async fn a_body_that_fails_is_not_stored(store: impl BlobStore) {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    let body = stream::iter([Ok(content(CHUNK + 1)), Err(reset)]);
    let cut = store.put(&key("blob"), &mut BlobSource::new(body, u64::MAX)).await;
    assert!(matches!(cut, Err(BlobError::Cut(_))), "{cut:?}");
    not_found(store.get(&key("blob"), None).await);
    put(&store, "blob", content(1)).await.expect("the name is free");
}

/// However the body is split.
pub async fn a_body_above_its_limit_is_not_stored(store: impl BlobStore) {
    let body = stream::repeat_with(|| Ok(content(1000)));
    let long = store.put(&key("blob"), &mut BlobSource::new(body, 1_000_000)).await;
    assert!(matches!(long, Err(BlobError::TooLarge { limit: 1_000_000 })), "{long:?}");
    not_found(store.get(&key("blob"), None).await);
}

/// A sender that hangs up drops the future that takes its body in.
pub async fn a_dropped_put_is_not_stored_and_can_be_cleared(store: impl BlobStore) {
    let name = key("blob");
    let (reached, wait) = tokio::sync::oneshot::channel();
    let mut reached = Some(reached);
    let end = stream::poll_fn(move |_| {
        // Asked for more: what came before has been taken in.
        if let Some(reached) = reached.take() {
            let _ = reached.send(());
        }
        std::task::Poll::Pending
    });
    let body = stream::iter([Ok(content(CHUNK)), Ok(content(CHUNK))]).chain(end);
    let mut source = BlobSource::new(body, u64::MAX);
    tokio::select! {
        put = store.put(&name, &mut source) => panic!("the body never ends: {put:?}"),
        reached = wait => reached.expect("the body is read"),
    }
    not_found(store.get(&name, None).await);
    store.delete(&name).await.expect("what is left can be cleared");
    not_found(store.get(&name, None).await);
}

/// And what is deleted is not found.
pub async fn deleting_twice_is_deleting_once(store: impl BlobStore) {
    put(&store, "blob", content(10)).await.expect("it is stored");
    for _ in 0..2 {
        store.delete(&key("blob")).await.expect("it is deleted");
        not_found(store.get(&key("blob"), None).await);
    }
}

/// Many at once, of names that begin alike.
pub async fn blobs_do_not_disturb_each_other(store: impl BlobStore) {
    let names: Vec<String> = (0..20).map(|n| format!("same-beginning-{n}")).collect();
    let puts = names.iter().enumerate().map(|(n, name)| put(&store, name, content(n * 1000)));
    for stored in futures_util::future::join_all(puts).await {
        stored.expect("it is stored");
    }
    store.delete(&key(&names[3])).await.expect("it is deleted");
    for (n, name) in names.iter().enumerate().filter(|(n, _)| *n != 3) {
        assert_eq!(read(&store, name).await.expect("it is there"), content(n * 1000));
    }
}
