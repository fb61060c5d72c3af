//! The server-drawn error page, for those who come with a browser and not with a program.

use http::{HeaderValue, StatusCode, header};

use super::escape;
use crate::reply::{self, Response};

/// The look of the pages that the server draws; the policy names it by its hash.
const STYLE: &str = ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\
body{min-height:100vh;margin:0;display:grid;place-items:center;\
background:light-dark(#f3f5f4,#15191b);color:light-dark(#1c2422,#e6ebe9)}\
main{max-width:26rem;margin:1.5rem;padding:2rem;border:1px solid light-dark(#dde3e0,#30383b);\
border-radius:16px;background:light-dark(#fff,#23292c)}\
h1{margin:0 0 .5rem;font-size:1.3rem}p{margin:.5rem 0}a{color:light-dark(#23705a,#4fb795)}\
small{color:light-dark(#5b6764,#9aa8a4)}";

/// Nothing but the style above: neither script nor image nor frame.
const CSP: &str = "default-src 'none'; style-src 'sha256-luOXXv2q7zAau7JZkfDFZhQWlgN6ucZgWtJMXyYaTb8='; form-action 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// A page that says what went wrong, under `status`.
///
/// `detail` is a sentence for people; it may hold anything, and is shown as text.
pub fn page(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let code = format!("<small>{}</small>", status.as_u16());
    draw(status, title, &[detail], &code)
}

/// A page of one heading and a few sentences. `extra` is HTML already.
pub(super) fn draw(status: StatusCode, title: &str, sentences: &[&str], extra: &str) -> Response {
    let title = escape(title);
    let text: String = sentences.iter().map(|s| format!("<p>{}</p>", escape(s))).collect();
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
        <title>{title}</title><style>{STYLE}</style></head>\
        <body><main><h1>{title}</h1>{text}{extra}</main></body></html>\n"
    );
    let mut response = reply::html(status, page);
    let csp = HeaderValue::from_static(CSP);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, csp);
    response
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use http_body_util::BodyExt as _;
    use sha2::Digest as _;

    use super::*;

    #[tokio::test]
    async fn detail_is_shown_as_text() {
        let answer = page(StatusCode::INTERNAL_SERVER_ERROR, "<script>alert(1)</script>");
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("Internal Server Error"), "{body}");
        assert!(body.contains("&lt;script&gt;") && !body.contains("<script>"), "{body}");
    }

    #[test]
    fn policy_allows_the_style_that_is_there() {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE));
        assert!(CSP.contains(&format!("'sha256-{hash}'")), "the style's hash is {hash}");
    }
}
