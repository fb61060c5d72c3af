//! How a server stops: it tells, waits, then cuts.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::caps::Permit;

/// How long those that were cut have to notice.
const LAST: Duration = Duration::from_secs(1);

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Cut,
}

/// The server's side: begins the drain, and knows when everyone has left.
#[derive(Debug)]
pub(super) struct Drain {
    phase: watch::Sender<Phase>,
    alive: mpsc::Sender<Infallible>,
    gone: mpsc::Receiver<Infallible>,
}

/// What a task that lives on a connection holds. While any is held, the drain waits.
#[derive(Clone, Debug)]
pub(super) struct Life {
    phase: watch::Receiver<Phase>,
    alive: mpsc::Sender<Infallible>,
}

/// The connection that a request came over, found in the request's extensions.
///
/// A handler that takes a connection over (an upgrade) runs its task with [`Connection::spawn`], so
/// that the connection stays counted and the server waits for the task when it stops.
#[derive(Clone)]
pub struct Connection {
    phase: watch::Receiver<Phase>,
    /// Weak, so that a handler which never ends does not hold up the server's end.
    alive: mpsc::WeakSender<Infallible>,
    permit: Arc<Permit>,
}

impl Drain {
    pub(super) fn new() -> Self {
        let (alive, gone) = mpsc::channel(1);
        Self { phase: watch::Sender::new(Phase::Running), alive, gone }
    }

    pub(super) fn life(&self) -> Life {
        Life { phase: self.phase.subscribe(), alive: self.alive.clone() }
    }

    /// Tells every holder of a [`Life`], waits for them for `patience`, then cuts those that are
    /// left. Returns whether all left by themselves.
    pub(super) async fn run(self, patience: Duration) -> bool {
        let Self { phase, alive, mut gone } = self;
        drop(alive);
        phase.send_replace(Phase::Draining);
        let all_left = tokio::time::timeout(patience, gone.recv()).await.is_ok();
        phase.send_replace(Phase::Cut);
        // Each task drops its life at its next turn, unless it is in the middle of a handshake.
        let _ = tokio::time::timeout(LAST, gone.recv()).await;
        all_left
    }
}

impl Life {
    /// Until the server begins to stop.
    pub(super) async fn draining(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Until the server's patience is over.
    pub(super) async fn cut(&mut self) {
        self.reached(Phase::Cut).await;
    }

    async fn reached(&mut self, phase: Phase) {
        reached(&mut self.phase, phase).await;
    }
}

async fn reached(now: &mut watch::Receiver<Phase>, phase: Phase) {
    // The sender going away means that the server was dropped: nobody waits any more.
    let _ = now.wait_for(|now| *now >= phase).await;
}

impl Connection {
    pub(super) fn new(life: &Life, permit: Arc<Permit>) -> Self {
        Self { phase: life.phase.clone(), alive: life.alive.downgrade(), permit }
    }

    /// Runs `task` as long as it likes, but not past the server's end: `told` is called when the
    /// server begins to stop, for the task to say goodbye; shutdown waits for it, and drops it when
    /// the patience is over. Its connection stays counted against the caps meanwhile. Once the server
    /// has ended, nothing is run.
    pub fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
        told: impl FnOnce() + Send + 'static,
    ) {
        let Self { mut phase, alive, permit } = self.clone();
        let Some(alive) = alive.upgrade() else { return };
        tokio::spawn(async move {
            let stopped = async {
                reached(&mut phase, Phase::Draining).await;
                told();
                reached(&mut phase, Phase::Cut).await;
            };
            tokio::select! {
                () = task => {}
                () = stopped => {}
            }
            drop((alive, permit));
        });
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
