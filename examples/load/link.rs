//! What carries frames. A transport implements two small traits; the rest of the generator does not
//! know which it is.

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A connection, in two halves.
pub(crate) struct Link {
    pub(crate) sender: Rc<dyn Sender>,
    pub(crate) receiver: Box<dyn Receiver>,
}

/// Sends frames.
pub(crate) trait Sender {
    /// Sends a frame, given as JSON. Never waits: what the socket does not take now follows later, in
    /// order. Once the connection has ended it goes nowhere; the receiving half says so.
    fn send(&self, frame: &str);
}

/// Receives frames.
pub(crate) trait Receiver {
    /// Reads once, and hands over every frame that is whole by then.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        each: &mut dyn FnMut(Frame<'_>),
    ) -> Poll<Result<(), Ended>>;

    /// From now on one read takes at most so much.
    fn read_at_most(&mut self, bytes: usize);
}

impl Link {
    /// As [`Receiver::poll_receive`].
    pub(crate) async fn receive(&mut self, mut each: impl FnMut(Frame<'_>)) -> Result<(), Ended> {
        poll_fn(|cx| self.receiver.poll_receive(cx, &mut each)).await
    }
}

/// A frame from the server, as far as a load generator cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A message of a room.
    Message { room: &'a [u8], seq: u64, text: &'a [u8] },
    /// The answer to a request. A send has a `seq`.
    Done { id: u64, seq: Option<u64>, whole: &'a [u8] },
    /// The refusal of one.
    Refused { id: Option<u64>, whole: &'a [u8] },
    /// The server has left this client behind in a room.
    Gap { whole: &'a [u8] },
    /// Anything else, as JSON.
    Other { whole: &'a [u8] },
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server closed it, with a code of the protocol.
    Closed(u16, String),
    /// It broke.
    Lost(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code, reason) => write!(f, "the server closed with {code} ({reason})"),
            Self::Lost(why) => write!(f, "the connection broke: {why}"),
        }
    }
}
