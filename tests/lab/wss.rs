//! The other way to a server, to compare with: TCP, TLS 1.3 and WebSocket, under the same client.

use std::net::SocketAddr;
use std::sync::Arc;

use chatcore::protocol::frame::ClientFrame;
use chatcore::protocol::{CloseCode, Encoding, Wire};
use chatcore_quic::client::link::{Ended, Incoming, Link, LinkError, LinkReceiver, LinkSender};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Opens a WebSocket over TLS 1.3. Its sessions are resumed, as a browser does.
#[derive(Clone)]
pub(crate) struct WssLink {
    address: SocketAddr,
    tls: TlsConnector,
}

impl std::fmt::Debug for WssLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WssLink").field("address", &self.address).finish_non_exhaustive()
    }
}

impl WssLink {
    /// The way to the server at `address`, which shows this certificate, in PEM form.
    pub(crate) fn new(address: SocketAddr, chain: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM");
        roots.add(root).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { address, tls: Arc::new(config).into() }
    }
}

pub(crate) struct Sender(SplitSink<Socket, Message>);
pub(crate) struct Receiver(SplitStream<Socket>);

impl Link for WssLink {
    type Sender = Sender;
    type Receiver = Receiver;

    async fn open(&self) -> Result<(Sender, Receiver), LinkError> {
        let tcp = TcpStream::connect(self.address).await.map_err(LinkError::new)?;
        tcp.set_nodelay(true).map_err(LinkError::new)?;
        let name = "localhost".try_into().map_err(LinkError::new)?;
        let tls = self.tls.connect(name, tcp).await.map_err(LinkError::new)?;
        let mut request = "wss://localhost/ws".into_client_request().map_err(LinkError::new)?;
        let protocol = Wire::WebSocketMsgpack.subprotocol().expect("a WebSocket has one");
        let protocol = protocol.parse().map_err(LinkError::new)?;
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let upgraded = tokio_tungstenite::client_async(request, tls).await;
        let (sink, stream) = upgraded.map_err(LinkError::new)?.0.split();
        Ok((Sender(sink), Receiver(stream)))
    }
}

impl LinkSender for Sender {
    async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        Encoding::MessagePack.encode(frame, &mut bytes);
        self.0.send(Message::binary(bytes)).await.map_err(LinkError::new)
    }

    async fn close(mut self) {
        // It may be gone already.
        let _ = self.0.close().await;
    }
}

impl LinkReceiver for Receiver {
    async fn receive(&mut self) -> Result<Incoming, Ended> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return Incoming::decode(Encoding::MessagePack, &bytes);
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    let number = u16::from(close.code).wrapping_sub(4000);
                    let code = CloseCode::ALL.into_iter().find(|code| code.number() == number);
                    return Err(Ended { code });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Ended::CUT),
            }
        }
    }
}
