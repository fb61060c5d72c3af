//! Packets that no QUIC library would send: made here, sealed as a client's first ones are.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use chatcore_quic::ALPN;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{ClientConnection, Keys, Version};
use rustls::{ClientConfig, RootCertStore, Side};

use crate::support::{Server, server_with, soon};

/// As long as a client's first packet must be at least.
const PACKET: usize = 1_200;
const TAG: usize = 16;

/// A client that makes its packets itself.
struct Forger {
    socket: UdpSocket,
    /// What it calls the server's end, from which the keys follow.
    id: [u8; 8],
    next: u32,
}

impl Forger {
    fn at(server: &Server, id: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        socket.connect(server.address).expect("a good address");
        Self { socket, id: id.to_be_bytes(), next: 0 }
    }

    /// Sends a packet with these frames, filled up with padding.
    fn send(&mut self, frames: &[u8]) {
        let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
        let algorithm = suite.quic.expect("it serves for QUIC");
        let keys = Keys::initial(Version::V1, suite, algorithm, &self.id, Side::Client).local;
        let mut header = vec![0xc3, 0, 0, 0, 1, 8];
        header.extend(self.id);
        // No name of its own, and no token.
        header.extend([0, 0]);
        let (number, length) = (header.len() + 2, PACKET - header.len() - 2);
        header.extend((0x4000 | u16::try_from(length).expect("short")).to_be_bytes());
        header.extend(self.next.to_be_bytes());
        let mut payload = frames.to_vec();
        assert!(payload.len() + header.len() + TAG <= PACKET, "one packet");
        payload.resize(PACKET - header.len() - TAG, 0);
        let sealed = keys.packet.encrypt_in_place(self.next.into(), &header, &mut payload);
        payload.extend(sealed.expect("it can be sealed").as_ref());
        let (first, rest) = header.split_first_mut().expect("a header");
        let hidden = keys.header.encrypt_in_place(&payload[..16], first, &mut rest[number - 1..]);
        hidden.expect("it can be hidden");
        self.next += 1;
        // A server that has closed the port is found out by what follows.
        let _ = self.socket.send(&[header, payload].concat());
    }
}

/// A number as QUIC writes it, in eight bytes.
fn number(value: u64) -> [u8; 8] {
    (0xc000_0000_0000_0000 | value).to_be_bytes()
}

/// A piece of the handshake at `offset`.
fn crypto(offset: u64, bytes: &[u8]) -> Vec<u8> {
    [&[6][..], &number(offset), &number(bytes.len() as u64), bytes].concat()
}

/// What a client says first, with these transport parameters.
fn client_hello(parameters: &[u8]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let name = "localhost".try_into().expect("a name");
    let parameters = parameters.to_vec();
    let connection = ClientConnection::new(Arc::new(config), Version::V1, name, parameters);
    let mut hello = Vec::new();
    connection.expect("a client").write_hs(&mut hello);
    hello
}

/// A transport parameter.
fn parameter(id: u64, value: &[u8]) -> Vec<u8> {
    [&number(id)[..], &number(value.len() as u64), value].concat()
}

/// The parameters without which there is no connection: that the client has no name of its own.
fn sound() -> Vec<u8> {
    parameter(0x0f, &[])
}

/// A server that lets a handshake take longer than any test: who is given up before was refused.
async fn patient() -> Server {
    server_with(|config| config.with_handshake_timeout(Duration::from_secs(600))).await
}

async fn failed(server: &Server, connections: u64) {
    let counted = async {
        while server.counters.failed() < connections {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("failing", counted).await;
    assert_eq!(server.counters.failed(), connections);
}

#[tokio::test]
async fn transport_parameters_that_cannot_be_end_that_connection_alone() {
    let server = patient().await;
    let mut other = server.hello("alice").await;
    let with = |id, value: &[u8]| [sound(), parameter(id, value)].concat();
    let hostile = [
        Vec::new(),
        vec![0xff],
        vec![0x40],
        // Longer than what follows, by far.
        [&sound()[..], &number(0x01), &number((1 << 62) - 1)].concat(),
        [sound(), sound()].concat(),
        // What only a server may say.
        with(0x00, &[1; 8]),
        with(0x02, &[1; 16]),
        with(0x10, &[1; 8]),
        // Out of bounds: payload, streams, delays, names.
        with(0x03, &number(100)),
        with(0x08, &number((1 << 60) + 1)),
        with(0x09, &number((1 << 62) - 1)),
        with(0x0a, &number(21)),
        with(0x0b, &number(1 << 14)),
        with(0x0e, &number(1)),
        // Not a number, or more than one.
        with(0x04, &[]),
        with(0x04, &[0; 9]),
        with(0x01, &[0xc0]),
        // A name of its own that it does not have.
        parameter(0x0f, &[7; 8]),
        parameter(0x0f, &[7; 21]),
    ];
    for (n, parameters) in (0..).zip(&hostile) {
        Forger::at(&server, n).send(&crypto(0, &client_hello(parameters)));
        failed(&server, n + 1).await;
    }
    assert!(other.lives().await);
    assert!(server.hello("bob").await.lives().await);
    assert_eq!(server.counters.accepted(), 2);
}

#[tokio::test]
async fn frames_that_nobody_knows_or_that_come_too_early_end_that_connection_alone() {
    let server = patient().await;
    let mut other = server.hello("alice").await;
    let hello = crypto(0, &client_hello(&sound()));
    let hostile: [&[u8]; 10] = [
        &[0x21],
        &[0x7f, 0xff],
        &number((1 << 62) - 1),
        // A stream, its data, a datagram, a token, a close by the application: not before the keys.
        &[0x08, 0, b'x'],
        &[0x30, b'x'],
        &[0x07, 1, 0],
        &[0x1d, 0, 0],
        // Acknowledges what was never sent; and a million ranges that are not there.
        &[0x02, 0x40, 0xff, 0, 0, 0],
        &[0x02, 0, 0, 0x80, 0x0f, 0x42, 0x40, 0],
        // A piece of the handshake beyond the end of all numbers.
        &crypto((1 << 62) - 1, b"xx"),
    ];
    for (n, frames) in (0..).zip(hostile) {
        Forger::at(&server, 100 + n).send(&[hello.as_slice(), frames].concat());
        failed(&server, n + 1).await;
    }
    assert!(other.lives().await);
    assert!(server.hello("bob").await.lives().await);
}

/// Memory that this process holds, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a known field");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_handshake_in_crumbs_with_gaps_takes_no_memory() {
    let timeout = Duration::from_secs(2);
    let server = server_with(|config| config.with_handshake_timeout(timeout)).await;
    let mut other = server.hello("alice").await;
    let before = resident();
    let mut forgers: Vec<_> = (0..20).map(|n| Forger::at(&server, 200 + n)).collect();
    for round in 0..120_u64 {
        for forger in &mut forgers {
            // One byte of each two, the last ones first; never the first, so that nothing is used.
            let offsets = (0..60).map(|n| 16_000 - 2 * (round * 60 + n) % 15_000);
            let crumbs: Vec<u8> = offsets.flat_map(|at| crypto(at, b"x")).collect();
            forger.send(&crumbs);
        }
        tokio::task::yield_now().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB for twenty connections: less than a MiB each");
    assert!(other.lives().await);
    failed(&server, 20).await;
    assert!(server.hello("bob").await.lives().await);
}

#[tokio::test]
async fn a_flood_of_first_packets_is_asked_to_come_again_and_keeps_nobody_out() {
    const FLOOD: u64 = 400;
    let timeout = Duration::from_secs(2);
    let server =
        server_with(|config| config.with_retry_above(16).with_handshake_timeout(timeout)).await;
    let mut other = server.hello("alice").await;
    let hello = crypto(0, &client_hello(&sound()));
    for n in 0..FLOOD {
        // Nobody who forges where it comes from hears what it would have to answer.
        Forger::at(&server, 1_000 + n).send(&hello);
        if n % 20 == 0 {
            assert!(other.lives().await);
        }
    }
    assert!(server.hello("bob").await.lives().await);
    let retried = server.counters.retried();
    assert!((FLOOD - 16..=FLOOD + 1).contains(&retried), "{retried} had to prove themselves");
    failed(&server, 16).await;
    assert_eq!(server.counters.accepted(), 2);
}
