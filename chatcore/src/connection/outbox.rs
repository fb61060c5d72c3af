//! What is to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Framed bytes in the order in which they leave, shared with whoever else is sent the same.
///
/// It is bounded by whoever fills it: see [`Connection`](super::Connection).
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// A part of the first frame has left already.
    mid_frame: bool,
}

/// Frames that an emptied outbox keeps room for.
const SPARE: usize = 8;

impl Outbox {
    /// Adds one whole frame.
    pub fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Whether nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes left to write.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether a frame has been begun and not ended: then nothing may be written in between.
    pub fn mid_frame(&self) -> bool {
        self.mid_frame
    }

    /// Fills `slices` for one vectored write, from the front; returns how many.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = self.frames.iter().zip(slices.iter_mut());
        filled.map(|(frame, slice)| *slice = IoSlice::new(frame)).count()
    }

    /// Takes away `written` bytes from the front.
    ///
    /// # Panics
    /// If more is said to have been written than there was.
    pub fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.checked_sub(written).expect("no more is written than there is");
        while written > 0 {
            let Some(front) = self.frames.front_mut() else { break };
            if written < front.len() {
                front.advance(written);
                self.mid_frame = true;
                return;
            }
            written -= front.len();
            self.frames.pop_front();
            self.mid_frame = false;
        }
        if self.frames.is_empty() && self.frames.capacity() > SPARE {
            // A connection that was busy once does not hold its queue for ever.
            self.frames.shrink_to(SPARE);
        }
    }

    /// Drops every frame that has not been begun.
    pub fn abandon(&mut self) {
        self.frames.truncate(usize::from(self.mid_frame));
        self.bytes = self.frames.iter().map(Bytes::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn a_partial_write_goes_on_where_it_stopped() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"));
        outbox.push(Bytes::from_static(b"defg"));
        outbox.advance(4);
        assert!(outbox.mid_frame());
        assert_eq!((outbox.len(), rest(&outbox)), (3, b"efg".to_vec()));
        outbox.advance(3);
        assert!(outbox.is_empty() && !outbox.mid_frame());
    }

    #[test]
    fn abandoning_ends_the_frame_that_was_begun() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"));
        outbox.push(Bytes::from_static(b"def"));
        outbox.advance(1);
        outbox.abandon();
        assert_eq!((outbox.len(), rest(&outbox)), (2, b"bc".to_vec()));
        outbox.advance(2);
        outbox.push(Bytes::from_static(b"xyz"));
        outbox.abandon();
        assert!(outbox.is_empty());
    }
}
