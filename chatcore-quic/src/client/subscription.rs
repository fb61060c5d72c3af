//! A room's entries, as a stream that outlives connections.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use chatcore::id::RoomId;
use futures_util::Stream;
use tokio::sync::{Notify, mpsc};

use super::error::Error;
use super::handle::Client;
use super::state::Update;

/// A room's entries, each once and in order, whatever becomes of the connection in between.
///
/// What is not read stays on the server: at most one and a half windows of entries are held here,
/// acks tell only of what was read, and while nobody reads the server sends no more of this room.
/// After 20 s the client lets go of the room until it is read again, so that the other rooms go on.
/// No entry is dropped for it.
///
/// An error is the last item: the server refuses the room. The stream also ends when the client is
/// shut down. Dropping it unsubscribes; while it is there, the client lives.
#[derive(Debug)]
pub struct Subscription {
    pub(super) updates: mpsc::Receiver<Result<Update, Error>>,
    pub(super) reader: Arc<Reader>,
    pub(super) _client: Client,
}

/// What a stream tells the driver.
#[derive(Debug)]
pub(super) struct Reader {
    room: RoomId,
    taken: AtomicU64,
    told: AtomicBool,
    dropped: AtomicBool,
    /// So many are worth telling of.
    batch: u64,
    bell: Arc<Bell>,
}

/// Where streams ring that have been read.
#[derive(Debug, Default)]
pub(super) struct Bell {
    readers: Mutex<Vec<Arc<Reader>>>,
    notify: Notify,
}

impl Bell {
    pub(super) async fn ring(&self) {
        self.notify.notified().await;
    }

    pub(super) fn take(&self) -> Vec<Arc<Reader>> {
        std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reader {
    pub(super) fn new(room: RoomId, window: u32, bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            room,
            taken: AtomicU64::new(0),
            told: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
            batch: u64::from(window / 4).max(1),
            bell,
        })
    }

    pub(super) fn room(&self) -> &RoomId {
        &self.room
    }

    /// How many updates were taken since it was asked last, and whether no more will be.
    pub(super) fn look(&self) -> (u64, bool) {
        // What is taken after this is told of again.
        self.told.store(false, Ordering::SeqCst);
        (self.taken.swap(0, Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }

    fn took(self: &Arc<Self>, last: bool) {
        let taken = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        if last || taken >= self.batch {
            self.tell();
        }
    }

    fn tell(self: &Arc<Self>) {
        if !self.told.swap(true, Ordering::SeqCst) {
            let mut readers = self.bell.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.push(Arc::clone(self));
            drop(readers);
            self.bell.notify.notify_one();
        }
    }
}

impl Subscription {
    /// The room.
    pub fn room(&self) -> &RoomId {
        &self.reader.room
    }

    /// The next update; none after the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Subscription {
    type Item = Result<Update, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.updates.poll_recv(cx));
        if next.is_some() {
            self.reader.took(self.updates.is_empty());
        }
        Poll::Ready(next)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.reader.dropped.store(true, Ordering::SeqCst);
        self.reader.tell();
    }
}
