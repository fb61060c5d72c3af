//! Gives what a host has handed in, in transactions of its own, its place in the logs.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::{Chat, Inner};
use crate::error::{Code, Error};
use crate::id::{MessageId, RoomId, Seq, UserId};
use crate::room::{Action, Actor, Command, Rejection};
use crate::store::{Handed, Refused, StoreError};

/// How often the store is asked whether something was committed. A transaction says nothing when it is
/// over: a notification of the database's would be a lock that all commits of the host wait for.
const IDLE: Duration = Duration::from_millis(50);
/// The same, when something is being handed in here, or was a moment ago.
const BUSY: Duration = Duration::from_millis(10);
/// For how long that is so.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// After another node was faster, it is left to it for so long.
const OTHERS: Duration = Duration::from_millis(150);
/// After a fault.
const FAULT: Duration = Duration::from_secs(1);
/// Commands that take their turn together.
const AT_ONCE: u32 = 128;
/// Between two rounds of clearing away.
const TIDY: Duration = Duration::from_secs(5);
/// Refused commands that are kept.
const KEPT: u32 = 10_000;
/// Refused commands that may be asked for at once.
const PAGE: u32 = 1_000;

/// What became of a message that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in the log, at this place.
    Sent(Seq),
    /// It was refused when its turn came.
    Refused(Refused),
}

impl Chat {
    /// Waits until a message that was handed in by [`HostWrites`](crate::store::HostWrites) has had its turn.
    /// Ask only once the transaction is committed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if that is not so after `within`; the store's.
    pub async fn settled(
        &self,
        room: &RoomId,
        message: &MessageId,
        within: Duration,
    ) -> Result<Settled, Error> {
        let settled = async {
            let mut pause = Duration::from_millis(5);
            loop {
                let store = self.store();
                if let Some(found) = store.message(room, message, &UserId::system()).await? {
                    return Ok(Settled::Sent(found.seq));
                }
                if let Some(refused) = store.refusal(room, message).await? {
                    return Ok(Settled::Refused(refused));
                }
                sleep(pause).await;
                pause = (pause * 2).min(IDLE);
            }
        };
        timeout(within, settled).await.unwrap_or(Err(Error::Unavailable))
    }

    /// Up to `limit` (at most 1,000) commands that were handed in and then refused, with a place behind
    /// `after`, the oldest first. The newest 10,000 are kept until they are [forgotten](Self::forget_refused);
    /// the log of the process tells of each.
    ///
    /// # Errors
    /// The store's.
    pub async fn refused(&self, after: u64, limit: u32) -> Result<Vec<Refused>, Error> {
        Ok(self.store().refused(after, limit.min(PAGE)).await?)
    }

    /// Forgets a refused command; whether it was there.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_refused(&self, place: u64) -> Result<bool, Error> {
        Ok(self.store().forget(place).await?)
    }
}

/// What a look at the inbox came to.
enum Turn {
    /// Nothing waits.
    Nothing,
    /// All that was found is settled, and there is more.
    More,
    /// All that was found is settled.
    Done,
    /// Another node was faster.
    Others,
}

/// Lets what was handed in take its turn. Ends with the chat.
pub(super) async fn sequence(chat: Weak<Inner>, bell: Arc<Notify>) {
    let mut busy_until = Instant::now();
    loop {
        let Some(inner) = chat.upgrade() else { return };
        let turn = AssertUnwindSafe(inner.take_turns()).catch_unwind().await;
        drop(inner);
        let pause = match turn {
            Ok(Ok(Turn::More)) => continue,
            Ok(Ok(Turn::Done)) => {
                busy_until = Instant::now() + BUSY_FOR;
                BUSY
            }
            Ok(Ok(Turn::Nothing)) if Instant::now() < busy_until => BUSY,
            Ok(Ok(Turn::Nothing)) => IDLE,
            Ok(Ok(Turn::Others)) => OTHERS,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what was handed in waits; trying again");
                FAULT
            }
            Err(_panic) => {
                tracing::error!("taking in what was handed in panicked; trying again");
                FAULT
            }
        };
        tokio::select! {
            () = bell.notified() => {
                busy_until = Instant::now() + BUSY_FOR;
                sleep(BUSY).await;
            }
            () = sleep(pause) => {}
        }
    }
}

/// Clears away what is settled. Apart from the turns, because the host may have its file locked. Ends
/// with the chat.
pub(super) async fn tidy(chat: Weak<Inner>) {
    loop {
        sleep(TIDY).await;
        let Some(inner) = chat.upgrade() else { return };
        match inner.store.tidy(KEPT).await {
            Ok(0) => {}
            Ok(dropped) => {
                tracing::warn!(dropped, kept = KEPT, "the oldest refused commands were dropped");
            }
            Err(error) => tracing::debug!(%error, "clearing away waits"),
        }
    }
}

impl Inner {
    /// Settles the oldest of what waits. All of it is one batch, which is written as a whole: what
    /// comes later in a room never overtakes what comes before.
    async fn take_turns(&self) -> Result<Turn, Error> {
        let waiting = self.store.waiting(AT_ONCE).await?;
        if waiting.is_empty() {
            return Ok(Turn::Nothing);
        }
        let more = waiting.len() >= AT_ONCE as usize;
        let mut commands = Vec::with_capacity(waiting.len());
        // All at once: hooks may take their time.
        for admitted in join_all(waiting.into_iter().map(|handed| self.admit(handed))).await {
            commands.extend(admitted?);
        }
        let told: Vec<_> =
            commands.iter().map(|c| (c.inbox, c.room.clone(), c.actor.id())).collect();
        let pending = {
            let committer = self.committer.read().unwrap_or_else(PoisonError::into_inner);
            committer.as_ref().ok_or(Error::Unavailable)?.submit_all(commands)?
        };
        let (mut others, all) = (0, pending.len());
        let mut fault = None;
        for ((place, room, user), pending) in told.into_iter().zip(pending) {
            match pending.outcome().await {
                Ok(_) => {}
                Err(Error::Rejected(Rejection::Settled)) => others += 1,
                Err(Error::Rejected(why)) => {
                    tracing::info!(%room, %user, %why, "what a host had handed in was refused");
                }
                Err(error) if is_its_own(&error) => {
                    let place = place.unwrap_or_default();
                    self.refuse(place, &room, error.code(), &error.public_message()).await?;
                }
                Err(error) => fault = Some(error),
            }
        }
        match fault {
            Some(error) => Err(error),
            None if others > 0 && others == all => Ok(Turn::Others),
            None if more => Ok(Turn::More),
            None => Ok(Turn::Done),
        }
    }

    /// What waits, as a command, if it keeps to this chat's bounds; who handed it in may have known others.
    async fn admit(&self, Handed { place, room, asked }: Handed) -> Result<Option<Command>, Error> {
        let (actor, action) = match asked {
            Ok(asked) => asked,
            Err(why) => {
                let why = format!("it cannot be read by this version: {why}");
                self.refuse(place, &room, Code::Internal, &why).await?;
                return Ok(None);
            }
        };
        let at = self.clock.now();
        match self.check_handed(&actor, &room, action).await {
            Ok(action) => Ok(Some(Command { room, actor, at, action, inbox: Some(place) })),
            Err(error @ (Error::Invalid(_) | Error::Rejected(_))) => {
                self.refuse(place, &room, error.code(), &error.to_string()).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn check_handed(
        &self,
        actor: &Actor,
        room: &RoomId,
        action: Action,
    ) -> Result<Action, Error> {
        let now = self.clock.now();
        actor.check()?;
        action.check(now, &self.limits)?;
        if let Action::Create(new) = &action {
            self.check_known(&new.members).await?;
        }
        let mut action = match &self.judge {
            Some(judge) => judge.judge(actor, room, action, now, &self.limits).await?,
            None => action,
        };
        self.mention_named(&mut action).await?;
        Ok(action)
    }

    async fn refuse(&self, place: u64, room: &RoomId, code: Code, why: &str) -> Result<(), Error> {
        tracing::warn!(place, %room, %code, why, "what a host had handed in was refused");
        self.store.refuse(place, code.as_str(), why).await?;
        Ok(())
    }
}

/// Whether the command is at the bottom of it, which would hold up all that come after it for ever.
fn is_its_own(error: &Error) -> bool {
    match error {
        Error::Internal => true,
        Error::Store(error) => matches!(**error, StoreError::Corrupt(_)),
        _ => false,
    }
}
