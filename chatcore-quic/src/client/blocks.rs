//! Whom the user does not want to hear of.

use chatcore::id::UserId;
use chatcore::protocol::frame::{Answer, BlockList, Blocks, Request};

use super::error::Error;
use super::handle::Client;

impl Client {
    /// Blocks someone.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn block(&self, user: &UserId) -> Result<(), Error> {
        self.request(Request::Block { user: user.clone() }).await.map(|_| ())
    }

    /// Blocks someone no more.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn unblock(&self, user: &UserId) -> Result<(), Error> {
        self.request(Request::Unblock { user: user.clone() }).await.map(|_| ())
    }

    /// A page of those whom the user blocks.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn blocks(&self, page: Blocks) -> Result<BlockList, Error> {
        match self.request(Request::Blocks(page)).await? {
            Answer::Blocks(blocks) => Ok(blocks),
            _ => Err(Error::Unreadable),
        }
    }
}
