//! A QUIC connection as a transport of frames.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chatcore::connection::{Ending, Incoming, Outbox, Pieces, Transport, Way, Ways};
use chatcore::protocol::frame::ClientFrame;
use chatcore::protocol::{CloseCode, Wire};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use quinn::{Connection, ConnectionError, RecvStream, SendDatagramError, SendStream, VarInt};
use quinn::{StoppedError, WriteError};
use tokio::time::Sleep;

use super::config::Counters;
use super::proof::Proof;
use super::reader::Reader;
use super::reserve::Reserve;

/// What goes before what. Ways with what happens now go before ways with what was long ago.
const CONTROL: i32 = 2;
const LIVE: i32 = 1;
const BACKFILL: i32 = 0;

/// Pieces that one write takes.
const CHUNKS: usize = 16;
/// Bytes before the payload of a frame; a datagram goes without.
const HEADER: usize = 4;
/// Datagrams that are looked at before others have a turn.
const DATAGRAMS: usize = 32;
/// How long the peer has to take what is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// One peer.
pub(super) struct Link {
    connection: Connection,
    control: SendStream,
    requests: Reader,
    /// The handshake is not done.
    proof: Option<Proof>,
    /// The client has said something: what it says in datagrams before that is not for us.
    heard: bool,
    rooms: HashMap<Way, Room>,
    /// A stream for the next room that has something to say.
    opening: Option<BoxFuture<'static, Result<SendStream, ConnectionError>>>,
    /// The way that was written to last, so that all have their turn.
    turn: Option<Way>,
    datagram: BoxFuture<'static, Result<Bytes, ConnectionError>>,
    most: usize,
    reserve: Reserve,
    counters: Arc<Counters>,
    farewell: Option<Farewell>,
}

/// The stream of one room.
struct Room {
    stream: SendStream,
    live: bool,
}

/// The end, from our side.
struct Farewell {
    deadline: Pin<Box<Sleep>>,
    /// What the peer has to take before we go.
    untaken: FuturesUnordered<BoxFuture<'static, Result<Option<VarInt>, StoppedError>>>,
    said: bool,
}

impl Link {
    /// A connection whose control stream stands, and whose handshake is done unless there is a `proof` to
    /// come. `most` is the longest frame that is taken, in bytes; the `reserve` is what files leave free.
    pub(super) fn new(
        connection: Connection,
        (control, requests): (SendStream, RecvStream),
        proof: Option<Proof>,
        (most, reserve): (usize, Reserve),
        counters: Arc<Counters>,
    ) -> Self {
        // Fails only if it is closed, which the first write finds.
        let _ = control.set_priority(CONTROL);
        Self {
            requests: Reader::new(requests, most),
            datagram: next_datagram(connection.clone()),
            connection,
            control,
            proof,
            heard: false,
            rooms: HashMap::new(),
            opening: None,
            turn: None,
            most,
            reserve,
            counters,
            farewell: None,
        }
    }

    /// The next datagram that is a signal. Any other is dropped.
    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        for _ in 0..DATAGRAMS {
            let Ok(bytes) = ready!(self.datagram.as_mut().poll(cx)) else {
                return Poll::Ready(None);
            };
            self.datagram = next_datagram(self.connection.clone());
            let frame = Wire::Quic.encoding().decode(&bytes, self.most);
            if self.heard && matches!(frame, Ok(ClientFrame::Signal(_))) {
                return Poll::Ready(Some(bytes));
            }
            Counters::count(&self.counters.datagrams_dropped);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what may be lost. What does not fit goes where nothing is lost.
    fn send_signals(&self, outbox: &mut Outbox) -> io::Result<()> {
        while let Some(frame) = outbox.next_signal() {
            match self.connection.send_datagram(frame.slice(HEADER..)) {
                Ok(()) => {}
                Err(SendDatagramError::ConnectionLost(error)) => return Err(error.into()),
                Err(_) => outbox.push(frame),
            }
        }
        Ok(())
    }

    /// Writes what the streams take, each as much as it does.
    fn write_streams(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        let control = self.write_control(cx, outbox)?;
        let all = match outbox.ways_mut() {
            Some(ways) => self.write_ways(cx, ways)?,
            None => true,
        };
        if all { control.map(Ok) } else { Poll::Pending }
    }

    fn write_control(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        while !outbox.is_empty() {
            let mut chunks: [Bytes; CHUNKS] = Default::default();
            let count = outbox.chunks(&mut chunks);
            let written = ready!(write(&mut self.control, cx, &mut chunks[..count]))?;
            outbox.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes on every way what it takes. Returns whether that was all.
    fn write_ways(&mut self, cx: &mut Context<'_>, ways: &mut Ways) -> io::Result<bool> {
        let first = self.turn;
        let (mut at, mut around, mut all) = (first, first.is_none(), true);
        loop {
            match ways.next_busy(at) {
                // Once around.
                Some(way) if around && first.is_some_and(|first| way > first) => break,
                None if around => break,
                None => (at, around) = (None, true),
                Some(way) => {
                    at = Some(way);
                    let before = ways.pieces(way).map_or(0, Pieces::len);
                    all &= self.write_way(cx, ways, way)?;
                    if ways.pieces(way).map_or(0, Pieces::len) < before {
                        self.turn = at;
                    }
                }
            }
        }
        Ok(all)
    }

    /// Writes on one way what it takes, and ends it if it is to. Returns whether that was all.
    fn write_way(&mut self, cx: &mut Context<'_>, ways: &mut Ways, way: Way) -> io::Result<bool> {
        if ways.ending(way) == Some(Ending::CutOff) {
            if let Some(mut room) = self.rooms.remove(&way) {
                // Fails only if it has ended already.
                let _ = room.stream.reset(VarInt::from_u32(0));
            }
            ways.ended(way);
            return Ok(true);
        }
        let Some(room) = self.room(cx, way)? else { return Ok(false) };
        let live = ways.is_live(way);
        if std::mem::replace(&mut room.live, live) != live {
            let _ = room.stream.set_priority(if live { LIVE } else { BACKFILL });
        }
        loop {
            let mut chunks: [Bytes; CHUNKS] = Default::default();
            let count = ways.pieces(way).map_or(0, |pieces| pieces.chunks(&mut chunks));
            if count == 0 {
                break;
            }
            match write(&mut room.stream, cx, &mut chunks[..count]) {
                Poll::Ready(Ok(written)) => ways.advance(way, written),
                Poll::Ready(Err(WriteError::Stopped(_) | WriteError::ClosedStream)) => {
                    self.rooms.remove(&way);
                    ways.refused(way);
                    return Ok(true);
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => return Ok(false),
            }
        }
        if ways.ending(way).is_some() {
            if let Some(mut room) = self.rooms.remove(&way) {
                let _ = room.stream.finish();
                if let Some(farewell) = &self.farewell {
                    farewell.untaken.push(Box::pin(room.stream.stopped()));
                }
            }
            ways.ended(way);
        }
        Ok(true)
    }

    /// The stream of a way; none while the peer allows no further one.
    fn room(&mut self, cx: &mut Context<'_>, way: Way) -> io::Result<Option<&mut Room>> {
        if !self.rooms.contains_key(&way) {
            let opening = self.opening.get_or_insert_with(|| {
                let connection = self.connection.clone();
                Box::pin(async move { connection.open_uni().await })
            });
            let Poll::Ready(opened) = opening.as_mut().poll(cx) else { return Ok(None) };
            self.opening = None;
            self.rooms.insert(way, Room { stream: opened?, live: BACKFILL > 0 });
        }
        Ok(self.rooms.get_mut(&way))
    }

    /// Waits until the peer has taken all that was written.
    fn poll_farewell(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        ready!(self.poll_write(cx, outbox))?;
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        if !std::mem::replace(&mut farewell.said, true) {
            // Fails only if the peer did not want it.
            let _ = self.control.finish();
            farewell.untaken.push(Box::pin(self.control.stopped()));
        }
        while ready!(farewell.untaken.poll_next_unpin(cx)).is_some() {}
        Poll::Ready(Ok(()))
    }
}

impl Transport for Link {
    fn wire(&self) -> Wire {
        Wire::Quic
    }

    fn has_ways(&self) -> bool {
        true
    }

    fn is_early(&self) -> bool {
        self.proof.is_some()
    }

    fn poll_proven(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(proof) = &mut self.proof {
            ready!(proof.poll(cx));
            self.proof = None;
            Counters::count(&self.counters.accepted);
        }
        Poll::Ready(())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if let Poll::Ready(incoming) = self.requests.poll_next(cx) {
            self.heard = true;
            return Poll::Ready(incoming);
        }
        self.poll_signal(cx).map(|signal| signal.map(Incoming::Message))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        self.send_signals(outbox)?;
        if let Poll::Ready(written) = self.write_streams(cx, outbox) {
            return Poll::Ready(written);
        }
        let reserve = self.reserve.clone();
        match reserve.take() {
            Some(_whole) => self.write_streams(cx, outbox),
            None => Poll::Pending,
        }
    }

    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        code: CloseCode,
        reason: &'static str,
    ) -> Poll<()> {
        // To one who may see nothing more, or does not look, nothing is said but why.
        if !matches!(code, CloseCode::Revoked | CloseCode::SlowConsumer) {
            let farewell = self.farewell.get_or_insert_with(|| Farewell {
                deadline: Box::pin(tokio::time::sleep(FAREWELL)),
                untaken: FuturesUnordered::new(),
                said: false,
            });
            let late = farewell.deadline.as_mut().poll(cx).is_ready();
            if !late && self.poll_farewell(cx, outbox).is_pending() {
                return Poll::Pending;
            }
        }
        self.connection.close(u32::from(code.number()).into(), reason.as_bytes());
        Poll::Ready(())
    }
}

/// Writes what the stream takes now, without copying it. Quinn keeps the waker after the future is
/// gone, as its own `poll_write` relies on.
pub(super) fn write(
    stream: &mut SendStream,
    cx: &mut Context<'_>,
    chunks: &mut [Bytes],
) -> Poll<Result<usize, WriteError>> {
    pin!(stream.write_chunks(chunks)).poll(cx).map_ok(|written| written.bytes)
}

fn next_datagram(connection: Connection) -> BoxFuture<'static, Result<Bytes, ConnectionError>> {
    Box::pin(async move { connection.read_datagram().await })
}
