//! JSON: the scan before decoding.

use super::tree::Tree;
use super::{MAX_DEPTH, MAX_VALUES, Malformed};
use crate::protocol::codec::fields::FieldError;

/// Reads one JSON text. Bounded nesting is what makes the recursive parser safe to call.
pub(super) fn tree(bytes: &[u8]) -> Result<Tree, Malformed> {
    let text = str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)?;
    let scan = scan(bytes)?;
    if scan.lone.is_empty() {
        return build(text);
    }
    // JSON's grammar allows half of a surrogate pair, which no text can hold. The frame is refused,
    // not the connection, so the rest of it is read for its `id`: with the halves replaced by an
    // escape of the same length.
    let mut mended = text.to_owned();
    for at in scan.lone {
        mended.replace_range(at..at + ESCAPE, "\\ufffd");
    }
    let mut tree = build(&mended)?;
    let problem = FieldError::new("must be Unicode text, without lone surrogates");
    let key =
        scan.key.and_then(|(from, to)| serde_json::from_str::<String>(&mended[from..to]).ok());
    tree.flaw = Some(match key {
        Some(key) => problem.at(&key),
        None => problem,
    });
    Ok(tree)
}

fn build(text: &str) -> Result<Tree, Malformed> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree = Tree::build(&mut deserializer).map_err(|_| Malformed::Syntax)?;
    deserializer.end().map_err(|_| Malformed::Trailing)?;
    Ok(tree)
}

/// The length of `\uXXXX`.
const ESCAPE: usize = 6;

#[derive(Debug, Default)]
struct Scan {
    /// Where the escapes of lone surrogates stand.
    lone: Vec<usize>,
    /// The key of the outermost map, quotes included, whose value holds the first of them.
    key: Option<(usize, usize)>,
}

/// Bounds nesting and number of values, and finds lone surrogates. Grammar is the parser's matter;
/// all that this needs of it is where strings begin and end.
fn scan(bytes: &[u8]) -> Result<Scan, Malformed> {
    let mut found = Scan::default();
    let (mut depth, mut values) = (0, 1_usize);
    let mut key = None;
    let mut key_next = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let before = found.lone.len();
                let end = string(bytes, at, &mut found.lone)?;
                if depth == 1 && key_next {
                    key = Some((at, end));
                    key_next = false;
                }
                if before == 0 && !found.lone.is_empty() {
                    found.key = key;
                }
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                key_next = depth == 1 && byte == b'{';
                if depth > MAX_DEPTH {
                    return Err(Malformed::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => values += 1,
            b',' => {
                values += 1;
                key_next = depth == 1;
            }
            _ => {}
        }
        if values > MAX_VALUES {
            return Err(Malformed::TooMany);
        }
        at += 1;
    }
    Ok(found)
}

/// The end of the string that begins at `start`, closing quote included.
fn string(bytes: &[u8], start: usize, lone: &mut Vec<usize>) -> Result<usize, Malformed> {
    let mut at = start + 1;
    loop {
        match bytes.get(at).ok_or(Malformed::Syntax)? {
            b'"' => return Ok(at + 1),
            b'\\' => match code_unit(bytes, at) {
                Some(0xD800..=0xDBFF)
                    if matches!(code_unit(bytes, at + ESCAPE), Some(0xDC00..=0xDFFF)) =>
                {
                    at += 2 * ESCAPE;
                }
                Some(0xD800..=0xDFFF) => {
                    lone.push(at);
                    at += ESCAPE;
                }
                Some(_) => at += ESCAPE,
                None => at += 2,
            },
            _ => at += 1,
        }
    }
}

/// The UTF-16 code unit that the escape at `at` stands for, if it is `\uXXXX`.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
    })
}
