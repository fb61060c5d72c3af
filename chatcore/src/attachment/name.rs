//! What files are called: for display, and for the disks of those who save them. Never for a path
//! on the server.

use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use super::{Disposition, sniff};

/// The longest display name, in bytes: what common file systems take.
pub const MAX_BYTES: usize = 255;

/// The longest extension that is kept when a name is cut, in bytes, its dot included.
const MAX_EXTENSION: usize = 16;

/// What a file is called whose sender did not say.
const NAMELESS: &str = "file";

/// Names that Windows gives to devices.
const DEVICES: &[&str] = &["aux", "con", "conin$", "conout$", "nul", "prn"];

/// Makes of what a sender called a file a name that is sound to show and to save under.
///
/// The result is the last part of a path; in NFC; 1 to [`MAX_BYTES`] bytes; free of control
/// characters, line separators, invisible and direction-changing characters, and of what no file
/// system takes; no device; and its extension agrees with `content_type`, which is appended where
/// it did not.
pub fn display_name(claimed: &str, content_type: &str) -> String {
    let last = claimed.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        last.chars().filter(|c| !hidden(*c)).map(taken_by_file_systems).nfc().collect();
    let ends = |c: char| c.is_whitespace() || c == '.';
    let mut name = clean.trim_start().trim_end_matches(ends).to_owned();
    if name.is_empty() {
        name = NAMELESS.to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    let name = shorten(&name, MAX_BYTES);
    let agrees = match extension_of(&name) {
        Some(extension) => sniff::agrees(content_type, extension),
        // Text is often called `Makefile` or `README`.
        None => content_type == sniff::TEXT && name != NAMELESS,
    };
    match sniff::extension(content_type) {
        Some(extension) if !agrees => {
            format!("{}.{extension}", shorten(&name, MAX_BYTES - extension.len() - 1))
        }
        _ => name,
    }
}

fn taken_by_file_systems(c: char) -> char {
    if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c }
}

/// Characters that are not seen, or that change how their neighbours are seen.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether Windows takes `name` for a device: `CON`, `con.txt`, `LPT1`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest.chars().next(), Some('0'..='9' | '¹' | '²' | '³'))
                && rest.chars().count() == 1
        })
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// The extension, without its dot; none for a name that only begins with a dot.
fn extension_of(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then_some(extension)
}

/// Cuts `name` to `max` bytes, within its stem if it can.
fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let extension = extension_of(name).map_or(0, |extension| extension.len() + 1);
    let extension = if extension <= MAX_EXTENSION { extension } else { 0 };
    let (stem, extension) = name.split_at(name.len() - extension);
    let end = stem.floor_char_boundary(max - extension.len());
    let stem = stem[..end].trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    format!("{stem}{extension}")
}

/// The value of a `Content-Disposition` header (RFC 6266): the name in ASCII for old clients, and in
/// UTF-8 (RFC 8187) wherever the two differ.
///
/// The result is ASCII without control characters, whatever `name` holds.
pub fn content_disposition(disposition: Disposition, name: &str) -> String {
    let mut value = String::from(match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    });
    // A per cent sign is left out, as some clients decode what follows it (RFC 6266, appendix D).
    let plain = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%');
    value.push_str("; filename=\"");
    value.extend(name.chars().map(|c| if plain(c) { c } else { '_' }));
    value.push('"');
    if !name.chars().all(plain) {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            // `attr-char` of RFC 8187, section 3.2.1.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(claimed: &str) -> String {
        display_name(claimed, sniff::TEXT)
    }

    #[test]
    fn paths_are_cut_to_their_last_part() {
        assert_eq!(text("../../etc/passwd"), "passwd");
        assert_eq!(text("..\\..\\boot.ini"), "boot.ini");
        assert_eq!(text("C:\\Users\\me\\notes.txt"), "notes.txt");
        assert_eq!(text("C:notes.txt"), "C_notes.txt");
        assert_eq!(text("/"), "file.txt");
        assert_eq!(text(".."), "file.txt");
        assert_eq!(text(""), "file.txt");
    }

    #[test]
    fn what_cannot_be_seen_is_removed() {
        assert_eq!(text("a\0b\r\nSet-Cookie: x.txt"), "abSet-Cookie_ x.txt");
        // With the override, it would be read as `photo_doc.txt`.
        assert_eq!(text("photo_\u{202E}txt.cod"), "photo_txt.cod");
        assert_eq!(text("a\u{200B}b\u{2028}c\u{FEFF}.md"), "abc.md");
    }

    #[test]
    fn names_stay_what_people_called_them() {
        for name in
            ["Résumé 2026 (final).txt", "写真.txt", "😀.log", ".bashrc", "Makefile", "a.tar.txt"]
        {
            assert_eq!(text(name), name);
        }
        assert_eq!(display_name("holiday.JPEG", "image/jpeg"), "holiday.JPEG");
    }

    #[test]
    fn the_extension_agrees_with_the_content() {
        assert_eq!(display_name("cat.exe", "image/png"), "cat.exe.png");
        assert_eq!(display_name("cat", "image/png"), "cat.png");
        assert_eq!(text("run.bat"), "run.bat.txt");
        assert_eq!(text("run.HTA"), "run.HTA.txt");
        assert_eq!(text("cat.png"), "cat.png.txt");
        assert_eq!(text("main.rs"), "main.rs");
        assert_eq!(display_name("x.bin", "application/x-host"), "x.bin");
    }

    #[test]
    fn devices_are_no_names() {
        assert_eq!(text("CON"), "_CON");
        assert_eq!(text("nul.txt"), "_nul.txt");
        assert_eq!(text("Lpt1.log"), "_Lpt1.log");
        assert_eq!(text("comic.txt"), "comic.txt");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = display_name(&format!("{}.png", "é".repeat(300)), "image/png");
        assert!(name.len() <= MAX_BYTES && name.ends_with("é.png"));
        let name = display_name(&"x".repeat(400), "image/png");
        assert_eq!(name.len(), MAX_BYTES);
        assert!(name.ends_with(".png"));
    }

    #[test]
    fn headers_carry_both_forms_of_a_name() {
        let header = |name| content_disposition(Disposition::Attachment, name);
        assert_eq!(header("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            header("naïve \"50%\".txt"),
            "attachment; filename=\"na_ve _50__.txt\"; filename*=UTF-8''na%C3%AFve%20%2250%25%22.txt"
        );
        assert!(content_disposition(Disposition::Inline, "x").starts_with("inline;"));
    }

    proptest! {
        #[test]
        fn any_claim_makes_a_sound_name(claimed in any::<String>(), kind in prop::sample::select(
            vec![sniff::TEXT, "image/png", "application/pdf", sniff::UNKNOWN])) {
            let name = display_name(&claimed, kind);
            prop_assert!((1..=MAX_BYTES).contains(&name.len()));
            prop_assert!(!name.contains(['/', '\\', ':', '\0', '\r', '\n', '"']));
            prop_assert!(!name.chars().any(hidden));
            prop_assert!(!name.chars().all(|c| c == '.'));
            prop_assert!(!is_device(&name));
            prop_assert_eq!(display_name(&name, kind), name, "a sound name stays as it is");
        }

        #[test]
        fn any_name_makes_a_sound_header(name in any::<String>()) {
            let value = content_disposition(Disposition::Attachment, &name);
            prop_assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(value.matches('"').count(), 2);
        }
    }
}
