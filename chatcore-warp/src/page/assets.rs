//! The static files of the page.
//!
//! They are named by what they all hold: `/assets/{version}/{name}`, so that a browser may keep each
//! for ever, and a new build is a new name. They are compressed once, when the first is asked for.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap};
use http::{HeaderValue, StatusCode};

use crate::headers::PAGE_CSP;
use crate::reply::{self, Response};

/// A file, as it was when the crate was compiled.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($name:literal $content_type:ident),* $(,)?) => {
        &[$(Asset {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("assets/", $name)),
        }),*]
    };
}

static INDEX: &str = include_str!("assets/index.html");

/// What the page begins with.
static FIRST: &[Asset] = assets![
    "acks.js" SCRIPT,
    "api.js" SCRIPT,
    "app.js" SCRIPT,
    "auth-view.js" SCRIPT,
    "base.css" STYLE,
    "blocks.js" SCRIPT,
    "chat.js" SCRIPT,
    "completion.js" SCRIPT,
    "composer-view.js" SCRIPT,
    "connection.js" SCRIPT,
    "device.js" SCRIPT,
    "dom.js" SCRIPT,
    "elements.js" SCRIPT,
    "emoji.js" SCRIPT,
    "en.js" SCRIPT,
    "format.js" SCRIPT,
    "history.js" SCRIPT,
    "i18n.js" SCRIPT,
    "icon.svg" SVG,
    "invite.js" SCRIPT,
    "keyboard.js" SCRIPT,
    "later.js" SCRIPT,
    "layout.css" STYLE,
    "members-view.js" SCRIPT,
    "members.js" SCRIPT,
    "menu.js" SCRIPT,
    "message-actions.js" SCRIPT,
    "message-view.js" SCRIPT,
    "names.js" SCRIPT,
    "notices.js" SCRIPT,
    "outbox.js" SCRIPT,
    "people.js" SCRIPT,
    "plan.js" SCRIPT,
    "quote.js" SCRIPT,
    "room-view.js" SCRIPT,
    "room.js" SCRIPT,
    "rooms-view.js" SCRIPT,
    "sender.js" SCRIPT,
    "session.js" SCRIPT,
    "settings.js" SCRIPT,
    "signals.js" SCRIPT,
    "slow-view.js" SCRIPT,
    "storage.js" SCRIPT,
    "text.js" SCRIPT,
    "timeline-view.js" SCRIPT,
    "timeline.css" STYLE,
    "toast.js" SCRIPT,
    "uploads.js" SCRIPT,
    "zh.js" SCRIPT,
];

/// What it asks for when somebody opens what is rarely opened.
static LATER: &[Asset] = assets![
    "account-view.js" SCRIPT,
    "admin-reports.js" SCRIPT,
    "admin-view.js" SCRIPT,
    "audit-view.js" SCRIPT,
    "block-dialogs.js" SCRIPT,
    "dialog.js" SCRIPT,
    "dialogs.css" STYLE,
    "en-later.js" SCRIPT,
    "help-view.js" SCRIPT,
    "image-viewer.js" SCRIPT,
    "invited-view.js" SCRIPT,
    "links-view.js" SCRIPT,
    "list.js" SCRIPT,
    "message-dialogs.js" SCRIPT,
    "room-dialogs.js" SCRIPT,
    "search-view.js" SCRIPT,
    "settings-view.js" SCRIPT,
    "zh-later.js" SCRIPT,
];

fn all() -> impl Iterator<Item = &'static Asset> {
    FIRST.iter().chain(LATER)
}

/// What is asked for by a name that holds its content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What may be another the next time.
const ASK_AGAIN: &str = "no-cache";

/// The files as they are sent, in the order of [`all`].
static FILES: LazyLock<Vec<Content>> =
    LazyLock::new(|| all().map(|asset| Content::new(Bytes::from_static(asset.bytes))).collect());

/// A name for all of the files together.
static VERSION: LazyLock<String> =
    LazyLock::new(|| hash(all().flat_map(|asset| [asset.name.as_bytes(), asset.bytes])));

/// Bytes to be sent, as they are and compressed.
struct Content {
    plain: Bytes,
    gzip: Bytes,
    hash: String,
}

impl Content {
    fn new(plain: Bytes) -> Self {
        let gzip = compress(&plain).map_or_else(
            |error| {
                tracing::error!(%error, "a file of the page is sent as it is");
                Bytes::new()
            },
            Bytes::from,
        );
        Self { hash: hash([&plain[..]]), plain, gzip }
    }

    /// The content as this client wants it, or 304 to one that has it.
    fn answer(
        &self,
        headers: &HeaderMap,
        content_type: &'static str,
        caching: &'static str,
    ) -> Response {
        let gzip = !self.gzip.is_empty() && takes_gzip(headers);
        // Each encoding is a representation of its own.
        let etag = format!("\"{}{}\"", self.hash, if gzip { "-gz" } else { "" });
        let there = matches(headers, &etag);
        let mut response = if there {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            let body = if gzip { &self.gzip } else { &self.plain };
            reply::bytes(StatusCode::OK, content_type, body.clone())
        };
        let answer = response.headers_mut();
        if gzip && !there {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_CSP));
        if let Ok(etag) = HeaderValue::try_from(etag) {
            answer.insert(header::ETAG, etag);
        }
        response
    }
}

/// The page itself, for `GET` and `HEAD` of the root.
///
/// `mount` is the path that the application mounted us under, without a slash at its end. The page
/// names its files relative to its own address, which goes wrong where that lacks the slash at its
/// end: under a mount they are named from there. Without one a proxy may still have taken a prefix
/// away, of which nothing is known here, and relative names are right.
pub fn index(mount: &str, headers: &HeaderMap) -> Response {
    static PLAIN: LazyLock<Content> = LazyLock::new(|| Content::new(page("assets/").into()));
    let mount = mount.trim_matches('/');
    if mount.is_empty() {
        return PLAIN.answer(headers, HTML, ASK_AGAIN);
    }
    let below = format!("/{}/assets/", super::escape(mount));
    Content::new(page(&below).into()).answer(headers, HTML, ASK_AGAIN)
}

/// The page, with its files below `assets`; and those that its script begins with, so that they
/// come at once and not one after the other.
fn page(assets: &str) -> String {
    let below = format!("{assets}{}/", *VERSION);
    let scripts =
        FIRST.iter().filter(|asset| asset.content_type == SCRIPT && asset.name != "app.js");
    let early: String = scripts
        .map(|asset| format!("  <link rel=\"modulepreload\" href=\"{below}{}\">\n", asset.name))
        .collect();
    INDEX.replace("\"assets/", &format!("\"{below}")).replace("</head>", &format!("{early}</head>"))
}

/// A file that the page is made of, for `GET` and `HEAD` of `/assets/{version}/{name}`; none of
/// another name.
///
/// Of another version there is nothing here but this one: a page that another build served, before
/// or beside this one, gets it, and is to ask again.
pub fn asset(version: &str, name: &str, headers: &HeaderMap) -> Option<Response> {
    let (at, asset) = all().enumerate().find(|(_, asset)| asset.name == name)?;
    let caching = if version == *VERSION { FOR_EVER } else { ASK_AGAIN };
    Some(FILES[at].answer(headers, asset.content_type, caching))
}

fn compress(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

/// FNV-1a over the bytes. It tells builds apart and need not withstand anybody: the files are the
/// crate's own.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", parts.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3): named or by `*`, and not at weight 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    let (mut named, mut any) = (None, None);
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse::<f32>().ok());
        let taken = weight.is_some_and(|weight| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => named = Some(taken),
            "*" => any = Some(taken),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// Whether the client says that it holds `etag` (RFC 9110, section 13.1.2).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag
    })
}

#[cfg(test)]
mod tests;
