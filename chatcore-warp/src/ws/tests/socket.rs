//! The socket against another implementation of the protocol, over a pipe.

use std::future::poll_fn;
use std::time::Duration;

use chatcore::clock::Timestamp;
use chatcore::connection::{Incoming, Outbox, Transport as _};
use chatcore::protocol::frame::{Pong, ServerFrame};
use chatcore::protocol::{CloseCode, Malformed, Wire};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use bytes::Bytes;

use crate::ws::socket::Socket;

const MOST: usize = 100_000;

/// Both ends of a connection whose handshake is done; the pipe holds `room` bytes each way.
async fn pair(wire: Wire, room: usize) -> (WebSocketStream<DuplexStream>, Socket<DuplexStream>) {
    let (near, far) = tokio::io::duplex(room);
    let client = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    (client, Socket::new(far, Bytes::new(), wire, MOST))
}

/// The next message, past signs of life.
async fn receive(socket: &mut Socket<DuplexStream>) -> Option<Incoming> {
    loop {
        match poll_fn(|cx| socket.poll_receive(cx)).await {
            Some(Incoming::Alive) => {}
            other => return other,
        }
    }
}

async fn write(socket: &mut Socket<DuplexStream>, outbox: &mut Outbox) {
    poll_fn(|cx| socket.poll_write(cx, outbox)).await.unwrap();
}

fn pong(ts: i64) -> Bytes {
    Wire::WebSocketJson.frame(&ServerFrame::Pong(Pong { ts: Timestamp(ts) }))
}

#[tokio::test]
async fn messages_come_in_whole_however_they_are_cut() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 64).await;
    for n in [0, 1, 125, 126, 65_536, MOST] {
        let text = "x".repeat(n);
        let sent = tokio::join!(client.send(Message::text(text.clone())), receive(&mut socket));
        assert_eq!(sent.1, Some(Incoming::Message(text.into())), "{n}");
    }
}

#[tokio::test]
async fn many_frames_leave_in_order_through_a_narrow_pipe() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 100).await;
    let mut outbox = Outbox::default();
    (0..500).for_each(|n| outbox.push(pong(n)));
    let reads = async {
        for n in 0..500 {
            let text = client.next().await.unwrap().unwrap().into_text().unwrap();
            assert_eq!(text.as_str(), format!(r#"{{"op":"pong","ts":{n}}}"#));
        }
    };
    tokio::join!(write(&mut socket, &mut outbox), reads);
}

#[tokio::test]
async fn ping_is_answered_between_frames() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 100).await;
    let mut outbox = Outbox::default();
    (0..50).for_each(|n| outbox.push(pong(n)));
    // Fill the pipe, which leaves the socket in the middle of a frame.
    let stuck =
        poll_fn(|cx| std::task::Poll::Ready(socket.poll_write(cx, &mut outbox).is_pending()));
    assert!(stuck.await && outbox.mid_piece());
    client.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    let heard = poll_fn(|cx| socket.poll_receive(cx)).await;
    assert_eq!(heard, Some(Incoming::Alive), "a ping is no message, but a sign of life");
    let reads = async {
        let (mut frames, mut answered) = (0, false);
        while frames < 50 {
            match client.next().await.unwrap().unwrap() {
                Message::Pong(payload) => answered = payload == "there?",
                Message::Text(_) => frames += 1,
                other => panic!("{other:?}"),
            }
        }
        answered
    };
    let (_, answered) = tokio::join!(write(&mut socket, &mut outbox), reads);
    assert!(answered, "the pong never came");
}

#[tokio::test]
async fn pings_of_a_peer_that_never_reads_take_no_memory() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 256).await;
    let mut outbox = Outbox::default();
    (0..50).for_each(|n| outbox.push(pong(n)));
    let _ =
        poll_fn(|cx| std::task::Poll::Ready(socket.poll_write(cx, &mut outbox).is_ready())).await;
    let floods = async {
        for _ in 0..1000 {
            client.feed(Message::Ping(Bytes::from_static(&[b'x'; 125]))).await.unwrap();
            client.flush().await.unwrap();
        }
    };
    tokio::select! {
        () = floods => {}
        received = receive(&mut socket) => panic!("{received:?}"),
    }
    assert!(socket.kept() < 4096, "{} bytes of pongs are kept", socket.kept());
}

#[tokio::test]
async fn what_the_subprotocol_does_not_have_is_malformed() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 1000).await;
    client.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(receive(&mut socket).await, Some(Incoming::Malformed(Malformed::Syntax)));
    assert_eq!(receive(&mut socket).await, None, "nothing is read after it");
    let (mut client, mut socket) = pair(Wire::WebSocketMsgpack, 1000).await;
    client.send(Message::text("{}")).await.unwrap();
    assert_eq!(receive(&mut socket).await, Some(Incoming::Malformed(Malformed::Syntax)));
}

#[tokio::test]
async fn hostile_frames_are_malformed() {
    let masked = |head: &[u8]| [head, &[0; 4][..]].concat();
    let cases: [(&str, Vec<u8>, Malformed); 7] = [
        (
            "longer than a message may be",
            masked(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa1]),
            Malformed::TooLong { most: MOST },
        ),
        (
            "longer than memory",
            masked(&[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
            Malformed::TooLong { most: MOST },
        ),
        ("unmasked", vec![0x81, 2, b'{', b'}'], Malformed::Syntax),
        ("reserved bit, as of compression", masked(&[0xc1, 0x80]), Malformed::Syntax),
        ("reserved opcode", masked(&[0x83, 0x80]), Malformed::Syntax),
        ("continuation of nothing", masked(&[0x80, 0x80]), Malformed::Syntax),
        ("not UTF-8", [masked(&[0x81, 0x81]), vec![0xff]].concat(), Malformed::NotUtf8),
    ];
    for (what, bytes, why) in cases {
        let (mut near, far) = tokio::io::duplex(1000);
        let mut socket = Socket::new(far, Bytes::new(), Wire::WebSocketJson, MOST);
        near.write_all(&bytes).await.unwrap();
        assert_eq!(receive(&mut socket).await, Some(Incoming::Malformed(why)), "{what}");
    }
}

#[tokio::test]
async fn fragments_count_together_against_the_limit() {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let mut socket = Socket::new(far, Bytes::new(), Wire::WebSocketJson, 1000);
    let mut fragments = Vec::new();
    for n in 0..11 {
        fragments.extend([if n == 0 { 0x01 } else { 0x00 }, 0x80 | 100, 0, 0, 0, 0]);
        fragments.extend([b'x'; 100]);
    }
    near.write_all(&fragments).await.unwrap();
    let refused = Some(Incoming::Malformed(Malformed::TooLong { most: 1000 }));
    assert_eq!(receive(&mut socket).await, refused);
}

#[tokio::test]
async fn closing_tells_why_and_waits_for_the_answer() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 1000).await;
    let mut outbox = Outbox::default();
    outbox.push(pong(1));
    let closes = poll_fn(|cx| {
        socket.poll_close(cx, &mut outbox, CloseCode::Revoked, "the session was revoked")
    });
    let reads = async {
        assert!(client.next().await.unwrap().unwrap().is_text(), "what was due comes first");
        let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else {
            panic!("no close frame")
        };
        assert_eq!(u16::from(frame.code), 4003);
        assert_eq!(frame.reason, "the session was revoked");
        client.close(None).await.ok();
        drop(client);
    };
    tokio::join!(closes, reads);
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_answer_a_goodbye_is_not_waited_for() {
    let (client, mut socket) = pair(Wire::WebSocketJson, 8).await;
    let mut outbox = Outbox::default();
    outbox.push(pong(1));
    let begun = tokio::time::Instant::now();
    poll_fn(|cx| socket.poll_close(cx, &mut outbox, CloseCode::GoingAway, "bye")).await;
    assert!(begun.elapsed() <= Duration::from_secs(3));
    drop(client);
}

#[tokio::test]
async fn peer_that_closes_is_answered_and_gone() {
    let (mut client, mut socket) = pair(Wire::WebSocketJson, 1000).await;
    client.close(None).await.unwrap();
    assert_eq!(receive(&mut socket).await, None);
    assert!(socket.wants_write());
    write(&mut socket, &mut Outbox::default()).await;
    assert!(client.next().await.unwrap().unwrap().is_close());
}

#[tokio::test]
async fn peer_that_hangs_up_is_gone() {
    let (client, mut socket) = pair(Wire::WebSocketJson, 1000).await;
    drop(client);
    assert_eq!(receive(&mut socket).await, None);
}

#[tokio::test]
async fn what_came_with_the_handshake_is_read_first() {
    let (mut near, far) = tokio::io::duplex(1000);
    let early = Bytes::from_static(&[0x81, 0x82, 0, 0, 0, 0, b'{']);
    let mut socket = Socket::new(far, early, Wire::WebSocketJson, MOST);
    near.write_all(b"}").await.unwrap();
    let message = Incoming::Message(Bytes::from_static(b"{}"));
    assert_eq!(receive(&mut socket).await, Some(message));
    let mut scrap = Vec::new();
    drop(socket);
    near.read_to_end(&mut scrap).await.unwrap();
    assert!(scrap.is_empty());
}

/// A stream that takes what is written into a buffer of its own, and does not flush at once: TLS.
#[derive(Debug, Default)]
struct Buffers {
    kept: Vec<u8>,
    left: Vec<u8>,
    stuck: bool,
}

impl tokio::io::AsyncRead for Buffers {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        _buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Pending
    }
}

impl tokio::io::AsyncWrite for Buffers {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.kept.extend_from_slice(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.stuck {
            return std::task::Poll::Pending;
        }
        let kept = std::mem::take(&mut self.kept);
        self.left.extend(kept);
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_a_stream_buffers_is_flushed_in_the_end() {
    let io = Buffers { stuck: true, ..Buffers::default() };
    let mut socket = Socket::new(io, Bytes::new(), Wire::WebSocketJson, MOST);
    let mut outbox = Outbox::default();
    outbox.push(pong(1));
    let pending =
        poll_fn(|cx| std::task::Poll::Ready(socket.poll_write(cx, &mut outbox).is_pending()));
    assert!(pending.await && outbox.is_empty());
    assert!(socket.wants_write(), "it has to be asked again");
    socket.io_mut().stuck = false;
    poll_fn(|cx| socket.poll_write(cx, &mut outbox)).await.unwrap();
    assert!(!socket.wants_write());
    assert_eq!(socket.io_mut().left, pong(1));
}
