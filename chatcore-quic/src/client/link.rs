//! What a client needs of whatever carries its frames.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use chatcore::protocol::frame::{ClientFrame, Received, RequestId};
use chatcore::protocol::{CloseCode, DecodeError, Encoding};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest frame that a client takes. A welcome and a page may be longer than what a client may
/// send.
pub const MAX_FRAME: usize = 4 << 20;

/// A way to one server, over which one link after another is opened.
///
/// # Contract
/// - [`open`](Self::open) is called again when the last link has ended or was dropped. Dropping its
///   future gives the attempt up.
/// - Bytes are bounded on their way: a link reads at most a few frames ahead of
///   [`receive`](LinkReceiver::receive).
pub trait Link: fmt::Debug + Send + Sync + 'static {
    /// The way to the server.
    type Sender: LinkSender;
    /// The way from it.
    type Receiver: LinkReceiver;

    /// Opens a link.
    fn open(
        &self,
    ) -> impl Future<Output = Result<(Self::Sender, Self::Receiver), LinkError>> + Send;

    /// Opens a link that may take frames before its handshake is done, for one who says only what may
    /// be said twice until it is.
    ///
    /// By default, one whose handshake is done.
    fn open_early(
        &self,
    ) -> impl Future<Output = Result<Opened<Self::Sender, Self::Receiver>, LinkError>> + Send {
        async {
            let (sender, receiver) = self.open().await?;
            Ok(Opened { sender, receiver, handshake: None })
        }
    }
}

/// A link that takes frames.
pub struct Opened<S, R> {
    /// The way to the server.
    pub sender: S,
    /// The way from it.
    pub receiver: R,
    /// The end of its handshake, if that is not done. Never, if the link is lost before.
    pub handshake: Option<BoxFuture<'static, Early<S, R>>>,
}

impl<S, R> fmt::Debug for Opened<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("early", &self.handshake.is_some()).finish_non_exhaustive()
    }
}

/// What became of the frames that were sent before the end of a handshake.
#[derive(Debug)]
pub enum Early<S, R> {
    /// They have arrived, or will, as those that follow.
    Taken,
    /// None has arrived, and none will. These are the ways from now on; the old ones are dropped
    /// without closing the link.
    Rejected(S, R),
}

/// The way to the server.
pub trait LinkSender: Send + 'static {
    /// Hands a frame over; waits while the transport takes no more. After an error, or when the
    /// future was dropped half-way, nothing but [`close`](Self::close) is called.
    fn send(&mut self, frame: &ClientFrame) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Where streams for files are opened, over a link that has such.
    fn files(&self) -> Option<Arc<dyn FileStreams>> {
        None
    }

    /// Ends the link, so that the server knows. The other half ends too.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Opens streams of bytes for files, beside the frames of a link.
///
/// # Contract
/// A stream ends when its link does. Dropping a writer that was not shut down takes back what it wrote,
/// as far as the other side can tell; dropping a reader stops the other side.
pub trait FileStreams: fmt::Debug + Send + Sync + 'static {
    /// Opens one; waits while there are as many as the server allows.
    fn open(&self) -> BoxFuture<'static, Result<(FileWriter, FileReader), LinkError>>;
}

/// The way to the server of a file's stream.
pub type FileWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// The way from the server of a file's stream.
pub type FileReader = Box<dyn AsyncRead + Send + Unpin>;

/// The way from the server.
pub trait LinkReceiver: Send + 'static {
    /// The next frame. Cancel-safe: what was not returned is returned by the next call.
    fn receive(&mut self) -> impl Future<Output = Result<Incoming, Ended>> + Send;
}

/// Why a link could not be opened, or written to.
#[derive(Debug, thiserror::Error)]
#[error("the server cannot be reached: {0}")]
pub struct LinkError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl LinkError {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// It was the certificate, which no waiting mends.
    pub(super) fn untrusted() -> Self {
        Self::new("its certificate is not one that is trusted")
    }
}

/// A link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What the server closed with, if it did.
    pub code: Option<CloseCode>,
}

impl Ended {
    /// Cut off, by nobody in particular.
    pub const CUT: Self = Self { code: None };
}

/// What came over a link.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A frame.
    Frame(Received),
    /// A frame that cannot be read; the answer to this request, if it is one.
    Unreadable(Option<RequestId>),
}

impl Incoming {
    /// What the bytes of one message are.
    ///
    /// # Errors
    /// If they are no frame of this encoding at all: the link is of no use any more.
    pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Self, Ended> {
        match encoding.decode_server(bytes, MAX_FRAME) {
            Ok(frame) => Ok(Self::Frame(frame)),
            Err(DecodeError::Refused { id, failure }) => {
                tracing::warn!("a frame of the server is passed over: {}", failure.message);
                Ok(Self::Unreadable(id))
            }
            Err(malformed) => {
                tracing::warn!("the server does not speak the protocol: {malformed}");
                Err(Ended::CUT)
            }
        }
    }
}
