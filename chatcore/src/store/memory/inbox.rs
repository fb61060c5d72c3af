//! Memory has no transactions that a host could have a part in: nothing is ever handed in.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::MemoryStore;
use crate::id::{MessageId, RoomId};
use crate::limits::Limits;
use crate::store::{Handed, InboxStore, Refused, StoreError};

#[async_trait]
impl InboxStore for MemoryStore {
    fn bell(&self) -> Option<Arc<Notify>> {
        None
    }

    fn bind(&self, _: Arc<Limits>) {}

    async fn waiting(&self, _: u32) -> Result<Vec<Handed>, StoreError> {
        Ok(Vec::new())
    }

    async fn refuse(&self, _: u64, _: &str, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn refused(&self, _: u64, _: u32) -> Result<Vec<Refused>, StoreError> {
        Ok(Vec::new())
    }

    async fn refusal(&self, _: &RoomId, _: &MessageId) -> Result<Option<Refused>, StoreError> {
        Ok(None)
    }

    async fn forget(&self, _: u64) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn tidy(&self, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}
