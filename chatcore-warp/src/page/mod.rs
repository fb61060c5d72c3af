//! What a browser sees: the page to chat with, the error page, the page behind a mailed link.
//!
//! The page is a handful of static files, embedded at compile time. It needs nothing from elsewhere,
//! runs under a policy without inline script, and names every address relative to its own, so that it
//! works under whatever path an application mounts it.

mod assets;
pub mod confirm;
pub mod error;

use chatcore::Code;
use http::Method;

pub use assets::{asset, index};

use crate::problem::Problem;
use crate::router::{Call, Router};

/// Adds the page: `GET /` and the files that it is made of.
pub(crate) fn add(router: Router) -> Router {
    router
        .on(Method::GET, "/", |call: Call| async move { index(&call.mounted(""), call.headers()) })
        .on(Method::GET, "/assets/{version}/{name}", |call: Call| async move {
            let found = asset(call.segment("version"), call.segment("name"), call.headers());
            found.unwrap_or_else(|| {
                Problem::new(Code::NotFound, "there is no such file").into_response()
            })
        })
}

/// Escapes text for HTML, between tags and within quoted attributes alike.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_stays_text() {
        assert_eq!(
            escape(r#"<a href="x" id='y'>&amp;</a>"#),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;"
        );
    }
}
