//! Tells another program over HTTP of what was committed.
//!
//! Each batch is a POST of JSON, signed in the manner of [Standard Webhooks] (version 1.0.0, symmetric
//! signatures), for which there are libraries in most languages:
//!
//! ```text
//! webhook-id: msg_…            the same whenever the batch comes again
//! webhook-timestamp: SECONDS   when it was sent, this time
//! webhook-signature: v1,BASE64 of HMAC-SHA256 over ID.TIMESTAMP.BODY; one for each secret, a space apart
//!
//! {"type":"chat.entries","data":{"entries":[…]}}    entries as in an `event` frame of the protocol
//! ```
//!
//! A status from 200 to 299 says that it has arrived. Everything else, redirects among it, is a failure,
//! and the batch comes again as [`AfterCommit`] says, not before the seconds of a `Retry-After` have passed, up to
//! five minutes. Batches come in order, one at a time.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

mod address;
mod secret;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use tokio::time::timeout;
use url::{Host, Url};

use self::address::{Addresses, is_public};
pub use self::secret::WebhookSecret;
use super::{AfterCommit, Committed, HookFault, NotBefore};
use crate::clock::{Clock as _, SystemClock};
use crate::error::Invalid;
use crate::log::Entry;

/// How much of an answer is read, so that its connection can be used again.
const ANSWER: usize = 64 * 1024;
/// Secrets that are signed with at once.
const SECRETS: usize = 8;

/// How a [`Webhook`] calls.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    private: bool,
    timeout: Duration,
    /// None: what the system trusts.
    trusted: Option<RootCertStore>,
}

impl Default for WebhookOptions {
    /// To public addresses only, with 15 s for each call.
    fn default() -> Self {
        Self { private: false, timeout: Duration::from_secs(15), trusted: None }
    }
}

impl WebhookOptions {
    /// Lets it call addresses that are not public: this machine, private networks, what a cloud keeps
    /// for itself at `169.254.169.254`. For a URL that the operator has chosen, not one that a user may
    /// choose. Otherwise what the name resolves to is looked at for each connection, and those addresses are
    /// left out.
    #[must_use]
    pub fn with_private_addresses(mut self) -> Self {
        self.private = true;
        self
    }

    /// How long a call may take, from looking up the name to the answer's end; at most 50 s. Default 15 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        // A batch has a minute.
        self.timeout = timeout.min(Duration::from_secs(50));
        self
    }

    /// Trusts these certificates of authorities, in PEM, instead of those that the system trusts: for a
    /// receiver within a house that has an authority of its own.
    ///
    /// # Errors
    /// [`Invalid`] if `pem` holds none, or something that is none.
    pub fn with_certificates(mut self, pem: &[u8]) -> Result<Self, Invalid> {
        let refuse = |why| Invalid::new("webhook", why);
        let mut trusted = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|_| refuse("a certificate of the webhook's is not in PEM"))?;
            trusted
                .add(certificate)
                .map_err(|_| refuse("a certificate of the webhook's is unsound"))?;
        }
        if trusted.is_empty() {
            return Err(refuse("the webhook's file of certificates holds none"));
        }
        self.trusted = Some(trusted);
        Ok(self)
    }
}

/// Posts what was committed to a URL.
///
/// Connections are kept open between calls; proxies of the environment are not used, and redirects not
/// followed. Certificates are checked against those that the system trusts, unless
/// [others](WebhookOptions::with_certificates) are given.
pub struct Webhook {
    url: Url,
    secrets: Vec<WebhookSecret>,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector<Addresses>>, Full<Bytes>>,
}

/// Nothing but the host: there may be a token in the rest.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        f.debug_struct("Webhook").field("host", &host).finish_non_exhaustive()
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookFault {
    /// The other side did not take it.
    #[error("it was answered with {0}")]
    Status(http::StatusCode),
    /// It took too long.
    #[error("there was no answer in time")]
    Timeout,
    /// The other side could not be reached, or broke off.
    #[error("it could not be delivered")]
    Connection(#[source] HookFault),
}

impl Webhook {
    /// Posts to `url`, signed with each of `secrets`: one, or the new and the old one while they are being
    /// exchanged.
    ///
    /// # Errors
    /// [`Invalid`] unless `url` is `https:` or `http:`, without a name and password; for an address
    /// that is not public, unless those are let in; unless there are one to eight secrets; if
    /// the system's certificates cannot be read.
    pub fn new(
        url: &str,
        secrets: impl IntoIterator<Item = WebhookSecret>,
        options: WebhookOptions,
    ) -> Result<Self, Invalid> {
        let refuse = |problem: &'static str| Invalid::new("webhook", problem);
        let url = Url::parse(url).map_err(|_| refuse("the webhook's URL cannot be understood"))?;
        if !["https", "http"].contains(&url.scheme()) {
            return Err(refuse("a webhook's URL starts with `https://` or `http://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("a webhook's URL has no name and password; calls are signed"));
        }
        // A name is looked at when it is resolved.
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(refuse("a webhook's URL names a host")),
        };
        if !options.private && literal.is_some_and(|ip| !is_public(ip)) {
            return Err(refuse("the webhook's address is not public, and only those are let in"));
        }
        let secrets: Vec<_> = secrets.into_iter().collect();
        if !(1..=SECRETS).contains(&secrets.len()) {
            return Err(refuse("a webhook is signed with one to eight secrets"));
        }
        let mut connector =
            HttpConnector::new_with_resolver(Addresses { private: options.private });
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.timeout));
        let provider = rustls::crypto::ring::default_provider();
        let tls = HttpsConnectorBuilder::new();
        let tls = match options.trusted {
            None => tls.with_provider_and_native_roots(provider).map_err(|error| {
                Invalid::new("webhook", format!("the system's certificates are missing: {error}"))
            })?,
            Some(trusted) => {
                let config = ClientConfig::builder_with_provider(provider.into())
                    .with_safe_default_protocol_versions()
                    .map_err(|error| Invalid::new("webhook", error.to_string()))?;
                let config = config.with_root_certificates(trusted).with_no_client_auth();
                tls.with_tls_config(config)
            }
        };
        let connector = tls.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .build(connector);
        Ok(Self { url, secrets, timeout: options.timeout, client })
    }

    fn request(&self, batch: &Committed) -> Result<Request<Full<Bytes>>, HookFault> {
        #[derive(Serialize)]
        struct Event<'a> {
            r#type: &'static str,
            data: Data<'a>,
        }
        #[derive(Serialize)]
        struct Data<'a> {
            entries: &'a [Entry],
        }

        let data = Data { entries: &batch.entries };
        let body = serde_json::to_vec(&Event { r#type: "chat.entries", data })?;
        let seconds = (SystemClock.now().0 / 1_000).to_string();
        let signed = self.secrets.iter().map(|secret| secret.sign(&batch.id, &seconds, &body));
        let signatures = signed.collect::<Result<Vec<_>, _>>()?.join(" ");
        Ok(Request::post(self.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("chatcore/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &batch.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures)
            .body(Full::new(body.into()))?)
    }

    async fn post(&self, request: Request<Full<Bytes>>) -> Result<(), HookFault> {
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| WebhookFault::Connection(error.into()))?;
        let (status, asked) = (answer.status(), retry_after(answer.headers()));
        // What it says is of no interest, and its end no condition.
        let _ = Limited::new(answer.into_body(), ANSWER).collect().await;
        let fault = WebhookFault::Status(status);
        match asked {
            _ if status.is_success() => Ok(()),
            Some(after) => Err(NotBefore::new(after, fault).into()),
            None => Err(fault.into()),
        }
    }
}

/// How long the other side asks to be left alone; a date is not understood.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[async_trait]
impl AfterCommit for Webhook {
    async fn committed(&self, batch: &Committed) -> Result<(), HookFault> {
        let request = self.request(batch)?;
        let posted = timeout(self.timeout, self.post(request)).await;
        posted.unwrap_or_else(|_| Err(WebhookFault::Timeout.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> WebhookSecret {
        WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a sound secret")
    }

    #[test]
    fn urls_that_must_not_be_called_are_refused_with_advice() {
        for (url, advice) in [
            ("ftp://example.org/", "starts with `https://`"),
            ("file:///etc/passwd", "starts with `https://`"),
            ("chat", "cannot be understood"),
            ("https://ann:hunter2@example.org/", "no name and password"),
            ("http://127.0.0.1/", "not public"),
            ("http://2130706433/", "not public"),
            ("http://0x7f.1/", "not public"),
            ("http://[::1]/", "not public"),
            ("http://[::ffff:10.0.0.1]/", "not public"),
            ("http://169.254.169.254/latest", "not public"),
        ] {
            let refused = Webhook::new(url, [secret()], WebhookOptions::default());
            let said = refused.expect_err("refused").to_string();
            assert!(said.contains(advice) && !said.contains("hunter2"), "{url}: {said}");
        }
        let none = Webhook::new("https://example.org/", [], WebhookOptions::default());
        assert!(none.expect_err("refused").to_string().contains("one to eight"));
    }

    #[test]
    fn what_is_shown_of_it_holds_neither_path_nor_secret() {
        let hook = Webhook::new(
            "https://example.org/hooks/hunter2?key=hunter2",
            [secret()],
            WebhookOptions::default(),
        );
        let shown = format!("{:?}", hook.expect("sound"));
        assert!(shown.contains("example.org") && !shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("MfKQ"));
    }
}
