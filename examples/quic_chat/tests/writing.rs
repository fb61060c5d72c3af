//! Fields, and where lines break.

use crate::editor::Editor;
use crate::text;

#[test]
fn lines_break_between_words_and_never_within_a_grapheme() {
    assert_eq!(text::wrap("one two three", 8), ["one two", "three"]);
    assert_eq!(text::wrap("unbreakable", 4), ["unbr", "eaka", "ble"]);
    assert_eq!(text::wrap("a\n\nb", 4), ["a", "", "b"]);
    assert_eq!(text::wrap("日本語", 5), ["日本", "語"]);
    let families = text::wrap("👩‍👩‍👧👩‍👩‍👧 e\u{301}", 2);
    assert_eq!(families, ["👩‍👩‍👧", "👩‍👩‍👧", "e\u{301}"]);
    for columns in 2..30 {
        for line in text::wrap("日本語 and words 👩‍👩‍👧 of all kinds\nhere", columns)
        {
            assert!(text::width(&line) <= columns, "{line:?} in {columns}");
        }
    }
}

#[test]
fn what_is_too_long_is_cut_with_an_ellipsis() {
    assert_eq!(text::cut("short", 5), "short");
    assert_eq!(text::cut("longer", 5), "long…");
    assert_eq!(text::cut("日本語", 4), "日…");
    assert_eq!(text::cut("x", 0), "");
}

#[test]
fn sizes_are_for_people() {
    let sizes = [(999, "999 B"), (1_000, "1.0 kB"), (12_345, "12 kB"), (5_000_000, "5.0 MB")];
    for (count, shown) in sizes {
        assert_eq!(text::bytes(count), shown);
    }
    assert_eq!(text::bytes(u64::MAX), "18446744 TB");
}

#[test]
fn the_cursor_steps_over_whole_graphemes() {
    let mut field = Editor::with("a👩‍👩‍👧e\u{301}");
    field.left();
    field.left();
    field.insert("b");
    assert_eq!(field.text(), "ab👩‍👩‍👧e\u{301}");
    field.delete();
    assert_eq!(field.text(), "abe\u{301}");
    field.end();
    field.backspace();
    assert_eq!(field.text(), "ab");
}

#[test]
fn words_and_lines_can_be_deleted() {
    let mut field = Editor::with("one two three");
    field.delete_word();
    assert_eq!(field.text(), "one two ");
    field.insert("x\ny z");
    field.delete_to_start();
    assert_eq!(field.text(), "one two x\n");
    field.home();
    assert_eq!(field.cursor(80), (1, 0));
    field.left();
    assert_eq!(field.cursor(80), (0, 9));
    field.word_left();
    field.word_left();
    assert_eq!(field.cursor(80), (0, 4));
    field.word_right();
    assert_eq!(field.cursor(80), (0, 7));
}

#[test]
fn the_cursor_knows_its_row_where_lines_break() {
    let field = Editor::with("abcdefgh");
    assert_eq!(field.cursor(4), (2, 0), "the next letter goes there");
    assert_eq!(text::rows(field.text(), 4), [0..4, 4..8]);
    assert_eq!(Editor::with("日本語").cursor(5), (1, 2));
    assert_eq!(Editor::with("a\n").cursor(5), (1, 0));
}

#[test]
fn a_field_takes_so_much_and_no_more() {
    let mut field = Editor::default();
    field.insert(&"日".repeat(30_000));
    assert!(field.text().len() <= 64 * 1024 && field.text().len() > 64 * 1024 - 3);
}
