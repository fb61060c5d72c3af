//! Finds in a frame what the checks need, without building a tree of the rest.
//!
//! At millions of frames a second a JSON parser would be what is measured. Keys are looked for as
//! text, in whatever order they come; the generator's own texts hold nothing that looks like one.

use memchr::memchr;
use memchr::memmem::Finder;

use crate::link::Frame;

/// Looks for keys in frames.
pub(crate) struct Scan {
    op: Finder<'static>,
    room: Finder<'static>,
    seq: Finder<'static>,
    text: Finder<'static>,
    id: Finder<'static>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            op: Finder::new("\"op\":\""),
            room: Finder::new("\"room\":\""),
            seq: Finder::new("\"seq\":"),
            text: Finder::new("\"text\":\""),
            id: Finder::new("\"id\":"),
        }
    }
}

impl Scan {
    /// A frame of JSON.
    pub(crate) fn frame<'a>(&self, whole: &'a [u8]) -> Frame<'a> {
        let other = Frame::Other { whole };
        let Some((op, at)) = string(&self.op, whole, 0) else { return other };
        match op {
            b"event" => {
                let Some((room, at)) = string(&self.room, whole, at) else { return other };
                let Some((seq, at)) = number(&self.seq, whole, at) else { return other };
                let Some((text, _)) = string(&self.text, whole, at) else { return other };
                Frame::Message { room, seq, text }
            }
            b"result" => match number(&self.id, whole, at) {
                Some((id, at)) => {
                    Frame::Done { id, seq: number(&self.seq, whole, at).map(|(seq, _)| seq), whole }
                }
                None => other,
            },
            b"error" => Frame::Refused { id: number(&self.id, whole, at).map(|(id, _)| id), whole },
            b"gap" => Frame::Gap { whole },
            _ => other,
        }
    }
}

/// Where the value of a key begins: after `from`, where keys come in the usual order, or anywhere.
fn value(key: &Finder<'_>, whole: &[u8], from: usize) -> Option<usize> {
    let near = key.find(&whole[from..]).map(|at| from + at);
    near.or_else(|| key.find(whole)).map(|at| at + key.needle().len())
}

/// A text without escapes, and where it ends.
fn string<'a>(key: &Finder<'_>, whole: &'a [u8], from: usize) -> Option<(&'a [u8], usize)> {
    let start = value(key, whole, from)?;
    let end = start + memchr(b'"', &whole[start..])?;
    Some((&whole[start..end], end))
}

/// A whole number, and where it ends.
fn number(key: &Finder<'_>, whole: &[u8], from: usize) -> Option<(u64, usize)> {
    let start = value(key, whole, from)?;
    let digits = whole[start..].iter().take_while(|byte| byte.is_ascii_digit());
    let mut end = start;
    let mut number = 0_u64;
    for digit in digits {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        end += 1;
    }
    (end > start).then_some((number, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_whatever_the_order_of_its_fields() {
        let scan = Scan::default();
        let message = Frame::Message { room: b"r1", seq: 17, text: b"hi" };
        let usual = br#"{"op":"event","room":"r1","epoch":"e","seq":17,"n":3,"kind":"message","text":"hi"}"#;
        assert_eq!(scan.frame(usual), message);
        let other = br#"{"text":"hi","seq":17,"kind":"message","room":"r1","op":"event"}"#;
        assert_eq!(scan.frame(other), message);
    }

    #[test]
    fn answers_are_told_from_refusals() {
        let scan = Scan::default();
        let whole: &[u8] = br#"{"op":"result","id":5,"seq":9,"n":2}"#;
        assert_eq!(scan.frame(whole), Frame::Done { id: 5, seq: Some(9), whole });
        let whole: &[u8] = br#"{"op":"result","id":6}"#;
        assert_eq!(scan.frame(whole), Frame::Done { id: 6, seq: None, whole });
        let whole: &[u8] = br#"{"op":"error","id":5,"code":"rate_limited"}"#;
        assert_eq!(scan.frame(whole), Frame::Refused { id: Some(5), whole });
        let whole: &[u8] = br#"{"op":"gap","room":"r"}"#;
        assert_eq!(scan.frame(whole), Frame::Gap { whole });
        for whole in [&br#"{"op":"event","kind":"enter","room":"r"}"#[..], b"{}", b""] {
            assert_eq!(scan.frame(whole), Frame::Other { whole });
        }
    }
}
