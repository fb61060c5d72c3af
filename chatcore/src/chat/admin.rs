//! What admins do.

use std::time::Duration;

use super::{Chat, RoomSummary};
use crate::account::{Account, Session};
use crate::clock::Timestamp;
use crate::error::{Error, Invalid};
use crate::id::{RoomId, UserId};
use crate::oversight::{Act, AuditEntry, AuditRecord, Report};
use crate::room::{Action, Actor, Rejection, RoomKind, RoomUpdate};
use crate::store::{Day, Numbers, Reported, Retained};

/// Days that are told of.
const DAYS: u32 = 30;
/// Members that are put out of a room at once.
const MEMBERS: u32 = 100;
/// The longest reason, in characters.
const REASON: usize = 1_000;
const DAY: Duration = Duration::from_secs(86_400);

/// Someone who looks after the whole chat; see [`Chat::admin`].
///
/// Each act is noted in the audit before it is done, so that none is done unseen.
#[derive(Clone, Debug)]
pub struct Admin {
    chat: Chat,
    by: UserId,
}

/// Messages of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DayCount {
    /// When the day began, in UTC.
    pub day: Timestamp,
    /// How many were sent, to within what came in half a minute around midnight.
    pub messages: u64,
}

/// What there is, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Overview {
    /// Rooms that are there.
    pub rooms: u64,
    /// Accounts of the library's own.
    pub users: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Connections to this node.
    pub connections: u64,
    /// Messages ever sent.
    pub messages: u64,
    /// Messages by day: the last 30 of which there is a count, newest first.
    pub days: Vec<DayCount>,
    /// Bytes of files.
    pub file_bytes: u64,
    /// Bytes that the database takes; 0 where it cannot tell.
    pub store_bytes: u64,
}

impl Chat {
    /// Makes someone an admin, or no admin any more, as the host.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_admin(&self, user: &UserId, on: bool) -> Result<(), Error> {
        let store = &self.inner.store;
        if store.is_admin(user).await? == on {
            return Ok(());
        }
        let act = if on { Act::GrantAdmin } else { Act::RevokeAdmin };
        let record = AuditRecord::new(self.inner.clock.now(), UserId::system(), act);
        store.put_audit(&AuditRecord { target: Some(user.clone()), ..record }).await?;
        match on {
            true => store.add_admin(user, self.inner.clock.now()).await?,
            false => store.remove_admin(user).await?,
        };
        Ok(())
    }

    /// Acts for `user` as an admin; none if they are no admin. Ask again for each request.
    ///
    /// # Errors
    /// The store's.
    pub async fn admin(&self, user: &UserId) -> Result<Option<Admin>, Error> {
        let is_admin = self.inner.store.is_admin(user).await?;
        Ok(is_admin.then(|| Admin { chat: self.clone(), by: user.clone() }))
    }
}

impl super::Inner {
    /// Notes how many messages there have been by now, for the counts by day.
    pub(super) async fn keep_day(&self) -> Result<(), Error> {
        let messages = self.store.counts().await?.messages;
        let day = u32::try_from(self.clock.now().0 / DAY.as_millis() as i64).unwrap_or_default();
        Ok(self.store.keep_day(Day { day, messages }).await?)
    }
}

impl Admin {
    /// What there is, in numbers. Its cost grows with what there is.
    ///
    /// # Errors
    /// The store's.
    pub async fn overview(&self) -> Result<Overview, Error> {
        let inner = &self.chat.inner;
        inner.keep_day().await?;
        let Numbers { rooms, users, sessions, file_bytes, store_bytes } =
            inner.store.numbers(inner.clock.now()).await?;
        let days = inner.store.days(DAYS + 1).await?;
        let before = days.iter().skip(1).map(|day| day.messages).chain([0]);
        let count = |(day, before): (&Day, u64)| DayCount {
            day: Timestamp(i64::from(day.day) * DAY.as_millis() as i64),
            messages: day.messages.saturating_sub(before),
        };
        Ok(Overview {
            rooms,
            users,
            sessions,
            connections: inner.hub.connections() as u64,
            messages: inner.store.counts().await?.messages,
            days: days.iter().zip(before).map(count).take(DAYS as usize).collect(),
            file_bytes,
            store_bytes,
        })
    }

    /// Up to `limit` accounts whose id is `name`, or whose handle, address or display name holds it.
    ///
    /// # Errors
    /// [`Invalid`] for a limit out of bounds; the store's.
    pub async fn users(
        &self,
        name: &str,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, Error> {
        self.check_page(limit)?;
        Ok(self.chat.inner.store.find_accounts(name, after, limit).await?)
    }

    /// The sessions of someone.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions(&self, user: &UserId) -> Result<Vec<Session>, Error> {
        Ok(self.chat.accounts().sessions(user).await?)
    }

    /// Switches an account off (`on`), which ends its sessions and connections at once and refuses
    /// logins, or on again.
    ///
    /// # Errors
    /// [`AccountError::NotFound`](crate::account::AccountError::NotFound); [`Rejection::Yourself`];
    /// [`Invalid`] for a reason out of bounds.
    pub async fn suspend(
        &self,
        user: &UserId,
        on: bool,
        reason: Option<String>,
    ) -> Result<(), Error> {
        if *user == self.by {
            return Err(Rejection::Yourself.into());
        }
        let accounts = self.chat.accounts();
        accounts.account(user).await?;
        let act = if on { Act::Suspend } else { Act::Unsuspend };
        self.note(act, reason, |record| record.target = Some(user.clone())).await?;
        accounts.set_disabled(user, on).await?;
        if on {
            self.chat.hub().end(user);
        }
        Ok(())
    }

    /// Ends all sessions and connections of someone; how many sessions.
    ///
    /// # Errors
    /// [`AccountError::NotFound`](crate::account::AccountError::NotFound); the store's.
    pub async fn end_sessions(&self, user: &UserId) -> Result<usize, Error> {
        self.chat.accounts().account(user).await?;
        self.note(Act::EndSessions, None, |record| record.target = Some(user.clone())).await?;
        let ended = self.chat.accounts().revoke_all(user, None).await?;
        self.chat.hub().end(user);
        Ok(ended)
    }

    /// Up to `limit` rooms of any kind with an id above `after`: what they are, and nothing of what was
    /// said there.
    ///
    /// # Errors
    /// [`Invalid`] for a limit out of bounds; the store's.
    pub async fn rooms(
        &self,
        after: Option<&RoomId>,
        limit: u32,
    ) -> Result<Vec<RoomSummary>, Error> {
        self.check_page(limit)?;
        let rooms = self.chat.inner.store.retained(Retained::All, after, limit).await?;
        let (epoch, now) = (self.chat.epoch(), self.chat.inner.clock.now());
        Ok(rooms.into_iter().map(|room| RoomSummary::new(room, None, epoch, now)).collect())
    }

    /// Ends a room: it is hidden, and all are put out of it; the last takes it along. If this is cut
    /// short, calling it again goes on.
    ///
    /// # Errors
    /// [`Rejection::NoSuchRoom`]; [`Invalid`] for a room that the host keeps, and for a reason out of
    /// bounds.
    pub async fn delete_room(&self, room: &RoomId, reason: Option<String>) -> Result<(), Error> {
        let inner = &self.chat.inner;
        let found = inner.store.room(room, None).await?.map(|(room, _)| room);
        let found = found.filter(|room| room.deleted_at.is_none());
        let found = found.ok_or(Rejection::NoSuchRoom)?;
        if found.keep {
            return Err(Invalid::new("room", "this room is kept by the host").into());
        }
        self.note(Act::DeleteRoom, reason, |record| record.room = Some(room.clone())).await?;
        if found.kind == RoomKind::Public {
            let hide = RoomUpdate { kind: Some(RoomKind::Private), ..RoomUpdate::default() };
            inner.hand_in(Actor::System, room, Action::Update(hide))?.outcome().await?;
        }
        loop {
            let members = inner.store.members(room, None, MEMBERS).await?;
            if members.is_empty() {
                return Ok(());
            }
            let leave = |user| inner.hand_in(Actor::User(user), room, Action::Leave);
            let leaving: Result<Vec<_>, Error> =
                members.into_iter().map(|member| leave(member.user)).collect();
            for left in leaving? {
                match left.outcome().await {
                    Ok(_) | Err(Error::Rejected(_)) => {}
                    Err(other) => return Err(other),
                }
            }
        }
    }

    /// Up to `limit` reports with a number below `before`, the newest first.
    ///
    /// # Errors
    /// [`Invalid`] for a limit out of bounds; the store's.
    pub async fn reports(
        &self,
        which: Reported,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Report>, Error> {
        self.check_page(limit)?;
        Ok(self.chat.inner.store.reports(which, before, limit).await?)
    }

    /// Notes that a report was dealt with; who does so first is kept.
    ///
    /// # Errors
    /// [`Rejection::NoSuchReport`]; [`Invalid`] for a reason out of bounds; the store's.
    pub async fn resolve_report(&self, id: u64, reason: Option<String>) -> Result<Report, Error> {
        let inner = &self.chat.inner;
        check_reason(reason.as_deref())?;
        let resolved = inner.store.resolve_report(id, &self.by, inner.clock.now()).await?;
        let resolved = resolved.ok_or(Rejection::NoSuchReport)?;
        self.note(Act::ResolveReport, reason, |record| {
            record.room = Some(resolved.report.room.clone());
            record.target = Some(resolved.report.author.clone());
            record.message = Some(resolved.report.message.clone());
        })
        .await?;
        Ok(resolved)
    }

    /// Up to `limit` records of what was done to whom anywhere, with numbers below `before`, the newest
    /// first. Kept for a year.
    ///
    /// # Errors
    /// [`Invalid`] for a limit out of bounds; the store's.
    pub async fn audit(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        self.check_page(limit)?;
        Ok(self.chat.inner.store.audit(None, before, limit).await?)
    }

    fn check_page(&self, limit: u32) -> Result<(), Invalid> {
        self.chat.as_system().check_page(limit)
    }

    async fn note(
        &self,
        act: Act,
        reason: Option<String>,
        more: impl FnOnce(&mut AuditRecord),
    ) -> Result<(), Error> {
        check_reason(reason.as_deref())?;
        let inner = &self.chat.inner;
        let mut record = AuditRecord::new(inner.clock.now(), self.by.clone(), act);
        record.reason = reason;
        more(&mut record);
        Ok(inner.store.put_audit(&record).await?)
    }
}

fn check_reason(reason: Option<&str>) -> Result<(), Invalid> {
    crate::room::check_line("reason", reason, REASON)
}
