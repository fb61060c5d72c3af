//! A batch of commands: loaded, decided and written in one transaction.

mod views;
mod write;

use super::SqliteStore;
use crate::limits::Limits;
use crate::room::{Command, Plan, plan};
use crate::store::{Committed, StoreError};

/// Two calls to SQLite's thread: `BEGIN` and all that is to be read; all that is to be written and
/// `COMMIT`. Dropped at any point in between, the transaction is rolled back.
pub(super) async fn commit(
    store: &SqliteStore,
    batch: &[Command],
    limits: &Limits,
) -> Result<Committed, StoreError> {
    if batch.is_empty() {
        return Ok(Committed::default());
    }
    let mut tx = store.writer.hold().await?;
    tx.opens();
    let (mut views, before) = views::load(&mut tx, &store.epoch, batch).await?;
    let Plan { outcomes, changes } = plan(&mut views, batch, limits);
    write::write(&mut tx, &before, &changes).await?;
    tx.closed();
    Ok(Committed::new(outcomes, changes))
}
