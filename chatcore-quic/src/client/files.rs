//! Files, up and down.

use std::fmt;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use chatcore::error::Code;
use chatcore::id::AttachmentId;
use chatcore::log::AttachmentRef;
use chatcore::protocol::Encoding;
use chatcore::protocol::frame::{
    DownloadRequest, FileAnswer, FileRequest, RequestId, UploadRequest,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf, Take};
use tokio::sync::watch;

use super::driver::Command;
use super::error::Error;
use super::handle::Client;
use super::link::{FileReader, FileStreams, FileWriter};
use super::state::{Offline, State};

/// What is read of a file at once.
const CHUNK: usize = 32 * 1024;
/// The longest answer that is read.
const ANSWER: usize = 64 * 1024;
/// What a file's only request on its stream is called.
const ID: RequestId = RequestId(1);

/// How far a file has come, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So many have been handed to the network, or been taken from it.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// A file to be sent.
pub struct Upload {
    request: UploadRequest,
    source: Box<dyn AsyncRead + Send + Unpin>,
    progress: watch::Sender<Progress>,
}

impl Upload {
    /// The `length` bytes of `source`, called `name` by the user: an open file, say, with the length
    /// that its metadata tell.
    pub fn new(
        name: impl Into<String>,
        length: u64,
        source: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        let request = UploadRequest { name: name.into(), content_type: None, length };
        let progress = watch::Sender::new(Progress { done: 0, total: length });
        Self { request, source: Box::new(source), progress }
    }

    /// Bytes that are at hand.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(name, bytes.len() as u64, io::Cursor::new(bytes))
    }

    /// What the user says it is: a media type. The server finds out by itself, and asks this where the
    /// content does not tell.
    #[must_use]
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.request.content_type = Some(media_type.into());
        self
    }

    /// How far it has come, to be watched. Take it before the file is handed to
    /// [`Client::upload`]; it stands still when that has ended.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A file on its way here. Dropping it gives up the rest.
///
/// Read it with [`chunk`](Self::chunk), or as an [`AsyncRead`], whose error wraps the [`Error`] that
/// `chunk` would have returned. What is not read stays on the server.
pub struct Download {
    file: AttachmentRef,
    range: Range<u64>,
    reader: Take<FileReader>,
    progress: watch::Sender<Progress>,
    done: u64,
    /// It keeps the client, and so the connection.
    _client: Client,
}

impl Download {
    /// The file, all of it.
    pub fn file(&self) -> &AttachmentRef {
        &self.file
    }

    /// Which bytes of it come.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// How many of them have come. After [`Error::Cut`], go on with a download from
    /// `range().start + done()`.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How far it has come, to be watched.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The next bytes, at most 32 KiB; none when all have come. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Cut`] if no more come although there are more.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match self.read_buf(&mut chunk).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(chunk.freeze())),
            Err(_) => Err(self.cut()),
        }
    }

    fn cut(&self) -> Error {
        Error::Cut { at: self.done }
    }
}

impl AsyncRead for Download {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.reader).poll_read(cx, buf));
        let count = buf.filled().len() - before;
        let ended = count == 0 && this.reader.limit() > 0 && buf.remaining() > 0;
        if read.is_err() || ended {
            let kind = io::ErrorKind::UnexpectedEof;
            return Poll::Ready(Err(io::Error::new(kind, this.cut())));
        }
        this.done += count as u64;
        this.progress.send_modify(|progress| progress.done = this.done);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("file", &self.file)
            .field("range", &self.range)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// Files. Each has a stream of its own, and holds up neither messages nor other files.
impl Client {
    /// Sends a file, to be named in a message by its id: see
    /// [`Draft::attachments`](chatcore::log::Draft). Waits for a connection first, and for the server
    /// to have stored it in the end. Two files of a client go at a time, and others wait for them.
    /// Dropping the future gives the file up, and nothing of it stays.
    ///
    /// ```no_run
    /// # use chatcore_quic::client::{Client, Upload};
    /// # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let upload = Upload::bytes("notes.txt", "one line\n").content_type("text/plain");
    /// let mut progress = upload.progress();
    /// tokio::spawn(async move {
    ///     while progress.changed().await.is_ok() {
    ///         println!("{:?}", *progress.borrow());
    ///     }
    /// });
    /// let file = client.upload(upload).await?;
    /// println!("{} is stored", file.name);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not take it: too long, of a type that is not taken, above
    /// what the user may have waiting. [`Error::Cut`] if the connection was lost: send it again.
    /// [`Error::Source`] if it cannot be read, or has fewer bytes than it should; [`Error::NoFiles`] if
    /// the link carries none; [`Error::Closed`] and [`Error::ShutDown`].
    pub async fn upload(&self, file: Upload) -> Result<AttachmentRef, Error> {
        let Upload { request, mut source, progress } = file;
        let length = request.length;
        let (mut writer, mut reader) = self.open_stream().await?;
        let request = FileRequest::Upload { id: ID, upload: request };
        let mut sent = 0;
        let send = async {
            writer.write_all(&frame(&request)).await.map_err(|_| Error::Cut { at: 0 })?;
            let mut chunk = vec![0; CHUNK];
            while sent < length {
                let left = usize::try_from(length - sent).unwrap_or(CHUNK).min(CHUNK);
                let read = source.read(&mut chunk[..left]).await;
                let read = read.map_err(|problem| Error::Source(problem.to_string()))?;
                if read == 0 {
                    return Err(Error::Source(format!("it ends after {sent} bytes")));
                }
                let written = writer.write_all(&chunk[..read]).await;
                written.map_err(|_| Error::Cut { at: sent })?;
                sent += read as u64;
                progress.send_modify(|progress| progress.done = sent);
            }
            writer.shutdown().await.map_err(|_| Error::Cut { at: sent })
        };
        let answer = answer(&mut reader);
        tokio::pin!(send, answer);
        // A server that refuses says so before it has had everything.
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            done = &mut send => match done {
                Err(problem @ Error::Source(_)) => return Err(problem),
                // What the server had to say counts, if it said something.
                Err(problem) => match answer.await {
                    Err(Error::Cut { .. }) => Err(problem),
                    said => said,
                },
                Ok(()) => answer.await,
            },
        };
        match answered {
            Ok((file, _)) => Ok(file),
            Err(Error::Cut { .. }) => Err(Error::Cut { at: progress.borrow().done }),
            Err(problem) => Err(problem),
        }
    }

    /// Fetches a file, or the bytes of `range` of it, which may go beyond its end: `..` is all of it,
    /// and `1000..` what comes after the first thousand. Waits for a connection first.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such file for this user, or the range begins after its end;
    /// otherwise as [`upload`](Self::upload).
    pub async fn download(
        &self,
        attachment: &AttachmentId,
        range: impl RangeBounds<u64>,
    ) -> Result<Download, Error> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => Some(last.saturating_add(1)),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        let attachment = attachment.clone();
        self.fetch(DownloadRequest { attachment, thumbnail: false, start, end }).await
    }

    /// Fetches the thumbnail of a file. Waits for a connection first.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such file for this user, or it has none; otherwise as
    /// [`upload`](Self::upload).
    pub async fn download_thumbnail(&self, attachment: &AttachmentId) -> Result<Download, Error> {
        let attachment = attachment.clone();
        self.fetch(DownloadRequest { attachment, thumbnail: true, start: 0, end: None }).await
    }

    async fn fetch(&self, download: DownloadRequest) -> Result<Download, Error> {
        let (mut writer, mut reader) = self.open_stream().await?;
        let request = frame(&FileRequest::Download { id: ID, download });
        let asked = async {
            writer.write_all(&request).await?;
            writer.shutdown().await
        };
        asked.await.map_err(|_| Error::Cut { at: 0 })?;
        let (file, range) = answer(&mut reader).await?;
        let range = range.ok_or(Error::Unreadable)?;
        let total = range.end - range.start;
        let (reader, progress) =
            (reader.take(total), watch::Sender::new(Progress { done: 0, total }));
        Ok(Download { file, range, reader, progress, done: 0, _client: self.clone() })
    }

    /// A stream for a file, once there is a connection.
    async fn open_stream(&self) -> Result<(FileWriter, FileReader), Error> {
        let mut state = self.state();
        loop {
            let settled = |state: &State| {
                let ended = matches!(state, State::Offline(Offline::Closed(_) | Offline::ShutDown));
                ended || *state == State::Connected
            };
            let now = *state.wait_for(settled).await.map_err(|_| Error::ShutDown)?;
            match now {
                State::Offline(Offline::Closed(code)) => return Err(Error::Closed(code)),
                State::Offline(_) => return Err(Error::ShutDown),
                _ => {}
            }
            let streams: Option<Option<Arc<dyn FileStreams>>> =
                self.command(Command::Files).await?;
            // It may have gone since.
            let Some(streams) = streams else {
                tokio::task::yield_now().await;
                continue;
            };
            let streams = streams.ok_or(Error::NoFiles)?;
            return streams.open().await.map_err(|_| Error::Cut { at: 0 });
        }
    }
}

/// A frame after its length.
fn frame(request: &FileRequest) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    Encoding::MessagePack.encode(request, &mut bytes);
    // It is refused by its length, if it is beyond all measure.
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Reads the server's answer, and leaves what follows it.
async fn answer(reader: &mut FileReader) -> Result<(AttachmentRef, Option<Range<u64>>), Error> {
    let cut = |_| Error::Cut { at: 0 };
    let length = reader.read_u32().await.map_err(cut)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= ANSWER);
    let mut bytes = vec![0; length.ok_or(Error::Unreadable)?];
    reader.read_exact(&mut bytes).await.map_err(cut)?;
    match Encoding::MessagePack.decode_as(&bytes, ANSWER).map_err(|_| Error::Unreadable)? {
        FileAnswer::Result { file, start, end, .. } => {
            let range = match (start, end) {
                (None, None) => None,
                (Some(start), Some(end)) if start <= end => Some(start..end),
                _ => return Err(Error::Unreadable),
            };
            Ok((file, range))
        }
        // It is not the file that was refused, but this connection: over the next one it goes.
        FileAnswer::Error { failure, .. }
            if matches!(failure.code, Code::Unavailable | Code::TooEarly) =>
        {
            Err(Error::Cut { at: 0 })
        }
        FileAnswer::Error { failure, .. } => Err(failure.into()),
        _ => Err(Error::Unreadable),
    }
}
