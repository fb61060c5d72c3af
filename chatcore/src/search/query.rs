//! What is searched for.

use super::units::{Unit, terms, touching, units};
use crate::error::Invalid;

/// The longest query, in characters.
pub const QUERY_CHARS: usize = 256;

/// Words and phrases of one query.
pub const QUERY_PARTS: usize = 16;

/// The shortest beginning of a word, in characters.
const PREFIX_CHARS: usize = 2;

/// Words that a message has to hold, all of them.
///
/// | text | finds |
/// |---|---|
/// | `blue cheese` | both words, in any order and place |
/// | `"blue cheese"` | one right after the other |
/// | `chee*` | words that begin so (2 characters or more) |
/// | `奶酪` | these characters, one right after the other |
///
/// Case, width and accents make no difference; neither does anything between words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parts: Vec<Part>,
}

/// Units that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    units: Vec<Wanted>,
    /// The last one is the beginning of a word.
    prefix: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    folded: String,
    single: bool,
    /// It touches the one before.
    touches: bool,
}

/// A query taken apart: what is in the text of messages, and what is about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) query: Query,
    /// The name after `from:`.
    pub(crate) from: Option<String>,
    /// The rooms after `in:`.
    pub(crate) rooms: Vec<String>,
}

/// A term that an index has to hold of every message that is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// This one.
    Whole(String),
    /// One that begins so.
    Prefix(String),
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// [`Invalid`], if it is longer than [`QUERY_CHARS`], has more than [`QUERY_PARTS`] parts, a
    /// beginning of a word that is too short, or nothing that could be searched for; also for
    /// `from:` and `in:`, which are not about the text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let parsed = Parsed::read(text)?;
        if parsed.from.is_some() || !parsed.rooms.is_empty() {
            return Err(refuse("from: and in: are not understood here"));
        }
        if parsed.query.is_empty() {
            return Err(refuse("a query needs a word, or a character of one"));
        }
        Ok(parsed.query)
    }

    /// Whether there is nothing that a text must hold.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a text is one that is searched for.
    pub fn matches(&self, text: &str) -> bool {
        let units = units(text);
        self.parts.iter().all(|part| part.places(&units).next().is_some())
    }

    /// What an index can narrow the search down by. A text that [matches](Self::matches) has all of
    /// these among its [`terms`](super::index_terms); one that has them need not match.
    pub fn terms(&self) -> Vec<Term> {
        let mut terms: Vec<Term> = self.parts.iter().flat_map(Part::terms).collect();
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// Where in `text` what was searched for stands, in bytes, in order, not overlapping.
    pub(super) fn places(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        let units = units(text);
        let mut places: Vec<_> = self
            .parts
            .iter()
            .flat_map(|part| part.places(&units).map(|at| (at, part.units.len())))
            .map(|(at, length)| units[at].at.start..units[at + length - 1].at.end)
            .collect();
        places.sort_unstable_by_key(|place| (place.start, place.end));
        let mut joined: Vec<std::ops::Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match joined.last_mut().filter(|last| place.start <= last.end) {
                Some(last) => last.end = last.end.max(place.end),
                None => joined.push(place),
            }
        }
        joined
    }
}

impl Parsed {
    /// Takes a query apart; nothing in it is not an error yet.
    pub(crate) fn read(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > QUERY_CHARS {
            return Err(refuse(format!("a query has at most {QUERY_CHARS} characters")));
        }
        let mut parsed = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
                // A phrase that is not closed ends with the query.
                let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                parsed.add(phrase, false)?;
                ("", after)
            } else {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
                rest.split_at(end)
            };
            if let Some(name) = word.strip_prefix("from:").filter(|name| !name.is_empty()) {
                if parsed.from.replace(name.trim_start_matches('@').to_owned()).is_some() {
                    return Err(refuse("from: can be given once"));
                }
            } else if let Some(room) = word.strip_prefix("in:").filter(|room| !room.is_empty()) {
                parsed.rooms.push(room.to_owned());
            } else {
                match word.strip_suffix('*') {
                    Some(beginning) => parsed.add(beginning, true)?,
                    None => parsed.add(word, false)?,
                }
            }
            rest = after.trim_start();
        }
        Ok(parsed)
    }

    fn add(&mut self, text: &str, prefix: bool) -> Result<(), Invalid> {
        let units = units(text);
        let Some(last) = units.last() else { return Ok(()) };
        // Of a script without spaces, every character is a whole one.
        let prefix = prefix && !last.single;
        if prefix && last.folded.chars().count() < PREFIX_CHARS {
            let problem = format!("the beginning of a word has at least {PREFIX_CHARS} characters");
            return Err(refuse(problem));
        }
        if self.query.parts.len() == QUERY_PARTS {
            return Err(refuse(format!("a query has at most {QUERY_PARTS} words and phrases")));
        }
        self.query.parts.push(Part { units: wanted(&units), prefix });
        Ok(())
    }
}

fn refuse(problem: impl Into<String>) -> Invalid {
    Invalid::new("query", problem.into())
}

fn wanted(units: &[Unit]) -> Vec<Wanted> {
    let touches = |at: usize| at > 0 && touching(&units[at - 1], &units[at]).is_some();
    let want = |(at, unit): (usize, &Unit)| Wanted {
        folded: unit.folded.clone(),
        single: unit.single,
        touches: touches(at),
    };
    units.iter().enumerate().map(want).collect()
}

impl Part {
    /// Where among `units` it begins.
    fn places<'a>(&'a self, units: &'a [Unit]) -> impl Iterator<Item = usize> + 'a {
        let last = self.units.len() - 1;
        units.windows(self.units.len()).enumerate().filter_map(move |(at, window)| {
            let fits = self.units.iter().zip(window).enumerate().all(|(index, (want, unit))| {
                let same = match self.prefix && index == last {
                    true => unit.folded.starts_with(&want.folded),
                    false => unit.folded == want.folded,
                };
                let near = !want.touches || touching(&window[index - 1], unit).is_some();
                same && near && unit.single == want.single
            });
            fits.then_some(at)
        })
    }

    fn terms(&self) -> Vec<Term> {
        let last = self.units.len() - 1;
        let mut terms = Vec::with_capacity(self.units.len());
        for (index, unit) in self.units.iter().enumerate() {
            let next = self.units.get(index + 1);
            if self.prefix && index == last {
                terms.push(Term::Prefix(unit.folded.clone()));
            } else if let Some(next) = next.filter(|next| next.touches) {
                terms.push(Term::Whole(format!("{}{}", unit.folded, next.folded)));
            } else if !unit.touches {
                terms.push(Term::Whole(unit.folded.clone()));
            }
        }
        terms
    }
}

/// The terms that [`Query::terms`] asks for, each once, in order: what an index files a text under.
pub fn index_terms(text: &str) -> impl Iterator<Item = String> + use<> {
    terms(text).into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(query: &str, text: &str) -> bool {
        let query = Query::parse(query).expect("a sound query");
        let held: Vec<String> = index_terms(text).collect();
        let narrowed = query.terms().iter().all(|term| match term {
            Term::Whole(term) => held.contains(term),
            Term::Prefix(term) => held.iter().any(|held| held.starts_with(term)),
        });
        let found = query.matches(text);
        assert!(narrowed || !found, "an index would not have proposed {text:?}");
        found
    }

    #[test]
    fn all_words_are_wanted_in_any_order() {
        assert!(matches("cheese BLUE", "The blue, blue cheese."));
        assert!(!matches("cheese green", "the blue cheese"));
        assert!(!matches("chees", "cheese"));
    }

    #[test]
    fn a_phrase_is_words_in_a_row() {
        assert!(matches("\"blue cheese\"", "old Blue: cheese!"));
        assert!(!matches("\"blue cheese\"", "cheese blue"));
        assert!(matches("foo-bar", "see foo_bar"), "what punctuation divides stays together");
        assert!(!matches("foo-bar", "bar foo"));
        assert!(matches("\"not closed", "it is not closed"));
    }

    #[test]
    fn the_beginning_of_a_word_will_do_where_asked() {
        assert!(matches("chee*", "a cheese"));
        assert!(!matches("chee*", "mache e"));
        assert!(matches("blue-chee*", "blue cheese"));
        let short = Query::parse("c*").expect_err("too short");
        assert!(short.to_string().contains("at least 2"), "{short}");
    }

    #[test]
    fn chinese_is_found_by_any_of_its_characters_in_a_row() {
        let text = "我们明天去北京开会。";
        for query in ["北京", "北", "明天去", "会", "\"北京\"", "去北京开会", "北京*"]
        {
            assert!(matches(query, text), "{query}");
        }
        for query in ["京北", "天会", "开会吧", "会议"] {
            assert!(!matches(query, text), "{query}");
        }
        assert!(!matches("会你", "开会。你好"), "what does not touch is not in a row");
        assert!(matches("Rust编程", "学习 rust编程 很好"));
    }

    #[test]
    fn what_is_about_messages_is_told_from_their_text() {
        let parsed = Parsed::read("from:@ann  in:lobby tea \"at five\" in:r2").expect("sound");
        assert_eq!(parsed.from.as_deref(), Some("ann"));
        assert_eq!(parsed.rooms, ["lobby", "r2"]);
        assert!(parsed.query.matches("Tea at five?") && !parsed.query.matches("five teas"));
        assert!(Parsed::read("from:a from:b").is_err());
        assert!(matches("\"from:ann\"", "it came from: Ann"), "quoted, it is text");
    }

    #[test]
    fn queries_are_bounded() {
        for (query, why) in [
            ("x ".repeat(17), "at most 16"),
            ("x".repeat(257), "at most 256"),
            ("… 🎉".to_owned(), "needs a word"),
            (String::new(), "needs a word"),
        ] {
            let error = Query::parse(&query).expect_err("refused").to_string();
            assert!(error.contains(why), "{query}: {error}");
        }
    }

    proptest! {
        /// Whatever is written, a text is found by any stretch of its own units, and an index would
        /// have proposed it.
        #[test]
        fn a_text_is_found_by_its_own_words(
            text in "[a-cÀé你好か\u{3099}ガ _.,\u{301}ｱ]{1,40}",
            from in 0_usize..40,
            length in 1_usize..6,
        ) {
            let found = units(&text);
            prop_assume!(!found.is_empty());
            let from = from % found.len();
            let to = (from + length).min(found.len());
            let stretch = &text[found[from].at.start..found[to - 1].at.end];
            prop_assert!(matches(&format!("\"{stretch}\""), &text), "{stretch:?} in {text:?}");
        }
    }
}
