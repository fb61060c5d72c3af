//! Links by which people come into rooms.

use std::net::IpAddr;

use super::{Caller, Created};
use crate::account::check_addr;
use crate::chat::Chat;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{InviteLinkId, RoomId, Seq, UserId};
use crate::room::{
    Access, Action, Actor, InviteCode, InviteLink, NewInviteLink, Outcome, Rejection, Role, Room,
};

/// An invite link, as moderators see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InviteLinkSummary {
    /// Its name, which opens nothing.
    pub link: InviteLinkId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Timestamp,
    /// How many may come by it; without a number, as many as the room holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How many have come by it.
    pub used: u32,
}

impl From<InviteLink> for InviteLinkSummary {
    fn from(link: InviteLink) -> Self {
        let InviteLink { id, hash: _, created_by, created_at, expires_at, uses, used } = link;
        Self { link: id, created_by, created_at, expires_at, uses, used }
    }
}

/// A new invite link, and its code.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MadeInviteLink {
    /// The link.
    #[serde(flatten)]
    pub link: InviteLinkSummary,
    /// What lets people in. It is told now, and never again.
    pub code: InviteCode,
}

/// Where an invite link leads: all that is told to those who have the code and are not in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Invitation {
    /// What people call the room, if it has a name.
    pub name: Option<String>,
}

impl Chat {
    /// Where the link with this code leads. `addr` is where the question comes from: codes that are
    /// tried from one address are bounded by [`Limits::invite_codes`](crate::limits::Limits::invite_codes).
    ///
    /// # Errors
    /// [`Rejection::NoSuchInvite`] for a code that lets nobody in; [`Error::RateLimited`].
    pub async fn invitation(
        &self,
        code: &InviteCode,
        addr: Option<IpAddr>,
    ) -> Result<Invitation, Error> {
        self.try_code(addr)?;
        let (room, _) = self.invited_to(code, self.inner.clock.now()).await?;
        Ok(Invitation { name: room.name })
    }

    fn try_code(&self, addr: Option<IpAddr>) -> Result<(), Error> {
        let tried = check_addr(&self.inner.invite_codes, addr);
        tried.map_err(|e| Error::RateLimited { retry_after: e.retry_after })
    }

    /// The room of a link that is good at `now`.
    async fn invited_to(
        &self,
        code: &InviteCode,
        now: Timestamp,
    ) -> Result<(Room, InviteLink), Error> {
        let found = self.inner.store.invited_to(&code.hash()).await?;
        let live = found.filter(|(room, link)| room.deleted_at.is_none() && link.is_live(now));
        Ok(live.ok_or(Rejection::NoSuchInvite)?)
    }
}

impl Caller {
    /// Makes a link by which whoever has its code comes into the room, as moderator.
    ///
    /// # Errors
    /// [`Invalid`](crate::error::Invalid) for an end or a number out of bounds;
    /// [`Rejection::RoleTooLow`]; [`Rejection::TooMany`] links; [`Rejection::DirectRoom`].
    pub async fn create_invite_link(
        &self,
        room: &RoomId,
        new: NewInviteLink,
    ) -> Result<MadeInviteLink, Error> {
        let inner = &self.chat.inner;
        let now = inner.clock.now();
        let expires_at = new.check(now, &inner.limits)?;
        let code = InviteCode::random(&*inner.random);
        let link = InviteLink {
            id: InviteLinkId::random(&*inner.random),
            hash: code.hash(),
            created_by: self.actor.id(),
            created_at: now,
            expires_at,
            uses: new.uses,
            used: 0,
        };
        self.done(room, Action::AddInviteLink(link.clone())).await?;
        Ok(MadeInviteLink { link: link.into(), code })
    }

    /// The room's links that let someone in, as moderator; without their codes.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`], [`Rejection::NotJoined`], [`Rejection::RoleTooLow`].
    pub async fn invite_links(&self, room: &RoomId) -> Result<Vec<InviteLinkSummary>, Error> {
        let links = self.chat.inner.store.invite_links(room).await?;
        // Checked after it was read: who was put out meanwhile gets nothing of it.
        let (_, member, _) = self.reach(room, Access::Joined).await?;
        let moderates = member.is_some_and(|member| member.role >= Role::Moderator);
        if self.actor != Actor::System && !moderates {
            return Err(Rejection::RoleTooLow { needs: Role::Moderator }.into());
        }
        let now = self.chat.inner.clock.now();
        let live = links.into_iter().filter(|link| link.is_live(now));
        Ok(live.map(InviteLinkSummary::from).collect())
    }

    /// Revokes a link, as moderator: it lets nobody in any more.
    ///
    /// # Errors
    /// [`Rejection::NoSuchInviteLink`], also for one that is over; [`Rejection::RoleTooLow`].
    pub async fn revoke_invite_link(
        &self,
        room: &RoomId,
        link: &InviteLinkId,
    ) -> Result<Seq, Error> {
        self.done(room, Action::RevokeInviteLink(link.clone())).await
    }

    /// Where the link with this code leads, as [`Chat::invitation`] says; codes that one user tries are
    /// bounded too.
    ///
    /// # Errors
    /// As [`Chat::invitation`].
    pub async fn invitation(
        &self,
        code: &InviteCode,
        addr: Option<IpAddr>,
    ) -> Result<Invitation, Error> {
        self.try_code()?;
        self.chat.invitation(code, addr).await
    }

    /// Comes into a room by the code of a link. To one who is in, it is no news and takes no use, even
    /// if theirs was the last.
    ///
    /// # Errors
    /// [`Rejection::NoSuchInvite`]; [`Rejection::Banned`]; [`Rejection::TooMany`] members or rooms;
    /// [`Error::RateLimited`].
    pub async fn accept_invite(
        &self,
        code: &InviteCode,
        addr: Option<IpAddr>,
    ) -> Result<Created, Error> {
        self.try_code()?;
        self.chat.try_code(addr)?;
        let found = self.chat.inner.store.invited_to(&code.hash()).await?;
        // Whether it is good is for the rules to say, under the room's lock.
        let (Room { id, .. }, _) = found.ok_or(Rejection::NoSuchInvite)?;
        match self.run(&id, Action::EnterByLink(code.hash())).await? {
            Outcome::Entered { head_seq, .. } => Ok(self.created(id, head_seq)),
            _ => Err(Error::Internal),
        }
    }

    fn try_code(&self) -> Result<(), Error> {
        let Actor::User(user) = &self.actor else { return Ok(()) };
        let tried = self.chat.inner.invite_codes.check(user);
        tried.map_err(|e| Error::RateLimited { retry_after: e.retry_after })
    }
}
