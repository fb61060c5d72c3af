//! Streams for files.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use quinn::{Connection, SendStream, VarInt};
use tokio::io::AsyncWrite;

use super::super::link::{FileReader, FileStreams, FileWriter, LinkError};

/// Below everything else that a client says: who sends a file can still talk.
const PRIORITY: i32 = -1;
/// What a server is told of a file that is given up.
const GIVEN_UP: VarInt = VarInt::from_u32(0);

/// Opens streams on a connection.
#[derive(Debug)]
pub(super) struct Streams(pub(super) Connection);

impl FileStreams for Streams {
    fn open(&self) -> BoxFuture<'static, Result<(FileWriter, FileReader), LinkError>> {
        let connection = self.0.clone();
        async move {
            let (writer, reader) = connection.open_bi().await.map_err(LinkError::new)?;
            // Fails only on a stream that has ended, which the first write finds.
            let _ = writer.set_priority(PRIORITY);
            let writer = Writer { stream: writer, done: false };
            Ok((Box::new(writer) as FileWriter, Box::new(reader) as FileReader))
        }
        .boxed()
    }
}

/// One that does not end as if it were whole when it is dropped in the middle.
struct Writer {
    stream: SendStream,
    done: bool,
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.get_mut().stream), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().stream), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.done = true;
        AsyncWrite::poll_shutdown(Pin::new(&mut this.stream), cx)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.done {
            // Fails only if it has ended otherwise.
            let _ = self.stream.reset(GIVEN_UP);
        }
    }
}
