//! Text as the units that a search compares.
//!
//! A unit is a word, or one character of a script that is written without spaces between words
//! (Chinese, Japanese, Korean, Thai and their neighbours). Case, width and the accents of Latin, Greek
//! and Cyrillic letters make no difference.

use std::collections::BTreeSet;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A word is compared by this many characters at most.
const WORD_CHARS: usize = 64;

/// One unit of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// What is compared.
    pub(super) folded: String,
    /// Where it stands in the text, in bytes.
    pub(super) at: Range<usize>,
    /// Whether it is one character of a script without spaces.
    pub(super) single: bool,
}

/// The units of a text, in order.
pub(super) fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    // Whether the last unit may still grow.
    let mut open = false;
    for (start, c) in text.char_indices() {
        let at = start..start + c.len_utf8();
        let last = units.last_mut().filter(|unit| open && unit.at.end == start);
        match (last, kind(c)) {
            (Some(unit), Kind::Mark) => {
                fold(c, &mut unit.folded);
                unit.at.end = at.end;
            }
            (Some(unit), Kind::Letter) if !unit.single => {
                fold(c, &mut unit.folded);
                unit.at.end = at.end;
            }
            (_, kind @ (Kind::Letter | Kind::Single)) => {
                let mut folded = String::new();
                fold(c, &mut folded);
                units.push(Unit { folded, at, single: kind == Kind::Single });
                open = true;
            }
            (_, Kind::Mark | Kind::Between) => open = false,
        }
    }
    for unit in &mut units {
        if !unit.folded.is_ascii() {
            unit.folded = unit.folded.nfc().collect();
        }
        if let Some((end, _)) = unit.folded.char_indices().nth(WORD_CHARS) {
            unit.folded.truncate(end);
        }
    }
    // A letter may fold to nothing that is compared.
    units.retain(|unit| !unit.folded.is_empty());
    units
}

/// The terms under which an index files a text, each once: words, single characters, and pairs of
/// characters that touch, so that what is written without spaces is found by any two of them.
pub(super) fn terms(text: &str) -> BTreeSet<String> {
    let units = units(text);
    let mut terms = BTreeSet::new();
    for pair in units.windows(2) {
        if let Some(pair) = touching(&pair[0], &pair[1]) {
            terms.insert(pair);
        }
    }
    terms.extend(units.into_iter().map(|unit| unit.folded));
    terms
}

/// The term of two single characters that stand side by side.
pub(super) fn touching(left: &Unit, right: &Unit) -> Option<String> {
    let both = left.single && right.single && left.at.end == right.at.start;
    both.then(|| format!("{}{}", left.folded, right.folded))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Single,
    Mark,
    Between,
}

fn kind(c: char) -> Kind {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Kind::Letter } else { Kind::Between };
    }
    if is_unspaced(c) {
        Kind::Single
    } else if is_combining_mark(c) {
        Kind::Mark
    } else if c.is_alphanumeric() {
        Kind::Letter
    } else {
        Kind::Between
    }
}

/// Letters of the scripts that put no spaces between words, and Hangul, whose words carry their
/// endings.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e01}'..='\u{0e3a}' | '\u{0e40}'..='\u{0e4e}'       // Thai
        | '\u{0e81}'..='\u{0ece}'                               // Lao
        | '\u{1000}'..='\u{1049}'                               // Burmese
        | '\u{1780}'..='\u{17d3}'                               // Khmer
        | '\u{3005}'..='\u{3007}'                               // 々 〆 〇
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}' // Kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}'                             // Han
        | '\u{ac00}'..='\u{d7a3}'                               // Hangul
        | '\u{ff66}'..='\u{ff9d}') // Half-width Kana
}

/// Adds what of `c` is compared.
fn fold(c: char, to: &mut String) {
    if c.is_ascii() {
        return to.push(c.to_ascii_lowercase());
    }
    for c in std::iter::once(c).nfkd() {
        // Accents; the marks of other scripts make other words.
        if !matches!(c, '\u{0300}'..='\u{036f}') {
            to.extend(c.to_lowercase().filter(|c| c.is_alphanumeric() || is_combining_mark(*c)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        units(text).into_iter().map(|unit| unit.folded).collect()
    }

    #[test]
    fn case_accents_and_width_make_no_difference() {
        assert_eq!(folded("Crème BRÛLÉE, ｆｕｌｌ!"), ["creme", "brulee", "full"]);
        assert_eq!(folded("Cre\u{300}me"), ["creme"], "an accent of its own");
        assert_eq!(folded("İstanbul ΣΊΣΥΦΟΣ"), ["istanbul", "σισυφοσ"]);
        assert_eq!(folded("don't stop_here v1.2"), ["don", "t", "stop", "here", "v1", "2"]);
    }

    #[test]
    fn what_is_written_without_spaces_is_taken_apart() {
        assert_eq!(folded("你好，世界"), ["你", "好", "世", "界"]);
        assert_eq!(folded("iPhone手机"), ["iphone", "手", "机"]);
        assert_eq!(folded("か\u{3099}"), folded("が"), "a composed letter and its parts");
        let expected = ["世", "世界", "你", "你好", "好", "界"];
        assert_eq!(terms("你好，世界").into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn units_say_where_they_stand() {
        let text = "Ein Käse, 芝士";
        let shown: Vec<&str> = units(text).into_iter().map(|unit| &text[unit.at]).collect();
        assert_eq!(shown, ["Ein", "Käse", "芝", "士"]);
    }

    #[test]
    fn long_words_are_compared_by_their_beginning() {
        assert_eq!(folded(&"é".repeat(500)), ["e".repeat(WORD_CHARS)]);
        assert!(folded("\u{301}\u{301} … 🎉 _").is_empty());
    }
}
