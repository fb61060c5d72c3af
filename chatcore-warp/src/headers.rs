//! Headers that every answer carries unless its handler set its own.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// For what is not a page: nothing may be loaded, nor may it be framed.
pub(crate) const API_CSP: &str = "default-src 'none'; frame-ancestors 'none'";

/// For pages of our own: scripts, styles and images of this origin, sockets to it, and no framing.
pub const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; \
    manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// For files that people uploaded: whatever one holds, it runs nothing and reaches nothing.
pub const FILE_CSP: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// Two years, as browsers' preload lists ask.
const HSTS: &str = "max-age=63072000";

/// Adds what the answer does not say yet. `secure` tells whether the client's way here is encrypted.
pub(crate) fn complete(headers: &mut HeaderMap, secure: bool) {
    let defaults: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, API_CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let hsts = HeaderValue::from_static(HSTS);
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(hsts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handler_that_set_its_own_keeps_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_CSP));
        complete(&mut headers, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], PAGE_CSP);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn strict_transport_security_is_said_only_where_there_is_tls() {
        let mut headers = HeaderMap::new();
        complete(&mut headers, true);
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], HSTS);
    }
}
