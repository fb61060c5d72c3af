//! Links by which people come into rooms.

use chatcore::chat::{Created, Invitation, MadeInviteLink};
use chatcore::id::{InviteLinkId, RoomId};
use chatcore::protocol::frame::{Answer, CreateInviteLink, InviteLinkList, Request, UseInvite};
use chatcore::room::InviteCode;

use super::error::Error;
use super::handle::Client;

impl Client {
    /// Makes a link by which people come into a room, as moderator. If the connection is lost meanwhile it
    /// may have been made: see [`invite_links`](Self::invite_links).
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn create_invite_link(
        &self,
        room: &RoomId,
        new: CreateInviteLink,
    ) -> Result<MadeInviteLink, Error> {
        match self.request(Request::CreateInviteLink { room: room.clone(), body: new }).await? {
            Answer::InviteLink(made) => Ok(made),
            _ => Err(Error::Unreadable),
        }
    }

    /// The links by which people come into a room, for its moderators.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn invite_links(&self, room: &RoomId) -> Result<InviteLinkList, Error> {
        match self.request(Request::InviteLinks { room: room.clone() }).await? {
            Answer::InviteLinks(links) => Ok(links),
            _ => Err(Error::Unreadable),
        }
    }

    /// Revokes such a link, as moderator.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn revoke_invite_link(
        &self,
        room: &RoomId,
        link: &InviteLinkId,
    ) -> Result<(), Error> {
        let (room, link) = (room.clone(), link.clone());
        self.request(Request::RevokeInviteLink { room, link }).await.map(|_| ())
    }

    /// Where the link with this code leads.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn invitation(&self, code: &InviteCode) -> Result<Invitation, Error> {
        match self.request(Request::Invitation(UseInvite { code: code.clone() })).await? {
            Answer::Invitation(invitation) => Ok(invitation),
            _ => Err(Error::Unreadable),
        }
    }

    /// Comes into a room by the code of a link.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn accept_invite(&self, code: &InviteCode) -> Result<Created, Error> {
        match self.request(Request::AcceptInvite(UseInvite { code: code.clone() })).await? {
            Answer::Room(room) => Ok(room),
            _ => Err(Error::Unreadable),
        }
    }
}
