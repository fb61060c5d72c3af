//! Files: one a stream, in or out.
//!
//! ```text
//!  client opens ─► request frame ┬─ upload: bytes … end ─► stored ─► answer frame, end
//!                                └─ download: end ─► answer frame, bytes … end
//! ```
//!
//! What goes wrong with one ends that stream alone.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use bytes::Bytes;
use chatcore::connection::Files;
use chatcore::protocol::frame::{
    DownloadRequest, Failure, FileAnswer, FileRequest, RequestId, UploadRequest,
};
use chatcore::protocol::{CloseCode, DecodeError, Encoding};
use futures_util::{Stream, StreamExt as _, stream};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use super::config::FilePace;
use super::reserve::Reserve;

/// Below every room: a file waits for what people say, not the other way round.
const PRIORITY: i32 = -1;
/// Bytes that are taken off a stream at once.
const READ: usize = 16 * 1024;
/// How often it is looked whether a client may still have what it is being sent: soon enough for
/// promise G7.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What a peer is told whose stream is cut off for the reason that it has been answered with.
const ANSWERED: VarInt = VarInt::from_u32(0);

/// How slow a peer may be, and what it may take.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) pace: FilePace,
    pub(super) stall: Duration,
    /// What its files leave free.
    pub(super) reserve: Reserve,
}

/// Serves the streams that the client opens beside its control stream, for as long as it is polled. As
/// many are served at once as QUIC lets the client open.
pub(super) async fn accept(connection: Connection, files: Files, terms: Terms) -> Infallible {
    let mut moving = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((send, receive)) => {
                    // The connection's own task may hear later than this one that its peer is proven.
                    let files = files.clone();
                    let files = if receive.is_0rtt() { files } else { files.proven() };
                    let serving = serve(send, receive, files, terms.clone());
                    moving.spawn(serving.in_current_span());
                }
                // The connection is over.
                Err(_) => return pending().await,
            },
            Some(_) = moving.join_next() => {}
        }
    }
}

/// Serves one file.
async fn serve(mut send: SendStream, mut receive: RecvStream, files: Files, terms: Terms) {
    // Fails only if it has ended, which the first write finds.
    let _ = send.set_priority(PRIORITY);
    let request = match timeout(terms.pace.idle, request(&mut receive)).await {
        Ok(Some(Ok(request))) => request,
        Ok(Some(Err(DecodeError::Refused { id, failure }))) => {
            let refused = refused(id, *failure);
            return answer(&mut send, &mut receive, refused, &terms).await;
        }
        // No request of this protocol, or none that comes.
        Ok(Some(Err(_)) | None) | Err(_) => return cut(&mut send, &mut receive),
    };
    let id = request.id();
    let _transfer = files.begin();
    match request {
        FileRequest::Upload { upload, .. } => {
            let stored = take_in(upload, &mut receive, &files, &terms).await;
            let reply = match stored {
                Ok(file) => FileAnswer::Result { id, file, start: None, end: None },
                Err(failure) => refused(Some(id), failure),
            };
            answer(&mut send, &mut receive, reply, &terms).await;
        }
        FileRequest::Download { download, .. } => {
            hand_out(id, download, (send, receive), &files, &terms).await;
        }
        // Of a later version of the protocol.
        _ => cut(&mut send, &mut receive),
    }
}

/// The frame that a stream begins with; none if it ends, or is cut off, before it is whole.
async fn request(receive: &mut RecvStream) -> Option<Result<FileRequest, DecodeError>> {
    let mut length = [0; 4];
    receive.read_exact(&mut length).await.ok()?;
    let length = u32::from_be_bytes(length) as usize;
    if length > FileRequest::MAX_BYTES {
        return None;
    }
    let mut frame = vec![0; length];
    receive.read_exact(&mut frame).await.ok()?;
    Some(Encoding::MessagePack.decode_file_request(&frame))
}

async fn take_in(
    request: UploadRequest,
    receive: &mut RecvStream,
    files: &Files,
    terms: &Terms,
) -> Result<chatcore::log::AttachmentRef, Failure> {
    files.upload(request, body(receive, terms.pace)).await
}

/// The bytes of an upload as they come, not too slowly.
fn body(
    receive: &mut RecvStream,
    pace: FilePace,
) -> impl Stream<Item = io::Result<Bytes>> + Send + '_ {
    let begun = Instant::now();
    stream::unfold((receive, 0_u64), move |(receive, mut taken)| async move {
        // By when it has to have come further to be fast enough.
        let rate = pace.min_rate.max(1) as f64;
        let earned = Duration::try_from_secs_f64(taken as f64 / rate).unwrap_or(Duration::MAX);
        let by = begun.checked_add(pace.grace.max(earned)).unwrap_or(begun + pace.grace);
        let by = by.min(Instant::now() + pace.idle);
        let chunk = match timeout_at(by, receive.read_chunk(READ, true)).await {
            Ok(Ok(Some(chunk))) => {
                taken += chunk.bytes.len() as u64;
                Ok(chunk.bytes)
            }
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((chunk, (receive, taken)))
    })
}

async fn hand_out(
    id: RequestId,
    request: DownloadRequest,
    (mut send, mut receive): (SendStream, RecvStream),
    files: &Files,
    terms: &Terms,
) {
    let attachment = request.attachment.clone();
    let (file, reader) = match files.download(request).await {
        Ok(opened) => opened,
        Err(failure) => {
            return answer(&mut send, &mut receive, refused(Some(id), failure), terms).await;
        }
    };
    // Nothing more is expected of the client.
    let _ = receive.stop(ANSWERED);
    let (start, end) = (Some(reader.range.start), Some(reader.range.end));
    let head = frame(&FileAnswer::Result { id, file, start, end });
    let bytes = reader.stream.map(|chunk| chunk.map_err(io::Error::other));
    let mut chunks = stream::iter([Ok(head)]).chain(bytes);
    let sending = terms.reserve.send();
    let moved = async {
        while let Some(chunk) = chunks.next().await {
            let mut chunk = chunk?;
            while !chunk.is_empty() {
                let write = poll_fn(|cx| sending.poll_write(&mut send, cx, &mut chunk));
                let written = timeout(terms.stall, write).await;
                written.map_err(|_| io::ErrorKind::TimedOut)??;
            }
        }
        Ok::<_, io::Error>(())
    };
    let put_out = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !files.may_still(&attachment).await {
                return;
            }
        }
    };
    let moved = tokio::select! {
        moved = moved => moved,
        () = put_out => Err(io::ErrorKind::PermissionDenied.into()),
        () = files.over() => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    match moved {
        Ok(()) => finish(&mut send, terms).await,
        Err(error) => {
            tracing::debug!(%error, "a download was cut off");
            let _ = send.reset(u32::from(CloseCode::GoingAway.number()).into());
        }
    }
}

fn refused(id: Option<RequestId>, failure: Failure) -> FileAnswer {
    FileAnswer::Error { id, failure }
}

fn frame(answer: &FileAnswer) -> Bytes {
    let mut bytes = vec![0; 4];
    Encoding::MessagePack.encode(answer, &mut bytes);
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.into()
}

/// Says how it went. What the client still sends is not wanted.
async fn answer(
    send: &mut SendStream,
    receive: &mut RecvStream,
    answer: FileAnswer,
    terms: &Terms,
) {
    // Each of these fails only if the client has gone, or wants no answer.
    let _ = receive.stop(ANSWERED);
    let _ = timeout(terms.stall, send.write_chunk(frame(&answer))).await;
    finish(send, terms).await;
}

/// Ends a stream, and waits until the client has all of it: a connection that is closed before takes the
/// rest with it.
async fn finish(send: &mut SendStream, terms: &Terms) {
    // Each of these fails only if the client has gone, or wants no more.
    let _ = send.finish();
    let _ = timeout(terms.stall, send.stopped()).await;
}

/// Ends a stream that is none of this protocol.
fn cut(send: &mut SendStream, receive: &mut RecvStream) {
    let code = u32::from(CloseCode::ProtocolError.number()).into();
    // Each of these fails only if the client has ended it before.
    let _ = receive.stop(code);
    let _ = send.reset(code);
}
