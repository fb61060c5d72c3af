//! Reading from the log what hints did not bring.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Node, count, guarded, lock};
use crate::hub::{Offered, changed};
use crate::id::{RoomId, Seq};
use crate::log;
use crate::store::StoreError;

/// Entries that are read at once.
const PAGE: u32 = 256;

/// How often entries are offered anew because others came first, before the log is read instead.
const TRIES: usize = 8;

impl Node {
    /// Reads the log of a room from where it is known here, in the background; if that is going on
    /// already, then once more.
    pub(super) fn catch_up(self: &Arc<Self>, room: RoomId) {
        match lock(&self.reading).entry(room.clone()) {
            Entry::Occupied(mut again) => {
                again.insert(true);
                return;
            }
            Entry::Vacant(first) => {
                first.insert(false);
            }
        }
        let node = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let reading = async {
                    let Ok(_permit) = node.permits.acquire().await else { return };
                    if let Err(error) = node.read(&room).await {
                        // The next poll finds the same.
                        node.failed(&error);
                    }
                };
                guarded("reading a room's log", reading).await;
                let mut reading = lock(&node.reading);
                match reading.get_mut(&room) {
                    Some(again) if *again => *again = false,
                    _ => {
                        reading.remove(&room);
                        return;
                    }
                }
            }
        });
    }

    pub(super) fn failed(&self, error: &StoreError) {
        count(&self.counts.failed);
        let cause = error as &dyn std::error::Error;
        tracing::warn!(cause, "the store could not be asked for what other nodes did");
    }

    async fn read(&self, room: &RoomId) -> Result<(), StoreError> {
        let (hub, store) = (&self.parts.hub, &self.parts.store);
        if let Some((from, to)) = hub.take_unchecked(room)
            && let Err(error) = self.hold_against(room, from, to).await
        {
            hub.put_unchecked(room, from);
            return Err(error);
        }
        let mut any = false;
        while let Some(upto) = hub.upto(room) {
            let page = store.entries(room, upto, PAGE).await?;
            let Some(first) = page.first() else { break };
            if !any {
                count(&self.counts.read);
                any = true;
            }
            if first.seq > upto.next() {
                hub.skip_to(room, Seq(first.seq.0 - 1));
            }
            let whole = page.len() == PAGE as usize;
            self.take(room, page).await?;
            if !whole {
                return Ok(());
            }
        }
        let Some(upto) = hub.upto(room) else { return Ok(()) };
        let heads = store.heads(std::slice::from_ref(room)).await?;
        let Some(head) = heads.first() else { return Ok(()) };
        if head.deleted {
            hub.ended_at(room, head.head_seq);
        } else if head.head_seq > upto && !any {
            // Nothing can be read up to there, or it came this moment: then it is read next.
            if store.entries(room, upto, 1).await?.is_empty() {
                hub.skip_to(room, head.head_seq);
            }
        }
        Ok(())
    }

    /// Holds the entries between two places against those who were let in before.
    async fn hold_against(&self, room: &RoomId, from: Seq, to: Seq) -> Result<(), StoreError> {
        let mut after = from;
        while after < to {
            let page = self.parts.store.entries(room, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            self.parts.hub.hold_against(room, &page);
        }
        Ok(())
    }

    /// Has the hub take entries in, with what they changed of messages at hand. Whether none is missing
    /// before them.
    pub(super) async fn take(
        &self,
        room: &RoomId,
        mut entries: Vec<log::Entry>,
    ) -> Result<bool, StoreError> {
        let hub = &self.parts.hub;
        for _ in 0..TRIES {
            let Some(upto) = hub.upto(room) else { return Ok(true) };
            let new = entries.partition_point(|entry| entry.seq <= upto);
            let new = &entries[new..];
            match new.first() {
                None => return Ok(true),
                Some(first) if first.seq != upto.next() => return Ok(false),
                Some(_) => {}
            }
            let mut forms = Vec::new();
            for seq in hub.at_hand(room, &changed(new)) {
                let form = self.parts.store.entries(room, Seq(seq.0 - 1), 1).await?;
                forms.extend(form.into_iter().filter(|form| form.seq == seq));
            }
            match hub.offer(room, upto, entries, forms) {
                Offered::Taken | Offered::Old => return Ok(true),
                Offered::Apart(back) => entries = back,
            }
        }
        Ok(false)
    }
}
