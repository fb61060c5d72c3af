//! Where an uploaded file waits until it is known what to do with it.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::serve::caps::Permit;

/// Up to here a file stays in memory.
const IN_MEMORY: usize = 64 << 10;
/// How much of a file is read back at once.
const CHUNK: usize = 64 << 10;

/// The bytes of an uploaded file: in memory while small, then in a temporary file that has no name,
/// so that the system frees it however this process ends.
#[derive(Debug)]
pub struct Spool {
    held: Held,
    len: u64,
    dir: Option<Arc<Path>>,
    /// Held for the sake of the count of uploads.
    _permit: Arc<Permit>,
}

#[derive(Debug)]
enum Held {
    Memory(BytesMut),
    Disk(File),
}

impl Spool {
    /// An empty one. Past what is kept in memory, it goes to `dir`, or to the system's temporary files.
    pub(super) fn new(permit: Arc<Permit>, dir: Option<Arc<Path>>) -> Self {
        Self { held: Held::Memory(BytesMut::new()), len: 0, dir, _permit: permit }
    }

    pub(super) async fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Held::Memory(bytes) = &mut self.held
            && bytes.len() + chunk.len() > IN_MEMORY
        {
            let dir = self.dir.take();
            let open = move || match dir {
                Some(dir) => tempfile::tempfile_in(dir),
                None => tempfile::tempfile(),
            };
            let file = tokio::task::spawn_blocking(open).await;
            let mut file = File::from_std(file.map_err(io::Error::other)??);
            file.write_all(bytes).await?;
            self.held = Held::Disk(file);
        }
        match &mut self.held {
            Held::Memory(bytes) => bytes.extend_from_slice(chunk),
            Held::Disk(file) => file.write_all(chunk).await?,
        }
        self.len += chunk.len() as u64;
        Ok(())
    }

    /// Ends the writing; from here on it is read.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        if let Held::Disk(file) = &mut self.held {
            file.flush().await?;
            file.seek(SeekFrom::Start(0)).await?;
        }
        Ok(())
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes, in order.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        Box::pin(stream::try_unfold(self, |mut spool| async move {
            let chunk = match &mut spool.held {
                Held::Memory(bytes) => bytes.split().freeze(),
                Held::Disk(file) => {
                    let mut chunk = BytesMut::with_capacity(CHUNK);
                    file.read_buf(&mut chunk).await?;
                    chunk.freeze()
                }
            };
            Ok((!chunk.is_empty()).then_some((chunk, spool)))
        }))
    }
}
