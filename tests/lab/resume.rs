//! How soon a client that was cut off has what it missed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chatcore::log::Body;
use chatcore_quic::client::{Link, Subscription, Update};
use chatcore_tests::PATIENCE;
use chatcore_tests::lab::Conditions;
use tokio::net::UdpSocket;

use crate::site::{Scissors, Site, either};

/// What the next entry says, whatever else comes before it.
async fn next(entries: &mut Subscription) -> String {
    loop {
        let update = tokio::time::timeout(PATIENCE, entries.next()).await.expect("in time");
        match update.expect("open").expect("not refused") {
            Update::Began(began) => assert!(began.recovered),
            Update::Event(event) => match &event.entry().expect("a known kind").body {
                Body::Message { text, .. } => return text.clone(),
                other => panic!("nobody did {other:?}"),
            },
        }
    }
}

/// The least time for which a datagram goes there and back.
async fn round_trip(site: &Site) -> Duration {
    let (say, said) = tokio::sync::oneshot::channel();
    let echo = site.lab.server.spawn(async move {
        let address = SocketAddr::from((chatcore_tests::lab::SERVER, 0));
        let socket = UdpSocket::bind(address).await.expect("a port is free");
        say.send(socket.local_addr().expect("bound")).expect("it waits");
        let mut byte = [0];
        loop {
            let (_, from) = socket.recv_from(&mut byte).await.expect("bound");
            socket.send_to(&byte, from).await.expect("sent");
        }
    });
    let to = said.await.expect("told");
    let least = site.lab.client.run(async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
        let mut times = Vec::new();
        for _ in 0..5 {
            let sent = Instant::now();
            socket.send_to(&[1], to).await.expect("sent");
            socket.recv(&mut [0]).await.expect("it comes back");
            times.push(sent.elapsed());
        }
        times.into_iter().min().expect("some")
    });
    let least = least.await;
    echo.abort();
    least
}

/// Times from a cut to the first entry that was said after it, shortest first.
async fn after_cuts<L: Link>(site: &Site, link: L, cuts: usize) -> Vec<Duration> {
    let scissors = Scissors::default();
    let client = site.connect(site.alice().await, scissors.at(link)).await;
    let room = site.room().await;
    let mut entries = client.subscribe(&room, None).await.expect("the first");
    let began = entries.next().await.expect("open").expect("not refused");
    assert!(matches!(began, Update::Began(_)), "it stands before it is cut");
    let mut times = Vec::new();
    for n in 0..cuts {
        // What a server has to say after a handshake has been said by then.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let cut = Instant::now();
        scissors.cut();
        site.say(&room, &n.to_string()).await;
        let said = next(&mut entries).await;
        times.push(cut.elapsed());
        assert_eq!(said, n.to_string(), "what was missed, and nothing else");
    }
    client.shut_down().await;
    times.sort_unstable();
    times
}

/// 50 ms each way.
#[tokio::test]
async fn after_a_cut_quic_is_back_long_before_websocket() {
    let cuts = either(5, 40);
    let Some(site) = Site::open(1, Duration::from_secs(25)).await else { return };
    site.lab.set(Conditions::delay(Duration::from_millis(50)));
    let trip = round_trip(&site).await;
    let quic = after_cuts(&site, site.quic().await, cuts).await;
    let wss = after_cuts(&site, site.wss(), cuts).await;
    let trips = |times: &[Duration]| times[times.len() / 2].as_secs_f64() / trip.as_secs_f64();
    println!("a round trip takes {trip:?}; from a cut to the first entry, of {cuts} cuts:");
    for (name, times) in [("QUIC", &quic), ("TCP, TLS 1.3, WebSocket", &wss)] {
        let (least, most) = (times[0], times[times.len() - 1]);
        let median = times[times.len() / 2];
        println!("{name}: {median:?} ({least:?} to {most:?}), {:.2} round trips", trips(times));
    }
    assert!(trips(&wss) >= 3.0);
    assert!(trips(&quic) <= 1.2, "in early data, with a ticket");
}
