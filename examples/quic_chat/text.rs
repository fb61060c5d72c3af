//! Text for a terminal: what may be shown of what others wrote, how wide it is, where it breaks.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Whether a character would do something to a terminal, or to the order of what stands beside it,
/// instead of being seen: control characters (an escape sequence begins with one) and those that turn
/// the direction of writing.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}

/// What somebody wrote, as it may be shown: line breaks stay, and what would act is spelled out.
pub(crate) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => shown.push('\n'),
            '\t' => shown.push_str("    "),
            c if acts(c) => spell(c, &mut shown),
            c => shown.push(c),
        }
    }
    shown
}

/// The same on one line, for names.
pub(crate) fn label(text: &str) -> String {
    clean(text).replace('\n', " ")
}

fn spell(c: char, shown: &mut String) {
    match c {
        // The pictures of U+2400 stand for the controls of ASCII.
        '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('?')),
        '\u{7f}' => shown.push('\u{2421}'),
        _ => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
    }
}

/// How many columns it takes.
pub(crate) fn width(text: &str) -> usize {
    text.graphemes(true).map(cell).sum()
}

/// How many columns one grapheme takes. Where fonts and tables disagree, terminals go by the sum of
/// its characters or by its first; this is ratatui's measure, which lays the cells out.
fn cell(grapheme: &str) -> usize {
    grapheme.width()
}

/// At most so many columns of it, with an ellipsis where something was left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut taken = 0;
    for grapheme in text.graphemes(true) {
        taken += cell(grapheme);
        if taken + 1 > columns {
            break;
        }
        kept.push_str(grapheme);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Breaks text that is [`clean`] into lines of at most `columns`: between words where it can, within
/// one that is longer than a line where it must. Never within a grapheme.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut taken = 0;
        for word in paragraph.split_inclusive(' ') {
            let bare = width(word.trim_end_matches(' '));
            if taken > 0 && taken + bare > columns {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            for grapheme in word.graphemes(true) {
                let cell = cell(grapheme);
                if taken + cell > columns {
                    if grapheme == " " {
                        continue;
                    }
                    lines.push(std::mem::take(&mut line));
                    taken = 0;
                }
                line.push_str(grapheme);
                taken += cell;
            }
        }
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end_matches(' ').len());
    }
    lines
}

/// Where the lines of a text that is being written begin and end: broken at `columns`, with no regard
/// for words, so that nothing moves while one types.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(2);
    let mut rows = Vec::new();
    let (mut from, mut taken) = (0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        if grapheme == "\n" {
            rows.push(from..at);
            (from, taken) = (at + 1, 0);
            continue;
        }
        let cell = cell(grapheme);
        if taken + cell > columns {
            rows.push(from..at);
            (from, taken) = (at, 0);
        }
        taken += cell;
    }
    rows.push(from..text.len());
    rows
}

/// What a person may put into a message with the keyboard or the clipboard: what would act in other
/// terminals is left out.
pub(crate) fn typed(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
    let marks = |c: &char| *c == '\n' || !acts(*c);
    text.chars().filter(marks).filter(|c| *c == '\n' || c.width().is_some()).collect()
}

/// A count of bytes, for people.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut tenths = count / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    let name = UNITS[unit];
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}
