//! A server that stops while its clients are in the middle of something, beside another that goes on.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chatcore::Chat;
use chatcore::attachment::blobs::MemoryBlobs;
use chatcore::bus::MemoryBus;
use chatcore::id::{AttachmentId, Seq};
use chatcore::log::{Body, Cursor, Draft};
use chatcore::store::memory::MemoryStore;
use chatcore_quic::client::{QuicLink, State, Update, Upload};
use chatcore_quic::server::SelfSigned;
use chatcore_quic::{Certificate, Config, Stopped, serve};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Interval;

use crate::cuttable::soon;
use crate::memory::{node, quick, room_of};

/// One server of a chat.
struct Node {
    chat: Chat,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<Stopped>>,
}

/// Two servers of one chat, and the ways to them, the first one's first.
async fn two() -> (Node, Node, impl Fn() -> QuicLink) {
    let made = SelfSigned::make().expect("made");
    let certificate = Certificate::from_pem(made.chain.as_bytes(), made.key.as_bytes());
    let certificate = certificate.expect("usable");
    let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(MemoryBus::default()));
    let blobs = Arc::new(MemoryBlobs::default());
    let start = async || {
        let chat = node(store.clone(), bus.clone(), blobs.clone()).await;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = socket.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let config = Config::new(certificate.clone());
        let task = tokio::spawn(serve(socket, chat.clone(), config, shutdown));
        Node { chat, address, stop: Some(stop), task }
    };
    let (one, other) = (start().await, start().await);
    let addresses = [&one, &other].map(|node| node.address.to_string());
    let fingerprint = certificate.fingerprint();
    let link = move || {
        let trust = fingerprint.parse().expect("a fingerprint");
        QuicLink::to_any(&addresses.each_ref().map(|a| &**a), trust).expect("a socket")
    };
    (one, other, link)
}

impl Node {
    /// Asks everybody to go, and tells how they went.
    async fn stop(mut self) -> Stopped {
        // It ends only when it is told to.
        let _ = self.stop.take().expect("once").send(());
        let ended = soon("the stop", &mut self.task).await.expect("no panic").expect("its socket");
        self.chat.shutdown().await;
        ended
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A file that comes slowly.
struct Slow {
    left: usize,
    ticks: Interval,
}

impl Slow {
    const STEP: usize = 1_000;

    fn new(length: usize) -> Self {
        Self { left: length, ticks: tokio::time::interval(Duration::from_millis(10)) }
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(self.ticks.poll_tick(cx));
        let count = self.left.min(Self::STEP).min(buf.remaining());
        buf.put_slice(&vec![b'x'; count]);
        self.left -= count;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_server_that_stops_move_without_losing_or_doubling_anything() {
    const MESSAGES: usize = 400;
    let (one, other, link) = two().await;
    let room = room_of(&one.chat, &["ann", "bob"]).await;
    let ann = quick("ann").pipeline(4).connect(link()).expect("sound settings");
    let bob = quick("bob").connect(link()).expect("sound settings");
    let mut heard = bob.subscribe(&room, Some(Cursor::start())).await.expect("the first");
    let (sender, at) = (ann.clone(), room.clone());
    let talking = tokio::spawn(async move {
        let mut doubled = 0;
        for n in 0..MESSAGES {
            let sent = sender.send(&at, Draft::text(format!("{n:04}"))).await;
            doubled += usize::from(sent.expect("sent in the end").duplicate);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        doubled
    });
    let (mut texts, mut last, mut begun, mut stopping) = (Vec::new(), Seq(0), 0, None);
    let mut one = Some(one);
    while texts.len() < MESSAGES {
        match soon("an entry", heard.next()).await.expect("open").expect("not refused") {
            Update::Began(began) => {
                assert!(began.recovered);
                begun += 1;
            }
            Update::Event(event) => {
                assert_eq!(event.seq(), last.next(), "the next one, once");
                last = event.seq();
                if let Some(Body::Message { text, .. }) = event.entry().map(|entry| &entry.body) {
                    texts.push(text.clone());
                }
            }
        }
        if texts.len() == MESSAGES / 4
            && let Some(one) = one.take()
        {
            stopping = Some(tokio::spawn(one.stop()));
        }
    }
    let all: Vec<_> = (0..MESSAGES).map(|n| format!("{n:04}")).collect();
    assert_eq!(texts, all);
    assert_eq!(begun, 2, "on the one, and then on the other");
    let doubled = talking.await.expect("no panic");
    assert_eq!(doubled, 0, "what the first had taken it answered before it closed");
    let stopped = stopping.expect("it was told to").await.expect("no panic");
    assert_eq!(stopped, Stopped::Drained, "all went by themselves");
    ann.rooms().await.expect("the other serves her");
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_on_their_way_arrive_before_their_client_moves() {
    const LENGTH: usize = 60_000;
    let (one, other, link) = two().await;
    room_of(&one.chat, &["ann"]).await;
    let ann = quick("ann").connect(link()).expect("sound settings");
    let stored = ann.upload(Upload::bytes("big.txt", vec![b'y'; 8 << 20])).await.expect("stored");
    // Eight MiB that are asked for, and not read before the server stops.
    let mut down = ann.download(&stored.id, ..).await.expect("there");
    let upload = Upload::new("slow.txt", LENGTH as u64, Slow::new(LENGTH));
    let mut progress = upload.progress();
    let uploading = tokio::spawn({
        let ann = ann.clone();
        async move { ann.upload(upload).await }
    });
    // By then the server has seen it too: what it has not seen when it stops, it does not wait for.
    let begun = progress.wait_for(|progress| progress.done >= LENGTH as u64 / 10);
    soon("the beginning of the file", begun).await.expect("it goes on");
    let stopping = tokio::spawn(one.stop());

    let mut came = 0;
    while let Some(bytes) = soon("a part", down.chunk()).await.expect("not cut") {
        assert!(bytes.iter().all(|byte| *byte == b'y'));
        came += bytes.len();
    }
    assert_eq!(came, 8 << 20, "all of it");
    let file = soon("the upload", uploading).await.expect("no panic").expect("stored");
    assert_eq!(file.size, LENGTH as u64);
    assert_eq!(stopping.await.expect("no panic"), Stopped::Drained);

    let connected = async {
        ann.state().wait_for(|state| *state == State::Connected).await.expect("it lives");
        // Both are there, at the other server.
        size_of(&ann, &file.id).await + size_of(&ann, &stored.id).await
    };
    assert_eq!(soon("the other server", connected).await, (LENGTH + (8 << 20)) as u64);
    drop(other);
}

async fn size_of(client: &chatcore_quic::Client, file: &AttachmentId) -> u64 {
    client.download(file, 0..1).await.expect("there").file().size
}
