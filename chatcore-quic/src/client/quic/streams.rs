//! Frames out of streams and datagrams.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use chatcore::protocol::Encoding;
use quinn::{Connection, RecvStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::super::link::{Incoming, MAX_FRAME};

/// What is read of a stream at once.
const CHUNK: usize = 4 * 1024;
/// Bytes that are held of what comes on the control stream: of frames that are not whole, and of those
/// that were not received yet.
const CONTROL: usize = 2 * MAX_FRAME;
/// The same of what comes on all other streams together.
const ROOMS: usize = 8 * MAX_FRAME;
/// What a server is told that speaks something else.
const PROTOCOL_ERROR: u32 = 1;

/// What has come, and what it takes until it is received.
pub(super) struct Parcel {
    pub(super) incoming: Incoming,
    _held: Option<OwnedSemaphorePermit>,
}

/// How many bytes the streams that share it may hold.
///
/// Who finds it used up waits, and with it what comes on its stream: a server that begins frames and ends
/// none falls silent so, and is given up as one that is.
#[derive(Clone)]
struct Budget(Arc<Semaphore>);

impl Budget {
    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Room for so many bytes more; none once it is closed, which it never is.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.0).acquire_many_owned(bytes).await.ok()
    }
}

/// Reads a stream's frames until it ends. Returns false if it is not one of this protocol.
async fn frames(mut stream: RecvStream, forward: &mpsc::Sender<Parcel>, budget: &Budget) -> bool {
    let mut buffer = BytesMut::new();
    let Some(mut held) = budget.take(0).await else { return true };
    loop {
        while let Some(header) = buffer.first_chunk::<4>() {
            let Ok(length) = usize::try_from(u32::from_be_bytes(*header)) else { return false };
            if length > MAX_FRAME {
                return false;
            }
            if buffer.len() - 4 < length {
                break;
            }
            buffer.advance(4);
            let payload = buffer.split_to(length);
            let Ok(incoming) = Incoming::decode(Encoding::MessagePack, &payload) else {
                return false;
            };
            let parcel = Parcel { incoming, _held: held.split(4 + length) };
            if forward.send(parcel).await.is_err() {
                return true;
            }
        }
        if buffer.is_empty() {
            // Nothing stays of the longest frame that was.
            buffer = BytesMut::new();
        }
        match stream.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => {
                let Some(more) = budget.take(chunk.bytes.len()).await else { return true };
                held.merge(more);
                buffer.extend_from_slice(&chunk.bytes);
            }
            // Ended, cut off by the server, or gone with the connection.
            Ok(None) | Err(_) => return true,
        }
    }
}

/// Reads the control stream.
pub(super) async fn read(stream: RecvStream, forward: mpsc::Sender<Parcel>) {
    frames(stream, &forward, &Budget::of(CONTROL)).await;
}

/// Reads the streams that the server opens.
pub(super) async fn accept(connection: Connection, forward: mpsc::Sender<Parcel>) {
    let mut readers = JoinSet::new();
    let budget = Budget::of(ROOMS);
    loop {
        tokio::select! {
            stream = connection.accept_uni() => {
                let Ok(stream) = stream else { break };
                let (forward, budget) = (forward.clone(), budget.clone());
                readers.spawn(async move { frames(stream, &forward, &budget).await });
            }
            Some(sound) = readers.join_next() => {
                if !matches!(sound, Ok(true)) {
                    super::close(&connection, PROTOCOL_ERROR);
                }
            }
        }
    }
    // What has arrived is still read.
    while readers.join_next().await.is_some() {}
}

/// Reads datagrams: frames without a length.
pub(super) async fn signals(connection: Connection, forward: mpsc::Sender<Parcel>) {
    while let Ok(bytes) = connection.read_datagram().await {
        let Ok(incoming) = Incoming::decode(Encoding::MessagePack, &bytes) else { continue };
        let parcel = Parcel { incoming, _held: None };
        if let Err(mpsc::error::TrySendError::Closed(_)) = forward.try_send(parcel) {
            return;
        }
    }
}
