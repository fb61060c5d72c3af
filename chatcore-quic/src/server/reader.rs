//! Frames of the control stream.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use chatcore::connection::Incoming;
use chatcore::protocol::Malformed;
use quinn::RecvStream;

/// What one read takes at most, so that a frame that is announced and does not come costs nothing.
const READ: usize = 16 * 1024;

/// Cuts a stream into frames.
#[derive(Debug)]
pub(super) struct Reader {
    stream: RecvStream,
    most: usize,
    /// The length of the frame that is next, as far as it is there.
    header: BytesMut,
    /// The frame, as far as it is there, once its length is.
    body: Option<(usize, BytesMut)>,
    ended: bool,
}

impl Reader {
    /// Reads frames of at most `most` bytes.
    pub(super) fn new(stream: RecvStream, most: usize) -> Self {
        Self { stream, most, header: BytesMut::new(), body: None, ended: false }
    }

    /// The next frame; none once the peer has ended the stream, or is gone.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if self.ended {
            return Poll::Ready(None);
        }
        loop {
            let Some((length, body)) = &mut self.body else {
                match ready!(read(&mut self.stream, 4 - self.header.len(), cx)) {
                    Some(bytes) => self.header.extend_from_slice(&bytes),
                    None => return Poll::Ready(self.end(!self.header.is_empty())),
                }
                if let Ok(header) = <[u8; 4]>::try_from(&*self.header) {
                    self.header = BytesMut::new();
                    match u32::from_be_bytes(header) as usize {
                        0 => return Poll::Ready(self.refuse(Malformed::Syntax)),
                        length if length > self.most => {
                            let most = self.most;
                            return Poll::Ready(self.refuse(Malformed::TooLong { most }));
                        }
                        length => self.body = Some((length, BytesMut::new())),
                    }
                }
                continue;
            };
            let missing = *length - body.len();
            match ready!(read(&mut self.stream, missing.min(READ), cx)) {
                Some(whole) if body.is_empty() && whole.len() == missing => {
                    self.body = None;
                    return Poll::Ready(Some(Incoming::Message(whole)));
                }
                Some(part) => body.extend_from_slice(&part),
                None => return Poll::Ready(self.end(true)),
            }
            if body.len() == *length {
                let whole = body.split().freeze();
                self.body = None;
                return Poll::Ready(Some(Incoming::Message(whole)));
            }
        }
    }

    /// Nothing more comes. In the midst of a frame that is no way to go.
    fn end(&mut self, within: bool) -> Option<Incoming> {
        self.ended = true;
        within.then_some(Incoming::Malformed(Malformed::Syntax))
    }

    fn refuse(&mut self, why: Malformed) -> Option<Incoming> {
        self.ended = true;
        Some(Incoming::Malformed(why))
    }
}

/// Reads what is there, up to `most` bytes. Quinn keeps the waker after the future is gone, as its
/// own `poll_read` relies on.
fn read(stream: &mut RecvStream, most: usize, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    let chunk = ready!(pin!(stream.read_chunk(most, true)).poll(cx));
    // An error means that the peer has reset the stream, or is gone.
    Poll::Ready(chunk.ok().flatten().map(|chunk| chunk.bytes))
}
