//! A field to write in.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::text;

/// Text with a cursor, which stands between two graphemes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Editor {
    text: String,
    at: usize,
}

/// Bytes that a field takes: more than a server takes for a message.
const MOST: usize = 64 * 1024;

impl Editor {
    pub(crate) fn with(text: &str) -> Self {
        let text = text.to_owned();
        Self { at: text.len(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts text in at the cursor. What does not fit in is left out.
    pub(crate) fn insert(&mut self, text: &str) {
        for grapheme in text::typed(text).graphemes(true) {
            if self.text.len() + grapheme.len() > MOST {
                return;
            }
            self.text.insert_str(self.at, grapheme);
            self.at += grapheme.len();
        }
        // It may have become one grapheme with what follows.
        if !self.text.grapheme_indices(true).any(|(at, _)| at == self.at) {
            self.at = self.after().unwrap_or(self.text.len());
        }
    }

    pub(crate) fn left(&mut self) {
        self.at = self.before().unwrap_or(0);
    }

    pub(crate) fn right(&mut self) {
        self.at = self.after().unwrap_or(self.text.len());
    }

    /// To the beginning of the line.
    pub(crate) fn home(&mut self) {
        self.at = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
    }

    /// To the end of the line.
    pub(crate) fn end(&mut self) {
        self.at = self.text[self.at..].find('\n').map_or(self.text.len(), |n| self.at + n);
    }

    pub(crate) fn word_left(&mut self) {
        self.at = self.word_start();
    }

    pub(crate) fn word_right(&mut self) {
        let mut words = self.text.unicode_word_indices().map(|(at, word)| at + word.len());
        self.at = words.find(|end| *end > self.at).unwrap_or(self.text.len());
    }

    pub(crate) fn backspace(&mut self) {
        if let Some(before) = self.before() {
            self.cut(before);
        }
    }

    pub(crate) fn delete(&mut self) {
        if let Some(after) = self.after() {
            self.text.replace_range(self.at..after, "");
        }
    }

    pub(crate) fn delete_word(&mut self) {
        self.cut(self.word_start());
    }

    /// Deletes what stands before the cursor on its line.
    pub(crate) fn delete_to_start(&mut self) {
        let start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        self.cut(start);
    }

    /// The cursor's row and column, where lines break at `columns`.
    pub(crate) fn cursor(&self, columns: usize) -> (usize, usize) {
        let rows = text::rows(&self.text, columns);
        let row = rows.iter().rposition(|row| row.start <= self.at).unwrap_or(0);
        let column = text::width(&self.text[rows[row].start..self.at]);
        // At the end of a full row it stands on the next.
        if column >= columns.max(2) { (row + 1, 0) } else { (row, column) }
    }

    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }

    fn before(&self) -> Option<usize> {
        self.text[..self.at].grapheme_indices(true).next_back().map(|(at, _)| at)
    }

    fn after(&self) -> Option<usize> {
        self.text[self.at..].graphemes(true).next().map(|grapheme| self.at + grapheme.len())
    }

    fn word_start(&self) -> usize {
        self.text[..self.at].unicode_word_indices().next_back().map_or(0, |(at, _)| at)
    }
}
