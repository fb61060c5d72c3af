//! The session cookie: HttpOnly, SameSite=Lax, for the whole host, and bound to it under TLS.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

/// Its name in the clear.
const NAME: &str = "chatcore_session";
/// Its name under TLS: browsers then see to it that only this host, over TLS, can have set it.
const SECURE_NAME: &str = "__Host-chatcore_session";

fn name(secure: bool) -> &'static str {
    if secure { SECURE_NAME } else { NAME }
}

/// The session token that a request carries in its cookie.
///
/// None as well if the cookie comes twice with different values: another site of the same domain may
/// have planted one, and nobody can tell which.
pub fn session(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let mut found = None;
    // Pair by pair: one that another site has set may hold bytes that are no text.
    let pairs =
        headers.get_all(header::COOKIE).iter().flat_map(|v| v.as_bytes().split(|b| *b == b';'));
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    for (key, value) in pairs {
        if key.trim() == name(secure) {
            let value = value.trim().trim_matches('"');
            match found {
                None => found = Some(value),
                Some(other) if other == value => {}
                Some(_) => return None,
            }
        }
    }
    found.filter(|value| !value.is_empty())
}

/// The `Set-Cookie` value that hands `token` to the browser for `lifetime`.
///
/// None if the token holds what a cookie cannot (RFC 6265, section 4.1.1), which tokens of ours never
/// do.
pub fn set(token: &str, lifetime: Duration, secure: bool) -> Option<HeaderValue> {
    let sound = |b: u8| matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    if !token.bytes().all(sound) {
        return None;
    }
    value(token, lifetime.as_secs(), secure)
}

/// The `Set-Cookie` value that takes the cookie away.
pub fn clear(secure: bool) -> HeaderValue {
    value("", 0, secure).unwrap_or_else(|| HeaderValue::from_static(""))
}

fn value(token: &str, max_age: u64, secure: bool) -> Option<HeaderValue> {
    let name = name(secure);
    let flag = if secure { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{flag}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(cookies: &[&'static str], secure: bool) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        session(&headers, secure).map(str::to_owned)
    }

    #[test]
    fn a_neighbour_that_is_no_text_hides_nothing() {
        let mut headers = HeaderMap::new();
        let bytes = b"theme=caf\xe9; chatcore_session=abc";
        headers.append(header::COOKIE, HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(session(&headers, false), Some("abc"));
    }

    #[test]
    fn cookie_is_found_among_others() {
        assert_eq!(sent(&["a=b; chatcore_session=t.o.k; c=d"], false).as_deref(), Some("t.o.k"));
        assert_eq!(sent(&["a=b", "chatcore_session=t"], false).as_deref(), Some("t"));
        assert_eq!(sent(&["xchatcore_session=t; chatcore_session="], false), None);
    }

    #[test]
    fn under_tls_only_the_cookie_bound_to_the_host_counts() {
        assert_eq!(sent(&["chatcore_session=planted"], true), None);
        assert_eq!(sent(&["__Host-chatcore_session=t"], true).as_deref(), Some("t"));
    }

    #[test]
    fn two_different_cookies_are_none() {
        assert_eq!(sent(&["chatcore_session=a; chatcore_session=b"], false), None);
        assert_eq!(sent(&["chatcore_session=a; chatcore_session=a"], false).as_deref(), Some("a"));
    }

    #[test]
    fn cookie_is_kept_from_scripts_and_other_sites() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            set("t", hour, false).unwrap(),
            "chatcore_session=t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            set("t", hour, true).unwrap(),
            "__Host-chatcore_session=t; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(clear(false).to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(set("a; Domain=evil", hour, false), None);
        assert_eq!(set("a\r\nx: y", hour, false), None);
    }
}
