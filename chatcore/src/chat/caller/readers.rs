//! Who has read a message.

use super::Caller;
use crate::error::Error;
use crate::id::{MessageId, RoomId, UserId};

/// Members who have read a message, its author left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Readers {
    /// In the order of their ids.
    pub readers: Vec<UserId>,
    /// There may be more: ask again with this as `after`. Of a large room that few have read, a page
    /// may hold fewer than were asked for, or none, and have a `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// Members who are looked at for one page.
const LOOKED_AT: u32 = 1_000;

impl Caller {
    /// Up to `limit` members who have read a message, with an id above `after`: those whose mark has
    /// passed it.
    ///
    /// # Errors
    /// As [`message`](Self::message); [`Invalid`](crate::error::Invalid) for a limit out of bounds.
    pub async fn readers(
        &self,
        room: &RoomId,
        message: &MessageId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Readers, Error> {
        self.check_page(limit)?;
        let message = self.message(room, message).await?;
        let most = self.chat.inner.limits.page;
        let mut next = after.cloned();
        let mut readers = Vec::new();
        let mut looked_at = 0;
        loop {
            let members = self.chat.inner.store.members(room, next.as_ref(), most).await?;
            let last = members.len() < most as usize;
            looked_at += most;
            for member in members {
                if member.marks.read_seq >= message.seq && member.user != message.user {
                    readers.push(member.user.clone());
                }
                next = Some(member.user);
                if readers.len() == limit as usize {
                    break;
                }
            }
            let full = readers.len() == limit as usize;
            if last && !full {
                next = None;
            }
            if last || full || looked_at >= LOOKED_AT {
                break;
            }
        }
        // Checked after it was read: who was put out meanwhile gets nothing of it.
        self.may_read(room).await?;
        Ok(Readers { readers, next })
    }
}
