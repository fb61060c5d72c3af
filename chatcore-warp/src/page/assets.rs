//! The static files of the page.

use bytes::Bytes;
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

static INDEX: &Asset = &assets!["index.html" HTML][0];

static ASSETS: &[Asset] = assets![
    "api.js" SCRIPT,
    "app.js" SCRIPT,
    "auth-view.js" SCRIPT,
    "chat.js" SCRIPT,
    "composer-view.js" SCRIPT,
    "connection.js" SCRIPT,
    "device.js" SCRIPT,
    "dom.js" SCRIPT,
    "icon.svg" SVG,
    "outbox.js" SCRIPT,
    "people.js" SCRIPT,
    "room.js" SCRIPT,
    "rooms-view.js" SCRIPT,
    "style.css" STYLE,
    "timeline-view.js" SCRIPT,
];

/// The page itself, for `GET` and `HEAD` of the root.
///
/// `mount` is the path that the application mounted us under, without a slash at its end. The page
/// names its files relative to its own address, which goes wrong where that lacks the slash at its
/// end: under a mount they are named from there. Without one a proxy may still have taken a prefix
/// away, of which nothing is known here, and relative names are right.
pub fn index(mount: &str, headers: &HeaderMap) -> Response {
    let mount = mount.trim_matches('/');
    if mount.is_empty() {
        return answer(headers, INDEX.content_type, Bytes::from_static(INDEX.bytes));
    }
    let text = String::from_utf8_lossy(INDEX.bytes);
    let text = text.replace("\"assets/", &format!("\"/{}/assets/", super::escape(mount)));
    answer(headers, INDEX.content_type, text.into())
}

/// A file that the page is made of, for `GET` and `HEAD` of `/assets/{name}`; none of another name.
pub fn asset(name: &str, headers: &HeaderMap) -> Option<Response> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    Some(answer(headers, asset.content_type, Bytes::from_static(asset.bytes)))
}

/// The file, or 304 to a client that has it.
///
/// The names say nothing of the content, so that clients have to ask each time.
fn answer(headers: &HeaderMap, content_type: &'static str, body: Bytes) -> Response {
    let etag = etag(&body);
    let mut response = if matches(headers, &etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes(StatusCode::OK, content_type, body)
    };
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_CSP));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.insert(header::ETAG, etag);
    }
    response
}

/// FNV-1a over the bytes. It tells builds apart and need not withstand anybody: the files are the
/// crate's own.
fn etag(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("\"{:016x}\"", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
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
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn body(response: Response) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn page_and_all_that_it_names_are_served_with_their_types() {
        let page = index("", &HeaderMap::new());
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()[header::CONTENT_TYPE], HTML);
        assert_eq!(page.headers()[header::CONTENT_SECURITY_POLICY], PAGE_CSP);
        let page = String::from_utf8(body(page).await.to_vec()).unwrap();
        let named: Vec<_> = page.split("\"assets/").skip(1).map(|s| s.split('"').next()).collect();
        assert!(named.len() >= 3, "{named:?}");
        for name in named.into_iter().flatten() {
            assert_eq!(asset(name, &HeaderMap::new()).expect(name).status(), 200);
        }
    }

    #[test]
    fn every_import_of_a_script_is_there() {
        for script in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            let text = std::str::from_utf8(script.bytes).unwrap();
            for import in text.split(" from './").skip(1) {
                let name = import.split('\'').next().unwrap();
                assert!(asset(name, &HeaderMap::new()).is_some(), "{}: {name}", script.name);
            }
        }
    }

    #[test]
    fn scripts_never_turn_text_into_markup() {
        for script in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            let text = std::str::from_utf8(script.bytes).unwrap();
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(way), "{} uses {way}", script.name);
            }
        }
    }

    #[tokio::test]
    async fn whoever_has_it_is_not_sent_it_again() {
        let first = asset("app.js", &HeaderMap::new()).unwrap();
        let etag = first.headers()[header::ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, etag.clone());
        let second = asset("app.js", &headers).unwrap();
        assert_eq!((second.status().as_u16(), &second.headers()[header::ETAG]), (304, &etag));
        assert!(body(second).await.is_empty());
        assert_eq!(asset("api.js", &headers).unwrap().status(), 200);
    }

    #[tokio::test]
    async fn under_a_mount_files_are_named_from_there() {
        let page = body(index("/support/\"chat", &HeaderMap::new())).await;
        let page = std::str::from_utf8(&page).unwrap();
        assert!(page.contains("src=\"/support/&quot;chat/assets/app.js\""), "{page}");
        // A path of two slashes would be another host's.
        let page = body(index("//other.example", &HeaderMap::new())).await;
        let page = std::str::from_utf8(&page).unwrap();
        assert!(page.contains("src=\"/other.example/assets/app.js\""), "{page}");
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in ["", "index.html", "../Cargo.toml", "APP.js", "app.js/"] {
            assert!(asset(name, &HeaderMap::new()).is_none(), "{name}");
        }
    }
}
