//! HTTP/1.1 as far as one logs in with it, under the same certificate as QUIC.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chatcore::protocol::frame::Token;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Fault;

/// How long an answer may take: a password is hashed with care.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const MOST: usize = 4 << 20;

/// A server's HTTP side.
#[derive(Clone)]
pub(crate) struct Http {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Http {
    /// The server at `url`, with the certificate that `tls` accepts.
    ///
    /// # Errors
    /// If a password would travel in the clear to another machine, or `url` is none.
    pub(crate) fn new(url: &str, tls: rustls::ClientConfig) -> Result<Self, Fault> {
        let uri: Uri = url.parse().map_err(|e| format!("--url {url}: {e}"))?;
        let host = uri.host().ok_or_else(|| format!("--url {url}: it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let local = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(TlsConnector::from(Arc::new(tls))), 443),
            Some("http") if local => (None, 80),
            Some("http") => {
                let why = "your password would travel in the clear; use https://";
                return Err(format!("--url {url}: {why}").into());
            }
            _ => return Err(format!("--url {url}: it begins with https:// or http://").into()),
        };
        Ok(Self { host, port: uri.port_u16().unwrap_or(port), tls })
    }

    /// Asks, and waits for the whole answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<Value>,
    ) -> Result<Answer, Fault> {
        let asking = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            match &self.tls {
                None => self.ask(stream, method, path, token, body).await,
                Some(tls) => {
                    let name = ServerName::try_from(self.host.clone())?;
                    let stream = tls.connect(name, stream).await?;
                    self.ask(stream, method, path, token, body).await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer.map_err(|e| format!("{}:{}: {e}", self.host, self.port).into()),
            Err(_) => Err(format!("{}:{} takes too long", self.host, self.port).into()),
        }
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<Value>,
    ) -> Result<Answer, Fault> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(ACCEPT, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(body))?;
        // Ends with the answer, or with this future.
        let mut connection = std::pin::pin!(connection);
        let answering = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let bytes = Limited::new(response.into_body(), MOST).collect().await?.to_bytes();
            let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
            Ok(Answer { status, body })
        };
        let mut answering = std::pin::pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            ended = &mut connection => {
                ended?;
                answering.await
            }
        }
    }
}
