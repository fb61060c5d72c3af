//! Blobs as files of a directory.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::{
    BlobBody, BlobError, BlobKey, BlobReader, BlobStore, CHUNK, Link, Presented, checked_range,
};

/// Keeps each blob in a file of its own, under a directory that nothing else writes to.
///
/// `<root>/<first two of the key>/<key>` holds a blob; `<root>/tmp/<key>` one on its way in, which is
/// moved to its place once it is whole and flushed. On Unix, files and directories are for their
/// owner alone. Several processes may share a directory.
#[derive(Clone, Debug)]
pub struct FileBlobs {
    root: PathBuf,
}

impl FileBlobs {
    /// Opens `root`, making it if it is not there.
    ///
    /// # Errors
    /// If it cannot be made, or is not a directory.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let root = root.into();
        make_dirs(&root.join("tmp")).await?;
        Ok(Self { root })
    }

    /// The directory and the file of a blob. A key is at least one ASCII character.
    fn place(&self, key: &BlobKey) -> (PathBuf, PathBuf) {
        let name = key.as_str();
        let shard = self.root.join(&name[..name.len().min(2)]);
        let file = shard.join(name);
        (shard, file)
    }

    fn temporary(&self, key: &BlobKey) -> PathBuf {
        self.root.join("tmp").join(key.as_str())
    }
}

/// The file of a blob that is not whole yet: gone when this is dropped before it is kept.
struct Temporary {
    path: Option<PathBuf>,
}

impl Temporary {
    async fn create(path: PathBuf) -> io::Result<(Self, File)> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&path).await?;
        file.set_max_buf_size(CHUNK);
        Ok((Self { path: Some(path) }, file))
    }

    /// Moves the file to its place; on failure it is still temporary.
    async fn keep(&mut self, place: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, place).await?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // One unlink: short enough to be done where the upload is dropped, and sure to be done.
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(%error, "could not remove the file of an upload that was cut off");
            }
        }
    }
}

#[async_trait]
impl BlobStore for FileBlobs {
    async fn put(&self, key: &BlobKey, body: &mut dyn BlobBody) -> Result<u64, BlobError> {
        let (shard, place) = self.place(key);
        let (mut temporary, mut file) = Temporary::create(self.temporary(key)).await?;
        if fs::try_exists(&place).await? {
            return Err(BlobError::AlreadyExists);
        }
        let mut size = 0;
        while let Some(chunk) = body.chunk().await? {
            file.write_all(&chunk).await?;
            size += chunk.len() as u64;
        }
        file.flush().await?;
        file.sync_all().await?;
        drop(file);
        make_dirs(&shard).await?;
        temporary.keep(&place).await?;
        if let Err(error) = sync_dir(&shard).await {
            // What may not survive a crash must not be there at all.
            let _ = fs::remove_file(&place).await;
            return Err(error.into());
        }
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<BlobReader, BlobError> {
        let mut file = File::open(self.place(key).1).await?;
        let size = file.metadata().await?.len();
        let range = checked_range(range, size)?;
        file.set_max_buf_size(CHUNK);
        if range.start > 0 {
            file.seek(SeekFrom::Start(range.start)).await?;
        }
        let left = range.end - range.start;
        let stream = stream::try_unfold((file, left), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            // At most CHUNK, which is a usize.
            let want = left.min(CHUNK as u64) as usize;
            let mut piece = BytesMut::with_capacity(want);
            let read = (&mut file).take(want as u64).read_buf(&mut piece).await?;
            if read == 0 {
                return Err(BlobError::Unavailable("a blob's file was cut short".into()));
            }
            Ok(Some((piece.freeze(), (file, left - read as u64))))
        });
        Ok(BlobReader { size, range, stream: stream.boxed() })
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        remove_if_there(&self.temporary(key)).await?;
        let (shard, place) = self.place(key);
        if remove_if_there(&place).await? {
            sync_dir(&shard).await?;
        }
        Ok(())
    }

    fn url(&self, _: &BlobKey) -> Option<String> {
        None
    }

    async fn link(&self, _: &BlobKey, _: &Presented) -> Result<Option<Link>, BlobError> {
        Ok(None)
    }
}

async fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a directory and those above it, each flushed into the one that holds it.
async fn make_dirs(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
        if fs::try_exists(dir).await? {
            break;
        }
        missing.push(dir);
    }
    for dir in missing.into_iter().rev() {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        builder.mode(0o700);
        match builder.create(dir).await {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // Made here, or by another at the same moment, who may not have flushed it yet.
            _ => {
                if let Some(parent) = dir.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                    sync_dir(parent).await?;
                }
            }
        }
    }
    Ok(())
}

/// Flushes a directory, so that the names in it survive a crash.
async fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        return File::open(path).await?.sync_all().await;
    }
    // Elsewhere directories cannot be opened as files; the file system keeps its own journal.
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::BlobSource;
    use super::*;
    use crate::blob_store_suite;
    use crate::id::AttachmentId;

    blob_store_suite!(async || {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (FileBlobs::open(dir.path().join("blobs")).await.expect("it opens"), dir)
    });

    async fn opened() -> (FileBlobs, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (FileBlobs::open(dir.path()).await.expect("it opens"), dir)
    }

    fn key(s: &str) -> BlobKey {
        BlobKey::from(&AttachmentId::parse(s).expect("a sound key"))
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_leaves_no_file() {
        let (store, dir) = opened().await;
        let body = stream::iter([
            Ok(Bytes::from(vec![1; CHUNK])),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ]);
        let error = store.put(&key("cut"), &mut BlobSource::new(body, u64::MAX)).await.unwrap_err();
        assert!(matches!(error, BlobError::Cut(_)));
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn an_upload_whose_future_is_dropped_leaves_no_file() {
        let (store, dir) = opened().await;
        let (started, wait) = tokio::sync::oneshot::channel();
        let mut started = Some(started);
        let body = stream::poll_fn(move |_| match started.take() {
            Some(started) => {
                let _ = started.send(());
                std::task::Poll::Ready(Some(Ok(Bytes::from_static(b"begun"))))
            }
            None => std::task::Poll::Pending,
        });
        let name = key("dropped");
        let mut source = BlobSource::new(body, u64::MAX);
        tokio::select! {
            _ = store.put(&name, &mut source) => unreachable!("the body never ends"),
            begun = wait => begun.expect("the body was read"),
        }
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn delete_takes_away_what_a_killed_process_left() {
        let (store, dir) = opened().await;
        std::fs::write(dir.path().join("tmp").join("killed"), b"half").unwrap();
        store.delete(&key("killed")).await.unwrap();
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn a_file_cut_short_under_the_reader_is_an_error_and_not_an_end() {
        let (store, dir) = opened().await;
        let body = stream::iter([Ok(Bytes::from(vec![1; 3 * CHUNK]))]);
        store.put(&key("short"), &mut BlobSource::new(body, u64::MAX)).await.unwrap();
        let mut reader = store.get(&key("short"), None).await.unwrap();
        let path = files(dir.path()).pop().expect("the blob's file");
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10).unwrap();
        let mut last = None;
        while let Some(item) = reader.stream.next().await {
            last = Some(item);
        }
        assert!(matches!(last, Some(Err(BlobError::Unavailable(_)))));
    }

    #[tokio::test]
    async fn a_key_never_leads_out_of_the_directory() {
        let (store, _dir) = opened().await;
        // What a path would need is not in the alphabet of keys.
        for bad in ["../x", "a/b", "a\\b", ".", "", "C:x"] {
            assert!(AttachmentId::parse(bad).is_err(), "{bad}");
        }
        let (_, place) = store.place(&key("x"));
        assert!(place.starts_with(&store.root));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn others_on_the_machine_may_not_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let (store, dir) = opened().await;
        let body = stream::iter([Ok(Bytes::from_static(b"private"))]);
        store.put(&key("mine"), &mut BlobSource::new(body, 10)).await.unwrap();
        let path = files(dir.path()).pop().expect("the blob's file");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
        let shard = path.parent().expect("a directory");
        assert_eq!(std::fs::metadata(shard).unwrap().permissions().mode() & 0o077, 0);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_disk_without_space_says_so() {
        // Its writes fail as those to a full disk do.
        let mut file = File::options().write(true).open("/dev/full").await.unwrap();
        file.write_all(b"x").await.expect("the first write is only buffered");
        let error: BlobError = file.flush().await.unwrap_err().into();
        assert_eq!(error.code(), crate::Code::StorageFull);
    }
}
