//! Whom someone does not want to hear of.

use super::Caller;
use crate::error::Error;
use crate::id::{RoomId, UserId};
use crate::room::{Action, Actor, Rejection};

impl Caller {
    /// Blocks someone: they cannot open or write in a direct room with the caller, nor invite the caller
    /// into rooms, and are not told why; nor do they see there whether the caller is present or types.
    /// What they write in rooms of several comes all the same; a client can hide it.
    ///
    /// # Errors
    /// [`Rejection::Yourself`]; [`Rejection::NoSuchUser`]; [`Rejection::TooMany`] blocked people.
    pub async fn block(&self, user: &UserId) -> Result<(), Error> {
        self.chat.inner.check_known(std::slice::from_ref(user)).await?;
        self.set_block(user, true).await
    }

    /// Blocks someone no more; no news of one who is not blocked.
    ///
    /// # Errors
    /// [`Rejection::Yourself`], and the store's.
    pub async fn unblock(&self, user: &UserId) -> Result<(), Error> {
        self.set_block(user, false).await
    }

    async fn set_block(&self, target: &UserId, on: bool) -> Result<(), Error> {
        let Actor::User(user) = &self.actor else { return Err(Rejection::NotJoined.into()) };
        let room = RoomId::direct(user, target);
        self.done(&room, Action::Block { target: target.clone(), on }).await.map(|_| ())
    }

    /// Up to `limit` people whom the caller blocks, with an id above `after`, in the order of ids.
    ///
    /// # Errors
    /// [`Invalid`](crate::error::Invalid) for a limit out of bounds.
    pub async fn blocks(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<UserId>, Error> {
        self.check_page(limit)?;
        Ok(self.chat.inner.store.blocked(&self.viewer(), after, limit).await?)
    }

    /// Everyone whom the caller blocks, at most [`Limits::blocks`](crate::limits::Limits::blocks).
    ///
    /// # Errors
    /// The store's.
    pub async fn all_blocks(&self) -> Result<Vec<UserId>, Error> {
        let most = self.chat.inner.limits.blocks;
        Ok(self.chat.inner.store.blocked(&self.viewer(), None, most).await?)
    }
}
