//! Attachments in memory.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::attachment::{Attachment, Usage};
use crate::clock::Timestamp;
use crate::id::{AttachmentId, RoomId, Seq, UserId};
use crate::room::{Changes, Upload};
use crate::store::StoreError;
use crate::store::attachment::{AttachmentStore, Keep, NotTaken, Reservation, WaitingLimit};

/// All files, and the ways to find those that something is to be done with.
#[derive(Debug, Default)]
pub(super) struct AttachmentTable {
    files: HashMap<AttachmentId, File>,
    /// Under way and waiting, by owner: as many as the owner's limit allows.
    waiting: HashMap<UserId, BTreeSet<AttachmentId>>,
    avatars: HashMap<UserId, AttachmentId>,
    /// Files of messages, by room.
    rooms: HashMap<RoomId, BTreeSet<AttachmentId>>,
    released: BTreeSet<AttachmentId>,
}

#[derive(Debug)]
enum File {
    UnderWay(Reservation),
    Whole(Attachment),
    Released,
}

impl AttachmentTable {
    fn reserve(&mut self, upload: &Reservation, most: WaitingLimit) -> bool {
        let theirs = self.waiting.get(&upload.owner);
        let files = theirs.map_or(0, BTreeSet::len);
        let bytes = theirs.into_iter().flatten().fold(upload.bytes, |sum, id| {
            sum.saturating_add(match self.files.get(id) {
                Some(File::UnderWay(upload)) => upload.bytes,
                Some(File::Whole(attachment)) => attachment.size,
                Some(File::Released) | None => 0,
            })
        });
        if bytes > most.bytes || files >= most.files as usize || self.files.contains_key(&upload.id)
        {
            return false;
        }
        self.waiting.entry(upload.owner.clone()).or_default().insert(upload.id.clone());
        self.files.insert(upload.id.clone(), File::UnderWay(upload.clone()));
        true
    }

    fn complete(&mut self, attachment: &Attachment) -> bool {
        match self.files.get_mut(&attachment.id) {
            Some(file @ File::UnderWay(_)) => {
                *file = File::Whole(attachment.clone());
                true
            }
            _ => false,
        }
    }

    fn find(&self, id: &AttachmentId) -> Option<&Attachment> {
        match self.files.get(id)? {
            File::Whole(attachment) => Some(attachment),
            File::UnderWay(_) | File::Released => None,
        }
    }

    /// The file, if `owner` may put it to a use.
    fn taken(&self, id: &AttachmentId, owner: &UserId) -> Result<&Attachment, NotTaken> {
        let attachment = self.find(id).ok_or(NotTaken::NotFound)?;
        if &attachment.owner != owner {
            return Err(NotTaken::NotOwner);
        }
        if attachment.usage != Usage::Waiting {
            return Err(NotTaken::InUse);
        }
        Ok(attachment)
    }

    fn put_to_use(&mut self, id: &AttachmentId, usage: Usage) -> Option<Attachment> {
        let Some(File::Whole(attachment)) = self.files.get_mut(id) else { return None };
        attachment.usage = usage;
        let attachment = attachment.clone();
        self.wait_no_more(&attachment.owner, id);
        Some(attachment)
    }

    fn wait_no_more(&mut self, owner: &UserId, id: &AttachmentId) {
        if let Some(theirs) = self.waiting.get_mut(owner) {
            theirs.remove(id);
            if theirs.is_empty() {
                self.waiting.remove(owner);
            }
        }
    }

    /// The file, as the rules of rooms see it: if it waits.
    pub(super) fn upload(&self, id: &AttachmentId) -> Option<Upload> {
        let attachment = self.find(id).filter(|attachment| attachment.usage == Usage::Waiting)?;
        Some(Upload { owner: attachment.owner.clone(), file: attachment.to_ref() })
    }

    /// Writes what a batch of the log does with files; the rules have decided it under this very lock.
    pub(super) fn write(&mut self, changes: &Changes) {
        for (id, (room, seq)) in &changes.bound {
            self.put_to_use(id, Usage::Message { room: room.clone(), seq: *seq });
            self.rooms.entry(room.clone()).or_default().insert(id.clone());
        }
        for id in &changes.released {
            if let Some(File::Whole(Attachment { usage: Usage::Message { room, .. }, .. })) =
                self.files.get(id)
            {
                if let Some(theirs) = self.rooms.get_mut(room) {
                    theirs.remove(id);
                }
                self.release(id);
            }
        }
        for room in changes.rooms.values().filter(|room| room.deleted_at.is_some()) {
            for id in self.rooms.remove(&room.id).unwrap_or_default() {
                self.release(&id);
            }
        }
    }

    /// Releases the files of messages of a room up to a place.
    pub(super) fn release_below(&mut self, room: &RoomId, upto: Seq) {
        let ids: Vec<_> = self.rooms.get(room).into_iter().flatten().cloned().collect();
        for id in ids {
            let old = |usage: &Usage| matches!(usage, Usage::Message { seq, .. } if *seq <= upto);
            if self.find(&id).is_some_and(|file| old(&file.usage)) {
                if let Some(theirs) = self.rooms.get_mut(room) {
                    theirs.remove(&id);
                }
                self.release(&id);
            }
        }
    }

    fn release(&mut self, id: &AttachmentId) {
        if let Some(file) = self.files.get_mut(id) {
            *file = File::Released;
            self.released.insert(id.clone());
        }
    }

    fn keep(
        &mut self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Attachment, NotTaken> {
        self.taken(id, owner)?;
        let usage = match keep {
            Keep::Shared => Usage::Shared,
            Keep::Avatar => {
                if let Some(earlier) = self.avatars.insert(owner.clone(), id.clone()) {
                    self.release(&earlier);
                }
                Usage::Avatar
            }
        };
        self.put_to_use(id, usage).ok_or(NotTaken::NotFound)
    }

    fn discard(&mut self, id: &AttachmentId, owner: &UserId) -> bool {
        let theirs = match self.files.get(id) {
            Some(File::UnderWay(upload)) => &upload.owner == owner,
            Some(File::Whole(Attachment { usage: Usage::Message { .. }, .. })) => false,
            Some(File::Whole(attachment)) => &attachment.owner == owner,
            Some(File::Released) | None => false,
        };
        if theirs {
            self.wait_no_more(owner, id);
            if self.avatars.get(owner) == Some(id) {
                self.avatars.remove(owner);
            }
            self.release(id);
        }
        theirs
    }

    /// Bytes of all files that are whole.
    pub(super) fn bytes(&self) -> u64 {
        let size = |file: &File| match file {
            File::Whole(attachment) => attachment.size,
            File::UnderWay(_) | File::Released => 0,
        };
        self.files.values().map(size).sum()
    }

    /// Releases files of `owner` that are in no message.
    pub(super) fn release_of(&mut self, owner: &UserId, limit: u32) -> u32 {
        let theirs = |file: &File| match file {
            File::UnderWay(upload) => upload.owner == *owner,
            File::Whole(Attachment { usage: Usage::Message { .. }, .. }) | File::Released => false,
            File::Whole(attachment) => attachment.owner == *owner,
        };
        let files = self.files.iter().filter(|(_, file)| theirs(file));
        let ids: Vec<_> = files.map(|(id, _)| id.clone()).take(limit as usize).collect();
        for id in &ids {
            self.discard(id, owner);
        }
        u32::try_from(ids.len()).unwrap_or(limit)
    }

    fn expire(&mut self, before: Timestamp, limit: u32) -> u32 {
        let old = |id: &&AttachmentId| match self.files.get(*id) {
            Some(File::UnderWay(upload)) => upload.created_at < before,
            Some(File::Whole(attachment)) => attachment.created_at < before,
            Some(File::Released) | None => false,
        };
        let waiting = self.waiting.iter();
        let expired: Vec<(UserId, AttachmentId)> = waiting
            .flat_map(|(owner, ids)| ids.iter().filter(old).map(|id| (owner.clone(), id.clone())))
            .take(limit as usize)
            .collect();
        for (owner, id) in &expired {
            self.wait_no_more(owner, id);
            self.release(id);
        }
        u32::try_from(expired.len()).unwrap_or(limit)
    }
}

#[async_trait]
impl AttachmentStore for MemoryStore {
    async fn reserve_attachment(
        &self,
        upload: &Reservation,
        most: WaitingLimit,
    ) -> Result<bool, StoreError> {
        Ok(lock(&self.attachments).reserve(upload, most))
    }

    async fn complete_attachment(&self, attachment: &Attachment) -> Result<bool, StoreError> {
        Ok(lock(&self.attachments).complete(attachment))
    }

    async fn attachment(&self, id: &AttachmentId) -> Result<Option<Attachment>, StoreError> {
        Ok(lock(&self.attachments).find(id).cloned())
    }

    async fn keep_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
        keep: Keep,
    ) -> Result<Result<Attachment, NotTaken>, StoreError> {
        Ok(lock(&self.attachments).keep(id, owner, keep))
    }

    async fn discard_attachment(
        &self,
        id: &AttachmentId,
        owner: &UserId,
    ) -> Result<bool, StoreError> {
        Ok(lock(&self.attachments).discard(id, owner))
    }

    async fn expire_attachments(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        Ok(lock(&self.attachments).expire(before, limit))
    }

    async fn released_attachments(
        &self,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentId>, StoreError> {
        let table = lock(&self.attachments);
        let behind = |id: &&AttachmentId| after.is_none_or(|after| *id > after);
        Ok(table.released.iter().filter(behind).take(limit as usize).cloned().collect())
    }

    async fn forget_attachments(&self, ids: &[AttachmentId]) -> Result<(), StoreError> {
        let mut table = lock(&self.attachments);
        for id in ids {
            if table.released.remove(id) {
                table.files.remove(id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment_store_suite;

    attachment_store_suite!(async || (MemoryStore::new(), ()));
}
