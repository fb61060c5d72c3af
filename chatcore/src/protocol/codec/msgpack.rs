//! MessagePack: the scan before decoding.

use super::tree::Tree;
use super::{MAX_DEPTH, MAX_VALUES, Malformed};

/// Reads one MessagePack value. The scan is what makes the recursive parser safe to call.
pub(super) fn tree(bytes: &[u8]) -> Result<Tree, Malformed> {
    scan(bytes)?;
    Tree::build(&mut rmp_serde::Deserializer::from_read_ref(bytes)).map_err(|_| Malformed::Syntax)
}

/// What one marker announces.
enum Item {
    /// A value whose bytes are these many.
    Leaf(usize),
    /// Text of so many bytes.
    Text(usize),
    /// A list of so many values.
    List(usize),
    /// A map of so many pairs.
    Map(usize),
}

/// A list or map whose end has not been reached.
#[derive(Clone, Copy)]
struct Open {
    /// Values still to come; a pair is two.
    left: usize,
    map: bool,
}

/// Walks over the whole value without building it: every length is there, nesting and number are
/// bounded, text is UTF-8, keys are text, nothing stands after it.
fn scan(bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader { rest: bytes };
    let mut open = [Open { left: 0, map: false }; MAX_DEPTH];
    let mut depth = 0;
    let mut values = 0;
    loop {
        values += 1;
        if values > MAX_VALUES {
            return Err(Malformed::TooMany);
        }
        let key = depth > 0 && open[depth - 1].map && open[depth - 1].left % 2 == 0;
        let item = reader.item()?;
        if key && !matches!(item, Item::Text(_)) {
            return Err(Malformed::Syntax);
        }
        if depth > 0 {
            open[depth - 1].left -= 1;
        }
        let inner = match item {
            Item::Leaf(length) => {
                reader.take(length)?;
                None
            }
            Item::Text(length) => {
                str::from_utf8(reader.take(length)?).map_err(|_| Malformed::NotUtf8)?;
                None
            }
            Item::List(length) => Some(Open { left: length, map: false }),
            Item::Map(pairs) => Some(Open { left: pairs.saturating_mul(2), map: true }),
        };
        if let Some(inner) = inner {
            // Every value takes a byte at least, so a count above what is left is a lie.
            if inner.left > reader.rest.len() {
                return Err(Malformed::Syntax);
            }
            *open.get_mut(depth).ok_or(Malformed::TooDeep)? = inner;
            depth += 1;
        }
        while depth > 0 && open[depth - 1].left == 0 {
            depth -= 1;
        }
        if depth == 0 {
            return if reader.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing) };
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, Malformed> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    }

    /// Reads a marker and its length. Binary and extension types have no place in a frame.
    fn item(&mut self) -> Result<Item, Malformed> {
        let marker = self.take(1)?[0];
        Ok(match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Item::Leaf(0),
            0x80..=0x8f => Item::Map(usize::from(marker & 0x0f)),
            0x90..=0x9f => Item::List(usize::from(marker & 0x0f)),
            0xa0..=0xbf => Item::Text(usize::from(marker & 0x1f)),
            0xcc | 0xd0 => Item::Leaf(1),
            0xcd | 0xd1 => Item::Leaf(2),
            0xca | 0xce | 0xd2 => Item::Leaf(4),
            0xcb | 0xcf | 0xd3 => Item::Leaf(8),
            0xd9 => Item::Text(self.length(1)?),
            0xda => Item::Text(self.length(2)?),
            0xdb => Item::Text(self.length(4)?),
            0xdc => Item::List(self.length(2)?),
            0xdd => Item::List(self.length(4)?),
            0xde => Item::Map(self.length(2)?),
            0xdf => Item::Map(self.length(4)?),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(Malformed::Syntax),
        })
    }
}
