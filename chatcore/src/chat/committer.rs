//! Group commit: what waits together is committed together, with one flush.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::room::{Action, Command, Outcome};
use crate::store::{Committed, Store};

/// Commands that may wait; more are refused at once.
const QUEUE: usize = 8 * 1024;
/// Commands of one transaction.
const BATCH: usize = 512;

/// Takes commands in, one after another, and writes them in batches.
///
/// A lone command goes at once: a batch is whatever came while the last one was being written. A
/// command that was taken in is carried out even if its caller goes away.
#[derive(Debug)]
pub(super) struct Committer {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    command: Command,
    reply: oneshot::Sender<Result<Outcome, Error>>,
}

/// The answer to a command that is on its way into the log.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Outcome, Error>>);

impl Pending {
    /// Waits until the command is durable, or refused. Dropping it changes nothing: the command is
    /// carried out all the same.
    ///
    /// # Errors
    /// As the rules or the store say; [`Error::Unavailable`] if the library is shutting down.
    pub async fn outcome(self) -> Result<Outcome, Error> {
        self.0.await.unwrap_or(Err(Error::Unavailable))
    }
}

impl Committer {
    /// Starts the task that writes. It ends when the committer is dropped and the queue is empty.
    pub(super) fn start(
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        limits: Arc<Limits>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let task = tokio::spawn(write(jobs, store, hub, limits));
        (Self { queue }, task)
    }

    /// Takes a command in. Commands of one caller keep the order in which they were submitted.
    pub(super) fn submit(&self, command: Command) -> Result<Pending, Error> {
        let (reply, answer) = oneshot::channel();
        match self.queue.try_send(Job { command, reply }) {
            Ok(()) => Ok(Pending(answer)),
            Err(_) => Err(Error::Unavailable),
        }
    }
}

async fn write(
    mut jobs: mpsc::Receiver<Job>,
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    limits: Arc<Limits>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut waiting, BATCH).await > 0 {
        let (commands, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|job| (job.command, job.reply)).unzip();
        let commit = AssertUnwindSafe(store.commit(&commands, &limits)).catch_unwind().await;
        match commit {
            Ok(Ok(committed)) => {
                let outcomes = tell(&hub, &commands, committed);
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // A caller that went away has its command carried out, but no answer.
                    let _ = reply.send(outcome.map_err(Error::from));
                }
            }
            Ok(Err(error)) => {
                tracing::error!(%error, commands = commands.len(), "a batch was not committed");
                let error = Arc::new(error);
                for reply in replies {
                    let _ = reply.send(Err(Error::Store(Arc::clone(&error))));
                }
            }
            Err(_panic) => {
                tracing::error!(commands = commands.len(), "deciding a batch panicked");
                for reply in replies {
                    let _ = reply.send(Err(Error::Internal));
                }
            }
        }
    }
}

/// Tells those who are connected, before anyone is told that the commit is done: whoever was put out
/// gets nothing later than that.
fn tell(
    hub: &Hub,
    commands: &[Command],
    committed: Committed,
) -> Vec<Result<Outcome, crate::room::Rejection>> {
    let Committed { outcomes, entries, marks, deleted } = committed;
    hub.publish(entries);
    for room in &deleted {
        hub.deleted(room);
    }
    for (room, user, now) in marks {
        let asked = commands.iter().any(|command| {
            matches!(command.action, Action::Mark { .. })
                && command.room == room
                && command.actor.id() == user
        });
        if asked {
            hub.marked(&room, &user, now);
        }
    }
    outcomes
}
