//! Where the link of a confirmation mail leads.

use http::StatusCode;

use super::error::draw;
use crate::reply::Response;

/// The address is confirmed. `home` is where the chat is, relative or absolute.
pub fn confirmed(home: &str) -> Response {
    let back = format!("<p><a href=\"{}\">Go and log in</a></p>", super::escape(home));
    draw(
        StatusCode::OK,
        "Your e-mail address is confirmed",
        &["You can log in with it now. This page may be closed."],
        &back,
    )
}

/// The link is unknown, used or expired: which of them is nobody's business.
pub fn refused() -> Response {
    draw(
        StatusCode::BAD_REQUEST,
        "This link does not work",
        &[
            "It was used before, or it is too old, or it was not copied as a whole.",
            "If you confirmed your address already, simply log in. Otherwise register again, and a \
             new link will be sent to you.",
        ],
        "",
    )
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn way_home_cannot_break_out_of_its_attribute() {
        let answer = confirmed("/chat/\"><script>");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("href=\"/chat/&quot;&gt;&lt;script&gt;\""), "{body}");
    }

    #[test]
    fn dead_link_is_no_success() {
        assert_eq!(refused().status(), 400);
    }
}
