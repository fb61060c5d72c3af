//! Which type a file is of, by its content. What the sender claims only refines the answer within
//! one container format, and never makes a file more than its bytes are.

use super::Disposition;

/// How many of the first bytes are looked at.
pub const HEAD: usize = 64 * 1024;

/// Content of no known type.
pub const UNKNOWN: &str = "application/octet-stream";
/// Valid UTF-8 without control characters, and no markup.
pub const TEXT: &str = "text/plain";

struct Known {
    mime: &'static str,
    /// The first is the usual one.
    extensions: &'static [&'static str],
    disposition: Disposition,
}

const fn shown(mime: &'static str, extensions: &'static [&'static str]) -> Known {
    Known { mime, extensions, disposition: Disposition::Inline }
}

const fn saved(mime: &'static str, extensions: &'static [&'static str]) -> Known {
    Known { mime, extensions, disposition: Disposition::Attachment }
}

/// What is taken by default. Only what no browser runs anything of is shown in place: PDF is not
/// among it, as it may carry scripts.
const KNOWN: &[Known] = &[
    shown("image/png", &["png", "apng"]),
    shown("image/jpeg", &["jpg", "jpeg", "jpe", "jfif"]),
    shown("image/gif", &["gif"]),
    shown("image/webp", &["webp"]),
    shown(TEXT, &["txt"]),
    shown("audio/mpeg", &["mp3"]),
    shown("audio/mp4", &["m4a", "mp4"]),
    shown("audio/ogg", &["ogg", "oga", "opus"]),
    shown("audio/wav", &["wav"]),
    shown("audio/flac", &["flac"]),
    shown("audio/aac", &["aac"]),
    shown("audio/webm", &["webm", "weba"]),
    shown("video/mp4", &["mp4", "m4v"]),
    shown("video/webm", &["webm"]),
    shown("video/quicktime", &["mov", "qt"]),
    saved("video/x-matroska", &["mkv"]),
    saved("application/pdf", &["pdf"]),
    saved("application/rtf", &["rtf"]),
    saved("application/zip", &["zip"]),
    saved("application/gzip", &["gz", "tgz"]),
    saved("application/x-7z-compressed", &["7z"]),
    saved("application/x-tar", &["tar"]),
    saved("application/epub+zip", &["epub"]),
    saved("application/msword", &["doc", "dot"]),
    saved("application/vnd.ms-excel", &["xls"]),
    saved("application/vnd.ms-powerpoint", &["ppt"]),
    saved("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    saved("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    saved("application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
    saved("application/vnd.oasis.opendocument.text", &["odt"]),
    saved("application/vnd.oasis.opendocument.spreadsheet", &["ods"]),
    saved("application/vnd.oasis.opendocument.presentation", &["odp"]),
];

/// Extensions that an operating system or a browser runs, or reads as markup, when such a file is
/// opened. A file of a harmless type must not come to anyone's disk under one of them.
const RUNNABLE: &[&str] = &[
    "app", "bat", "cmd", "com", "cpl", "desktop", "dll", "exe", "hta", "htm", "html", "jar", "js",
    "jse", "lnk", "mht", "mhtml", "mjs", "msc", "msi", "pif", "ps1", "reg", "scf", "scr", "sct",
    "shtml", "svg", "svgz", "swf", "url", "vb", "vbe", "vbs", "wsf", "wsh", "xht", "xhtml", "xml",
    "xsl",
];

/// `(found, claimed)`: claims that name one use of a container whose head looks the same for all.
const REFINED: &[(&str, &str)] = &[
    ("video/webm", "audio/webm"),
    ("video/mp4", "audio/mp4"),
    ("application/zip", "application/epub+zip"),
    ("application/zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("application/zip", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (
        "application/zip",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("application/zip", "application/vnd.oasis.opendocument.text"),
    ("application/zip", "application/vnd.oasis.opendocument.spreadsheet"),
    ("application/zip", "application/vnd.oasis.opendocument.presentation"),
    (OLE, "application/msword"),
    (OLE, "application/vnd.ms-excel"),
    (OLE, "application/vnd.ms-powerpoint"),
];

/// The container of the office files of before 2007; its directory may lie anywhere in the file.
const OLE: &str = "application/x-ole-storage";
const OLE_MAGIC: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// The type of a file that begins with `head`, of which `whole` says if it is all there is.
///
/// `claimed` is what the sender says it is, with or without parameters.
pub fn content_type(head: &[u8], whole: bool, claimed: Option<&str>) -> &'static str {
    let found = sniff(head, whole);
    let claimed = claimed.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    REFINED
        .iter()
        .find(|(of, to)| *of == found && to.eq_ignore_ascii_case(claimed))
        .map_or(found, |(_, to)| to)
}

fn sniff(head: &[u8], whole: bool) -> &'static str {
    if head.starts_with(b"%PDF-") {
        return "application/pdf";
    }
    if head.starts_with(b"{\\rtf") {
        return "application/rtf";
    }
    // Text comes before signatures: "BM", "MZ" and "ID3" may begin a letter as well as a file.
    if let Some(text) = as_text(head, whole) {
        return markup(text).unwrap_or(TEXT);
    }
    if head.starts_with(OLE_MAGIC) {
        return OLE;
    }
    infer::get(head).map_or(UNKNOWN, |found| usual(found.mime_type()))
}

/// One name for each type, where there are several.
fn usual(mime: &'static str) -> &'static str {
    match mime {
        "audio/m4a" => "audio/mp4",
        "audio/opus" => "audio/ogg",
        "audio/x-wav" => "audio/wav",
        "audio/x-flac" => "audio/flac",
        "video/x-m4v" => "video/mp4",
        other => other,
    }
}

/// `head` as text, if it is UTF-8 without the control characters that text never has
/// (WHATWG MIME Sniffing, "binary data byte").
fn as_text(head: &[u8], whole: bool) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The head may end within a character.
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let binary = |b: u8| matches!(b, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F) || b == 0x7F;
    (!text.bytes().any(binary)).then_some(text)
}

/// Elements that documents begin with, or that do harm where they stand alone.
const ELEMENTS: &[&str] = &[
    "a", "applet", "b", "base", "body", "br", "button", "center", "div", "embed", "font", "form",
    "frame", "frameset", "h1", "h2", "h3", "head", "html", "iframe", "img", "input", "link",
    "marquee", "math", "meta", "object", "p", "script", "span", "style", "table", "template",
    "title", "video",
];

/// Which markup a text is, by what it begins with: WHATWG MIME Sniffing, with SVG and more elements.
/// Not every `<word>`: logs of other chats begin so.
fn markup(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let after = text.strip_prefix('<')?;
    let end = after
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '!' | '?' | '-'))
        .unwrap_or(after.len());
    let (name, rest) = after.split_at(end);
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "svg" => Some("image/svg+xml"),
        "?xml" if text.to_ascii_lowercase().contains("<svg") => Some("image/svg+xml"),
        "?xml" => Some("text/xml"),
        "!doctype" if starts_with_word(rest, "svg") => Some("image/svg+xml"),
        "!doctype" => Some("text/html"),
        name if name.starts_with("!--") || ELEMENTS.contains(&name) => Some("text/html"),
        _ => None,
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.split_whitespace()
        .next()
        .is_some_and(|first| first.trim_end_matches(['>', '[']).eq_ignore_ascii_case(word))
}

fn known(content_type: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.mime == content_type)
}

/// The types of [`AllowList::default`](super::AllowList).
pub(super) fn taken_by_default() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.mime)
}

/// Whether a browser may show files of `content_type`; a type that is not known here is saved.
pub fn disposition(content_type: &str) -> Disposition {
    known(content_type).map_or(Disposition::Attachment, |known| known.disposition)
}

/// The usual extension of `content_type`, without its dot.
pub fn extension(content_type: &str) -> Option<&'static str> {
    known(content_type).map(|known| known.extensions[0])
}

/// Whether a file of `content_type` may be called something that ends with `.extension`.
pub(super) fn agrees(content_type: &str, extension: &str) -> bool {
    let extension = extension.to_ascii_lowercase();
    match known(content_type) {
        // Text has any extension that nothing else owns: program code, data, logs.
        Some(Known { mime: TEXT, .. }) => {
            !RUNNABLE.contains(&extension.as_str())
                && !KNOWN.iter().any(|known| {
                    known.mime != TEXT && known.extensions.contains(&extension.as_str())
                })
        }
        Some(known) => known.extensions.contains(&extension.as_str()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is(content: &[u8], expected: &str) {
        let shown = String::from_utf8_lossy(&content[..content.len().min(40)]);
        assert_eq!(content_type(content, true, None), expected, "{shown}");
    }

    #[test]
    fn content_decides_and_not_the_claim() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
        assert_eq!(content_type(png, true, Some("text/html")), "image/png");
        assert_eq!(content_type(b"just words", true, Some("image/png")), TEXT);
        assert_eq!(content_type(b"<script>1</script>", true, Some("image/gif")), "text/html");
        assert_eq!(content_type(b"GIF89a\x01\0\x01\0\0\0\0", true, None), "image/gif");
        let program = content_type(b"MZ\x90\0\x03\0\0\0", true, Some("image/png"));
        assert!(!program.contains("image"), "{program}");
    }

    #[test]
    fn a_claim_refines_what_content_leaves_open() {
        let zip = b"PK\x03\x04\x14\0\0\0\0\0whatever comes then, at some length";
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(content_type(zip, true, Some(docx)), docx);
        assert_eq!(content_type(zip, true, Some("image/png")), "application/zip");
        let mut ole = OLE_MAGIC.to_vec();
        ole.extend([0; 600]);
        assert_eq!(content_type(&ole, true, Some("application/msword; x=y")), "application/msword");
        assert_eq!(content_type(&ole, true, None), OLE);
    }

    #[test]
    fn markup_is_told_from_text() {
        for html in [
            "<html>",
            " \n<!DOCTYPE HTML>",
            "<script src=x>",
            "<img/onerror=1>",
            "<p>hi",
            "<!-- x -->",
            "\u{FEFF}<body>",
            "<BR>",
        ] {
            is(html.as_bytes(), "text/html");
        }
        for svg in ["<svg xmlns='x'>", "<?xml version='1.0'?>\n<SVG>", "<!DOCTYPE svg PUBLIC>"] {
            is(svg.as_bytes(), "image/svg+xml");
        }
        is(b"<?xml version='1.0'?><rss/>", "text/xml");
        for text in [
            "<3 you",
            "<alice> hi",
            "< 5",
            "a <b>",
            "",
            "<",
            "\u{1F600} héllo\n",
            "MZ",
            "%PDF is a format",
        ] {
            is(text.as_bytes(), TEXT);
        }
    }

    #[test]
    fn what_is_neither_text_nor_known_is_unknown() {
        is(b"\x00\x01\x02\x03", UNKNOWN);
        is(b"caf\xe9 in latin-1", UNKNOWN);
        is(b"a NUL \0 in text", UNKNOWN);
    }

    #[test]
    fn a_head_that_ends_within_a_character_is_still_text() {
        let text = "é".as_bytes();
        assert_eq!(content_type(&text[..1], false, None), TEXT);
        assert_ne!(content_type(&text[..1], true, None), TEXT);
    }

    #[test]
    fn only_what_runs_nothing_is_shown_in_place() {
        for mime in [
            "text/html",
            "image/svg+xml",
            "text/xml",
            "application/pdf",
            UNKNOWN,
            "application/xhtml+xml",
            "text/javascript",
            "x",
        ] {
            assert_eq!(disposition(mime), Disposition::Attachment, "{mime}");
        }
        assert_eq!(disposition("image/png"), Disposition::Inline);
    }

    proptest! {
        #[test]
        fn any_content_gets_a_type(head in proptest::collection::vec(any::<u8>(), 0..2000),
            magic in prop::sample::select(vec![&b""[..], b"PK\x03\x04", b"<", b"<?xml", OLE_MAGIC,
                b"PK\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0[Content_Types].xml",
                b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftyp"])) {
            let content = [magic, &head].concat();
            let found = content_type(&content, true, None);
            prop_assert!(found.contains('/'));
        }

        #[test]
        fn any_text_that_begins_as_markup_gets_a_type(text in "\\PC{0,200}") {
            content_type(format!("<{text}").as_bytes(), true, None);
        }
    }
}
