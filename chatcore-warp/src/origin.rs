//! Which web page a request comes from, and what pages of other origins may do.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::Authority;
use http::{Method, Uri};

/// Headers that pages of allowed origins may send.
const ALLOWED_HEADERS: &str = "authorization, content-type, range, if-range";
/// Headers that they may read.
const EXPOSED_HEADERS: &str =
    "x-request-id, retry-after, etag, content-range, accept-ranges, content-disposition";

/// Origins other than our own whose pages may call us and read what we answer.
///
/// ```
/// use chatcore_warp::origin::AllowedOrigins;
/// let allowed = AllowedOrigins::parse(["https://app.example", "http://localhost:5173"])?;
/// # Ok::<_, chatcore_warp::origin::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<HeaderValue>);

/// Not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://app.example or http://localhost:5173")]
pub struct InvalidOrigin(String);

/// Where a request comes from, as the browser tells; other programs say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// A page of ours, an address typed in, or no browser at all.
    Own,
    /// A page of an origin that is allowed.
    Allowed,
    /// A page of any other.
    Foreign,
}

impl AllowedOrigins {
    /// Parses origins: scheme, host and port, nothing after it.
    ///
    /// # Errors
    /// The first that is not one. `*` and `null` are not.
    pub fn parse<S: AsRef<str>>(
        origins: impl IntoIterator<Item = S>,
    ) -> Result<Self, InvalidOrigin> {
        let parse = |s: S| {
            let s = s.as_ref().trim_end_matches('/').to_ascii_lowercase();
            let is_origin = s.parse::<Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
                    && uri.path_and_query().is_none_or(|p| p == "/")
                    && !s.contains(['?', '#'])
            });
            let value = HeaderValue::from_str(&s).ok().filter(|_| is_origin);
            value.ok_or(InvalidOrigin(s))
        };
        origins.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }

    /// Judges the page that sent a request to `host`.
    pub(crate) fn site(&self, headers: &HeaderMap, host: Option<&Authority>) -> Site {
        let fetch_site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        // The browser has compared the origins itself, and no page can write this header. It holds
        // also behind a proxy that changed the host.
        if fetch_site == Some(b"same-origin") {
            return Site::Own;
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            return if same_origin(origin, host) {
                Site::Own
            } else if self.contains(origin) {
                Site::Allowed
            } else {
                Site::Foreign
            };
        }
        match fetch_site {
            None | Some(b"none") => Site::Own,
            Some(_) => Site::Foreign,
        }
    }

    /// Adds to an answer what lets pages of allowed origins read it.
    pub(crate) fn permit(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        response.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = request.get(header::ORIGIN).filter(|origin| self.contains(origin)) {
            let yes = HeaderValue::from_static("true");
            let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// Adds to the answer of a preflight what pages of allowed origins may do here.
    pub(crate) fn preflight(&self, request: &HeaderMap, allow: &HeaderValue, to: &mut HeaderMap) {
        let asks = request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if asks && request.get(header::ORIGIN).is_some_and(|origin| self.contains(origin)) {
            let allowed = HeaderValue::from_static(ALLOWED_HEADERS);
            to.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
            to.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
            to.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

/// Whether a request may change something, as far as its origin goes.
///
/// A page of another origin can make a browser send a request with the cookie, and can itself log a
/// visitor in as somebody else. It cannot add an `Authorization` header without being allowed to, so
/// a request that has one is not its work.
pub(crate) fn may_change(method: &Method, headers: &HeaderMap, site: Site) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    safe || site != Site::Foreign || headers.contains_key(header::AUTHORIZATION)
}

fn same_origin(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let uri = origin.to_str().ok().and_then(|s| s.parse::<Uri>().ok());
    let (Some(uri), Some(host)) = (uri, host) else { return false };
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    uri.authority().is_some_and(|of_page| {
        // No browser names a user in an origin.
        !of_page.as_str().contains('@')
            && of_page.host().eq_ignore_ascii_case(host.host())
            && of_page.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(k, v): &(&'static str, &'static str)| {
            (HeaderName::from_static(k), HeaderValue::from_static(v))
        };
        pairs.iter().map(pair).collect()
    }

    fn site(pairs: &[(&'static str, &'static str)]) -> Site {
        let allowed = AllowedOrigins::parse(["https://app.example"]).unwrap();
        allowed.site(&headers(pairs), Some(&Authority::from_static("chat.example")))
    }

    #[test]
    fn page_is_judged_by_origin_then_by_fetch_metadata() {
        assert_eq!(site(&[]), Site::Own);
        assert_eq!(site(&[("origin", "https://chat.example")]), Site::Own);
        assert_eq!(site(&[("origin", "https://CHAT.example:443")]), Site::Own);
        assert_eq!(site(&[("origin", "https://app.example")]), Site::Allowed);
        for evil in [
            "null",
            "https://evil.example",
            "https://chat.example:8443",
            "https://chat.example.evil",
            "file://chat.example",
            "https://evil.example@chat.example",
            "",
        ] {
            assert_eq!(site(&[("origin", evil)]), Site::Foreign, "{evil}");
        }
        assert_eq!(site(&[("sec-fetch-site", "same-origin")]), Site::Own);
        let behind_a_proxy =
            [("sec-fetch-site", "same-origin"), ("origin", "https://outside.example")];
        assert_eq!(site(&behind_a_proxy), Site::Own);
        let forged = [("sec-fetch-site", "none"), ("origin", "https://evil.example")];
        assert_eq!(site(&forged), Site::Foreign);
        assert_eq!(site(&[("sec-fetch-site", "none")]), Site::Own);
        assert_eq!(site(&[("sec-fetch-site", "cross-site")]), Site::Foreign);
        assert_eq!(site(&[("sec-fetch-site", "same-site")]), Site::Foreign);
    }

    #[test]
    fn foreign_page_may_read_nothing_and_change_nothing() {
        let foreign =
            headers(&[("origin", "https://evil.example"), ("cookie", "chatcore_session=x")]);
        assert!(!may_change(&Method::POST, &foreign, Site::Foreign));
        assert!(may_change(&Method::GET, &foreign, Site::Foreign));
        let bearer = headers(&[("authorization", "Bearer x")]);
        assert!(may_change(&Method::POST, &bearer, Site::Foreign));
        let mut answer = HeaderMap::new();
        AllowedOrigins::parse(["https://app.example"]).unwrap().permit(&foreign, &mut answer);
        assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(answer[header::VARY], "origin");
    }

    #[test]
    fn preflight_of_an_allowed_origin_is_granted_and_of_another_is_not() {
        let allowed = AllowedOrigins::parse(["https://app.example"]).unwrap();
        let allow = HeaderValue::from_static("GET, POST");
        let asks =
            |origin| headers(&[("origin", origin), ("access-control-request-method", "POST")]);
        let mut granted = HeaderMap::new();
        allowed.preflight(&asks("https://app.example"), &allow, &mut granted);
        assert_eq!(granted[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        let mut refused = HeaderMap::new();
        allowed.preflight(&asks("https://evil.example"), &allow, &mut refused);
        assert!(refused.is_empty());
    }

    #[test]
    fn what_is_not_an_origin_cannot_be_allowed() {
        for bad in [
            "*",
            "null",
            "app.example",
            "https://",
            "https://a/b",
            "https://u@a",
            "ftp://a",
            "https://a?b",
        ] {
            assert!(AllowedOrigins::parse([bad]).is_err(), "{bad}");
        }
    }
}
