//! Why something did not come about.

use chatcore::Code;
use chatcore::protocol::CloseCode;
use chatcore::protocol::frame::Failure;

/// Why a request of the client was not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused it, or it breaks a bound that every server has. Nothing was done, unless
    /// the code is [`Code::Internal`]: a send may have taken effect then, and is settled by sending
    /// the same draft again under the same `client_msg_id`.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Box<Failure>),
    /// The connection was cut after it was sent and before it was answered, and it is not of the kind
    /// that can be repeated without harm. It may have taken effect: look before asking again.
    #[error("the connection was cut before the answer came; look whether it took effect")]
    Interrupted,
    /// Too much waits already. Nothing was done; wait for earlier answers.
    #[error("too many {what} wait already; wait for some to be answered")]
    Full {
        /// What there is too much of.
        what: &'static str,
    },
    /// It was taken out of the outbox before it was answered. It may have taken effect; put back,
    /// it does so once.
    #[error("it was taken out of the outbox; put it back to have it sent")]
    Withdrawn,
    /// The server closed the connection in a way that forbids coming back as before.
    #[error("the server closed the connection ({0}); give a new token, or mend what it refused")]
    Closed(CloseCode),
    /// The client was shut down.
    #[error("the client was shut down; build another")]
    ShutDown,
    /// The server did it, and answered in a way that this version cannot read.
    #[error("the server's answer cannot be read; a newer version of this library may")]
    Unreadable,
    /// A file was cut off: the connection was lost, or one side gave it up. Of an upload nothing is
    /// stored; a download can be taken up from where it stopped.
    #[error("the file was cut off after {at} bytes")]
    Cut {
        /// So many bytes had been handed over, of those that were asked for.
        at: u64,
    },
    /// A file that is to be sent cannot be read.
    #[error("the file cannot be read: {0}")]
    Source(String),
    /// The link that there is carries no files; they go over HTTP there.
    #[error("files cannot be sent over this link; use HTTP")]
    NoFiles,
    /// There is a subscription to this room already.
    #[error("this room is subscribed to already; drop that subscription first")]
    Subscribed,
}

impl Error {
    /// The server's code, if it was the server who refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(failure) => Some(failure.code),
            _ => None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Refused(Box::new(failure))
    }
}
