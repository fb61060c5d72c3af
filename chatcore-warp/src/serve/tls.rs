//! HTTPS, with rustls and ring.

use std::future::Future;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Handshake;

/// A certificate to serve under: TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1 on offer.
///
/// Clones share it: [replace](Self::replace) it through one, and a server that was given another shows
/// the new one from the next handshake on.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<TlsAcceptor>>);

/// Why a certificate cannot be served under.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The chain is not PEM, or holds no certificate.
    #[error("the certificate chain holds no certificate in PEM form")]
    Chain(#[source] Option<pem::Error>),
    /// The key is not PEM, or of a kind that is not known.
    #[error("the key file holds no private key in PEM form")]
    Key(#[source] pem::Error),
    /// They do not go together, or the key is of a kind that is not supported.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

impl Tls {
    /// Reads a certificate chain, the server's own certificate first, and its key, both in PEM form.
    ///
    /// # Errors
    /// Says which of both is at fault.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::new(config(chain, key)?))
    }

    /// Shows another certificate from now on. Connections that stand are not touched.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem); then nothing has changed.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let new = TlsAcceptor::from(config(chain, key)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Serves under a configuration of the application's own, which should offer `h2` and `http/1.1`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(RwLock::new(TlsAcceptor::from(config))))
    }
}

fn config(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| TlsError::Chain(Some(error)))?;
    if chain.is_empty() {
        return Err(TlsError::Chain(None));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    // Named, as the process may have another provider by default, or two and so none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|versions| versions.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Handshake for Tls {
    type Io = TlsStream<TcpStream>;
    const SECURE: bool = true;

    fn shake(&self, socket: TcpStream) -> impl Future<Output = io::Result<Self::Io>> + Send {
        self.0.read().unwrap_or_else(PoisonError::into_inner).accept(socket)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chatcore::Chat;
    use chatcore::store::memory::MemoryStore;
    use futures_util::{SinkExt as _, StreamExt as _};
    use http_body_util::{BodyExt as _, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;
    use crate::serve::{ServeConfig, serve_with};
    use crate::{Config, routes};

    const CHAIN: &[u8] = include_bytes!("testdata/localhost.cert.pem");
    const KEY: &[u8] = include_bytes!("testdata/localhost.key.pem");

    /// A chat over TLS, and a client connected to it that speaks `protocol`.
    async fn connect(protocol: &[u8]) -> client::TlsStream<TcpStream> {
        let chat = Chat::builder(Arc::new(MemoryStore::new())).build().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, filter) = (Tls::from_pem(CHAIN, KEY).unwrap(), routes(chat, Config::default()));
        tokio::spawn(async move {
            let config = ServeConfig::default();
            let _ = serve_with(listener, tls, filter, config, std::future::pending()).await;
        });
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CHAIN).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let socket = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }

    #[tokio::test]
    async fn http2_is_agreed_on_and_cookies_are_bound_to_the_host() {
        let io = TokioIo::new(connect(b"h2").await);
        let executor = TokioExecutor::new();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let account = r#"{"handle":"ann","password":"correct horse","cookie":true}"#;
        let request = http::Request::post("https://localhost/api/v1/accounts")
            .header("content-type", "application/json")
            .header("origin", "https://localhost")
            .body(Full::new(Bytes::from(account)))
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 201);
        assert!(answer.headers().contains_key("strict-transport-security"));
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-chatcore_session=") && cookie.contains("; Secure"));
        let request = http::Request::get("https://localhost/api/v1/me")
            .header("cookie", cookie.split(';').next().unwrap())
            .body(Full::default())
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let me = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(me.windows(5).any(|w| w == b"\"ann\""), "{me:?}");
    }

    #[tokio::test]
    async fn websocket_works_over_tls() {
        let stream = connect(b"http/1.1").await;
        let opened = tokio_tungstenite::client_async("wss://localhost/ws", stream).await;
        let (mut socket, _) = opened.unwrap();
        socket.send(Message::text(r#"{"op":"rooms","id":1}"#)).await.unwrap();
        loop {
            if let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() {
                assert_eq!(u16::from(frame.code), 4001);
                break;
            }
        }
    }

    #[test]
    fn one_that_cannot_be_used_replaces_nothing() {
        let tls = Tls::from_pem(CHAIN, KEY).unwrap();
        let acceptor = |tls: &Tls| Arc::as_ptr(tls.0.read().unwrap().config());
        let before = acceptor(&tls);
        assert!(matches!(tls.replace(CHAIN, b""), Err(TlsError::Key(_))));
        assert_eq!(acceptor(&tls), before);
        tls.clone().replace(CHAIN, KEY).unwrap();
        assert_ne!(acceptor(&tls), before, "clones share it");
    }

    #[test]
    fn certificate_that_cannot_be_used_is_told_from_a_key_that_cannot() {
        assert!(matches!(Tls::from_pem(b"", KEY), Err(TlsError::Chain(None))));
        assert!(matches!(Tls::from_pem(CHAIN, b""), Err(TlsError::Key(_))));
        assert!(matches!(Tls::from_pem(CHAIN, CHAIN), Err(TlsError::Key(_))));
    }
}
