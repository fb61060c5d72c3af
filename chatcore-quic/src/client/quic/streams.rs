//! Frames out of streams and datagrams.

use bytes::{Buf as _, BytesMut};
use chatcore::protocol::Encoding;
use quinn::{Connection, RecvStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::link::{Incoming, MAX_FRAME};

/// What is read of a stream at once.
const CHUNK: usize = 64 * 1024;
/// What a server is told that speaks something else.
const PROTOCOL_ERROR: u32 = 1;

/// Reads a stream's frames until it ends. Returns false if it is not one of this protocol.
async fn frames(mut stream: RecvStream, forward: &mpsc::Sender<Incoming>) -> bool {
    let mut buffer = BytesMut::new();
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
            if forward.send(incoming).await.is_err() {
                return true;
            }
        }
        match stream.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
            // Ended, cut off by the server, or gone with the connection.
            Ok(None) | Err(_) => return true,
        }
    }
}

/// Reads the control stream.
pub(super) async fn read(stream: RecvStream, forward: mpsc::Sender<Incoming>) {
    frames(stream, &forward).await;
}

/// Reads the streams that the server opens.
pub(super) async fn accept(connection: Connection, forward: mpsc::Sender<Incoming>) {
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => {
                let Ok(stream) = stream else { break };
                let forward = forward.clone();
                readers.spawn(async move { frames(stream, &forward).await });
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
pub(super) async fn signals(connection: Connection, forward: mpsc::Sender<Incoming>) {
    while let Ok(bytes) = connection.read_datagram().await {
        if let Ok(incoming) = Incoming::decode(Encoding::MessagePack, &bytes)
            && let Err(mpsc::error::TrySendError::Closed(_)) = forward.try_send(incoming)
        {
            return;
        }
    }
}
