//! The server over real sockets, with timeouts short enough to wait for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Stopped>,
}

/// A server with a handler for each scenario below.
async fn start(config: ServeConfig) -> Running {
    let hello = warp::path("hello").map(|| "hello".to_owned());
    let peer = warp::path("peer").and(warp::ext::get::<Peer>()).map(|p: Peer| p.ip.to_string());
    let panics = warp::path("panics").map(|| -> String { panic!("on purpose") });
    let slow = warp::path("slow").then(|| async {
        tokio::time::sleep(150 * MS).await;
        "slow".to_owned()
    });
    let never = warp::path("never").then(std::future::pending::<String>);
    let reads = warp::path("reads").and(warp::body::stream()).then(count);
    let floods = warp::path("floods").map(|| "x".repeat(32 << 20));
    let filter = hello.or(peer).or(panics).or(slow).or(never).or(reads).or(floods);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, filter, config, async {
        let _ = stopped.await;
    }));
    Running { address, stop, ended }
}

/// How many bytes a body has, or why it ended before its end.
async fn count<B: warp::Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> String {
    let mut body = pin!(body);
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes += chunk.remaining(),
            Err(error) => return format!("cut: {error}"),
        }
    }
    bytes.to_string()
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` on a connection of its own and reads until the server closes.
    async fn exchange(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        read_to_close(&mut socket).await
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
    }
}

/// A reset after the answer counts as a close, too.
async fn read_to_close(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(n) = socket.read(&mut chunk).await {
        if n == 0 {
            break;
        }
        read.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

fn quick() -> ServeConfig {
    ServeConfig::default()
        .with_header_timeout(100 * MS)
        .with_idle_timeout(100 * MS)
        .with_stall_timeout(200 * MS)
        .with_drain_timeout(200 * MS)
        .with_pace(Pace { grace: 100 * MS, min_rate: 10_000, idle: 80 * MS })
}

#[tokio::test]
async fn silent_socket_is_closed() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    assert_eq!(read_to_close(&mut socket).await, "");
    let mut socket = server.connect().await;
    // The beginning of an HTTP/2 preface, which keeps the server guessing.
    socket.write_all(b"PRI * HT").await.unwrap();
    assert_eq!(read_to_close(&mut socket).await, "");
}

#[tokio::test]
async fn dribbled_header_is_cut() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /hello HTTP/1.1\r\n").await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if socket.write_all(b"a: b\r\n").await.is_err() {
            return;
        }
        tokio::time::sleep(10 * MS).await;
    }
    panic!("still open after {:?}", begun.elapsed());
}

#[tokio::test]
async fn silent_body_is_cut() {
    let server = start(quick()).await;
    let head = "POST /reads HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n";
    let answer = server.exchange(&format!("{head}abc")).await;
    assert!(answer.contains("too slowly"), "{answer}");
}

#[tokio::test]
async fn dribbled_body_is_cut() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    let head = b"POST /reads HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let (mut read, mut write) = socket.split();
    let dribble = async {
        while write.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(5 * MS).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = vec![0; 1024];
    let n = tokio::select! {
        () = dribble => unreachable!("it pends"),
        n = read.read(&mut answer) => n.unwrap(),
    };
    let answer = String::from_utf8_lossy(&answer[..n]);
    assert!(answer.contains("too slowly"), "{answer}");
}

#[tokio::test]
async fn body_above_the_least_rate_may_outlast_the_grace() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    let head =
        b"POST /reads HTTP/1.1\r\nhost: x\r\ncontent-length: 8000\r\nconnection: close\r\n\r\n";
    socket.write_all(head).await.unwrap();
    for _ in 0..8 {
        socket.write_all(&[b'x'; 1000]).await.unwrap();
        tokio::time::sleep(25 * MS).await;
    }
    let answer = read_to_close(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn client_that_never_reads_is_cut() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /floods HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(500 * MS).await;
    let read = read_to_close(&mut socket).await;
    assert!(read.len() < 32 << 20, "got all of {} bytes", read.len());
}

#[tokio::test]
async fn panic_in_one_handler_leaves_the_server_up_and_shows_nothing() {
    let server = start(quick()).await;
    let answer = server.get("/panics").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(!answer.contains("on purpose"), "{answer}");
    assert!(server.get("/hello").await.ends_with("hello"));
}

#[tokio::test]
async fn connection_above_the_cap_is_refused_until_one_leaves() {
    let server = start(quick().with_max_per_address(1).with_idle_timeout(5000 * MS)).await;
    let mut held = server.connect().await;
    held.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    held.read_exact(&mut byte).await.unwrap();
    let mut refused = server.connect().await;
    let answer = read_to_close(&mut refused).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(held);
    let begun = Instant::now();
    while !server.get("/hello").await.ends_with("hello") {
        assert!(begun.elapsed() < Duration::from_secs(5), "the place was never freed");
    }
}

#[tokio::test]
async fn peer_is_the_socket_without_proxies_and_the_client_behind_one() {
    let forwarded = "GET /peer HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6, 7.7.7.7\r\n\
                     connection: close\r\n\r\n";
    let open = start(quick()).await;
    assert!(open.exchange(forwarded).await.ends_with("\r\n127.0.0.1"));
    let trusted = TrustedProxies::parse(["127.0.0.0/8"]).unwrap();
    let behind = start(quick().with_trusted_proxies(trusted)).await;
    assert!(behind.exchange(forwarded).await.ends_with("\r\n7.7.7.7"));
}

#[tokio::test]
async fn shutdown_lets_a_request_end_and_then_accepts_no_more() {
    let server = start(quick()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(50 * MS).await;
    server.stop.send(()).unwrap();
    let answer = read_to_close(&mut socket).await;
    assert!(answer.ends_with("slow"), "{answer}");
    assert_eq!(server.ended.await.unwrap(), Stopped::Drained);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn shutdown_cuts_what_does_not_end() {
    let server = start(quick().with_stall_timeout(5000 * MS)).await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(50 * MS).await;
    server.stop.send(()).unwrap();
    assert_eq!(server.ended.await.unwrap(), Stopped::Cut);
    assert_eq!(read_to_close(&mut socket).await, "");
}

#[tokio::test]
async fn http2_is_spoken_on_the_same_port() {
    let server = start(quick()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://x/hello").body(Full::<Bytes>::default()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    // With nothing more to do, the idle connection is closed by the server.
    connection.await.unwrap().ok();
}

/// One frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Opens HTTP/2, sends `flood`, and tells whether the server said GOAWAY and closed.
async fn is_sent_away(flood: &[u8]) -> bool {
    let server = start(ServeConfig::default()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let (mut read, mut write) = socket.split();
    let flooding = async {
        // The server may close in the middle of it.
        let _ = write.write_all(flood).await;
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = flooding => unreachable!("it pends"),
        _ = read.read_to_end(&mut answer) => {}
        () = tokio::time::sleep(5000 * MS) => return false,
    }
    answer.windows(9).any(|w| w[3] == 7 && w[5..9] == [0; 4])
}

/// The header block of a request for `path`, which is short.
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![method, 0x86, 0x41, 0x01, b'x', 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

#[tokio::test]
async fn rapid_reset_of_http2_streams_ends_the_connection() {
    let flood = (1..20_001_u32).step_by(2).flat_map(|stream| {
        let reset = frame(3, 0, stream, &8_u32.to_be_bytes());
        [frame(1, 5, stream, &head(GET, "/hello")), reset].concat()
    });
    assert!(is_sent_away(&flood.collect::<Vec<_>>()).await);
}

#[tokio::test]
async fn endless_continuation_of_http2_headers_ends_the_connection() {
    let mut flood = frame(1, 0, 1, &head(GET, "/hello"));
    // `a: b`, as a literal that is not to be indexed.
    let more = [0x00, 0x01, b'a', 0x01, b'b'].repeat(1000);
    (0..1000).for_each(|_| flood.extend(frame(9, 0, 1, &more)));
    assert!(is_sent_away(&flood).await);
}

#[tokio::test]
async fn flood_of_empty_http2_data_ends_the_connection() {
    let mut flood = frame(1, 4, 1, &head(POST, "/never"));
    flood.extend(frame(0, 0, 1, &[]).repeat(200_000));
    assert!(is_sent_away(&flood).await);
}

#[tokio::test]
async fn flood_of_http2_pings_and_settings_is_survived_or_ended() {
    let mut flood = frame(6, 0, 0, &[0; 8]).repeat(10_000);
    flood.extend(frame(4, 0, 0, &[]).repeat(10_000));
    let server = start(ServeConfig::default()).await;
    let mut socket = server.connect().await;
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    socket.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // Nothing is read: what the server would answer must not pile up, nor hold up others.
    let _ = tokio::time::timeout(200 * MS, socket.write_all(&flood)).await;
    assert!(server.get("/hello").await.ends_with("hello"));
}
