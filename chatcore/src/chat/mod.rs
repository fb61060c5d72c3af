//! The library's front door.

mod admin;
mod builder;
mod caller;
mod committer;
mod erasing;
mod filing;
mod judged;
mod live;
mod mentions;
mod pace;
mod people;
mod retention;
mod sequencer;
mod stats;
mod summary;
mod upkeep;

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

pub use admin::{Admin, DayCount, Overview};
pub use builder::ChatBuilder;
pub use caller::{
    Caller, Created, Export, Exported, Hit, Invitation, InviteLinkSummary, Left, MadeInviteLink,
    Readers, SearchQuery, SearchResult, Sent,
};
pub use committer::Pending;
pub use live::{LiveEntries, Resume};
pub use sequencer::Settled;
pub use stats::{Stats, StatsQuery};
pub use summary::{MemberSummary, RoomSummary};

use crate::account::{Accounts, Authenticator, Directory};
use crate::attachment::Attachments;
use crate::bus;
use crate::bus::node::{Node, Running};
use crate::clock::{Clock, Random};
use crate::error::Error;
use crate::hook::Judge;
use crate::hub::Hub;
use crate::id::{Epoch, RoomId, UserId};
use crate::limits::Limits;
use crate::room::{Action, Actor, Command};
use crate::store::Store;
use crate::throttle::Throttle;
use committer::Committer;

/// One chat: its accounts, rooms and logs, and who is connected to them here.
///
/// Cheap to clone; all clones are the same chat. A tenant is a `Chat` of its own, on a store of its
/// own: there is no call that could reach another's rooms.
///
/// Dropping the last clone stops the background tasks once what was submitted is written;
/// [`shutdown`](Self::shutdown) also waits for that.
#[derive(Clone, Debug)]
pub struct Chat {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    running: Option<Running>,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    epoch: Epoch,
    accounts: Accounts,
    attachments: Attachments,
    authenticator: Arc<dyn Authenticator>,
    directory: Arc<dyn Directory>,
    turns: Throttle,
    invite_codes: Throttle,
    exports: Throttle,
    reports: Throttle,
    lanes: mentions::Lanes,
    committer: RwLock<Option<Committer>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    fan_out: Vec<AbortHandle>,
    upkeep: AbortHandle,
    filing: AbortHandle,
    erasing: AbortHandle,
    /// Someone is to be erased.
    to_erase: Arc<Notify>,
    /// Those that take in what a host hands in.
    sequencer: OnceLock<[AbortHandle; 2]>,
    /// Those who have a say before.
    judge: Option<Arc<Judge>>,
    hooks: Hooks,
}

impl Inner {
    /// This node among others, if there may be others.
    fn node(&self) -> Option<&Arc<Node>> {
        self.running.as_ref().map(Running::node)
    }

    /// Hands in what the library does by itself: bound by no rate, and by no hook.
    fn hand_in(&self, actor: Actor, room: &RoomId, action: Action) -> Result<Pending, Error> {
        let at = self.clock.now();
        self.submit(Command { room: room.clone(), actor, at, action, inbox: None })
    }
}

/// Those who are told after commits.
#[derive(Debug)]
struct Hooks {
    told: Vec<(String, AbortHandle)>,
    /// This node, in the leases that it has.
    holder: String,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.told.iter().for_each(|(_, task)| task.abort());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.upkeep.abort();
        self.filing.abort();
        self.erasing.abort();
        self.sequencer.get().into_iter().flatten().for_each(AbortHandle::abort);
        self.fan_out.iter().for_each(AbortHandle::abort);
    }
}

impl Chat {
    /// Starts building a chat on `store`.
    pub fn builder(store: Arc<dyn Store>) -> ChatBuilder {
        ChatBuilder::new(store)
    }

    /// A chat on the store that `url` names (see [`store::open`](crate::store::open)), with a default
    /// for everything else. Files are kept in memory, and logins end with the process: a server
    /// wants the [`builder`](Self::builder).
    ///
    /// # Errors
    /// As [`store::open`](crate::store::open).
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::builder(crate::store::open(url).await?).build().await
    }

    /// Acts for `user`, who is bound by the rules of each room. That the caller is this user is the
    /// caller's word: check it first, with [`authenticate`](Self::authenticate) or by other means.
    pub fn as_user(&self, user: &UserId) -> Caller {
        Caller::new(self.clone(), Actor::User(user.clone()))
    }

    /// Acts for the host itself, to whom every room is open.
    pub fn as_system(&self) -> Caller {
        Caller::new(self.clone(), Actor::System)
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The clock in use.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The source of randomness in use.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.inner.random
    }

    /// Files: uploads and downloads. Whether someone may read one is for
    /// [`Caller::readable_attachment`] to say.
    pub fn attachments(&self) -> &Attachments {
        &self.inner.attachments
    }

    /// Who is connected here.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.inner.hub
    }

    /// What went over the bus; none where there is one node only. A bus that is down makes nothing
    /// wrong: what other nodes write arrives within a second instead of at once, signals do not.
    pub fn bus(&self) -> Option<bus::Report> {
        self.inner.node().map(|node| node.report())
    }

    /// Which life of the store this is; cursors carry it.
    pub fn epoch(&self) -> &Epoch {
        &self.inner.epoch
    }

    /// The store, for reads that the facade does not offer.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// The store's.
    pub async fn ready(&self) -> Result<(), Error> {
        self.inner.store.counts().await?;
        Ok(())
    }

    /// Asks all connections to go and move elsewhere; new ones are told the same. Calls still work.
    pub fn drain(&self) {
        self.inner.hub.drain();
    }

    /// Refuses new writes, waits until all that was submitted is durable, and ends the background
    /// tasks. Call [`drain`](Self::drain) first, and give connections time to go.
    pub async fn shutdown(&self) {
        self.inner.upkeep.abort();
        self.inner.filing.abort();
        self.inner.erasing.abort();
        self.inner.sequencer.get().into_iter().flatten().for_each(AbortHandle::abort);
        drop(self.inner.committer.write().unwrap_or_else(PoisonError::into_inner).take());
        let writing = self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            // Had it panicked, it would have said so; there is nothing left to wait for.
            let _ = writing.await;
        }
        if let Some(running) = &self.inner.running {
            running.finish().await;
        }
        for (name, task) in &self.inner.hooks.told {
            task.abort();
            // Another node would find it free after a while anyway.
            if let Err(error) = self.inner.store.free_hook(name, &self.inner.hooks.holder).await {
                tracing::debug!(%error, name, "a hook was not let go of");
            }
        }
    }
}
