//! Group commit: what waits together is committed together, with one flush.

mod line;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use self::line::{Batch, Line};
use crate::bus::node::Node;
use crate::error::Error;
use crate::hub::{Hub, Notice};
use crate::id::RoomId;
use crate::limits::Limits;
use crate::room::{Action, Command, Outcome, Rejection};
use crate::store::{Committed, Store, StoreError};

/// Commands that may wait; more are refused at once.
const QUEUE: usize = 8 * 1024;

/// Takes commands in, one after another, and writes them in batches.
///
/// A lone command goes at once: a batch is whatever came while the last one was being written, or,
/// where the store writes several at a time (see [`Line`]), while the last one of its rooms was. Only
/// where it pays (see [`Pace`](super::pace::Pace)) a batch waits for some milliseconds. A command that was taken in is
/// carried out even if its caller goes away.
#[derive(Debug)]
pub(super) struct Committer {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    command: Command,
    reply: Reply,
    /// More that are of the same batch, and so are written with it or not at all.
    more: Vec<(Command, Reply)>,
}

pub(super) type Reply = oneshot::Sender<Result<Outcome, Error>>;

/// The answer to a command that is on its way into the log.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Outcome, Error>>);

impl Pending {
    /// An answer that comes from elsewhere.
    pub(super) fn new() -> (Reply, Self) {
        let (reply, answer) = oneshot::channel();
        (reply, Self(answer))
    }

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
        node: Option<Arc<Node>>,
        limits: Arc<Limits>,
        news: Arc<Notify>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let teller = Teller { hub, node };
        let task = tokio::spawn(write(jobs, store, teller, limits, news));
        (Self { queue }, task)
    }

    /// Takes a command in. Commands of one caller keep the order in which they were submitted.
    pub(super) fn submit(&self, command: Command) -> Result<Pending, Error> {
        let (reply, answer) = oneshot::channel();
        match self.queue.try_send(Job { command, reply, more: Vec::new() }) {
            Ok(()) => Ok(Pending(answer)),
            Err(_) => Err(Error::Unavailable),
        }
    }

    /// Takes in commands that are committed together, in this order, or, if one of them cannot be carried
    /// out, each by itself. There must not be more than fit in one transaction.
    pub(super) fn submit_all(&self, commands: Vec<Command>) -> Result<Vec<Pending>, Error> {
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        for command in commands {
            let (reply, answer) = oneshot::channel();
            jobs.push((command, reply));
            answers.push(Pending(answer));
        }
        let mut jobs = jobs.into_iter();
        let Some((command, reply)) = jobs.next() else { return Ok(answers) };
        let job = Job { command, reply, more: jobs.collect() };
        self.queue.try_send(job).map_err(|_| Error::Unavailable)?;
        Ok(answers)
    }
}

async fn write(
    mut jobs: mpsc::Receiver<Job>,
    store: Arc<dyn Store>,
    teller: Teller,
    limits: Arc<Limits>,
    news: Arc<Notify>,
) {
    let mut line = Line::new(store.writers());
    let mut writing = FuturesUnordered::new();
    let mut open = true;
    while open || !line.is_empty() || !writing.is_empty() {
        while let Some((batch, held)) = line.next(Instant::now()) {
            line.pace.goes(&batch.commands, held, &teller.hub, Instant::now());
            writing.push(carry_out(&*store, &teller, &limits, batch));
        }
        let mut came = Vec::new();
        tokio::select! {
            Some(done) = writing.next() => {
                news.notify_one();
                line.written(done);
            }
            taken = jobs.recv_many(&mut came, line.space()), if open && line.space() > 0 => {
                open = taken > 0;
                line.extend(came);
            }
            () = held(line.held_until()) => {}
        }
    }
}

/// Until a batch has waited long enough; for ever, if none waits.
async fn held(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Writes a batch and answers whoever waits for it.
async fn carry_out(
    store: &dyn Store,
    teller: &Teller,
    limits: &Limits,
    Batch { commands, replies }: Batch,
) -> Vec<Command> {
    let outcomes = match commit(store, teller, limits, &commands).await {
        // One of them may be what cannot be carried out: the others shall not suffer for it.
        Err(fault) if fault.is_of_one() && commands.len() > 1 => {
            let mut outcomes = Vec::with_capacity(commands.len());
            for command in commands.chunks(1) {
                let outcome = commit(store, teller, limits, command).await;
                outcomes.extend(outcome.unwrap_or_else(|fault| vec![Err(fault.error())]));
            }
            outcomes
        }
        Err(fault) => commands.iter().map(|_| Err(fault.error())).collect(),
        Ok(outcomes) => outcomes,
    };
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        // A caller that went away has its command carried out, but no answer.
        let _ = reply.send(outcome);
    }
    commands
}

/// Why a batch was not committed.
enum Fault {
    Store(Arc<StoreError>),
    Panic,
}

impl Fault {
    /// Whether a single command may be at the bottom of it, and not the store as a whole.
    fn is_of_one(&self) -> bool {
        match self {
            Self::Store(error) => matches!(**error, StoreError::Corrupt(_)),
            Self::Panic => true,
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::Store(error) => Error::Store(Arc::clone(error)),
            Self::Panic => Error::Internal,
        }
    }
}

async fn commit(
    store: &dyn Store,
    teller: &Teller,
    limits: &Limits,
    commands: &[Command],
) -> Result<Vec<Result<Outcome, Error>>, Fault> {
    let begun = Instant::now();
    match AssertUnwindSafe(store.commit(commands, limits)).catch_unwind().await {
        Ok(Ok(committed)) => {
            teller.hub.traffic().committed(commands.len(), begun.elapsed());
            let outcomes = teller.tell(commands, committed);
            Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Error::from)).collect())
        }
        Ok(Err(error)) => {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(cause, commands = commands.len(), "a batch was not committed");
            Err(Fault::Store(Arc::new(error)))
        }
        Err(_panic) => {
            tracing::error!(commands = commands.len(), "deciding a batch panicked");
            Err(Fault::Panic)
        }
    }
}

/// Tells what was committed.
#[derive(Debug)]
struct Teller {
    hub: Arc<Hub>,
    node: Option<Arc<Node>>,
}

impl Teller {
    /// Tells those who are connected, before anyone is told that the commit is done: whoever was put out
    /// gets nothing later than that. Other nodes are told what they may already have read.
    fn tell(&self, commands: &[Command], committed: Committed) -> Vec<Result<Outcome, Rejection>> {
        let Committed { outcomes, entries, rewritten, marks, deleted, blocks, notify } = committed;
        let (hub, node) = (&self.hub, self.node.as_ref());
        if let Some(node) = node {
            node.entries(&entries);
        }
        hub.committed(entries, rewritten);
        for room in &deleted {
            hub.deleted(room);
            if let Some(node) = node {
                node.deleted(room);
            }
        }
        for (user, other, on) in blocks {
            if let Some(node) = node {
                node.blocked(&user, &other, on);
            }
            hub.bar(&RoomId::direct(&user, &other), &other, on);
            hub.notify(&user, &Notice::Block { user: other, on });
        }
        for (room, user, notify) in notify {
            if let Some(node) = node {
                node.notify_set(&room, &user);
            }
            hub.notify(&user, &Notice::Notify { room, notify });
        }
        for (room, user, now) in marks {
            let asked = commands.iter().any(|command| {
                matches!(command.action, Action::Mark { .. })
                    && command.room == room
                    && command.actor.id() == user
            });
            if asked {
                hub.marked(&room, &user, now);
                if let Some(node) = node {
                    node.marked(&room, &user, now);
                }
            }
        }
        outcomes
    }
}
