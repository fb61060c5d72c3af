//! The text of a message: numbers that every receiver checks.

use std::fmt::Write as _;

const MARK: &[u8] = b"load";
const WIDTHS: [usize; 5] = [8, 6, 4, 8, 16];

/// What a text says of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which run of the generator sent it.
    pub(crate) run: u32,
    /// In which of its rooms.
    pub(crate) room: u32,
    /// Which of the room's senders.
    pub(crate) sender: u32,
    /// The how manieth of that sender, from 0.
    pub(crate) number: u32,
    /// When it was due, in microseconds since the run began.
    pub(crate) due: u64,
}

impl Stamp {
    /// The shortest text.
    pub(crate) const LENGTH: usize = 4 + 8 + 6 + 4 + 8 + 16;

    /// Appends a text of `payload` bytes.
    pub(crate) fn write(&self, payload: usize, out: &mut String) {
        let Self { run, room, sender, number, due } = self;
        let end = out.len() + payload;
        // Writing to a string does not fail.
        let _ = write!(out, "load{run:08x}{room:06x}{sender:04x}{number:08x}{due:016x}");
        out.extend(std::iter::repeat_n('.', end.saturating_sub(out.len())));
    }

    /// Reads a text, which must be whole.
    pub(crate) fn read(text: &[u8], payload: usize) -> Option<Self> {
        let mut rest = text.strip_prefix(MARK)?;
        if text.len() != payload {
            return None;
        }
        let mut fields = [0; WIDTHS.len()];
        for (field, width) in fields.iter_mut().zip(WIDTHS) {
            let (digits, after) = rest.split_at_checked(width)?;
            *field = hex(digits)?;
            rest = after;
        }
        let [run, room, sender, number, due] = fields;
        let small = |field: u64| u32::try_from(field).ok();
        let (run, room) = (small(run)?, small(room)?);
        let padded = rest.last().is_none_or(|byte| *byte == b'.');
        padded.then_some(Self { run, room, sender: small(sender)?, number: small(number)?, due })
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp { run: 0xdead_beef, room: 7, sender: 3, number: 1_000_000, due: 1 << 40 };
        for payload in [Stamp::LENGTH, 128, 4_096] {
            let mut text = String::new();
            stamp.write(payload, &mut text);
            assert_eq!(text.len(), payload);
            assert_eq!(Stamp::read(text.as_bytes(), payload), Some(stamp));
        }
    }

    #[test]
    fn a_damaged_text_is_not_read() {
        let mut text = String::new();
        Stamp { run: 1, room: 2, sender: 3, number: 4, due: 5 }.write(128, &mut text);
        assert_eq!(Stamp::read(&text.as_bytes()[..127], 128), None, "cut");
        assert_eq!(Stamp::read(&text.as_bytes()[1..], 127), None, "without its beginning");
        assert_eq!(Stamp::read(text.replace('4', "x").as_bytes(), 128), None, "overwritten");
        assert_eq!(Stamp::read(b"hello", 5), None, "somebody else's");
    }
}
