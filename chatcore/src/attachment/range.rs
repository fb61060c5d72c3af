//! Parts of files, as HTTP asks for them (RFC 9110, section 14).

use std::ops::Range;

/// What a `Range` header asks for, held against a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: there is no header, or none that must be heeded (RFC 9110 lets a server ignore
    /// units that it does not know, lists of ranges, and what is malformed).
    Whole,
    /// These bytes of it: at least one.
    Bytes(Range<u64>),
    /// Nothing that the file has: answer 416 with `Content-Range: bytes */size`.
    Unsatisfiable,
}

impl Part {
    /// Holds the value of a `Range` header against a file of `size` bytes.
    pub fn requested(header: Option<&str>, size: u64) -> Self {
        let Some((first, last)) = header.and_then(single) else { return Self::Whole };
        match (first, last) {
            (Some(first), Some(last)) if last < first => Self::Whole,
            (Some(first), _) if first >= size => Self::Unsatisfiable,
            (Some(first), Some(last)) => Self::Bytes(first..last.saturating_add(1).min(size)),
            (Some(first), None) => Self::Bytes(first..size),
            (None, Some(0)) => Self::Unsatisfiable,
            (None, Some(_)) if size == 0 => Self::Unsatisfiable,
            (None, Some(length)) => Self::Bytes(size.saturating_sub(length)..size),
            (None, None) => Self::Whole,
        }
    }
}

/// The two numbers of `bytes=first-last`.
fn single(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    Some((number(first)?, number(last)?))
}

/// A number, or nothing for no digits; a number too large for any file is the largest.
fn number(digits: &str) -> Option<Option<u64>> {
    let digits = digits.trim();
    if digits.is_empty() {
        return Some(None);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Some(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(header: &str, size: u64) -> Part {
        Part::requested(Some(header), size)
    }

    #[test]
    fn the_forms_of_the_standard() {
        assert_eq!(part("bytes=0-499", 10_000), Part::Bytes(0..500));
        assert_eq!(part("bytes=9500-", 10_000), Part::Bytes(9500..10_000));
        assert_eq!(part("bytes=-500", 10_000), Part::Bytes(9500..10_000));
        assert_eq!(part("bytes=0-0", 10_000), Part::Bytes(0..1));
        assert_eq!(part("bytes=9999-99999", 10_000), Part::Bytes(9999..10_000));
        assert_eq!(part("bytes=-20000", 10_000), Part::Bytes(0..10_000));
    }

    #[test]
    fn what_lies_past_the_end_cannot_be_had() {
        assert_eq!(part("bytes=10000-", 10_000), Part::Unsatisfiable);
        assert_eq!(part("bytes=-0", 10_000), Part::Unsatisfiable);
        assert_eq!(part("bytes=0-", 0), Part::Unsatisfiable);
        assert_eq!(part("bytes=-1", 0), Part::Unsatisfiable);
        assert_eq!(part("bytes=99999999999999999999999-", 5), Part::Unsatisfiable);
    }

    #[test]
    fn what_cannot_be_read_asks_for_the_whole() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1-2-3",
        ] {
            assert_eq!(part(header, 10), Part::Whole, "{header}");
        }
        assert_eq!(Part::requested(None, 10), Part::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file_and_is_not_empty(header in "bytes ?= ?[0-9]{0,21}-[0-9]{0,21}",
            size in prop_oneof![0..20_u64, any::<u64>()]) {
            if let Part::Bytes(range) = part(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn no_header_is_too_strange(header in "\\PC{0,40}", size in any::<u64>()) {
            part(&header, size);
        }
    }
}
