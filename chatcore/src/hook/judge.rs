//! Asks the hooks, and keeps what one person asks in order meanwhile.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::{Asked, Asking, Before, BeforeOptions, OnFailure};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::{RoomId, UserId};
use crate::limits::Limits;
use crate::room::{Action, Actor, Rejection};

/// Calls that may be with the hooks at once; more are refused.
const AT_ONCE: usize = 4 * 1024;

/// The hooks that have a say before.
#[derive(Debug)]
pub(crate) struct Judge {
    hooks: Vec<(Arc<dyn Before>, BeforeOptions)>,
    permits: Arc<Semaphore>,
    lanes: Mutex<Lanes>,
}

/// Of each person, the end of what is with the hooks.
#[derive(Debug, Default)]
struct Lanes {
    next: u64,
    last: HashMap<UserId, (u64, oneshot::Receiver<()>)>,
}

/// A call's place behind those that the same person made before.
#[derive(Debug)]
pub(crate) struct Place {
    judge: Arc<Judge>,
    user: UserId,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when this one has gone on.
    _gone: oneshot::Sender<()>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until those before have gone on.
    pub(crate) async fn reached(&mut self) {
        if let Some(before) = self.before.take() {
            // It ends by being dropped, however its call went.
            let _ = before.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = self.judge.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.last.get(&self.user).is_some_and(|(number, _)| *number == self.number) {
            lanes.last.remove(&self.user);
        }
    }
}

impl Judge {
    /// None if there are no hooks.
    pub(crate) fn new(hooks: Vec<(Arc<dyn Before>, BeforeOptions)>) -> Option<Arc<Self>> {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let some = !hooks.is_empty();
        some.then(|| Arc::new(Self { hooks, permits, lanes: Mutex::default() }))
    }

    /// Takes the next place of `user`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if too many are with the hooks.
    pub(crate) fn place(self: &Arc<Self>, user: UserId) -> Result<Place, Error> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let permit = permit.map_err(|_| Error::Unavailable)?;
        let (gone, next) = oneshot::channel();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.next += 1;
        let number = lanes.next;
        let before = lanes.last.insert(user.clone(), (number, next)).map(|(_, before)| before);
        drop(lanes);
        let judge = Arc::clone(self);
        Ok(Place { judge, user, number, before, _gone: gone, _permit: permit })
    }

    /// What the hooks make of `action`, one after another.
    ///
    /// # Errors
    /// [`Rejection::Refused`]; [`Error::Unavailable`] for a hook that failed and is to fail closed.
    pub(crate) async fn judge(
        &self,
        by: &Actor,
        room: &RoomId,
        mut action: Action,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Action, Error> {
        for (hook, options) in &self.hooks {
            let Some(what) = Asking::of(&action) else { return Ok(action) };
            let asked = Asked { by: by.clone(), room: room.clone(), what };
            let said = timeout(options.deadline, async {
                // The call itself may panic as well as what it returns.
                let said = AssertUnwindSafe(async { hook.before(asked).await });
                said.catch_unwind().await
            });
            let failed = match said.await {
                Ok(Ok(Err(refusal))) => {
                    return Err(Rejection::Refused { why: refusal.reason() }.into());
                }
                Ok(Ok(Ok(what))) => {
                    let changed = what.onto(action.clone());
                    match changed.filter(|changed| changed.check(now, limits).is_ok()) {
                        Some(changed) => {
                            action = changed;
                            continue;
                        }
                        None => "it made something of it that cannot be",
                    }
                }
                Ok(Err(_panic)) => "it panicked",
                Err(_) => "it took too long",
            };
            tracing::warn!(?hook, on_failure = ?options.on_failure, "a hook failed: {failed}");
            if options.on_failure == OnFailure::Closed {
                return Err(Error::Unavailable);
            }
        }
        Ok(action)
    }
}
