//! Bytes in one order, on their way to a peer.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use bytes::Bytes;

use crate::protocol::Wire;

/// Framed bytes in the order in which they leave, shared with whoever else is sent the same.
///
/// A piece is one frame, or several that follow one another. It is bounded by whoever fills it: see
/// [`Connection`](super::Connection).
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Bytes that are left of all.
    bytes: usize,
    /// Bytes of the first piece that have left.
    begun: usize,
}

impl Pieces {
    /// Adds one or several whole frames.
    pub fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    /// Puts pieces before all others, `begun` bytes of the first of which have left.
    ///
    /// Nothing else may be half written: who has begun those wrote when this was empty or whole.
    pub(super) fn put_first(&mut self, mut pieces: VecDeque<Bytes>, begun: usize) {
        debug_assert_eq!(self.begun, 0, "one piece is begun at a time");
        self.bytes += pieces.iter().map(Bytes::len).sum::<usize>() - begun;
        self.begun = begun;
        pieces.append(&mut self.pieces);
        self.pieces = pieces;
    }

    /// Whether nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes left to write.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether a piece has been begun and not ended: then nothing may be written in between.
    pub fn mid_piece(&self) -> bool {
        self.begun > 0
    }

    /// Fills `slices` for one vectored write, from the front; returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.begun;
        let filled = self.pieces.iter().zip(slices.iter_mut());
        filled.map(|(piece, slice)| *slice = IoSlice::new(&piece[mem::take(&mut skip)..])).count()
    }

    /// Fills `chunks` with handles to what is next, for a transport that keeps what it is given;
    /// returns how many.
    pub fn chunks(&self, chunks: &mut [Bytes]) -> usize {
        let mut skip = self.begun;
        let filled = self.pieces.iter().zip(chunks.iter_mut());
        filled.map(|(piece, chunk)| *chunk = piece.slice(mem::take(&mut skip)..)).count()
    }

    /// Takes away `written` bytes from the front.
    ///
    /// # Panics
    /// If more is said to have been written than there was.
    pub fn advance(&mut self, written: usize) {
        self.bytes = self.bytes.checked_sub(written).expect("no more is written than there is");
        self.begun += written;
        while let Some(first) = self.pieces.front()
            && self.begun >= first.len()
        {
            self.begun -= first.len();
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            // Most connections are idle, and hold nothing then.
            self.pieces = VecDeque::new();
        }
    }

    /// Drops every frame that has not been begun.
    pub fn abandon(&mut self, wire: Wire) {
        let begun = self.pieces.pop_front().filter(|_| self.mid_piece());
        self.pieces.clear();
        self.bytes = 0;
        let Some(piece) = begun else { return };
        let mut end = 0;
        while end < self.begun {
            end += wire.frame_length(&piece[end..]);
        }
        if end == self.begun {
            self.begun = 0;
        } else {
            self.push(piece.slice(..end));
            self.bytes -= self.begun;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(pieces: &Pieces) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = pieces.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    fn frame(length: usize) -> Bytes {
        let mut bytes = vec![b'x'; length + 2];
        bytes[..2].copy_from_slice(&[0x81, u8::try_from(length).expect("short")]);
        bytes.into()
    }

    #[test]
    fn a_partial_write_goes_on_where_it_stopped() {
        let mut pieces = Pieces::default();
        pieces.push(Bytes::from_static(b"abc"));
        pieces.push(Bytes::from_static(b"defg"));
        pieces.advance(4);
        assert!(pieces.mid_piece());
        assert_eq!((pieces.len(), rest(&pieces)), (3, b"efg".to_vec()));
        pieces.advance(3);
        assert!(pieces.is_empty() && !pieces.mid_piece());
    }

    #[test]
    fn what_was_begun_elsewhere_goes_first() {
        let mut pieces = Pieces::default();
        pieces.push(Bytes::from_static(b"xyz"));
        let begun = [Bytes::from_static(b"abc"), Bytes::from_static(b"def")];
        pieces.put_first(begun.into(), 2);
        assert!(pieces.mid_piece());
        assert_eq!((pieces.len(), rest(&pieces)), (7, b"cdefxyz".to_vec()));
    }

    #[test]
    fn abandoning_ends_the_frame_that_was_begun_and_no_other() {
        let piece = Bytes::from([frame(3), frame(4), frame(5)].concat());
        for (left, rest_of_frame) in [(0, 0), (1, 4), (4, 1), (5, 0), (6, 5), (11, 0), (12, 6)] {
            let mut pieces = Pieces::default();
            pieces.push(piece.clone());
            pieces.push(frame(9));
            pieces.advance(left);
            pieces.abandon(Wire::WebSocketJson);
            assert_eq!(
                (pieces.len(), rest(&pieces).len()),
                (rest_of_frame, rest_of_frame),
                "{left}"
            );
            assert_eq!(pieces.is_empty(), rest_of_frame == 0);
            pieces.advance(rest_of_frame);
            pieces.push(frame(1));
            assert_eq!(rest(&pieces), frame(1));
        }
    }
}
