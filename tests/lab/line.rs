//! That the laboratory's line does what it is told, and no more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use chatcore_tests::PATIENCE;
use chatcore_tests::lab::{CLIENT, Conditions, Host, Lab, Rate, SERVER, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

async fn bind(host: &Host) -> UdpSocket {
    let address = host.address();
    host.run(async move { UdpSocket::bind((address, 0)).await.expect("a port is free") }).await
}

/// Sends back whatever comes. Returns where.
async fn echo(lab: &Lab) -> SocketAddr {
    let socket = bind(&lab.server).await;
    let address = socket.local_addr().expect("bound");
    lab.server.spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.expect("it is bound");
            socket.send_to(&buffer[..length], from).await.expect("sent");
        }
    });
    address
}

async fn receive(socket: &UdpSocket, patience: Duration) -> Option<(u32, SocketAddr)> {
    let mut buffer = [0; 2048];
    let received = tokio::time::timeout(patience, socket.recv_from(&mut buffer)).await.ok()?;
    let (length, from) = received.expect("it is bound");
    Some((u32::from_be_bytes(buffer[..length].try_into().expect("a number")), from))
}

/// Sends so many numbers to the server, and returns those that arrived, in their order.
async fn numbers(lab: &Lab, count: u32) -> Vec<u32> {
    let (here, there) = (bind(&lab.client).await, bind(&lab.server).await);
    let to = there.local_addr().expect("bound");
    let sending = lab.client.spawn(async move {
        for n in 0..count {
            here.send_to(&n.to_be_bytes(), to).await.expect("sent");
            if n % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut arrived = Vec::new();
    while let Some((n, _)) = receive(&there, Duration::from_millis(500)).await {
        arrived.push(n);
    }
    sending.await.expect("no panic");
    arrived
}

#[tokio::test]
async fn a_packet_takes_as_long_as_asked() {
    let Some(lab) = Lab::open(1) else { return };
    let to = echo(&lab).await;
    let socket = bind(&lab.client).await;
    for delay in [0, 10, 50].map(Duration::from_millis) {
        lab.set(Conditions::delay(delay));
        let mut times = Vec::new();
        for n in 0..20_u32 {
            let sent = Instant::now();
            socket.send_to(&n.to_be_bytes(), to).await.expect("sent");
            let (back, _) = receive(&socket, PATIENCE).await.expect("it comes back");
            assert_eq!(back, n);
            times.push(sent.elapsed());
        }
        times.sort_unstable();
        println!("{delay:?} each way: there and back in {:?} to {:?}", times[0], times[19]);
        assert!(times[0] >= 2 * delay, "{times:?}");
        assert!(times[10] <= 2 * delay + Duration::from_millis(8), "{times:?}");
    }
}

#[tokio::test]
async fn as_many_are_lost_as_asked_the_same_for_a_seed_and_the_others_keep_their_order() {
    const SENT: u32 = 5_000;
    let mut fates = Vec::new();
    for seed in [7, 7, 8] {
        let Some(lab) = Lab::open(seed) else { return };
        lab.set(Conditions::delay(Duration::from_millis(5)).with_loss(0.02));
        let arrived = numbers(&lab, SENT).await;
        let counts = lab.counts(Way::Up);
        println!("2 % of {SENT}: {counts:?}");
        assert!(arrived.is_sorted(), "no one is overtaken");
        assert_eq!(arrived.len() as u64, counts.passed, "only the relay loses");
        assert_eq!(counts.passed + counts.lost, u64::from(SENT));
        // Five standard deviations from the mean.
        assert!((50..=150).contains(&counts.lost), "{counts:?}");
        assert_eq!(lab.counts(Way::Down).passed, 0);
        fates.push(arrived);
    }
    assert_eq!(fates[0], fates[1]);
    assert_ne!(fates[0], fates[2]);
}

#[tokio::test]
async fn packets_overtake_each_other_only_where_asked() {
    let Some(lab) = Lab::open(3) else { return };
    let late = Duration::from_millis(3);
    lab.set(Conditions::delay(Duration::from_millis(5)).with_late(0.1, late));
    let arrived = numbers(&lab, 3_000).await;
    let overtaken = arrived.windows(2).filter(|pair| pair[0] > pair[1]).count();
    println!("{overtaken} of 3000 were overtaken");
    assert_eq!(BTreeSet::from_iter(&arrived).len(), 3_000, "all come, once");
    assert!(overtaken > 30, "only {overtaken}");
}

#[tokio::test]
async fn a_narrow_line_lets_through_what_it_is_wide_and_drops_what_its_queue_does_not_hold() {
    let Some(lab) = Lab::open(9) else { return };
    // Each is 32 bytes with its headers.
    lab.set(Conditions::default().with_rate(Rate { bytes: 32_000, queue: 3_200 }));
    let began = Instant::now();
    let arrived = numbers(&lab, 1_000).await;
    let took = began.elapsed() - Duration::from_millis(500);
    let counts = lab.counts(Way::Up);
    println!("{} of 1000 went through in {took:?}: {counts:?}", arrived.len());
    assert_eq!(counts.passed + counts.crowded_out, 1_000);
    // A hundred wait, and those that went meanwhile; a thousand a second.
    assert!((100..300).contains(&arrived.len()), "{counts:?}");
    assert!(took >= Duration::from_millis(arrived.len() as u64), "{took:?}");
}

#[tokio::test]
async fn in_a_blackout_nothing_arrives_and_after_it_all_does() {
    let Some(lab) = Lab::open(4) else { return };
    let (to, socket) = (echo(&lab).await, bind(&lab.client).await);
    lab.blackout(true);
    for n in 0..5_u32 {
        socket.send_to(&n.to_be_bytes(), to).await.expect("it is sent as if nothing were");
    }
    assert_eq!(receive(&socket, Duration::from_millis(100)).await, None);
    assert_eq!(lab.counts(Way::Up).blacked_out, 5);
    lab.blackout(false);
    socket.send_to(&9_u32.to_be_bytes(), to).await.expect("sent");
    assert_eq!(receive(&socket, PATIENCE).await.map(|(n, _)| n), Some(9));
}

#[tokio::test]
async fn another_address_is_all_that_the_server_sees_of_the_client() {
    let Some(lab) = Lab::open(5) else { return };
    let (here, there) = (bind(&lab.client).await, bind(&lab.server).await);
    let to = there.local_addr().expect("bound");
    let mut before = None;
    for n in 0..3_u32 {
        here.send_to(&n.to_be_bytes(), to).await.expect("sent");
        let (came, from) = receive(&there, PATIENCE).await.expect("it arrives");
        assert_eq!((came, from.port()), (n, here.local_addr().expect("bound").port()));
        if let Some(before) = before.replace(from) {
            assert_ne!(before, from);
            there.send_to(&[0; 4], before).await.expect("sent to nobody");
        }
        there.send_to(&n.to_be_bytes(), from).await.expect("sent");
        assert_eq!(receive(&here, PATIENCE).await, Some((n, to)));
        assert_ne!(lab.readdress(), from.ip(), "another");
    }
    assert_eq!(lab.counts(Way::Down).misdirected, 2);
}

#[tokio::test]
async fn tcp_gets_through_whole() {
    let Some(lab) = Lab::open(6) else { return };
    let late = Duration::from_millis(2);
    let bad = Conditions::delay(Duration::from_millis(2)).with_loss(0.02).with_late(0.02, late);
    lab.set(bad);
    lab.readdress();
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let (listener, expected) = (
        lab.server.run(async { TcpListener::bind((SERVER, 0)).await.expect("a port is free") }),
        sent.clone(),
    );
    let listener = listener.await;
    let to = listener.local_addr().expect("bound");
    let receiving = lab.server.spawn(async move {
        let (mut socket, from) = listener.accept().await.expect("one comes");
        assert_ne!(from.ip(), CLIENT);
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.expect("whole");
        all
    });
    lab.client.spawn(async move {
        let mut socket = TcpStream::connect(to).await.expect("reachable");
        socket.write_all(&sent).await.expect("taken");
    });
    let all = tokio::time::timeout(PATIENCE, receiving).await.expect("in time").expect("no panic");
    assert!(all == expected, "as it was sent");
    assert!(lab.counts(Way::Up).lost > 10);
}

/// The namespaces that this process has threads in.
fn namespaces() -> BTreeSet<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a process has threads");
    let paths = tasks.flatten().map(|task| task.path().join("ns/net"));
    // A thread may end meanwhile.
    paths.filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.ino()).collect()
}

#[tokio::test]
async fn two_do_not_meet_and_nothing_is_left_of_them() {
    let before = namespaces();
    let (Some(one), Some(other)) = (Lab::open(1), Lab::open(2)) else { return };
    // The same address in each, and the same port.
    let ports = [bind(&one.server).await, bind(&other.server).await];
    let port = ports[0].local_addr().expect("bound").port();
    let twin = other.server.run(async move { UdpSocket::bind((SERVER, port)).await }).await;
    let twin = twin.expect("it is free in the other");
    let from = bind(&one.client).await;
    from.send_to(&1_u32.to_be_bytes(), (SERVER, port)).await.expect("sent");
    assert!(receive(&ports[0], PATIENCE).await.is_some());
    assert_eq!(receive(&twin, Duration::from_millis(50)).await, None);
    // Nor do they meet anybody else: what the machine itself listens on is not there.
    let outside = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let outside = outside.local_addr().expect("bound");
    assert!(one.client.run(TcpStream::connect(outside)).await.is_err());
    assert_eq!(namespaces().len(), before.len() + 4);
    drop((one, other, ports, twin, from));
    let end = Instant::now() + PATIENCE;
    while namespaces() != before {
        assert!(Instant::now() < end, "threads are left elsewhere");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
