//! What is to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use super::pieces::Pieces;
use super::ways::Ways;
use crate::protocol::Wire;

/// Bytes of signals that wait; above that the oldest are dropped.
const SIGNAL_BYTES: usize = 16 * 1024;

/// What is to be written to one connection.
///
/// Over most transports everything leaves in one order: that of the methods here. A transport that
/// has [ways](super::Transport::has_ways) takes three kinds of bytes from it: what is here (requests'
/// answers and notices), what is on the [`ways`](Self::ways), one for each room, and
/// [signals](Self::next_signal), which may be lost. No kind waits for another.
#[derive(Debug, Default)]
pub struct Outbox {
    main: Pieces,
    /// Where the transport has them.
    ways: Option<Box<Ways>>,
    signals: VecDeque<Bytes>,
    signal_bytes: usize,
}

impl Outbox {
    /// For a transport with a way for each room.
    pub(super) fn with_ways() -> Self {
        Self { ways: Some(Box::default()), ..Self::default() }
    }

    /// Adds one or several whole frames.
    pub fn push(&mut self, piece: Bytes) {
        self.main.push(piece);
    }

    /// Puts pieces before all others, `begun` bytes of the first of which have left.
    pub(super) fn put_first(&mut self, pieces: VecDeque<Bytes>, begun: usize) {
        self.main.put_first(pieces, begun);
    }

    /// Whether nothing is left to write, ways and signals left out.
    pub fn is_empty(&self) -> bool {
        self.main.is_empty()
    }

    /// Bytes left to write, ways and signals left out.
    pub fn len(&self) -> usize {
        self.main.len()
    }

    /// Whether a piece has been begun and not ended: then nothing may be written in between.
    pub fn mid_piece(&self) -> bool {
        self.main.mid_piece()
    }

    /// Fills `slices` for one vectored write, from the front; returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.main.slices(slices)
    }

    /// Fills `chunks` with handles to what is next; returns how many.
    pub fn chunks(&self, chunks: &mut [Bytes]) -> usize {
        self.main.chunks(chunks)
    }

    /// Takes away `written` bytes from the front.
    ///
    /// # Panics
    /// If more is said to have been written than there was.
    pub fn advance(&mut self, written: usize) {
        self.main.advance(written);
    }

    /// Drops every frame that has not been begun, and all that is on the ways.
    pub fn abandon(&mut self, wire: Wire) {
        self.main.abandon(wire);
        self.signals = VecDeque::new();
        self.signal_bytes = 0;
        if let Some(ways) = &mut self.ways {
            **ways = Ways::default();
        }
    }

    /// The ways of rooms, if the transport has them.
    pub fn ways(&self) -> Option<&Ways> {
        self.ways.as_deref()
    }

    /// The ways of rooms, if the transport has them.
    pub fn ways_mut(&mut self) -> Option<&mut Ways> {
        self.ways.as_deref_mut()
    }

    /// Adds a frame that may be lost.
    pub(super) fn push_signal(&mut self, frame: Bytes) {
        self.signal_bytes += frame.len();
        self.signals.push_back(frame);
        while self.signal_bytes > SIGNAL_BYTES && self.next_signal().is_some() {}
    }

    /// Takes the next frame that may be lost.
    pub fn next_signal(&mut self) -> Option<Bytes> {
        let signal = self.signals.pop_front()?;
        self.signal_bytes -= signal.len();
        if self.signals.is_empty() {
            self.signals = VecDeque::new();
        }
        Some(signal)
    }

    /// All bytes that are left, wherever they go; something else than 0, too, while a way is to be
    /// ended.
    pub(super) fn work(&self) -> usize {
        let ways = self.ways.as_ref().map_or(0, |ways| ways.work());
        self.main.len() + self.signal_bytes + ways
    }
}
