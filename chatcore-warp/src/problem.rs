//! Errors as problem documents (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use chatcore::{Code, Error, Invalid};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::body::BodyError;
use crate::reply::{self, Response};

/// Why a request failed, as its answer says it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: Cow<'static, str>,
    field: Option<String>,
    retry_after: Option<Duration>,
}

/// The document itself.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Document<'a> {
    /// Always `about:blank`: `code` tells one problem from another.
    r#type: &'static str,
    /// What the status means.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, for people.
    detail: &'a str,
    /// What is wrong, for programs.
    code: Code,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

/// The status that goes with a code: the one place where this crate decides it.
pub fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What a client calls a field, as it is shown to it again: not at any length.
pub(crate) fn shown_name(name: &str) -> String {
    name.chars().take(64).collect()
}

impl Problem {
    /// A problem of this code, explained by a sentence.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: status(code), code, detail: detail.into(), field: None, retry_after: None }
    }

    /// A fault of the server, of which the client is told nothing more.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "something went wrong on the server")
    }

    /// Names the field of the request that is at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(shown_name(&field.into()));
        self
    }

    /// Answers under another status than the code's own.
    #[must_use]
    pub fn under(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status that it is answered under.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How long to wait before trying again, where waiting helps.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What is wrong, as a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The field of the request that is at fault, where one is.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            field: self.field.as_deref(),
        };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = reply::bytes(self.status, "application/problem+json", text);
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            // Rounded up: who comes back a moment early would only be refused again.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if let Code::Internal | Code::Unavailable | Code::StorageFull = error.code() {
            tracing::warn!(error = &error as &dyn std::error::Error, "a request failed");
        }
        let field = error.field().map(str::to_owned);
        let retry_after = error.retry_after();
        Self { field, retry_after, ..Self::new(error.code(), error.public_message()) }
    }
}

impl From<Invalid> for Problem {
    fn from(error: Invalid) -> Self {
        Error::from(error).into()
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        if let BodyError::Spool(cause) = &error {
            tracing::warn!(%cause, "an upload could not be spooled");
        }
        let field = error.field().map(shown_name);
        let mut problem = Self { field, ..Self::new(error.code(), error.to_string()) };
        match error {
            BodyError::TooSlow => problem.status = StatusCode::REQUEST_TIMEOUT,
            BodyError::Busy => problem.retry_after = Some(Duration::from_secs(1)),
            _ => {}
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    async fn shown(problem: Problem) -> (http::response::Parts, Value) {
        let (parts, body) = problem.into_response().into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        (parts, serde_json::from_slice(&text).unwrap())
    }

    #[tokio::test]
    async fn problem_names_code_and_field() {
        let (parts, document) = shown(Invalid::new("text", "text is missing").into()).await;
        assert_eq!(parts.status, 400);
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(
            document,
            json!({"type": "about:blank", "title": "Bad Request", "status": 400,
                "detail": "text is missing", "code": "bad_request", "field": "text"})
        );
    }

    #[tokio::test]
    async fn who_is_too_fast_is_told_when_to_come_back() {
        let retry_after = Duration::from_millis(1200);
        let (parts, document) = shown(Error::RateLimited { retry_after }.into()).await;
        assert_eq!(parts.status, 429);
        assert_eq!(parts.headers[header::RETRY_AFTER], "2");
        assert_eq!(document["code"], "rate_limited");
    }

    #[tokio::test]
    async fn fault_of_storage_says_nothing_of_its_cause() {
        let cause = "disk sda1 at /var/lib/secret".into();
        let error = Error::from(chatcore::store::StoreError::Full(cause));
        let (parts, document) = shown(error.into()).await;
        assert_eq!(parts.status, 507);
        assert!(!document.to_string().contains("secret"), "{document}");
    }

    #[tokio::test]
    async fn slow_body_is_a_timeout() {
        let (parts, document) = shown(BodyError::TooSlow.into()).await;
        assert_eq!((parts.status.as_u16(), &document["status"]), (408, &json!(408)));
    }
}
