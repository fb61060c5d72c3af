//! What is shown of a text that was found.

use std::ops::Range;

use super::Query;

/// About how many characters an excerpt has.
const CHARS: usize = 240;
/// How many of them stand before the first place that was found.
const BEFORE: usize = 60;

/// A piece of a text that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Piece {
    /// The text, as it was written: never markup.
    pub text: String,
    /// Whether it is what was searched for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}

/// A part of a text, with what was searched for set apart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Excerpt {
    /// The part, in pieces that follow one another; about 240 characters together.
    pub pieces: Vec<Piece>,
    /// Something was left out before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_before: bool,
    /// Something was left out after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_after: bool,
}

impl Excerpt {
    /// The part of `text` around the first place that `query` finds; its beginning, if it finds none.
    pub fn of(text: &str, query: &Query) -> Self {
        let places = query.places(text);
        let first = places.first().map_or(0, |place| place.start);
        let before = text[..first].char_indices().rev().nth(BEFORE - 1);
        let start = before.map_or(0, |(at, _)| at);
        let end = text[start..].char_indices().nth(CHARS).map_or(text.len(), |(at, _)| start + at);
        let mut pieces = Vec::new();
        let mut add = |range: Range<usize>, found| {
            let text = text[range].to_owned();
            if !text.is_empty() {
                pieces.push(Piece { text, found });
            }
        };
        let mut at = start;
        for place in places.into_iter().filter(|place| place.start >= start && place.start < end) {
            let to = place.end.min(end);
            add(at..place.start, false);
            add(place.start..to, true);
            at = to;
        }
        add(at..end, false);
        Self { pieces, cut_before: start > 0, cut_after: end < text.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, query: &str) -> (String, bool, bool) {
        let excerpt = Excerpt::of(text, &Query::parse(query).expect("sound"));
        let mark = |piece: &Piece| match piece.found {
            true => format!("[{}]", piece.text),
            false => piece.text.clone(),
        };
        let text = excerpt.pieces.iter().map(mark).collect();
        (text, excerpt.cut_before, excerpt.cut_after)
    }

    #[test]
    fn what_was_found_is_set_apart_and_nothing_is_changed() {
        let (text, ..) = shown("<b>Crème</b> & crème", "creme");
        assert_eq!(text, "<b>[Crème]</b> & [crème]");
        assert_eq!(shown("明天去北京开会", "北京").0, "明天去[北京]开会");
        assert_eq!(shown("a blue cheese", "\"blue cheese\" cheese").0, "a [blue cheese]");
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_place() {
        let text = format!("{} needle {}", "é".repeat(500), "ü".repeat(500));
        let (shown, before, after) = shown(&text, "needle");
        assert!(before && after && shown.contains("[needle]"));
        assert_eq!(shown.chars().count(), CHARS + 2);
        let long = "x".repeat(5_000);
        let excerpt = Excerpt::of(&long, &Query::parse(&"x".repeat(200)).expect("sound"));
        assert_eq!(excerpt.pieces.len(), 1, "a word longer than an excerpt is cut too");
    }
}
