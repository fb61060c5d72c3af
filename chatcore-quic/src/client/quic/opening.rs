//! The beginning of a link on a connection, before or after its handshake is done.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use quinn::{Connection, SendStream, ZeroRttAccepted};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::link::{Early, LinkError, Opened};
use super::{AHEAD, QuicReceiver, QuicSender, REASON, close, streams};

/// Opens the control stream before the handshake is done, and once more after it if that was in vain.
/// Calls `found` when it is known that the server is there; if it is not known within `patience`, the
/// link ends.
pub(super) async fn begin_early(
    connection: Connection,
    handshake: ZeroRttAccepted,
    patience: Duration,
    found: impl FnOnce() + Send + 'static,
) -> Result<Opened<QuicSender, QuicReceiver>, LinkError> {
    let halves = Halves::default();
    let (sender, receiver) = begin(connection.clone(), halves.clone()).await?;
    let outcome = async move {
        let Ok(taken) = tokio::time::timeout(patience, handshake).await else {
            close(&connection, 0);
            return pending().await;
        };
        if connection.close_reason().is_none() {
            found();
        }
        if taken {
            return Early::Taken;
        }
        if connection.close_reason().is_none() {
            halves.give_up().await;
            if let Ok((sender, receiver)) = begin(connection, Halves::default()).await {
                return Early::Rejected(sender, receiver);
            }
        }
        // The receiver tells of the end.
        pending().await
    };
    Ok(Opened { sender, receiver, handshake: Some(outcome.boxed()) })
}

/// Opens the control stream, and begins to read.
pub(super) async fn begin(
    connection: Connection,
    halves: Halves,
) -> Result<(QuicSender, QuicReceiver), LinkError> {
    let (control, answers) = connection.open_bi().await.map_err(LinkError::new)?;
    let (forward, incoming) = mpsc::channel(AHEAD);
    let ended = connection.clone();
    let control_forward = forward.clone();
    halves.spawn(async move {
        streams::read(answers, control_forward).await;
        // The reason comes after the last frame.
        let _ = tokio::time::timeout(REASON, ended.closed()).await;
        close(&ended, 0);
    });
    halves.spawn(streams::accept(connection.clone(), forward.clone()));
    halves.spawn(streams::signals(connection.clone(), forward));
    *halves.control.lock().await = Some(control);
    let sender = QuicSender { connection: connection.clone(), halves: halves.clone() };
    Ok((sender, QuicReceiver { connection, incoming, halves }))
}

/// What the two halves of a link have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Halves {
    pub(super) control: Arc<tokio::sync::Mutex<Option<SendStream>>>,
    readers: Arc<Mutex<Readers>>,
}

/// The tasks that read, and whether the connection goes on without them.
#[derive(Debug, Default)]
struct Readers {
    tasks: Vec<JoinHandle<()>>,
    given_up: bool,
}

impl Halves {
    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.readers().tasks.push(tokio::spawn(task));
    }

    /// Others read the connection from now on, write to it, and end it.
    ///
    /// The streams of before are gone when this returns. Those that follow have the same numbers, and
    /// one that goes later would take their wake-ups with it.
    async fn give_up(&self) {
        let tasks = {
            let mut readers = self.readers();
            readers.given_up = true;
            std::mem::take(&mut readers.tasks)
        };
        for task in tasks {
            task.abort();
            // It ends with that it was told to.
            let _ = task.await;
        }
        // Whoever writes to it fails now, and lets go of it.
        self.control.lock().await.take();
    }

    pub(super) fn close(&self, connection: &Connection) {
        if !self.readers().given_up {
            close(connection, 0);
        }
    }
}
