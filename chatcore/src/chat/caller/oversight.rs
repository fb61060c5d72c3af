//! Reporting messages, and looking after what moderators do.

use super::Caller;
use crate::error::{Error, Invalid};
use crate::id::{MessageId, RoomId};
use crate::oversight::{AuditEntry, NewReport};
use crate::room::{Actor, Rejection, Role, reorders};

/// The longest reason of a report, in characters.
const REASON: usize = 1_000;

impl Caller {
    /// Tells the admins that something is wrong with a message. What it says now is kept with the report,
    /// for a year. Reporting a message again is no news; whether it was news.
    ///
    /// # Errors
    /// As [`message`](Self::message); [`Rejection::MessageDeleted`]; [`Invalid`] for a reason that is empty
    /// or above 1,000 characters; [`Error::RateLimited`], see
    /// [`Limits::reports_per_user`](crate::limits::Limits::reports_per_user).
    pub async fn report(
        &self,
        room: &RoomId,
        message: &MessageId,
        reason: &str,
    ) -> Result<bool, Error> {
        let reason = reason.trim();
        let unseen = |c: char| (c.is_control() && c != '\n') || reorders(c);
        if !(1..=REASON).contains(&reason.chars().count()) || reason.chars().any(unseen) {
            let problem =
                "reason must be 1 to 1,000 characters, none of which controls or reorders";
            return Err(Invalid::new("reason", problem).into());
        }
        let by = self.viewer();
        let known = self.message(room, message).await?;
        if known.deleted_at.is_some() {
            return Err(Rejection::MessageDeleted.into());
        }
        let inner = &self.chat.inner;
        inner.reports.check(&by).map_err(|e| Error::RateLimited { retry_after: e.retry_after })?;
        let report = NewReport {
            at: inner.clock.now(),
            by,
            room: room.clone(),
            message: message.clone(),
            seq: known.seq,
            author: known.user,
            reason: reason.to_owned(),
            text: known.text,
        };
        Ok(inner.store.put_report(&report).await?)
    }

    /// Up to `limit` records of what was done to whom in a room, the newest first, with numbers below
    /// `before`. For its moderators and owners; kept for a year.
    ///
    /// # Errors
    /// [`Rejection::RoleTooLow`]; as [`may_read`](Self::may_read); [`Invalid`] for a limit out of bounds.
    pub async fn audit(
        &self,
        room: &RoomId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        self.check_page(limit)?;
        let entries = self.chat.inner.store.audit(Some(room), before, limit).await?;
        // Checked after it was read: who lost the role meanwhile gets nothing of it.
        let (_, member) = self.joined(room).await?;
        let enough = member.is_some_and(|member| member.role >= Role::Moderator);
        if enough || *self.actor() == Actor::System {
            Ok(entries)
        } else {
            Err(Rejection::RoleTooLow { needs: Role::Moderator }.into())
        }
    }
}
